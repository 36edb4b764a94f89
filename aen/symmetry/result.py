"""SymmetryTest: the result of a symmetry test; as a table, a sentence, a picture and JSON."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aen._files import write_atomically
from aen._typing import JsonDict
from aen.errors import DataError, GroupError
from aen.groups.decomposition import Decomposition
from aen.groups.factors import Factor
from aen.groups.grid import as_grid
from aen.groups.plain_words import in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_BITS = 64  # more images than that reject anything


@dataclass(frozen=True)
class SymmetryRow:
    """The test of one factor.

    Attributes:
        factor: the generators whose group was tested.
        statistic: squared distance of the kernel mean embeddings of images and moved images, summed over the classes;
            0 on average if the images are invariant.
        z: the statistic in standard deviations of its distribution under invariance: the effect size.
        p: probability of a statistic at least this large if the images are invariant.
        p_corrected: the same for the smallest of all p-values tested together (Holm).
        rejected: whether invariance is rejected: `p_corrected` is at most the level.
    """

    factor: Decomposition
    statistic: float
    z: float
    p: float
    p_corrected: float
    rejected: bool

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return {
            "factor": self.factor.name,
            "factors": self.factor.to_json(),
            "statistic": self.statistic,
            "z": self.z,
            "p": self.p,
            "p_corrected": self.p_corrected,
            "rejected": self.rejected,
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            factor=Decomposition.from_json(value["factors"]),
            statistic=float(value["statistic"]),
            z=float(value["z"]),
            p=float(value["p"]),
            p_corrected=float(value["p_corrected"]),
            rejected=bool(value["rejected"]),
        )


@dataclass(frozen=True)
class SymmetryTest:
    """Which transformations leave the distribution of the images of each class as it is, as far as the images tell.

    Attributes:
        rows: a row for each factor, in the order tested.
        grid: rows and columns of the images.
        images: number of images compared.
        classes: number of classes compared.
        left_out: labels of the classes with a single image, which cannot be compared.
        skipped: why a factor of the default list was not tested, by its name: it does not fit the images, or moves them
            as an earlier one does.
        level: the probability of rejecting any invariance that holds.
        permutations: number of random sign changes behind each p-value.
        seed: of all draws.
    """

    rows: tuple[SymmetryRow, ...]
    grid: tuple[int, int]
    images: int
    classes: int
    left_out: tuple[int, ...]
    skipped: Mapping[str, str]
    level: float
    permutations: int
    seed: int

    @property
    def conclusive(self) -> bool:
        """Whether there are images enough to reject anything.

        The statistic of a class stays as it is if the signs of all its images change, so that n images in c classes
        give it at most 2^(n - c) values, and no p-value is below one in as many.
        """
        return len(self.rows) <= self.level * 2.0 ** min(self.images - self.classes, _MOST_BITS)

    def plausible(self) -> tuple[Decomposition, ...]:
        """Return the factors whose invariance is not rejected, in the order tested."""
        return tuple(row.factor for row in self.rows if not row.rejected)

    def row(self, factor: str | Factor | Decomposition) -> SymmetryRow:
        """Return the row of a factor.

        Raises:
            GroupError: it was not tested.
        """
        wanted = factor if isinstance(factor, Decomposition) else Decomposition.of([factor])
        for row in self.rows:
            if row.factor == wanted:
                return row
        tested = ", ".join(row.factor.name for row in self.rows)
        raise GroupError(f"factor {wanted.name!r} was not tested; the test has {tested}.")

    def sentence(self) -> str:
        """Return the result in plain words.

        Such as: The images themselves look the same after quarter turns. Transformations that the others generate are
        not repeated.
        """
        if not self.conclusive:
            return f"{self.images:,} images are too few to say after which transformations they look the same."
        generators = self._needed()
        if generators.factors:
            return f"The images themselves look the same after {in_words(generators, as_grid(self.grid))}."
        return "No transformation that was tested leaves the images as they are."

    def _needed(self) -> Decomposition:
        """Return the generators of all plausible factors, single generators first, without those others generate."""
        plausible = sorted(self.plausible(), key=lambda factor: len(factor.generators))
        generators = dict.fromkeys(generator for factor in plausible for generator in factor.generators)
        chosen = Decomposition(tuple(Factor((generator,)) for generator in generators))
        spare = chosen.describe([as_grid(self.grid)]).redundant
        return Decomposition(tuple(factor for factor in chosen.factors if factor.name not in spare))

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return {
            "sentence": self.sentence(),
            "rows": [row.to_json() for row in self.rows],
            "grid": list(self.grid),
            "images": self.images,
            "classes": self.classes,
            "left_out": list(self.left_out),
            "skipped": dict(self.skipped),
            "level": self.level,
            "correction": "holm",
            "permutations": self.permutations,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote.

        Raises:
            DataError: it is not of this form.
        """
        try:
            rows, columns = value["grid"]
            return cls(
                rows=tuple(SymmetryRow.from_json(row) for row in value["rows"]),
                grid=(int(rows), int(columns)),
                images=int(value["images"]),
                classes=int(value["classes"]),
                left_out=tuple(int(label) for label in value["left_out"]),
                skipped=dict(value["skipped"]),
                level=float(value["level"]),
                permutations=int(value["permutations"]),
                seed=int(value["seed"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"symmetry test cannot be read ({type(error).__name__}: {error}); give what SymmetryTest.to_json "
                "returned, or run the test again."
            ) from error

    @property
    def not_rejected(self) -> str:
        """How the images look after a factor whose invariance is not rejected."""
        return "the same" if self.conclusive else "unknown"

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Return the cells of a table: a heading, then for each row factor, z, p, corrected p and the answer."""
        heading = ("factor", "z", "p", "p corrected", "the images look")
        answers = {True: "different", False: self.not_rejected}
        return [heading] + [
            (row.factor.name, f"{row.z:.1f}", f"{row.p:.4f}", f"{row.p_corrected:.4f}", answers[row.rejected])
            for row in self.rows
        ]

    def notes(self) -> list[str]:
        """Return what a reader of the table should know, in sentences."""
        rows, columns = self.grid
        compared = (
            f"{self.images:,} images of {rows}x{columns} in {self.classes} classes; level {self.level:g}, p-values "
            f"from {self.permutations:,} random sign changes, corrected for {len(self.rows)} tests (Holm)."
        )
        notes = [compared, "z: standard deviations above what invariant images give."]
        if self.left_out:
            notes.append(f"Left out, with a single image each: classes {', '.join(map(str, self.left_out))}.")
        return notes + [f"Not tested: {reason}" for reason in dict.fromkeys(self.skipped.values())]

    def picture(self) -> "Figure":
        """Return a matplotlib figure: a bar for each factor with its z; ``.savefig("test.svg")`` writes it."""
        from aen.symmetry.picture import draw  # matplotlib takes a second to import

        return draw([(row.factor.name, row.z, "" if row.rejected else self.not_rejected) for row in self.rows])

    def save_picture(self, file: str | PathLike[str]) -> None:
        """Write the picture to a file; its name's end says how: ``.svg``, ``.png``, ``.pdf``.

        Raises:
            DataError: there is no such format, or the file cannot be written.
        """
        path, content = Path(file), io.BytesIO()
        try:
            self.picture().savefig(content, format=path.suffix.removeprefix(".") or "no ending")
            write_atomically(path, content.getbuffer(), durable=True)
        except (OSError, ValueError) as error:
            raise DataError(
                f"picture {fspath(file)!r} cannot be written: {error}; name a file such as test.svg."
            ) from error

    def __str__(self) -> str:
        cells = self.table()
        widths = [max(len(row[i]) for row in cells) for i in range(5)]
        lines = [
            f"{row[0]:{widths[0]}}  {'  '.join(f'{cell:>{w}}' for cell, w in zip(row[1:4], widths[1:4], strict=True))}"
            f"  {row[4]}"
            for row in cells
        ]
        return "\n".join([self.sentence(), *lines, *self.notes()])


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number by Holm's method, in the same order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        corrected[i] = largest
    return corrected
