"""Other ways to solve assignment problems, for bench_assignment.py: packages, and published algorithms written anew.

Each entropic method takes a cost (batch, M, N), uniform marginals of mass 1 per row (M = N) and a temperature, and
returns a plan that autograd can go through. Each exact one takes a cost as a tensor and returns whatever it has.
"""

import importlib.util

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def missing(*packages: str) -> str | None:
    """The first package that is not installed."""
    return next((name for name in packages if importlib.util.find_spec(name) is None), None)


def scipy_loop(cost: Tensor) -> list:
    return [linear_sum_assignment(matrix) for matrix in cost.numpy()]


def lapx_batch(cost: Tensor) -> tuple:
    import lap

    return lap.lapjvh_batch(cost.numpy(), extend_cost=True, return_cost=False, n_threads=1)


def torch_linear_assignment(cost: Tensor) -> Tensor:
    import torch_linear_assignment as peer

    return peer.batch_linear_assignment(cost)


def unrolled(cost: Tensor, temperature: float, iterations: int = 100) -> Tensor:
    """Sinkhorn's iteration in the log domain (Cuturi 2013), every step on autograd's tape."""
    log_plan = -cost / temperature
    for _ in range(iterations):
        log_plan = log_plan - log_plan.logsumexp(1, keepdim=True)
        log_plan = log_plan - log_plan.logsumexp(2, keepdim=True)
    return log_plan.exp()


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, cost, temperature, iterations):
        plan = unrolled(cost, temperature, iterations)
        ctx.save_for_backward(plan)
        ctx.temperature = temperature
        return plan

    @staticmethod
    def backward(ctx, grad):
        (plan,) = ctx.saved_tensors
        rows, columns = plan.shape[1:]
        scaled = -plan * grad / ctx.temperature
        system = plan.new_zeros(len(plan), rows + columns, rows + columns)
        system[:, :rows, :rows] = torch.diag_embed(plan.sum(2))
        system[:, rows:, rows:] = torch.diag_embed(plan.sum(1))
        system[:, :rows, rows:] = plan
        system[:, rows:, :rows] = plan.transpose(1, 2)
        right = torch.cat((scaled.sum(2), scaled.sum(1)), 1)
        # One multiplier is free, the last column's: it is 0, and its equation follows from the others.
        # Singular systems, which nearly certain plans have, give nan here instead of an error.
        solution = torch.linalg.solve_ex(system[:, :-1, :-1], right[:, :-1], check_errors=False).result
        solution = torch.cat((solution, solution.new_zeros(len(plan), 1)), 1)
        return scaled - plan * (solution[:, :rows, None] + solution[:, None, rows:]), None, None


def implicit(cost: Tensor, temperature: float, iterations: int = 100) -> Tensor:
    """The same iteration, its gradient from one system of M + N - 1 equations (Eisenberger et al., CVPR 2022)."""
    return _Implicit.apply(cost, temperature, iterations)


def pot(cost: Tensor, temperature: float, iterations: int = 100, grad: str = "autodiff") -> Tensor:
    from ot.batch import solve_batch

    ones = cost.new_ones(cost.shape[:2])
    options = {"method": "log_sinkhorn", "max_iter": iterations, "tol": 1e-5, "grad": grad}
    return solve_batch(cost, temperature, ones, ones, **options).plan


def geomloss(cost: Tensor, temperature: float, iterations: int = 100) -> Tensor:
    from geomloss.ot import solve_batch

    ones = cost.new_ones(cost.shape[:2])
    return solve_batch(cost, reg=temperature, a=ones, b=ones, max_iter=iterations).plan
