"""`stream` and `evaluate` against an evaluator that makes results up and finishes them in any order."""

import random
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from aen.children import DenseSpec
from aen.evaluators import Evaluator, evaluate, stream
from aen.results import Evaluation

SPECS = [DenseSpec(grids=(8, 4), seed=seed) for seed in range(23)]


def made_up(spec):
    return Evaluation(spec.key, spec.class_key, spec.seed, "ok", 0, 0, 0, spec.seed / 100, 1, 1, 0.0, "cpu", 1)


class Juggler(Evaluator):
    """Holds what it is given, at most `capacity`, and finishes one at a time, drawn by lot."""

    def __init__(self, capacity, seed=0, broken=None):
        self._capacity, self.broken = capacity, broken
        self.draw = random.Random(seed)  # noqa: S311
        self.flying: dict[str, Future] = {}
        self.most, self.batches, self.kept = 0, [], set()
        self.lock = threading.Lock()
        self.thread = ThreadPoolExecutor(1)

    @property
    def capacity(self):
        return self._capacity

    def submit(self, specs, *, keep_weights=False):
        assert specs
        with self.lock:
            self.kept.add(keep_weights)
            self.batches.append(len(specs))
            futures = [self.flying.setdefault(spec.key, Future()) for spec in specs]
            self.most = max(self.most, len(self.flying))
            for spec, future in zip(specs, futures, strict=True):
                future.spec = spec
        for _ in specs:
            self.thread.submit(self.finish)
        return futures

    def finish(self):
        with self.lock:
            if not self.flying:
                return  # equal specs shared a future
            future = self.flying.pop(self.draw.choice(list(self.flying)))
        if future.spec == self.broken:
            future.set_exception(RuntimeError("broken on purpose"))
        else:
            future.set_result(made_up(future.spec))

    def close(self):
        self.thread.shutdown()


@pytest.fixture
def juggler():
    made = []

    def make(*args, **options):
        made.append(Juggler(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("capacity", [1, 2, 7, 23, 100])
def test_every_place_comes_once_with_its_own_evaluation(juggler, capacity, seed):
    evaluator = juggler(capacity, seed)
    found = list(stream(evaluator, SPECS))
    assert sorted(place for place, _ in found) == list(range(23))
    assert all(evaluation == made_up(SPECS[place]) for place, evaluation in found)
    assert evaluator.most <= capacity
    assert sum(evaluator.batches) == 23
    assert evaluator.batches[0] == min(capacity, 23)
    assert evaluator.kept == {False}


def test_the_order_is_that_of_completion(juggler):
    orders = [[place for place, _ in stream(juggler(7, seed), SPECS)] for seed in range(4)]
    assert len({tuple(order) for order in orders}) > 1
    assert evaluate(juggler(23), SPECS) == [made_up(spec) for spec in SPECS]


def test_equal_specs_have_places_of_their_own(juggler):
    specs = [SPECS[i % 3] for i in range(12)]
    found = list(stream(juggler(5), specs))
    assert Counter(place for place, _ in found) == Counter(range(12))
    assert all(evaluation == made_up(specs[place]) for place, evaluation in found)


def test_nothing_to_do_is_nothing_done(juggler):
    evaluator = juggler(3)
    assert list(stream(evaluator, [])) == []
    assert evaluator.batches == []


def test_weights_are_asked_for(juggler):
    evaluator = juggler(3)
    list(stream(evaluator, SPECS, keep_weights=True))
    assert evaluator.kept == {True}


def test_an_error_comes_through_and_nothing_more_is_handed_in(juggler):
    evaluator = juggler(2, broken=SPECS[4])
    places = []
    with pytest.raises(RuntimeError, match="broken on purpose"):
        places.extend(place for place, _ in stream(evaluator, SPECS))
    assert 4 not in places
    assert sum(evaluator.batches) <= 4 + 1 + 2 * evaluator.capacity + 1


def test_who_stops_listening_stops_the_work(juggler):
    evaluator = juggler(2)
    results = stream(evaluator, SPECS)
    next(results)
    results.close()
    assert sum(evaluator.batches) == 2
