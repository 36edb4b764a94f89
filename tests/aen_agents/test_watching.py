import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aen._typing import JsonDict
from aen.errors import SpecError
from aen.evaluators import Activity
from aen_agents.cli import main
from aen_agents.config import SearchConfig
from aen_agents.events import (
    ChildLogged,
    Event,
    Notice,
    Retrained,
    SliceTrained,
    StageStarted,
    Trained,
    Visited,
    WorkerLogged,
)
from aen_agents.run_folder import RunFolder
from aen_agents.search import Search
from aen_agents.watching import find_runs, view_run
from aen_agents.watching.log import EventLog
from aen_agents.watching.scalars import ScalarFile
from aen_agents.watching.secrets import hide_secrets
from aen_agents.watching.status import (
    Best,
    Children,
    Rate,
    Stage,
    Status,
    now,
    process_start,
    this_machine,
)
from aen_agents.watching.tally import Tally
from aen_agents.watching.watch import Watch

VISITED = Visited(1, 3, True, 3, "rot90 + hflip", "D4", "class", 0.9, 0.1, 0.5, 0.9)
EVENTS: list[Event] = [
    Notice("vshift(4) has order 7 on 28x28"),
    StageStarted("explore", 12),
    VISITED,
    Trained(3, "rot90", "class", 0, 0.8),
    Retrained("rot90", 0.7),
    SliceTrained("equinas_e", 0, 1, 0.5, "key", None, "D4", ("D4",), "class", 0.6, 0.3, 10, True, {"alphas": [0.5]}),
    ChildLogged("key", "w1", "requeued", "died", 0.5, "killed by signal 9"),
    WorkerLogged("w1", "lost", "node1", "killed by signal 9"),
]
NAMES = [
    *("notice", "stage_started", "visited", "trained", "retrained", "slice_trained", "child_logged", "worker_logged"),
]


QUICK = [
    *("data.train=400", "training.epochs=15", "child.hidden=[8]", "alphabet=[rot90, hflip, vflip, swap_lr]"),
    *("budget.children=8", "budget.steps=60", "selection.seeds=2", "selection.top=2", "environment.horizon=4"),
    "agent={learn_after: 4, batch_size: 8, layers: [16]}",
]


def done_in(path: Path) -> int:
    view = view_run(path)
    return view.children.done if view.children else 0


def lines_of(path: Path) -> list[JsonDict]:
    def refuse(constant: str) -> object:
        raise AssertionError(constant)

    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def unheard(text: str) -> None:
    raise AssertionError(text)


def a_status(folder: Path, **changes: object) -> Status:
    """Return the status of a search that this process runs."""
    status = Status(
        run=folder.name,
        name="tiny",
        agent="dqn",
        data="digits",
        state="running",
        pid=os.getpid(),
        process_start=process_start(os.getpid()),
        host="here",
        machine=this_machine(),
        started=now() - timedelta(seconds=90),
        updated=now(),
        seconds=90.0,
        stage=Stage(name="explore", done=34, total=60, unit="children", seconds_left=130.0),
        stages={"explore": 34},
        best=Best(accuracy=0.972, group="D4", factors="rot90 + hflip"),
        children=Children(done=34, running=2, waiting=5, trained=33, failed=1),
        workers=4,
        rate=Rate(last_minute=1.25, overall=0.01),
    )
    return status.model_copy(update=changes)


@pytest.fixture
def folder(tmp_path: Path, tiny_config: SearchConfig) -> RunFolder:
    return RunFolder.create(tiny_config, tmp_path / "runs" / "one")


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


class Busy:
    """An evaluator, as far as who watches knows it."""

    def __init__(self, activity: Activity) -> None:
        self.known = activity

    def activity(self) -> Activity:
        return self.known


