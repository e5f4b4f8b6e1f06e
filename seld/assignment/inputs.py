"""What every assignment layer takes: a cost, and who takes part."""

import torch
from torch import Tensor


def check_shapes(cost: Tensor, active: Tensor | None, present: Tensor | None) -> None:
    """See that a cost is (..., M, N), and that masks are bool and fit its references (..., N), estimates (..., M).

    Raises:
        ValueError: names what does not fit.
    """
    if cost.ndim < 2:
        raise ValueError(f"cost must be (..., M, N), got shape {tuple(cost.shape)}")
    *batch, rows, columns = cost.shape
    for name, mask, shape in (("active", active, (*batch, columns)), ("present", present, (*batch, rows))):
        if mask is None:
            continue
        if mask.dtype != torch.bool:
            raise ValueError(f"{name} must be bool, got {mask.dtype}")
        try:
            mask.expand(shape)
        except RuntimeError:
            raise ValueError(f"{name} must broadcast to {shape}, got shape {tuple(mask.shape)}") from None
