import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import BudgetConfig
from aen_agents.events import Event, Visited

# Ten states in three classes.
CLASS_OF_STATE = [0, 0, 1, 1, 1, 2, 2, 2, 2, 2]


def visits(tmp_path: Path, counted: str, *, children: int = 100, steps: int = 100, classes: int = 3) -> Visits:
    return Visits(
        budget=BudgetConfig(children=children, steps=steps),
        counted=counted,  # type: ignore[arg-type]
        classes=classes,
        states=len(CLASS_OF_STATE),
        listener=lambda _: None,
        history=tmp_path / "history.jsonl",
    )


def info(state: int, *, looked_up: bool = False) -> dict[str, object]:
    key = f"class {CLASS_OF_STATE[state]}"
    return {
        "state": state,
        "class_key": key,
        "accuracy": 0.5 + 0.1 * CLASS_OF_STATE[state],
        "parameters": 1,
        "factors": f"f{state}",
        "group": "C2",
        "looked_up": looked_up,
    }


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.booleans())
def test_first_visits_count_what_they_should(tmp_path: Path, states: list[int], looked_up: bool) -> None:
    by_class, by_state = visits(tmp_path, "classes"), visits(tmp_path, "states")
    for state in states:
        for seen in (by_class, by_state):
            seen.saw(info(state, looked_up=looked_up), reward=0.0, epsilon=1.0)
    assert by_state.first_visits == len(set(states))
    assert by_class.first_visits == len({CLASS_OF_STATE[state] for state in states})
    assert by_class.steps == len(states)
    assert by_class.best == 0.5 + 0.1 * max(CLASS_OF_STATE[state] for state in states)


def test_it_ends_when_the_budget_is_used_up(tmp_path: Path) -> None:
    seen = visits(tmp_path, "states", children=2)
    seen.saw(info(0), reward=0, epsilon=1)
    assert seen.why_finished() is None
    seen.saw(info(1), reward=0, epsilon=1)
    assert seen.why_finished() == "the budget of children is used up"


def test_it_ends_when_every_class_is_known(tmp_path: Path) -> None:
    seen = visits(tmp_path, "states")
    for state in (0, 2, 5):
        assert seen.why_finished() is None
        seen.saw(info(state), reward=0, epsilon=1)
    assert seen.why_finished() == "every class is known"


def test_it_ends_at_the_limit_of_steps(tmp_path: Path) -> None:
    seen = visits(tmp_path, "classes", steps=2)
    seen.saw(info(0), reward=0, epsilon=1, start=True)
    seen.saw(info(0), reward=0, epsilon=1)
    assert seen.why_finished() is None
    seen.saw(info(0), reward=0, epsilon=1)
    assert seen.why_finished() == "the limit of steps is reached"


def test_history_has_a_line_per_visit(tmp_path: Path) -> None:
    events: list[Event] = []
    seen = visits(tmp_path, "classes")
    seen.listener = events.append
    for state in (0, 1, 2):
        seen.saw(info(state), reward=0.25, epsilon=0.5)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [line["first"] for line in lines] == [True, False, True]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert len(events) == 3


def test_visits_are_taken_up_from_the_history(tmp_path: Path) -> None:
    events: list[Event] = []
    seen = visits(tmp_path, "states")
    for number, state in enumerate((0, 2, 2, 7)):
        status = {"status": ("ok", "diverged", "ok", "failed")[number]}
        seen.saw(info(state) | status, reward=0.25, epsilon=0.5, start=number == 0)
    mark = seen.mark()
    seen.saw(info(9), reward=0.25, epsilon=0.5)
    again = visits(tmp_path, "states")
    again.listener = events.append
    assert again.resume(mark)
    assert (again.steps, again.best, again.first_visits) == (3, 0.7, 3)
    assert again.diverged == {"class 1", "class 2"}
    assert again.mark() == mark
    assert [event.state for event in events if isinstance(event, Visited)] == [7]
    for name in ("seen_states", "accuracy_of_class", "parameters_of_class"):
        assert len(getattr(again, name)) == 3
    again.saw(info(8), reward=0.25, epsilon=0.5)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [line["state"] for line in lines] == [0, 2, 2, 7, 8]
    assert list(again.accuracy_of_class) == ["class 0", "class 1", "class 2"]


def test_a_history_of_something_else_is_not_taken_up(tmp_path: Path) -> None:
    seen = visits(tmp_path, "states")
    seen.saw(info(0), reward=0, epsilon=1)
    mark = seen.mark()
    seen.close()
    history = tmp_path / "history.jsonl"
    history.write_bytes(history.read_bytes().replace(b"0.5", b"0.6"))
    before = history.read_bytes()
    again = visits(tmp_path, "states")
    assert not again.resume(mark)
    assert not again.resume(visits(tmp_path / "nowhere", "states").mark())
    assert (again.steps, again.first_visits, history.read_bytes()) == (0, 0, before)
