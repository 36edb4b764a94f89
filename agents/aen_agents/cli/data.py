"""The commands `aen data list`, `fetch`, `check`, `build`, `test` and `describe`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aen_agents.cli.data_describe import add_data_describe
from aen_agents.cli.data_test import add_data_test
from aen_agents.cli.numbers import whole_number
from aen_agents.cli.streams import say_error

if TYPE_CHECKING:
    from aen.data import Source


def add_data_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen data` and its actions to the command line."""
    data = commands.add_parser("data", help="list, fetch, check, build, test and describe data sets")
    data.set_defaults(help_of=data)
    actions = data.add_subparsers(title="actions", metavar="ACTION")

    listing = actions.add_parser("list", help="list the data sets and where their files are")
    listing.set_defaults(run=_list)

    fetch = actions.add_parser("fetch", help="download a data set; an interrupted download is resumed")
    fetch.add_argument("name", help="such as mnist; `aen data list` shows all")
    fetch.add_argument("--to", type=Path, metavar="DIR", help="the data folder (default: $AEN_DATA, or ./data)")
    fetch.add_argument("--mirror", metavar="URL", help="address of a folder that holds the files")
    fetch.set_defaults(run=_fetch)

    check = actions.add_parser("check", help="read a data set, compare checksums, count its images")
    check.add_argument("name", help="such as mnist, or the path of an npz file")
    check.set_defaults(run=_check)

    build = actions.add_parser("build", help="write a moved data set to an npz file")
    build.add_argument("name", help="gmnist, gfashion_mnist or rotmnist-rebuilt")
    build.add_argument("--variant", help="variant of a benchmark: none, rot90, ..., multi-0 to multi-5; or all")
    build.add_argument(
        "--angles", choices=("quarter", "any"), default="quarter", help="angles of rot90: quarter turns, or any angle"
    )
    build.add_argument("--seed", type=whole_number, default=0, help="seed of all random draws (default: 0)")
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write to")
    build.set_defaults(run=_build)
    add_data_test(actions)
    add_data_describe(actions)


def _list(_options: argparse.Namespace) -> int:
    from aen.data.benchmarks import ALIASES, BENCHMARKS, VARIANTS
    from aen.data.find import described_folders
    from aen.data.registry import SKIPPING_NAMES, all_sources
    from aen.errors import DataError

    rows = [("name", "images", "classes", "size", "found in")]
    sources, broken = all_sources()
    for name, source in sources.items():
        try:
            place = _place(name, source)
        except DataError as error:
            place = f"unusable: {error}"
        size = f"{source.side}x{source.side}" + (f"x{source.channels}" if source.channels > 1 else "")
        images = " + ".join(f"{count:,}" for count in source.images)
        rows.append((name, images, str(source.classes), size, place))
    rows += [(name, "", "", "", f"unusable: {error}") for name, error in broken.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        start = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        sys.stdout.write(f"{start}  {row[-1]}\n")
    sys.stdout.write("\n")
    for alias, name in ALIASES.items():
        sys.stdout.write(f"{alias} is {name}.\n")
    sys.stdout.write(f"{' and '.join(SKIPPING_NAMES)} leave out the images whose files are missing.\n")
    for name, basis in BENCHMARKS.items():
        sys.stdout.write(f"{name}-VARIANT is {basis}, transformed as the variant says.\n")
    sys.stdout.write(f"Variants: {', '.join(VARIANTS)}.\n")
    sys.stdout.write(
        f"An npz file is a data set, too: use its path as the name.\nFolders searched: {described_folders()}.\n"
    )
    return 0


def _place(name: str, source: "Source") -> str:
    """Say where a data set is, and in which form if that is not the usual one."""
    from aen.data.registry import find_files

    if not source.layouts and source.made_from is None:
        return source.origin or "its package"
    found = find_files(name)
    if found is None:
        return "not found"
    made = f"made from {source.made_from}: " if source.made_from else ""
    what = f" ({found.layout.what})" if found.layout.what else ""
    return f"{made}{found.paths[0].parent}{what}"


def _fetch(options: argparse.Namespace) -> int:
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    from aen.data.fetch import fetch
    from aen_agents.cli.safe_console import output_console

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = output_console(unfailing=True)
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        paths = fetch(options.name, to=options.to, mirror=options.mirror, progress=show)
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0


def _check(options: argparse.Namespace) -> int:
    from aen.data.check import check_data

    checked = check_data(options.name)
    for path, verdict in checked.files:
        sys.stdout.write(f"{path}: {verdict}\n")
    for part in checked.parts:
        counts = " ".join(str(count) for count in part.per_class)
        sys.stdout.write(f"{part.name}: {sum(part.per_class):,} images; per class: {counts}\n")
    for note in checked.notes:
        sys.stdout.write(f"note: {note}\n")
    sys.stdout.write(f"{checked.name} is ok\n")
    return 0


def _build(options: argparse.Namespace) -> int:
    from aen.data.benchmarks import BENCHMARKS, VARIANTS
    from aen.data.build import build

    def tell(what: str) -> None:
        say_error(f"aen: {what}")

    all_variants = options.variant == "all" and options.name in BENCHMARKS
    variants = list(VARIANTS) if all_variants else [options.variant]
    for variant in variants:
        path = build(
            options.name,
            options.out,
            variant=variant,
            angles=options.angles,
            seed=options.seed,
            tell=tell,
        )
        sys.stdout.write(f"{path}\n")
    return 0
