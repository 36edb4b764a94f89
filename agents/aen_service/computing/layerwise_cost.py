"""What a layer-wise search costs: its methods train their networks in slices, each on every seed."""

from dataclasses import dataclass, replace

from aen.children import ChildSpec, EquiNASSpec
from aen_agents.agents.layerwise.method import Method
from aen_agents.agents.layerwise.registry import methods_of
from aen_agents.config import LayerwiseConfig
from aen_service.computing.timing import child_seconds, timed_step

_SAVING = 0.03  # seconds in which the weights of a slice are written and read


@dataclass(frozen=True)
class LayerwiseCost:
    """What a layer-wise search trains.

    Attributes:
        children: trainings of a slice, at most.
        seconds: of all of them, one after the other.
        basis: on what that is based, for the user.
        notices: what the user should know.
    """

    children: int
    seconds: float
    basis: str
    notices: tuple[str, ...]


def layerwise_cost(agent: LayerwiseConfig, child: EquiNASSpec) -> LayerwiseCost:
    """Return what the methods of a config train; a step of the first network of each method is timed here.

    Raises:
        ConfigError: the methods cannot be made.
    """
    methods = methods_of(agent, child)
    children, seconds = 0, 0.0
    words = []
    for name, method in methods.items():
        slices = method.most_children()
        seconds += agent.exploring_seeds * sum(slices) * _slice_seconds(method, child)
        children += agent.exploring_seeds * sum(slices)
        words.append(f"{name} {agent.exploring_seeds * sum(slices):,}")
    notices = []
    if getattr(agent, "selection", "") == "pareto":
        notices.append("agent.selection=pareto keeps whole Pareto fronts, which may be more than agent.population")
    basis = (
        f"slices of {len(methods)} methods on {agent.exploring_seeds} seeds ({', '.join(words)}), a step of each "
        "method's first network timed here"
    )
    return LayerwiseCost(children, seconds, basis, tuple(notices))


def _slice_seconds(method: Method, child: EquiNASSpec) -> float:
    """Return the seconds of one slice of a method's first network."""
    first: ChildSpec = next(iter(method.start(child.seed, None)), child)
    epochs = float(method.slice_of(child, parent=None).training.epochs)
    step, batch = timed_step(replace(first, parent=None))
    return _SAVING + child_seconds(child, step, batch, epochs)
