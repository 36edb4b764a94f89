"""The log: a line for each event, come what may."""

import json
import re
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from helpers.watched_runs import EVENTS, NAMES, VISITED, lines_of, unheard

from aen_agents.monitoring.event_log import EventLog
from aen_agents.monitoring.tracker import ProgressTracker


def test_every_event_is_a_line_with_all_its_fields(tmp_path: Path) -> None:
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


def test_the_time_is_utc(tmp_path: Path) -> None:
    before = time.time()
    EventLog(tmp_path / "log.jsonl", unheard)(VISITED)
    told = datetime.fromisoformat(lines_of(tmp_path / "log.jsonl")[0]["time"]).timestamp()
    assert before - 0.001 <= told <= time.time()


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log.jsonl", unheard)
    log(replace(VISITED, accuracy=float("nan"), reward=float("-inf")))
    log(replace(EVENTS[5], record={"alphas": [[float("inf"), 1.0]]}))
    first, second = lines_of(log.path)
    assert (first["accuracy"], first["reward"], first["best"]) == (None, None, 0.9)
    assert second["record"] == {"alphas": [[None, 1.0]]}


def test_threads_write_whole_lines(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("end", ['{"event":"vis', "\0" * 100, "1" * 200_000], ids=["torn", "zeros", "long"])
def test_a_process_that_resumes_removes_an_incomplete_last_line(tmp_path: Path, end: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f'{{"event":"started"}}\n{end}')
    log = EventLog(path, unheard)
    log(VISITED)
    log.ended(state="complete")
    log(VISITED)  # late, from another thread
    lines = path.read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["started", "visited", "ended"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_log_with_one_notice() -> None:
    said: list[str] = []
    log = EventLog(Path("/dev/full"), said.append)
    for event in EVENTS:
        log(event)
    assert said == ["/dev/full cannot be written: No space left on device; events are no longer logged there."]


def test_a_log_that_cannot_be_opened_is_one_notice(tmp_path: Path) -> None:
    said: list[str] = []
    log = EventLog(tmp_path / "gone" / "log.jsonl", said.append)
    log(VISITED)
    assert len(said) == 1
    assert "No such file or directory" in said[0]


def test_it_costs_little(tmp_path: Path) -> None:
    log, tracker = EventLog(tmp_path / "log.jsonl", unheard), ProgressTracker()
    times = []
    for _ in range(10):
        begun = time.process_time()
        for _ in range(1000):
            log(VISITED)
            tracker(VISITED)
        times.append((time.process_time() - begun) / 1000)
    assert min(times) < 40e-6  # 13 microseconds on a machine with nothing else to do
