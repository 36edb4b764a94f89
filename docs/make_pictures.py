"""Draw a picture such as README's from a run:  .venv/bin/python docs/make_pictures.py RUN FILE.svg.

README's is of seed 0 of `make train-agent`, in docs/images/digits.svg.
"""

import sys
from pathlib import Path

from aen_agents.report.figures import selection_intervals
from aen_agents.runs.folder import RunFolder


def main() -> None:
    """Write the picture."""
    if len(sys.argv) != 3:
        sys.exit("usage: .venv/bin/python docs/make_pictures.py RUN FILE.svg")
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
    Path(sys.argv[2]).write_text(selection_intervals(rows))


if __name__ == "__main__":
    main()
