"""The deep Hungarian network: an assignment that is learned, so that training can go through it.

After Hnet (Adavanne, Politis, Virtanen, WASPAA 2021) and DHN (Xu et al., CVPR 2020): trained once on
synthetic problems with their exact solution (hnet_data.py, recipes/train_hnet.py), then frozen and used as
a differentiable layer.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from seld.assignment.hnet_equivariant import EquivariantNetwork
from seld.assignment.hnet_gru import GruNetwork, read_published
from seld.assignment.inputs import check_shapes
from seld.assignment.sinkhorn import Sinkhorn
from seld.assignment.transport import flatten
from seld.weights import PRETRAINED, read_weights, save_weights

_KIND = "hnet"
_ABSENT_LOGIT = -30.0
_PUBLISHED_CHORD = 17.3
# Of the row and column sums: so small that the order of rows and columns shows in rounding only.
_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


@dataclass
class HnetConfig:
    """The network."""

    architecture: Literal["equivariant", "gru"] = "equivariant"
    """equivariant: message passing, any number of rows and columns; gru: the published one, fixed size"""
    width: int = 8
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
    angles: bool = True
    """gru: turn the cost from radians into chord lengths first; off for a cost in a unit of its own"""
    balanced: bool = True
    """make the association the entropic matching of the logits, whose sums are those of a matching; otherwise
    it is their sigmoid, as published"""
    temperature: float = 1.0
    """of that matching: larger is softer near ties, with a smaller and wider gradient there"""

    def __post_init__(self):
        if self.architecture not in ("equivariant", "gru"):
            raise ValueError(f"hnet.architecture must be equivariant or gru, got {self.architecture!r}")
        for name in ("width", "price_rounds", "belief_rounds", "slots"):
            if getattr(self, name) < 1:
                raise ValueError(f"hnet.{name} must be >= 1, got {getattr(self, name)}")
        if not self.temperature > 0:
            raise ValueError(f"hnet.temperature must be > 0, got {self.temperature}")
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
            self.network = GruNetwork(c.slots, c.width, c.absent_chord, c.angles)
        else:
            self.network = EquivariantNetwork(c.width, c.price_rounds, c.belief_rounds, c.damping)
        self.frozen = False

    def forward(self, cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Association (..., M, N) in [0, 1]; rows and columns sum to 1, on the larger side to at most 1.

        In the precision of the cost. Sums are not those of a matching where `config.balanced` is off.

        Args:
            cost: (..., M, N), angles in radians; finite where both sides take part.
            active: (..., N) bool, references that take part; all by default. Silent columns are exactly 0.
            present: (..., M) bool, estimates that take part; all by default.
        Raises:
            ValueError: when the cost is not finite, naming the first such matrix of the batch; when a mask
                is not bool or does not fit.
        """
        logits = self.logits(cost, active, present)
        if logits.numel() == 0:
            association = logits
        elif not self.config.balanced:
            association = logits.sigmoid() * (logits != _ABSENT_LOGIT)
        else:
            association = Sinkhorn(self.config.temperature, _TOLERANCE[logits.dtype])(-logits, active, present)
        return association.to(cost.dtype if cost.is_floating_point() else logits.dtype)

    def logits(self, cost: Tensor, active: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Logits (..., M, N) of the association, for training; -30 where either side is absent.

        In float32, or in float64 for such a cost; arguments and errors as above.
        """
        check_shapes(cost, active, present)
        if cost.numel() == 0:
            return cost.to(torch.promote_types(cost.dtype, torch.float32)).clone()
        problems = flatten(cost, active, present)
        _check_finite(problems.cost)
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
        save_weights(path, self, _KIND, dataclasses.asdict(self.config), **notes)

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
            shipped = ", ".join(sorted(file.stem for file in PRETRAINED.glob("hnet*.safetensors")))
            raise ValueError(f"hnet must be a weights file or one of {shipped or 'none shipped'}, got {name}")
        weights = read_weights(path, _KIND)
        try:
            net = cls(HnetConfig(**weights.config))
            net.load_state_dict(weights.tensors)
        except (TypeError, RuntimeError):
            raise ValueError(f"{path}: these weights are of another version of the Hnet; train it again") from None
        return net.freeze()

    @classmethod
    def load_published(cls, path: str | Path, balanced: bool = False) -> Self:
        """A frozen Hnet with the weights that the authors of the Hnet paper published (hnet_model.pt).

        Gives what their code gives, for as many slots as the file is made for: the sigmoid of the logits,
        which may leave a reference without an estimate. An absent slot is a chord length of 17.3 to everyone,
        as far as their (10, 10, 10) is from the unit sphere. `balanced` repairs the sums of the association.

        Raises:
            ValueError: no such file, or it holds something else.
        """
        weights = read_published(path)
        width, slots = weights["gru.weight_hh_l0"].shape[-1], weights["gru.weight_ih_l0"].shape[-1]
        net = cls(HnetConfig("gru", width=width, slots=slots, absent_chord=_PUBLISHED_CHORD, balanced=balanced))
        try:
            net.network.load_state_dict(weights)
        except RuntimeError:
            raise ValueError(f"{path} must hold the state dict of a published Hnet, got other shapes") from None
        return net.freeze()


def _check_finite(cost: Tensor) -> None:
    """(batch, M, N), 0 where somebody is absent."""
    finite = cost.isfinite().flatten(1).all(1)
    if not finite.all():
        raise ValueError(f"cost must be finite, matrix {int((~finite).nonzero()[0])} of the batch is not")


class HnetLoss(NamedTuple):
    """The three losses of the Hnet paper, scalars; binary cross-entropies with logits."""

    pairs: Tensor
    """of the entries"""
    rows: Tensor
    """of row maxima against row sums: is this estimate matched at all"""
    columns: Tensor
    """of column maxima against column sums: is this reference matched at all"""


def hnet_losses(logits: Tensor, association: Tensor) -> HnetLoss:
    """Losses of logits against the exact 0/1 association, both (batch, M, N)."""
    loss = binary_cross_entropy_with_logits
    return HnetLoss(
        loss(logits, association),
        loss(logits.amax(2), association.sum(2)),
        loss(logits.amax(1), association.sum(1)),
    )
