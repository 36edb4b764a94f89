"""Which of the units that wait a worker is given."""

from collections import deque
from collections.abc import Sequence

from aen_agents.evaluators.ray.slots import Slot
from aen_agents.evaluators.ray.work_units import Unit


def take_share(waiting: deque[Unit], slot: Slot, slots: Sequence[Slot], *, worth: int) -> list[Unit]:
    """Take units for a call from those that wait: as many as make it worth its cost, but a fair share at most.

    Args:
        waiting: the units, in their order; not empty. What is taken is gone from it.
        slot: whose worker is given them.
        slots: of all workers.
        worth: so many units make a call worth its cost.

    Returns:
        The units; none if those that wait are better left to other workers.
    """
    fair = -(-len(waiting) // (2 * len(slots)))
    most = max(1, min(worth, fair))
    first = _take_first(waiting, slot, slots)
    if first is None:
        return []
    units = [first]
    while not first.alone and len(units) < most and waiting and not waiting[0].alone:
        units.append(waiting.popleft())
    return units


def _take_first(waiting: deque[Unit], slot: Slot, slots: Sequence[Slot]) -> Unit | None:
    """Take the first unit that this worker has not failed at; one that it has is left to a worker that is free."""
    for place, unit in enumerate(waiting):
        if unit.shunned != slot.number:
            del waiting[place]
            return unit
    ready = (other for other in slots if other is not slot and other.hello is not None)
    return None if any(len(other.calls) <= len(slot.calls) for other in ready) else waiting.popleft()
