"""The default search of a data set: what is chosen fits the images, and what is given comes first."""

from pathlib import Path

import numpy as np
import pytest

from aen.errors import AenError, ConfigError
from aen.groups import Alphabet, hidden_grids
from aen_agents.cli.main import main
from aen_agents.config import DenseConfig, GCNNConfig, RacingConfig, SearchConfig, load_config
from aen_agents.config.default import MINUTES, Machine, default_alphabet, default_config
from aen_agents.problem import check_space, child_of
from aen_agents.runs.folder import RunFolder

TWO_CORES = Machine(2, "cpu")


def npz(folder: Path, shape: tuple[int, ...], count: int = 60) -> Path:
    """Write random images of 3 classes."""
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    path = folder / "images.npz"
    np.savez(path, images=images, labels=np.arange(count) % 3)
    return path


def chosen(path: Path, *overrides: str, minutes: float | None = None) -> tuple[SearchConfig, list[str]]:
    return default_config([f"data.path={path}", *overrides], minutes=minutes, machine=TWO_CORES)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((8, 8), DenseConfig),
        ((28, 28), DenseConfig),
        ((32, 32), DenseConfig),
        ((9, 9), DenseConfig),
        ((12, 20), DenseConfig),
        ((40, 40), GCNNConfig),
        ((16, 16, 3), GCNNConfig),
        ((16, 24, 3), GCNNConfig),
        ((45, 30, 3), GCNNConfig),
    ],
    ids=str,
)
def test_the_choice_fits_the_images(shape: tuple[int, ...], kind: type, tmp_path: Path) -> None:
    config, reasons = chosen(npz(tmp_path, shape))
    assert isinstance(config.child, kind)
    assert isinstance(config.agent, RacingConfig)
    assert config.budget.minutes == MINUTES
    assert config.name == "images"
    assert (config.data.train, config.data.validation, config.data.test) == (36, 12, 12)
    assert child_of(config).data.train == 36
    check_space(config)
    for part in (
        "images: ",
        "child.kind=",
        "training: ",
        "agent=racing",
        "selection: ",
        "budget.minutes",
        "evaluator: 2",
    ):
        assert sum(reason.startswith(part) for reason in reasons) == 1, part


