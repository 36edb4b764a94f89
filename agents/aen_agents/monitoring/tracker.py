"""Computes the progress and the speed of a search from its events."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from aen.evaluators import Activity
from aen_agents.events import Event, Retrained, SliceTrained, StageStarted, Trained, Visited
from aen_agents.monitoring.status import Best, Children, Rate, Stage, Status, Worker

STAGES = ("explore", "select", "rival", "compare", "test")
_MINUTE = 60.0
_WINDOWS = (_MINUTE, 10 * _MINUTE)
_MOST_WORKERS = 200  # of which the status says what they train
_ENOUGH = 10  # children that a window must contain for a reliable rate


class Speed:
    """The growth rate of a count.

    Args:
        now: the time of the first count, by the caller's clock.
        count: the first count.
    """

    def __init__(self, now: float, count: int) -> None:
        self._first = (now, count)
        self._samples: deque[tuple[float, int]] = deque([self._first])

    def note(self, now: float, count: int) -> None:
        """Record the count; to be called about once a second."""
        self._samples.append((now, count))
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOWS[-1]:
            self._samples.popleft()

    def over(self, seconds: float | None = None) -> float | None:
        """Return the growth per second over the last `seconds`, or since the first count; None: not known yet."""
        now, count = self._samples[-1]
        oldest = self._first
        if seconds is not None:
            before = [sample for sample in self._samples if sample[0] <= now - seconds]
            oldest = before[-1] if before else self._samples[0]
        elapsed = now - oldest[0]
        return (count - oldest[1]) / elapsed if elapsed > 0 else None

    def present(self) -> float | None:
        """Return the rate over the shortest window with enough children, since each may take an hour."""
        now, _ = self._samples[-1]
        for seconds in _WINDOWS:
            rate = self.over(seconds)
            if rate is not None and rate * min(seconds, now - self._first[0]) >= _ENOUGH:
                return rate
        return self.over()


class ProgressTracker:
    """A listener that counts events; it may be called from several threads.

    Args:
        earlier: the last status of an earlier process of the same run.
        clock: returns the time in seconds.
    """

    def __init__(self, earlier: Status | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._lock = threading.Lock()
        self._seconds_before = earlier.seconds if earlier else 0.0
        self._trained_before = earlier.children.trained if earlier else 0
        self._failed_before = earlier.children.failed if earlier else 0
        self._activity: Activity | None = None
        self._trained = Speed(self._begun, 0)
        self._stage: StageStarted | None = None
        self._done = 0
        self._stage_begun = self._begun
        self._stage_speed: Speed | None = None
        self._step = 0
        self._step_speed: Speed | None = None
        self.stages: dict[str, int] = dict(earlier.stages) if earlier else {}
        self.best: Best | None = earlier.best if earlier else None
        self.accuracy: float | None = None

    def __call__(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            if isinstance(event, StageStarted):
                self._start(event)
            elif isinstance(event, Visited):
                self._record_result(event.accuracy, event.group, event.factors)
                if self.best is None or event.best > self.best.accuracy:  # found by an earlier process
                    self.best = Best(accuracy=event.best, group=None, factors="")
                self._progress_to(event.visits)
                self._step_to(event.step)
            elif isinstance(event, Trained | SliceTrained):
                self._record_result(event.accuracy, None, event.factors)
                self._progress_to(self._done + 1)
            elif isinstance(event, Retrained):
                self._progress_to(self._done + 1)

    def note(self, activity: Activity | None) -> None:
        """Record the evaluator's counts; to be called about once a second."""
        with self._lock:
            now = self._clock()
            if activity is not None:
                self._activity = activity
                self._trained.note(now, activity.trained)
            if self._stage_speed is not None:
                self._stage_speed.note(now, self._done)
            if self._step_speed is not None:
                self._step_speed.note(now, self._step)

    def over(self) -> None:
        """Record that the evaluator is closed."""
        with self._lock:
            known = self._activity
            if known is not None:
                self._activity = Activity(0, 0, 0, known.trained, known.failed)

    @property
    def workers(self) -> int | None:
        """The number of workers alive; None: not known."""
        return None if self._activity is None else self._activity.workers

    def in_training(self) -> tuple[Worker, ...]:
        """Return what each worker is training, of the first ones."""
        known = self._activity
        return () if known is None else tuple(Worker.of(each) for each in known.in_training[:_MOST_WORKERS])

    @property
    def seconds(self) -> float:
        """Seconds of the run so far, over all its processes."""
        return self._seconds_before + self._clock() - self._begun

    def stage(self) -> Stage | None:
        """Return the progress of the present stage; None before the first."""
        with self._lock:
            if self._stage is None or self._stage_speed is None:
                return None
            return Stage(
                name=self._stage.name,
                done=self._done,
                total=self._stage.total,
                unit=self._stage.unit,
                seconds_left=min(self._ends(), default=None),
            )

    def children(self) -> Children:
        """Return how many children are done, running, waiting, trained and failed."""
        with self._lock:
            known = self._activity or Activity(0, 0, 0, 0, 0)
            return Children(
                done=sum(self.stages.values()),
                running=known.running,
                waiting=known.waiting,
                trained=self._trained_before + known.trained,
                failed=self._failed_before + known.failed,
            )

    def rate(self) -> Rate:
        """Return how many children are trained per second."""
        with self._lock:
            return Rate(last_minute=self._trained.over(_MINUTE), overall=self._trained.over())

    def _start(self, event: StageStarted) -> None:
        # A resumed run repeats some stages: they and those after them are counted from zero.
        after = STAGES[STAGES.index(event.name) :] if event.name in STAGES else (event.name,)
        self.stages = {name: done for name, done in self.stages.items() if name not in after} | {event.name: 0}
        self._stage, self._done = event, 0
        self._stage_begun, self._stage_speed = self._clock(), None
        self._step, self._step_speed = 0, None
        self.accuracy = None

    def _ends(self) -> Iterator[float]:
        """Yield the seconds left until the present stage reaches each of its limits, where the speed is known."""
        stage = self._stage
        if stage is None:
            return
        for limit, at, speed in (
            (stage.total, self._done, self._stage_speed),
            (stage.steps, self._step, self._step_speed),
        ):
            if limit is None or speed is None:
                continue
            left, rate = max(limit - at, 0), speed.present()
            if not left:
                yield 0.0
            elif rate:
                yield left / rate

    def _progress_to(self, done: int) -> None:
        if self._stage is None:
            return
        if self._stage_speed is None:
            # A resumed agent first reports its earlier work, which must not count as speed.
            self._stage_speed = Speed(self._stage_begun, max(done, 1) - 1)
            self._stage_speed.note(self._clock(), done)
        self._done = done
        self.stages[self._stage.name] = done

    def _step_to(self, step: int) -> None:
        if self._step_speed is None:
            self._step_speed = Speed(self._stage_begun, max(step, 1) - 1)
            self._step_speed.note(self._clock(), step)
        self._step = step

    def _record_result(self, accuracy: float, group: str | None, factors: str) -> None:
        self.accuracy = accuracy
        best = self.best
        if best is None or accuracy > best.accuracy or (accuracy == best.accuracy and not best.factors):
            self.best = Best(accuracy=accuracy, group=group, factors=factors)
