"""Endless assignment problems with their exact solution, for training and judging an Hnet.

After the data of the Hnet paper (Adavanne, Politis, Virtanen, WASPAA 2021): directions of references and
estimates at several angular resolutions, every number of either, more samples where more pairs can be
made. Different on purpose: directions are uniform on the sphere, absence is a mask instead of a far-away
point, and the cases that blind the published network (close sources, coincident estimates, costs that are
all small or all large) have their share. Everything hangs on one seed, nothing is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from seld.assignment.hungarian import hungarian
from seld.geometry import pairwise_angular_distance

_FORBIDDEN = 100.0  # added to a pair's cost: dearer than any other set of pairs


@dataclass
class HnetDataConfig:
    """Which assignment problems are drawn."""

    sizes: list[int] = field(default_factory=lambda: [2, 3, 4, 5, 6])
    """numbers of slots, drawn for estimates and references separately, once per batch"""
    square: bool = False
    """as many slots for estimates as for references"""
    resolutions_deg: list[float] = field(default_factory=lambda: [0, 1, 2, 3, 4, 5, 10, 15, 20, 30])
    """grids of azimuth and elevation, drawn for each independent or noisy problem; 0 is continuous"""
    cost: Literal["angle", "chord"] = "angle"
    """angle in radians, or length of the chord, 2 sin(angle / 2)"""
    full_share: float = 0.4
    """share of the problems in which every slot is taken; the others draw how many are"""
    cases: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(CASES, 1.0) | {"independent": 5.0, "noisy": 3.0}
    )
    """weights of the ways to place references and estimates, see CASES in hnet_data.py"""

    def __post_init__(self):
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"data.sizes must be numbers >= 1, got {self.sizes}")
        if not self.resolutions_deg or not all(0 <= step <= 90 for step in self.resolutions_deg):
            raise ValueError(f"data.resolutions_deg must be in [0, 90], got {self.resolutions_deg}")
        if not 0 <= self.full_share <= 1:
            raise ValueError(f"data.full_share must be in [0, 1], got {self.full_share}")
        unknown = sorted(set(self.cases) - set(CASES))
        if unknown:
            raise ValueError(f"data.cases must be among {', '.join(CASES)}, got {', '.join(unknown)}")
        if min(self.cases.values(), default=0) < 0 or sum(self.cases.values()) <= 0:
            raise ValueError(f"data.cases must be weights >= 0, not all 0, got {self.cases}")


class Examples(NamedTuple):
    """A batch of problems with their solution; entries of absent slots hold any finite cost."""

    cost: Tensor
    """(batch, M, N) radians, or chord lengths"""
    association: Tensor
    """(batch, M, N) exact, 0 or 1"""
    active: Tensor
    """(batch, N) bool, references that take part"""
    present: Tensor
    """(batch, M) bool, estimates that take part"""
    separation: Tensor
    """(batch) radians between the two closest active references; infinite for fewer than two"""


def endless(config: HnetDataConfig, batch: int, seed: int) -> Iterator[Examples]:
    """Batches of random size without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        rows, columns = (config.sizes[_integers(generator, len(config.sizes), 1)] for _ in range(2))
        yield draw(config, batch, columns if config.square else rows, columns, generator)


def draw(config: HnetDataConfig, batch: int, rows: int, columns: int, generator: torch.Generator) -> Examples:
    """`batch` problems with slots for `rows` estimates and `columns` references."""
    weights = torch.tensor([config.cases.get(name, 0.0) for name in CASES])
    case = torch.multinomial(weights, batch, replacement=True, generator=generator)
    reference, estimate = torch.empty(batch, columns, 3), torch.empty(batch, rows, 3)
    for index, place in enumerate(CASES.values()):
        chosen = case == index
        reference[chosen], estimate[chosen] = place(generator, int(chosen.sum()), rows, columns)
    steps = torch.tensor(config.resolutions_deg)[_integers(generator, len(config.resolutions_deg), batch)]
    steps = steps.masked_fill(case >= len(_ON_GRID), 0)
    reference, estimate = to_grid(reference, steps), to_grid(estimate, steps)
    present, active = _slots(generator, batch, rows, columns, config.full_share)
    cost = pairwise_angular_distance(estimate, reference)
    if config.cost == "chord":
        cost = 2 * (cost / 2).sin()
    return Examples(cost, hungarian(cost, active, present), active, present, _separation(reference, active))


def margin(examples: Examples) -> Tensor:
    """By how much the best other set of pairs costs more (batch); infinite where there is no other."""
    cost, association, active, present = examples[:4]
    best = (cost * association).sum((1, 2))
    margin = torch.full_like(best, torch.inf)
    for row in range(cost.shape[1]):
        pair = torch.zeros_like(association)
        pair[:, row] = association[:, row]
        other = hungarian(cost + _FORBIDDEN * pair, active, present)
        gap = (cost * other).sum((1, 2)) - best
        has_other = (pair.sum((1, 2)) > 0) & ((other * pair).sum((1, 2)) == 0)
        margin = torch.where(has_other, torch.minimum(margin, gap), margin)
    return margin


