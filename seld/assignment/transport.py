"""Entropic optimal transport of many small problems at once: the plan and its implicit gradient.

The plan of largest entropy-regularised score, P_ij = a_i softmax_j(score_ij + v_j), has row sums a exactly
for any potentials v; Newton steps on v make the column sums b (the semi-dual of Cuturi 2013; the damping is
that of generalised self-concordant functions, Sun & Tran-Dinh 2019, so no line search is needed). The
gradient comes from the optimality conditions, not from the iterations (Eisenberger et al., CVPR 2022).

Both need a linear system in the Laplacian of the graph whose nodes are the columns and whose edge weights
are w_jk = sum_i P_ij P_ik / a_i. When the plan is nearly a permutation these weights are tiny and the
system is singular up to rounding: here is where textbook solvers break. Eliminating node by node
(star-mesh) only adds positive numbers, so every weight keeps its relative accuracy, however small.

Shapes: scores and plans (rows, columns, batch), masses (rows or columns, batch). The batch is last, so
that every operation runs along contiguous memory although the matrices are tiny; the cost of a step grows
with columns squared times rows: put the smaller side into the columns.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_MILD = 16.0  # largest cost over temperature from which any start converges in a few steps
_COARSER = 4.0  # from one temperature to the next; a power of 2 scales without rounding
_LOOSE = 0.1  # marginal error at which a coarse stage hands over to the next


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


def masses(problems: Problems) -> tuple[Tensor, Tensor]:
    """Row and column masses (slots, batch): 1 for everyone who takes part.

    The side with less mass gets one more slot, a slack that takes the surplus; a side has it only where
    some problem of the batch needs it.
    """
    row_mass, column_mass = problems.present.T.to(problems.cost), problems.active.T.to(problems.cost)
    surplus = row_mass.sum(0) - column_mass.sum(0)
    # A problem with nobody on either side has no mass at all; one unit of slack makes it solvable.
    empty = (row_mass.sum(0) + column_mass.sum(0) == 0).to(surplus)
    return _with_slack(row_mass, (-surplus).relu() + empty), _with_slack(column_mass, surplus.relu() + empty)


def _with_slack(mass: Tensor, slack: Tensor) -> Tensor:
    return torch.cat((mass, slack.unsqueeze(0))) if slack.any() else mass


def solve(
    cost: Tensor,
    row_mass: Tensor,
    column_mass: Tensor,
    temperature: float,
    tolerance: float,
    max_iterations: int,
) -> Tensor:
    """The plan (rows, columns, batch): row sums exact, column sums to `tolerance`, empty columns exactly 0.

    Temperatures from coarse to fine, each started from the potentials of the one before. The potentials
    live inside the score: added to it, entries that matter stay near 0 and keep their resolution, while
    potentials kept apart would lose the marginals to rounding at low temperature.

    Args:
        cost: (rows, columns, batch), finite.
        row_mass, column_mass: (rows, batch) and (columns, batch), >= 0, with equal totals > 0.
        max_iterations: Newton steps per stage.
    """
    stages, coarsest = [temperature], float(cost.abs().amax()) / _MILD
    while stages[-1] < coarsest:
        stages.append(stages[-1] * _COARSER)
    score = _start(-cost / stages[-1], row_mass, column_mass)
    for stage in reversed(stages):
        if stage != stages[-1]:
            score = score * _COARSER
        allowed = tolerance if stage == temperature else _LOOSE
        score = _newton(score, row_mass, column_mass, allowed, max_iterations)
    return _plan(score, row_mass)


def implicit_gradient(plan: Tensor, grad_plan: Tensor, row_mass: Tensor, temperature: float) -> Tensor:
    """Gradient to the cost (rows, columns, batch), given the gradient to the plan, with both masses fixed.

    With G the gradient to the plan, the multipliers y of the column sums solve L y = c, where L is the
    Laplacian of the weights w_jk and c_j the sum over k of the currents
    c_jk = sum_i P_ij P_ik / a_i (G_ij - G_ik); those of the row sums follow. Each current is at most its
    weight times the range of G, so as long as currents are kept pair by pair, their ratios to the weights
    stay bounded even where both underflow.
    """
    share = _per_row(plan, row_mass)
    weight = _gram(share, plan)
    current = _gram(share * grad_plan, plan)
    current = current - current.transpose(0, 1)
    multiplier = _eliminate_currents(weight, current)
    centred = grad_plan - multiplier
    # Counted from the entry that holds most of the row: what is left is small and exact where the plan is
    # nearly a permutation, instead of a difference of two large numbers.
    centred = centred - centred.gather(1, plan.argmax(1, keepdim=True))
    return -plan * (centred - (share * centred).sum(1, keepdim=True)) / temperature


def _start(score: Tensor, row_mass: Tensor, column_mass: Tensor) -> Tensor:
    """Scores with the potentials of one Sinkhorn iteration added; columns without mass become -inf."""
    log_row, log_column = row_mass.log(), column_mass.log()
    row_potential = -torch.logsumexp(score + log_column, 1, keepdim=True)
    return score + log_column - torch.logsumexp(score + row_potential + log_row.unsqueeze(1), 0)


def _newton(
    score: Tensor, row_mass: Tensor, column_mass: Tensor, tolerance: float, max_iterations: int
) -> Tensor:
    """Scores whose plan has the column masses to `tolerance`; solved items leave the batch on the way."""
    solved = score.clone()
    unsolved = torch.arange(score.shape[-1], device=score.device)
    for _ in range(max_iterations):
        score = score - score.amax(1, keepdim=True)
        plan = _plan(score, row_mass)
        missing = column_mass - plan.sum(0)
        again = (missing.abs().amax(0) > tolerance).nonzero().squeeze(1)
        if len(again) < 0.7 * len(unsolved) or len(again) == 0:  # copying every time would cost more
            solved[..., unsolved] = score
            if len(again) == 0:
                return solved
            unsolved = unsolved[again]
            score, plan, missing = score[..., again], plan[..., again], missing[..., again]
            row_mass, column_mass = row_mass[..., again], column_mass[..., again]
        step = _solve_laplacian(_gram(_per_row(plan, row_mass), plan), missing)
        length = _range(step, column_mass > 0).clamp_min(1e-6)
        score = score + step * (length.log1p() / length)
    solved[..., unsolved] = score
    return solved


def _plan(score: Tensor, row_mass: Tensor) -> Tensor:
    return score.softmax(1) * row_mass.unsqueeze(1)


def _per_row(plan: Tensor, row_mass: Tensor) -> Tensor:
    """Each row's distribution over the columns; 0 for rows without mass."""
    return plan / row_mass.masked_fill(row_mass == 0, 1).unsqueeze(1)


