"""aen finds which symmetries to build into a neural network for a data set, and hands back the network.

``aen.load(run)`` returns the network that a search found; ``aen.symmetry_test(images, labels)`` looks at the images
before anything is trained. The parts are in `aen.groups`, `aen.nn`, `aen.children`,
`aen.data`, `aen.symmetry`, `aen.training`, `aen.results` and `aen.evaluators`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from aen.loading import load as load
    from aen.symmetry.testing import symmetry_test as symmetry_test

__all__ = ["__version__", "load", "symmetry_test"]


def __getattr__(name: str) -> object:
    # `aen --help` must not wait for torch.
    if name == "load":
        from aen.loading import load

        return load
    if name == "symmetry_test":
        from aen.symmetry.testing import symmetry_test

        return symmetry_test
    if name == "__version__":  # that of pyproject.toml
        from importlib.metadata import version

        return version("aen")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
