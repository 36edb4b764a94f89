"""Whole searches that are interrupted: `aen resume`."""

from pathlib import Path

import pytest
from helpers.broken_runs import assert_same_run, finishing_times

from aen._typing import JsonDict
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Retrained, Visited
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search


@pytest.mark.usefixtures("often")
def test_resume_comes_to_what_an_unbroken_run_comes_to(
    finished: tuple[RunFolder, JsonDict],
    tiny_config: SearchConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "broken")
    trained = 0
    for stop in ("step", "step", "selection"):
        steps = 0

        def interrupt(event: Event, stop: str = stop) -> None:
            nonlocal steps
            steps += isinstance(event, Visited)
            if (stop, steps) == ("step", 4) or (stop == "selection" and isinstance(event, Retrained)):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Search(tiny_config, interrupt).run(folder)
        summary = folder.summary()
        assert summary is not None
        trained += summary["children_trained"]
    before = finishing_times(folder)
    assert main(["resume", str(folder.path)]) == 0
    said = capsys.readouterr().out
    assert "note: resuming after step" in said
    assert_same_run(folder, finished[0])
    after = finishing_times(folder)
    assert {key: after[key] for key in before} == before
    summary = folder.summary()
    assert summary is not None
    assert trained + summary["children_trained"] == finished[1]["children_trained"]
    assert summary["notices"] == finished[1]["notices"]


def test_resume_of_a_finished_run_says_so(
    finished: tuple[RunFolder, JsonDict], capsys: pytest.CaptureFixture[str]
) -> None:
    before = finished[0].history_file.stat().st_mtime_ns
    assert main(["resume", str(finished[0].path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "holds this search already, complete; nothing was run" in said
    assert finished[1]["winner"]["group"] in said
    assert finished[0].history_file.stat().st_mtime_ns == before


def test_resume_of_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", str(tmp_path / "nowhere")]) == 2
    assert "is not a run folder: there is no such folder" in capsys.readouterr().err
    assert main(["resume", str(tmp_path)]) == 2
    assert "is not a run folder: it has no config.yaml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_resume_of_a_run_that_runs_is_refused(
    tiny_config: SearchConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    with folder.locked():
        assert main(["resume", str(folder.path)]) == 2
    assert "another search is running in" in capsys.readouterr().err


@pytest.mark.slow
def test_an_exhaustive_run_is_resumed(
    exhausted: tuple[RunFolder, JsonDict], exhaustive_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(exhaustive_config, tmp_path / "broken")
    count = 0

    def interrupt(_: Event) -> None:
        nonlocal count
        count += 1
        if count == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(exhaustive_config, interrupt).run(folder)
    before = finishing_times(folder)
    assert main(["resume", str(folder.path)]) == 0
    assert_same_run(folder, exhausted[0])
    after = finishing_times(folder)
    assert {key: after[key] for key in before} == before


@pytest.mark.slow
@pytest.mark.usefixtures("often")
def test_a_run_in_lockstep_goes_on_with_fewer_workers(
    tiny_config: SearchConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SearchConfig.model_validate(
        tiny_config.model_dump()
        | {"environment": {"collect": "lockstep"}, "evaluator": {"kind": "ray", "workers": 2, "cpus_per_worker": 0.5}}
    )
    folder = RunFolder.create(config, tmp_path / "broken")
    steps = 0

    def interrupt(event: Event) -> None:
        nonlocal steps
        steps += isinstance(event, Visited)
        if steps == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(config, interrupt).run(folder)
    assert main(["resume", str(folder.path), "evaluator.workers=1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "note: resuming after step" in said
    assert "resuming with evaluator.workers=1; the run was started with 2" in said
