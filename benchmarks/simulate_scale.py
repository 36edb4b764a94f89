"""What a larger cluster would do, by simulation with costs that `bench_scale.py` measured.

Workers train for a while, then wait for the driver, which serves one after the other: it takes the result in, stores
it, chooses the next child and sends it. A worker has its next child waiting for it where specs are known ahead; where a
DQN chooses, there are a quarter more environments than workers. Seconds stand for hours on 1,000 GPUs.
"""

import argparse
import heapq
import math
import random
from collections import deque

from common import print_table

SHORTEST_TO_LONGEST = 100.0


def utilisation(workers: int, mean: float, driver: float, *, children: int, ahead: float, seed: int = 0) -> float:
    """Return the share of their time that workers train.

    Args:
        workers: how many.
        mean: seconds that a child takes; log-uniform over two orders of magnitude.
        driver: seconds that the driver is busy with each child.
        children: how many are trained.
        ahead: how many children are under way, for each worker.
        seed: of the durations.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    shortest = mean * math.log(SHORTEST_TO_LONGEST) / (SHORTEST_TO_LONGEST - 1)
    tickets = int(workers * ahead)
    waiting: deque[float] = deque()  # children that workers may take, by the time at which they were sent
    idle = workers
    driver_free = 0.0
    events: list[tuple[float, int]] = []  # (time, 0: the driver has sent a child, 1: a worker has trained one)
    for _ in range(tickets):  # the driver sends the first ones
        driver_free += driver
        heapq.heappush(events, (driver_free, 0))
    trained, busy, now = 0, 0.0, 0.0
    while trained < children:
        now, kind = heapq.heappop(events)
        if kind == 1:
            trained += 1
            idle += 1
            driver_free = max(driver_free, now) + driver
            heapq.heappush(events, (driver_free, 0))
        else:
            waiting.append(now)
        while idle and waiting:
            waiting.popleft()
            idle -= 1
            takes = shortest * SHORTEST_TO_LONGEST ** draw.random()
            busy += takes
            heapq.heappush(events, (now + takes, 1))
    # Those still under way are counted as far as they came.
    over = sum(time - now for time, kind in events if kind == 1)
    return (busy - over) / (workers * now)


def main() -> None:
    """Print utilisation for clusters and children of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--given", type=float, required=True, help="driver's milliseconds per child, specs known")
    parser.add_argument("--chosen", type=float, required=True, help="the same where a DQN chooses and learns")
    options = parser.parse_args()
    rows = []
    for workers in (64, 250, 1000, 4000):
        for mean in (1.0, 10.0, 60.0, 600.0):
            found = [
                utilisation(workers, mean, cost / 1000, children=20 * workers, ahead=ahead)
                for cost, ahead in ((options.given, 2.0), (options.chosen, 1.25))
            ]
            rows.append((f"{workers:,}", f"{mean:g} s", *(f"{share:.1%}" for share in found)))
    heads = ["workers", "mean child", f"known ({options.given} ms each)", f"chosen by DQN ({options.chosen} ms each)"]
    print_table("Utilisation by simulation", heads, rows)
    for name, cost in (("known", options.given), ("chosen", options.chosen)):
        print(f"\n{name}: at {cost} ms each one driver keeps 1,000 workers busy if a child takes {cost:.1f} s or more.")


if __name__ == "__main__":
    main()
