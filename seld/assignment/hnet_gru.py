"""The network of the Hnet paper (Adavanne, Politis, Virtanen, WASPAA 2021): a GRU along the estimates.

Fixed size, and sensitive to the order of its input; here for comparison and for the weights that its authors
published (github.com/sharathadavanne/hungarian-net). They fill the matrix of chord lengths with references in
the rows when they train and with estimates in the rows when they use it (github.com/sharathadavanne/doa-net);
their training data are symmetric in both, and here it is as they use it.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from seld.assignment.transport import Problems

_PUBLISHED_NAMES = {
    "attn.conv_Q.weight": "query.weight",
    "attn.conv_K.weight": "key.weight",
    "attn.conv_V.weight": "value.weight",
    "fc1.weight": "output.weight",
    "fc1.bias": "output.bias",
    **{f"gru.{kind}_{side}_l0": f"gru.{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")},
}


class GruNetwork(nn.Module):
    """Logits (batch, M, N), M and N up to `slots`.

    GRU over the estimates, each a vector of chord lengths to the references; unscaled single-head attention
    over its states; tanh; linear.

    Args:
        slots: estimates and references that the weights are made for; fewer are padded as absent.
        width: units of the GRU and of the attention.
        absent_chord: the length that stands for an absent slot.
        angles: costs are angles in radians, and turned into chord lengths; otherwise they are taken as they are.
    """

    def __init__(self, slots: int, width: int, absent_chord: float, angles: bool = True):
        super().__init__()
        self.slots, self.absent_chord, self.angles = slots, absent_chord, angles
        self.gru = nn.GRU(slots, width, batch_first=True)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.output = nn.Linear(width, slots)

    def forward(self, problems: Problems) -> Tensor:
        rows, columns = problems.cost.shape[1:]
        if max(rows, columns) > self.slots:
            raise ValueError(f"cost must have at most {self.slots} rows and columns, got {rows} x {columns}")
        chord = 2 * (problems.cost / 2).sin() if self.angles else problems.cost
        chord = chord.masked_fill(~problems.valid, self.absent_chord).to(self.output.weight)
        chord = functional.pad(chord, (0, self.slots - columns, 0, self.slots - rows), value=self.absent_chord)
        # cuDNN refuses the backward of a GRU in eval mode, which is how a frozen net is used.
        with torch.backends.cudnn.flags(enabled=False):
            states, _ = self.gru(chord)
        weight = (self.query(states) @ self.key(states).transpose(1, 2)).softmax(-1)
        logits = self.output(torch.tanh(weight @ self.value(states)))
        return logits[:, :rows, :columns].to(problems.cost)


def read_published(path: str | Path) -> dict[str, Tensor]:
    """Weights of a GruNetwork from the state dict that the authors of the Hnet paper published.

    Raises:
        ValueError: no such file, or it holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: not a readable torch file ({type(error).__name__})") from None
    names = set(found) if isinstance(found, dict) else set()
    if names != set(_PUBLISHED_NAMES):
        missing = sorted(set(_PUBLISHED_NAMES) - names)
        odd = ", ".join(sorted(map(str, names - set(_PUBLISHED_NAMES)))[:3])
        what = f"without {missing[0]}" if missing else f"and also {odd}"
        raise ValueError(f"{path} must hold the state dict of a published Hnet, got one {what}")
    # The projections are convolutions of length 1 there.
    return {_PUBLISHED_NAMES[name]: weight[..., 0] if weight.ndim == 3 else weight for name, weight in found.items()}
