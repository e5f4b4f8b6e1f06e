"""Entropic transport of large problems: scaling iterations, then Newton's method by a Cholesky factorization.

The same problem, steps and damping as in transport_small.py, for matrices that fill the vector units by themselves.
Scaling (Sinkhorn's own iteration) is so cheap here that some of it comes first. Linear systems are in float64: their
weights w_jk = sum_i P_ij P_ik / a_i keep the precision of the plan, but where the plan has come apart into blocks the
Laplacian has nearly one zero eigenvalue for each, which float32 cannot tell from rounding. A tiny conductance to the
ground stands in for what couples the blocks, and moves only entries of the plan that are as tiny.

Shapes: (batch, rows, columns) and (batch, rows or columns); put the smaller side into the columns.
"""

import torch
from torch import Tensor

from seld.assignment.annealing import Solved, descend

_SCALINGS = 60  # per stage, before the first Newton step; one step costs as much as about 20
_GROUND = 1e-13  # against the mean mass, 1: what float64 still resolves
_UNEVEN = 0.05  # least mass, against the mean, that float32 tells from the rounding of the others


def solve(
    cost: Tensor, row_mass: Tensor, column_mass: Tensor, temperature: float, tolerance: float, max_iterations: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Plan (batch, rows, columns), potentials of the columns (batch, columns), error and iterations (batch).

    Row sums are exact, column sums to `tolerance`, columns without mass exactly 0. Arguments as in transport_small.
    Very uneven masses (images) are solved in float64 whatever the type: float32 would stall.
    """
    if cost.dtype == torch.float32 and min(_least(row_mass), _least(column_mass)) < _UNEVEN:
        cost, row_mass, column_mass = (tensor.double() for tensor in (cost, row_mass, column_mass))
        # Totals that agree in float32 only would leave a flow with nowhere to go.
        column_mass = column_mass * (row_mass.sum(1, keepdim=True) / column_mass.sum(1, keepdim=True))
        plan, potential, error, iterations = solve(cost, row_mass, column_mass, temperature, tolerance, max_iterations)
        return plan.float(), potential.float(), error.float(), iterations.float()

    def start(score: Tensor) -> tuple[Tensor, Tensor]:
        potential = torch.zeros_like(column_mass).masked_fill(column_mass == 0, -torch.inf)
        return score + potential.unsqueeze(1), potential

    def improve(score: Tensor, potential: Tensor, allowed: float) -> Solved:
        score, potential, scalings = _scale(score, potential, row_mass, column_mass, allowed)
        solved = _newton(score, potential, row_mass, column_mass, allowed, max_iterations)
        return solved._replace(iterations=solved.iterations + scalings)

    solved = descend(cost, temperature, tolerance, start, improve)
    return _share(solved.score) * row_mass.unsqueeze(2), solved.potential, solved.error, solved.iterations


def multipliers(plan: Tensor, share: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is left of the gradient, G - x - y, and the multipliers x of the rows and y of the columns.

    In float64 throughout but for the weights: rows are centred before they are summed, so that the flows into a block
    that has come apart add up to 0 but for its tiny couplings.

    Args:
        plan: (batch, rows, columns).
        share: (batch, rows, columns), each row's distribution over the columns.
        grad: (batch, rows, columns), G, to the plan.
    """
    laplacian = _laplacian(share, plan, _GROUND)
    share = share.double()
    share = share / share.sum(2, keepdim=True).clamp_min(_GROUND)  # 0 where a row has no mass
    centred = grad.double()
    centred = centred - (share * centred).sum(2, keepdim=True)
    column = _solve(laplacian, (plan.double().sum(2, keepdim=True) * share * centred).sum(1))
    left = grad - column.unsqueeze(1)
    row = (share * left).sum(2)
    return tuple(x.to(grad.dtype) for x in (left - row.unsqueeze(2), row, column))


def _least(mass: Tensor) -> float:
    """The smallest mass above 0."""
    return mass.masked_fill(mass == 0, torch.inf).amin().item()


def _scale(
    score: Tensor, potential: Tensor, row_mass: Tensor, column_mass: Tensor, tolerance: float
) -> tuple[Tensor, Tensor, int]:
    """Score and potential after up to `_SCALINGS` Sinkhorn iterations on the kernel, and how many it took.

    Each factor stays within what the type can hold: a step that would leave it is cut short, which is harmless.
    """
    score = score - score.amax(2, keepdim=True)
    kernel = _flush(score.exp())
    row, column = row_mass.unsqueeze(1), column_mass.unsqueeze(1)  # lying vectors: several times as fast in batches
    least = torch.finfo(score.dtype).tiny ** 0.5
    factor = torch.ones_like(column)
    for count in range(1, _SCALINGS + 1):
        ratio = row / (factor @ kernel.transpose(1, 2)).clamp_min(least)
        sums = ratio @ kernel
        if count % 10 == 0 and not ((factor * sums - column).abs() > tolerance).any():
            break
        factor = (column / sums.clamp_min(least)).clamp(least, 1 / least)
    step = factor.log()
    return score + step, potential + step.squeeze(1), count


def _newton(
    score: Tensor, potential: Tensor, row_mass: Tensor, column_mass: Tensor, tolerance: float, max_iterations: int
) -> Solved:
    """The solution to `tolerance`; solved problems leave the batch on the way."""
    solved = Solved(score.clone(), potential.clone(), score.new_zeros(len(score)), score.new_zeros(len(score)))
    unsolved = torch.arange(len(score), device=score.device)
    ground = max(_GROUND, 0.1 * torch.finfo(score.dtype).eps)  # what is missing is known to no more than that
    for iteration in range(max_iterations + 1):
        share = _share(score)
        plan = share * row_mass.unsqueeze(2)
        missing = column_mass - plan.sum(1)
        error = missing.abs().amax(1)
        again = (error > tolerance) & (iteration < max_iterations)
        done = unsolved[~again]
        solved.score[done], solved.potential[done] = score[~again], potential[~again]
        solved.error[done], solved.iterations[done] = error[~again], float(iteration)
        if not again.any():
            break
        if len(done):
            unsolved = unsolved[again]
            score, potential, share, plan, missing, row_mass, column_mass = (
                kept[again] for kept in (score, potential, share, plan, missing, row_mass, column_mass)
            )
        step = _solve(_laplacian(share, plan, ground), missing.double())
        counts = column_mass > 0
        length = step.masked_fill(~counts, -torch.inf).amax(1) - step.masked_fill(~counts, torch.inf).amin(1)
        length = length.clamp_min(1e-6).unsqueeze(1)
        step = ((step - step.mean(1, keepdim=True)) * (length.log1p() / length)).to(score.dtype)
        score, potential = score + step.unsqueeze(1), potential + step
    return solved


def _share(score: Tensor) -> Tensor:
    """Each row's distribution over the columns."""
    return _flush(score.softmax(2))


def _flush(matrix: Tensor) -> Tensor:
    """Entries whose products would be denormal numbers, and slow, become 0."""
    return torch.nn.functional.threshold(matrix, torch.finfo(matrix.dtype).tiny ** 0.5, 0)


def _laplacian(share: Tensor, plan: Tensor, ground: float) -> Tensor:
    """Laplacian (batch, columns, columns) in float64 of the weights, with a conductance from each node to the ground.

    Exactly symmetric before the diagonal is summed up: a rounding error of a weight is then an error of the weight
    alone, and not a current out of nothing.
    """
    weight = (share.transpose(1, 2) @ plan).double()
    laplacian = -0.5 * (weight + weight.transpose(1, 2))
    diagonal = laplacian.diagonal(dim1=1, dim2=2)
    diagonal.zero_()
    diagonal.copy_(ground - laplacian.sum(2))
    return laplacian


def _solve(laplacian: Tensor, flow: Tensor) -> Tensor:
    """Potentials (batch, columns) that drive the flows (batch, columns)."""
    factor, failed = torch.linalg.cholesky_ex(laplacian)
    if failed.any():  # rounding ate the ground
        laplacian = laplacian + 1e3 * _GROUND * torch.eye(flow.shape[1], dtype=flow.dtype, device=flow.device)
        factor = torch.linalg.cholesky(laplacian)
    return torch.cholesky_solve(flow.unsqueeze(2), factor).squeeze(2)
