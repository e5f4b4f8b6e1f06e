"""Track-wise ACCDOA with auxiliary duplicating permutation invariant training (ADPIT).

Shimada et al., "Multi-ACCDOA: Localizing and Detecting Overlapping Sounds from the Same Class with Auxiliary
Duplicating Permutation Invariant Training", ICASSP 2022; what the DCASE baselines train with. Here without classes,
and for any number of tracks. A track is one vector, whose direction is that of its source and whose length is its
activity. Every track has a target in every frame: with fewer sources than tracks, sources are given to several tracks
(the baselines' A0; B0, B1; C0, C1, C2), so that none of them is trained to be silent while something sounds.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

_MOST_WAYS = 3125  # 5 tracks, 5 sources; 6 and 6 would be 46656


class AdpitLoss(NamedTuple):
    total: Tensor
    """mean squared error of the vectors' coordinates, a scalar"""


def adpit_loss(doa: Tensor, activity_logit: Tensor, reference: Tensor, active: Tensor) -> AdpitLoss:
    """Mean squared error of the tracks' vectors against the nearest of all ways to give them sources.

    A frame in which nothing sounds has zero vectors as targets.

    Args:
        doa: (..., M, 3) unit vectors, which sigmoid(activity_logit) makes as long as they are active.
        activity_logit: (..., M).
        reference: (..., N, 3) unit vectors, of at most as many sources as tracks.
        active: (..., N) bool, references that sound.

    Raises:
        ValueError: for more sources than tracks, or for more than 5 of both.
    """
    vector = doa * activity_logit.sigmoid().unsqueeze(-1)
    distance = (vector.detach().unsqueeze(-2) - reference.unsqueeze(-3)).square().sum(-1)
    target = duplicating_assignment(distance, active) @ reference
    return AdpitLoss((vector - target).square().mean())


@torch.no_grad()
def duplicating_assignment(cost: Tensor, active: Tensor) -> Tensor:
    """The cheapest way to give every track a source, and every source that sounds at least one track.

    All ways are tried in each frame. There is no gradient through the choice, as in all of PIT.

    Args:
        cost: (..., M, N) of tracks and sources.
        active: (..., N) bool.

    Returns:
        (..., M, N), 0 or 1: a 1 in each row, at least one in each column that sounds; all 0 where none sounds.
    """
    tracks, sources = cost.shape[-2:]
    if sources > tracks:
        raise ValueError(f"sources must be at most as many as the {tracks} tracks, got {sources}")
    if sources**tracks > _MOST_WAYS:
        raise ValueError(f"tracks and sources must be at most 5, got {tracks} and {sources}")
    choice = torch.tensor(list(itertools.product(range(sources), repeat=tracks)), device=cost.device)
    ways = one_hot(choice, sources).to(cost.dtype)  # (ways, M, N)
    used = ways.amax(1) > 0
    allowed = (used == active.unsqueeze(-2)).all(-1)  # (..., ways): who sounds, and nobody else
    price = torch.einsum("...mn,wmn->...w", cost, ways).masked_fill(~allowed, torch.inf)
    return ways[price.argmin(-1)] * active.any(-1)[..., None, None]
