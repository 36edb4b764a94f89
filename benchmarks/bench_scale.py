"""Search at scale: what Ray and the driver cost, and how busy workers are kept. `make bench-scale` runs it all.

Children that only sleep stand for training, so that 64 workers fit on a small machine: everything else is real (Ray,
actors, store, DQN). Utilisation is the time slept, divided by workers times the time from the first child asked for to
the last result. Each part runs in a process of its own; give names of parts to run some of them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from common import print_table
from simulation import specs, wide_space
from sleeper import Sleeper, sleep_of

WORKERS = 64
CHILDREN = 5_000
SLEEPS = {"shortest": 0.05, "longest": 5.0}
MANY = 100_000


def _evaluator(store: Any, trainer: Any, workers: int, **options: Any) -> Any:  # noqa: ANN401
    """Return an evaluator all of whose workers are up."""
    from aen_agents.evaluators.ray.evaluator import RayEvaluator

    evaluator = RayEvaluator(store, workers=workers, cpus_per_worker=1 / WORKERS, trainer=trainer, **options)
    evaluator.start()
    while evaluator.activity().workers < workers:
        evaluator.submit([])  # raises if workers cannot be started
        time.sleep(0.1)
    return evaluator


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def overhead(count: int = 10_000) -> dict[str, Any]:
    """Cost of a child that takes no time."""
    from aen.evaluators import stream
    from aen.results.store import ResultStore

    children = specs(count)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(_evaluator(ResultStore(Path(folder) / "results.sqlite"), Sleeper(), 2)) as evaluator,
    ):
        started, cpu = time.perf_counter(), time.process_time()
        keys = [evaluation.key for _, evaluation in stream(evaluator, children)]
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert len(set(keys)) == count
    return {"milliseconds": 1000 * seconds / count, "driver": 1000 * cpu / count, "memory": _peak_mebibytes()}


def _utilisation(deadly: float) -> dict[str, Any]:
    from aen.evaluators import stream
    from aen.results.store import ResultStore
    from aen_agents.events import ChildLogged, WorkerLogged

    events: list[Any] = []
    children = specs(CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(Path(folder) / "results.sqlite")
        evaluator = _evaluator(store, Sleeper(**SLEEPS, deadly=deadly), WORKERS, listener=events.append)
        with closing(evaluator):
            started = time.perf_counter()
            keys = [evaluation.key for _, evaluation in stream(evaluator, children)]
            seconds = time.perf_counter() - started
            stored = [evaluation for evaluation, _ in store.evaluations()]
    assert len(keys) == len(set(keys)) == len(stored) == CHILDREN
    assert all(evaluation.status == "ok" for evaluation in stored)
    slept = sum(sleep_of(key, **SLEEPS) for key in keys)
    return {
        "utilisation": slept / (WORKERS * seconds),
        "seconds": seconds,
        "slept": slept,
        "requeued": sum(isinstance(e, ChildLogged) and e.what == "requeued" for e in events),
        "lost": sum(isinstance(e, WorkerLogged) and e.what == "lost" for e in events),
    }


def given() -> dict[str, Any]:
    """Utilisation where all specs are known."""
    return _utilisation(0.0)


def deaths() -> dict[str, Any]:
    """The same where 2 % of trainings end with the death of their worker."""
    return _utilisation(0.02)


def collector() -> dict[str, Any]:
    """Utilisation where a DQN chooses, in a space of 20 factors whose 2^20 states all are classes."""
    from stable_baselines3.common.logger import Logger

    from aen.results.store import ResultStore
    from aen_agents.agents.dqn.collector import Collector
    from aen_agents.agents.dqn.model import make_dqn
    from aen_agents.agents.dqn.visits import Visits
    from aen_agents.config import BudgetConfig, DQNConfig
    from aen_envs import GroupDecompositionEnv

    child, alphabet = wide_space()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = ResultStore(folder / "results.sqlite")
        with closing(_evaluator(store, Sleeper(**SLEEPS), WORKERS)) as evaluator:
            environments = [
                GroupDecompositionEnv(child=child, alphabet=alphabet, evaluator=evaluator, horizon=10)
                for _ in range(WORKERS + WORKERS // 4)
            ]
            budget = BudgetConfig(children=CHILDREN, steps=100 * CHILDREN)
            visits = Visits(
                budget=budget,
                counted="classes",
                classes=2**20,
                states=2**20,
                listener=lambda _: None,
                history=folder / "history.jsonl",
            )
            config = DQNConfig(epsilon_unit="visits", epsilon=((0, 1.0), (400, 0.6), (800, 0.4), (1200, 0.3)))
            model = make_dqn(config, environments[0], visits, seed=0)
            model.set_logger(Logger(None, []))
            loop = Collector(
                model,
                environments,
                visits,
                evaluator=evaluator,
                workers=WORKERS,
                folder=folder / "agent",
                checkpoint_seconds=10.0,
            )
            started, cpu = time.perf_counter(), time.process_time()
            loop.start(seed=0)
            loop.run()
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            rows = [evaluation for evaluation, _ in store.evaluations()]
    slept = sum(evaluation.seconds for evaluation in rows)
    return {
        "utilisation": slept / (WORKERS * seconds),
        "seconds": seconds,
        "children": len(rows),
        "visits": visits.first_visits,
        "ahead": loop.prefetcher.count,
        "steps": visits.steps,
        "updates": model._n_updates,  # noqa: SLF001
        "left_out": loop.learner.skipped,
        "driver": 1000 * cpu / len(rows),
    }


def gpus() -> dict[str, Any]:
    """Four declared GPUs, eight workers of half a one: what each worker sees."""
    import ray

    from aen_agents.evaluators.ray.evaluator import RayEvaluator
    from aen_agents.events import WorkerLogged

    ray.init(num_cpus=8, num_gpus=4, include_dashboard=False, log_to_driver=False, logging_level=40)
    seen: list[str] = []

    def note(event: Any) -> None:  # noqa: ANN401
        if isinstance(event, WorkerLogged) and event.what == "started":
            seen.append(event.detail.partition("CUDA_VISIBLE_DEVICES=")[2])

    evaluator = RayEvaluator(workers=8, cpus_per_worker=1, gpus_per_worker=0.5, trainer=Sleeper(), listener=note)
    with closing(evaluator):
        evaluator.start()
        while evaluator.activity().workers < 8:
            time.sleep(0.1)
    ray.shutdown()
    return {"seen": sorted(seen), "right": sorted(seen) == sorted(str(i // 2) for i in range(8))}


def speedup(count: int = 24) -> dict[str, Any]:
    """Two workers against one: children of the published shape, 28x28 -> 20x20 -> 20x20, on noise."""
    from aen.children import DenseSpec, TrainingSpec
    from aen.data import DataSpec, find_source
    from aen.errors import DataError
    from aen.evaluators import stream
    from aen_agents.evaluators.ray.evaluator import RayEvaluator

    data = DataSpec("mnist", train=2000, validation=500, test=500)
    try:
        find_source("mnist").load()
        child = DenseSpec(data=data, grids=(28, 20, 20), training=TrainingSpec(epochs=2))
    except DataError:  # no MNIST here: the same hidden grids on digits
        child = DenseSpec(data=DataSpec("digits"), grids=(8, 20, 20), training=TrainingSpec(epochs=6))
    found: dict[int, float] = {}
    for workers in (1, 2, 1, 2):
        with closing(RayEvaluator(workers=workers, cpus_per_worker=0.5)) as evaluator:
            evaluator.start()
            # Each worker trains once beforehand: images are read and memory is touched.
            list(stream(evaluator, [child.with_seed(10_000 + i) for i in range(2 * workers)]))
            started = time.perf_counter()
            list(stream(evaluator, [child.with_seed(i) for i in range(count)]))
            found[workers] = min(found.get(workers, float("inf")), time.perf_counter() - started)
    return {"data": child.data.name, "one": found[1], "two": found[2], "ratio": found[1] / found[2]}


def many() -> dict[str, Any]:
    """Memory of the driver after 100,000 results."""
    return overhead(MANY)


def resume() -> dict[str, Any]:
    """Seconds until a run with 100,000 results asks for its next child: a DQN's, and an exhaustive one's."""
    from resuming import resume_dqn, resume_exhaustive

    return {"dqn": resume_dqn(MANY), "exhaustive": resume_exhaustive(MANY)}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    part.__name__: part for part in (overhead, given, collector, gpus, deaths, speedup, many, resume)
}


def _say(name: str, found: dict[str, Any]) -> tuple[str, str, str]:  # noqa: PLR0911 - one for each part
    """Return a row of the table: what, measured, goal."""
    match name:
        case "overhead":
            text = f"{found['milliseconds']:.2f} ms ({found['driver']:.2f} ms of them the driver's CPU)"
            return "driver and Ray, per child, 10,000 children that take no time, 2 workers", text, "<= 2 ms"
        case "given" | "deaths":
            text = f"{found['utilisation']:.1%} ({found['seconds']:.0f} s"
            text += f"; {found['lost']} workers lost, {found['requeued']} tries repeated)" if found["lost"] else ")"
            what = f"utilisation, {WORKERS} workers, {CHILDREN:,} children of 0.05 to 5 s, all known"
            return (what + "; 2 % killed", text, ">= 90 %") if name == "deaths" else (what, text, ">= 95 %")
        case "collector":
            text = (
                f"{found['utilisation']:.1%} ({found['seconds']:.0f} s, {found['steps']:,} steps, {found['ahead']} "
                f"trained ahead, {found['updates']:,} gradient steps and {found['left_out']:,} left out, driver "
                f"{found['driver']:.1f} ms per child)"
            )
            return "the same, chosen by DQN in 2^20 classes", text, ">= 90 %"
        case "gpus":
            return "8 workers of half a GPU, 4 GPUs declared", " ".join(found["seen"]), "each its own"
        case "speedup":
            text = f"{found['ratio']:.2f} x ({found['one']:.1f} s against {found['two']:.1f} s, {found['data']})"
            return "two workers against one, 784-400-400-10 children", text, ">= 1.7 x"
        case "many":
            text = f"{found['memory']:.0f} MiB at most ({found['milliseconds']:.2f} ms per child)"
            return "driver's memory, 100,000 results", text, "<= 1 GB"
        case _:
            text = f"DQN {found['dqn']:.1f} s, exhaustive {found['exhaustive']:.1f} s"
            return "taking up a run with 100,000 results", text, "<= 10 s"


def main() -> None:
    """Run the parts that are named, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print("RESULT", json.dumps(PARTS[options.one]()))
        return
    rows = []
    for name in options.parts or PARTS:
        if name not in PARTS:
            parser.error(f"unknown part {name!r}; choose from {', '.join(PARTS)}")
        command = [sys.executable, __file__, "--one", name]
        # Where Python is told to keep no bytecode, every worker compiles our sources again.
        env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
        found = json.loads(next(line for line in output.splitlines() if line.startswith("RESULT")).partition(" ")[2])
        rows.append(_say(name, found))
        print(f"{name}: {rows[-1][1]}", flush=True)
    print_table("Search at scale", ["what", "measured", "goal"], rows)


if __name__ == "__main__":
    main()
