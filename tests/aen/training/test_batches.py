"""The stream of batches against lists that are written out whole."""

from fractions import Fraction
from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.training.batches import BatchStream

SIZES = {"n": st.integers(1, 23), "batch_size": st.integers(1, 9)}
SEEDS = st.integers(0, 2**63 - 1)


def written_out(n, batch_size, seed, epochs):
    """Every batch of the first epochs, with the number of its epoch."""
    source, found = torch.Generator().manual_seed(seed), []
    for epoch in range(epochs):
        order = torch.randperm(n, generator=source).tolist()
        found += [(epoch, order[start : start + batch_size]) for start in range(0, n, batch_size)]
    return found


def taken(stream, start, count):
    return [(epoch, batch.tolist()) for epoch, batches in stream.epochs(start, count) for batch in batches]


@given(**SIZES, seed=SEEDS, start=st.integers(0, 40), count=st.integers(1, 40))
@settings(max_examples=60)
def test_entered_anywhere_it_is_the_stream_from_there(n, batch_size, seed, start, count):
    stream = BatchStream(torch.arange(n), batch_size, seed)
    expected = written_out(n, batch_size, seed, start + count)[start : start + count]
    assert taken(stream, start, count) == expected
    epochs = [epoch for epoch, _ in stream.epochs(start, count)]
    assert epochs == sorted(set(epochs))
    assert taken(stream, start, count) == expected  # nothing is used up


@given(**SIZES, seed=SEEDS, cuts=st.lists(st.integers(1, 12), min_size=1, max_size=5))
@settings(max_examples=40)
def test_slices_are_the_whole(n, batch_size, seed, cuts):
    stream, pieces, start = BatchStream(torch.arange(n), batch_size, seed), [], 0
    for count in cuts:
        pieces.append(taken(stream, start, count))
        start += count
    assert list(chain(*pieces)) == taken(stream, 0, start)


@given(**SIZES, seed=SEEDS)
@settings(max_examples=30)
def test_every_epoch_has_every_place_once(n, batch_size, seed):
    places = torch.arange(n) * 3 + 1
    stream = BatchStream(places, batch_size, seed)
    for _, batches in stream.epochs(0, 3 * stream.per_epoch):
        assert sorted(torch.cat(batches).tolist()) == places.tolist()
        assert {len(batch) for batch in batches[:-1]} <= {batch_size}
        assert 1 <= len(batches[-1]) <= batch_size


@given(**SIZES, epochs=st.fractions(Fraction(1, 100), 5))
@settings(max_examples=60)
def test_count_is_the_nearest(n, batch_size, epochs):
    stream = BatchStream(torch.arange(n), batch_size, 0)
    assert stream.per_epoch == len(range(0, n, batch_size))
    count = stream.count(0.0, float(epochs))
    others = [abs(other - epochs * stream.per_epoch) for other in range(1, 6 * stream.per_epoch + 1)]
    assert float(abs(count - epochs * stream.per_epoch)) == pytest.approx(float(min(others)))


@pytest.mark.parametrize(("epochs", "count"), [(1, 5), (0.2, 1), (0.4, 2), (0.01, 1), (0.5, 2), (2.5, 12), (3, 15)])
def test_count_of_five_batches(epochs, count):
    assert BatchStream(torch.arange(10), 2, 0).count(0.0, epochs) == count


def test_the_global_random_state_does_not_matter():
    before = torch.get_rng_state()
    one, other = (taken(BatchStream(torch.arange(9), 2, 4), 0, 12) for _ in range(2))
    assert one == other
    assert torch.equal(torch.get_rng_state(), before)
    assert taken(BatchStream(torch.arange(9), 2, 5), 0, 12) != one
