"""Adding two clips: more sources at once than were recorded.

Time-domain mixing of Wang et al., IEEE/ACM TASLP 2023. It takes audio: a sum of features is not the features of the
sum, since levels are logarithms and phases add as vectors, so that a cache of features cannot be mixed.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seld.augmentation.segment import Segment


class _Stretch(NamedTuple):
    """Frames from `begin` to before `end` in which a slot of one of the two segments sounds."""

    begin: int
    end: int
    part: int
    slot: int


def mix(first: Segment, second: Segment, gains_db: Tensor) -> Segment:
    """Recordings (B, channels, samples) and references of both; the second ones changed by (B,) decibels.

    Where the two have more sources in any frame than there are slots, the first stays alone.

    Raises:
        ValueError: when the two differ in shape.
    """
    for one, other, name in zip(first, second, Segment._fields, strict=True):
        if one.shape != other.shape:
            raise ValueError(f"{name} of mixed segments must be alike, got {tuple(one.shape)} and {tuple(other.shape)}")
    gains = 10 ** (gains_db.to(first.signal) / 20)
    doa, active = first.doa.clone(), first.active.clone()
    for item in range(len(doa)):
        joined = join_references((first.doa[item], second.doa[item]), (first.active[item], second.active[item]))
        if joined is None:
            gains[item] = 0
        else:
            doa[item], active[item] = joined
    return Segment(first.signal + gains[:, None, None] * second.signal, doa, active)


def join_references(doa: tuple[Tensor, Tensor], active: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor] | None:
    """References (T, N, 3) and (T, N) of both parts in N slots; None when a frame has more than N.

    A source keeps its slot while it sounds. It takes the slot of its own part (the first) or the one that its slot
    had before (the second), when that is free, and else the one that has been free for longest. Slots that were just
    left are taken only when there is no other, so that two sources do not read as one that jumps.
    """
    slots = active[0].shape[1]
    if int((active[0].sum(1) + active[1].sum(1)).max()) > slots:
        return None
    joined_doa = torch.zeros_like(doa[0])
    joined_doa[..., 0] = 1  # the front, as wherever a slot is silent
    joined_active = torch.zeros_like(active[0])
    free_from = [-1] * slots
    place = {(0, slot): slot for slot in range(slots)}
    for begin, end, part, slot in sorted(_stretches(active[0], 0) + _stretches(active[1], 1)):
        free = [candidate for candidate in range(slots) if free_from[candidate] <= begin]
        free = [candidate for candidate in free if free_from[candidate] < begin] or free
        wanted = place.get((part, slot))
        chosen = wanted if wanted in free else min(free, key=free_from.__getitem__)
        joined_doa[begin:end, chosen] = doa[part][begin:end, slot]
        joined_active[begin:end, chosen] = True
        free_from[chosen], place[part, slot] = end, chosen
    return joined_doa, joined_active


def _stretches(active: Tensor, part: int) -> list[_Stretch]:
    edges = np.diff(np.pad(active.cpu().numpy().astype(np.int8), ((1, 1), (0, 0))), axis=0)
    found = []
    for slot, column in enumerate(edges.T):
        begins, ends = np.flatnonzero(column == 1).tolist(), np.flatnonzero(column == -1).tolist()
        found += [_Stretch(begin, end, part, slot) for begin, end in zip(begins, ends, strict=True)]
    return found
