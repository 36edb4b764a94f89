"""Draw the pictures of docs/how_it_works.md:  .venv/bin/python docs/make_figures.py.

They are drawn from the code itself: the generators' permutations and the orbits of tied layers.
"""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from aen.data import DataSpec, load_dataset
from aen.groups import Decomposition, Generator, layer_orbits
from aen.pictures import orbit_picture

IMAGES = Path(__file__).parent / "images"
MOVES = ("rot90", "hflip", "hshift(1/4)", "swap_lr", "quadrants")
TIED = (["none"], ["hflip"], ["rot90"], ["rot90", "hflip"], ["hshift(1/4)"])
SIDE = 8


def moves() -> Figure:
    """A digit, and the same digit after each of some generators."""
    digit = load_dataset(DataSpec()).train.images[3, 0].numpy()
    shown = [("the image", digit)]
    for name in MOVES:
        moved = np.empty_like(digit).reshape(-1)
        moved[Generator.parse(name).permutation(len(digit))] = digit.reshape(-1)
        shown.append((name, moved.reshape(digit.shape)))
    return _row(shown, cmap="gray_r")


def orbits() -> Figure:
    """The cells of a grid, in one colour where a decomposition ties them."""
    shown = []
    for factors in TIED:
        decomposition = Decomposition.of([] if factors == ["none"] else factors)
        weights = layer_orbits(decomposition.generators, SIDE, SIDE).count
        title = f"{' + '.join(factors)}\n{decomposition.group_name((SIDE,))}: {weights:,} of {SIDE**4:,}"
        shown.append((title, orbit_picture(decomposition, 32)))
    return _row(shown)


def _row(shown: list[tuple[str, np.ndarray]], **how: str) -> Figure:
    figure = Figure(figsize=(1.6 * len(shown), 2.1), layout="constrained")
    for axis, (title, picture) in zip(figure.subplots(1, len(shown)), shown, strict=True):
        axis.imshow(picture, interpolation="nearest", **how)
        axis.set_title(title, fontsize=8)
        axis.set_axis_off()
    return figure


def main() -> None:
    """Write both pictures."""
    for draw in (moves, orbits):
        # Text as text and no dates: the files are small, and the same every time.
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": draw.__name__}):
            content = io.StringIO()
            draw().savefig(content, format="svg", metadata={"Date": None})
        (IMAGES / f"{draw.__name__}.svg").write_text(content.getvalue())


if __name__ == "__main__":
    main()
