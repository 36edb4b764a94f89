"""A search from config to verdict: explore, select on fresh seeds, compare, measure on test once, report."""

import json
import platform
import shutil
import time
from importlib.metadata import version
from pathlib import Path

import gymnasium as gym

import aen_envs  # noqa: F401 - registers the environments
from aen._typing import JsonDict
from aen.children import ChildSpec, TrainingSpec
from aen.data import DataSpec, find_source, load_dataset
from aen.errors import GroupError
from aen.evaluators import LocalEvaluator
from aen.groups import Alphabet, ClassTable, Decomposition, Generator, enumerate_classes
from aen.results.search_result import ClassResult, TestedClass, compare, rank
from aen.results.store import ResultStore
from aen.training import check_device, check_threads, cpu_threads
from aen_agents.config import SearchConfig
from aen_agents.events import Listener, Notice, StageStarted
from aen_agents.run_folder import RunFolder, write_atomically
from aen_agents.selection import fresh_seeds, measure_on_test, retrain
from aen_agents.visits import Visits

SUMMARY_VERSION = 1


def child_of(config: SearchConfig) -> ChildSpec:
    """Return the untied child of a config."""
    source = find_source(config.data.name)
    try:
        data = DataSpec(**config.data.model_dump())
    except GroupError as error:
        raise GroupError(f"data.moves: {error} (Moves are built-in generators, not products.)") from error
    return ChildSpec(
        data=data,
        grids=(source.side, *config.child.hidden),
        classes=source.classes,
        head=config.child.head,
        bias=config.child.bias,
        initialisation=config.child.initialisation,
        training=TrainingSpec(**config.training.model_dump()),
        seed=config.seed,
    )


def alphabet_of(config: SearchConfig) -> Alphabet:
    """Return the alphabet of a config, with the user's own generators."""
    custom = {name: Generator.from_permutations(name, tables) for name, tables in config.generators.items()}
    return Alphabet.of(config.alphabet, custom)


