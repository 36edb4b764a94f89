"""With what a search was run, and how long it took."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from aen._typing import JsonDict


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """With what a search was run.

    Attributes:
        packages: version of each distribution that the result depends on, by name.
        python: version of Python.
        machine: name of the platform.
        processor: name of the processor.
        cores: number of cores; None: unknown.
        device: on which children were trained.
        threads: of each worker.
        workers: number of workers.
        population: how many children a worker trained side by side.
    """

    packages: Mapping[str, str]
    python: str
    machine: str
    processor: str | None = None
    cores: int | None = None
    device: str | None = None
    threads: int | None = None
    workers: int | None = None
    population: int | None = None

    def to_json(self) -> JsonDict:
        """Return JSON values: versions and all else side by side. What is not known is left out."""
        rest = {name: getattr(self, name) for name in _OF_PROVENANCE}
        return {**self.packages, **{name: value for name, value in rest.items() if value is not None}}

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote; summaries of older versions may lack some."""
        packages = {name: version for name, version in value.items() if name not in _OF_PROVENANCE}
        known = {name: value.get(name) for name in _OF_PROVENANCE if name not in ("python", "machine")}
        return cls(packages=packages, python=value["python"], machine=value["machine"], **known)


_OF_PROVENANCE = ("python", "machine", "processor", "cores", "device", "threads", "workers", "population")


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """How long a search took.

    Attributes:
        symmetry_test: time that the test of the images took in the last start; None if it was not run there.
        explore: time that exploring took in the last start; None if it did not finish there.
        total: time that the last start took.
        in_all: time that all starts took; None in summaries of older versions.
    """

    symmetry_test: float | None = None
    explore: float | None = None
    total: float
    in_all: float | None = None

    @property
    def of_run(self) -> float:
        """Time that the run took: all its starts, or the last one where no more is known."""
        return self.total if self.in_all is None else self.in_all

    def to_json(self) -> JsonDict:
        """Return JSON values; what is not known is left out."""
        found = {name: getattr(self, name) for name in ("symmetry_test", "explore", "total", "in_all")}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            symmetry_test=value.get("symmetry_test"),
            explore=value.get("explore"),
            total=value["total"],
            in_all=value.get("in_all"),
        )
