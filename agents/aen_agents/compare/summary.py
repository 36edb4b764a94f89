"""Summarises the runs of a comparison: a row for each run, aggregates of each agent, and each pair of agents."""

import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pkgutil import resolve_name
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.bench import Table
from aen.bench.table import WITHIN
from aen.statistics.aggregates import (
    holm,
    improvement_interval,
    interquartile_mean,
    probability_of_improvement,
    signed_rank_p,
    stratified_bootstrap,
)
from aen_agents.compare.folder import VERSION
from aen_agents.compare.measures import CHECKPOINTS, Measures, measure
from aen_agents.compare.plan import Plan, digest_of, suites_of
from aen_agents.text import csv_text

_POINTS = 24  # of a curve
_CURVE_REPETITIONS = 300  # of the bootstrap of each point
_FIRST = 3  # children

# The measures of an agent by table: the runs of each table.
Runs = Mapping[str, list[Measures]]


def measured(plan: Plan, runs: Mapping[str, JsonDict]) -> tuple[list[JsonDict], dict[str, dict[str, list[Measures]]]]:
    """Return the rows of ``results.csv``, and the measures by agent and table."""
    tables = {table.name: table for table in plan.tables}
    rows: list[JsonDict] = []
    found: dict[str, dict[str, list[Measures]]] = {agent.label: {} for agent in plan.agents}
    for key, (label, name, seed) in plan.keys().items():
        if key not in runs:
            continue
        run, table = runs[key], tables[name]
        result = measure(table, run["places"], run["recommended"], run["seconds"], run["children"])
        found[label].setdefault(name, []).append(result)
        rows.append(_row(label, table, seed, run, result))
    return rows, found


def _row(label: str, table: Table, seed: int, run: JsonDict, result: Measures) -> JsonDict:
    regret = result.regret
    return {
        "agent": csv_text(label),
        "table": table.name,
        "part": table.definition.part,
        "seed": seed,
        "budget": run["children"],
        "first_trained": result.first_trained,
        "first_recommended": result.first_recommended,
        **{f"regret_{k}": f"{regret[min(k, len(regret)) - 1]:.6f}" for k in CHECKPOINTS},
        "regret_all": f"{regret[-1]:.6f}",
        "area_children": f"{result.area_children:.6f}",
        "area_seconds": f"{result.area_seconds:.6f}",
        "normalised_area": f"{float(result.normalised.mean()):.6f}",
        "children": result.children,
        "seconds": f"{result.seconds:.3f}",
        "real_seconds": run["real_seconds"],
    }


def summarise(
    plan: Plan, runs: Mapping[str, JsonDict], *, command: str, seconds: float
) -> tuple[list[JsonDict], JsonDict]:
    """Return the rows of ``results.csv`` and the content of ``summary.json``.

    Args:
        plan: the comparison.
        runs: its runs by key; others are left out.
        command: with which it was made.
        seconds: that this start took.
    """
    rows, found = measured(plan, runs)
    found = {label: tables for label, tables in found.items() if tables}
    suites = suites_of(plan.tables)
    real: dict[str, list[float]] = {}
    for key, (label, _, _) in plan.keys().items():
        if key in runs:
            real.setdefault(label, []).append(float(runs[key]["real_seconds"]))
    names = list(dict.fromkeys(suites.values()))
    groups = {name: {t for t, s in suites.items() if s == name} for name in names}
    agents = [
        _agent(label, tables)
        | {"real_seconds": float(np.median(real[label])), "settings": _settings(plan, label)}
        | {"trained_on": _trained_on(plan, label)}
        for label, tables in found.items()
    ]
    agents.sort(key=lambda agent: agent["normalised_area"][0])
    points = _points(max((len(r.regret) for t in found.values() for rs in t.values() for r in rs), default=1))
    curves = {
        name: {label: curve_of(tables, group, points) for label, tables in found.items()}
        for name, group in groups.items()
    }
    if len(names) > 1:
        curves = {"all": {label: curve_of(tables, set(suites), points) for label, tables in found.items()}} | curves
    summary: JsonDict = {
        "version": VERSION,
        "aen": version("aen"),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": command,
        "machine": f"{platform.platform()}, {os.cpu_count()} cores",
        "seconds": round(seconds, 1),
        "seeds": plan.seeds,
        "children": plan.children,
        "within": WITHIN,
        "runs": len(rows),
        "complete": len(rows) == len(plan.agents) * len(plan.tables) * plan.seeds,
        "tables": [_table(table, suites[table.name]) for table in plan.tables],
        "agents": agents,
        "pairs": pairs({agent["agent"]: found[agent["agent"]] for agent in agents}),
        "points": points,
        "curves": curves,
        "by_table": _by_table(found),
    }
    return rows, summary


def _settings(plan: Plan, label: str) -> JsonDict:
    return next(agent.settings for agent in plan.agents if agent.label == label)


def _trained_on(plan: Plan, label: str) -> list[str]:
    """Return the tables of a comparison that an agent learnt from before."""
    agent = next(agent for agent in plan.agents if agent.label == label)
    section = agent.config.agent
    known = () if section.tables_learnt is None else resolve_name(section.tables_learnt)(section)
    return [table.name for table in plan.tables if table.name in known]


def _table(table: Table, suite: str) -> JsonDict:
    return {
        "name": table.name,
        "suite": suite,
        "part": table.definition.part,
        "classes": len(table.definition.classes),
        "seeds": len(table.definition.seeds),
        "near_best": int((table.regret <= WITHIN).sum()),
        "average_regret": float(table.regret.mean()),
        "sha256": digest_of(table),
        "aen": str(table.provenance.get("aen", "")) if table.provenance else "",
    }


