"""Orbits and classes, beside a plain breadth-first search.  Run: python benchmarks/bench_groups.py."""

import statistics
import time
from collections import deque

from common import median_seconds, print_table

from aen.groups import ALPHABETS, Alphabet, Decomposition, enumerate_classes, layer_orbits, mask_to_bits

CASES = [(), ("rot90",), ("rot90", "hflip", "vflip"), ALPHABETS["published"]]


def plain_search(decomposition: Decomposition, in_side: int, out_side: int) -> int:
    """Count orbits the obvious way: a breadth-first search over single weights."""
    actions = [(g.permutation(in_side).tolist(), g.permutation(out_side).tolist()) for g in decomposition.generators]
    cells = out_side * out_side
    seen = bytearray(in_side * in_side * cells)
    count = 0
    for start in range(len(seen)):
        if seen[start]:
            continue
        count += 1
        seen[start] = 1
        queue = deque([start])
        while queue:
            x, y = divmod(queue.popleft(), cells)
            for p, q in actions:
                moved = p[x] * cells + q[y]
                if not seen[moved]:
                    seen[moved] = 1
                    queue.append(moved)
    return count


def main() -> None:
    """Time one layer's orbits, and all classes of a child."""
    rows = []
    for names in CASES:
        decomposition = Decomposition.of(names)
        started = time.perf_counter()
        expected = plain_search(decomposition, 28, 20)
        plain = time.perf_counter() - started

        def cold(decomposition: Decomposition = decomposition) -> int:
            layer_orbits.cache_clear()
            return layer_orbits(decomposition.generators, 28, 20).count

        seconds = median_seconds(cold)
        assert cold() == expected
        label = "all twelve" if len(names) > 3 else decomposition.name
        rows.append((label, f"{expected:,}", f"{1000 * seconds:.1f} ms", f"{plain:.2f} s", f"{seconds / plain:.3f}"))
    heads = ["generators", "orbits", "aen, cold", "plain search", "ratio"]
    print_table("Orbits of one 28x28 -> 20x20 layer", heads, rows)

    # Each class by its fewest factors and by all that keep it: the shortest and the longest way to its orbits.
    table = enumerate_classes(Alphabet.of("published"), (28, 20))
    slowest = []
    for network_class in table.classes:
        for state in (network_class.representative, table.closed_set(network_class)):
            decomposition = table.alphabet.decomposition(mask_to_bits(state, len(table.alphabet)))
            times = []
            for _ in range(3):
                layer_orbits.cache_clear()
                started = time.perf_counter()
                layer_orbits(decomposition.generators, 28, 20)
                times.append(time.perf_counter() - started)
            slowest.append((statistics.median(times), decomposition.name))
    slowest.sort()
    times = [seconds for seconds, _ in slowest]
    rows = [
        (
            f"{1000 * statistics.median(times):.1f} ms",
            f"{1000 * times[-1]:.1f} ms",
            slowest[-1][1],
        )
    ]
    print_table(
        f"Orbits of one 28x28 -> 20x20 layer, cold, {len(slowest)} states of all {len(table.classes)} classes",
        ["median", "slowest", "which"],
        rows,
    )

    rows = []
    for alphabet, sides in (("published", (28, 20, 20)), ("quarter", (28, 20, 20)), ("quarter", (8, 16, 16))):
        started = time.perf_counter()
        table = enumerate_classes(Alphabet.of(alphabet), sides)
        seconds = time.perf_counter() - started
        grids = " -> ".join(map(str, sides))
        rows.append((grids, alphabet, f"{len(table.class_of_state):,}", len(table.classes), f"{seconds:.1f} s"))
    print_table("Classes of all states, cold", ["grids", "alphabet", "states", "classes", "time"], rows)


if __name__ == "__main__":
    main()
