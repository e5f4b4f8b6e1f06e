"""Endless assignment problems with their exact solution, for training and judging an Hnet.

After the data of the Hnet paper (Adavanne, Politis, Virtanen, WASPAA 2021): directions of references and
estimates at several angular resolutions, every number of either, more samples where more pairs can be
made. Different on purpose: absence is a mask instead of a far-away point, and directions are placed in many ways
(hnet_cases.py). Everything hangs on one seed, nothing is stored.
"""

import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor

from seld.assignment.hnet_cases import CASES, ON_GRID, integers
from seld.assignment.hungarian import hungarian
from seld.geometry import pairwise_angular_distance

_FORBIDDEN = 100.0  # times the largest cost, added to a pair's: dearer than any other set of pairs
# Steps of azimuth and elevation in degrees: the published ones, and one alone.
RESOLUTIONS = {"standard": [1, 2, 3, 4, 5, 10, 15, 20, 30], "fine": [1], "coarse": [30]}


@dataclass
class HnetDataConfig:
    """Which assignment problems are drawn."""

    sizes: list[int] = field(default_factory=lambda: [2, 3, 4, 5, 6])
    """numbers of slots, drawn for estimates and references separately, once per batch"""
    square: bool = False
    """as many slots for estimates as for references"""
    resolutions_deg: Literal["standard", "fine", "coarse"] | list[float] = field(
        default_factory=lambda: [0, *RESOLUTIONS["standard"]]
    )
    """grids of azimuth and elevation, drawn for each independent or noisy problem; 0 is continuous; standard:
    the published 1, 2, 3, 4, 5, 10, 15, 20, 30; fine: 1; coarse: 30"""
    cost: str = "angle"
    """angle: in radians; chord: its length, 2 sin(angle / 2); or the dotted import name of a function that
    takes unit vectors of estimates (batch, M, 3) and references (batch, N, 3) and returns costs (batch, M, N)"""
    pair_weights: list[float] = field(default_factory=list)
    """how often 0, 1, 2, ... pairs can be made where slots are free, the last weight for all larger numbers;
    empty: 1, 2, 3, ..."""
    full_share: float = 0.4
    """share of the problems in which every slot is taken; the others draw how many are"""
    cases: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(CASES, 1.0) | {"independent": 5.0, "noisy": 3.0}
    )
    """weights of the ways to place references and estimates, see CASES in hnet_cases.py"""

    def __post_init__(self):
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"data.sizes must be numbers >= 1, got {self.sizes}")
        if not self.steps_deg or not all(0 <= step <= 90 for step in self.steps_deg):
            raise ValueError(
                f"data.resolutions_deg must be in [0, 90], or {', '.join(RESOLUTIONS)}, got {self.resolutions_deg}"
            )
        if min(self.pair_weights, default=1) < 0 or (self.pair_weights and sum(self.pair_weights) <= 0):
            raise ValueError(f"data.pair_weights must be >= 0, not all 0, got {self.pair_weights}")
        cost_function(self.cost)
        if not 0 <= self.full_share <= 1:
            raise ValueError(f"data.full_share must be in [0, 1], got {self.full_share}")
        unknown = sorted(set(self.cases) - set(CASES))
        if unknown:
            raise ValueError(f"data.cases must be among {', '.join(CASES)}, got {', '.join(unknown)}")
        if min(self.cases.values(), default=0) < 0 or sum(self.cases.values()) <= 0:
            raise ValueError(f"data.cases must be weights >= 0, not all 0, got {self.cases}")

    @property
    def steps_deg(self) -> list[float]:
        """the resolutions as numbers"""
        if isinstance(self.resolutions_deg, str):
            return RESOLUTIONS.get(self.resolutions_deg, [])
        return self.resolutions_deg


class Examples(NamedTuple):
    """A batch of problems with their solution; entries of absent slots hold any finite cost."""

    cost: Tensor
    """(batch, M, N) radians, or in the unit of the cost that was asked for"""
    association: Tensor
    """(batch, M, N) exact, 0 or 1"""
    active: Tensor
    """(batch, N) bool, references that take part"""
    present: Tensor
    """(batch, M) bool, estimates that take part"""
    separation: Tensor
    """(batch) radians between the two closest active references; infinite for fewer than two"""

    @property
    def valid(self) -> Tensor:
        """(batch, M, N) bool, pairs of which both take part"""
        return self.present.unsqueeze(2) & self.active.unsqueeze(1)

    def to(self, device: torch.device | str) -> Self:
        return type(self)(*(value.to(device) for value in self))

    def where(self, chosen: Tensor) -> Self:
        """The problems that a bool (batch) or an index names."""
        return type(self)(*(value[chosen] for value in self))


def endless(config: HnetDataConfig, batch: int, seed: int, first: int = 0) -> Iterator[Examples]:
    """Batches of random size without end, from batch number `first` on; each hangs on seed and number only."""
    generator = torch.Generator()
    for number in itertools.count(first):
        generator.manual_seed(seed * 1_000_000_007 + number)
        rows, columns = (config.sizes[integers(generator, len(config.sizes), 1)] for _ in range(2))
        yield draw(config, batch, columns if config.square else rows, columns, generator)


