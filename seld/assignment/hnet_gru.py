"""The network of the Hnet paper (Adavanne, Politis, Virtanen, WASPAA 2021): a GRU along the references.

Fixed size, and sensitive to the order of its input; here for comparison and for published weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from seld.assignment.transport import Problems


class GruNetwork(nn.Module):
    """Logits (batch, M, N), M and N up to `slots`.

    GRU over the references, each a vector of chord lengths to the estimates; unscaled single-head attention
    over its states; tanh; linear.

    Args:
        slots: estimates and references that the weights are made for; fewer are padded as absent.
        width: units of the GRU and of the attention.
        absent_chord: the length that stands for an absent slot.
    """

    def __init__(self, slots: int, width: int, absent_chord: float):
        super().__init__()
        self.slots, self.absent_chord = slots, absent_chord
        self.gru = nn.GRU(slots, width, batch_first=True)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.output = nn.Linear(width, slots)

    def forward(self, problems: Problems) -> Tensor:
        rows, columns = problems.cost.shape[1:]
        if max(rows, columns) > self.slots:
            raise ValueError(f"cost must have at most {self.slots} rows and columns, got {rows} x {columns}")
        chord = (2 * (problems.cost / 2).sin()).masked_fill(~problems.valid, self.absent_chord)
        chord = functional.pad(
            chord, (0, self.slots - columns, 0, self.slots - rows), value=self.absent_chord
        )
        # cuDNN refuses the backward of a GRU in eval mode, which is how a frozen net is used.
        with torch.backends.cudnn.flags(enabled=False):
            states, _ = self.gru(chord.transpose(1, 2))
        weight = (self.query(states) @ self.key(states).transpose(1, 2)).softmax(-1)
        logits = self.output(torch.tanh(weight @ self.value(states)))
        return logits.transpose(1, 2)[:, :rows, :columns]
