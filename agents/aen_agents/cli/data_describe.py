"""The command `aen data describe`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aen.errors import AenError
from aen_agents.text import printable

if TYPE_CHECKING:
    from aen.data.own.describe import Description

_SHOWN = 12


def add_data_describe(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen data describe` to the command line."""
    describe = actions.add_parser(
        "describe",
        help="describe your own data before anything is trained",
        description="Describe your own data: sizes, classes, near-duplicates, the parts, and what a search would do.",
    )
    describe.add_argument("path", help="a folder of class folders, or an npz, csv, IDX, Parquet or Arrow file")
    describe.add_argument("--out", type=Path, metavar="FILE.png", help="write a picture of images of each class")
    describe.add_argument("--json", action="store_true", help="print JSON")
    describe.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    describe.set_defaults(run=_describe)


def _describe(options: argparse.Namespace) -> int:
    from aen.data.own.describe import describe, in_characters, write_samples
    from aen.data.own.paths import own_path
    from aen.data.own.rules import Rules

    name, rules = own_path(options.path), Rules(skip_broken=options.skip_broken)
    found = describe(name, rules)
    search = _search(name, skip_broken=options.skip_broken)
    if options.out is not None:
        write_samples(options.out, name, rules)
    if options.json:
        sys.stdout.write(json.dumps(found.to_json() | {"search": search}, indent=2) + "\n")
        return 0
    lines = [*_lines(found), *search]
    if not found.signals:
        lines += ["", *in_characters(name, rules)]
    if options.out is not None:
        lines.append(f"samples: {options.out}")
    sys.stdout.write("\n".join(map(printable, lines)) + "\n")
    return 0


def _lines(found: "Description") -> list[str]:
    what = "signals" if found.signals else {1: "grey images", 3: "colour images"}.get(found.channels, "images")
    least, most = min(found.classes.values()), max(found.classes.values())
    listed = [f"{name} {count:,}" for name, count in found.classes.items()]
    more = f", and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    parts = ", ".join(f"{size:,} {part}" for part, size in found.parts.items())
    own = f" (the data has the parts {', '.join(found.divided)})" if found.divided else ""
    lines = [
        f"{found.name}: {found.kind}",
        f"{found.images:,} {what} of {found.grid}, {found.dtype}",
        f"{len(listed)} classes: {', '.join(listed[:_SHOWN])}{more}",
        f"balance: the largest class has {most / least:.1f} times the images of the smallest",
        f"near-duplicates: {found.near_duplicates:,} images have one; {found.groups:,} groups stay in one part",
        f"parts of a search: {parts}{own}",
    ]
    return [*lines, *(f"note: {notice}" for notice in found.notices)]


def _search(name: str, *, skip_broken: bool) -> list[str]:
    """Return what `aen search --data` would do, a line for each choice, or why it cannot search the data."""
    from aen_agents.config.default import default_config

    try:
        _, reasons = default_config(
            [f"data.path={json.dumps(name, ensure_ascii=False)}", *(["data.skip_broken=true"] if skip_broken else [])]
        )
    except AenError as error:
        return [f"aen search --data cannot search it: {error}"]
    return ["aen search --data would do, without overrides:", *(f"  {reason}" for reason in reasons)]
