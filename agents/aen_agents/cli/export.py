"""The command `aen export RUN --to FORMAT`."""

import argparse
import sys
from pathlib import Path


def add_export_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen export` to the command line."""
    export = commands.add_parser(
        "export",
        help="write a run's network to a file that runs without aen",
        description="Write the network of a finished run to a file or folder that runs without aen. It is compared "
        "with its source on validation images before it is kept.",
    )
    export.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its folder best or trained")
    export.add_argument(
        "--to",
        required=True,
        metavar="FORMAT",
        help="onnx; pt2 (torch.export.load); safetensors (weights, config.json and a loader); or hub (the same with a "
        "model card, for the Hugging Face Hub)",
    )
    export.add_argument("--out", type=Path, metavar="PATH", help="the file or folder to write (default: in RUN/export)")
    export.add_argument(
        "--from",
        dest="which",
        metavar="NETWORK",
        help="best: the winner as the search trained it; trained: as aen train did (default: trained, if there is one)",
    )
    export.add_argument("--force", action="store_true", help="replace an earlier export")
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from aen.errors import RunFolderError
    from aen.export import export
    from aen_agents.network.models import BEST, TRAINED, check_winner
    from aen_agents.runs.folder_hints import why_not_a_run

    folder: Path = options.run_folder
    if not any((folder / name).is_file() for name in ("config.yaml", "spec.json", "best/spec.json")):
        raise RunFolderError(why_not_a_run(folder))
    is_run = (folder / "config.yaml").is_file()
    if is_run and (options.which == BEST or not (folder / TRAINED / "spec.json").is_file()):
        check_winner(folder)
    done = export(folder, options.to, options.out, which=options.which, force=options.force)
    lines = [
        str(done.path),
        f"{done.size:,} bytes, {done.parameters:,} weights",
        f"compared with its source on {done.images}, in batches of 1, 2 and 7",
        f"largest difference of a logit: {done.difference:.2g}; largest logit: {done.scale:.3g}",
        "to load it:",
        *(f"    {line}" for line in done.how_to_load.splitlines()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