def draw(config: HnetDataConfig, batch: int, rows: int, columns: int, generator: torch.Generator) -> Examples:
    """`batch` problems with slots for `rows` estimates and `columns` references."""
    weights = torch.tensor([float(config.cases.get(name, 0)) for name in CASES])
    case = torch.multinomial(weights, batch, replacement=True, generator=generator)
    reference, estimate = torch.empty(batch, columns, 3), torch.empty(batch, rows, 3)
    for index, place in enumerate(CASES.values()):
        chosen = case == index
        reference[chosen], estimate[chosen] = place(generator, int(chosen.sum()), rows, columns)
    steps = torch.tensor(config.steps_deg, dtype=torch.float32)[integers(generator, len(config.steps_deg), batch)]
    steps = steps.masked_fill(case >= len(ON_GRID), 0)
    reference, estimate = to_grid(reference, steps), to_grid(estimate, steps)
    present, active = _slots(generator, batch, rows, columns, config)
    cost = cost_function(config.cost)(estimate, reference)
    if cost.shape != (batch, rows, columns):
        raise ValueError(f"data.cost must give shape {(batch, rows, columns)}, got {tuple(cost.shape)}")
    return Examples(cost, hungarian(cost, active, present), active, present, _separation(reference, active))


def chord(estimate: Tensor, reference: Tensor) -> Tensor:
    """Lengths in [0, 2] of the chords between unit vectors (batch, M, 3) and (batch, N, 3) -> (batch, M, N)."""
    return 2 * (pairwise_angular_distance(estimate, reference) / 2).sin()


def cost_function(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The cost that `HnetDataConfig.cost` names.

    Raises:
        ValueError: when there is no such function.
    """
    if name in (known := {"angle": pairwise_angular_distance, "chord": chord}):
        return known[name]
    module, _, function = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"data.cost must be angle, chord or package.module.function, got {name} ({error})") from None
    if not callable(found):
        raise ValueError(f"data.cost must name a function, got {name}")
    return found


def margin(examples: Examples) -> Tensor:
    """By how much the best other set of pairs costs more (batch); infinite where there is no other."""
    cost, association, active, present = examples[:4]
    best = (cost * association).sum((1, 2))
    margin = torch.full_like(best, torch.inf)
    forbidden = _FORBIDDEN * cost.abs().amax().clamp_min(1)
    for row in range(cost.shape[1]):
        pair = torch.zeros_like(association)
        pair[:, row] = association[:, row]
        other = hungarian(cost + forbidden * pair, active, present)
        gap = (cost * other).sum((1, 2)) - best
        has_other = (pair.sum((1, 2)) > 0) & ((other * pair).sum((1, 2)) == 0)
        margin = torch.where(has_other, torch.minimum(margin, gap), margin)
    return margin


def to_grid(doa: Tensor, step_deg: Tensor) -> Tensor:
    """Directions (batch, slots, 3), azimuth and elevation rounded to steps (batch) in degrees; 0 is none."""
    step = step_deg.deg2rad().unsqueeze(1)
    rounding = step.clamp_min(1e-9)
    azimuth = torch.atan2(doa[..., 1], doa[..., 0]).div(rounding).round() * rounding
    elevation = doa[..., 2].clamp(-1, 1).asin().div(rounding).round().mul(rounding).clamp(-torch.pi / 2, torch.pi / 2)
    horizontal = elevation.cos()
    rounded = torch.stack((horizontal * azimuth.cos(), horizontal * azimuth.sin(), elevation.sin()), -1)
    return torch.where(step.unsqueeze(2) > 0, rounded, doa)


def _slots(
    generator: torch.Generator, batch: int, rows: int, columns: int, config: HnetDataConfig
) -> tuple[Tensor, Tensor]:
    """Which estimates (batch, rows) and references (batch, columns) are there, in random slots.

    The number of pairs that can be made is drawn first, larger ones more often; the other side has any
    number from there up.
    """
    given = config.pair_weights
    weights = torch.tensor(
        [float(given[min(pairs, len(given) - 1)]) if given else pairs + 1.0 for pairs in range(min(rows, columns) + 1)]
    )
    weights[-1] += not weights.any()
    pairs = torch.multinomial(weights, batch, replacement=True, generator=generator)
    fewer_rows = torch.rand(batch, generator=generator) < 0.5
    counts = []
    for slots, fewer in ((rows, fewer_rows), (columns, ~fewer_rows)):
        upward = pairs + (torch.rand(batch, generator=generator) * (slots - pairs + 1)).long()
        counts.append(torch.where(fewer, pairs, upward))
    full = torch.rand(batch, generator=generator) < config.full_share
    masks = []
    for slots, count in zip((rows, columns), counts, strict=True):
        rank = torch.rand(batch, slots, generator=generator).argsort(1)
        masks.append((rank < count.unsqueeze(1)) | full.unsqueeze(1))
    return masks[0], masks[1]


def _separation(reference: Tensor, active: Tensor) -> Tensor:
    both = active.unsqueeze(1) & active.unsqueeze(2) & ~torch.eye(active.shape[1], dtype=torch.bool)
    distance = pairwise_angular_distance(reference, reference)
    return distance.masked_fill(~both, torch.inf).flatten(1).amin(1)
