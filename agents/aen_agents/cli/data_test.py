"""The command `aen data test`: after which transformations do the images of a data set look the same?"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aen.errors import DataError
from aen_agents.cli.numbers import whole_number
from aen_agents.cli.outputs import refuse_other_kind

if TYPE_CHECKING:
    from aen.data import Split
    from aen.groups import Alphabet


def add_data_test(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `test` to the actions of `aen data`."""
    test = actions.add_parser("test", help="test after which transformations the training images look the same")
    test.add_argument("name", help="such as mnist, or the path of your own data")
    test.add_argument(
        "--factors",
        nargs="+",
        metavar="FACTOR",
        help="such as rot90 'hflip x vflip', or an alphabet: published, quarter (default: all that fit)",
    )
    test.add_argument("--images", type=whole_number, default=5000, help="images to compare at most (default: 5000)")
    test.add_argument("--seed", type=whole_number, default=0, help="seed of all random draws (default: 0)")
    test.add_argument("--json", action="store_true", help="print the result as JSON")
    test.add_argument("--picture", type=Path, metavar="FILE", help="also write the picture: .svg, .png or .pdf")
    test.set_defaults(run=_test)


def _training_images(name: str, most: int) -> "tuple[Split, Alphabet | None]":
    """Return training images: of own data those of its split, else those of the official set or of the first half.

    With them come the factors to test where none are named; None: those that the images' size suggests.
    """
    from aen.data import complete_spec, load_dataset
    from aen.data.own.paths import own_path
    from aen.data.registry import is_known
    from aen_agents.config.default import default_alphabet

    # A folder in the working folder may be given without ./, unless a data set has its name.
    spec, source = complete_spec(own_path(name) if Path(name).exists() and not is_known(name) else name)
    if spec.rules is not None:
        train = load_dataset(spec).train
        grid = (train.images.shape[2], train.images.shape[3])
        return train, default_alphabet(grid, signals=True, lifted=spec.lift_sign) if source.signals else None
    available = source.images[0] - 1 if len(source.images) > 1 else source.images[0] // 2
    return load_dataset(replace(spec, train=min(most, available), validation=1, test=1)).train, None


def _test(options: argparse.Namespace) -> int:
    from aen.symmetry import symmetry_test

    refuse_other_kind("--picture", options.picture, ".svg", ".png", ".pdf")
    if options.images < 2:  # noqa: PLR2004
        raise DataError(f"--images is {options.images}; it must be at least 2.")
    factors = options.factors
    if factors is not None and len(factors) == 1:
        factors = factors[0]  # may be the name of an alphabet
    train, usual = _training_images(options.name, options.images)
    found = symmetry_test(train.images, train.labels, usual if factors is None else factors, seed=options.seed)
    if options.picture is not None:
        found.save_picture(options.picture)
    sys.stdout.write(f"{json.dumps(found.to_json(), indent=2) if options.json else found}\n")
    return 0
