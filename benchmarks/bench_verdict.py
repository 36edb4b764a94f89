"""Whether the verdict of the default search is right: on data sets with a hidden group, and on some without symmetry.

Ten sets of 5,000 images of Fashion-MNIST and MNIST are moved by random elements of a group that a seed draws. In ten
others each class is a mixture of fixed templates with noise, so that no transformation leaves anything as it is. Each
is searched with ``aen search --data FILE --minutes M``: nothing but the file is given. The verdict is right where it
names a class that contains the hidden generators, and where it claims no gain by a symmetry without one. Weight
tying can be worth something without a symmetry: whether it is, is measured on new images of the same templates.

    python benchmarks/bench_verdict.py --minutes 5              # all sets, those that are done are not repeated
    python benchmarks/bench_verdict.py --sets 0 11 --minutes 2
    python benchmarks/bench_verdict.py --table                  # of what is done
    python benchmarks/bench_verdict.py --check 11               # the gain of its winner, on 20,000 new images
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import print_table

from aen._files import write_atomically
from aen.children import DenseSpec
from aen.data import DataSpec, load_dataset
from aen.evaluators import LocalEvaluator, evaluate
from aen.groups import Alphabet, Decomposition, Generator
from aen.results.search_result import SearchResult

HIDDEN = 10  # sets 0 to 9 have a hidden group, sets 10 to 19 none
SETS = 20
IMAGES = 5000
SIDE = 28
# What hidden groups are drawn from: half swaps, flips, turns and shifts, and products of two of them.
GENERATORS = (
    *("rot90", "hflip", "vflip", "quadrants", "hshift(4)", "vshift(4)"),
    *("swap_lr", "swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
)
SEED = 0
ROUNDS = 12  # random powers of each generator in turn come near to a uniform element of a group of two generators
TEMPLATES = 6  # of each class
CLASSES = 10
NOISE = 1.2
TYING = "weight_tying"
NEW, CHECKED_SEEDS = 20_000, 10  # new images of a set, and seeds, to see whether a gain is there


def hidden_group(number: int) -> tuple[str, ...]:
    """Return the generators by which the images of a set are moved; none of the sets without symmetry."""
    if number >= HIDDEN:
        return ()
    drawn = np.random.default_rng(SEED).permutation(GENERATORS).tolist()
    return (drawn[number],) if number // 2 % 2 else (drawn[number], drawn[(number + 5) % len(drawn)])


def source_of(number: int) -> str:
    """Return what the images of a set are made from."""
    if number < HIDDEN:
        return ("fashion_mnist", "mnist")[number % 2]
    return ("random templates", "natural templates")[number % 2]


def images_of(number: int, count: int = IMAGES) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return `count` images of a set, and their labels; sets without symmetry have a fixed number."""
    if number >= HIDDEN:
        return _templates(number, count)
    train = load_dataset(DataSpec(source_of(number), count, 10, 10, split_seed=number)).train
    images = train.images.numpy().reshape(len(train.labels), -1)
    moved = _moved(images, hidden_group(number), np.random.default_rng(number))
    return moved.reshape(-1, SIDE, SIDE).astype(np.float32), train.labels.numpy()


