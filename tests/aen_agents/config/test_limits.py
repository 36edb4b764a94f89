"""Limits of YAML texts: of their size, their depth and what aliases stand for; long values are cut in messages."""

from pathlib import Path

import pytest

from aen.errors import ConfigError
from aen_agents.config import load_config
from aen_agents.config.yaml_file import RefusedYAMLError, parse_yaml
from aen_agents.sweep.config import load_sweep


def _laughs(levels: int = 9) -> str:
    """Return a list whose aliases stand for 9 to the power of the levels values."""
    lists = ["&a0 [" + ", ".join("x" * 9) + "]"]
    lists += [f"&a{i + 1} [" + ", ".join([f"*a{i}"] * 9) + "]" for i in range(levels)]
    return "[" + ", ".join(lists) + "]"


MERGED = "{a0: &a0 {k: 1}, " + ", ".join(f"a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}" for i in range(9))

REFUSED = {
    "aliases": (_laughs(), "it holds too much"),
    "merge keys": (MERGED + "}", "it holds too much"),
    "a long text in many aliases": (f"[&a {'x' * 10_000}, " + ", ".join(["*a"] * 200) + "]", "it holds too much"),
    "values": ("[" + "1," * 60_000 + "]", "it holds too much"),
    "an alias in its own value": ("&a [*a]", "an alias stands for a value that contains it"),
    "brackets": ("[" * 20_000, "nested more than 50 deep"),
    "braces": ("{a: " * 20_000, "nested more than 50 deep"),
    "blocks": ("- " * 20_000, "nested more than 50 deep"),
    "comments": ("#" * 2_000_000, "its 2,000,000 characters are more than 1,048,576"),
    "digits": ("1" * 5_000, "a number has 5,000 digits"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_yaml_that_is_too_large_is_refused(text: str, said: str) -> None:
    with pytest.raises(RefusedYAMLError) as caught:
        parse_yaml(text)
    assert said in str(caught.value.problem)


@pytest.mark.parametrize("name", ["aliases", "brackets", "digits"])
@pytest.mark.parametrize("key", ["seed", "name", "alphabet", "agent", "child", "store", "generators", "data.name"])
def test_an_override_that_is_too_large_gives_one_short_line(name: str, key: str) -> None:
    text, said = REFUSED[name]
    with pytest.raises(ConfigError, match=said) as caught:
        load_config("digits", [f"{key}={text}"])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("load", [load_config, load_sweep])
def test_a_file_that_is_too_large_is_named(load: object, tmp_path: Path) -> None:
    file = tmp_path / "laughs.yaml"
    file.write_text(f"name: x\nseed: {_laughs()}\n")
    with pytest.raises(ConfigError, match=r"laughs\.yaml: it holds too much"):
        load(file)  # type: ignore[operator]
    file.write_text("#" * 2_000_000)
    with pytest.raises(ConfigError, match="its 2,000,000 bytes are more than the 1,048,576 that are read"):
        load(file)  # type: ignore[operator]


def test_aliases_and_own_generators_of_usual_size_are_read() -> None:
    assert parse_yaml("[&a [1, 2], *a, {<<: &b {k: 1}, l: *a}, *b]") == [
        [1, 2],
        [1, 2],
        {"k": 1, "l": [1, 2]},
        {"k": 1},
    ]
    cells = [*range(64 * 64)]
    assert parse_yaml(str([cells] * 9)) == [cells] * 9


LONG = "x" * 20_000


@pytest.mark.parametrize(
    "override",
    [
        *(f"seed={LONG}", f"seed='{LONG}", f"{LONG}=1", LONG, f"agent={LONG}", f"agent.name={LONG}"),
        *(f"evaluator={LONG}", f"child.kind={LONG}", f"name=[{LONG}]", f"training.optimiser={LONG}"),
        *(f"alphabet=[{'1,' * 9000}]", f"training.{LONG}=1", f"data.path=[{LONG}]", f"seed.{LONG}=1"),
    ],
    ids=lambda text: text[:20],
)
def test_a_long_value_is_cut_in_messages(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("digits", [override])
    assert len(str(caught.value)) < 1_000


def test_of_many_wrong_keys_the_first_are_named(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: x\n" + "".join(f"k{i}: 1\n" for i in range(500)))
    with pytest.raises(ConfigError, match=r"unknown key 'k0'.*; and 490 more$") as caught:
        load_config(file)
    assert len(str(caught.value)) < 3_001
