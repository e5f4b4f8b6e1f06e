"""An assignment network for any number of rows and columns: message passing, then a small learned readout.

The messages (hnet_messages.py) are the same for all rows and for all columns, and so is the readout for all
entries: a permutation of either side permutes the result. The readout turns beliefs, and by how much they beat
the other beliefs of their row and column, into logits. Only the readout has weights.
"""

import itertools

import torch
from torch import Tensor, nn

from seld.assignment import transport
from seld.assignment.hnet_messages import FAR, beliefs, best_other, prices

# Costs are brought to the range [0, 1] first, so these are shares of their range.
_FIRST_TEMPERATURE, _LAST_TEMPERATURE = 0.15, 0.0125  # from hardly a preference to nearly decided
_SCALES = (0.05, 0.5)  # at which the readout sees beliefs


class EquivariantNetwork(nn.Module):
    """Logits (batch, M, N) of assignment problems of any size.

    Args:
        width: hidden units per entry of the readout.
        price_rounds, belief_rounds: rounds of each kind of message.
        damping: share of the old message that stays in the new one, in [0, 1).
    """

    def __init__(self, width: int, price_rounds: int, belief_rounds: int, damping: float):
        super().__init__()
        fall = (_LAST_TEMPERATURE / _FIRST_TEMPERATURE) ** (1 / max(price_rounds - 1, 1))
        self.temperatures = [_FIRST_TEMPERATURE * fall**step for step in range(price_rounds)]
        self.belief_rounds, self.damping = belief_rounds, damping
        features = 3 * len(_SCALES) + 1
        self.entry = nn.Linear(features, width)
        self.exchange = nn.Linear(3 * width, width)
        self.output = nn.Linear(width, 1)
        self.skip = nn.Parameter(torch.ones(features))

    def forward(self, problems: transport.Problems) -> Tensor:
        valid = problems.valid.permute(1, 2, 0)
        cost = _to_unit_range(problems.cost.permute(1, 2, 0).contiguous(), valid)
        surplus = problems.present.sum(1) - problems.active.sum(1)
        price = _column_prices(cost, problems, self.temperatures)
        belief = beliefs(cost, price, valid, surplus, self.belief_rounds, self.damping)
        return self._read(_features(cost, belief, valid), valid).permute(2, 0, 1)

    def _read(self, features: Tensor, valid: Tensor) -> Tensor:
        """Logits (M, N, batch) of features (features, M, N, batch)."""
        hidden = _linear(self.entry.weight, features, self.entry.bias).relu() * valid
        here, row, column = self.exchange.weight.chunk(3, 1)
        # Weighing a row's maximum once is the same as once for each of its entries, and cheaper.
        heard = _linear(here, hidden, self.exchange.bias)
        heard = heard + _linear(row, hidden.amax(2)).unsqueeze(2) + _linear(column, hidden.amax(1)).unsqueeze(1)
        return _linear(self.output.weight, heard.relu(), self.output.bias)[0] + _linear(self.skip[None], features)[0]


def _to_unit_range(cost: Tensor, valid: Tensor) -> Tensor:
    """Costs (M, N, batch) in [0, 1]: who matches whom depends neither on their unit nor on their level.

    A range below a thousandth counts as one, so that rounding is not taken for a difference.
    """
    least = cost.masked_fill(~valid, torch.inf).amin((0, 1))
    most = cost.masked_fill(~valid, -torch.inf).amax((0, 1))
    nobody = least.isinf()
    least, most = least.masked_fill(nobody, 0), most.masked_fill(nobody, 0)
    return ((cost - least) / (most - least).clamp_min(1e-3)).masked_fill(~valid, 0)


def _column_prices(cost: Tensor, problems: transport.Problems, temperatures: list[float]) -> Tensor:
    """What each column (N, batch) is worth to the rows, counted from the slack where there is one."""
    row_mass, column_mass = transport.masses(problems)
    rows, columns = cost.shape[:2]
    padded = nn.functional.pad(cost, (0, 0, 0, len(column_mass) - columns, 0, len(row_mass) - rows))
    row, column = prices(padded, row_mass, column_mass, temperatures)
    level = column.amax(0)
    if len(column_mass) > columns:
        level = torch.where(column_mass[-1] > 0, column[-1], level)
    if len(row_mass) > rows:
        level = torch.where(row_mass[-1] > 0, -row[-1], level)
    return (column[:columns] - level).clamp(-FAR, FAR)


def _features(cost: Tensor, belief: Tensor, valid: Tensor) -> Tensor:
    """What the readout sees of every entry, (features, M, N, batch), each in [-1, 1] or of that order."""
    nobody = belief.new_full(belief.shape[2:], -FAR)
    values = belief, belief - best_other(belief, 1, nobody), belief - best_other(belief, 0, nobody)
    seen = [value / (value.abs() + scale) for value, scale in itertools.product(values, _SCALES)]
    return torch.stack((*seen, cost)) * valid


def _linear(weight: Tensor, entries: Tensor, bias: Tensor | None = None) -> Tensor:
    """The layer on the first axis: (inputs, ...) -> (outputs, ...), in the precision of the entries."""
    flat, weight = entries.flatten(1), weight.to(entries)
    mapped = weight @ flat if bias is None else torch.addmm(bias.to(entries).unsqueeze(1), weight, flat)
    return mapped.view(-1, *entries.shape[1:])
