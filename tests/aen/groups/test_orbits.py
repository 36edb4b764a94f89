import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aen.groups import Decomposition, Generator, Orbits, grid_orbits, layer_orbits, pair_permutation

FACTORS = (
    *("rot90", "rot180", "transpose", "hflip", "vflip", "hshift(1)", "vshift(1/2)", "quadrants", "swap_lr", "swap_tb"),
    *("swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom", "hflip x vflip", "rot90 x| hflip"),
)
SIDES = st.sampled_from([2, 4])


@st.composite
def decompositions(draw):
    """Up to three factors, and now and then a user-made generator on 2x2 and 4x4."""
    chosen = draw(st.lists(st.sampled_from(FACTORS), max_size=3, unique=True))
    if draw(st.booleans()):
        tables = [draw(st.permutations(range(n))) for n in (4, 16)]
        return Decomposition.of([*chosen, "mine"], {"mine": Generator.from_permutations("mine", tables)})
    return Decomposition.of(chosen)


def actions_of(decomposition, in_side, out_side):
    return [(g.permutation(in_side).tolist(), g.permutation(out_side).tolist()) for g in decomposition.generators]


@given(decomposition=decompositions(), in_side=SIDES, out_side=SIDES)
@settings(max_examples=80)
def test_orbits_agree_with_a_search_over_pairs(decomposition, in_side, out_side, pair_orbits, point_orbits):
    actions = actions_of(decomposition, in_side, out_side)
    found = layer_orbits(decomposition.generators, in_side, out_side)
    expected = pair_orbits(actions, in_side**2, out_side**2)
    assert found.labels.tolist() == expected
    assert found.count == max(expected) + 1
    cells = grid_orbits(decomposition.generators, out_side)
    assert cells.labels.tolist() == point_orbits([q for _, q in actions], out_side**2)


def is_equivariant(weight, actions):
    return all(np.array_equal(weight[np.ix_(p, q)], weight) for p, q in actions)


@given(decomposition=decompositions(), in_side=SIDES, out_side=SIDES, data=st.data())
@settings(max_examples=60)
def test_equivariant_to_each_generator_is_equivariant_to_the_group(decomposition, in_side, out_side, data, closure):
    n, m = in_side**2, out_side**2
    actions = actions_of(decomposition, in_side, out_side)
    group = closure([tuple(p) + tuple(n + i for i in q) for p, q in actions], n + m)
    assume(group is not None)
    elements = [(list(g[:n]), [i - n for i in g[n:]]) for g in group]
    labels = layer_orbits(decomposition.generators, in_side, out_side).labels.reshape(n, m)

    # Tied by the generators alone: every element of the group keeps it.
    tied = np.random.default_rng(0).normal(size=labels.max() + 1)[labels]
    assert is_equivariant(tied, actions)
    assert is_equivariant(tied, elements)
    # Averaged over all elements: every weight matrix that the group keeps is one that the orbits can express.
    free = np.random.default_rng(1).normal(size=(n, m))
    mean = sum(free[np.ix_(p, q)] for p, q in elements) / len(elements)
    for orbit in range(labels.max() + 1):
        assert np.ptp(mean[labels == orbit]) < 1e-12
    # With one entry changed both sides of the theorem fail together, or hold together where the entry is alone.
    x, y = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, m - 1))
    tied[x, y] += 1
    alone = np.count_nonzero(labels == labels[x, y]) == 1
    assert is_equivariant(tied, actions) is is_equivariant(tied, elements) is bool(alone)


@given(decomposition=decompositions(), order=st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_orbits_do_not_depend_on_the_order_of_the_generators(decomposition, order):
    shuffled = list(decomposition.generators)
    order.shuffle(shuffled)
    assert np.array_equal(
        layer_orbits(decomposition.generators, 2, 4).labels, layer_orbits(tuple(shuffled), 2, 4).labels
    )


def test_pair_permutation_moves_both_members():
    moved = pair_permutation(np.array([1, 0]), np.array([2, 0, 1]))
    assert moved.tolist() == [5, 3, 4, 2, 0, 1]


@pytest.mark.parametrize("size", [127, 128, 256, 512])
def test_large_orbits_that_move_as_one_are_joined(size):
    # Each pair of orbits is linked by `size` equal edges; their number must not wrap round to none.
    halves = Orbits(np.repeat(np.array([0, 1], dtype=np.int32), size), 2)
    assert halves.join(np.roll(np.arange(2 * size), size)).count == 1


def test_sizes_add_up_to_all_weights():
    orbits = layer_orbits(Decomposition.of(["rot90"]).generators, 3, 3)
    # Only the pair of centres is alone; 80 other pairs lie in orbits of four.
    assert sorted(orbits.sizes().tolist()) == [1] + [4] * 20


def test_untied_layer_and_its_labels_are_read_only():
    orbits = layer_orbits((), 2, 3)
    assert orbits.labels.tolist() == list(range(36))
    with pytest.raises(ValueError, match="read-only"):
        orbits.labels[0] = 1


ALL_TWELVE = (
    *("rot90", "hflip", "vflip", "hshift(4)", "vshift(4)", "quadrants"),
    *("swap_lr", "swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
)


@pytest.mark.parametrize(
    ("factors", "in_side", "out_side", "count"),
    [
        ((), 28, 20, 313_600),
        (("rot90",), 28, 20, 78_400),
        (("rot90", "hflip", "vflip"), 28, 20, 39_340),
        (ALL_TWELVE, 28, 20, 3),
        (("rot90",), 20, 20, 40_000),
        (("rot90", "hflip", "vflip"), 20, 20, 20_100),
        (ALL_TWELVE, 20, 20, 58),
    ],
)
def test_published_orbit_counts(factors, in_side, out_side, count):
    assert layer_orbits(Decomposition.of(factors).generators, in_side, out_side).count == count


def test_a_point_that_is_moved_beside_the_sample_is_seen():
    # Of 16,384 points every fourth is in the sample; only 5 and 7 are moved.
    swap = np.arange(2**14)
    swap[[5, 7]] = [7, 5]
    assert not Orbits.discrete(2**14).is_kept_by(swap)
    assert Orbits.discrete(2**14).is_kept_by(np.arange(2**14))
    joined = Orbits.discrete(2**14).join(swap)
    assert joined.count == 2**14 - 1
    assert joined.labels[5] == joined.labels[7]
    assert joined.is_kept_by(swap)
    # One more point of a large orbit goes astray.
    orbits = Orbits(np.arange(2**14, dtype=np.int32) // 2**13, 2)
    assert orbits.is_kept_by(swap)
    swap[[5, 2**13 + 1]] = swap[[2**13 + 1, 5]]
    assert not orbits.is_kept_by(swap)


@given(
    case=st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.lists(st.integers(0, 3), min_size=n, max_size=n), st.permutations(range(n)))
    )
)
@settings(max_examples=100)
@pytest.mark.parametrize("sample", [1, 2, 100])
def test_being_kept_is_what_a_look_at_every_point_says(case, sample):
    labels, permutation = map(np.array, case)
    labels = np.unique(labels, return_inverse=True)[1].astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aen.groups.orbits._SAMPLE", sample)
        found = Orbits(labels, int(labels.max()) + 1).is_kept_by(permutation)
    assert found == all(labels[to] == labels[point] for point, to in enumerate(permutation))
