"""Which runs a comparison consists of: every agent on every table on every seed."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aen.bench import SUITES, Table, load, suite
from aen.bench.suites import definition
from aen.errors import ConfigError
from aen_agents.compare.agents import ComparedAgent
from aen_agents.compare.lines import Expected
from aen_agents.compare.measures import budget_of

PARTS = ("training", "held-out")


@dataclass(frozen=True)
class Cell:
    """An agent on a table on some seeds.

    Attributes:
        agent: the agent.
        table: the table's name.
        seeds: of the runs.
        children: the budget of each run.
        keys: what identifies each run: the same key is the same run with the same results.
    """

    agent: ComparedAgent
    table: str
    seeds: tuple[int, ...]
    children: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A comparison.

    Attributes:
        agents: the agents.
        tables: the tables.
        folder: where they were built; None: those of the package.
        seeds: number of runs of each agent on each table.
        children: the budget of a run.
    """

    agents: tuple[ComparedAgent, ...]
    tables: tuple[Table, ...]
    folder: Path | None
    seeds: int
    children: int

    def cells(self, known: set[str], size: int) -> Iterator[Cell]:
        """Return the runs that are not known yet, up to `size` seeds of an agent on a table together."""
        for table in self.tables:
            digest = digest_of(table)
            children = budget_of(table, self.children)
            for agent in self.agents:
                keys = [self._key(agent, digest, seed, children) for seed in range(self.seeds)]
                left = [seed for seed in range(self.seeds) if keys[seed] not in known]
                for start in range(0, len(left), size):
                    seeds = tuple(left[start : start + size])
                    yield Cell(agent, table.name, seeds, children, tuple(keys[seed] for seed in seeds))

    def keys(self) -> dict[str, tuple[str, str, int]]:
        """Return agent, table and seed of every run by its key, in order."""
        return {
            key: (cell.agent.label, cell.table, seed)
            for cell in self.cells(set(), self.seeds)
            for key, seed in zip(cell.keys, cell.seeds, strict=True)
        }

    def expected(self) -> dict[str, Expected]:
        """Return what the line of every run must say, by its key."""
        identities = {agent.label: agent.identity for agent in self.agents}
        classes = {table.name: len(table.definition.classes) for table in self.tables}
        budgets = {table.name: budget_of(table, self.children) for table in self.tables}
        return {
            key: Expected(agent, identities[agent], table, seed, budgets[table], classes[table])
            for key, (agent, table, seed) in self.keys().items()
        }

    @staticmethod
    def _key(agent: ComparedAgent, digest: str, seed: int, children: int) -> str:
        return hashlib.sha256(f"{agent.identity}|{digest}|{seed}|{children}".encode()).hexdigest()[:24]


def digest_of(table: Table) -> str:
    """Return a digest of what a table answers."""
    digest = hashlib.sha256(json.dumps(table.definition.to_json(), sort_keys=True).encode())
    for name in sorted(table.results):
        digest.update(np.ascontiguousarray(table.results[name]).tobytes())
    return digest.hexdigest()


def find_tables(
    *, suites: Sequence[str], names: Sequence[str], part: str | None, folder: Path | None
) -> tuple[Table, ...]:
    """Return the tables of a command line.

    Args:
        suites: names of suites, all of whose tables are taken.
        names: names of tables.
        part: only the tables of this part; None: of suites the training part, of named tables all.
        folder: where they were built; None: those of the package.

    Raises:
        TableError: there is no such suite or table, or it was not built.
        ConfigError: no table is left.
    """
    wanted = [t for name in suites for t in suite(name) if t.part == (part or "training")]
    wanted += [t for t in map(definition, names) if part in {None, t.part}]
    unique = list({t.name: t for t in wanted}.values())
    if not unique:
        given = ", ".join((*suites, *names))
        raise ConfigError(f"{given} has no table of part {part or 'training'}; choose another --part or --tables.")
    return tuple(load(t.name, folder) for t in unique)


def suites_of(tables: Sequence[Table]) -> dict[str, str]:
    """Return the suite of each table by the table's name."""
    return {t.name: name for name in SUITES for t in suite(name) if t.name in {each.name for each in tables}}
