"""Exact assignment of tiny problems by trying every way to pair: many side by side, in compiled code or on a GPU."""

import functools
import itertools
import math

import numpy as np
import torch
from torch import Tensor

from seld.compiling import compiled

FEW = 5  # pairs at most
_LANES = 64  # problems side by side; all that is known of them stays in the processor's first cache


@functools.lru_cache(maxsize=64)
def ways(rows: int, columns: int) -> np.ndarray:
    """All ways to pair the smaller side with the larger, (ways, pairs): indices into the flat matrix."""
    few, many = sorted((rows, columns))
    chosen = np.array(list(itertools.permutations(range(many), few))).reshape(math.perm(many, few), few)
    pairs = np.arange(few), chosen
    row, column = pairs if rows <= columns else reversed(pairs)
    return row * columns + column


def match(cost: np.ndarray, association: np.ndarray) -> None:
    """Write the pairs of least total cost as ones into the association, all zeros before.

    Args:
        cost: (batch, M, N) float32 or float64, finite, C-contiguous, min(M, N) <= 5; computed with in float64.
        association: (batch, M, N) of the cost's type, C-contiguous.
    """
    batch, rows, columns = cost.shape
    table = ways(rows, columns)
    nothing = np.full((len(table), FEW - table.shape[1]), rows * columns)  # one entry behind the matrix, always 0
    _match(cost.reshape(batch, -1), np.hstack((table, nothing)), table.shape[1], association.reshape(batch, -1))


def score(cost: Tensor, active: Tensor, present: Tensor) -> Tensor:
    """The association (batch, M, N) in float64, all pairings scored as one matrix product: nothing waits for the host.

    Args:
        cost: (batch, M, N), finite.
        active, present: (batch, N) and (batch, M) bool, who takes part.
    """
    rows, columns = cost.shape[1:]
    indices = torch.from_numpy(ways(rows, columns)).to(cost.device)
    pairings = cost.new_zeros(len(indices), rows * columns, dtype=torch.float64).scatter_(1, indices, 1)
    takes_part = (present.unsqueeze(2) & active.unsqueeze(1)).flatten(1).double()
    total = (cost.double().flatten(1) * takes_part) @ pairings.T
    pairs = takes_part @ pairings.T
    # More pairs come first, then less cost: a pairing may not leave a reference out because that is cheap.
    total = total.masked_fill(pairs < pairs.amax(1, keepdim=True), torch.inf)
    return (pairings[total.argmin(1)] * takes_part).view_as(cost)


@compiled
def _match(cost, table, pairs, association):
    batch, entries = cost.shape
    matrix = np.zeros((entries + 1, _LANES))
    least, best = np.empty(_LANES), np.empty(_LANES, np.int64)
    for start in range(0, batch, _LANES):
        width = min(_LANES, batch - start)
        for lane in range(width):
            for entry in range(entries):
                matrix[entry, lane] = cost[start + lane, entry]
        for lane in range(_LANES):
            least[lane] = np.inf
            best[lane] = 0
        for way in range(len(table)):
            a, b, c, d, e = table[way, 0], table[way, 1], table[way, 2], table[way, 3], table[way, 4]
            for lane in range(_LANES):
                total = matrix[a, lane] + matrix[b, lane] + matrix[c, lane] + matrix[d, lane] + matrix[e, lane]
                best[lane] = way if total < least[lane] else best[lane]
                least[lane] = total if total < least[lane] else least[lane]
        for lane in range(width):
            for pair in range(pairs):
                association[start + lane, table[best[lane], pair]] = 1
