"""MethodRuns with real children, which take a tenth of a second each: results, saved states, resuming."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import RunFolderError
from aen.evaluators import LocalEvaluator
from aen.results.store import ResultStore
from aen_agents.agents.layerwise.method import Method
from aen_agents.agents.layerwise.registry import methods_of
from aen_agents.agents.layerwise.runs import MethodRun, MethodRuns
from aen_agents.config import EquiNASDConfig, EquiNASEConfig
from aen_agents.events import SliceTrained

CHILD = EquiNASSpec(
    data=DataSpec(train=64, validation=64, test=64),
    side=8,
    width=1,
    kernel_size=3,
    dense=8,
    training=TrainingSpec(epochs=2, batch_size=32),
)
C1 = CHILD.with_layer_groups(("C1",) * 9)  # no architecture is named
EVOLVES = EquiNASEConfig(
    subgroups=("D4", "C4", "C1"),
    steps="all",
    generations=1,
    population=2,
    baselines=("static_d4", "random_steps"),
    networks=("retrain", "random_select"),
)
DIFFERENTIATES = EquiNASDConfig(subgroups=("D4", "C4", "C1"), baselines=("c4_from_d4",))
OTHERS = {
    **methods_of(EVOLVES.model_copy(update={"networks": ("random_static",), "random_networks": 3}), C1),
    **methods_of(DIFFERENTIATES.model_copy(update={"networks": ("retrain", "random_z", "random_mixture")}), C1),
}
METHODS = methods_of(EVOLVES, C1) | methods_of(DIFFERENTIATES, C1)
DIVERGING = replace(CHILD, training=replace(CHILD.training, learning_rate=1e30))
Row = tuple[str, float, float, int, float]
two_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two workers need two cores")


@contextmanager
def runs_in(
    folder: Path, methods: Mapping[str, Method] = METHODS, seeds: Sequence[int] = (0,), workers: int = 1
) -> Iterator[tuple[MethodRuns, LocalEvaluator]]:
    """Open a folder's method runs, with its store and weights."""
    weights = folder / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    store = ResultStore(folder / "results.sqlite")
    evaluator = LocalEvaluator(store, weights_folder=weights, workers=workers)
    states = folder / "lanes"
    with closing(evaluator):
        yield MethodRuns(methods, seeds, evaluator=evaluator, weights=weights, states=states, store=store), evaluator


def finals(runs: MethodRuns) -> dict[tuple[str, int], Row | None]:
    """Return the final member of each run."""
    found: dict[tuple[str, int], Row | None] = {}
    for method_run in runs.runs:
        final = method_run.final
        found[method_run.method.name, method_run.seed] = (
            None
            if final is None
            else (
                final.key,
                final.accuracy,
                final.evaluation.train_loss,
                final.evaluation.parameters,
                final.epochs,
            )
        )
    return found


def run(
    folder: Path,
    methods: Mapping[str, Method] = METHODS,
    *,
    seeds: Sequence[int] = (0,),
    workers: int = 1,
    took: Callable[[MethodRun, Sequence[SliceTrained]], object] = lambda _run, _events: None,
) -> tuple[dict[tuple[str, int], Row | None], int]:
    """Train until every run has ended; return the final members and the number of trained children."""
    with runs_in(folder, methods, seeds, workers) as (runs, evaluator):
        runs.run_all(took)
        assert all(method_run.done for method_run in runs.runs)
        return finals(runs), evaluator.trained


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, int], Row | None], int]:
    """Return the folder of a run of all methods, what they came to, and how many children were trained."""
    folder = tmp_path_factory.mktemp("lanes")
    with (folder / "told.jsonl").open("w") as file:
        return folder, *run(
            folder, took=lambda _run, events: file.write(json.dumps([asdict(e) for e in events]) + "\n")
        )


Whole = tuple[Path, dict[tuple[str, int], Row | None], int]


