"""The device that a search chooses, and that the run keeps."""

import shutil
from pathlib import Path

import pytest
import torch

from aen_agents.config import SearchConfig
from aen_agents.evaluators.factory import resolve_evaluator
from aen_agents.events import Event, Notice
from aen_agents.problem import child_of
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="what a machine without a GPU chooses")


def test_the_choice_is_written_to_the_run(tiny_config: SearchConfig, tmp_path: Path) -> None:
    assert tiny_config.evaluator.device == "auto"
    events: list[Event] = []
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    assert folder.config().evaluator.device == "auto"
    result = Search(tiny_config, events.append).run(folder)
    assert folder.config().evaluator.device == result.provenance.device == "cpu"
    assert not [event for event in events if isinstance(event, Notice) and "device" in event.text]


def test_a_resumed_run_keeps_its_device(
    finished: tuple[RunFolder, object], tiny_config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a GPU has appeared since: results depend on the device."""
    monkeypatch.setattr("aen_agents.evaluators.factory.choose_device", lambda: "cuda")
    events: list[Event] = []
    shutil.copytree(finished[0].path, tmp_path / "run")  # it is run again, and others read the finished one
    folder = RunFolder.create(tiny_config, tmp_path / "run")  # not refused
    assert Search(tiny_config, events.append).run(folder).provenance.device == "cpu"
    assert not [event for event in events if isinstance(event, Notice) and "device" in event.text]


def test_idle_gpus_are_mentioned(tiny_config: SearchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Some GPU")
    config, said = resolve_evaluator(tiny_config, child_of(tiny_config))
    assert config.evaluator.device == "cuda"
    assert said == ["device=cuda: Some GPU", "2 GPUs of this machine stay idle; evaluator=ray trains on all GPUs"]
    on_cpu = tiny_config.model_copy(update={"evaluator": tiny_config.evaluator.model_copy(update={"device": "cpu"})})
    assert resolve_evaluator(on_cpu, child_of(on_cpu)) == (on_cpu, ["3 GPUs of this machine stay idle"])
