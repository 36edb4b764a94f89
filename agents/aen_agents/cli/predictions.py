"""Writes predictions: as lines, as a csv file, or as JSON."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aen._files import new_file
from aen.errors import DataError
from aen_agents.cli.streams import say_error
from aen_agents.text import counted, csv_text, printable

if TYPE_CHECKING:
    from aen_agents.network import Prediction

EXIT_BROKEN_IMAGES = 1
_HEADER = ("image", "class", "probability", "class_2", "probability_2", "class_3", "probability_3")


def write_predictions(predictions: "Iterable[Prediction]", *, csv_file: Path | None, as_json: bool) -> int:
    """Write predictions as they come, name the images that cannot be read, and return the exit status.

    Args:
        predictions: one for each image.
        csv_file: a csv file, which appears when it is complete; None: write to standard output.
        as_json: write a JSON list in place of lines.

    Raises:
        DataError: the csv file cannot be written.
    """
    counts = {"read": 0, "broken": 0}
    good = _named(predictions, counts, keep_broken=as_json)
    if csv_file is not None:
        _write_csv(csv_file, good)
        sys.stdout.write(f"{csv_file}: {counted(counts['read'], 'image')}\n")
    elif as_json:
        sys.stdout.write(f"{json.dumps([own.to_json() for own in good], indent=2, ensure_ascii=False)}\n")
    else:
        for own in good:
            first, *others = zip(own.classes, own.probabilities, strict=True)
            rest = ", ".join(f"{name} {share:.1%}" for name, share in others)
            sys.stdout.write(f"{printable(own.name)}: {first[0]} {first[1]:.1%}{f' ({rest})' if rest else ''}\n")
    if counts["broken"]:
        total = counts["read"] + counts["broken"]
        say_error(f"aen: without a prediction, since not readable: {counts['broken']} of {counted(total, 'image')}")
        return EXIT_BROKEN_IMAGES
    return 0


def _named(predictions: "Iterable[Prediction]", counts: dict[str, int], *, keep_broken: bool) -> "Iterator[Prediction]":
    for own in predictions:
        counts["read" if own.error is None else "broken"] += 1
        if own.error is not None:
            say_error(f"aen: {printable(own.name)}: {printable(own.error)}")
        if own.error is None or keep_broken:
            yield own


def _write_csv(path: Path, predictions: "Iterable[Prediction]") -> None:
    try:
        with new_file(path, durable=True) as file:

            def write(cells: Sequence[str]) -> None:
                line = io.StringIO()
                csv.writer(line, lineterminator="\n").writerow(cells)
                file.write(line.getvalue().encode())

            write(_HEADER)
            for own in predictions:
                pairs = zip(own.classes, own.probabilities, strict=True)
                cells = [cell for name, share in pairs for cell in (csv_text(name), repr(share))]
                write([csv_text(own.name), *cells, *[""] * (len(_HEADER) - 1 - len(cells))])
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}; name a file in a folder that you can write to."
        ) from error