class TestLog:
    def test_every_event_is_a_line_with_all_its_fields(self, tmp_path: Path) -> None:
        log = EventLog(tmp_path / "log.jsonl", unheard)
        for event in EVENTS:
            log(event)
        lines = lines_of(log.path)
        assert [line["event"] for line in lines] == NAMES
        for event, line in zip(EVENTS, lines, strict=True):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
            assert line.pop("run") == tmp_path.name
            line.pop("event")
            assert line == json.loads(json.dumps(vars(event)))

    def test_the_time_is_utc(self, tmp_path: Path) -> None:
        before = time.time()
        EventLog(tmp_path / "log.jsonl", unheard)(VISITED)
        told = datetime.fromisoformat(lines_of(tmp_path / "log.jsonl")[0]["time"]).timestamp()
        assert before - 0.001 <= told <= time.time()

    def test_numbers_that_json_does_not_know_become_null(self, tmp_path: Path) -> None:
        log = EventLog(tmp_path / "log.jsonl", unheard)
        log(replace(VISITED, accuracy=float("nan"), reward=float("-inf")))
        log(replace(EVENTS[5], record={"alphas": [[float("inf"), 1.0]]}))
        first, second = lines_of(log.path)
        assert (first["accuracy"], first["reward"], first["best"]) == (None, None, 0.9)
        assert second["record"] == {"alphas": [[None, 1.0]]}

    def test_threads_write_whole_lines(self, tmp_path: Path) -> None:
        log = EventLog(tmp_path / "log.jsonl", unheard)
        threads = [
            threading.Thread(target=lambda w=worker: [log(replace(EVENTS[6], worker=w, seconds=i)) for i in range(500)])
            for worker in "abcd"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = lines_of(log.path)
        for worker in "abcd":
            assert [line["seconds"] for line in lines if line["worker"] == worker] == list(range(500))

    def test_a_process_that_goes_on_appends_after_a_torn_line(self, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        path.write_text('{"event":"started"}\n{"event":"vis')
        log = EventLog(path, unheard)
        log(VISITED)
        log.ended(state="complete")
        log(VISITED)  # late, from another thread
        lines = path.read_text().splitlines()
        assert lines[:2] == ['{"event":"started"}', '{"event":"vis']
        assert [json.loads(line)["event"] for line in lines[2:]] == ["visited", "ended"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_ends_the_log_with_one_notice(self) -> None:
        said: list[str] = []
        log = EventLog(Path("/dev/full"), said.append)
        for event in EVENTS:
            log(event)
        assert said == ["/dev/full cannot be written: No space left on device; events are no longer logged there."]

    def test_a_log_that_cannot_be_opened_is_one_notice(self, tmp_path: Path) -> None:
        said: list[str] = []
        log = EventLog(tmp_path / "gone" / "log.jsonl", said.append)
        log(VISITED)
        assert len(said) == 1
        assert "No such file or directory" in said[0]

    @pytest.mark.parametrize(
        ("text", "hidden"),
        [
            ("postgresql://me:pa/ss:wo'rd@host:5432/db", "postgresql://me:***@host:5432/db"),
            ('{"store":"mysql+pymysql://me:a\\"b@host/db"}', '{"store":"mysql+pymysql://me:***@host/db"}'),
            ("postgresql://host/db?user=me&password=abc&x=1", "postgresql://host/db?user=me&password=***&x=1"),
            ("see http://127.0.0.1:8265 for more", "see http://127.0.0.1:8265 for more"),
            ("sqlite:///runs/a.sqlite", "sqlite:///runs/a.sqlite"),
        ],
    )
    def test_passwords_are_hidden(self, text: str, hidden: str) -> None:
        assert hide_secrets(text) == hidden

    def test_it_costs_little(self, tmp_path: Path) -> None:
        log, tally = EventLog(tmp_path / "log.jsonl", unheard), Tally()
        times = []
        for _ in range(10):
            begun = time.process_time()
            for _ in range(1000):
                log(VISITED)
                tally(VISITED)
            times.append((time.process_time() - begun) / 1000)
        assert min(times) < 40e-6  # 13 microseconds on a machine with nothing else to do


class TestTally:
    def test_stage_best_and_time_left(self) -> None:
        clock = [100.0]
        tally = Tally(clock=lambda: clock[0])
        tally(StageStarted("explore", 50))
        for visits in range(1, 21):
            clock[0] += 2.0
            tally(replace(VISITED, visits=visits, accuracy=0.5, best=0.9 if visits > 5 else 0.5, group="C2"))
            if visits == 6:
                tally(VISITED)
                tally(replace(VISITED, visits=6))
            tally.note(Activity(4, 3, 2, visits, 1))
        assert tally.stage() == Stage(name="explore", done=20, total=50, unit="children", seconds_left=60.0)
        assert tally.best == Best(accuracy=0.9, group="D4", factors="rot90 + hflip")
        assert tally.children() == Children(done=20, running=3, waiting=2, trained=20, failed=1)
        assert tally.rate() == Rate(last_minute=0.5, overall=0.5)
        assert (tally.workers, tally.seconds) == (4, 40.0)
        tally(StageStarted("select", 4))
        tally(Retrained("rot90", 0.99))  # another seed: it is no best of exploring
        assert tally.best.accuracy == 0.9
        assert tally.children().done == 21
        assert tally.stages == {"explore": 20, "select": 1}

    def test_the_rate_of_the_last_minute_forgets_what_was_looked_up(self) -> None:
        clock = [0.0]
        tally = Tally(clock=lambda: clock[0])
        tally(StageStarted("explore", 2000))
        done = 0
        for second in range(200):
            clock[0] += 1.0
            for _ in range(1000 if second == 0 else 1):
                done += 1
                tally(Trained(3, "rot90", "class", done, 0.8))
            tally.note(Activity(1, 1, 0, done, 0))
        rate, stage = tally.rate(), tally.stage()
        assert rate.last_minute == pytest.approx(1.0)
        assert rate.overall == pytest.approx(1199 / 200)
        assert stage is not None
        assert stage.seconds_left == pytest.approx(2000 - 1199)

    def test_slow_children_have_a_rate_too(self) -> None:
        clock = [0.0]
        tally = Tally(clock=lambda: clock[0])
        tally(StageStarted("explore", 10))
        for done in range(1, 4):
            for _ in range(3600):
                clock[0] += 1.0
                tally.note(Activity(1, 1, 0, done - 1, 0))
            tally(Trained(3, "rot90", "class", done, 0.8))
        tally.note(Activity(1, 1, 0, 3, 0))
        stage = tally.stage()
        assert stage is not None
        assert stage.seconds_left == pytest.approx(7 * 3600, rel=0.01)

    def test_a_run_that_goes_on_counts_on(self, tmp_path: Path) -> None:
        clock = [0.0]
        earlier = a_status(tmp_path, stages={"explore": 34, "select": 2})
        tally = Tally(earlier, clock=lambda: clock[0])
        tally(StageStarted("explore", 60))
        tally(replace(VISITED, visits=34, accuracy=0.1, best=0.972))  # what is told of what was done before
        clock[0] = 10.0
        tally(replace(VISITED, visits=39, accuracy=0.1, best=0.972))
        tally.note(Activity(1, 0, 0, 5, 2))
        assert tally.stages == {"explore": 39}
        assert tally.best == earlier.best
        assert tally.children() == Children(done=39, running=0, waiting=0, trained=38, failed=3)
        assert tally.seconds == 100.0
        stage = tally.stage()
        assert stage is not None
        assert stage.seconds_left is not None
        assert 30 < stage.seconds_left < 50  # at half a child a second, not at 39 in ten seconds


class TestWatch:
    def test_what_is_done_is_written_down_and_passed_on(self, folder: RunFolder, tiny_config: SearchConfig) -> None:
        heard: list[Event] = []
        watch = Watch(tiny_config, heard.append)
        with watch.over(folder):
            assert view_run(folder.path).state == "running"
            watch.evaluator = Busy(Activity(4, 3, 2, 17, 1))
            for event in EVENTS:
                watch(event)
            deadline = time.monotonic() + 10
            while view_run(folder.path).workers != 4 and time.monotonic() < deadline:
                time.sleep(0.05)
            view = view_run(folder.path)
        assert heard == EVENTS
        assert (view.state, view.workers) == ("running", 4)
        assert view.children == Children(done=6, running=3, waiting=2, trained=17, failed=1)
        assert view.process is not None
        assert view.process.startswith(f"{os.getpid()} on ")
        after = view_run(folder.path)
        assert (after.state, after.workers, after.age < 5) == ("complete", 0, True)
        assert after.children == Children(done=6, running=0, waiting=0, trained=17, failed=1)
        lines = lines_of(folder.path / "log.jsonl")
        assert [line["event"] for line in lines] == ["started", *NAMES, "ended"]
        assert lines[0]["pid"] == os.getpid()
        assert set(lines[0]["versions"]) == {"aen", "torch", "python"}
        assert lines[-1]["state"] == "complete"

    @pytest.mark.parametrize(
        ("error", "state", "message"),
        [
            (KeyboardInterrupt(), "interrupted", None),
            (
                SpecError("store postgresql://me:word@host/db is full"),
                "failed",
                "SpecError: store postgresql://me:***@",
            ),
        ],
        ids=["interrupted", "failed"],
    )
    def test_how_it_ended_is_told(
        self, folder: RunFolder, tiny_config: SearchConfig, error: BaseException, state: str, message: str | None
    ) -> None:
        def search() -> None:
            with Watch(tiny_config, lambda _: None).over(folder):
                raise error

        with pytest.raises(type(error)):
            search()
        view = view_run(folder.path)
        assert view.state == state
        assert (view.message or "").startswith(message or "")
        assert "word" not in (folder.path / "status.json").read_text() + (folder.path / "log.jsonl").read_text()

    def test_the_store_password_is_nowhere(self, folder: RunFolder, tiny_config: SearchConfig) -> None:
        config = tiny_config.model_copy(update={"store": "postgresql://me:word@host/db"})
        with Watch(config, lambda _: None).over(folder):
            pass
        assert lines_of(folder.path / "log.jsonl")[0]["store"] == "postgresql://me:***@host/db"
        assert "word" not in (folder.path / "status.json").read_text()

    def test_a_folder_that_is_removed_meanwhile_stays_so(self, folder: RunFolder, tiny_config: SearchConfig) -> None:
        watch = Watch(tiny_config, lambda _: None)
        with watch.over(folder):
            watch(StageStarted("explore", 12))
            shutil.rmtree(folder.path)
            watch(VISITED)
            time.sleep(1.2)  # a heartbeat
        assert not folder.path.exists()

    def test_an_evaluator_that_fails_to_answer_disturbs_nobody(
        self, folder: RunFolder, tiny_config: SearchConfig
    ) -> None:
        class Broken:
            def activity(self) -> Activity:
                raise RuntimeError("closed")

        watch = Watch(tiny_config, lambda _: None)
        with watch.over(folder):
            watch.evaluator = Broken()
            assert watch.activity() is None
        assert view_run(folder.path).state == "complete"

    def test_the_heartbeat_keeps_no_process_alive(self) -> None:
        code = "from aen_agents.watching.heartbeat import Heartbeat; Heartbeat(lambda: 1 / 0, 0.01); print('over')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert (done.stdout, done.stderr) == ("over\n", "")

    def test_a_search_is_watched(self, finished: tuple[RunFolder, JsonDict]) -> None:
        folder, summary = finished
        view = view_run(folder.path)
        assert (view.state, view.name, view.agent, view.data) == ("complete", "tiny", "dqn", "digits")
        assert view.winner is not None
        assert view.winner.accuracy == summary["winner"]["validation_accuracy_mean"]
        assert view.winner.factors == summary["winner"]["decomposition"]
        assert view.children is not None
        assert view.children.trained == summary["children_trained"]
        best = max(visit["accuracy"] for visit in folder.history())
        assert view.best is not None
        assert view.best.accuracy == best
        assert view.best.group
        events = [line["event"] for line in lines_of(folder.path / "log.jsonl")]
        assert (events[0], events[-1]) == ("started", "ended")
        assert events.count("visited") == len(folder.history())
        curves = EventAccumulator(str(folder.path / "tensorboard" / "search")).Reload()
        assert curves.Scalars("search/best_accuracy")[-1].value == pytest.approx(best)
        assert curves.Scalars("children/trained")[-1].step == view.children.done

    def test_a_search_that_fails_says_so(self, tiny_config: SearchConfig, tmp_path: Path) -> None:
        def listener(event: Event) -> None:
            if isinstance(event, Visited):
                raise SpecError("enough is enough")

        folder = RunFolder.create(tiny_config, tmp_path / "run")
        with pytest.raises(SpecError):
            Search(tiny_config, listener).run(folder)
        view = view_run(folder.path)
        assert (view.state, view.message) == ("failed", "SpecError: enough is enough")


class TestScalars:
    def test_tensorboard_reads_what_is_written(self, tmp_path: Path) -> None:
        file = ScalarFile(tmp_path / "search")
        for step in (1, 2, 300, 70_000):
            file.add(step, {"search/accuracy": step / 2, "workers/alive": -1.5})
        curves = EventAccumulator(str(tmp_path / "search")).Reload()
        assert curves.Tags()["scalars"] == ["search/accuracy", "workers/alive"]
        assert [(s.step, s.value) for s in curves.Scalars("search/accuracy")] == [
            (1, 0.5),
            (2, 1.0),
            (300, 150.0),
            (70_000, 35_000.0),
        ]
        assert abs(curves.Scalars("workers/alive")[0].wall_time - time.time()) < 60

    def test_a_run_that_goes_on_continues_its_curve(self, tmp_path: Path) -> None:
        earlier, later = ScalarFile(tmp_path / "search"), ScalarFile(tmp_path / "search")
        for step in range(1, 6):
            earlier.add(step, {"a": step})
        for step in range(4, 8):
            later.add(step, {"a": 10 * step})
        curves = EventAccumulator(str(tmp_path / "search")).Reload()
        assert [(s.step, s.value) for s in curves.Scalars("a")] == [
            *((step, step) for step in (1, 2, 3)),
            *((step, 10 * step) for step in (4, 5, 6, 7)),
        ]


class TestStatus:
    def run(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        assert main(["status", *words]) == 0
        return capsys.readouterr().out

    def test_a_run_is_told(self, folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
        a_status(folder.path).write(folder.path)
        out = self.run(capsys, str(folder.path))
        for said in (
            f"running, process {os.getpid()} on here",
            "tiny, agent dqn, data digits",
            "exploring: 34 of at most 60 children, about 2 min 10 s left",
            "97.2% on validation: D4 (rot90 + hflip)",
            "34 done, 2 running, 5 waiting, 33 trained, 1 failed",
            "1.2/s over the last minute, 36.0/h overall",
            "4 alive",
            "1 min 30 s",
        ):
            assert said in out

    def test_it_is_told_as_json_too(self, folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
        a_status(folder.path).write(folder.path)
        told = json.loads(self.run(capsys, str(folder.path), "--json"))
        assert (told["state"], told["workers"], told["stage"]["done"]) == ("running", 4, 34)
        assert told["children"] == {"done": 34, "running": 2, "waiting": 5, "trained": 33, "failed": 1}
        assert told["age_seconds"] < 30

    def test_a_process_that_was_killed_is_noticed(
        self, folder: RunFolder, sleeper: "subprocess.Popen[bytes]", capsys: pytest.CaptureFixture[str]
    ) -> None:
        a_status(folder.path, pid=sleeper.pid, process_start=process_start(sleeper.pid)).write(folder.path)
        assert view_run(folder.path).state == "running"
        sleeper.kill()
        sleeper.wait()
        out = self.run(capsys, str(folder.path))
        assert re.search(r"stopped without saying so, \d s ago; `aen resume \S+/runs/one` goes on", out)
        assert view_run(folder.path).workers == 0

    def test_another_process_of_the_same_number_is_not_it(self, folder: RunFolder) -> None:
        a_status(folder.path, process_start=1).write(folder.path)
        assert view_run(folder.path).state == "stopped"

    @pytest.mark.parametrize(("age", "state"), [(2, "running"), (300, "stopped")])
    def test_on_another_machine_the_heartbeat_counts(self, folder: RunFolder, age: int, state: str) -> None:
        updated = now() - timedelta(seconds=age)
        a_status(folder.path, machine="another", process_start=1, updated=updated).write(folder.path)
        assert view_run(folder.path).state == state

    def test_a_process_that_is_silent_is_told(self, folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
        a_status(folder.path, updated=now() - timedelta(seconds=300)).write(folder.path)
        assert "is there, but silent for 300 s" in self.run(capsys, str(folder.path))

    def test_a_last_word_that_was_not_written_is_found_in_the_summary(
        self, finished: tuple[RunFolder, JsonDict], folder: RunFolder
    ) -> None:
        shutil.copy(finished[0].summary_file, folder.summary_file)
        a_status(folder.path, process_start=1).write(folder.path)
        assert view_run(folder.path).state == "complete"

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "status.json is damaged"),
            (b'{"version": 1, "run": "o', "status.json is damaged"),
            (b"[1]", "status.json is damaged"),
            (b"\xff\xfe\x00", "status.json is damaged"),
            (b'{"version": 1, "state": "merry"}', "status.json is damaged"),
            (b'{"version": 2}', "has version 2, and this aen knows 1; update aen"),
        ],
        ids=["empty", "torn", "list", "binary", "keys", "later"],
    )
    def test_a_damaged_file_is_said(
        self,
        finished: tuple[RunFolder, JsonDict],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        content: bytes,
        problem: str,
    ) -> None:
        folder = RunFolder(shutil.copytree(finished[0].path, tmp_path / "runs" / "one"))
        (folder.path / "status.json").write_bytes(content)
        out = " ".join(self.run(capsys, str(folder.path)).split())
        assert problem in out
        assert "What follows is from the other files" in out
        assert "best" in out
        assert main(["list", str(folder.path.parent)]) == 0
        assert "damaged" in capsys.readouterr().out

    def test_a_run_from_before_there_was_a_status(
        self, finished: tuple[RunFolder, JsonDict], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = RunFolder(shutil.copytree(finished[0].path, tmp_path / "one"))
        (folder.path / "status.json").unlink()
        told, known = view_run(folder.path), view_run(finished[0].path)
        assert (told.state, told.name, told.agent, told.data) == ("complete", "tiny", "dqn", "digits")
        assert (told.winner, told.best) == (known.winner, known.best)
        folder.summary_file.unlink()
        assert view_run(folder.path).state == "stopped"
        assert "aen resume" in self.run(capsys, str(folder.path))

    def test_a_run_that_has_not_begun(self, folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
        assert view_run(folder.path).state == "new"
        self.run(capsys, str(folder.path))

    @pytest.mark.parametrize("words", [[], ["--json"], ["--follow"]])
    def test_no_run_folder_is_an_error(
        self, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status", str(tmp_path / "nowhere"), *words]) == 2
        assert capsys.readouterr().err.endswith("is not a run folder: there is no such folder.\n")

    def test_it_is_read_while_it_is_written(self, folder: RunFolder) -> None:
        a_status(folder.path).write(folder.path)
        over = threading.Event()

        def write() -> None:
            while not over.is_set():
                a_status(folder.path).write(folder.path)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            assert {view_run(folder.path).state for _ in range(300)} == {"running"}
        finally:
            over.set()
            thread.join()

    @pytest.mark.parametrize("words", [[], ["--json"]], ids=["lines", "json"])
    def test_it_is_followed_until_it_ends(
        self,
        folder: RunFolder,
        sleeper: "subprocess.Popen[bytes]",
        words: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        a_status(folder.path, pid=sleeper.pid, process_start=process_start(sleeper.pid)).write(folder.path)

        def end() -> None:
            sleeper.kill()
            sleeper.wait()

        timer = threading.Timer(0.5, end)
        timer.start()
        lines = self.run(capsys, str(folder.path), "--follow", *words).splitlines()
        timer.join()
        if words:
            assert [json.loads(line)["state"] for line in lines] == ["running", "stopped"]
        else:
            assert lines == [
                "running  exploring 34/60  best 97.2% D4  4 workers  1 failed",
                "stopped  exploring 34/60  best 97.2% D4  1 failed",
            ]

    def test_names_that_yaml_quotes_are_read(self, tmp_path: Path, tiny_config: SearchConfig) -> None:
        config = tiny_config.model_copy(update={"name": "0123"})
        path = RunFolder.create(config, tmp_path / "one").path
        assert "name: '0123'" in (path / "config.yaml").read_text()
        view = view_run(path)
        assert (view.name, view.agent, view.data) == ("0123", "dqn", "digits")

    def test_readers_need_no_torch(self, folder: RunFolder) -> None:
        a_status(folder.path).write(folder.path)
        code = (
            "import sys; from aen_agents.cli import main; "
            f"main(['status', {str(folder.path)!r}]); main(['list', {str(folder.path.parent)!r}]); "
            "print('torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("False\n")

    @pytest.mark.slow
    def test_a_search_that_is_killed_and_goes_on(self, tmp_path: Path) -> None:
        out = tmp_path / "run"
        code = "import sys; from aen_agents.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, "search", "configs/digits.yaml", *QUICK, "--out", str(out)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as search:
            while search.poll() is None and not ((out / "status.json").exists() and done_in(out) >= 2):
                time.sleep(0.05)
            running = view_run(out)
            search.kill()
        assert running.state == "running"
        assert view_run(out).state == "stopped"
        assert main(["resume", str(out)]) == 0
        view = view_run(out)
        assert (view.state, view.children and view.children.failed) == ("complete", 0)
        assert view.seconds is not None
        assert running.seconds is not None
        assert view.seconds > running.seconds
        events = [line["event"] for line in lines_of(out / "log.jsonl")]
        assert (events.count("started"), events.count("ended")) == (2, 1)
        steps = [
            s.step for s in EventAccumulator(str(out / "tensorboard" / "search")).Reload().Scalars("search/accuracy")
        ]
        assert steps == sorted(steps)


class TestList:
    def test_runs_are_listed_newest_first(
        self, folder: RunFolder, tiny_config: SearchConfig, capsys: pytest.CaptureFixture[str]
    ) -> None:
        runs = folder.path.parent
        a_status(folder.path, state="complete", updated=now() - timedelta(hours=3)).write(folder.path)
        deep = RunFolder.create(tiny_config, runs / "sweep" / "trials" / "two")
        a_status(deep.path, winner=Best(accuracy=0.9, group="C4", factors="rot90")).write(deep.path)
        (runs / "notes").mkdir()
        (runs / "presets").mkdir()
        (runs / "presets" / "config.yaml").write_text("name: no run")
        (runs / "file").write_text("")
        assert [view.path.name for view in find_runs(runs)] == ["two", "one"]
        assert main(["list", str(runs)]) == 0
        table = capsys.readouterr().out
        first, second = table.index("sweep/trials/two"), table.index("one ")
        assert first < second
        assert "C4 90.0%" in table
        assert "3 h" in table
        assert main(["list", str(runs), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [run["state"] for run in told] == ["running", "complete"]
        assert main(["list", str(folder.path)]) == 0
        assert "one " in capsys.readouterr().out

    def test_damaged_runs_are_listed_as_such(
        self, folder: RunFolder, tiny_config: SearchConfig, finished: tuple[RunFolder, JsonDict]
    ) -> None:
        runs = folder.path.parent
        folder.config_file.write_bytes(b"\x00\xff{{{")
        torn = RunFolder.create(tiny_config, runs / "torn")
        torn.summary_file.write_text('{"status": "comp')
        strange = RunFolder.create(tiny_config, runs / "strange")
        summary = json.loads(finished[0].summary_file.read_text()) | {"winner": 3}
        strange.summary_file.write_text(json.dumps(summary))
        assert {view.path.name: view.state for view in find_runs(runs)} == dict.fromkeys(
            ("one", "torn", "strange"), "damaged"
        )
        assert all(view.message for view in find_runs(runs))

    def test_no_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["list"]) == 0
        assert "no runs in runs; `aen search CONFIG` starts one" in capsys.readouterr().out
        assert main(["list", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []
        assert main(["list", "elsewhere"]) == 2
        assert "there is no folder elsewhere" in capsys.readouterr().err

    def test_a_thousand_runs_are_listed_fast(self, folder: RunFolder) -> None:
        a_status(folder.path, state="complete").write(folder.path)
        files = {name: (folder.path / name).read_text() for name in ("config.yaml", "status.json")}
        for number in range(1000):
            run = folder.path.parent / f"run-{number}"
            (run / "weights").mkdir(parents=True)
            for name, text in files.items():
                (run / name).write_text(text)
        begun = time.perf_counter()
        views = find_runs(folder.path.parent)
        assert time.perf_counter() - begun < 2
        assert [view.state for view in views] == ["complete"] * 1001
