"""Draw README's picture from a run of `make train-agent`, seed 0:  .venv/bin/python docs/make_pictures.py RUN."""

import sys
from pathlib import Path

from aen_agents.report.figures import selection_intervals
from aen_agents.runs.folder import RunFolder


def main() -> None:
    """Write docs/images/digits.svg."""
    if len(sys.argv) != 2:
        sys.exit("usage: .venv/bin/python docs/make_pictures.py RUN")
    result = RunFolder.open(Path(sys.argv[1])).result()
    if result is None or result.verdict is None:
        sys.exit(f"make_pictures: {sys.argv[1]} is no finished run.")
    verdict = result.verdict
    roles = {verdict.baseline.class_key: "untied", verdict.winner.class_key: "winner"}
    rows = [
        (f"{row.decomposition}\n{row.group}", row.validation.mean, row.validation.interval, role)
        for row in verdict.selection
        for role in [roles.get(row.class_key, "")]
    ]
    (Path(__file__).parent / "images" / "digits.svg").write_text(selection_intervals(rows))


if __name__ == "__main__":
    main()
