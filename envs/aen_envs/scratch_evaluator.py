"""ScratchEvaluator: trains in this process and keeps the weights used last in a temporary folder."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from aen.children import ChildSpec
from aen.evaluators import LocalEvaluator
from aen.results import Evaluation
from aen_envs.scratch_folder import ScratchFolder

MAX_BYTES = 2**28  # 256 MiB


class ScratchEvaluator(LocalEvaluator):
    """Trains in this process; results stay in memory, and the weights used last in a temporary folder.

    Weights that were dropped are trained again when a child shall inherit them, from those of the child's own parent,
    which are trained again as well if they were dropped. On a CPU they are the same, bit for bit.

    Args:
        max_bytes: when the files of weights are larger together, the ones that were not used longest are dropped, but
            never those of the last call of `submit`.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._folder = ScratchFolder()
        super().__init__(weights_folder=self._folder.path)
        self.max_bytes = max_bytes
        self._specs: dict[str, ChildSpec] = {}
        self._sizes: dict[str, int] = {}  # of the files there are, by key; the one used last stands last

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Evaluate the specs; weights that are kept may have been dropped when the same specs are asked for again."""
        if not keep_weights:
            return super().submit(specs)
        new = {spec.key: spec for spec in specs if spec.key not in self._specs}
        for spec in new.values():
            self._restore_weights(spec.parent)
        # Only after `_restore_weights`: it uses the specs of children that were trained.
        trained = dict(zip(new, super().submit(list(new.values()), keep_weights=True), strict=True))
        self._specs |= new
        known = iter(super().submit([spec for spec in specs if spec.key not in trained]))
        futures = [trained[spec.key] if spec.key in trained else next(known) for spec in specs]
        self._drop({key for spec in specs for key in (spec.parent, spec.key) if key is not None})
        return futures

    def can_continue(self, key: str) -> bool:
        """Return whether the weights of an evaluation are there or can be trained again."""
        return key in self._specs

    def read_weights(self, key: str) -> bytes | None:
        """Return the file of a child's weights; None if there is none."""
        return self._folder.read(f"{key}.safetensors")

    def write_weights(self, key: str, content: bytes | None) -> None:
        """Write what `read_weights` returned."""
        self._folder.write(f"{key}.safetensors", content)
        self._drop({key})

    def close(self) -> None:
        """Remove the weights."""
        super().close()
        self._folder.remove()

    def _restore_weights(self, key: str | None) -> None:
        """Train again what is missing of a child's weights and those of its ancestors."""
        missing: list[ChildSpec] = []
        while key is not None and key in self._specs and not self._path(key).is_file():
            missing.append(self._specs[key])
            key = self._specs[key].parent
        for spec in reversed(missing):
            super().submit([spec], keep_weights=True)
            self._drop({name for name in (spec.parent, spec.key) if name is not None})

    def _drop(self, used: Iterable[str]) -> None:
        """Drop the weights not used longest until the rest fits; `used` are those that were used now and stay."""
        kept = set(used)
        for key in kept:
            self._sizes.pop(key, None)
            path = self._path(key)
            if path.is_file():
                self._sizes[key] = path.stat().st_size
        total = sum(self._sizes.values())
        for key in [key for key in self._sizes if key not in kept]:
            if total <= self.max_bytes:
                return
            total -= self._sizes.pop(key)
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Any:  # noqa: ANN401 - a Path
        return self._folder.path / f"{key}.safetensors"

    def __getstate__(self) -> dict[str, Any]:
        """Pickle and copy it without its folder; a copy has one of its own and trains again what it needs."""
        return super().__getstate__() | {"_folder": None, "_sizes": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._folder = ScratchFolder()
        self.weights_folder = self._folder.path
