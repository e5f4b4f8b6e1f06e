"""Entropic optimal transport in batches: the plan, and its gradient to the cost and to both marginals.

The plan P minimises <cost, P> - temperature * entropy(P) among all matrices with given row and column sums (Cuturi,
NeurIPS 2013). The gradient comes from the conditions that hold at the optimum, not from the iterations (Eisenberger
et al., CVPR 2022): with G the gradient to the plan, multipliers x, y of the rows and columns solve

    sum_j P_ij (G_ij - x_i - y_j) = 0 for all i,    sum_i P_ij (G_ij - x_i - y_j) = 0 for all j,

and the gradient is -P (G - x - y) / temperature to the cost, x to the row sums and y to the column sums. Memory does
not grow with the iterations. The larger side is eliminated, which leaves a system of the size of the smaller one.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seld.assignment import transport_large, transport_small

# Slots of the smaller side up to which elimination node by node beats a factorization:
_MOST_COMPILED = 100  # on the CPU
_MOST_SMALL = 10  # elsewhere


class Transport(NamedTuple):
    """A solution, and how far the solver got."""

    plan: Tensor
    """(..., M, N), differentiable once"""
    marginal_error: Tensor
    """(...), largest error of a row or column sum"""
    iterations: Tensor
    """(...), Newton steps and scalings at the final temperature"""


def plan(cost: Tensor, row_mass: Tensor, column_mass: Tensor, temperature: float, **options: float) -> Tensor:
    """The plan (..., M, N) of `solve`, without the report."""
    return solve(cost, row_mass, column_mass, temperature, **options).plan


def solve(
    cost: Tensor,
    row_mass: Tensor,
    column_mass: Tensor,
    temperature: float,
    tolerance: float = 1e-5,
    max_iterations: int = 100,
) -> Transport:
    """The entropic transport plan with these row and column sums, with gradients to all three tensors.

    Column masses are brought to the exact total of the row masses, as part of what is differentiated, so that the
    gradients to the masses are defined without a constraint. A slot without mass gets nothing; its gradient is that
    of the first mass to arrive there.

    Args:
        cost: (..., M, N), finite.
        row_mass, column_mass: (..., M) and (..., N), >= 0, of equal total > 0; they broadcast over the batch.
        temperature: in units of the cost, > 0.
        tolerance: marginal error at which a problem is solved, as a share of the mean mass on the smaller side.
        max_iterations: Newton steps at most, at each of the few temperatures on the way to the given one.
    Raises:
        ValueError: when an argument is out of range, or the totals of a problem differ by more than a thousandth.
    """
    check_options(temperature=temperature, tolerance=tolerance, max_iterations=max_iterations)
    *batch, rows, columns = cost.shape
    if cost.numel() == 0:
        return Transport(cost.clone(), cost.new_zeros(batch), cost.new_zeros(batch))
    exact = torch.promote_types(cost.dtype, torch.float32)  # half precision cannot hold cost over temperature
    flat = cost.to(exact).reshape(-1, rows, columns)
    row_mass = row_mass.to(exact).expand(*batch, rows).reshape(-1, rows)
    column_mass = column_mass.to(exact).expand(*batch, columns).reshape(-1, columns)
    total = row_mass.sum(1, keepdim=True)
    _check(flat, row_mass, column_mass, total)
    column_mass = column_mass * (total / column_mass.sum(1, keepdim=True))
    unit = total.detach() / min(rows, columns)
    solved = solve_units(flat, row_mass / unit, column_mass / unit, temperature, tolerance, max_iterations)
    return Transport(
        (solved.plan * unit.unsqueeze(2)).reshape(cost.shape).to(cost.dtype),
        (solved.marginal_error * unit.squeeze(1)).reshape(batch),
        solved.iterations.reshape(batch),
    )


def solve_units(
    cost: Tensor, row_mass: Tensor, column_mass: Tensor, temperature: float, tolerance: float, max_iterations: int
) -> Transport:
    """The same for a flat batch of problems whose masses are of order 1 and have equal totals; nothing is checked."""
    with torch.autocast(cost.device.type, enabled=False):
        solved = _Plan.apply(cost, row_mass, column_mass, temperature, tolerance, max_iterations)
    return Transport(*solved)


def check_options(**options: float) -> None:
    """Raises a ValueError that names the first option which is not above 0."""
    for name, value in options.items():
        if not value > 0:
            raise ValueError(f"{name} must be > 0, got {value}")


def _check(cost: Tensor, row_mass: Tensor, column_mass: Tensor, total: Tensor) -> None:
    if not cost.isfinite().all():
        raise ValueError(f"cost must be finite, got {cost[~cost.isfinite()][0].item()}")
    least = min(row_mass.amin().item(), column_mass.amin().item())
    if not least >= 0:
        raise ValueError(f"mass must be >= 0, got {least}")
    if not total.amin() > 0:
        raise ValueError(f"total mass must be > 0, got {total.amin().item()}")
    ratio = column_mass.sum(1) / total.squeeze(1)
    farthest = ratio[(ratio - 1).abs().argmax()].item()
    if not abs(farthest - 1) < 1e-3:
        raise ValueError(f"column masses must have the total of the row masses, got {farthest} times as much")


class Problems(NamedTuple):
    """A flat batch of assignment problems."""

    cost: Tensor
    """(batch, M, N), 0 where the estimate or the reference is absent"""
    active: Tensor
    """(batch, N) bool, references that take part"""
    present: Tensor
    """(batch, M) bool, estimates that take part"""

    @property
    def valid(self) -> Tensor:
        """(batch, M, N) bool, entries whose estimate and reference both take part."""
        return self.present.unsqueeze(2) & self.active.unsqueeze(1)


def flatten(cost: Tensor, active: Tensor | None, present: Tensor | None) -> Problems:
    """Problems from a cost (..., M, N) and masks that broadcast to (..., N) and (..., M), all set by default.

    The cost is at least float32: half precision cannot hold cost over temperature.
    """
    *batch, rows, columns = cost.shape
    masks = []
    for mask, slots in ((active, columns), (present, rows)):
        mask = torch.ones(slots, dtype=torch.bool, device=cost.device) if mask is None else mask
        masks.append(mask.expand(*batch, slots).reshape(-1, slots))
    active, present = masks
    exact = cost.to(torch.promote_types(cost.dtype, torch.float32)).reshape(-1, rows, columns)
    problems = Problems(exact, active, present)
    return problems._replace(cost=exact.masked_fill(~problems.valid, 0))


def masses(problems: Problems, both: bool = False) -> tuple[Tensor, Tensor]:
    """Row and column masses (slots, batch): 1 for everyone who takes part.

    The side with less mass gets one more slot, a slack that takes the surplus; a side has it only where some problem
    of the batch needs it. With `both`, both sides have a slack, with room for everyone of the other side.
    """
    row_mass, column_mass = problems.present.T.to(problems.cost), problems.active.T.to(problems.cost)
    rows, columns = row_mass.sum(0), column_mass.sum(0)
    # A problem with nobody on either side has no mass at all; one unit of slack makes it solvable.
    empty = (rows + columns == 0).to(rows)
    row_slack, column_slack = (columns, rows) if both else ((columns - rows).relu(), (rows - columns).relu())
    return _with_slack(row_mass, row_slack + empty), _with_slack(column_mass, column_slack + empty)


def _with_slack(mass: Tensor, slack: Tensor) -> Tensor:
    return torch.cat((mass, slack.unsqueeze(0))) if slack.any() else mass


class _Plan(torch.autograd.Function):
    """(batch, M, N) plan, (batch) marginal error and iterations; the larger side goes into the rows of the solver."""

    @staticmethod
    def forward(ctx, cost, row_mass, column_mass, temperature, tolerance, max_iterations):
        ctx.wide, ctx.temperature = cost.shape[1] < cost.shape[2], temperature
        if ctx.wide:
            cost, row_mass, column_mass = cost.transpose(1, 2), column_mass, row_mass
        solver = _solver(cost)
        plan, potential, error, iterations = solver.solve(
            cost, row_mass, column_mass, temperature, tolerance, max_iterations
        )
        ctx.save_for_backward(cost, row_mass, column_mass, plan, potential)
        ctx.mark_non_differentiable(error, iterations)
        return plan.transpose(1, 2) if ctx.wide else plan, error, iterations

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        cost, row_mass, column_mass, plan, potential = ctx.saved_tensors
        if ctx.wide:
            grad = grad.transpose(1, 2)
        share = plan / row_mass.masked_fill(row_mass == 0, 1).unsqueeze(2)
        empty = any(ctx.needs_input_grad[1:3]) and bool((row_mass == 0).any() or (column_mass == 0).any())
        if empty:
            score = potential.unsqueeze(1) - cost / ctx.temperature
            share = torch.where((row_mass == 0).unsqueeze(2), score.softmax(2), share)
        # centred: G - x - y
        centred, row_grad, column_grad = _solver(cost).multipliers(plan, share, grad)
        grad_cost = -plan * centred / ctx.temperature
        if empty:
            # Of the first mass to arrive in a column, each row gives this share.
            offered = -cost / ctx.temperature + (row_mass.log() - score.logsumexp(2)).unsqueeze(2)
            first = (offered.softmax(1) * (grad - row_grad.unsqueeze(2))).sum(1)
            column_grad = torch.where(column_mass == 0, first, column_grad)
        if ctx.wide:
            grad_cost, row_grad, column_grad = grad_cost.transpose(1, 2), column_grad, row_grad
        return grad_cost, row_grad, column_grad, None, None, None


def _solver(cost: Tensor):
    """The module that solves problems of this size on this device."""
    columns = cost.shape[2]
    if cost.device.type == "cpu" and columns <= _MOST_COMPILED:
        from seld.assignment import transport_compiled  # slow to import

        return transport_compiled
    return transport_small if columns <= _MOST_SMALL else transport_large
