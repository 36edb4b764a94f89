import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.groups import Decomposition, Orbits, layer_orbits
from aen.nn import OrbitTable
from aen.nn.tying import long_runs, orbit_mean_matrix, segment_layout, segment_sums, single_runs

ORBITS = {
    "rot90": layer_orbits(Decomposition.of(["rot90"]).generators, 3, 4),
    "flips": layer_orbits(Decomposition.of(["hflip x vflip"]).generators, 4, 4),
    "swaps": layer_orbits(Decomposition.of(["swap_tb_left", "quadrants"]).generators, 4, 2),
    "untied": layer_orbits((), 2, 3),
    "one": Orbits(np.zeros(9, dtype=np.int32), 1),
}


@pytest.fixture(params=ORBITS)
def orbits(request):
    return ORBITS[request.param]


def values_of(orbits):
    source = torch.Generator().manual_seed(0)
    return torch.randn(orbits.count, generator=source, dtype=torch.float64, requires_grad=True)


def test_each_point_gets_the_value_of_its_orbit(orbits):
    values = values_of(orbits)
    expanded = OrbitTable(orbits)(values).tolist()
    assert expanded == [values.tolist()[label] for label in orbits.labels]


def test_gradient_is_that_of_plain_indexing(orbits):
    weights = torch.randn(len(orbits.labels), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, plain = values_of(orbits), values_of(orbits)
    (OrbitTable(orbits)(ours).square() * weights).sum().backward()
    (plain[torch.from_numpy(orbits.labels.astype(np.int64))].square() * weights).sum().backward()
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-12, atol=1e-12)


def test_gradient_agrees_with_finite_differences(orbits):
    assert torch.autograd.gradcheck(OrbitTable(orbits), (values_of(orbits),))


def test_gradient_is_the_same_bit_for_bit():
    orbits = layer_orbits(Decomposition.of(["rot90", "hflip"]).generators, 8, 8)
    upstream = torch.randn(len(orbits.labels), generator=torch.Generator().manual_seed(2))
    grads = []
    for _ in range(2):
        values = torch.ones(orbits.count, requires_grad=True)
        OrbitTable(orbits)(values).backward(upstream)
        grads.append(values.grad)
    assert torch.equal(*grads)


def test_tables_are_not_saved():
    assert OrbitTable(ORBITS["rot90"]).state_dict() == {}


def test_orbit_mean():
    orbits = Orbits(np.array([0, 1, 0, 1, 1, 2, 0, 0, 2], dtype=np.int32), 3)
    x = torch.tensor([[1.0, 2, 3, 4, 6, 5, 7, 9, 7]])
    assert (x @ orbit_mean_matrix(orbits)).tolist() == [[5, 4, 6]]


@st.composite
def segments(draw, largest=9):
    """Labels in any order, none of the segments empty."""
    count = draw(st.integers(1, largest))
    labels = draw(st.permutations([*range(count), *draw(st.lists(st.integers(0, count - 1), max_size=30))]))
    return np.array(labels, dtype=draw(st.sampled_from([np.int32, np.int64]))), count


def tables(labels, count):
    order, blocks, places = segment_layout(labels, count)
    assert sorted(order.tolist()) == list(range(len(labels)))
    return torch.from_numpy(order), blocks, None if places is None else torch.from_numpy(places)


@given(layout=segments(), width=st.integers(0, 3), seed=st.integers(0, 99))
@settings(max_examples=80)
def test_segment_sums_agree_with_a_dictionary(layout, width, seed):
    labels, count = layout
    shape = (len(labels), width) if width else (len(labels),)
    # Whole numbers: their sums are exact in any order.
    values = torch.from_numpy(np.random.default_rng(seed).integers(-99, 99, size=shape).astype(np.float32))
    expected = {}
    for label, value in zip(labels.tolist(), values.numpy(), strict=True):
        expected[label] = expected.get(label, 0) + value
    found = segment_sums(values, *tables(labels, count))
    assert found.numpy().tolist() == [expected[label].tolist() for label in range(count)]


