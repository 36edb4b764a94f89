"""Units of work: every spec is in one, those in one belong together, and they can only become smaller so often."""

import json
from dataclasses import replace

from helpers.ray_trainers import DATA, SPEC
from hypothesis import given
from hypothesis import strategies as st

from aen.children import EquiNASSpec, TrainingSpec
from aen.groups import Decomposition
from aen_agents.evaluators.ray.work_units import MOST_MICRO_BATCHES, MOST_UNITS, ThroughputEstimator, cut_units

ALONE = EquiNASSpec(data=DATA, side=8, width=1, kernel_size=3, dense=8)  # no population of these
KINDS = [
    SPEC,
    SPEC.with_decomposition(Decomposition.of(["hflip"])),
    replace(SPEC, data=replace(DATA, train=80)),
    replace(SPEC, training=TrainingSpec(epochs=3)),
    ALONE,
    replace(ALONE, data=replace(DATA, train=80)),
]
SPECS = {spec.key: spec for kind in KINDS for spec in (kind.with_seed(seed) for seed in range(12))}
some = st.lists(st.sampled_from(sorted(SPECS)), unique=True, max_size=40)
populations = st.integers(1, 16)


def cut(keys, population, *, keep_weights=False):
    return list(cut_units([(key, SPECS[key]) for key in keys], population=population, keep_weights=keep_weights))


@given(some, populations, st.booleans())
def test_units_hold_every_spec_once_and_only_what_belongs_together(keys, population, keep_weights):
    units = cut(keys, population, keep_weights=keep_weights)
    assert sorted(key for unit in units for key in unit.specs) == sorted(keys)
    for unit in units:
        assert 1 <= len(unit.specs) <= unit.size <= population
        assert unit.size in (1, population)
        assert unit.keep_weights == keep_weights
        assert {json.dumps(spec.data.to_json(), sort_keys=True) for spec in unit.specs.values()} == {unit.data}
        assert list(unit.texts) == list(unit.specs)
        assert all(json.loads(text) == unit.specs[key].to_json() for key, text in unit.texts.items())
        if unit.size > 1:
            (together,) = {spec.population_key for spec in unit.specs.values()}
            assert together is not None
            assert list(unit.specs) == [key for key in keys if key in unit.specs]  # in their order


@given(some.filter(bool), populations)
def test_as_few_units_as_can_be(keys, population):
    units = cut(keys, population)
    for key in {unit.specs[next(iter(unit.specs))].population_key for unit in units} - {None}:
        full = [len(unit.specs) for unit in units if next(iter(unit.specs.values())).population_key == key]
        assert full[:-1] == [population] * (len(full) - 1)


@given(some.filter(bool), populations, st.randoms())
def test_smaller_ones_hold_the_same_take_less_and_come_to_an_end(keys, population, draw):
    unit = draw.choice(cut(keys, population))
    wanted, times = set(unit.specs), 0
    waiting, least = [unit], []
    while waiting:
        unit = waiting.pop()
        smaller = unit.smaller()
        times += 1
        assert times <= 200
        assert {key for one in smaller for key in one.specs} in ({*unit.specs}, set())
        for one in smaller:
            assert (one.size, -one.micro_batches) < (unit.size, -unit.micro_batches)
            assert one.alone
            assert (one.tries, one.strikes) == (unit.tries + 1, unit.strikes)
            assert one.texts == {key: unit.texts[key] for key in one.specs}
        waiting += smaller
        if not smaller:
            assert (unit.size, unit.micro_batches) == (1, MOST_MICRO_BATCHES)
            least += unit.specs
    assert sorted(least) == sorted(wanted)


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_the_pace_stays_within_bounds_whatever_happens(seconds):
    pace = ThroughputEstimator()
    for one in seconds:
        pace.add(one)
        assert 1 <= pace.units <= MOST_UNITS
        assert pace.calls in (1, 2)


def test_quick_units_go_together_and_ahead_and_slow_ones_do_not():
    quick, slow = ThroughputEstimator(), ThroughputEstimator()
    assert (quick.units, quick.calls) == (1, 1)  # nothing is known yet
    quick.add(0.01)
    slow.add(5.0)
    assert (quick.units, quick.calls) == (20, 2)
    assert (slow.units, slow.calls) == (1, 1)
