"""Soft assignment by entropic optimal transport (Cuturi, NeurIPS 2013), differentiated at its optimum.

Every estimate and every active reference brings one unit of mass. The side that has more units sends the
surplus to a slack row or column at zero price, so that masks and rectangular costs meet their marginals
exactly and no reference stays without an estimate because that is cheap.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seld.assignment import transport


@dataclass
class Sinkhorn:
    """Assignment layer: the association that trades low cost against entropy, with an implicit gradient.

    Towards temperature 0 it becomes the exact matching; at high temperature every estimate is shared out
    evenly. Memory does not grow with the iterations. Float32 holds down to a temperature of 0.001.
    """

    temperature: float = 0.05
    """in units of the cost (radians): differences well below it are shared out; may be changed at any time"""
    tolerance: float = 1e-5
    """largest error of a row or column sum; a problem that reaches it is not iterated any further"""
    max_iterations: int = 100
    """Newton steps at most, at each of the few temperatures on the way to the final one"""

    def __post_init__(self):
        for name in ("temperature", "tolerance", "max_iterations"):
            if not getattr(self, name) > 0:
                raise ValueError(f"sinkhorn.{name} must be > 0, got {getattr(self, name)}")

    def __call__(self, cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Association (..., M, N) in [0, 1] of estimates (rows) and references (columns).

        Args:
            cost: (..., M, N), finite, usually angles in radians.
            active: (..., N) bool, references that take part; all by default. Silent columns are exactly 0.
            present: (..., M) bool, estimates that take part; all by default.
        """
        if cost.numel() == 0:
            return cost.clone()
        problems = transport.flatten(cost, active, present)
        with torch.autocast(cost.device.type, enabled=False):
            plan = _Transport.apply(problems.cost, *transport.masses(problems), self)
        return plan.reshape(cost.shape).to(cost.dtype)


class _Transport(torch.autograd.Function):
    """Plan (batch, M, N) of a cost (batch, M, N) and the masses of rows and columns (slots, batch)."""

    @staticmethod
    def forward(ctx, cost: Tensor, row_mass: Tensor, column_mass: Tensor, layer: Sinkhorn) -> Tensor:
        ctx.temperature = layer.temperature
        ctx.wide = cost.shape[1] < cost.shape[2]
        ctx.slack = len(column_mass) - cost.shape[2], len(row_mass) - cost.shape[1]
        small, large = (row_mass, column_mass) if ctx.wide else (column_mass, row_mass)
        plan = transport.solve(
            _inward(cost, ctx.wide, ctx.slack),
            large,
            small,
            layer.temperature,
            layer.tolerance,
            layer.max_iterations,
        )
        ctx.save_for_backward(plan, large)
        return _outward(plan, ctx.wide, ctx.slack)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        plan, large = ctx.saved_tensors
        grad_cost = transport.implicit_gradient(
            plan, _inward(grad, ctx.wide, ctx.slack), large, ctx.temperature
        )
        return _outward(grad_cost, ctx.wide, ctx.slack), None, None, None


def _inward(matrix: Tensor, wide: bool, slack: tuple[int, int]) -> Tensor:
    """(batch, M, N) -> (larger side, smaller side, batch), with zeros in the slack column and row."""
    order = (2, 1, 0) if wide else (1, 2, 0)
    return functional.pad(matrix, (0, slack[0], 0, slack[1])).permute(order).contiguous()


def _outward(matrix: Tensor, wide: bool, slack: tuple[int, int]) -> Tensor:
    matrix = matrix.permute((2, 1, 0) if wide else (2, 0, 1))
    return matrix[:, : matrix.shape[1] - slack[1], : matrix.shape[2] - slack[0]]
