"""How good an Hnet is: exact matrices, precision, recall and F1, by counts, separation, way of placing and size.

Scores leave out ties, in which several pairings are right and the one that the truth names is chance. Entries
count where both sides take part, so that absent slots, which are never wrong, do not flatter. The two classes of
entries, matched and unmatched, make up weighted scores (by how often each occurs) and macro scores (their mean).
"""

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from seld.assignment.hnet import Hnet
from seld.assignment.hnet_cases import CASES, around, directions, matched
from seld.assignment.hnet_data import Examples, HnetDataConfig, draw, endless, margin
from seld.assignment.hungarian import hungarian
from seld.geometry import pairwise_angular_distance

CLEAR_MARGIN = 0.05  # in the unit of the cost, between the best and the next best pairing
TIED_MARGIN = 1e-5  # likewise
SEPARATIONS_DEG = (0, 1, 2, 5, 10, 20, 180)


@dataclass
class HnetScoresConfig:
    """The problems that the network is judged on, different from all training problems by their seed."""

    problems: int = 20000
    """for the tables over counts and separations; a tenth for each way of placing and for each size"""
    sizes: list[int] = field(default_factory=lambda: [2, 3, 4, 5, 8, 10])
    """numbers of references and of estimates, all there, of the table over sizes"""
    seed: int = 1_000_003
    """of the problems"""

    def __post_init__(self):
        if self.problems < 100:
            raise ValueError(f"validation.problems must be >= 100, got {self.problems}")
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"validation.sizes must be numbers >= 1, got {self.sizes}")


class Outcome(NamedTuple):
    """What came out of a set of problems; the first axis of every tensor is the problem."""

    exact: Tensor
    """(batch) bool: every entry is on the right side of 0.5"""
    confusion: Tensor
    """(batch, 2, 2) entries by truth (unmatched, matched) and estimate (unmatched, matched)"""
    margin: Tensor
    """(batch) by how much the best pairing wins"""

    @classmethod
    @torch.no_grad()
    def of(cls, net: Hnet, examples: Examples) -> Self:
        """The outcome of the problems, solved on the device of the network and kept on theirs."""
        here = examples.to(next(net.parameters()).device)
        association = net(here.cost, here.active, here.present).to(examples.cost.device)
        estimated = association > 0.5
        true, valid = examples.association > 0.5, examples.valid
        sides = [~true & valid, true & valid], [~estimated, estimated]
        cells = [(side & guess).sum((1, 2)) for side, guess in itertools.product(*sides)]
        confusion = torch.stack(cells, 1).view(-1, 2, 2)
        return cls(is_exact(association, examples), confusion, margin(examples))

    def scores(self, chosen: Tensor | None = None) -> dict:
        """Counts and scores over the problems that a bool (batch) names, ties left out."""
        chosen = (self.margin > TIED_MARGIN) & (True if chosen is None else chosen)
        clear = chosen & (self.margin > CLEAR_MARGIN)
        confusion = self.confusion[chosen].sum(0)
        return {
            "problems": int(chosen.sum()),
            "exact": float(self.exact[chosen].double().mean()),
            "clear": int(clear.sum()),
            "exact_clear": float(self.exact[clear].double().mean()),
            **classification(confusion),
            "confusion": confusion.tolist(),
        }


def is_exact(association: Tensor, examples: Examples) -> Tensor:
    """(batch) bool: every entry is on the right side of 0.5."""
    return ((association > 0.5) == (examples.association > 0.5)).flatten(1).all(1)


def classification(confusion: Tensor) -> dict[str, float]:
    """Precision, recall and F1 of a (2, 2) table of entries by truth and estimate, weighted and macro.

    A class that is neither there nor estimated counts as perfect.
    """
    confusion = confusion.double()
    hits, true, estimated = confusion.diagonal(), confusion.sum(1), confusion.sum(0)

    def ratio(part: Tensor, whole: Tensor) -> Tensor:
        return torch.where(whole > 0, part / whole.clamp_min(1), torch.where(true + estimated > 0, 0.0, 1.0))

    each = {
        "precision": ratio(hits, estimated),
        "recall": ratio(hits, true),
        "F1": ratio(2 * hits, true + estimated),
    }
    share = true / true.sum().clamp_min(1) if true.sum() > 0 else torch.full_like(true, 0.5)
    weighted = {f"{name}_weighted": float((share * value).sum()) for name, value in each.items()}
    return weighted | {f"{name}_macro": float(value.mean()) for name, value in each.items()}


