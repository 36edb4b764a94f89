import pytest
from helpers.table_evaluators import TableEvaluator

from aen.children import DenseSpec


@pytest.fixture(scope="session")
def table():
    """The class: tests make as many as they like."""
    return TableEvaluator


@pytest.fixture(scope="session")
def small_child():
    return DenseSpec(grids=(4, 4))


@pytest.fixture
def make_env(table, small_child):
    """An environment over a table; every argument can be given otherwise."""
    from aen_envs import GroupDecompositionEnv

    return lambda **arguments: GroupDecompositionEnv(**({"child": small_child, "evaluator": table()} | arguments))
