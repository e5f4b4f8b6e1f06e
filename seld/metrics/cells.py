"""Two tables of rows, laid side by side cell by cell; cells of one shape are assigned all at once.

A cell holds the references and the predictions that may be paired with each other: those of one frame, or of
one class in one frame.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

Table = pd.DataFrame | Mapping[str, np.ndarray]
"""anything that gives a column by its name"""

_ENUMERATED = 3
# Ways whose costs differ by less are taken for a tie, in which SciPy's choice counts.
_TIE = 1e-9


class Cells(NamedTuple):
    """Every cell with a row on either side, in the order of its keys."""

    keys: np.ndarray
    """(cells, keys) int64, the values of the columns that make the cell"""
    references: np.ndarray
    """row numbers of the references, cell by cell, in the order of the table within a cell"""
    reference_edges: np.ndarray
    """(cells + 1,): the references of cell i are references[reference_edges[i]:reference_edges[i + 1]]"""
    predictions: np.ndarray
    prediction_edges: np.ndarray


class Block(NamedTuple):
    """The cells with one number of references and one number of predictions, both above 0."""

    cells: np.ndarray
    """(cells,) indices into Cells.keys"""
    references: np.ndarray
    """(cells, R) row numbers in the table of references"""
    predictions: np.ndarray
    """(cells, P) row numbers in the table of predictions"""


def group(reference: Table, prediction: Table, by: Sequence[str]) -> Cells:
    """The cells of rows that agree in the whole-numbered columns `by`."""
    sides = [[np.asarray(table[name], dtype=np.int64) for name in by] for table in (reference, prediction)]
    codes, keys_of = _codes(sides)
    code, row = _sorted(codes)
    first = np.flatnonzero(np.append(True, code[1:] != code[:-1]))[: len(code)]
    references = len(sides[0][0])
    is_reference = row < references
    edges = np.append(first, len(row))
    reference_edges = np.append(0, np.cumsum(is_reference))[edges]
    return Cells(
        keys_of(code[first]),
        row[is_reference],
        reference_edges,
        row[~is_reference] - references,
        edges - reference_edges,
    )


def blocks(cells: Cells) -> Iterator[Block]:
    """The cells with rows on both sides, those of one shape together."""
    references, predictions = np.diff(cells.reference_edges), np.diff(cells.prediction_edges)
    both = np.flatnonzero((references > 0) & (predictions > 0))
    shape = references[both] * (len(cells.predictions) + 1) + predictions[both]
    order = np.argsort(shape, kind="stable")
    _, starts = np.unique(shape[order], return_index=True)
    for index in np.split(both[order], starts[1:]) if len(both) else ():
        rows, columns = references[index[0]], predictions[index[0]]
        yield Block(
            index,
            cells.references[cells.reference_edges[index, None] + np.arange(rows)],
            cells.predictions[cells.prediction_edges[index, None] + np.arange(columns)],
        )


def assign(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of the cheapest assignment of each matrix, as SciPy chooses them where several are cheapest.

    Args:
        cost: (cells, R, P) finite float64; the DCASE code has references as rows.

    Returns:
        rows, columns: (cells, min(R, P)) indices, the rows ascending.
    """
    height, width = cost.shape[1:]
    if max(height, width) > _ENUMERATED:
        pairs = np.array([linear_sum_assignment(matrix) for matrix in cost])
        return pairs[:, 0], pairs[:, 1]
    ways = _ways(height, width)
    total = cost[:, ways[:, 0], ways[:, 1]].sum(axis=-1)
    best = total.argmin(axis=1)
    rows, columns = ways[best, 0], ways[best, 1]
    if len(ways) > 1:
        first, second = np.partition(total, 1, axis=1)[:, :2].T
        for cell in np.flatnonzero(second - first < _TIE):
            rows[cell], columns[cell] = linear_sum_assignment(cost[cell])
    return rows, columns


def _codes(sides: Sequence[Sequence[np.ndarray]]) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Whole numbers from 0 in the order of the keys, one for each row of both sides, and how to get keys from codes.

    Returns:
        (rows,) codes, equal where all keys are; a function (cells,) codes -> (cells, keys).
    """
    columns = list(zip(*sides, strict=True))
    if all(len(side) == 0 for side in columns[0]):
        return np.empty(0, dtype=np.int64), lambda codes: np.empty((0, len(columns)), dtype=np.int64)
    low = [min(int(side.min()) for side in column if len(side)) for column in columns]
    high = [max(int(side.max()) for side in column if len(side)) for column in columns]
    span = tuple(top - bottom + 1 for bottom, top in zip(low, high, strict=True))
    if math.prod(span) >= 2**62:
        keys, codes = np.unique(np.stack([np.concatenate(column) for column in columns]), axis=1, return_inverse=True)
        return codes.reshape(-1), lambda codes: keys[:, codes].T
    codes = []
    for side in sides:
        code = np.zeros(len(side[0]), dtype=np.int64)
        for column, bottom, size in zip(side, low, span, strict=True):
            code *= size
            code += column - bottom
        codes.append(code)
    return np.concatenate(codes), lambda codes: np.stack(np.unravel_index(codes, span), axis=1) + low


def _sorted(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) the codes in order, and the rows that they belong to, those of one code in their order.

    Code and row number share one 64-bit word wherever they fit: sorting words is several times faster than a stable
    argsort.
    """
    bits = len(codes).bit_length()
    if len(codes) and int(codes.max()).bit_length() + bits < 63:
        words = np.sort((codes << bits) | np.arange(len(codes)))
        return words >> bits, words & ((1 << bits) - 1)
    order = np.argsort(codes, kind="stable")
    return codes[order], order


def _ways(height: int, width: int) -> np.ndarray:
    """(ways, 2, min(height, width)): every one-to-one choice of rows and columns, the rows ascending."""
    if height <= width:
        return np.array([(range(height), way) for way in permutations(range(width), height)])
    return np.array([_by_row(way) for way in permutations(range(height), width)])


def _by_row(rows: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(rows of the columns 0, 1, ...) -> rows ascending, and their columns."""
    columns = tuple(int(column) for column in np.argsort(rows))
    return tuple(rows[column] for column in columns), columns
