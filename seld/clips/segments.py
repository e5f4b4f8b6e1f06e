"""Segments of clips for training: cut anew each epoch, turned, and changed in level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seld.clips.sources import ClipData, Clips, MemoryClips
from seld.features import LEVEL_SPREAD_DB, Features


class Batch(NamedTuple):
    """Segments of T label frames."""

    features: Tensor
    """(B, channels, T x frames_per_label, F) float32"""
    doa: Tensor
    """(B, T, N, 3) unit vectors"""
    active: Tensor
    """(B, T, N) bool"""


@dataclass
class SegmentConfig:
    """How clips are cut and varied for training."""

    seconds: float = 5.0
    """length of a training segment"""
    augment: bool = True
    """turn or mirror each segment by one of the symmetries of its array, and change its level"""
    level_db: float = 6.0
    """largest change of level by augmentation, up or down"""

    def __post_init__(self):
        if self.seconds < 0.1:
            raise ValueError(f"segments.seconds must be at least one frame of 0.1 s, got {self.seconds}")


class Segments(Dataset):
    """Segments of the clips: each epoch cuts every clip at another offset, drawn from the seed.

    Item i of epoch e depends on (seed, e, i) alone, so that a resumed run sees what it would have seen.
    """

    def __init__(self, clips: Clips | Sequence[ClipData], config: SegmentConfig, features: Features, seed: int):
        self.clips = clips if isinstance(clips, Clips) else MemoryClips(clips)
        self.config, self.features, self.seed = config, features, seed
        self.frames = round(config.seconds * 10)
        self.epoch = 0
        self.symmetries = features.array.symmetries()
        # A clip gives as many segments as it holds whole ones, but at least one.
        self.owner = [i for i, frames in enumerate(self.clips.frames) for _ in range(max(1, frames // self.frames))]

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, index: int) -> Batch:
        draw = np.random.default_rng((self.seed, self.epoch, index))
        clip = self.owner[index]
        segment = self._cut(clip, int(draw.integers(max(0, self.clips.frames[clip] - self.frames) + 1)))
        return self._vary(segment, draw) if self.config.augment else segment

    def _cut(self, clip: int, begin: int) -> Batch:
        features, doa, active = self.clips.cut(clip, begin, min(begin + self.frames, self.clips.frames[clip]))
        features = features.float()
        missing = self.frames - len(active)
        if missing:  # a clip shorter than a segment goes on in silence
            scale = self.features.config.frames_per_label
            features = torch.nn.functional.pad(features, (0, 0, 0, missing * scale))
            doa = torch.cat([doa, doa[-1:].expand(missing, -1, -1)])
            active = torch.nn.functional.pad(active, (0, 0, 0, missing))
        return Batch(features, doa, active)

    def _vary(self, segment: Batch, draw: np.random.Generator) -> Batch:
        symmetry = self.symmetries[draw.integers(len(self.symmetries))]
        features = self.features.turn(segment.features.unsqueeze(0), [symmetry])[0]
        features[: self.features.inputs] += float(draw.uniform(-1, 1)) * self.config.level_db / LEVEL_SPREAD_DB
        rotation = torch.as_tensor(symmetry.rotation, dtype=segment.doa.dtype)
        return Batch(features, segment.doa @ rotation.T, segment.active)


def collate(segments: Sequence[Batch]) -> Batch:
    """Segments of equal length as one batch."""
    return Batch(*(torch.stack(parts) for parts in zip(*segments, strict=True)))