def _agent(label: str, tables: Runs) -> JsonDict:
    everything = [run for runs in tables.values() for run in runs]

    def aggregate(value: Callable[[Measures], float]) -> list[float]:
        values = [[value(run) for run in runs] for runs in tables.values()]
        return [interquartile_mean(np.concatenate(values)), *stratified_bootstrap(values)]

    return {
        "agent": label,
        "runs": len(everything),
        "first_trained": _until(tables, lambda run: run.first_trained),
        "first_recommended": _until(tables, lambda run: run.first_recommended),
        "within_first_3": fmean((run.first_trained or math.inf) <= _FIRST for run in everything),
        "regret": {str(k): aggregate(partial(_regret_after, k)) for k in CHECKPOINTS}
        | {"all": aggregate(lambda run: float(run.regret[-1]))},
        "area_children": aggregate(lambda run: run.area_children),
        "area_seconds": aggregate(lambda run: run.area_seconds),
        "normalised_area": aggregate(lambda run: float(run.normalised.mean())),
        "improvement": aggregate(lambda run: 1.0 - float(run.normalised[-1])),
        "children": fmean(run.children for run in everything),
        "seconds": fmean(run.seconds for run in everything),
    }


def _regret_after(children: int, run: Measures) -> float:
    return float(run.regret[min(children, len(run.regret)) - 1])


def _until(tables: Runs, value: Callable[[Measures], int | None]) -> JsonDict:
    """Return the median number of children with its interval; None stands for more than the budget."""
    values = [[float(value(run) or math.inf) for run in runs] for runs in tables.values()]
    low, high = stratified_bootstrap(values, _lower_median)
    return {
        "median": _finite(_lower_median(np.concatenate(values))),
        "low": _finite(low),
        "high": _finite(high),
        "reached": fmean(each < math.inf for runs in values for each in runs),
    }


def _lower_median(values: npt.NDArray[np.float64], axis: int = -1) -> Any:  # noqa: ANN401 - a number or an array
    """Return the median; where it lies between two values the lower one, since infinity has no mean with another."""
    ordered = np.sort(values, axis=axis)
    return ordered.take((ordered.shape[axis] - 1) // 2, axis=axis)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def pairs(found: Mapping[str, Runs]) -> list[JsonDict]:
    """Return a comparison of each pair of agents by the normalised area, on the tables that both were run on.

    The p-values are of Wilcoxon's signed-rank test of the tables' means, corrected by Holm's method for all pairs.
    """
    rows: list[JsonDict] = []
    labels = list(found)
    for number, ours in enumerate(labels):
        for theirs in labels[number + 1 :]:
            common = [name for name in found[ours] if name in found[theirs]]
            if not common:
                continue
            x, y = (
                [[float(r.normalised.mean()) for r in found[who][name]] for name in common] for who in (ours, theirs)
            )
            low, high = improvement_interval(x, y)
            rows.append(
                {
                    "ours": ours,
                    "theirs": theirs,
                    "tables": len(common),
                    "probability": probability_of_improvement(x, y),
                    "low": low,
                    "high": high,
                    "p": signed_rank_p([fmean(v) for v in x], [fmean(v) for v in y]),
                }
            )
    for row, corrected in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = corrected
    return rows


def curve_of(tables: Runs, group: set[str], points: Sequence[int]) -> JsonDict:
    """Return the interquartile mean of the simple regret after each number of children, with its interval."""
    chosen = [runs for name, runs in tables.items() if name in group]
    middle, low, high = [], [], []
    for point in points if chosen else ():
        values = [[_regret_after(point, run) for run in runs] for runs in chosen]
        ends = stratified_bootstrap(values, repetitions=_CURVE_REPETITIONS)
        middle.append(interquartile_mean(np.concatenate(values)))
        low.append(ends[0])
        high.append(ends[1])
    return {"middle": middle, "low": low, "high": high}


def best_by_budget(points: Sequence[int], curves: Mapping[str, JsonDict]) -> list[tuple[int, int, str]]:
    """Return the agent with the lowest regret for each range of budgets, as (first, last, agent).

    Between two points of the curves the first one counts. Of agents with the same regret the one before stays.
    """
    found: list[tuple[int, int, str]] = []
    drawn = [label for label in curves if curves[label]["middle"]]
    for place, point in enumerate(points):
        lowest = min(curves[label]["middle"][place] for label in drawn)
        best = [label for label in drawn if curves[label]["middle"][place] == lowest]
        if found and found[-1][2] in best:
            found[-1] = (found[-1][0], point, found[-1][2])
        else:
            if found:
                found[-1] = (found[-1][0], point - 1, found[-1][2])
            found.append((point, point, best[0]))
    return found


def _points(most: int) -> list[int]:
    return sorted(
        {round(float(value)) for value in np.geomspace(1, most, _POINTS)} | {k for k in CHECKPOINTS if k <= most}
    )


def _by_table(found: Mapping[str, Runs]) -> JsonDict:
    """Return for each table the median number of children of each agent until a class within 0.5 points is trained."""
    names = list(dict.fromkeys(name for tables in found.values() for name in tables))
    return {
        name: {
            label: {
                "first_trained": _finite(_lower_median(np.array([r.first_trained or math.inf for r in tables[name]]))),
                "regret_10": float(np.median([_regret_after(10, r) for r in tables[name]])),
                "normalised_area": fmean(float(r.normalised.mean()) for r in tables[name]),
            }
            for label, tables in found.items()
            if name in tables
        }
        for name in names
    }