def _moved(
    images: npt.NDArray[np.float32], generators: Sequence[str], source: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Move each image by an element of the group, drawn uniformly, so that the images as a whole are invariant.

    (`DataSpec.moves` applies a generator once or not at all, which is less than its group where the order is above 2.)
    """
    rounds = 1 if len(generators) == 1 else ROUNDS
    for generator in [Generator.parse(name) for name in generators] * rounds:
        powers, cells = source.integers(generator.order(SIDE), size=len(images)), np.arange(SIDE * SIDE)
        moved = images.copy()
        for power in range(1, generator.order(SIDE)):
            cells = cells[generator.permutation(SIDE)]
            moved[powers == power] = images[powers == power][:, cells]
        images = moved
    return images


def _templates(
    number: int, count: int, draw: np.random.Generator | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return images that are one of their class's templates with noise; natural ones are crops at one fixed place.

    Args:
        number: of the set.
        count: how many.
        draw: of templates and noise for the images; None: the set's own images.
    """
    source = np.random.default_rng(number)
    if number % 2:
        spec = DataSpec("cifar10_subset.npz", CLASSES * TEMPLATES, 10, 10, split_seed=number)
        found = load_dataset(spec).train.images.numpy().mean(axis=1)[:, 2 : 2 + SIDE, 2 : 2 + SIDE]
        templates = (found - found.mean((1, 2), keepdims=True)) / found.std((1, 2), keepdims=True)
    else:
        templates = source.normal(size=(CLASSES * TEMPLATES, SIDE, SIDE))
    source = draw or source
    chosen = source.integers(CLASSES * TEMPLATES, size=count)
    images = 0.4 * templates[chosen] + NOISE * source.normal(size=(count, SIDE, SIDE))
    return images.astype(np.float32), chosen % CLASSES


def search(number: int, minutes: float, overrides: Sequence[str], count: int = IMAGES) -> dict[str, Any]:
    """Search a set and return what the verdict says."""
    with tempfile.TemporaryDirectory() as folder:
        file, run = Path(folder) / f"set{number}.npz", Path(folder) / "run"
        images, labels = images_of(number, count)
        np.savez(file, images=images, labels=labels)
        aen = Path(sys.executable).with_name("aen")
        command = [str(aen), "search", "--data", str(file), "--minutes", f"{minutes:g}", "--out", str(run)]
        started = time.perf_counter()
        subprocess.run([*command, *overrides], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        result = SearchResult.from_json(json.loads((run / "summary.json").read_text()))
    return row_of(number, minutes, seconds, result)


def row_of(number: int, minutes: float, seconds: float, result: SearchResult) -> dict[str, Any]:
    """Return the row of a set from the result of its search."""
    verdict, hidden = result.verdict, hidden_group(number)
    if verdict is None or verdict.winner.spec is None:
        raise SystemExit(f"set {number}: the search has no winner")
    plain, inference = verdict.winner_minus_baseline.test, verdict.inference
    # The simultaneous interval covers another draw of the seeds and of the images.
    difference = plain if inference is None or inference.gain is None else inference.gain.estimate
    statement = getattr(result, "statement", None)
    spec = DenseSpec.from_json(verdict.winner.spec)
    named = spec.decomposition if spec.decomposition.factors else spec.augment
    tied = spec.with_decomposition(named)
    # Shifts as fractions: by cells they would not be the same part of the smaller hidden grids.
    wanted = Alphabet.of(hidden).in_fractions(SIDE).factors if hidden else ()
    both = spec.with_decomposition(Decomposition((*named.factors, *wanted)))
    kind = statement.kind if statement is not None else ("symmetry" if difference.better else "undecided")
    return {
        "set": number,
        "images": source_of(number),
        "hidden": list(hidden),
        "minutes": minutes,
        "seconds": round(seconds, 1),
        "children": result.trained_in_run,
        "kind": kind,
        "named": named.name,
        "contains_hidden": bool(hidden) and both.class_key == tied.class_key,
        "gain_claimed": kind in ("symmetry", "augment", "approximate"),
        "winner": verdict.winner.spec,
        "difference": difference.mean,
        "interval": list(difference.interval),
        "sentence": "" if statement is None else statement.text,
        "cores": os.cpu_count(),
    }


def table(rows: Sequence[dict[str, Any]]) -> None:
    """Print the table and the two figures that count."""
    cells = [
        (
            row["set"],
            row["images"],
            " + ".join(row["hidden"]) or "none",
            row["kind"],
            row["named"],
            "yes" if row["contains_hidden"] else "no" if row["hidden"] else "",
            f"{100 * row['difference']:+.1f} ({100 * row['interval'][0]:+.1f} to {100 * row['interval'][1]:+.1f})",
            row["children"],
            f"{row['seconds']:.0f} s of {60 * row['minutes']:.0f} s",
        )
        for row in rows
    ]
    heads = ("set", "images", "hidden", "verdict", "winner", "contains it", "test, points", "children", "time")
    print_table("Verdicts of the default search", heads, cells)
    with_group, without = [r for r in rows if r["hidden"]], [r for r in rows if not r["hidden"]]
    right = sum(r["contains_hidden"] and r["gain_claimed"] for r in with_group)
    wrong, tying = sum(r["gain_claimed"] for r in without), sum(r["kind"] == TYING for r in without)
    print(f"\nhidden generators named with a gain: {right} of {len(with_group)}")
    print(f"gain by a symmetry claimed where there is none: {wrong} of {len(without)}")
    print(f"gain by weight tying claimed where there is no symmetry: {tying} of {len(without)}")


def check(row: dict[str, Any]) -> None:
    """Print the gain of the winner of a set without symmetry, trained on its images, on many new images."""
    number, training = row["set"], 3000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "new.npz"
        images, labels = _templates(number, IMAGES)
        new, new_labels = _templates(number, NEW, np.random.default_rng([number, 1]))
        np.savez(
            file,
            train_images=images[:training],
            train_labels=labels[:training],
            validation_images=new,
            validation_labels=new_labels,
            test_images=images[training:],
            test_labels=labels[training:],
        )
        winner = DenseSpec.from_json(row["winner"])
        winner = replace(winner, data=DataSpec(str(file), training, NEW, IMAGES - training))
        accuracies = []
        with closing(LocalEvaluator()) as evaluator:
            for spec in (winner, winner.with_decomposition(Decomposition(()))):
                found = evaluate(evaluator, [spec.with_seed(seed) for seed in range(1000, 1000 + CHECKED_SEEDS)])
                accuracies.append(np.array([each.validation_accuracy for each in found]))
    gains = 100 * (accuracies[0] - accuracies[1])
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    tied, plain = (100 * float(some.mean()) for some in accuracies)
    print(
        f"set {number}, {row['named']}: {tied:.2f} %, no symmetry {plain:.2f} %, gain {gains.mean():+.2f} points, "
        f"standard error {error:.2f} ({len(gains)} seeds, {NEW:,} new images)"
    )


def main() -> None:
    """Search the sets that are not done and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, nargs="+", choices=range(SETS), metavar="N", default=list(range(SETS)))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--file", type=Path, default=Path("bench_verdict.json"), help="where the rows are kept")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument(
        "--check", type=int, nargs="+", choices=range(HIDDEN, SETS), metavar="N", help="sets that are done"
    )
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="of the searches")
    options = parser.parse_args()
    rows = {row["set"]: row for row in json.loads(options.file.read_text())} if options.file.is_file() else {}
    if options.check is not None:
        for number in options.check:
            check(rows[number])
        return
    for number in [] if options.table else options.sets:
        if number in rows:
            continue
        rows[number] = search(number, options.minutes, options.overrides)
        print(json.dumps(rows[number]), flush=True)
        write_atomically(options.file, json.dumps([rows[n] for n in sorted(rows)], indent=1) + "\n", durable=False)
    table([rows[number] for number in sorted(rows)])


if __name__ == "__main__":
    main()
