"""Which classes of a space the exhaustive agent trains: all, or those of the states that the config lists."""

from collections.abc import Iterator, Sequence

from aen.errors import AenError, SpecError, did_you_mean
from aen.spaces import Space, SpaceClass
from aen_agents.config.agents import ExhaustiveConfig

_State = tuple[int, ...]


def chosen_classes(agent: ExhaustiveConfig, space: Space) -> Sequence[SpaceClass]:
    """Return the classes to train, the baseline's among them; each once, in the order of the space.

    Raises:
        SpecError: a state that the space does not have.
    """
    if agent.states == "all":
        return space.classes
    keys = {space.spec_of(state).class_key for state in listed_states(agent, space)}
    keys.add(space.baseline.key)
    return [network_class for network_class in space.classes if network_class.key in keys]


def check_states(agent: ExhaustiveConfig, space: Space) -> None:
    """Check that the space has the states that the config lists.

    Raises:
        SpecError: it has not; the message says which choices there are.
    """
    if agent.states != "all":
        for _ in listed_states(agent, space):
            pass


def listed_states(agent: ExhaustiveConfig, space: Space) -> Iterator[_State]:
    """Yield the states that the config lists; for ``singles``, those with one choice other than the baseline's.

    Raises:
        SpecError: a name that no choice has, two choices for one place, or a space whose choices have no own names.
    """
    baseline = space.baseline_state
    singles: dict[str, tuple[int, int]] = {}
    for place, size in enumerate(space.sizes):
        for choice in range(size):
            if choice == baseline[place]:
                continue
            label = space.labels(_changed(baseline, {place: choice}))[place]
            if label in singles:
                raise SpecError(
                    f"agent.states is {_shown(agent)}, but two choices of this space are named {label!r}; use "
                    "agent.states=all."
                )
            singles[label] = (place, choice)
    wanted = [[label] for label in singles] if agent.states == "singles" else agent.states
    for names in wanted:
        changes: dict[int, int] = {}
        for name in names:
            if name not in singles:
                raise SpecError(f"agent.states has {name!r}, which is no choice{did_you_mean(name, singles)}.")
            place, choice = singles[name]
            if place in changes:
                raise SpecError(f"agent.states has {list(names)}, in which {name!r} changes a choice for the 2nd time.")
            changes[place] = choice
        state = _changed(baseline, changes)
        try:
            space.spec_of(state)
        except AenError as error:
            raise SpecError(f"agent.states is {_shown(agent)}, which this space does not have: {error}") from error
        yield state


def _changed(baseline: Sequence[int], changes: dict[int, int]) -> _State:
    return tuple(changes.get(place, choice) for place, choice in enumerate(baseline))


def _shown(agent: ExhaustiveConfig) -> str:
    return agent.states if isinstance(agent.states, str) else str([list(names) for names in agent.states])
