"""`aen.find_symmetries`: the default search of arrays, as a function; its result holds the verdict and the network."""

import json
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from aen._fields import shown
from aen.children import Child
from aen.data import classes_of, from_arrays
from aen.data.own.new_images import network_input
from aen.errors import AenError, ConfigError
from aen.groups import Decomposition
from aen.groups.grid import shape_of
from aen.results.search_result import SearchResult
from aen.results.verdict import ClassVerdict
from aen.training import logits_of
from aen_agents.config import SearchConfig
from aen_agents.config.default import default_config
from aen_agents.events import Listener
from aen_agents.network.models import find_run_model
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search


class Result:
    """What `find_symmetries` found.

    Attributes:
        run: the run folder; all commands of aen work on it.
        summary: everything that was found; the content of its ``summary.json``.
        classes: the labels, in the order of the network's outputs.
    """

    def __init__(self, run: RunFolder, classes: npt.NDArray[Any]) -> None:
        result = run.result()
        if result is None or result.verdict is None:
            raise ValueError(f"{run.path} holds no finished search")
        self.run, self.classes = run, classes
        self.summary: SearchResult = result
        self._model = find_run_model(run, "best")
        self._preprocessing = self._model.preprocessing()

    @property
    def verdict(self) -> str:
        """The verdict in plain words."""
        return "" if self.summary.statement is None else self.summary.statement.text

    @property
    def decomposition(self) -> Decomposition:
        """The symmetries of the winner, by whose group its layers are tied or its training images were moved.

        Empty: it has none, or it is not a dense network; see `verdict`.
        """
        spec = self._model.spec
        tied: Decomposition = getattr(spec, "decomposition", Decomposition())
        moved = getattr(spec, "augment", Decomposition())
        return tied if tied.factors or not isinstance(moved, Decomposition) else moved

    @property
    def model(self) -> Child:
        """The network, a `torch.nn.Module`, as the search trained it.

        It takes standardised images of shape ``[n, channels, rows, columns]``; `predict` takes images as they were
        given.
        """
        return self._model.child

    def predict_proba(self, images: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability of each class, in the order of `classes`; images are as given for the search.

        Raises:
            DataError: images of another shape, type or scale.
        """
        spec = self._model.spec
        shape = (spec.channels, *shape_of(spec.grid))
        taken = network_input(np.asarray(images), spec.data, shape, self._preprocessing, "images")
        with torch.inference_mode():
            logits = logits_of(self._model.child, taken)
            found: npt.NDArray[np.float64] = torch.softmax(logits.double(), dim=1).numpy()
        return found

    def predict(self, images: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the most probable label of each image; see `predict_proba`."""
        found: npt.NDArray[Any] = self.classes[self.predict_proba(images).argmax(axis=1)]
        return found

    def report(self, file: str | Path | None = None) -> Path:
        """Write the report, a page of HTML, and return its path.

        Args:
            file: where to; None: ``report.html`` in the run folder.
        """
        return build_report(self.run, None if file is None else Path(file))

    def __str__(self) -> str:
        return self.verdict

    def _repr_html_(self) -> str:
        """Return the top of the report, for notebooks: the verdict, and the figures of winner and baseline."""
        said = self.summary.statement
        first, *rest = said.sentences if said is not None else ("",)
        parts = [f"<p><strong>{escape(first)}</strong> {escape(' '.join(rest))}</p>"]
        verdict = self.summary.verdict
        if isinstance(verdict, ClassVerdict):
            rows = [("winner", verdict.winner), (self.summary.baseline_name, verdict.baseline)]
            cells = "".join(
                f"<tr><th>{escape(name)}</th><td>{escape(row.decomposition)}</td><td>{escape(row.group)}</td>"
                f"<td>{row.validation.mean:.1%}</td><td>{row.test.mean:.1%}</td><td>{row.parameters:,}</td></tr>"
                for name, row in rows[verdict.baseline_wins :]
            )
            heads = "".join(
                f"<th>{head}</th>" for head in ("", "symmetries", "group", "validation", "test", "parameters")
            )
            parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>")
        if self.summary.symmetry_test is not None:
            parts.append(f"<p>Before training: {escape(self.summary.symmetry_test.sentence())}</p>")
        return "".join(parts)


def find_symmetries(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    minutes: float | None = 5.0,
    *,
    groups: npt.ArrayLike | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
    folder: str | Path | None = None,
    listener: Listener | None = None,
    progress: bool = False,
) -> Result:
    """Find which symmetries a network for these images should have, and return the verdict and the network.

    It is what ``aen search --data PATH --minutes 5`` does: space, training and agent are chosen from the images and the
    machine. How far it comes in the time depends on the machine; with ``minutes=None`` and
    ``overrides=["budget.children=100"]`` the same call gives the same result.

    Args:
        images: as `aen.data.from_arrays` takes them: ``[n, rows, columns]``, ``[n, rows, columns, channels]``, or
            signals ``[n, length]``.
        labels: whole numbers or text, ``[n]``.
        minutes: time of the whole search; None: no limit.
        groups: of each image; images of one group, such as those of one patient, lie in one part.
        seed: of the search.
        overrides: ``key=value`` of the search's config, such as ``"selection.seeds=3"``.
        folder: the run folder, kept and resumed; None: a temporary one, removed with the result.
        listener: called with every event of the search.
        progress: whether progress is printed to standard error.

    Raises:
        AenError: the images or the labels cannot be used, or an override does not fit.
    """
    time = "null" if minutes is None else repr(_checked_minutes(minutes))
    name = from_arrays(images, labels, groups=groups)
    with _named_arrays(name), ExitStack() as temporary:
        config, _ = default_config(
            [f"data.path={json.dumps(name, ensure_ascii=False)}", f"seed={seed}", f"budget.minutes={time}", *overrides]
        )
        if folder is None:
            path = Path(tempfile.mkdtemp(prefix="aen-"))
            temporary.callback(shutil.rmtree, path, ignore_errors=True)
            folder = path / "run"
        run = RunFolder.create(config, Path(folder))
        found = run.result()
        if found is None or found.status != "complete":
            if progress:
                _search_with_progress(config, run)
            else:
                Search(config, listener or (lambda _: None)).run(run)
        result = Result(run, classes_of(labels))
        weakref.finalize(result, temporary.pop_all().close)
    return result


def _checked_minutes(minutes: object) -> float:
    if isinstance(minutes, int | float | np.integer | np.floating) and not isinstance(minutes, bool):
        number = minutes if isinstance(minutes, int) else float(minutes)
        if 0 < number <= sys.float_info.max:
            return float(number)
    raise ConfigError(
        f"minutes is {shown(minutes)} but must be a number above 0, such as 5, or None for no limit.", "budget.minutes"
    )


@contextmanager
def _named_arrays(name: str) -> Iterator[None]:
    """Let errors in the content of the arrays name these, not the file in the cache that holds them."""
    try:
        yield
    except AenError as error:
        # The name may have an @ and the beginning of the content's checksum behind it.
        file = re.compile(rf"{re.escape(name)}(@\w+)?: ")
        error.args = tuple(file.sub("arrays: ", one) if isinstance(one, str) else one for one in error.args)
        raise


def _search_with_progress(config: SearchConfig, run: RunFolder) -> None:
    from aen_agents.cli.progress import ConsoleProgress  # rich takes a part of a second to import
    from aen_agents.cli.safe_console import SafeConsole

    with ConsoleProgress(SafeConsole(file=sys.stderr)) as shown:
        Search(config, shown).run(run)
