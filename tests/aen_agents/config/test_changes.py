"""What may change of a config when its run goes on."""

from pathlib import Path

import pytest
from helpers.overrides import changed

from aen_agents.config import SearchConfig, load_config
from aen_agents.config.changes import (
    changeable_keys,
    changeable_keys_text,
    describe_changes,
    keep_choices,
    other_changes,
    result_changes,
)

RAY = ["evaluator=ray", "cluster.address=a:1", "evaluator.gpus_per_worker=0.5"]


def both(file: Path, before: list[str], now: list[str]) -> tuple[SearchConfig, SearchConfig]:
    return load_config(file, before), load_config(file, changed(before, *now))


def test_keys_that_change_no_result_are_told_from_the_others(config_file: Path) -> None:
    free = [
        "cluster.address=b:2",
        "cluster.connect_timeout=1",
        "cluster.token_file=t",
        "evaluator.workers=3",
        "evaluator.cpus_per_worker=2",
    ]
    free += ["evaluator.gpus_per_worker=1", "evaluator.timeout=9", "evaluator.retries=1"]
    theirs, ours = both(config_file, RAY, free)
    assert result_changes(theirs, ours) == {}
    assert other_changes(theirs, ours).keys() == set(changeable_keys(theirs))
    assert other_changes(theirs, ours)["cluster.address"] == ("a:1", "b:2")
    assert result_changes(theirs, theirs) == other_changes(theirs, theirs) == {}


@pytest.mark.parametrize("given", ["fan_in", "published"])
def test_a_value_that_is_left_to_aen_stays_that_of_the_run(config_file: Path, given: str) -> None:
    kind = ["child.kind=gcnn", "child.padding=same"]
    theirs, ours = both(config_file, [*kind, f"child.initialisation={given}"], ["child.initialisation=null"])
    assert result_changes(theirs, ours) == other_changes(theirs, ours) == {}
    assert keep_choices(theirs, ours).child == theirs.child
    other = "published" if given == "fan_in" else "fan_in"
    theirs, ours = both(config_file, [*kind, f"child.initialisation={given}"], [f"child.initialisation={other}"])
    assert list(result_changes(theirs, ours)) == ["child.initialisation"]


@pytest.mark.parametrize(
    ("before", "change", "key"),
    [
        ([], "seed=1", "seed"),
        ([], "agent.learning_rate=0.5", "agent.learning_rate"),
        ([], "evaluator.threads=2", "evaluator.threads"),
        ([], "generators={spin: [[1, 2, 3, 0]]}", "generators.spin"),
        ([], "store=other.sqlite", "store"),
        ([], "symmetry_test=false", "symmetry_test"),
        ([], "evaluator=ray", "evaluator.kind"),
        ([], "agent=exhaustive", "agent.name"),
        (RAY, "evaluator.gpus_per_worker=0", "evaluator.gpus_per_worker"),  # the CPU is another device
        (RAY, "evaluator.population_per_worker=2", "evaluator.population_per_worker"),
    ],
)
def test_what_decides_results_is_named_by_its_key(config_file: Path, before: list[str], change: str, key: str) -> None:
    theirs, ours = both(config_file, before, [change])
    assert list(result_changes(theirs, ours)) == [key]
    assert key not in other_changes(theirs, ours)


def test_only_keys_that_the_evaluator_heeds_are_offered(config_file: Path) -> None:
    assert changeable_keys(load_config(config_file)) == ["evaluator.workers"]
    assert changeable_keys(load_config(config_file, RAY)) == [
        *(
            "cluster.address",
            "cluster.connect_timeout",
            "cluster.token_file",
            "evaluator.workers",
            "evaluator.cpus_per_worker",
        ),
        *("evaluator.gpus_per_worker", "evaluator.timeout", "evaluator.retries"),
    ]
    assert "evaluator.gpus_per_worker (not from or to 0), evaluator.timeout and" in changeable_keys_text(
        load_config(config_file, RAY)
    )


def test_differences_are_said_in_yaml_and_without_a_password(config_file: Path) -> None:
    theirs, ours = both(config_file, [], ["training.epochs=9", "evaluator.workers=2", "store=db://me:sesame@here/x"])
    said = describe_changes({**result_changes(theirs, ours), **other_changes(theirs, ours)}, "here", "there")
    assert "training.epochs is 9.0 here, 30.0 there" in said
    assert "evaluator.workers is 2 here, null there" in said
    assert "store has different values here and there" in said
    assert "sesame" not in said


@pytest.mark.parametrize(
    ("started", "key", "chosen"),
    [([], "evaluator.device", "cuda"), (["evaluator=ray"], "evaluator.gpus_per_worker", "0.25")],
)
def test_what_is_left_to_aen_stays_as_the_run_chose_it(
    config_file: Path, started: list[str], key: str, chosen: str
) -> None:
    theirs, ours = both(config_file, [*started, f"{key}={chosen}"], [*started, f"{key}=auto"])
    assert not result_changes(theirs, ours)
    assert not other_changes(theirs, ours)
    assert not result_changes(ours, theirs)
    assert keep_choices(theirs, ours) == theirs
    assert keep_choices(ours, theirs) == theirs


def test_a_device_that_is_named_is_not_left_to_aen(config_file: Path) -> None:
    theirs, ours = both(config_file, ["evaluator.device=cuda"], ["evaluator.device=cpu"])
    assert set(result_changes(theirs, ours)) == {"evaluator.device"}
    assert keep_choices(theirs, ours) == ours
