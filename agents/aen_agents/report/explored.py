"""What exploring trained, as the store of a run says."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.results import Evaluation
from aen.results.store import ResultStore
from aen_agents.agents.selection import exploring_seeds, final_child, fresh_seeds
from aen_agents.config import SearchConfig
from aen_agents.runs.folder import RunFolder

Result = tuple[Evaluation, ChildSpec]


@dataclass(frozen=True)
class ExploredClass:
    """A class that exploring visited.

    Attributes:
        spec: its child.
        accuracy: validation accuracy, the mean over the seeds.
        parameters: number of free parameters.
    """

    spec: ChildSpec
    accuracy: float
    parameters: int


def read_results(
    config: SearchConfig, folder: RunFolder, child: ChildSpec, history: Sequence[JsonDict]
) -> tuple[list[Result], list[Result]]:
    """Return what exploring trained, and what failed in any stage.

    Raises:
        StoreError: the run's store is missing, damaged, cannot be reached, or is not a store.
    """
    seeds = set(exploring_seeds(config))
    with ResultStore(config.store or folder.store_file, create=False) as store:
        found = [e for e in store.outcomes() if e.seed in seeds or e.status == "failed"]
        if config.store is not None:
            # Other runs may share it. The classes that this run visited are in its history.
            met, own = (
                {line["class_key"] for line in history},
                {*seeds, *fresh_seeds(config.seed, config.selection.seeds)},
            )
            found = [e for e in found if e.class_key in met and e.seed in own]
        specs = store.specs([e.key for e in found])
    results = [(e, specs[e.key]) for e in found if e.key in specs]
    if config.store is not None:
        forms = (child, final_child(config, child))
        results = [(e, spec) for e, spec in results if any(_may_be_of(spec, form) for form in forms)]
    return [r for r in results if r[0].seed in seeds], [r for r in results if r[0].status == "failed"]


def _may_be_of(spec: ChildSpec, child: ChildSpec) -> bool:
    """Return whether a child has the baseline's kind, data and training; children with a parent train for slices."""
    epochs = child.training.epochs if spec.heritable else spec.training.epochs
    return (
        spec.kind == child.kind and spec.data == child.data and replace(spec.training, epochs=epochs) == child.training
    )


def by_class(trained: Sequence[Result]) -> dict[str, ExploredClass]:
    """Return the classes of trained children by their keys."""
    evaluations, specs = defaultdict(list), {}
    for evaluation, spec in trained:
        evaluations[evaluation.class_key].append(evaluation)
        specs[evaluation.class_key] = spec
    return {
        key: ExploredClass(
            spec, fmean(e.validation_accuracy for e in evaluations[key]), max(e.parameters for e in evaluations[key])
        )
        for key, spec in specs.items()
    }
