"""An evaluator that trains on this machine and writes how many children were asked for."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from aen.evaluators import Evaluator, LocalEvaluator
from aen.results.store import ResultStore
from aen_agents.config import EvaluatorSection, SearchConfig
from aen_agents.evaluators.factory import EvaluatorFactory
from aen_agents.events import Listener


class CountingConfig(EvaluatorSection):
    """The evaluator's settings."""

    factory: ClassVar[str] = "toy_plugins.evaluator:CountingFactory"

    kind: Literal["counting"] = Field("counting", description="what trains the children")
    file: str = Field(description="where the number is written")
    threads: int = Field(1, gt=0, description="CPU threads")
    device: Literal["cpu"] = "cpu"
    workers: Literal[1] = 1
    population: Literal[1] = 1


class CountingEvaluator(LocalEvaluator):
    """Counts what it is asked for."""

    def __init__(self, file: Path, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.file, self.asked = file, 0

    def submit(self, specs: Any, *, keep_weights: bool = False) -> Any:
        """Count the specs, then evaluate them."""
        self.asked += len(specs)
        self.file.write_text(str(self.asked))
        return super().submit(specs, keep_weights=keep_weights)


class CountingFactory(EvaluatorFactory):
    """Makes the evaluator of a search."""

    def make(self, config: SearchConfig, store: ResultStore, weights: Path, listener: Listener) -> Evaluator:
        """Return the evaluator."""
        del listener
        file = Path(config.evaluator.file)  # type: ignore[attr-defined]
        return CountingEvaluator(file, store, threads=config.evaluator.threads, weights_folder=weights)
