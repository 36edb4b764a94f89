"""Formats the results of a sweep for tables and reports."""

from aen._typing import JsonDict


def accuracy_text(row: JsonDict, what: str = "validation") -> str:
    """Return a mean and its interval; ``-`` if no seed is complete."""
    mean, interval = row[f"{what}_accuracy_mean"], row[f"{what}_accuracy_interval"]
    if mean is None:
        return "-"
    if interval is None:
        return f"{mean:.1%} (one seed: no interval)"
    return f"{mean:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"


def seeds_text(row: JsonDict) -> str:
    """Return the number of complete seeds, and of the others by status."""
    counts = row["counts"]
    others = [f"{counts[status]} {status}" for status in ("stopped", "failed", "unfinished") if counts[status]]
    return ", ".join(
        [f"{counts['complete']} of {len(row['trials'])}", *others] if others else [str(counts["complete"])]
    )


def winners_text(row: JsonDict) -> str:
    """Return how often each group won."""
    return ", ".join(f"{group} {times}x" for group, times in row["winners"].items()) or "-"


def best_text(summary: JsonDict) -> str:
    """Return the best combination with its test accuracy, or why there is none yet."""
    if "best" not in summary:
        if summary["counts"]["unfinished"]:
            return "not finished: the best combination is not chosen yet, so no test figure is shown"
        return "no trial is complete: there is no best combination"
    best = summary["best"]
    biased = summary["combinations"][0]["counts"]["complete"] < len(summary["combinations"][0]["trials"])
    note = "; some of its seeds are not complete, so its mean is biased upwards" if biased else ""
    return f"best on validation: {best['label']}{note}. Its winners on test: {accuracy_text(best, 'test')}"
