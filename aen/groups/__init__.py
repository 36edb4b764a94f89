"""Groups on grids: generators, factors, alphabets, decompositions, orbits and canonical classes."""

from aen.groups.alphabet import ALPHABETS, Alphabet
from aen.groups.class_cache import known_classes, known_layerwise_classes, load_classes, load_layerwise_classes
from aen.groups.classes import (
    ClassTable,
    NetworkClass,
    bits_to_mask,
    check_enumerable,
    class_key,
    enumerate_classes,
    layerwise_class_key,
    mask_to_bits,
)
from aen.groups.decomposition import Decomposition
from aen.groups.elements import enumerate_elements
from aen.groups.factors import Factor
from aen.groups.generators import GENERATOR_NAMES, SIGNAL_WORDS, Generator
from aen.groups.grid import Grid, as_grid, cells_of, grid_text, grids_as_json, shape_of
from aen.groups.hidden_grids import hidden_grids
from aen.groups.layerwise_classes import LayerwiseClassTable, enumerate_layerwise_classes
from aen.groups.orbits import Orbits, grid_orbits, layer_orbits, pair_permutation
from aen.groups.planar import PLANAR_GROUPS, PlanarElement, PlanarGroup

__all__ = [
    "ALPHABETS",
    "GENERATOR_NAMES",
    "PLANAR_GROUPS",
    "SIGNAL_WORDS",
    "Alphabet",
    "ClassTable",
    "Decomposition",
    "Factor",
    "Generator",
    "Grid",
    "LayerwiseClassTable",
    "NetworkClass",
    "Orbits",
    "PlanarElement",
    "PlanarGroup",
    "as_grid",
    "bits_to_mask",
    "cells_of",
    "check_enumerable",
    "class_key",
    "enumerate_classes",
    "enumerate_elements",
    "enumerate_layerwise_classes",
    "grid_orbits",
    "grid_text",
    "grids_as_json",
    "hidden_grids",
    "known_classes",
    "known_layerwise_classes",
    "layer_orbits",
    "layerwise_class_key",
    "load_classes",
    "load_layerwise_classes",
    "mask_to_bits",
    "pair_permutation",
    "shape_of",
]
