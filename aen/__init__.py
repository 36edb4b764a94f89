"""aen finds which symmetries to build into a neural network for a data set, and hands back the network.

``aen.load(run)`` returns the network that a search found. The parts are in `aen.groups`, `aen.nn`, `aen.children`,
`aen.data`, `aen.training`, `aen.results` and `aen.evaluators`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from aen.loading import load as load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> object:
    # `aen --help` must not wait for torch.
    if name == "load":
        from aen.loading import load

        return load
    if name == "__version__":  # that of pyproject.toml
        from importlib.metadata import version

        return version("aen")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
