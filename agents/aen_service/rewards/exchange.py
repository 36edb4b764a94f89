"""Exchange: the folder through which a service and its trainer on a Ray cluster exchange children and results.

A file appears complete or not at all. The service numbers its requests, the trainer its answers, and each removes what
it has read. A folder belongs to one trainer; the service removes it when the trainer has ended or shall end.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from aen._files import write_atomically
from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.errors import AenError, SpecError
from aen.results.evaluation import Evaluation

_ASKED, _ANSWERED = "asked", "answered"
_ALIVE_FILE, _STATUS_FILE, _END_FILE = "alive", "status.json", "end.json"


@dataclass(frozen=True)
class Answer:
    """What became of a child: its evaluation, or why there is none."""

    key: str
    evaluation: Evaluation | None = None
    error: str | None = None


@dataclass(frozen=True)
class Status:
    """How busy a trainer is; `capacity` is the number of children that keep it busy."""

    workers: int
    capacity: int
    running: int
    trained: int
    failed: int


class Exchange:
    """The folder; every method may raise OSError.

    Args:
        folder: absolute, under the same path on both machines.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._asked = self._answered = self._beats = 0

    def create(self) -> None:
        """Make the folder, which the service does before it submits the job."""
        for part in (_ASKED, _ANSWERED):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.beat()

    def beat(self) -> None:
        """Show the trainer that the service is alive."""
        self._beats += 1
        write_atomically(self.folder / _ALIVE_FILE, str(self._beats), durable=False)

    def heartbeat(self) -> str | None:
        """Return what the last `beat` wrote, each time something else; None: the folder was removed."""
        try:
            return (self.folder / _ALIVE_FILE).read_text()
        except FileNotFoundError:
            return None

    def ask(self, specs: Sequence[ChildSpec], *, keep: bool) -> None:
        """Ask the trainer to evaluate specs."""
        self._asked += 1
        content = {"specs": {spec.key: spec.to_json() for spec in specs}, "keep": keep}
        write_atomically(self.folder / _ASKED / f"{self._asked:09d}.json", json.dumps(content), durable=False)

    def asked(self) -> Iterator[tuple[list[ChildSpec], bool]]:
        """Take what was asked, with whether the weights are wanted; specs that mean nothing here are answered."""
        for content in _take(self.folder / _ASKED):
            specs, refused = [], []
            for key, value in content["specs"].items():
                try:
                    spec = ChildSpec.from_json(value)
                    if spec.key != key:
                        raise SpecError(
                            f"{spec.name} has the key {spec.key} on the cluster; install the same aen there."
                        )
                    specs.append(spec)
                except AenError as error:
                    refused.append(Answer(key, error=str(error)))
            if refused:
                self.answer(refused)
            if specs:
                yield specs, content["keep"]

    def answer(self, answers: Sequence[Answer]) -> None:
        """Return results to the service."""
        self._answered += 1
        content = {"answers": [asdict(each) for each in answers]}
        write_atomically(self.folder / _ANSWERED / f"{self._answered:09d}.json", json.dumps(content), durable=False)

    def answers(self) -> Iterator[list[Answer]]:
        """Take the results."""
        for content in _take(self.folder / _ANSWERED):
            yield [_answer(each) for each in content["answers"]]

    def report(self, status: Status) -> None:
        """Say how busy the trainer is."""
        write_atomically(self.folder / _STATUS_FILE, json.dumps(asdict(status)), durable=False)

    def status(self) -> Status | None:
        """Return how busy the trainer is; None: it has not started yet."""
        with suppress(FileNotFoundError):
            return Status(**json.loads((self.folder / _STATUS_FILE).read_text()))
        return None

    def end(self, error: str | None) -> None:
        """Say that the trainer ends, and why, if it is for an error."""
        write_atomically(self.folder / _END_FILE, json.dumps({"error": error}), durable=False)

    def ended(self) -> tuple[bool, str | None]:
        """Return whether the trainer has said that it ends, and its error."""
        with suppress(FileNotFoundError):
            return True, json.loads((self.folder / _END_FILE).read_text())["error"]
        return False, None


def _take(folder: Path) -> Iterator[JsonDict]:
    """Read the files of a folder in the order of their numbers, and remove each."""
    for path in sorted(folder.glob("*.json")):
        content: JsonDict = json.loads(path.read_bytes())
        path.unlink()
        yield content


def _answer(content: JsonDict) -> Answer:
    evaluation = content["evaluation"]
    return Answer(content["key"], None if evaluation is None else Evaluation(**evaluation), content["error"])