def to_grid(doa: Tensor, step_deg: Tensor) -> Tensor:
    """Directions (batch, slots, 3), azimuth and elevation rounded to steps (batch) in degrees; 0 is none."""
    step = step_deg.deg2rad().unsqueeze(1)
    rounding = step.clamp_min(1e-9)
    azimuth = torch.atan2(doa[..., 1], doa[..., 0]).div(rounding).round() * rounding
    elevation = (
        doa[..., 2].clamp(-1, 1).asin().div(rounding).round().mul(rounding).clamp(-torch.pi / 2, torch.pi / 2)
    )
    horizontal = elevation.cos()
    rounded = torch.stack((horizontal * azimuth.cos(), horizontal * azimuth.sin(), elevation.sin()), -1)
    return torch.where(step.unsqueeze(2) > 0, rounded, doa)


def _slots(
    generator: torch.Generator, batch: int, rows: int, columns: int, full_share: float
) -> tuple[Tensor, Tensor]:
    """Which estimates (batch, rows) and references (batch, columns) are there, in random slots.

    The number of pairs that can be made is drawn first, larger ones more often; the other side has any
    number from there up.
    """
    most = min(rows, columns)
    pairs = torch.multinomial(torch.arange(1.0, most + 2), batch, replacement=True, generator=generator)
    fewer_rows = torch.rand(batch, generator=generator) < 0.5
    counts = []
    for slots, fewer in ((rows, fewer_rows), (columns, ~fewer_rows)):
        upward = pairs + (torch.rand(batch, generator=generator) * (slots - pairs + 1)).long()
        counts.append(torch.where(fewer, pairs, upward))
    full = torch.rand(batch, generator=generator) < full_share
    masks = []
    for slots, count in zip((rows, columns), counts, strict=True):
        rank = torch.rand(batch, slots, generator=generator).argsort(1)
        masks.append((rank < count.unsqueeze(1)) | full.unsqueeze(1))
    return masks[0], masks[1]


def _separation(reference: Tensor, active: Tensor) -> Tensor:
    both = active.unsqueeze(1) & active.unsqueeze(2) & ~torch.eye(active.shape[1], dtype=torch.bool)
    distance = pairwise_angular_distance(reference, reference)
    return distance.masked_fill(~both, torch.inf).flatten(1).amin(1)


# Placements: (generator, batch, rows, columns) -> references (batch, columns, 3), estimates (batch, rows, 3).


def _independent(generator, batch, rows, columns):
    return _directions(generator, batch, columns), _directions(generator, batch, rows)


def _noisy(generator, batch, rows, columns):
    """Estimates around references, half a degree to 40 degrees off, one each as far as they go."""
    reference = _directions(generator, batch, columns)
    return reference, _around(generator, _matched(generator, reference, rows), 0.01, 0.7)


def _close(generator, batch, rows, columns):
    """Pairs of references 0-5 degrees apart, with estimates around them."""
    reference = _directions(generator, batch, columns)
    twin = _matched(generator, reference, columns)
    apart = torch.rand(batch, columns, generator=generator) < 0.5
    reference = torch.where(apart.unsqueeze(2), reference, _around(generator, twin, 0.001, 0.06))
    return reference, _around(generator, _matched(generator, reference, rows), 0.001, 0.3)


def _coincident(generator, batch, rows, columns):
    """Estimates of which several are at one place, exactly."""
    reference, estimate = _noisy(generator, batch, rows, columns)
    return reference, _pick(estimate, _integers(generator, rows, (batch, rows)))


def _doubled(generator, batch, rows, columns):
    """Estimates on references, exactly or nearly, any number of them on the same one."""
    reference = _directions(generator, batch, columns)
    target = _pick(reference, _integers(generator, columns, (batch, rows)))
    exact = torch.rand(batch, 1, 1, generator=generator) < 0.5
    return reference, torch.where(exact, target, _around(generator, target, 0.001, 0.1))


def _all_near(generator, batch, rows, columns):
    """Everybody within a few degrees of one point."""
    middle = _directions(generator, batch, 1)
    reference = _around(generator, middle.expand(batch, columns, 3), 0.001, 0.06)
    return reference, _around(generator, middle.expand(batch, rows, 3), 0.001, 0.06)


def _all_far(generator, batch, rows, columns):
    """References within a few degrees of one point, estimates opposite."""
    reference, estimate = _all_near(generator, batch, rows, columns)
    return reference, -estimate


_ON_GRID = {"independent": _independent, "noisy": _noisy}
CASES = _ON_GRID | {
    "close": _close,
    "coincident": _coincident,
    "doubled": _doubled,
    "all_near": _all_near,
    "all_far": _all_far,
}


def _directions(generator: torch.Generator, batch: int, slots: int) -> Tensor:
    return normalize(torch.randn(batch, slots, 3, generator=generator), dim=-1)


def _around(generator: torch.Generator, doa: Tensor, least: float, most: float) -> Tensor:
    """Directions scattered around others by a spread in radians, log-uniform per problem."""
    spread = least * (most / least) ** torch.rand(len(doa), 1, 1, generator=generator)
    return normalize(doa + spread * torch.randn(doa.shape, generator=generator), dim=-1)


def _matched(generator: torch.Generator, doa: Tensor, slots: int) -> Tensor:
    """The directions in random order, (batch, slots, 3); a random one again where there are too few."""
    batch, given = doa.shape[:2]
    order = torch.rand(batch, given, generator=generator).argsort(1)
    more = _integers(generator, given, (batch, slots))
    return _pick(doa, torch.cat((order, more), 1)[:, :slots])


def _pick(doa: Tensor, index: Tensor) -> Tensor:
    return doa.gather(1, index.unsqueeze(2).expand(-1, -1, 3))


def _integers(generator: torch.Generator, below: int, shape) -> Tensor:
    return torch.randint(below, (shape,) if isinstance(shape, int) else shape, generator=generator)
