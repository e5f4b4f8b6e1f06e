"""From coarse to fine: an entropic problem is solved at a high temperature first, then from there at lower ones."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

MILD = 16.0  # largest cost over temperature from which any start converges in a few steps
COARSER = 4.0  # from one temperature to the next; a power of 2 scales without rounding
LOOSE = 0.1  # marginal error at which a coarse stage hands over to the next


class Solved(NamedTuple):
    """Where a solver stands. Axes as the solver has them, without rows for all but the score."""

    score: Tensor
    """minus cost over temperature plus the potentials of rows and columns; -inf in columns without mass"""
    potential: Tensor
    """of the columns; -inf without mass"""
    error: Tensor
    """(batch), largest error of a column sum"""
    iterations: Tensor
    """(batch)"""


def descend(
    cost: Tensor,
    temperature: float,
    tolerance: float,
    start: Callable[[Tensor], tuple[Tensor, Tensor]],
    improve: Callable[[Tensor, Tensor, float], Solved],
) -> Solved:
    """The solution at the last temperature, each started from the potentials of the one before.

    The potentials live inside the score: added to it, entries that matter stay near 0 and keep their resolution,
    while potentials kept apart would lose the marginals to rounding at low temperature.

    Args:
        cost: finite, any layout.
        start: a first score and potential, from minus the cost over the temperature.
        improve: the solution to a marginal error, from score and potential.
    """
    stages, coarsest = [temperature], float(cost.abs().amax()) / MILD
    while stages[-1] < coarsest:
        stages.append(stages[-1] * COARSER)
    score, potential = start(-cost / stages[-1])
    for _ in stages[1:]:
        solved = improve(score, potential, LOOSE)
        score, potential = solved.score * COARSER, solved.potential * COARSER
    return improve(score, potential, tolerance)
