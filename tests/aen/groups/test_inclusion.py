"""Places of classes in a drawing of their inclusion."""

import pytest

from aen.groups.inclusion import covers, layout


def test_a_row_for_each_size_with_the_smallest_below():
    sets = [0b00, 0b01, 0b10, 0b11]
    edges = covers(sets)
    assert sorted(edges) == [(0, 1), (0, 2), (1, 3), (2, 3)]
    places = layout([each.bit_count() for each in sets], edges)
    assert places.rows == 3
    assert places.y == pytest.approx((5 / 6, 0.5, 0.5, 1 / 6))
    assert (places.x[0], places.x[3]) == (0.5, 0.5)
    assert sorted(places.x[1:3]) == [0.25, 0.75]


def test_joined_classes_stand_above_each_other():
    sets = [0b0001, 0b0010, 0b0100, 0b1001, 0b1010, 0b1100]
    places = layout([1, 1, 1, 2, 2, 2], covers(sets))
    assert [places.x[i] for i in range(3)] == [places.x[i + 3] for i in range(3)]
