"""Recordings of any length through a localizer, block by block.

So memory stays flat, and estimates do not depend on how long a recording is: a recurrent network that is trained on
segments of 5 s and runs through minutes at once drifts away from what it knows. One model's F20 on 6 minutes: 0.840 in
blocks of 10 s, 0.826 of 30 s, 0.795 in one piece.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seld.features import AFTER, BEFORE, Features
from seld.labels import FRAME_SECONDS
from seld.localizer.rows import Estimate

Read = Callable[[int, int], Tensor]
"""the audio (channels, samples) of the label frames from the first to before the last, as far as it goes"""

_NOTHING = 1e-5  # range of the samples of a frame without sound: -100 dB, where level features end
_PAUSE = 10  # label frames: how long a source may say nothing at all and still be there
BLOCK_S, CONTEXT_S = 10.0, 2.5
_NOBODY = -20.0  # logit of a track where there is no sound


class Stretch(NamedTuple):
    """Some label frames of a recording."""

    features: Tensor
    """(1, channels, T x frames_per_label, F)"""
    silent: Tensor
    """(T,) bool: no channel says anything, here or within a second"""


class Stretches:
    """Features of stretches of a recording, of which each begins and ends where the one before does, or later.

    What two stretches share is computed once.
    """

    def __init__(self, features: Features, read: Read, frames: int):
        """`frames`: label frames of the whole recording."""
        self.features, self.read, self.frames = features, read, frames
        self._first = self._last = 0
        self._kept: list[Tensor] = []

    def __call__(self, first: int, last: int) -> Stretch:
        """The label frames from `first` to before `last`."""
        scale, drop = self.features.config.frames_per_label, first - self._first
        if self._kept:
            self._kept = [self._kept[0][:, :, drop * scale :], self._kept[1][drop:]]
        if last > self._last:
            new = self._compute(self._last, last, scale)
            self._kept = [torch.cat(parts, -2) for parts in zip(self._kept, new, strict=True)] if self._kept else new
        self._first, self._last = first, last
        features, sound = self._kept
        near = functional.max_pool1d(sound.T, 2 * _PAUSE + 1, 1, _PAUSE)[0]
        return Stretch(features, near == 0)

    def _compute(self, first: int, last: int, scale: int) -> list[Tensor]:
        """Features (1, channels, T x frames_per_label, F) and whether there is sound (T, 1), 0 or 1."""
        begin, end = max(0, first - BEFORE), min(self.frames, last + AFTER)
        audio = self.read(begin, end).to(self.features.window.device)
        features = self.features(audio.unsqueeze(0))[:, :, (first - begin) * scale : (last - begin) * scale]
        return [features, self._sound(audio, end - begin)[first - begin : last - begin]]

    def _sound(self, audio: Tensor, frames: int) -> Tensor:
        """(channels, samples) -> (T, 1): 1 for label frames in which any channel changes."""
        size = self.features.config.hop * self.features.config.frames_per_label
        missing = frames * size - audio.shape[-1]
        whole = torch.cat([audio, audio[:, -1:].expand(-1, missing)], 1) if missing else audio
        low, high = whole.unflatten(1, (frames, size)).aminmax(dim=2)
        return (high - low).amax(0).gt(_NOTHING).float().unsqueeze(1)


@torch.inference_mode()
def in_blocks(
    network: nn.Module, piece: Callable[[int, int], Stretch], frames: int, block_s: float, context_s: float
) -> Iterator[Estimate]:
    """Estimates (T, M, 3), (T, M) of a recording of so many label frames, block by block.

    Args:
        network: features (1, ...) to estimates (1, T, M, 3), (1, T, M); works as in evaluation, and is left as it was.
        piece: the label frames from a first to before a last one.
        block_s: seconds that are estimated at once.
        context_s: seconds on both sides of a block that the network hears, too.
    """
    block, context = (max(1, round(seconds / FRAME_SECONDS)) for seconds in (block_s, context_s))
    for begin in range(0, frames, block):
        first, end = max(0, begin - context), min(frames, begin + block)
        stretch = piece(first, min(frames, end + context))
        was_training = network.training
        doa, logit = network.eval()(stretch.features)
        network.train(was_training)
        logit = logit[0].masked_fill(stretch.silent.unsqueeze(-1), _NOBODY)
        yield Estimate(doa[0, begin - first : end - first], logit[begin - first : end - first])
