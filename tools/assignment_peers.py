"""Work and peers for bench_assignment.py: other packages, and published algorithms written anew.

Each entropic method takes a cost (batch, M, N), uniform marginals of mass 1 per row (M = N) and a temperature, and
returns a plan that autograd can go through. Each exact one takes a cost as a tensor and returns whatever it has.
"""

import gc
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize

from seld.assignment import Sinkhorn
from seld.assignment.hnet import Hnet, HnetConfig
from seld.geometry import pairwise_angular_distance


def angles(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Angles in radians between random directions."""
    generator = torch.Generator().manual_seed(seed)
    batch, rows, columns = shape
    sides = (normalize(torch.randn(batch, n, 3, generator=generator), dim=-1) for n in (rows, columns))
    return pairwise_angular_distance(*sides)


def gradient(layer: Callable[[Tensor], Tensor], cost: Tensor, weight: Tensor) -> Tensor:
    """Forward and backward: the gradient to the cost of a weighted sum of the association."""
    leaf = cost.detach().requires_grad_()
    (layer(leaf) * weight).sum().backward()
    return leaf.grad


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


def gru_hnet(slots: int) -> Hnet:
    """The network of the Hnet paper at its published width, untrained: the time does not hang on the weights."""
    return Hnet(HnetConfig(architecture="gru", width=128, slots=slots)).freeze()


def tensorflow_loss(true: Tensor, pred: Tensor):
    """A call that takes loss and gradient of the hungarian-loss package, traced on first use."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)  # only before TensorFlow's first operation
        tf.config.threading.set_inter_op_parallelism_threads(1)
    from hungarian_loss import hungarian_loss

    true, pred = tf.constant(true.numpy()), tf.constant(pred.numpy())

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(pred)
            value = hungarian_loss(true, pred)
        return value, tape.gradient(value, pred)

    return step


def peak_memory(method: str, iterations: int) -> float:
    """MB that one forward and backward needs at most, beyond what the process has before."""
    cost, weight = angles((12800, 3, 3)), torch.ones(12800, 3, 3)
    if method == "seld":  # a tolerance that nothing reaches
        layer = Sinkhorn(0.1, tolerance=1e-30, max_iterations=iterations)
    else:
        layer = partial({"implicit": implicit, "unrolled": unrolled}[method], temperature=0.1, iterations=iterations)
    gradient(layer, cost[:2], weight[:2])  # what is loaded and compiled on first use
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak counts from here
    before = _status("VmHWM")
    gradient(layer, cost, weight)
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
