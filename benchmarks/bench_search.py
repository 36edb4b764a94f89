"""The default search on seeds 0 to 4: what it finds and how long it takes.  Run: python benchmarks/bench_search.py."""

import argparse
import tempfile
import time
from pathlib import Path

from common import print_table

from aen.results.verdict import ClassVerdict
from aen_agents.config import PROJECT_CONFIGS, load_config
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search


def main() -> None:
    """Run the searches, each in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=PROJECT_CONFIGS / "digits.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for seed in options.seeds:
            config = load_config(options.config, [f"seed={seed}"])
            folder = RunFolder.create(config, Path(place) / str(seed))
            started = time.perf_counter()
            result = Search(config, lambda _: None).run(folder)
            build_report(folder)
            seconds = time.perf_counter() - started
            verdict, exploration = result.verdict, result.exploration
            assert isinstance(verdict, ClassVerdict)
            assert exploration is not None
            assert verdict.hidden_group is not None
            difference, hidden = verdict.winner_minus_baseline.test, verdict.hidden_group
            low, high = difference.interval
            rows.append(
                (
                    seed,
                    f"{verdict.winner.group} ({verdict.winner.decomposition})",
                    f"{100 * verdict.winner.test.mean:.1f} %",
                    f"{100 * verdict.baseline.test.mean:.1f} %",
                    f"{100 * difference.mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
                    f"{hidden.rank} of {hidden.ranked}",
                    f"{exploration.classes_visited} of {result.classes}",
                    f"{seconds:.0f} s",
                )
            )
    heads = ["seed", "winner", "test", "untied, test", "difference, points", "hidden group's rank", "classes", "time"]
    print_table(f"{options.config.name}, report included", heads, rows)


if __name__ == "__main__":
    main()