def _gram(a: Tensor, b: Tensor) -> Tensor:
    """sum_i a_ij b_ik, (rows, columns, batch) twice -> (columns, columns, batch)."""
    if a.shape[1] <= 10:  # a batched matrix product has more overhead than work here
        return (a.unsqueeze(2) * b.unsqueeze(1)).sum(0)
    return (a.permute(2, 1, 0) @ b.permute(2, 0, 1)).permute(1, 2, 0)


def _range(step: Tensor, counts: Tensor) -> Tensor:
    """Largest minus smallest entry (batch) over the columns that count."""
    return step.masked_fill(~counts, -torch.inf).amax(0) - step.masked_fill(~counts, torch.inf).amin(0)


def _solve_laplacian(weight: Tensor, flow: Tensor) -> Tensor:
    """Potentials (columns, batch) that drive the flows (columns, batch) through a graph of these weights.

    A tiny conductance from every node to the ground fixes the free constant of each part of the graph that
    has come apart; a part that must still exchange mass gets a large step, which the damping cuts.
    """
    ground = 0.1 * torch.finfo(weight.dtype).eps
    weight, flow = weight.clone(), flow.clone()
    totals = {}
    for node in range(len(flow) - 1, 0, -1):
        edges = weight[node, :node].clone()
        totals[node] = edges.sum(0) + ground
        share = edges / totals[node]
        weight[:node, :node] += share.unsqueeze(1) * edges
        flow[:node] += share * flow[node]
    potential = torch.zeros_like(flow)
    for node, total in reversed(totals.items()):
        potential[node] = (flow[node] + (weight[node, :node] * potential[:node]).sum(0)) / total
    return potential


def _eliminate_currents(weight: Tensor, current: Tensor) -> Tensor:
    """The potentials (columns, batch) of a Laplacian whose flows are sums of pair currents, see above."""
    smallest = torch.finfo(weight.dtype).tiny
    weight, current = weight.clone(), current.clone()
    totals = {}
    for node in range(len(weight) - 1, 0, -1):
        edges, currents = weight[node, :node].clone(), current[node, :node].clone()
        totals[node] = edges.sum(0).clamp_min(smallest)  # nothing flows to a node that is cut off
        share = edges / totals[node]
        weight[:node, :node] += share.unsqueeze(1) * edges
        current[:node, :node] += share.unsqueeze(1) * currents - currents.unsqueeze(1) * share
    potential = torch.zeros_like(weight[0])
    for node in range(1, len(weight)):
        inflow = current[node, :node] + weight[node, :node] * potential[:node]
        potential[node] = inflow.sum(0) / totals[node]
    return potential
