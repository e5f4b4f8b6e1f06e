"""The deep Hungarian network: an assignment that is learned, so that training can go through it.

After Hnet (Adavanne, Politis, Virtanen, WASPAA 2021) and DHN (Xu et al., CVPR 2020): trained once on
synthetic problems with their exact solution (hnet_data.py, recipes/train_hnet.py), then frozen and used as
a differentiable layer.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from seld.assignment.hnet_equivariant import EquivariantNetwork
from seld.assignment.hnet_gru import GruNetwork
from seld.assignment.sinkhorn import Sinkhorn
from seld.assignment.transport import flatten
from seld.files import atomic_path

PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"
_ABSENT_LOGIT = -30.0


@dataclass
class HnetConfig:
    """The network."""

    architecture: Literal["equivariant", "gru"] = "equivariant"
    """equivariant: message passing, any number of rows and columns; gru: the published one, fixed size"""
    width: int = 16
    """hidden units; the published GRU has 128"""
    price_rounds: int = 16
    """equivariant: rounds of annealed soft prices"""
    belief_rounds: int = 12
    """equivariant: rounds of belief propagation after them"""
    damping: float = 0.3
    """equivariant: share of the old message that stays in the new one, in [0, 1)"""
    slots: int = 5
    """gru: estimates and references that it is made for"""
    absent_chord: float = 4.0
    """gru: chord length that stands for an absent slot, above 2, the longest real one; the 17.3 of the
    published data drowns the real ones and needs many times the training"""

    def __post_init__(self):
        if self.architecture not in ("equivariant", "gru"):
            raise ValueError(f"hnet.architecture must be equivariant or gru, got {self.architecture!r}")
        for name in ("width", "price_rounds", "belief_rounds", "slots"):
            if getattr(self, name) < 1:
                raise ValueError(f"hnet.{name} must be >= 1, got {getattr(self, name)}")
        if not 0 <= self.damping < 1:
            raise ValueError(f"hnet.damping must be in [0, 1), got {self.damping}")


class Hnet(nn.Module):
    """Assignment layer: the learned association of estimates (rows) and references (columns).

    The network gives logits; the association is the entropic matching of the logits, so that every
    reference finds an estimate as long as there are enough, however unsure the network is, and lowering an
    association can never be a way to lower a loss (un-matching). Equal costs cannot be told apart: among
    tied pairings the equivariant network shares out (of two estimates at one place, each gets half a
    reference).
    """

    def __init__(self, config: HnetConfig | None = None):
        super().__init__()
        self.config = config or HnetConfig()
        c = self.config
        if c.architecture == "gru":
            self.network = GruNetwork(c.slots, c.width, c.absent_chord)
        else:
            self.network = EquivariantNetwork(c.width, c.price_rounds, c.belief_rounds, c.damping)
        self.frozen = False
        self._balance = Sinkhorn(temperature=1.0)  # logits are log odds

    def forward(self, cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Association (..., M, N) in [0, 1]; rows and columns sum to 1, on the larger side to at most 1.

        Args:
            cost: (..., M, N), finite, angles in radians.
            active: (..., N) bool, references that take part; all by default. Silent columns are exactly 0.
            present: (..., M) bool, estimates that take part; all by default.
        """
        return self._balance(-self.logits(cost, active, present), active, present).to(cost.dtype)

    def logits(self, cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Logits (..., M, N) of the association, for training; -30 where either side is absent."""
        if cost.numel() == 0:
            return cost.clone()
        problems = flatten(cost, active, present)
        with torch.autocast(cost.device.type, enabled=False):
            logits = self.network(problems)
        return logits.masked_fill(~problems.valid, _ABSENT_LOGIT).reshape(cost.shape)

    def freeze(self) -> Self:
        """For use as a layer: weights without gradient, and no call of train() wakes it."""
        self.frozen = True
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        return super().train(mode and not self.frozen)

    def save(self, path: str | Path, **notes: str) -> None:
        """Weights and configuration as safetensors; notes go into the header too."""
        header = {"hnet": json.dumps(dataclasses.asdict(self.config)), **notes}
        weights = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        with atomic_path(path) as temporary:
            save_file(weights, temporary, header)

    @classmethod
    def from_pretrained(cls, name: str | Path = "hnet") -> Self:
        """A frozen Hnet: one that ships with the package by name, or a file that `save` wrote.

        Raises:
            ValueError: no such name or file, or it holds no Hnet.
        """
        path = PRETRAINED / f"{name}.safetensors"
        if not path.is_file():
            path = Path(name)
        if not path.is_file():
            shipped = ", ".join(sorted(file.stem for file in PRETRAINED.glob("*.safetensors")))
            raise ValueError(f"hnet must be a weights file or one of {shipped or 'none shipped'}, got {name}")
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            net = cls(HnetConfig(**json.loads(header["hnet"])))
            net.load_state_dict(weights)
        except (SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} must hold the weights of an Hnet ({type(error).__name__})") from error
        return net.freeze()


def hnet_loss(logits: Tensor, association: Tensor) -> Tensor:
    """The three losses of the Hnet paper, summed; logits and exact 0/1 association (batch, M, N) -> scalar.

    Binary cross-entropies of the entries, of row maxima against row sums, and of column maxima against
    column sums: the last two say whether a row or column is matched at all.
    """
    loss = binary_cross_entropy_with_logits
    return (
        loss(logits, association)
        + loss(logits.amax(2), association.sum(2))
        + loss(logits.amax(1), association.sum(1))
    )