def test_every_lane_comes_to_a_network_trained_for_the_childs_epochs(whole: Whole) -> None:
    _, table, _ = whole
    assert list(table) == [(name, 0) for name in METHODS]
    epochs = {name: None if row is None else row[4] for (name, _), row in table.items()}
    # The warm network goes on from two epochs of the mixed one.
    assert epochs == dict.fromkeys(METHODS, 2.0) | {"equinas_d_warm": 4.0}


@pytest.mark.parametrize(
    "names", [["equinas_e"], ["random_steps", "equinas_e"], ["static_c1", "equinas_d_warm", "equinas_d"]], ids=len
)
def test_a_method_comes_to_the_same_whatever_is_run_beside_it(names: list[str], whole: Whole, tmp_path: Path) -> None:
    table, _ = run(tmp_path, {name: METHODS[name] for name in names})
    assert table == {(name, 0): whole[1][name, 0] for name in names}


def test_a_seed_comes_to_the_same_whatever_other_seeds_there_are(whole: Whole, tmp_path: Path) -> None:
    names = ("equinas_e", "random_steps")
    table, _ = run(tmp_path, {name: METHODS[name] for name in names}, seeds=(5, 0))
    assert {name: table[name, 0] for name in names} == {name: whole[1][name, 0] for name in names}
    assert table["equinas_e", 5] != table["equinas_e", 0]


@pytest.mark.slow
def test_the_other_methods_resume(tmp_path: Path) -> None:
    """A break comes before a slice is noted; then every method ends as if there had been none."""
    names = ("equinas_d", "random_static", "equinas_d_retrain", "random_z", "random_mixture")
    methods = {name: OTHERS[name] for name in names}
    table, _ = run(tmp_path / "whole", methods)
    assert all(row is not None for row in table.values())
    for stop in (1, 4):
        seen = []

        def interrupt(_run: MethodRun, _events: Sequence[SliceTrained], seen: list[int] = seen, at: int = stop) -> None:
            seen.append(1)
            if len(seen) == at:
                raise KeyboardInterrupt

        with runs_in(tmp_path / "broken", methods) as (runs, _), pytest.raises(KeyboardInterrupt):
            runs.run_all(interrupt)
    assert run(tmp_path / "broken", methods)[0] == table


@two_cores
@pytest.mark.slow
def test_workers_change_nothing(whole: Whole, tmp_path: Path) -> None:
    table, _ = run(tmp_path, workers=2)
    assert table == whole[1]
    assert weights_of(tmp_path) == weights_of(whole[0])


# What is kept


def weights_of(folder: Path) -> set[str]:
    return {file.stem for file in (folder / "weights").iterdir()}


def members_of(folder: Path) -> set[str]:
    return {
        member["evaluation"]["key"]
        for file in (folder / "lanes").glob("*.json")
        for member in json.loads(file.read_text())["members"]
    }


def test_the_weights_of_those_that_went_on_remain_and_no_others(whole: Whole) -> None:
    folder, table, _ = whole
    assert weights_of(folder) == members_of(folder)
    assert {row[0] for row in table.values() if row is not None} <= weights_of(folder)
    with runs_in(folder) as (runs, _):
        assert len(runs.run_of("equinas_e", 0).members) == 2


def test_weights_are_removed_on_the_way(tmp_path: Path) -> None:
    counts = []

    def look(method_run: MethodRun, events: Sequence[SliceTrained]) -> None:
        assert {event.key for event in events} <= weights_of(tmp_path)
        assert {event.key for event in events if event.selected} == {member.key for member in method_run.members}
        counts.append(len(weights_of(tmp_path)))

    methods = methods_of(EVOLVES.model_copy(update={"generations": 2, "baselines": ()}), CHILD)
    run(tmp_path, {"equinas_e": methods["equinas_e"]}, took=look)
    # At most a population and its offspring: two of at most four neighbours each here, and their own two.
    assert len(counts) == 3
    assert max(counts) <= 2 + 2 * 5


