"""aen finds which symmetries to build into a neural network for a data set, and hands back the network.

``aen.find_symmetries(images, labels)`` searches; ``aen.load(run)`` returns the network that a search found;
``aen.symmetry_test(images, labels)`` looks at the images before anything is trained. The parts are in `aen.groups`,
`aen.nn`, `aen.children`, `aen.data`, `aen.symmetry`, `aen.training`, `aen.results` and `aen.evaluators`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    __version__: str
    SymmetrySearchClassifier: Any
    find_symmetries: Callable[..., Any]
    from aen.loading import load as load
    from aen.symmetry.testing import symmetry_test as symmetry_test

__all__ = ["SymmetrySearchClassifier", "__version__", "find_symmetries", "load", "symmetry_test"]


def __getattr__(name: str) -> object:
    # `aen --help` must not wait for torch.
    if name == "load":
        from aen.loading import load

        return load
    if name == "symmetry_test":
        from aen.symmetry.testing import symmetry_test

        return symmetry_test
    if name == "SymmetrySearchClassifier":
        return _of_agents("aen_agents.sklearn", name)
    if name == "find_symmetries":  # of the package that stands on this one: by its name, since nothing here imports it
        return _of_agents("aen_agents.find_symmetries", name)
    if name == "__version__":  # that of pyproject.toml
        from importlib.metadata import version

        return version("aen")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _of_agents(module: str, name: str) -> object:
    """Return an object of the package `aen_agents`.

    Raises:
        AenError: the package or what it needs is not installed.
    """
    from importlib import import_module

    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        from aen.errors import AenError

        raise AenError(
            f"aen.{name} needs the package {error.name!r}, which is not installed; install all of aen with its "
            "requirements: pip install aen."
        ) from error
