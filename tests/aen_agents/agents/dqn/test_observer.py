"""What a DQN knows is logged, and nothing of the search depends on it."""

import json

from helpers.tiny_search import TINY

from aen_agents.agents.dqn.observer import AgentObserver
from aen_agents.config import SearchConfig
from aen_agents.events import AgentLogged, SpaceLogged
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search


def run(folder, monkeypatch, *, often):
    """Run a tiny search whose agent is logged at every step, or never; return its history and its events."""
    monkeypatch.setattr(AgentObserver, "is_due", lambda _: often)
    config, events = SearchConfig.model_validate(TINY), []
    Search(config, events.append).run(RunFolder.create(config, folder))
    return (folder / "history.jsonl").read_text(), events


def test_logging_every_step_changes_no_step(tmp_path, monkeypatch):
    often, events = run(tmp_path / "often", monkeypatch, often=True)
    never, others = run(tmp_path / "never", monkeypatch, often=False)
    assert often == never
    logged = [event for event in events if isinstance(event, AgentLogged)]
    assert not any(isinstance(event, AgentLogged) for event in others)
    lines = [json.loads(line) for line in often.splitlines()]
    assert [event.step for event in logged] == [line["step"] for line in lines[1:]]
    assert [event.epsilon for event in logged] == [line["epsilon"] for line in lines[1:]]


def test_an_event_has_the_state_in_which_the_action_was_chosen(tmp_path, monkeypatch):
    history, events = run(tmp_path / "run", monkeypatch, often=True)
    logged = [event for event in events if isinstance(event, AgentLogged)]
    assert logged[0].actions[0] == "toggle rot90"
    assert logged[1].actions == ()
    assert all(len(event.state) == len(event.q_values) == 4 for event in logged)
    lines = [json.loads(line) for line in history.splitlines()]
    by_step = {line["step"]: line["state"] for line in lines}
    bits = {step: [state >> place & 1 for place in range(4)] for step, state in by_step.items()}
    moved = 0
    for event in logged:
        if list(event.state) != bits[event.step - 1]:  # an episode ended and another one began
            assert not any(event.state)
        after = [bit ^ (place == event.action) for place, bit in enumerate(event.state)]
        assert after == bits[event.step]
        moved += 1
        assert event.explored == (event.q_values[event.action] < max(event.q_values))
    assert moved == len(lines) - 1
    assert logged[-1].loss is not None


def test_the_space_is_logged_once_at_the_start(tmp_path, monkeypatch):
    _, events = run(tmp_path / "run", monkeypatch, often=False)
    (space,) = (event for event in events if isinstance(event, SpaceLogged))
    assert space.states == 16
    assert len(space.closed_sets) == len(space.names) == space.classes
    assert space.names[next(key for key, mask in space.closed_sets.items() if mask == 0)] == "none"
