"""Segments of clips for training: cut anew each epoch and varied."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seld.augmentation import Augmentation, AugmentationConfig, Segment
from seld.clips.sources import ClipData, Clips, MemoryClips, StreamedClips
from seld.features import BEFORE, Features
from seld.labels import FRAME_SECONDS


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
    """vary each segment as the augmentation options say"""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self):
        if self.seconds < 0.1:
            raise ValueError(f"segments.seconds must be at least one frame of 0.1 s, got {self.seconds}")


class Segments(Dataset):
    """Segments of the clips: each epoch cuts every clip at another offset, drawn from the seed.

    Item i of epoch e depends on (seed, e, i) alone, so that a resumed run sees what it would have seen. Where
    augmentation needs audio, it is decoded and its features are computed for each segment.

    Raises:
        ValueError: when augmentation needs audio of clips whose features are kept, or cannot be had of the features.
    """

    def __init__(self, clips: Clips | Sequence[ClipData], config: SegmentConfig, features: Features, seed: int):
        self.clips = clips if isinstance(clips, Clips) else MemoryClips(clips)
        # A copy stays on the CPU when the localizer's own moves to the device that it is trained on.
        self.config, self.features, self.seed = config, copy.deepcopy(features).cpu(), seed
        self.frames = round(config.seconds / FRAME_SECONDS)
        self.epoch = 0
        self.augmentation = self._augmentation() if config.augment else None
        # A clip gives as many segments as it holds whole ones, but at least one.
        self.owner = [i for i, frames in enumerate(self.clips.frames) for _ in range(max(1, frames // self.frames))]

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, index: int) -> Batch:
        draw = np.random.default_rng((self.seed, self.epoch, index))
        clip = self.owner[index]
        begin = self._draw_begin(clip, draw)
        if self.augmentation is None:
            return self._cut(clip, begin)
        if self.config.augmentation.needs_audio:
            return self._vary_audio(clip, begin, draw)
        return Batch(*self.augmentation.features(*self._cut(clip, begin), draw, self.features))

    def _augmentation(self) -> Augmentation:
        augmentation = Augmentation(self.config.augmentation, self.features.array)
        augmentation.check(self.features, cached=not isinstance(self.clips, StreamedClips))
        return augmentation

    def _draw_begin(self, clip: int, draw: np.random.Generator) -> int:
        return int(draw.integers(max(0, self.clips.frames[clip] - self.frames) + 1))

    def _cut(self, clip: int, begin: int) -> Batch:
        features, doa, active = self.clips.cut(clip, begin, min(begin + self.frames, self.clips.frames[clip]))
        features = features.float()
        missing = self.frames - len(active)
        if missing:
            features = torch.cat([features, self._silence.repeat(1, missing, 1)], 1)
        return Batch(features, *self._fill(doa, active))

    @cached_property
    def _silence(self) -> Tensor:
        """Features (channels, frames_per_label, F) of a label frame of silence, with which short clips go on.

        In the channels that are levels zeros would be sound of usual level. Only where a window reaches from the clip
        into the silence would features of the audio be others.
        """
        frame = self.features.config.hop * self.features.config.frames_per_label
        with torch.no_grad():
            return self.features(torch.zeros(1, self.features.inputs, frame))[0]

    def _cut_audio(self, clip: int, begin: int, before: int) -> Segment:
        audio, doa, active = self.clips.cut_audio(clip, begin, begin + self.frames, before)
        return Segment(audio, *self._fill(doa, active))

    def _fill(self, doa: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """References of a whole segment: a clip that is shorter goes on in silence."""
        missing = self.frames - len(active)
        if not missing:
            return doa, active
        return torch.cat([doa, doa[-1:].expand(missing, -1, -1)]), torch.nn.functional.pad(active, (0, 0, 0, missing))

    def _vary_audio(self, clip: int, begin: int, draw: np.random.Generator) -> Batch:
        before, scale = min(begin, BEFORE), self.features.config.frames_per_label

        def partner(draw: np.random.Generator) -> Segment:
            other = self.owner[draw.integers(len(self.owner))]
            return self._cut_audio(other, self._draw_begin(other, draw), before)

        varied = self.augmentation.audio(*self._cut_audio(clip, begin, before), draw, partner)
        with torch.no_grad():
            computed = self.features(varied.signal.unsqueeze(0))[0]
        inside = computed[:, before * scale : (before + self.frames) * scale]
        return Batch(self.augmentation.spectrum(inside, draw, self.features), varied.doa, varied.active)


def collate(segments: Sequence[Batch]) -> Batch:
    """Segments of equal length as one batch."""
    return Batch(*(torch.stack(parts) for parts in zip(*segments, strict=True)))
