"""The commands of README.md, in their order, as a new user runs them; only the searches are cut down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.code_blocks import ROOT, blocks, commands
from PIL import Image

from aen.data import DataSpec, load_dataset

README = ROOT / "README.md"
FEWER = {
    "--data": ["budget.children=2", "selection.top=1", "selection.seeds=2", "training.epochs=1"],
    "dqn": ["budget.children=2", "selection.top=1", "selection.seeds=2", "training.epochs=1"],
    "agent=exhaustive": ["alphabet=[rot90]", "selection.top=1", "selection.seeds=2", "training.epochs=1"],
    "gcnn/digits": ["budget.children=2", "selection.top=1", "selection.seeds=2", "training.epochs=1"],
    "equinas/digits_e": ["agent.generations=1", "agent.seeds=1", "agent.baselines=[]", "training.epochs=0.1"],
}


def fewer(words: list[str]) -> list[str]:
    """Return what cuts a search down, without the keys that the command gives."""
    kind = next((kind for kind in FEWER if kind in words), "dqn")
    given = {word.partition("=")[0] for word in words}
    return [word for word in FEWER[kind] if word.partition("=")[0] not in given]


def own_data(folder: Path) -> None:
    """Write digits as a folder with a folder of images for each class."""
    dataset = load_dataset(DataSpec("digits", 200, 50, 50))
    for number, (image, label) in enumerate(zip(dataset.train.images, dataset.train.labels.tolist(), strict=True)):
        file = folder / f"digit {label}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        low, high = image.min(), image.max()
        Image.fromarray(((image[0] - low) * 255 / (high - low)).byte().numpy()).save(file)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_run_in_their_order(tmp_path: Path) -> None:
    own_data(tmp_path / "PATH")
    done = []
    for _, words in commands(README):
        if words[:2] == ["data", "fetch"] or any(word.startswith("cluster.address") for word in words):
            break  # what follows needs the network or a cluster
        cut_down = fewer(words) if words[0] == "search" else []
        ran = subprocess.run(
            [sys.executable, "-c", "from aen_agents.cli.main import main; raise SystemExit(main())", *words, *cut_down],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, (words, ran.stderr)
        done.append(words)
    assert sum(words[0] == "search" for words in done) >= 7
    assert {"configs", "resume", "status", "report", "groups"} <= {words[0] for words in done}
    assert {"data", "train", "evaluate", "predict", "export"} <= {words[0] for words in done}
    (load,) = (text for _, text in blocks(README, "python") if "runs/mine" in text)
    loaded = subprocess.run([sys.executable, "-c", load], cwd=tmp_path, capture_output=True, text=True, check=True)
    errors = eval(loaded.stdout, {})  # noqa: S307 - a dictionary of numbers
    assert errors == {} or max(errors.values()) < 1e-4


def test_data_and_papers_come_after_what_needs_no_download() -> None:
    places = [words for _, words in commands(README)]
    fetch = next(number for number, words in enumerate(places) if words[:2] == ["data", "fetch"])
    assert not [words for words in places[:fetch] if "mnist" in " ".join(words)]
    assert "AEN_DATA" not in os.linesep.join(text for _, text in blocks(README, "bash"))
