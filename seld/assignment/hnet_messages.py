"""Messages between the rows and the columns of assignment problems, differentiated exactly.

Two kinds, both the same for all rows and for all columns, so that a permutation of either side permutes them:

1. Prices. Rows and columns offer each other their best price softly, at temperatures that fall from round to
   round (Sinkhorn's iteration, annealed).
2. Beliefs. Damped rounds of min-sum belief propagation for assignment (Bayati, Shah & Sharma 2008): each entry
   hears what its row and its column would lose by doing without it.

Both are piecewise smooth. Their backward passes are written by hand: they are the derivatives of the rounds as
computed, at a fraction of the time and memory of a recorded graph. A round adds a bounded amount to a
derivative (its weights are convex combinations), so gradients stay finite however close the problem is to a tie.

Shapes: costs and messages (M, N, batch), prices and masses (M or N, batch). The batch is last, so that every
operation runs along contiguous memory although the matrices are tiny.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

FAR = 100.0  # stands for infinity in messages: far beyond any sum of costs, and its differences are finite
_NOBODY = -1e4  # price of an absent row or column: at any temperature its share is exactly 0


def prices(cost: Tensor, row_mass: Tensor, column_mass: Tensor, temperatures: Sequence[float]) -> tuple[Tensor, Tensor]:
    """What rows (M, batch) and columns (N, batch) are worth to each other after one round at each temperature.

    Args:
        cost: (M, N, batch).
        row_mass, column_mass: (M, batch) and (N, batch), >= 0, 0 for who is absent.
    """
    return _Prices.apply(cost, row_mass, column_mass, tuple(temperatures))


def beliefs(cost: Tensor, price: Tensor, valid: Tensor, surplus: Tensor, rounds: int, damping: float) -> Tensor:
    """What each entry (M, N, batch) gains over doing without it; positive: matched. Absent ones: -FAR.

    Args:
        cost: (M, N, batch), in the order of 1.
        price: (N, batch), of the columns, from which the messages start.
        valid: (M, N, batch) bool, entries whose row and column both take part.
        surplus: (batch), rows that take part minus columns that do.
        damping: share of the old message that stays in the new one, in [0, 1).
    """
    # Only the larger side may stay unmatched, at no gain; nothing else to choose counts as a great loss.
    nothing = torch.full_like(surplus, -FAR, dtype=cost.dtype)
    floors = nothing.masked_fill(surplus > 0, 0), nothing.masked_fill(surplus < 0, 0)
    # The smaller of a message and this is the message where it is valid, and far below any floor elsewhere.
    ceiling = torch.full_like(cost, torch.inf).masked_fill_(~valid, -FAR)
    return _Beliefs.apply(cost, price - cost, ceiling, *floors, rounds, damping)


def best_other(message: Tensor, axis: int, floor: Tensor) -> Tensor:
    """The largest of the other messages along the axis, at least the floor (batch); (M, N, batch) both."""
    return _BestOther.apply(message, axis, floor)


class _Prices(torch.autograd.Function):
    @staticmethod
    def forward(ctx, cost, row_mass, column_mass, temperatures):
        no_row, no_column = row_mass == 0, column_mass == 0
        log_row, log_column = row_mass.masked_fill(no_row, 1).log(), column_mass.masked_fill(no_column, 1).log()
        column = torch.zeros_like(column_mass).masked_fill(no_column, _NOBODY)
        rows, columns = [], [column]
        for temperature in temperatures:
            row = log_row - torch.logsumexp((column - cost) / temperature, 1)
            row = (temperature * row).masked_fill(no_row, _NOBODY)
            column = log_column - torch.logsumexp((row.unsqueeze(1) - cost) / temperature, 0)
            column = (temperature * column).masked_fill(no_column, _NOBODY)
            rows.append(row)
            columns.append(column)
        ctx.temperatures = temperatures
        ctx.save_for_backward(cost, row_mass, column_mass, *rows, *columns)
        return row, column

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_row, grad_column):
        """A price is the soft minimum of what the other side asks: its derivative is the other side's shares."""
        cost, row_mass, column_mass, *saved = ctx.saved_tensors
        rounds = len(ctx.temperatures)
        rows, columns = saved[:rounds], saved[rounds:]
        per_row, per_column = (1 / mass.masked_fill(mass == 0, 1) for mass in (row_mass, column_mass))
        grad_cost = torch.zeros_like(cost)
        for step in reversed(range(rounds)):
            share = _plan(cost, rows[step], columns[step + 1], ctx.temperatures[step])
            share *= grad_column * per_column
            grad_cost += share
            grad_row = grad_row - share.sum(1)
            share = _plan(cost, rows[step], columns[step], ctx.temperatures[step])
            share *= (grad_row * per_row).unsqueeze(1)
            grad_cost += share
            grad_row, grad_column = torch.zeros_like(grad_row), -share.sum(0)
        return grad_cost, None, None, None


