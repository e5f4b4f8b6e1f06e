"""Entropic transport of many small problems at once: Newton's method by elimination of nodes, batch last.

The plan of largest entropy-regularised score, P_ij = a_i softmax_j(score_ij + v_j), has row sums a exactly
for any potentials v; Newton steps on v make the column sums b (the semi-dual of Cuturi 2013; the damping is
that of generalised self-concordant functions, Sun & Tran-Dinh 2019, so no line search is needed).

Both the steps and the gradient need a linear system in the Laplacian of the graph whose nodes are the columns and
whose edge weights are w_jk = sum_i P_ij P_ik / a_i. When the plan is nearly a permutation these weights are tiny and
the system is singular up to rounding: here is where textbook solvers break. Eliminating node by node (star-mesh) only
adds positive numbers, so every weight keeps its relative accuracy, however small.

Shapes inside: scores and plans (rows, columns, batch), masses (rows or columns, batch). The batch is last, so that
every operation runs along contiguous memory although the matrices are tiny; the cost of a step grows with columns
squared times rows: put the smaller side into the columns.
"""

import torch
from torch import Tensor

from seld.assignment.annealing import Solved, descend


def solve(
    cost: Tensor, row_mass: Tensor, column_mass: Tensor, temperature: float, tolerance: float, max_iterations: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Plan (batch, rows, columns), potentials of the columns (batch, columns), error and iterations (batch).

    Row sums are exact, column sums to `tolerance`, columns without mass exactly 0.

    Args:
        cost: (batch, rows, columns), finite.
        row_mass, column_mass: (batch, rows) and (batch, columns), >= 0, with equal totals > 0.
        max_iterations: Newton steps per stage.
    """
    row_mass, column_mass = row_mass.T.contiguous(), column_mass.T.contiguous()

    def start(score: Tensor) -> tuple[Tensor, Tensor]:
        return _start(score, row_mass, column_mass)

    def improve(score: Tensor, potential: Tensor, allowed: float) -> Solved:
        return _newton(score, potential, row_mass, column_mass, allowed, max_iterations)

    solved = descend(cost.permute(1, 2, 0).contiguous(), temperature, tolerance, start, improve)
    plan = _share(solved.score) * row_mass.unsqueeze(1)
    return plan.permute(2, 0, 1), solved.potential.T, solved.error, solved.iterations


def multipliers(plan: Tensor, share: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is left of the gradient, G - x - y, and the multipliers x of the rows and y of the columns.

    The multipliers y solve L y = c, where L is the Laplacian of the weights w_jk and c_j the sum over k of the
    currents c_jk = sum_i P_ij P_ik / a_i (G_ij - G_ik); x follows. Each current is at most its weight times the range
    of G, so as long as currents are kept pair by pair, their ratios to the weights stay bounded even where both
    underflow.

    Args:
        plan: (batch, rows, columns).
        share: (batch, rows, columns), each row's distribution over the columns.
        grad: (batch, rows, columns), G, to the plan.
    """
    plan, share, grad = (matrix.permute(1, 2, 0).contiguous() for matrix in (plan, share, grad))
    weight = _gram(share, plan)
    current = _gram(share * grad, plan)
    column = _eliminate_currents(weight, current - current.transpose(0, 1))
    centred = grad - column
    # Counted from the entry that holds most of the row: what is left is small and exact where the plan is
    # nearly a permutation, instead of a difference of two large numbers.
    most = centred.gather(1, share.argmax(1, keepdim=True))
    centred = centred - most
    mean = (share * centred).sum(1, keepdim=True)
    return (centred - mean).permute(2, 0, 1), (most + mean).squeeze(1).T, column.T


def _start(score: Tensor, row_mass: Tensor, column_mass: Tensor) -> tuple[Tensor, Tensor]:
    """Score and potential after one Sinkhorn iteration."""
    log_row, log_column = row_mass.log(), column_mass.log()
    row_potential = -torch.logsumexp(score + log_column, 1, keepdim=True)
    potential = log_column - torch.logsumexp(score + row_potential + log_row.unsqueeze(1), 0)
    return score + potential, potential


def _newton(
    score: Tensor, potential: Tensor, row_mass: Tensor, column_mass: Tensor, tolerance: float, max_iterations: int
) -> Solved:
    """The solution to `tolerance`; solved problems leave the batch on the way."""
    none = score.new_zeros(score.shape[-1])
    solved = Solved(score.clone(), potential.clone(), none, none.clone())
    unsolved = torch.arange(score.shape[-1], device=score.device)
    for iteration in range(max_iterations + 1):
        score = score - score.amax(1, keepdim=True)
        share = _share(score)
        plan = share * row_mass.unsqueeze(1)
        missing = column_mass - plan.sum(0)
        error = missing.abs().amax(0)
        again = (error > tolerance).nonzero().squeeze(1)
        if iteration == max_iterations:
            again = again[:0]
        if len(again) < 0.7 * len(unsolved) or len(again) == 0:  # copying every time would cost more
            solved.score[..., unsolved], solved.potential[:, unsolved] = score, potential
            solved.error[unsolved], solved.iterations[unsolved] = error, float(iteration)
            if len(again) == 0:
                break
            unsolved = unsolved[again]
            score, potential, share, plan, missing, row_mass, column_mass = (
                kept[..., again] for kept in (score, potential, share, plan, missing, row_mass, column_mass)
            )
        step = _solve_laplacian(_gram(share, plan), missing)
        length = _range(step, column_mass > 0).clamp_min(1e-6)
        step = step * (length.log1p() / length)
        score, potential = score + step, potential + step
    return solved


def _share(score: Tensor) -> Tensor:
    return score.softmax(1)


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
