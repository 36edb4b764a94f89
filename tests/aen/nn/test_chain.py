import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.groups import Decomposition, PlanarGroup, layer_orbits
from aen.nn import FieldType, OrbitTable
from aen.nn.chain import TableChain
from aen.nn.filter_bank import filter_table

D4 = PlanarGroup.of("D4")
MAPS = FieldType.regular(D4, 2)


def tables_of(groups):
    types = [MAPS.regroup(group) for group in groups]
    return [filter_table(t, t, 3) for t in types], [t.fields * MAPS.channels * 9 for t in types]


def check(tables, counts):
    source = torch.Generator().manual_seed(len(counts))
    values = [torch.randn(count, generator=source, dtype=torch.float64) for count in counts]
    chain = TableChain(tables, counts)
    alone = [table.expand(own) for table, own in zip(tables, values, strict=True)]
    full = chain.expand([own.clone() for own in values])
    assert float((full - sum(alone)).abs().max()) < 1e-12
    points = torch.randn(len(full), generator=source, dtype=torch.float64)
    for table, found in zip(tables, chain.sums(points), strict=True):
        assert float((found - table.sums(points)).abs().max()) < 1e-10
    return chain


@given(groups=st.lists(st.sampled_from([g.name for g in D4.subgroups()]), min_size=1, max_size=10, unique=True))
@settings(max_examples=40)
def test_a_chain_adds_up_what_its_tables_give(groups):
    check(*tables_of(groups))


def test_values_go_to_the_most_tied_table_that_has_them():
    groups = ["C1", "D4", "C2", "D1", "C4"]
    chain = check(*tables_of(groups))
    parents = {own: None if p is None else groups[p] for own, p in zip(groups, chain.parents, strict=True)}
    assert parents == {"C1": None, "C2": "C1", "D1": "C1", "C4": "C2", "D4": "C4"}


def test_groups_that_do_not_contain_each_other_go_to_the_points():
    chain = check(*tables_of(["D1", "D1v"]))
    assert chain.parents == [None, None]


@pytest.mark.parametrize("names", [(["rot90"], ["rot90", "hflip"], []), (["vflip"], ["swap_lr"])], ids=str)
def test_orbits_of_different_sizes_do_as_well(names):
    orbits = [layer_orbits(Decomposition.of(some).generators, 4, 4) for some in names]
    check([OrbitTable(o) for o in orbits], [o.count for o in orbits])


def test_runs_of_points_do_as_well():
    orbits = layer_orbits(Decomposition.of(["rot90"]).generators, 2, 2)
    table = OrbitTable(orbits, run=3)
    plain = OrbitTable(type(orbits)(np.zeros(len(orbits.labels) * 3, dtype=np.int32), 1))
    check([table, plain], [orbits.count * 3, 1])