def _plan(cost: Tensor, row: Tensor, column: Tensor, temperature: float) -> Tensor:
    return (row.unsqueeze(1) - cost).add_(column).mul_(1 / temperature).exp_()


class _Beliefs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, cost, start, ceiling, row_floor, column_floor, rounds, damping):
        to_row, to_rows, to_columns = torch.minimum(start, ceiling), [], []
        for _ in range(rounds):
            to_rows.append(to_row)
            to_column = _answer(cost, _best_other(to_row, 1, row_floor), ceiling)
            heard = _answer(cost, _best_other(to_column, 0, column_floor), ceiling)
            to_row = torch.lerp(heard, to_row, damping)
            to_columns.append(to_column)
        ctx.damping = damping
        ctx.save_for_backward(ceiling, row_floor, column_floor, *to_rows, *to_columns)
        return (to_row + to_column + cost).masked_fill_(ceiling < 0, -FAR)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        """Absent entries never get a gradient back: no floor is below them, so they are nobody's best other."""
        ceiling, row_floor, column_floor, *messages = ctx.saved_tensors
        rounds = len(messages) // 2
        grad = grad * (ceiling > 0)
        grad_cost, grad_to_row, grad_to_column = grad.clone(), grad, grad
        for to_row, to_column in zip(messages[rounds - 1 :: -1], messages[: rounds - 1 : -1], strict=True):
            grad_heard = (1 - ctx.damping) * grad_to_row
            grad_cost -= grad_heard
            grad_to_column = grad_to_column - _best_other_backward(to_column, 0, column_floor, grad_heard)
            grad_cost -= grad_to_column
            grad_other = _best_other_backward(to_row, 1, row_floor, grad_to_column)
            grad_to_row = ctx.damping * grad_to_row - grad_other
            grad_to_column = 0
        return grad_cost, grad_to_row, None, None, None, None, None


def _answer(cost: Tensor, other: Tensor, ceiling: Tensor) -> Tensor:
    other = other.add_(cost).neg_()
    return torch.minimum(other, ceiling, out=other)


class _BestOther(torch.autograd.Function):
    @staticmethod
    def forward(ctx, message, axis, floor):
        ctx.axis = axis
        ctx.save_for_backward(message, floor)
        return _best_other(message, axis, floor)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        message, floor = ctx.saved_tensors
        return _best_other_backward(message, ctx.axis, floor, grad), None, None


def _best_other(message: Tensor, axis: int, floor: Tensor) -> Tensor:
    """By running maxima from both ends: a top-2 would have to tell ties apart."""
    messages = message.unbind(axis)
    before = [floor.expand_as(messages[0])]
    for one in messages[:-1]:
        before.append(torch.maximum(before[-1], one))
    best = [before[-1]]
    after = messages[-1]
    for one, largest in zip(messages[-2::-1], before[-2::-1], strict=True):
        best.append(torch.maximum(largest, after))
        after = torch.maximum(after, one)
    return torch.stack(best[::-1], axis)


def _best_other_backward(message: Tensor, axis: int, floor: Tensor, grad: Tensor) -> Tensor:
    """Everyone's gradient goes to the largest, that of the largest to the second; shared out evenly in ties."""
    largest = message.amax(axis, keepdim=True)
    is_largest = (message == largest).to(grad)
    rest = message - 1e9 * is_largest
    second = rest.amax(axis, keepdim=True)
    is_second = (rest == second).to(grad)
    count = is_largest.sum(axis, keepdim=True)
    own = is_largest * grad
    total_own = own.sum(axis, keepdim=True)
    felt = largest > floor
    from_others = (grad.sum(axis, keepdim=True) - total_own) / count * felt
    from_tied = felt * (count > 1) / (count - 1).clamp_min(1)
    to_second = total_own * ((count == 1) & (second > floor)) / is_second.sum(axis, keepdim=True)
    return is_largest * ((total_own - own) * from_tied + from_others) + is_second * to_second
