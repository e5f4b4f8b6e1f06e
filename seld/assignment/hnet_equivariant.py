"""An assignment network for any number of rows and columns: message passing, then a small learned readout.

Two kinds of messages, both the same for all rows and for all columns, so that a permutation of either side
permutes the result:

1. Prices. Rows and columns offer each other their best price softly, at temperatures that fall from round
   to round (Sinkhorn's iteration, annealed).
2. Beliefs. From there, damped rounds of min-sum belief propagation for assignment (Bayati, Shah & Sharma
   2008): each entry hears what its row and its column would lose by doing without it.

The readout, shared by all entries, turns beliefs, and by how much they beat the other beliefs of their row
and column, into logits. Only the readout has weights.
"""

import torch
from torch import Tensor, nn

from seld.assignment import transport

# Costs are brought to the range [0, 1] first, so these are shares of their range.
_FIRST_TEMPERATURE, _LAST_TEMPERATURE = 0.15, 0.0125  # from hardly a preference to nearly decided
_SCALES = (0.05, 0.5)  # at which the readout sees beliefs
_FAR = 100.0  # stands for infinity in messages: far beyond any sum of costs, and its differences are finite
_DIFFERENTIATED = 4  # belief rounds, counted from the last


class EquivariantNetwork(nn.Module):
    """Logits (batch, M, N) of assignment problems of any size.

    Args:
        width: hidden units per entry of the readout.
        price_rounds, belief_rounds: rounds of each kind of message.
        damping: share of the old message that stays in the new one, in [0, 1).
    """

    def __init__(self, width: int, price_rounds: int, belief_rounds: int, damping: float):
        super().__init__()
        self.price_rounds, self.belief_rounds, self.damping = price_rounds, belief_rounds, damping
        features = 3 * len(_SCALES) + 1
        self.entry = nn.Linear(features, width)
        self.exchange = nn.Linear(3 * width, width)
        self.output = nn.Linear(width, 1)
        self.skip = nn.Parameter(torch.ones(features))

    def forward(self, problems: transport.Problems) -> Tensor:
        valid = problems.valid.permute(1, 2, 0)
        problems = problems._replace(cost=_to_unit_range(problems))
        cost = problems.cost.permute(1, 2, 0).contiguous()  # batch last: tiny matrices, contiguous memory
        with torch.no_grad():  # the starting point, not the result, hangs on the prices
            price = _prices(problems, self.price_rounds)
        belief = self._beliefs(cost, price, problems, valid)
        return self._read(_features(cost, belief, valid), valid).permute(2, 0, 1)

    def _beliefs(self, cost: Tensor, price: Tensor, problems: transport.Problems, valid: Tensor) -> Tensor:
        """What each entry (M, N, batch) gains over doing without it; positive: matched."""
        surplus = problems.present.sum(1) - problems.active.sum(1)
        # Only the larger side may stay unmatched, at no gain; nothing else to choose counts as a great loss.
        nothing = cost.new_full(surplus.shape, -_FAR)
        row_floor, column_floor = nothing.masked_fill(surplus > 0, 0), nothing.masked_fill(surplus < 0, 0)
        to_row = (price - cost).masked_fill(~valid, -_FAR)
        with_gradient = torch.is_grad_enabled()
        for left in range(self.belief_rounds, 0, -1):
            # Only the last rounds pass the gradient on: they hold the alternatives of every entry, and the
            # first ones would add time, memory and, near ties, a gradient that grows with the rounds.
            with torch.set_grad_enabled(with_gradient and left <= _DIFFERENTIATED):
                to_column = (-cost - best_other(to_row, 1, row_floor)).masked_fill(~valid, -_FAR)
                heard = (-cost - best_other(to_column, 0, column_floor)).masked_fill(~valid, -_FAR)
                to_row = self.damping * to_row + (1 - self.damping) * heard
        return (to_row + to_column + cost).masked_fill(~valid, -_FAR)

    def _read(self, features: Tensor, valid: Tensor) -> Tensor:
        hidden = _linear(self.entry, features).relu() * valid
        rows = hidden.amax(2, keepdim=True).expand_as(hidden)
        columns = hidden.amax(1, keepdim=True).expand_as(hidden)
        hidden = _linear(self.exchange, torch.cat((hidden, rows, columns))).relu()
        return _linear(self.output, hidden)[0] + torch.tensordot(self.skip, features, 1)


def best_other(message: Tensor, axis: int, floor: Tensor) -> Tensor:
    """The largest of the other messages along the axis, at least the floor (batch); (M, N, batch) both.

    By running maxima from both ends: a top-2 would have to tell ties apart.
    """
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


def _to_unit_range(problems: transport.Problems) -> Tensor:
    """Costs (batch, M, N) in [0, 1]: who matches whom depends neither on their unit nor on their level.

    A range below a thousandth counts as one, so that rounding is not taken for a difference.
    """
    least = problems.cost.masked_fill(~problems.valid, torch.inf).flatten(1).amin(1)
    most = problems.cost.masked_fill(~problems.valid, -torch.inf).flatten(1).amax(1)
    least = least.masked_fill(least.isinf(), 0)[:, None, None].detach()
    scale = (most.masked_fill(most.isinf(), 0)[:, None, None].detach() - least).clamp_min(1e-3)
    return ((problems.cost - least) / scale).masked_fill(~problems.valid, 0)


def _prices(problems: transport.Problems, rounds: int) -> Tensor:
    """What each column (N, batch) is worth to the rows, counted from the slack where there is one."""
    row_mass, column_mass = transport.masses(problems)
    rows, columns = problems.cost.shape[1:]
    gain = nn.functional.pad(-problems.cost, (0, len(column_mass) - columns, 0, len(row_mass) - rows))
    gain = gain.permute(1, 2, 0).contiguous()
    log_row, log_column = row_mass.log(), column_mass.log()
    column = torch.zeros_like(column_mass).masked_fill(column_mass == 0, -torch.inf)
    steps = max(rounds - 1, 1)
    for step in range(rounds):
        temperature = _FIRST_TEMPERATURE * (_LAST_TEMPERATURE / _FIRST_TEMPERATURE) ** (step / steps)
        row = temperature * (log_row - torch.logsumexp((gain + column) / temperature, 1))
        column = temperature * (log_column - torch.logsumexp((gain + row.unsqueeze(1)) / temperature, 0))
    level = column.amax(0)
    if len(column_mass) > columns:
        level = torch.where(column_mass[-1] > 0, column[-1], level)
    if len(row_mass) > rows:
        level = torch.where(row_mass[-1] > 0, -row[-1], level)
    return (column[:columns] - level).clamp(-_FAR, _FAR)


def _features(cost: Tensor, belief: Tensor, valid: Tensor) -> Tensor:
    """What the readout sees of every entry, (features, M, N, batch), each in [-1, 1] or of that order."""
    nobody = belief.new_full(belief.shape[2:], -_FAR)
    over_row = belief - best_other(belief, 1, nobody)
    over_column = belief - best_other(belief, 0, nobody)
    seen = [value / (value.abs() + scale) for value in (belief, over_row, over_column) for scale in _SCALES]
    return torch.stack((*seen, cost)) * valid


def _linear(layer: nn.Linear, entries: Tensor) -> Tensor:
    """The layer on the first axis: (inputs, M, N, batch) -> (outputs, M, N, batch), as one matrix product."""
    flat = torch.addmm(layer.bias.unsqueeze(1), layer.weight, entries.flatten(1))
    return flat.view(-1, *entries.shape[1:])
