"""Groups on square grids: generators, factors, alphabets, decompositions, orbits and canonical classes."""

from aen.groups.alphabet import ALPHABETS, Alphabet
from aen.groups.class_cache import load_classes
from aen.groups.classes import (
    ClassTable,
    NetworkClass,
    check_enumerable,
    class_key,
    enumerate_classes,
    mask_to_bits,
)
from aen.groups.decomposition import Decomposition
from aen.groups.elements import enumerate_elements
from aen.groups.factors import Factor
from aen.groups.generators import GENERATOR_NAMES, Generator
from aen.groups.orbits import Orbits, grid_orbits, layer_orbits, pair_permutation
from aen.groups.planar import PLANAR_GROUPS, PlanarElement, PlanarGroup

__all__ = [
    "ALPHABETS",
    "GENERATOR_NAMES",
    "PLANAR_GROUPS",
    "Alphabet",
    "ClassTable",
    "Decomposition",
    "Factor",
    "Generator",
    "NetworkClass",
    "Orbits",
    "PlanarElement",
    "PlanarGroup",
    "check_enumerable",
    "class_key",
    "enumerate_classes",
    "enumerate_elements",
    "grid_orbits",
    "layer_orbits",
    "load_classes",
    "mask_to_bits",
    "pair_permutation",
]