@pytest.mark.parametrize("shape", [(64,), (3, 64), (12, 64)])
def test_signals_are_reversed_and_shifted(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Also where a grid of that size alone could be that of images."""
    path = tmp_path / "signals.npz"
    signals = np.random.default_rng(0).normal(size=(60, *shape)).astype(np.float32)
    np.savez(path, images=signals, labels=np.arange(60) % 3)
    config, _ = chosen(path)
    assert isinstance(config.child, DenseConfig)
    assert set(config.alphabet) == {"hflip", "swap_lr", "hshift(1/4)", "hshift(1/8)"}
    check_space(config)


@pytest.mark.parametrize("side", [*range(2, 33)])
def test_transformations_have_the_same_order_on_all_grids(side: int) -> None:
    alphabet = default_alphabet(side)
    assert alphabet.order_mismatches((side, *hidden_grids(side, alphabet))) == ()


def test_a_hidden_shift_by_four_cells_is_on_offer() -> None:
    """The order of vshift(4) is 7 on 28 and 5 on 20: on such grids it ties far too much."""
    alphabet = default_alphabet(28)
    assert "vshift(1/7)" in alphabet.names
    assert hidden_grids(28, alphabet) == (14, 14)
    assert Alphabet.of(["vshift(4)"]).in_fractions(28).names == ("vshift(1/7)",)


def test_what_is_given_comes_first_and_needs_no_reason(tmp_path: Path) -> None:
    path = npz(tmp_path, (8, 8))
    config, reasons = chosen(path, "agent=exhaustive", "child.hidden=[8]", "name=mine", "data.train=20", minutes=2.5)
    assert config.agent.name == "exhaustive"
    assert isinstance(config.child, DenseConfig)
    assert config.child.hidden == (8,)
    assert config.name == "mine"
    assert config.data.train == 20
    assert config.budget.minutes == 2.5
    assert not [reason for reason in reasons if reason.startswith(("agent", "budget", "child.kind="))]


def test_the_config_can_be_run_again(tmp_path: Path) -> None:
    config, _ = chosen(npz(tmp_path, (8, 8)))
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml())
    assert load_config(file) == config


def test_large_sets_are_explored_on_a_part(tmp_path: Path) -> None:
    config, reasons = chosen(npz(tmp_path, (4, 4), count=12_000))
    assert (config.data.train, config.data.validation) == (6000, 2400)
    assert any("of 7,200" in reason for reason in reasons)


@pytest.mark.parametrize("shape", [(8, 8), (40, 40)])
def test_a_tiny_set_is_trained_for_as_many_steps_as_a_larger_one(shape: tuple[int, ...], tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(256, size=(12, *shape), dtype=np.uint8)
    np.savez(tmp_path / "tiny.npz", images=images, labels=np.arange(12) % 2)
    config, _ = chosen(tmp_path / "tiny.npz")
    assert config.training.epochs == 300, "each of one batch"


def test_a_pin_that_was_given_is_kept(tmp_path: Path) -> None:
    path = npz(tmp_path, (8, 8))
    pinned = child_of(chosen(path)[0]).data.name
    assert pinned.startswith(f"{path}@")
    config, _ = chosen(Path(pinned))
    assert config.data.name == pinned
    assert child_of(config) == child_of(chosen(path)[0])


def test_errors_name_the_data(tmp_path: Path) -> None:
    with pytest.raises(AenError, match="nowhere"):
        chosen(tmp_path / "nowhere.npz")
    with pytest.raises(ConfigError, match=r"data\.train"):
        chosen(npz(tmp_path, (8, 8)), "data.train=many")
    with pytest.raises(ConfigError, match=r"agent\.levl"):
        chosen(npz(tmp_path, (8, 8)), "agent.levl=0.1")


@pytest.mark.parametrize("minutes", ["0", "-1", "inf", "many", "1e9999"])
def test_minutes_must_be_a_positive_number(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["search", "digits", f"--minutes={minutes}"])
    assert stopped.value.code == 2
    assert "not a positive number, such as 10 or 0.5" in capsys.readouterr().err


def test_a_search_of_own_data_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of the images are mirrored: left and right look the same."""
    source = np.random.default_rng(0)
    templates = source.normal(size=(3, 6, 6))
    labels = np.arange(300) % 3
    images = templates[labels] + 0.5 * source.normal(size=(300, 6, 6))
    images[::2] = images[::2, :, ::-1]
    path, out = tmp_path / "mirrored.npz", tmp_path / "run"
    np.savez(path, images=images.astype(np.float32), labels=labels)
    small = ["training.epochs=3", "child.hidden=[6]", "budget.children=12", "selection.seeds=2", "evaluator.workers=1"]
    words = ["search", "--data", str(path), "--minutes", "5", "--out", str(out), *small]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "chosen for these images" in printed
    assert "agent=racing" in printed
    folder = RunFolder.open(out)
    assert folder.config().budget.minutes == 5
    result = folder.result()
    assert result is not None
    assert result.status == "complete"
    assert main(words) == 0
    assert "nothing was run" in capsys.readouterr().out


def test_a_folder_whose_name_ends_like_a_pin(tmp_path: Path) -> None:
    folder = tmp_path / "set@0123456789abcdef"
    folder.mkdir()
    npz(folder, (8, 8))
    config, _ = chosen(folder)
    assert (config.data.name, config.name) == (str(folder), "set_0123456789abcdef")
    pinned = child_of(config).data.name
    assert pinned[:-17] == str(folder)
    assert load_config("paper/dense", [f"data.path={pinned}"]).data.name == pinned