class Search:
    """A search that is started, watched through events, and can be interrupted without loss.

    Args:
        config: what to search.
        listener: is told what happens.

    Raises:
        AenError: the config cannot work: unknown data set, a factor that does not fit a grid, too few images, ...
    """

    def __init__(self, config: SearchConfig, listener: Listener) -> None:
        self.config = config
        self.child = child_of(config)
        try:
            self.alphabet = alphabet_of(config)
            self.alphabet.check(self.child.grids)
        except GroupError as error:
            raise GroupError(f"alphabet on the grids {list(self.child.grids)}: {error}") from error
        self.table = enumerate_classes(self.alphabet, self.child.grids)
        load_dataset(self.child.data)
        check_device(config.evaluator.device)
        check_threads(config.evaluator.threads)
        self.notices: list[str] = []
        self._listener = listener

    def run(self, folder: RunFolder) -> JsonDict:
        """Run the search and return its summary, which is also written to the folder.

        A KeyboardInterrupt leaves a summary with status ``interrupted`` and passes on. The same config in the same
        folder afterwards looks up what was trained before.
        """
        started = time.perf_counter()
        clock: dict[str, float] = {}
        # The Q-network's arithmetic, too, depends on the number of threads in its last bits.
        with folder.locked(), ResultStore(folder.store_file) as store, cpu_threads(self.config.evaluator.threads):
            evaluator = LocalEvaluator(
                store,
                device=self.config.evaluator.device,
                threads=self.config.evaluator.threads,
                weights_folder=folder.weights,
            )
            self._warn_of_mismatches()
            table = self.table
            visits = Visits(
                budget=self.config.budget,
                counted=self.config.agent.first_visits,
                classes=len(table.classes),
                states=len(table.class_of_state),
                listener=self._listener,
                history=folder.history_file,
            )
            summary = self._head(table)
            try:
                self._explore(folder, evaluator, visits)
                clock["explore"] = time.perf_counter() - started
                summary |= self._conclude(folder, evaluator, table, visits)
                summary["status"] = "complete"
            finally:
                summary |= _counts(visits) | {"children_trained": evaluator.trained}
                clock["total"] = time.perf_counter() - started
                summary["seconds"] = clock
                summary["notices"] = self.notices
                write_atomically(folder.summary_file, json.dumps(summary, indent=2) + "\n")
        return summary

    def _warn_of_mismatches(self) -> None:
        for mismatch in self.alphabet.order_mismatches(self.child.grids):
            self._notice(f"{mismatch}: the joint action ties more than either grid asks for")

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        self._listener(Notice(text))

    def _head(self, table: ClassTable) -> JsonDict:
        return {
            "version": SUMMARY_VERSION,
            "status": "interrupted",
            "name": self.config.name,
            "seed": self.config.seed,
            "selection_seeds": fresh_seeds(self.config.seed, self.config.selection.seeds),
            "states": len(table.class_of_state),
            "classes": len(table.classes),
            "provenance": {
                **{name: version(name) for name in ("aen", "torch", "numpy", "gymnasium", "stable-baselines3")},
                "python": platform.python_version(),
                "machine": platform.platform(),
                "device": self.config.evaluator.device,
                "threads": self.config.evaluator.threads,
            },
        }

    def _explore(self, folder: RunFolder, evaluator: LocalEvaluator, visits: Visits) -> None:
        from aen_agents.dqn import explore

        for events in (folder.path / "tensorboard").glob("events.*"):
            events.unlink()  # a run that goes on tells its whole story again
        self._listener(StageStarted("explore", min(self.config.budget.children, visits.total)))
        env = gym.make(
            "aen/GroupDecomposition-v0",
            child=self.child,
            alphabet=self.alphabet,
            evaluator=evaluator,
            reward=self.config.environment.reward,
            horizon=self.config.environment.horizon,
            stop_action=self.config.environment.stop_action,
            child_seed=self.config.seed,
        )
        explore(self.config.agent, env, visits, seed=self.config.seed, folder=folder.path)
        all_known = len(visits.accuracy_of_class) >= visits.classes
        if visits.steps < self.config.agent.learn_after and not all_known:
            self._notice(
                f"the agent never learnt: exploring ended after {visits.steps} steps, and agent.learn_after is "
                f"{self.config.agent.learn_after}; raise budget.children and budget.steps, or lower it"
            )

    def _conclude(self, folder: RunFolder, evaluator: LocalEvaluator, table: ClassTable, visits: Visits) -> JsonDict:
        """Select on fresh seeds, fix the winner, compare it with the data's own group, and look at test once."""
        seeds = fresh_seeds(self.config.seed, self.config.selection.seeds)
        by_key = {c.key: c for c in table.classes}
        untied = table.classes[0]
        found = sorted(visits.accuracy_of_class, key=lambda key: (-visits.accuracy_of_class[key], by_key[key].orbits))
        chosen = [by_key[key] for key in found[: self.config.selection.top]]
        chosen += [] if untied in chosen else [untied]
        planted = self._planted_group()

        self._listener(StageStarted("select", len(chosen) * len(seeds)))
        decompositions = [table.decomposition(c) for c in chosen]
        selected = retrain(evaluator, self.child, decompositions, seeds, self._listener)
        ranking = rank(selected)
        winner = ranking[0]
        baseline = next(result for result in selected if result.class_key == untied.key)

        summary: JsonDict = {}
        if planted is not None:
            self._listener(StageStarted("compare", len(seeds)))
            (theirs,) = retrain(evaluator, self.child, [planted], seeds, self._listener)
            summary["hidden_group"] = self._against_planted(winner, theirs, ranking, found)

        tested = measure_on_test(winner, folder.weights, threads=self.config.evaluator.threads)
        tested_baseline = (
            tested
            if winner is baseline
            else measure_on_test(baseline, folder.weights, threads=self.config.evaluator.threads)
        )
        _keep_best(winner, folder)
        summary |= {
            "winner": tested.to_json() | {"factors": winner.spec.decomposition.to_json()},
            "baseline": tested_baseline.to_json(),
            "winner_minus_baseline": _difference(tested, tested_baseline),
            "selection": [result.to_json() for result in ranking],
        }
        return summary

    def _planted_group(self) -> Decomposition | None:
        """Return the group by which the images were moved, if they were."""
        if not self.config.data.moves:
            return None
        planted = Decomposition.of(self.config.data.moves)
        try:
            planted.check(self.child.grids)
        except GroupError as error:
            self._notice(f"the images' own moves do not act on every grid of the child: {error}")
            return None
        if self.config.data.angles == "any" and "rot90" in self.config.data.moves:
            self._notice("turns by any angle are more than the group of rot90, with which the winner is compared")
        return planted

    def _against_planted(
        self, winner: ClassResult, theirs: ClassResult, ranking: list[ClassResult], found: list[str]
    ) -> JsonDict:
        """Say where the data's own group stands. It is compared on validation only, after the winner is fixed."""
        everything = rank([theirs, *(result for result in ranking if result.class_key != theirs.class_key)])
        key = theirs.class_key
        return theirs.to_json() | {
            "is_winner": winner.class_key == key,
            "rank": everything.index(theirs) + 1,
            "ranked": len(everything),
            "rank_in_search": found.index(key) + 1 if key in found else None,
            "winner_minus_it": compare(winner.validation_accuracies, theirs.validation_accuracies, "validation"),
        }


def _counts(visits: Visits) -> JsonDict:
    return {
        "steps": visits.steps,
        "states_visited": len(visits.seen_states),
        "classes_visited": len(visits.accuracy_of_class),
        "stopped_because": visits.why_finished(),
    }


def _difference(ours: TestedClass, theirs: TestedClass) -> JsonDict:
    validation = compare(ours.result.validation_accuracies, theirs.result.validation_accuracies, "validation")
    return validation | compare(ours.test_accuracies, theirs.test_accuracies, "test")


def _keep_best(winner: ClassResult, folder: RunFolder) -> None:
    """Copy the winner's child with the best validation accuracy to ``best/``."""
    best = max(winner.evaluations, key=lambda e: e.validation_accuracy)
    if best.weights is None:
        return
    spec = winner.spec.with_seed(best.seed)
    part: Path = folder.best / "weights.safetensors.part"
    shutil.copyfile(folder.weights / best.weights, part)
    part.replace(folder.best / "weights.safetensors")
    write_atomically(folder.best / "spec.json", json.dumps(spec.to_json(), indent=2) + "\n")
