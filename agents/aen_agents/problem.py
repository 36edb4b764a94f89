"""From a configuration to its problem: the baseline's child and the space of all children."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any, cast

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec, TrainingSpec
from aen.data import DataSpec, Source, complete_spec
from aen.errors import DataError, GroupError, SpecError
from aen.groups import Alphabet, Generator, Grid, as_grid, check_enumerable, grids_as_json, hidden_grids
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace, RelaxationSpace, Space
from aen_agents.config import DenseConfig, EquiNASConfig, GCNNConfig, SearchConfig


class Problem(ABC):
    """What a search of one kind of child consists of; the kind's section names it (`ChildSection.problem`)."""

    @abstractmethod
    def child(self, config: SearchConfig) -> ChildSpec:
        """Return the baseline's child; see `child_of`."""

    @abstractmethod
    def space(self, config: SearchConfig) -> Space:
        """Return the space; see `space_of`."""

    def check(self, config: SearchConfig) -> None:
        """Check that the space can be made; see `check_space`."""
        self.space(config)


class DenseProblem(Problem):
    """Dense children, tied by the decompositions of an alphabet, for the whole network or for each layer."""

    def child(self, config: SearchConfig) -> DenseSpec:
        """Return the untied child."""
        settings = cast("DenseConfig", config.child)
        data, source = _data_of(config)
        if source.channels != 1:
            raise DataError(
                f"data set {data.name!r} has {source.channels} channels; the dense child needs grey images. "
                "child.kind=gcnn takes colour"
                + (", and data.channels=grey converts own images." if config.data.own else ".")
            )
        grid = as_grid(source.side)
        hidden, _ = _dense_choice(config, grid)
        return DenseSpec(
            data=data,
            grids=(grid, *hidden),
            classes=source.classes,
            head=settings.head,
            bias=settings.bias,
            initialisation=settings.initialisation,
            training=TrainingSpec(**config.training.model_dump()),
            seed=config.seed,
        )

    def space(self, config: SearchConfig) -> Space:
        """Return the decompositions of the alphabet, or one of them for each layer."""
        child = self.child(config)
        _, alphabet = _dense_choice(config, child.grid)
        if cast("DenseConfig", config.child).layerwise:
            return LayerwiseDecompositionSpace(child, alphabet)
        return DecompositionSpace(child, alphabet)

    def check(self, config: SearchConfig) -> None:
        """Check the alphabet; the classes, which take seconds on large grids, are not made."""
        child = self.child(config)
        grids = child.grids
        try:
            check_enumerable(_dense_choice(config, child.grid)[1], grids)
        except GroupError as error:
            raise GroupError(f"alphabet on the grids {grids_as_json(grids)}: {error}") from error


class GCNNProblem(Problem):
    """The G-CNN design space."""

    def child(self, config: SearchConfig) -> GCNNSpec:
        """Return the child of C1, not augmented, of the usual size."""
        return self.space(config).child

    def space(self, config: SearchConfig) -> GCNNSpace:
        """Return the space of groups, augmentations and sizes."""
        fields, settings = _fields_of(config), cast("GCNNConfig", config.child)
        if settings.initialisation is None:  # measured: docs/agents/equinas_d.md, "Initial weights"
            own = settings.norm == "none" and settings.backend == "native"
            fields["initialisation"] = "published" if own else "fan_in"
        return GCNNSpace(GCNNSpec(**fields), **config.space.model_dump())

    def check(self, config: SearchConfig) -> None:
        """Check the space, and that escnn can be imported if its filters are wanted."""
        super().check(config)
        if cast("GCNNConfig", config.child).backend == "escnn":
            from aen.nn.steerable import load_escnn  # it takes seconds

            load_escnn()


class EquiNASProblem(Problem):
    """The backbone of EquiNAS, with a group for each layer."""

    def child(self, config: SearchConfig) -> EquiNASSpec:
        """Return the child with the groups that the config names; by default with no symmetry in any layer.

        Raises:
            SpecError: the named groups are not possible.
        """
        fields, settings = _fields_of(config), cast("EquiNASConfig", config.child)
        child = EquiNASSpec(**fields | {"groups": (), "head_group": ""})
        if settings.groups:
            return _named(child, settings.groups, settings.head_group)
        if settings.head_group:
            raise SpecError(
                f"child.head_group is {settings.head_group!r}, but child.groups is empty; name the groups of the "
                "convolutions, too, or leave both out."
            )
        return child.with_layer_groups(("C1",) * len(child.layer_groups))

    def space(self, config: SearchConfig) -> Space:
        """Return the space of groups that only shrink along the network."""
        groups = config.space.groups
        return RelaxationSpace(self.child(config), None if groups == "bits" else groups)


def _named(child: EquiNASSpec, groups: Sequence[str], head_group: str) -> EquiNASSpec:
    """Return the child with the groups that a config names.

    Raises:
        SpecError: another number of groups, groups that grow along the network, or a head's group that cannot be.
    """
    count, layers = len(child.groups), len(child.layer_groups)
    if len(groups) not in (count, layers) or (len(groups) > count and head_group):
        expected = f"{count} names, one for each convolution"
        if layers > count:
            expected += f", or {layers} with the dense layer's and without child.head_group"
        raise SpecError(f"child.groups is [{', '.join(groups)}]; give {expected}.")
    try:
        return child.with_groups(tuple(groups[:count]), head_group or "".join(groups[count:]))
    except (SpecError, GroupError) as error:
        raise SpecError(f"child.groups: {error}") from error


def child_of(config: SearchConfig) -> ChildSpec:
    """Return the baseline's child of a config: untied, and not augmented. An EquiNAS child has the groups it names.

    Raises:
        AenError: there is no such data set, or no such child for it.
    """
    return _problem(config).child(config)


def check_space(config: SearchConfig) -> None:
    """Check that the space of a config can be made.

    On large grids the classes of dense children take seconds, the first time; the check does not.

    Raises:
        AenError: it cannot; the message says why.
    """
    _problem(config).check(config)


def space_of(config: SearchConfig) -> Space:
    """Return the space of a config; on large grids its classes take seconds, the first time."""
    return _problem(config).space(config)


def alphabet_of(config: SearchConfig) -> Alphabet:
    """Return the alphabet of a config, with the user's own generators."""
    custom = {name: Generator.from_permutations(name, tables) for name, tables in config.generators.items()}
    return Alphabet.of(config.alphabet, custom)


def _dense_choice(config: SearchConfig, grid: Grid) -> tuple[tuple[Grid, ...], Alphabet]:
    """Return the hidden grids of dense children for these images, and the factors on offer.

    An alphabet given by its name loses the factors that do not fit; those of a list all have to fit. With
    ``child.hidden: auto`` shifts become fractions, whose order is the same on every grid that they fit.
    """
    given, hidden = config.alphabet, cast("DenseConfig", config.child).hidden
    alphabet = alphabet_of(config)
    if hidden == "auto":
        if isinstance(given, str):
            alphabet = alphabet.fitting([grid])
        alphabet.check([grid])
        alphabet = alphabet.in_fractions(grid)
        return hidden_grids(grid, alphabet), alphabet
    grids = (grid, *hidden)
    if isinstance(given, str):
        try:
            alphabet.check(grids)
        except GroupError:
            alphabet = alphabet.fitting(grids)
    return hidden, alphabet


def _problem(config: SearchConfig) -> Problem:
    problem: Problem = resolve_name(config.child.problem)()
    return problem


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
        return complete_spec(**config.data.model_dump())
    except GroupError as error:
        raise GroupError(f"data.moves: {error} (Moves are built-in generators, not products.)") from error
