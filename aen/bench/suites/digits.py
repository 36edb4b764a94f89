"""The suite `digits`: scikit-learn's digits with hidden groups that were drawn by a seed."""

import random
from itertools import combinations

from aen.bench.definition import TableDefinition
from aen.children.dense import DenseSpec
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.groups.alphabet import Alphabet
from aen.spaces import DecompositionSpace

Drawn = tuple[tuple[str, ...], float]  # the moves, and the share of the images that they are applied to

DRAW_SEED = 2
GRIDS = (8, 16, 16)

_PLANE = ("rot90", "hflip", "vflip")
_SHIFTS = ("hshift(1/4)", "vshift(1/4)")
_HALVES = ("swap_lr", "swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom")
_SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)

# How many tables of each kind are for training, and how many are held out.
_KINDS = {"none": (2, 0), "single": (4, 2), "product": (10, 4), "halves": (4, 2), "shifts": (3, 1), "noisy": (5, 3)}

# What `draw` returns, in the order of the tables' names.
TRAINING: tuple[Drawn, ...] = (
    ((), 1.0),
    ((), 1.0),
    (("rot90",), 1.0),
    (("hflip",), 1.0),
    (("swap_tb",), 1.0),
    (("vflip",), 1.0),
    (("quadrants", "swap_tb"), 1.0),
    (("rot90", "quadrants"), 1.0),
    (("vflip", "swap_lr"), 1.0),
    (("hflip", "vflip", "swap_tb"), 1.0),
    (("hflip", "vflip", "quadrants"), 1.0),
    (("vflip", "quadrants", "swap_tb"), 1.0),
    (("rot90", "quadrants", "swap_tb"), 1.0),
    (("hflip", "quadrants", "swap_lr"), 1.0),
    (("rot90", "hflip", "swap_lr"), 1.0),
    (("rot90", "vflip"), 1.0),
    (("swap_lr", "swap_tb_left"), 1.0),
    (("swap_lr", "swap_lr_top"), 1.0),
    (("swap_tb", "swap_tb_right"), 1.0),
    (("swap_tb_left", "swap_lr_bottom"), 1.0),
    (("hflip", "hshift(1/4)"), 1.0),
    (("vflip", "hshift(1/4)", "vshift(1/4)"), 1.0),
    (("hflip", "hshift(1/4)", "vshift(1/4)"), 1.0),
    (("vflip", "swap_lr"), 0.7),
    (("quadrants", "hshift(1/4)"), 0.6),
    (("vflip", "vshift(1/4)"), 0.8),
    (("swap_tb", "hshift(1/4)"), 0.6),
    (("swap_lr", "hshift(1/4)"), 0.7),
)
HELD_OUT: tuple[Drawn, ...] = (
    (("swap_lr",), 1.0),
    (("swap_lr_bottom",), 1.0),
    (("rot90", "swap_lr", "swap_tb"), 1.0),
    (("vflip", "swap_lr", "swap_tb"), 1.0),
    (("vflip", "swap_tb"), 1.0),
    (("swap_lr", "swap_tb"), 1.0),
    (("swap_tb", "swap_lr_bottom"), 1.0),
    (("swap_tb_right", "swap_lr_bottom"), 1.0),
    (("rot90", "hshift(1/4)", "vshift(1/4)"), 1.0),
    (("swap_lr", "vshift(1/4)"), 0.9),
    (("quadrants", "vshift(1/4)"), 0.8),
    (("hshift(1/4)", "vshift(1/4)"), 0.8),
)


def tables() -> tuple[TableDefinition, ...]:
    """Return the definitions of the suite's tables: ``digits-01`` to ``digits-28`` for training, then those held out.

    Split and moves of the images are drawn anew for each table.
    """
    return tuple(
        TableDefinition(
            name=f"digits-{number:02}",
            part="training" if number <= len(TRAINING) else "held-out",
            space=_space(moves, share, number),
            seeds=(0, 1, 2),
            seconds_per_child=0.28,
        )
        for number, (moves, share) in enumerate((*TRAINING, *HELD_OUT), start=1)
    )


def _space(moves: tuple[str, ...], share: float, seed: int) -> DecompositionSpace:
    data = DataSpec(
        "digits", train=600, validation=597, test=600, split_seed=seed, moves=moves, moves_seed=seed, moved=share
    )
    training = TrainingSpec(epochs=10, batch_size=64, learning_rate=0.01, curve=True)
    return DecompositionSpace(DenseSpec(data=data, grids=GRIDS, head="free", training=training), Alphabet.of("quarter"))


def draw() -> tuple[tuple[Drawn, ...], tuple[Drawn, ...]]:
    """Draw the hidden groups: those of the training tables, and those held out.

    No two tables have the same network for their hidden group, unless one is noisy: then only a part of the images is
    moved, and no two noisy ones have the same.
    """
    source = random.Random(DRAW_SEED)  # noqa: S311 - no secret
    seen: dict[bool, set[str]] = {False: set(), True: set()}
    parts: tuple[list[Drawn], list[Drawn]] = ([], [])
    for kind, counts in _KINDS.items():
        for part, count in zip(parts, counts, strict=True):
            for _ in range(count):
                part.append(_one(kind, source, seen[kind == "noisy"]))
    return tuple(parts[0]), tuple(parts[1])


def _one(kind: str, source: random.Random, seen: set[str]) -> Drawn:
    if kind == "none":
        return (), 1.0
    while True:
        moves = source.choice(_candidates(kind))
        key = DenseSpec(grids=GRIDS, decomposition=Alphabet.of(moves).decomposition((1,) * len(moves))).class_key
        if key not in seen:
            seen.add(key)
            return moves, source.choice(_SHARES) if kind == "noisy" else 1.0


def _candidates(kind: str) -> list[tuple[str, ...]]:
    whole = (*_PLANE, "quadrants", "swap_lr", "swap_tb")
    if kind == "single":
        return [(name,) for name in (*_PLANE, "quadrants", *_HALVES)]
    if kind == "product":
        return [moves for count in (2, 3) for moves in combinations(whole, count)]
    if kind == "halves":
        return [moves for moves in combinations(_HALVES, 2) if not set(moves) <= set(whole)]
    if kind == "shifts":
        shifts = [(name,) for name in _SHIFTS] + [_SHIFTS]
        return shifts + [(flip, *moves) for flip in _PLANE for moves in shifts]
    return [moves for count in (1, 2) for moves in combinations((*whole, *_SHIFTS), count)]
