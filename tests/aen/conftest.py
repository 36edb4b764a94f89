"""Independent references for the tests of `aen`: plain Python over tuples, nothing taken from the package."""

from collections import deque

import pytest


def _closure(permutations, degree, limit=3000):
    """Every element of the generated group as a set of tuples, or None beyond `limit`."""
    identity = tuple(range(degree))
    seen, queue = {identity}, deque([identity])
    while queue:
        element = queue.popleft()
        for p in permutations:
            product = tuple(element[i] for i in p)
            if product not in seen:
                if len(seen) == limit:
                    return None
                seen.add(product)
                queue.append(product)
    return seen


def _point_orbits(permutations, degree):
    """The orbit of each point, numbered by its smallest point."""
    labels, count = [-1] * degree, 0
    for start in range(degree):
        if labels[start] >= 0:
            continue
        labels[start] = count
        queue = deque([start])
        while queue:
            point = queue.popleft()
            for p in permutations:
                if labels[p[point]] < 0:
                    labels[p[point]] = count
                    queue.append(p[point])
        count += 1
    return labels


def _pair_orbits(actions, n, m):
    """The orbit of each pair (x, y), in row-major order; `actions` are pairs of permutations (p, q)."""
    moves = [[p[x] * m + q[y] for x in range(n) for y in range(m)] for p, q in actions]
    return _point_orbits(moves, n * m)


@pytest.fixture(scope="session")
def closure():
    return _closure


@pytest.fixture(scope="session")
def point_orbits():
    return _point_orbits


@pytest.fixture(scope="session")
def pair_orbits():
    return _pair_orbits
