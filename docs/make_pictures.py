"""Draw README's picture from a run of `make train-agent`, seed 0:  .venv/bin/python docs/make_pictures.py RUN."""

import sys
from pathlib import Path

from aen_agents.report.figures import selection_intervals
from aen_agents.runs.folder import RunFolder


def main() -> None:
    """Write docs/images/digits.svg."""
    if len(sys.argv) != 2:
        sys.exit("usage: .venv/bin/python docs/make_pictures.py RUN")
    summary = RunFolder.open(Path(sys.argv[1])).summary() or {}
    roles = {summary["baseline"]["class_key"]: "untied", summary["winner"]["class_key"]: "winner"}
    rows = [
        (
            f"{row['decomposition']}\n{row['group']}",
            row["validation_accuracy_mean"],
            row["validation_accuracy_interval"],
            roles.get(row["class_key"], ""),
        )
        for row in summary["selection"]
    ]
    (Path(__file__).parent / "images" / "digits.svg").write_text(selection_intervals(rows))


if __name__ == "__main__":
    main()
