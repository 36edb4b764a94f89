"""What a row of the result store costs, many at once beside one by one.  Run: python benchmarks/bench_store.py."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common import print_table

from aen.children import DenseSpec
from aen.results import Evaluation
from aen.results.store import ResultStore

AT_ONCE = 1000
ONE_BY_ONE = 200
LARGE = 100_000


def result(spec: DenseSpec) -> Evaluation:
    """Return an invented result."""
    return Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="ok",
        train_loss=0.1,
        train_accuracy=0.9,
        validation_loss=0.2,
        validation_accuracy=0.8,
        parameters=1000,
        epochs=10.0,
        seconds=1.5,
        device="cpu",
        threads=1,
    )


@contextmanager
def new_store() -> Iterator[ResultStore]:
    """Make a store on the disk of the working folder: a temporary one may be memory."""
    with tempfile.TemporaryDirectory(dir=".") as folder, ResultStore(Path(folder) / "results.sqlite") as store:
        yield store


def microseconds(function: Callable[[], object], rows: int) -> float:
    """Return the time of a call by its rows."""
    started = time.perf_counter()
    function()
    return 1e6 * (time.perf_counter() - started) / rows


def compare(results: list[tuple[Evaluation, DenseSpec]]) -> None:
    """Print the time per row of each call."""
    keys = [evaluation.key for evaluation, _ in results]
    some, few = results[:ONE_BY_ONE], keys[:ONE_BY_ONE]
    with new_store() as bulk, new_store() as single:
        # In this order each finds what it needs: no lease, a lease, none again, one to end, results.
        steps: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
            ("claim", lambda: bulk.claim_many(keys), lambda: [single.claim(key) for key in few]),
            ("release", lambda: bulk.release_many(keys), lambda: [single.release(key) for key in few]),
            ("claim again", lambda: bulk.claim_many(keys), lambda: [single.claim(key) for key in few]),
            ("commit", lambda: bulk.commit_many(results), lambda: [single.commit(e, spec) for e, spec in some]),
            ("get", lambda: bulk.get_many(keys), lambda: [single.get(key) for key in few]),
            ("claim of a stored one", lambda: bulk.claim_many(keys), lambda: [single.claim(key) for key in few]),
        ]
        rows = []
        for name, many, one in steps:
            times = microseconds(many, len(keys)), microseconds(one, len(few))
            rows.append((name, f"{times[0]:.0f} us", f"{times[1]:.0f} us", f"{times[1] / times[0]:.0f}"))
    heads = ["call", f"{AT_ONCE} at once, per row", "one by one, per row", "times faster"]
    print_table("Rows of the result store, SQLite", heads, rows)


def large(spec: DenseSpec) -> None:
    """Print how long reading a store takes when it is large."""
    with new_store() as store:
        filling = 0.0
        for start in range(0, LARGE, AT_ONCE):
            seeds = range(start, start + AT_ONCE)
            results = [(result(some), some) for some in (spec.with_seed(seed) for seed in seeds)]
            filling += microseconds(lambda r=results: store.commit_many(r), 1)
        keys = [spec.with_seed(seed).key for seed in range(0, LARGE, LARGE // AT_ONCE)]
        rows = [
            (f"filling it, {AT_ONCE} at once", filling),
            ("statuses()", microseconds(store.statuses, 1)),
            (f"get_many() of {AT_ONCE}", microseconds(lambda: store.get_many(keys), 1)),
            ("outcomes(), all", microseconds(lambda: sum(1 for _ in store.outcomes()), 1)),
            ("evaluations(), all, with specs", microseconds(lambda: sum(1 for _ in store.evaluations()), 1)),
        ]
    print_table(f"A store of {LARGE:,} results", ["call", "time"], [(name, f"{t / 1e6:.3f} s") for name, t in rows])


def main() -> None:
    """Measure both."""
    spec = DenseSpec()
    compare([(result(some), some) for some in (spec.with_seed(seed) for seed in range(AT_ONCE))])
    large(spec)


if __name__ == "__main__":
    main()
