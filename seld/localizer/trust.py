"""How far the vector of each time-frequency cell is to be believed, learned from what is around it."""

import torch
from torch import Tensor, nn

_FAINT = 1e-3  # length from which on a vector counts as one
_REACH = 3.0  # a cell's vector becomes at most exp(3) = 20 times as long


class Trust(nn.Module):
    """Features (B, C, T x s, F) -> the last three of their channels, each vector made longer or shorter.

    Onsets, say, come from the source, and what follows from the walls; where two kinds of vectors agree there is one
    source, and a faint vector counts where nothing else does. So a small network looks at the level, at the lengths
    of the vectors, at the angle between them, and at all that 0.3 seconds before and after. It changes nothing at
    the start.

    Args:
        vectors: kinds of vectors (x, y, z each) that the features end with.
        size: channels of the network; 0: one filter over the level and the length, up to twice as long.
    """

    def __init__(self, vectors: int, size: int):
        super().__init__()
        self.vectors, self.size = vectors, size
        if size == 0:
            last = self.filter = nn.Conv2d(2, 1, (7, 3), padding=(3, 1))
        else:
            last = nn.Conv2d(size, 1, 1)
            self.network = nn.Sequential(
                nn.BatchNorm2d(3 * vectors),
                nn.Conv2d(3 * vectors, size, (7, 3), padding=(3, 1)),
                nn.ReLU(),
                nn.Conv2d(size, size, (1, 5), padding=(0, 2)),
                nn.ReLU(),
                nn.Conv2d(size, size, (9, 1), padding=(12, 0), dilation=(3, 1), groups=size),
                nn.ReLU(),
                last,
            )
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        level = features[:, :1]
        kinds = features[:, -3 * self.vectors :].unflatten(1, (self.vectors, 3))
        length = kinds.square().sum(2).clamp_min(1e-12).sqrt()  # `norm` takes 80 times as long
        if self.size == 0:
            return kinds[:, -1] * (2 * self.filter(torch.cat([level, length[:, -1:]], 1)).sigmoid())
        others, own = length[:, :-1], length[:, -1:]
        cosine = (kinds[:, :-1] * kinds[:, -1:]).sum(2) / (others * own + _FAINT**2)
        gain = self.network(torch.cat([level, length, (length + _FAINT).log(), cosine], 1))
        return kinds[:, -1] * (_REACH * (gain / _REACH).tanh()).exp()
