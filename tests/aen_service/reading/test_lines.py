"""Files that grow are read line by line, each line once."""

import pytest

from aen_service.reading.lines import GrowingLines
from aen_service.reading.log import EVERY, RunLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.jsonl"


def test_a_line_is_read_once_it_is_whole(path):
    lines = GrowingLines(path)
    assert lines.read() == (False, [])
    path.write_bytes(b"one\ntw")
    assert lines.read() == (False, [b"one"])
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert lines.read() == (False, [b"two", b"three"])
    assert lines.read() == (False, [])


def test_a_torn_line_that_is_cut_off_is_never_read(path):
    lines = GrowingLines(path)
    path.write_bytes(b"one\ntorn")
    assert lines.read() == (False, [b"one"])
    path.write_bytes(b"one\n")
    assert lines.read() == (False, [])
    path.write_bytes(b"one\ntwo\n")
    assert lines.read() == (False, [b"two"])


@pytest.mark.parametrize("content", [b"on\n", b"other\nfile\n"])
def test_another_content_is_read_from_its_beginning(path, content):
    lines = GrowingLines(path)
    path.write_bytes(b"one\ntwo\n")
    lines.read()
    path.unlink()
    path.write_bytes(content)
    assert lines.read() == (True, content.split(b"\n")[:-1])


def test_a_link_is_not_followed(path, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret\n")
    path.symlink_to(tmp_path / "secret")
    assert GrowingLines(path).read() == (False, [])


def test_lines_of_a_log_are_found_by_their_numbers(path):
    log = RunLog(path)
    count = 3 * EVERY + 7
    path.write_bytes(b"".join(b'{"event":"notice","text":"%d"}\n' % number for number in range(1, count + 1)))
    log.update()
    assert log.count == count
    for after in (0, 1, EVERY - 1, EVERY, EVERY + 1, 2 * EVERY, count - 1, count, count + 5):
        found = log.read(after, 3)
        wanted = [number for number in range(after + 1, after + 4) if number <= count]
        assert [number for number, _ in found] == wanted
        assert [line for _, line in found] == [b'{"event":"notice","text":"%d"}' % number for number in wanted]
        assert log.newest(after, 3) == found


def test_damaged_lines_of_a_log_are_counted_and_left_out(path):
    log = RunLog(path)
    path.write_bytes(b'{"event":"agent_logged",\n{"event":"worker_logged","worker":"w","what":"lost","node":"n"}\n')
    log.update()
    assert (log.count, log.agent, log.workers["w"].node) == (2, None, "n")
