"""Values of configs that would break later are refused in one line: too large, no numbers, control characters."""

import pytest

from aen.errors import ConfigError, SpecError
from aen_agents.config import SearchConfig, load_config
from aen_agents.problem import child_of


def _numbers() -> list[str]:
    config = SearchConfig(name="x").model_dump()
    return [
        f"{section}.{key}"
        for section, values in config.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


@pytest.mark.parametrize("key", [*_numbers(), "seed", "budget.minutes", "agent.max_gradient_norm", "evaluator.workers"])
@pytest.mark.parametrize("value", ["1e31", "1" * 40, ".inf", ".nan", "-1e31", "!!bool maybe", "1" * 5000, "0x1f"])
def test_a_number_out_of_all_bounds_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=key.rsplit(".", maxsplit=1)[-1]) as caught:
        load_config("digits", ["agent=dqn", f"{key}={value}"])
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "override",
    [
        *(
            "dqn.batch_size=100001",
            "dqn.replay_size=10000001",
            "dqn.layers=[10001]",
            "dqn.gradient_steps=10001",
        ),
        *(f"dqn.layers={[8] * 21}", "child.hidden=[1001]", "environment.horizon=10001", "selection.seeds=10001"),
        *("selection.top=10001", "evaluator.threads=4097", "evaluator.workers=10001", "evaluator.population=100001"),
    ],
)
def test_sizes_that_do_not_fit_into_memory_are_refused(override: str) -> None:
    words = ["agent=dqn", override.replace("dqn.", "agent.")] if override.startswith("dqn.") else [override]
    with pytest.raises(ConfigError, match=r"less than or equal|at most"):
        load_config("digits", words)


@pytest.mark.parametrize("key", ["store", "data.name", "data.path", "alphabet", "name", "child.kind", "agent.name"])
def test_a_nul_is_no_part_of_a_text(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("digits", [f'{key}="a\\0b"'])
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize("value", ["a\\nb", "a\\eb", "sqlite:///a\\rb"])
def test_a_store_is_one_line(value: str) -> None:
    with pytest.raises(ConfigError, match=r"store is .*control character"):
        load_config("digits", [f'store="{value}"'])


def test_layers_that_no_memory_holds_are_refused_with_the_figure() -> None:
    config = load_config("digits", ["child.hidden=[512, 512]", "alphabet=[rot90]"])
    with pytest.raises(SpecError, match=r"512 -> 512 has 68,719,476,736 weight positions, which need about 1,536 GiB"):
        child_of(config)


def test_every_preset_is_within_the_bounds() -> None:
    from aen_agents.config.presets import list_presets

    for name in list_presets("search"):
        assert load_config(name).name
    assert isinstance(load_config("digits").seed, int)
