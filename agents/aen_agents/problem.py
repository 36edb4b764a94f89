"""From a config to what it searches: the baseline's child and the space of all children."""

from dataclasses import replace
from typing import Any

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec, TrainingSpec
from aen.data import DataSpec, Source, find_source, pinned
from aen.errors import DataError, GroupError
from aen.groups import Alphabet, Generator, check_enumerable, load_classes, load_layerwise_classes
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace, RelaxationSpace, Space
from aen_agents.config import DenseConfig, EquiNASConfig, GCNNConfig, SearchConfig


def child_of(config: SearchConfig) -> ChildSpec:
    """Return the baseline's child of a config: untied, and not augmented.

    Raises:
        AenError: there is no such data set, or no such child for it.
    """
    if isinstance(config.child, EquiNASConfig):
        return equinas_child_of(config)
    return dense_child_of(config) if isinstance(config.child, DenseConfig) else gcnn_space_of(config).child


def dense_child_of(config: SearchConfig) -> DenseSpec:
    """Return the untied child of a config whose children are dense."""
    if not isinstance(config.child, DenseConfig):
        raise GroupError(f"child.kind is {config.child.kind!r}; an alphabet is for dense children.")
    data, source = _data_of(config)
    if source.channels != 1:
        raise DataError(
            f"data set {data.name!r} has {source.channels} channels; the dense child needs grey images. "
            "child.kind=gcnn takes colour."
        )
    return DenseSpec(
        data=data,
        grids=(source.side, *config.child.hidden),
        classes=source.classes,
        head=config.child.head,
        bias=config.child.bias,
        initialisation=config.child.initialisation,
        training=TrainingSpec(**config.training.model_dump()),
        seed=config.seed,
    )


def equinas_child_of(config: SearchConfig) -> EquiNASSpec:
    """Return the child of a config whose layers have a group each: no symmetry anywhere."""
    settings = config.child
    if not isinstance(settings, EquiNASConfig):
        raise GroupError(f"child.kind is {settings.kind!r}; a group for each layer is for child.kind=equinas.")
    child = EquiNASSpec(**_fields_of(config))
    return child.with_layer_groups(("C1",) * len(child.layer_groups))


def gcnn_space_of(config: SearchConfig) -> GCNNSpace:
    """Return the space of a config whose children are G-CNNs."""
    settings = config.child
    if not isinstance(settings, GCNNConfig):
        raise GroupError(f"child.kind is {settings.kind!r}; the G-CNN design space is for child.kind=gcnn.")
    child = GCNNSpec(**_fields_of(config))
    return GCNNSpace(child, **config.space.model_dump())


def alphabet_of(config: SearchConfig) -> Alphabet:
    """Return the alphabet of a config, with the user's own generators."""
    custom = {name: Generator.from_permutations(name, tables) for name, tables in config.generators.items()}
    return Alphabet.of(config.alphabet, custom)


def check_space(config: SearchConfig) -> None:
    """Check that the space of a config can be made.

    On large grids the classes of dense children take seconds, the first time; the check does not.

    Raises:
        AenError: it cannot; the message says why.
    """
    if isinstance(config.child, DenseConfig):
        grids = dense_child_of(config).grids
        try:
            check_enumerable(alphabet_of(config), grids)
        except GroupError as error:
            raise GroupError(f"alphabet on the grids {list(grids)}: {error}") from error
    elif isinstance(config.child, EquiNASConfig):
        space_of(config)
    else:
        gcnn_space_of(config)
        if config.child.backend == "escnn":
            from aen.nn.steerable import load_escnn

            load_escnn()


def space_of(config: SearchConfig) -> Space:
    """Return the space of a config; on large grids its classes take seconds, the first time."""
    if isinstance(config.child, EquiNASConfig):
        groups = config.space.groups
        return RelaxationSpace(equinas_child_of(config), None if groups == "bits" else groups)
    if not isinstance(config.child, DenseConfig):
        return gcnn_space_of(config)
    child, alphabet = dense_child_of(config), alphabet_of(config)
    if config.child.layerwise:
        return LayerwiseDecompositionSpace(child, load_layerwise_classes(alphabet, child.grids))
    return DecompositionSpace(child, load_classes(alphabet, child.grids))


def _fields_of(config: SearchConfig) -> dict[str, Any]:
    """Return the fields of a convolutional child."""
    data, source = _data_of(config)
    return {
        "data": data,
        "classes": source.classes,
        "side": source.side,
        "channels": source.channels,
        **config.child.model_dump(exclude={"kind"}),
        "training": TrainingSpec(**config.training.model_dump()),
        "seed": config.seed,
    }


def _data_of(config: SearchConfig) -> tuple[DataSpec, Source]:
    try:
        data = DataSpec(**config.data.model_dump())
    except GroupError as error:
        raise GroupError(f"data.moves: {error} (Moves are built-in generators, not products.)") from error
    data = replace(data, name=pinned(data.name))  # what a file holds is part of every key, not only where it is
    return data, find_source(data.name)