def test_what_is_told_of_a_slice(whole: Whole) -> None:
    lines = (whole[0] / "told.jsonl").read_text().splitlines()
    told = [[SliceTrained(**line | {"groups": tuple(line["groups"])}) for line in json.loads(text)] for text in lines]
    slices = {name: [events for events in told if events[0].method == name] for name in METHODS}
    for name, method in METHODS.items():
        assert [events[0].slice for events in slices[name]] == list(range(1, method.slices + 1))
        for events in slices[name]:
            assert {event.method for event in events} == {name}
            assert [event.accuracy for event in events] == sorted((event.accuracy for event in events), reverse=True)
    first, second = slices["equinas_e"]
    assert [event.groups for event in first] == [("D4",) * 9]
    assert [event.epochs for event in (*first, *second)] == [1.0] + [2.0] * 3
    assert {event.parent for event in second} == {first[0].key}
    assert sum(event.selected for event in second) == 2
    # The warm network's first slice goes on from the mixed network's last.
    assert slices["equinas_d_warm"][0][0].parent == slices["equinas_d"][-1][0].key
    assert slices["equinas_d_discrete"][0][0].parent is None
    assert slices["equinas_d_warm"][0][0].groups == slices["equinas_d_discrete"][0][0].groups
    assert all(event.record is not None for events in slices["equinas_d"] for event in events)


# Going on


@pytest.mark.parametrize("stops", [[2, 8]], ids=str)
def test_a_run_that_was_broken_off_comes_to_the_same(stops: list[int], whole: Whole, tmp_path: Path) -> None:
    """A break comes before a slice is noted, so its children are looked up when the run goes on."""
    trained = 0
    for stop in stops:
        seen = 0

        def interrupt(_run: MethodRun, _events: Sequence[SliceTrained], stop: int = stop) -> None:
            nonlocal seen
            seen += 1
            if seen == stop:
                raise KeyboardInterrupt

        with runs_in(tmp_path) as (runs, evaluator):
            with pytest.raises(KeyboardInterrupt):
                runs.run_all(interrupt)
            trained += evaluator.trained
    table, more = run(tmp_path)
    assert table == whole[1]
    assert trained + more == whole[2]
    assert weights_of(tmp_path) == weights_of(whole[0])


