"""Soft assignment by entropic optimal transport (Cuturi, NeurIPS 2013), differentiated at its optimum.

Every estimate and every active reference brings one unit of mass. The side that has more units sends the
surplus to a slack row or column at zero price, so that masks and rectangular costs meet their marginals
exactly and no reference stays without an estimate because that is cheap. With a slack price, both sides have
a slack, and a pair is made only where it costs less than the price.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from seld.assignment import transport
from seld.assignment.inputs import check_shapes


class SoftAssignment(NamedTuple):
    """An association, and how far the solver got."""

    association: Tensor
    """(..., M, N)"""
    marginal_error: Tensor
    """(...), largest error of a row or column sum"""
    iterations: Tensor
    """(...), Newton steps and scalings at the final temperature"""


@dataclass
class Sinkhorn:
    """Assignment layer: the association that trades low cost against entropy, with an implicit gradient.

    Towards temperature 0 it becomes the exact matching; at high temperature every estimate is shared out
    evenly. Memory does not grow with the iterations. Float32 holds down to a temperature of 0.001.
    Second derivatives are refused with a RuntimeError.
    """

    temperature: float = 0.05
    """in units of the cost (radians): differences well below it are shared out; may be changed at any time"""
    tolerance: float = 1e-5
    """largest error of a row or column sum; a problem that reaches it is not iterated any further"""
    max_iterations: int = 100
    """Newton steps at most, at each of the few temperatures on the way to the final one"""
    slack_price: float | None = None
    """cost (radians) at which an estimate and a reference rather stay unmatched than form a pair; none: the
    smaller side is matched whatever it costs"""

    def __post_init__(self):
        for name in ("temperature", "tolerance", "max_iterations"):
            if not getattr(self, name) > 0:
                raise ValueError(f"sinkhorn.{name} must be > 0, got {getattr(self, name)}")
        if self.slack_price is not None and not 0 < self.slack_price < math.inf:
            raise ValueError(f"sinkhorn.slack_price must be > 0 and finite, got {self.slack_price}")

    def __call__(self, cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Association (..., M, N) in [0, 1] of estimates (rows) and references (columns).

        Args:
            cost: (..., M, N), finite, usually angles in radians.
            active: (..., N) bool, references that take part; all by default. Silent columns are exactly 0.
            present: (..., M) bool, estimates that take part; all by default.
        Raises:
            ValueError: when a mask is not bool or does not fit.
        """
        return self.solve(cost, active, present).association

    def solve(self, cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> SoftAssignment:
        """The association with a report of how far the solver got; arguments as for the call."""
        check_shapes(cost, active, present)
        *batch, rows, columns = cost.shape
        if cost.numel() == 0:
            return SoftAssignment(cost.clone(), cost.new_zeros(batch), cost.new_zeros(batch))
        problems = transport.flatten(cost, active, present)
        priced = self.slack_price is not None
        row_mass, column_mass = transport.masses(problems, both=priced)
        slack = (0, len(column_mass) - columns, 0, 0), (0, 0, 0, len(row_mass) - rows)
        # Nobody pays for an unmatched reference: it would be the same price again, for the pair that is not made.
        padded = functional.pad(problems.cost, slack[0], value=self.slack_price or 0.0)
        padded = functional.pad(padded, slack[1])
        solved = transport.solve_units(
            padded, row_mass.T, column_mass.T, self.temperature, self.tolerance, self.max_iterations
        )
        return SoftAssignment(
            solved.plan[:, :rows, :columns].reshape(cost.shape).to(cost.dtype),
            solved.marginal_error.reshape(batch),
            solved.iterations.reshape(batch),
        )
