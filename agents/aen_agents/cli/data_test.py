"""The command `aen data test`: after which transformations do the images of a data set look the same?"""

import argparse
import json
import sys
from pathlib import Path

from aen_agents.cli.numbers import whole_number


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


def _test(options: argparse.Namespace) -> int:
    from aen.data.test_images import images_to_test
    from aen.symmetry import symmetry_test

    factors = options.factors
    if factors is not None and len(factors) == 1:
        factors = factors[0]  # may be the name of an alphabet
    images, labels = images_to_test(options.name)
    found = symmetry_test(images, labels, factors, seed=options.seed, max_images=options.images)
    if options.picture is not None:
        found.save_picture(options.picture)
    sys.stdout.write(f"{json.dumps(found.to_json(), indent=2) if options.json else found}\n")
    return 0