def test_a_break_before_weights_are_removed_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A break comes after a slice is noted."""
    methods, noted, keys = {"equinas_e": METHODS["equinas_e"]}, MethodRun.save, set[str]()

    def interrupted(method_run: MethodRun) -> None:
        noted(method_run)
        if method_run.slice == 2:
            raise KeyboardInterrupt

    def took(_run: MethodRun, events: Sequence[SliceTrained]) -> None:
        keys.update(event.key for event in events)

    with monkeypatch.context() as patched:
        patched.setattr(MethodRun, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, methods, took=took)
    assert weights_of(tmp_path) > members_of(tmp_path)
    with runs_in(tmp_path, methods) as (runs, _):
        runs.restart_unstored({("equinas_e", 0): keys})
        runs.run_all(took)
    assert weights_of(tmp_path) == members_of(tmp_path)


def test_weights_that_were_lost_are_trained_again(tmp_path: Path) -> None:
    def interrupt(method_run: MethodRun, _events: Sequence[SliceTrained]) -> None:
        if method_run.slice == 2:
            raise KeyboardInterrupt

    methods = {"static_c1": METHODS["static_c1"]}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, methods, took=interrupt)
    for file in (tmp_path / "weights").iterdir():
        file.unlink()
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    table, _ = run(unbroken, methods)
    assert run(tmp_path, methods)[0] == table
    (tmp_path / "lanes" / "static_c1-0.json").unlink()
    assert run(tmp_path, methods) == (table, 0)  # what is stored is looked up, also where its weights were removed


def test_a_finished_run_trains_nothing_more(whole: Whole) -> None:
    folder, table, _ = whole
    before = weights_of(folder)
    assert run(folder) == (table, 0)
    assert weights_of(folder) == before


@pytest.mark.parametrize(
    "content",
    [
        b'{"slice": 1, "ended": null, "mem',
        b"\xff\xfe",
        b"[]",
        b'{"slice": 1, "ended": null}',
        b'{"slice": 1, "ended": null, "members": [{}]}',
        b'{"slice": 1, "ended": null, "members": [{"spec": {"kind": "dense"}, "evaluation": {}, "epochs": 1}]}',
        b'{"slice": "two", "ended": null, "members": []}',
    ],
)
def test_a_torn_state_is_named(content: bytes, tmp_path: Path) -> None:
    methods = {name: METHODS[name] for name in ("static_d4", "static_c1")}
    torn = tmp_path / "lanes" / "static_d4-0.json"
    torn.parent.mkdir()
    torn.write_bytes(content)
    with (
        pytest.raises(RunFolderError, match=r"static_d4-0.json is damaged: .*Remove it: static_d4 then starts again"),
        runs_in(tmp_path, methods),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"\0" * 100], ids=["empty", "zeros"])
def test_a_blank_state_which_a_power_cut_leaves_is_as_none(content: bytes, whole: Whole, tmp_path: Path) -> None:
    methods = {name: METHODS[name] for name in ("static_d4", "static_c1")}
    blank = tmp_path / "lanes" / "static_d4-0.json"
    blank.parent.mkdir()
    blank.write_bytes(content)
    assert run(tmp_path, methods)[0] == {(name, 0): whole[1][name, 0] for name in methods}


def test_where_a_run_stands_is_read_from_its_folder(whole: Whole) -> None:
    with runs_in(whole[0]) as (runs, _):
        assert finals(runs) == whole[1]
        assert [method_run.slice for method_run in runs.runs] == [method.slices for method in METHODS.values()]
        assert runs.total == sum(method.slices for method in METHODS.values())


# Diverging


def test_lanes_whose_children_all_diverge_end(tmp_path: Path) -> None:
    methods = methods_of(EVOLVES, DIVERGING) | methods_of(DIFFERENTIATES, DIVERGING)
    told: list[SliceTrained] = []
    table, trained = run(tmp_path, methods, took=lambda _run, events: told.extend(events))
    assert set(table.values()) == {None}
    assert weights_of(tmp_path) == set()
    assert all((event.record, event.selected, event.slice) == (None, False, 1) for event in told)
    with runs_in(tmp_path, methods) as (runs, evaluator):
        ended = {method_run.method.name: method_run.ended for method_run in runs.runs}
        assert ended["equinas_e"] == "all children of slice 1 diverged; a lower training.learning_rate may help"
        runs.run_all(lambda _run, _events: None)
        warm = runs.run_of("equinas_d_warm", 0)
        assert warm.ended == "there is no network to start from: equinas_d has no result"
        assert evaluator.trained == 0
    assert trained == len({event.key for event in told})


def test_methods_that_come_after_one_that_diverged_later_start_from_what_it_was(tmp_path: Path) -> None:
    """The mixed network learns for an epoch, and then cannot go on: its offspring are made to diverge."""
    names = ("equinas_d", "equinas_d_discrete", "equinas_d_warm", "static_c1")
    mixed = METHODS["equinas_d"]

    class Derailed(type(mixed)):  # type: ignore[misc]
        def offspring(self, members, seed, slice_number):  # type: ignore[no-untyped-def]
            specs = super().offspring(members, seed, slice_number)
            return [replace(spec, training=DIVERGING.training) for spec in specs]

    derailed = Derailed(**{name: getattr(mixed, name) for name in mixed.__dataclass_fields__})
    table, _ = run(tmp_path, {name: METHODS[name] for name in names} | {"equinas_d": derailed})
    with runs_in(tmp_path, {name: METHODS[name] for name in names}) as (runs, _):
        method_run = runs.run_of("equinas_d", 0)
        assert method_run.ended is not None
        assert "slice 2 diverged" in method_run.ended
        assert (method_run.slice, method_run.done) == (1, True)
    epochs = {name: row[4] for (name, _), row in table.items() if row is not None}
    assert epochs == {"equinas_d": 1.0, "equinas_d_discrete": 2.0, "equinas_d_warm": 3.0, "static_c1": 2.0}
    assert weights_of(tmp_path) == members_of(tmp_path)
