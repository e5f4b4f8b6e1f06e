"""Exact assignment (Kuhn 1955): every set of pairs with the least total cost, for a whole batch at once."""

import functools
import itertools

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

_MOST_ENUMERATED = 720  # ways to pair; beyond that SciPy's solver is faster than scoring all of them


def hungarian(cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> Tensor:
    """The 0/1 association (..., M, N) of least total cost; as many pairs as the smaller side allows.

    Small problems are solved by scoring every way to pair at once, as one matrix product; larger ones by
    SciPy, one matrix after the other.

    Args:
        cost: (..., M, N), estimates by references, finite.
        active: (..., N) bool, references that take part; all by default. Silent columns come out 0.
        present: (..., M) bool, estimates that take part; all by default.
    Raises:
        ValueError: when the cost is not finite; names the first such matrix of the batch.
    """
    if cost.numel() == 0:
        return torch.zeros_like(cost)
    *batch, rows, columns = cost.shape
    flat = cost.detach().reshape(-1, rows, columns)
    finite = flat.isfinite().flatten(1).all(-1)
    if not finite.all():
        raise ValueError(f"cost must be finite, matrix {int((~finite).nonzero()[0])} of the batch is not")
    active = _mask(active, (*batch, columns), cost.device).reshape(-1, columns)
    present = _mask(present, (*batch, rows), cost.device).reshape(-1, rows)
    solve = _enumerate if _ways(rows, columns) <= _MOST_ENUMERATED else _solve_each
    return solve(flat, active, present).to(cost.dtype).reshape(cost.shape)


def _mask(mask: Tensor | None, shape: tuple[int, ...], device: torch.device) -> Tensor:
    if mask is None:
        return torch.ones(shape, dtype=torch.bool, device=device)
    return mask.expand(shape)


def _ways(rows: int, columns: int) -> int:
    few, many = sorted((rows, columns))
    ways = 1
    for choice in range(many - few + 1, many + 1):
        ways *= choice
    return ways


@functools.lru_cache(maxsize=64)
def _pairings(rows: int, columns: int) -> Tensor:
    """All ways to pair the smaller side with the larger, (ways, rows, columns), 0/1."""
    few, many = sorted((rows, columns))
    chosen = torch.tensor(list(itertools.permutations(range(many), few)))
    table = torch.nn.functional.one_hot(chosen, many).float()  # (ways, few, many)
    return table if rows <= columns else table.transpose(1, 2).contiguous()


def _enumerate(cost: Tensor, active: Tensor, present: Tensor) -> Tensor:
    pairings = _pairings(*cost.shape[1:]).to(cost)
    takes_part = (present.unsqueeze(-1) & active.unsqueeze(-2)).to(cost.dtype)
    flat = pairings.flatten(1)
    total = (cost * takes_part).flatten(1) @ flat.T
    pairs = takes_part.flatten(1) @ flat.T
    # More pairs come first, then less cost: a pairing may not leave a reference out because that is cheap.
    total = total.masked_fill(pairs < pairs.amax(-1, keepdim=True), torch.inf)
    return pairings[total.argmin(-1)] * takes_part


def _solve_each(cost: Tensor, active: Tensor, present: Tensor) -> Tensor:
    association = torch.zeros_like(cost)
    matrices = cost.double().cpu().numpy()
    for index, (columns, rows) in enumerate(zip(active.cpu().numpy(), present.cpu().numpy(), strict=True)):
        row_ids, column_ids = rows.nonzero()[0], columns.nonzero()[0]
        row, column = linear_sum_assignment(matrices[index][row_ids][:, column_ids])
        association[index, row_ids[row], column_ids[column]] = 1
    return association
