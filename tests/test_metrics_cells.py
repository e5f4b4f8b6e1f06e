from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from seld.metrics.cells import assign, blocks, group


def table(rows):
    return pd.DataFrame(rows, columns=["clip", "frame"]).astype(np.int64)


def cell_rows(cells):
    """keys -> (reference rows, prediction rows), in their order."""
    sides = (cells.references, cells.reference_edges), (cells.predictions, cells.prediction_edges)
    return {
        tuple(key): tuple(tuple(rows[edges[i] : edges[i + 1]]) for rows, edges in sides)
        for i, key in enumerate(cells.keys.tolist())
    }


def test_cells_come_in_the_order_of_keys_and_rows_in_the_order_of_the_table():
    cells = group(table([(1, 5), (0, 7), (1, 5)]), table([(0, 7), (1, 4)]), ("clip", "frame"))
    assert list(cell_rows(cells).items()) == [((0, 7), ((1,), (0,))), ((1, 4), ((), (1,))), ((1, 5), ((0, 2), ()))]


@pytest.mark.parametrize("scale", [1, 2**40], ids=["codes", "keys too large for one code"])
def test_cells_hold_the_rows_with_equal_keys(scale):
    rng = np.random.default_rng(0)
    reference, prediction = (table(scale * rng.integers(-3, 4, (n, 2))) for n in (40, 30))
    found = cell_rows(group(reference, prediction, ("frame", "clip")))
    for key, sides in found.items():
        for rows, side in zip(sides, (reference, prediction), strict=True):
            assert rows == tuple(np.flatnonzero((side["frame"] == key[0]) & (side["clip"] == key[1])))
    assert sum(len(rows) for rows, _ in found.values()) == 40
    assert sum(len(rows) for _, rows in found.values()) == 30


def test_nothing_on_either_side_makes_no_cell():
    cells = group(table([]), table([]), ("clip", "frame"))
    assert cells.keys.shape == (0, 2)
    assert cells.reference_edges.tolist() == [0]
    assert list(blocks(cells)) == []


def test_a_block_holds_the_cells_of_one_shape_with_rows_on_both_sides():
    reference = table([(0, 0), (0, 0), (0, 1), (0, 2), (0, 3), (0, 3)])
    prediction = table([(0, 0), (0, 1), (0, 3), (0, 4)])
    found = {block.references.shape[1:] + block.predictions.shape[1:]: block for block in blocks(
        group(reference, prediction, ("clip", "frame"))
    )}  # fmt: skip
    assert found.keys() == {(1, 1), (2, 1)}
    assert found[2, 1].references.tolist() == [[0, 1], [4, 5]]
    assert found[2, 1].predictions.tolist() == [[0], [2]]
    assert found[1, 1].references.tolist() == [[2]]


def test_the_cheapest_pairs_by_hand():
    # Greedy would take 1 and be left with 10: 11 against 2 + 3.
    rows, columns = assign(np.array([[[1.0, 2.0], [3.0, 10.0]]]))
    assert (rows.tolist(), columns.tolist()) == ([[0, 1]], [[1, 0]])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6), st.booleans())
def test_pairs_are_those_of_scipy_also_in_ties(height, width, seed, tied):
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 3, (5, height, width)).astype(float) if tied else rng.random((5, height, width))
    rows, columns = assign(cost)
    for cell, matrix in enumerate(cost):
        expected = linear_sum_assignment(matrix)
        assert (rows[cell].tolist(), columns[cell].tolist()) == tuple(side.tolist() for side in expected)


def test_no_other_choice_is_cheaper():
    cost = np.random.default_rng(1).random((20, 3, 2))
    rows, columns = assign(cost)
    for cell, matrix in enumerate(cost):
        best = min(matrix[list(way), [0, 1]].sum() for way in permutations(range(3), 2))
        assert matrix[rows[cell], columns[cell]].sum() == pytest.approx(best, abs=1e-12)