def score(net: Hnet, data: HnetDataConfig, config: HnetScoresConfig) -> dict[str, dict]:
    """Scores over "all" problems, and "by_counts", "by_separation" (of the two closest references), "by_case" and
    "by_size", each a dictionary of scores."""
    generator = torch.Generator().manual_seed(config.seed)
    most, few = max(data.sizes), config.problems // 10
    examples = draw(replace(data, full_share=0), config.problems, most, most, generator)
    outcome = Outcome.of(net, examples)
    references, estimates = examples.active.sum(1), examples.present.sum(1)
    degrees = examples.separation.rad2deg()
    scores = {
        "all": outcome.scores(),
        "by_counts": {
            f"{n} references, {m} estimates": outcome.scores((references == n) & (estimates == m))
            for n, m in itertools.product(range(most + 1), repeat=2)
        },
        "by_separation": {
            f"{low}-{high} degrees": outcome.scores((degrees >= low) & (degrees < high))
            for low, high in itertools.pairwise(SEPARATIONS_DEG)
        },
        "by_case": {},
        "by_size": {},
    }
    for case in CASES:
        examples = draw(replace(data, cases={case: 1.0}), few, most, most, generator)
        scores["by_case"][case.replace("_", " ")] = Outcome.of(net, examples).scores()
    apart = replace(data, cases={"independent": 1.0}, full_share=1, resolutions_deg=[0])
    for size in config.sizes:
        examples = draw(apart, few, size, size, generator)
        scores["by_size"][f"{size} x {size}"] = Outcome.of(net, examples).scores()
    return scores


def separation_map(
    net: Hnet, counts: list[int], edges_deg: list[float], problems: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Share of exact matrices (counts, bins), and from how many problems, by number of sources and separation.

    As many estimates as references, half a degree to 20 degrees off; the two closest references are as far
    apart as the bin says. So many sources are rarely or never so far apart in some bins: those have few
    problems or none, and NaN for none.
    """
    generator = torch.Generator().manual_seed(seed)
    cells = []
    for count, (low, high) in itertools.product(counts, itertools.pairwise(edges_deg)):
        bounds = math.radians(low), math.radians(high)
        reference = directions(generator, problems, count)
        reference[:, 1] = _beside(generator, reference[:, 0], reference[:, 1], *bounds)
        estimate = around(generator, matched(generator, reference, count), 0.01, 0.35)
        closest = (pairwise_angular_distance(reference, reference) + 10 * torch.eye(count)).flatten(1).amin(1)
        cost = pairwise_angular_distance(estimate, reference)
        there = torch.ones(problems, count, dtype=torch.bool)
        examples = Examples(cost, hungarian(cost), there, there, closest)
        scores = Outcome.of(net, examples).scores((closest >= bounds[0]) & (closest < bounds[1]))
        cells.append((scores["exact"], scores["problems"]))
    exact, found = torch.tensor(cells).T.reshape(2, len(counts), -1)
    return exact, found


def _beside(generator: torch.Generator, doa: Tensor, other: Tensor, low: float, high: float) -> Tensor:
    """Directions (batch, 3) at angles from low to high of the first ones, in the direction of the others."""
    angle = low + (high - low) * torch.rand(len(doa), 1, generator=generator)
    sideways = torch.nn.functional.normalize(other - (other * doa).sum(1, keepdim=True) * doa, dim=1)
    return angle.cos() * doa + angle.sin() * sideways


def balance(data: HnetDataConfig, seed: int, batches: int = 64, batch: int = 256) -> tuple[Tensor, float]:
    """Share of training problems by (references, estimates), and of matched pairs among the possible ones."""
    most = max(data.sizes)
    counts, pairs, possible = torch.zeros(most + 1, most + 1), 0.0, 0.0
    for examples in itertools.islice(endless(data, batch, seed), batches):
        place = examples.active.sum(1), examples.present.sum(1)
        counts.index_put_(place, torch.ones(batch), accumulate=True)
        pairs += float(examples.association.sum())
        possible += float(examples.valid.sum())
    return counts / counts.sum(), pairs / max(possible, 1)