@given(layout=segments())
@settings(max_examples=30)
def test_segment_sums_are_the_same_bit_for_bit_and_close_to_those_of_double_precision(layout):
    labels, count = layout
    values = torch.randn(len(labels), generator=torch.Generator().manual_seed(0))
    found = segment_sums(values, *tables(labels, count))
    assert torch.equal(found, segment_sums(values, *tables(labels, count)))
    expected = np.bincount(labels, weights=values.double().numpy(), minlength=count)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_segments_of_equal_size_in_their_places_need_no_further_copy():
    assert tables(np.array([1, 0, 1, 0, 2, 2]), 3)[1:] == (((2, 3),), None)
    assert tables(np.array([0, 0, 1]), 2)[1] == ((1, 1), (2, 1))


@st.composite
def tied_runs(draw):
    """Labels made of runs that are tied as a whole, now and then with one label out of line."""
    length, kinds = draw(st.sampled_from([1, 2, 3, 4, 6])), draw(st.integers(1, 4))
    names = np.array(draw(st.permutations(range(length * kinds)))).reshape(kinds, length)
    labels = names[draw(st.permutations([*range(kinds), *draw(st.lists(st.integers(0, kinds - 1), max_size=5))]))]
    labels = labels.reshape(-1)
    if draw(st.booleans()):
        labels[draw(st.integers(0, len(labels) - 1))] = labels[draw(st.integers(0, len(labels) - 1))]
        labels = np.unique(labels, return_inverse=True)[1].reshape(-1)
    lengths = [n for n in range(len(labels), 1, -1) if len(labels) % n == 0]
    return labels, int(labels.max()) + 1, draw(st.sampled_from([lengths, lengths[:1], [n for n in lengths if n < 5]]))


def tied_as_a_whole(labels, length):
    """No two different runs share an orbit, and none meets one twice."""
    runs = {tuple(labels[i : i + length].tolist()) for i in range(0, len(labels), length)}
    return sum(map(len, runs)) == len({label for run in runs for label in run})


@given(case=tied_runs())
@settings(max_examples=150)
def test_the_longest_runs_are_found(case):
    labels, count, lengths = case
    expected = next((n for n in lengths if tied_as_a_whole(labels, n)), None)
    found = long_runs(labels, count, lengths)
    assert (found and found[0]) == expected
    if found is not None:
        check_runs(labels, count, *found)


@given(layout=segments())
@settings(max_examples=50)
def test_runs_of_one_point_always_work(layout):
    labels, count = layout
    run, order, runs = single_runs(labels, count)
    assert run == 1
    check_runs(labels, count, run, order, runs)


def check_runs(labels, count, run, order, runs):
    # Values stand in the order in which the points first need them; so do the orbits of the runs.
    assert order.tolist() == list(dict.fromkeys(labels.tolist()))
    assert list(dict.fromkeys(runs.labels.tolist())) == list(range(runs.count))
    assert (len(runs.labels) * run, runs.count * run) == (len(labels), count)
    by_orbit = torch.arange(count, dtype=torch.float64) ** 2
    table = OrbitTable(runs, run)
    assert torch.equal(table(by_orbit[order]), by_orbit[labels.astype(np.int64)])
    assert table.tied == (count < len(labels))


def test_different_runs_with_one_hash_are_told_apart():
    # The hash of a run is its product with fixed random numbers; these two runs have the same.
    a, b = np.random.default_rng(0).integers(1, 2**31, size=6)[:2].tolist()
    labels = np.array([b, 0, 0, a, 7, 0])
    assert labels[:2] @ [a, b] == labels[2:4] @ [a, b]
    assert long_runs(labels, 4, [2]) is None


@pytest.mark.parametrize("run", [2, 3])
def test_tables_of_runs_copy_and_sum_whole_runs(run):
    orbits = Orbits(np.array([0, 1, 0, 2, 1], dtype=np.int32), 3)
    table = OrbitTable(orbits, run)
    values = torch.randn(3 * run, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    single = OrbitTable(Orbits((orbits.labels[:, None] * run + np.arange(run, dtype=np.int32)).reshape(-1), 3 * run))
    assert torch.equal(table(values), single(values))
    assert torch.equal(table.expand(values), single.expand(values))
    points = torch.arange(5.0 * run)
    assert torch.equal(table.sums(points), single.sums(points))
    assert torch.autograd.gradcheck(table, (values,))


def test_where_nothing_is_tied_values_are_points():
    table, values = OrbitTable(Orbits.discrete(5)), torch.arange(5.0)
    assert not table.tied
    assert table(values) is table.expand(values) is table.sums(values) is values
