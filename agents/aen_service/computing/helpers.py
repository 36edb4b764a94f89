"""Helpers: processes that compute answers, so that no question, however large, blocks or ends the service.

A helper reads a line of JSON, ``[function, arguments]``, and writes one. It is started by the first question, or before
it by `Helpers.start`, and ended when it exceeds its time; the next question starts another one.
"""

import json
import os
import queue
import selectors
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from importlib import import_module
from typing import IO, Any

from aen._subprocesses import import_path, python_command
from aen._typing import JsonDict
from aen.errors import AenError
from aen_service.errors import InvalidRequestError, ServiceError, UnavailableError, argument_of

_HELPERS = 2
_MOST_WAITING = 8
_MEMORY = 2**33
_REMEMBERED = 256
_LONGEST_ANSWER = 2**26
_PROGRAM = """
import json
sys.path[:] = json.loads(sys.argv.pop(1)) + sys.path
from aen_service.computing.helpers import main
main(sys.argv[1])
"""


class _Helper:
    """A process that answers one question after the other."""

    def __init__(self, module: str | None) -> None:
        self.is_new = True  # it has answered nothing yet
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603 - Python itself
            python_command(_PROGRAM, [json.dumps(import_path()), module or ""]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def ask(self, question: bytes, seconds: float) -> bytes | None:
        """Return the answer, or None if it did not come in time or the process ended."""
        deadline = time.monotonic() + seconds
        answer = bytearray()
        try:
            _pipe(self._process.stdin).write(question + b"\n")
            _pipe(self._process.stdin).flush()
            out = _pipe(self._process.stdout)
            with selectors.DefaultSelector() as selector:
                selector.register(out, selectors.EVENT_READ)
                while not answer.endswith(b"\n"):
                    if not selector.select(max(deadline - time.monotonic(), 0)):
                        return None
                    block = os.read(out.fileno(), 2**16)
                    if not block or len(answer) > _LONGEST_ANSWER:
                        return None
                    answer += block
        except OSError:
            return None
        self.is_new = False
        return bytes(answer)

    def kill(self) -> None:
        """End the process, from another thread."""
        self._process.kill()

    def end(self) -> None:
        """End the process, and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


class Helpers:
    """A few helpers. Each ends with the thread that keeps it, which ends with `close`."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._lock = threading.Lock()
        self._known: OrderedDict[str, JsonDict] = OrderedDict()
        self._computed: set[str] = set()
        self._waiting = 0
        self._running: set[_Helper] = set()

    def start(self, module: str) -> None:
        """Start a helper that imports a module now, so that the first question does not wait for that."""
        with self._lock:
            self._begin(module)

    def ask(self, function: str, arguments: JsonDict, *, seconds: float, remember: bool = False) -> JsonDict:
        """Return what a function returns in a helper.

        Args:
            function: ``module:name``, of a function that takes the arguments and returns a dictionary of JSON values.
            arguments: by name; JSON values.
            seconds: after which it is given up.
            remember: return the same answer when it is asked again.

        Raises:
            ServiceError: what the function raised; or it took too long.
        """
        text = json.dumps([function, arguments], sort_keys=True)
        with self._lock:
            known = self._known.get(text) if remember else None
            if known is not None:
                self._known.move_to_end(text)
        if known is not None:
            return known
        question = _Question(text.encode(), seconds)
        with self._lock:
            if self._waiting >= _MOST_WAITING:  # each keeps a thread of the server waiting
                raise UnavailableError("too many questions wait; ask again in a moment.", headers={"Retry-After": "2"})
            self._waiting += 1
        try:
            self._put(question)
            in_time = question.done.wait(_HELPERS * seconds + 30.0)
        finally:
            with self._lock:
                self._waiting -= 1
        if not in_time or question.answer is None:
            raise UnavailableError(
                f"this took more than {seconds:g} seconds, and was given up; ask for fewer factors or smaller grids."
            )
        found = json.loads(question.answer)
        if "error" in found:
            kind = InvalidRequestError if found["invalid"] else UnavailableError
            raise kind(found["error"], argument=found["argument"])
        answer: JsonDict = found["answer"]
        if remember:
            with self._lock:
                self._known[text] = answer
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return answer

    def compute(self, function: str, arguments: JsonDict, *, seconds: float) -> None:
        """Have a function run whose effect, such as a file in a cache, is of use later; once for equal arguments."""
        text = json.dumps([function, arguments], sort_keys=True)
        with self._lock:
            if text in self._computed or self._waiting:  # only while nobody waits for an answer
                return
            if len(self._computed) >= _REMEMBERED:
                self._computed.clear()
            self._computed.add(text)
        self._put(_Question(text.encode(), seconds))

    def _put(self, question: "_Question") -> None:
        with self._lock:
            if not self._idle and len(self._threads) < _HELPERS:
                self._begin(None)
        self._asked.put(question)

    def _begin(self, module: str | None) -> None:
        thread = threading.Thread(target=self._keep, args=(module,), name="aen-helper", daemon=True)
        self._threads.append(thread)
        self._idle += 1
        thread.start()

    def close(self) -> None:
        """End the helpers."""
        with self._lock:
            for helper in self._running:  # they may be in the middle of a long question
                helper.kill()
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()

    def _keep(self, module: str | None) -> None:
        """Keep one helper, and ask it one question after the other; with a module, start it before the first one."""
        helper: _Helper | None = None
        try:
            if module is not None:
                with suppress(OSError):
                    helper = self._new(module)
            while (question := self._asked.get()) is not None:
                with self._lock:
                    self._idle -= 1
                try:
                    if helper is None:
                        helper = self._new(None)
                    # A new one first has to import what it needs.
                    question.answer = helper.ask(question.text, question.seconds + (20.0 if helper.is_new else 0.0))
                except OSError:
                    question.answer = None
                if question.answer is None and helper is not None:
                    self._end(helper)
                    helper = None
                with self._lock:
                    self._idle += 1
                question.done.set()
        finally:
            if helper is not None:
                self._end(helper)

    def _new(self, module: str | None) -> _Helper:
        helper = _Helper(module)
        with self._lock:
            self._running.add(helper)
        return helper

    def _end(self, helper: _Helper) -> None:
        with self._lock:
            self._running.discard(helper)
            helper.end()


class _Question:
    """A question, and its answer when it is done."""

    def __init__(self, text: bytes, seconds: float) -> None:
        self.text = text
        self.seconds = seconds
        self.done = threading.Event()
        self.answer: bytes | None = None


def main(module: str) -> None:
    """Answer questions until there are no more; the program of a helper, which first imports a module, if any."""
    if sys.platform == "linux":
        import resource  # there is none on Windows

        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        os.nice(5)  # searches and requests come first
    if module:
        import_module(module)
    for line in sys.stdin:
        answer = _answered(line)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answered(line: str) -> JsonDict:
    try:
        function, arguments = json.loads(line)
        module, _, name = function.partition(":")
        return {"answer": getattr(import_module(module), name)(**arguments)}
    except AenError as error:
        invalid = not isinstance(error, ServiceError) or error.status < 500  # noqa: PLR2004
        return {"error": str(error), "argument": argument_of(error), "invalid": invalid}
    except RecursionError:
        return {"error": "the request's brackets are nested too deeply.", "argument": None, "invalid": True}
    except MemoryError:
        return {"error": "this needs more memory than there is; ask for less.", "argument": None, "invalid": True}


def _pipe(pipe: IO[bytes] | None) -> Any:  # noqa: ANN401 - a pipe that is there
    if pipe is None:
        raise OSError
    return pipe
