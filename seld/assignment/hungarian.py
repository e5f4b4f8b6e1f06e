"""Exact assignment (Kuhn 1955): every set of pairs with the least total cost, for a whole batch at once."""

import math

import torch
from torch import Tensor

from seld.assignment.inputs import check_shapes

_MOST_TRIED = 120  # ways to pair; beyond that augmenting paths are faster than trying them all
_HUGE = 2.0**500  # costs beyond it are scaled down, so that sums of them do not overflow


def hungarian(
    cost: Tensor, active: Tensor | None = None, present: Tensor | None = None, forbid: bool = False
) -> Tensor:
    """The 0/1 association (..., M, N) of least total cost; as many pairs as the smaller side allows.

    Tiny problems are solved by trying every way to pair, larger ones along shortest augmenting paths, in loops that
    numba compiles at their first use (some seconds, once per machine). Totals are float64 whatever the cost is. On a
    GPU small problems are solved there by one matrix product, larger ones on the host. Which of several optima comes
    out is not defined. No gradient flows through.

    Args:
        cost: (..., M, N), estimates by references, finite.
        active: (..., N) bool, references that take part; all by default. Silent columns come out 0.
        present: (..., M) bool, estimates that take part; all by default.
        forbid: take a cost of +inf for a pair that may not be made. There are then as many pairs as the others allow,
            and an estimate or reference without any stays unmatched; its row or column comes out 0.
    Raises:
        ValueError: when the cost is not finite (with `forbid`: nan or -inf), naming the first such matrix of the batch;
            when a mask is not bool or does not fit.
    """
    check_shapes(cost, active, present)
    if cost.numel() == 0:
        return torch.zeros_like(cost)
    *batch, rows, columns = cost.shape
    exact = cost.dtype if cost.dtype in (torch.float32, torch.float64) else torch.float64
    flat = cost.detach().to(exact).reshape(-1, rows, columns)
    least, most = (extreme.item() for extreme in flat.aminmax())  # nan if there is one
    forbidden = None
    if not math.isfinite(least) or not math.isfinite(most):
        forbidden = flat.isposinf()
        if not forbid or math.isnan(least) or least == -math.inf:
            raise ValueError(f"cost must be finite, got {_first_not_finite(flat, batch, forbid)} of the batch")
        flat = _replace(flat, forbidden)
    elif max(-least, most) > _HUGE:
        flat = flat / _HUGE
    association = _solve(flat, _flat(active, (*batch, columns)), _flat(present, (*batch, rows)))
    if forbidden is not None:
        association = association.masked_fill(forbidden, 0)
    return association.to(cost.dtype).reshape(cost.shape)


def _first_not_finite(flat: Tensor, batch: list[int], forbid: bool) -> str:
    wrong = ~flat.isfinite() & ~(flat.isposinf() & forbid)
    matrix, row, column = (int(index) for index in wrong.nonzero()[0])
    place = tuple(int(index) for index in torch.unravel_index(torch.tensor(matrix), batch)) if batch else ()
    return f"{flat[matrix, row, column].item()} in matrix {place[0] if len(place) == 1 else place}"


def _replace(cost: Tensor, forbidden: Tensor) -> Tensor:
    """Float64 costs from 0 (batch, M, N) in which one forbidden pair is dearer than all that can be paired without."""
    cost = cost.double()
    finite = cost.masked_fill(forbidden, 0)
    if finite.abs().amax() > _HUGE:
        cost, finite = cost / _HUGE, finite / _HUGE
    least = cost.flatten(1).amin(1).nan_to_num(posinf=0)[:, None, None]
    spread = (finite - least).masked_fill(forbidden, 0).flatten(1).amax(1)[:, None, None]
    price = (min(cost.shape[1:]) + 1) * spread.masked_fill(spread == 0, 1)
    return torch.where(forbidden, price, finite - least)


def _flat(mask: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    """The mask (batch, slots), or None where it leaves nobody out."""
    if mask is None or mask.all():
        return None
    return mask.expand(shape).reshape(-1, shape[-1])


def _solve(cost: Tensor, active: Tensor | None, present: Tensor | None) -> Tensor:
    from seld.assignment import augmenting, enumerating  # compiled code, slow to import

    batch, rows, columns = cost.shape
    ways = math.perm(max(rows, columns), min(rows, columns))
    everyone = active is None and present is None
    active = cost.new_ones((batch, columns), dtype=torch.bool) if active is None else active
    present = cost.new_ones((batch, rows), dtype=torch.bool) if present is None else present
    if cost.device.type == "cuda" and ways <= _MOST_TRIED:  # MPS has no float64
        return enumerating.score(cost, active, present)
    matrices = cost.cpu().contiguous()
    association = torch.zeros_like(matrices)
    if everyone and min(rows, columns) <= enumerating.FEW and ways <= _MOST_TRIED:
        enumerating.match(matrices.numpy(), association.numpy())
    else:
        masks = active.cpu().contiguous().numpy(), present.cpu().contiguous().numpy()
        augmenting.match(matrices.numpy(), *masks, association.numpy())
    return association.to(cost.device)
