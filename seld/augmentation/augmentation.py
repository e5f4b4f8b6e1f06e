"""Draws what a configuration asks for and applies it to segments."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from seld.arrays import Array, Symmetry
from seld.audio import SAMPLE_RATE
from seld.augmentation.config import AugmentationConfig
from seld.augmentation.diffuse import DiffuseField, add_noise, add_reverberation
from seld.augmentation.mixing import mix
from seld.augmentation.segment import Segment
from seld.augmentation.spectral import change_level, check_shift, mask, shift_bands
from seld.augmentation.turning import random_rotations, rotate, swap_channels, turn_features, useful_symmetries
from seld.features import Features

_log = logging.getLogger(__name__)

Partner = Callable[[np.random.Generator], Segment]


class Augmentation:
    """Varies segments of one array; the same generator state gives the same result.

    Segments come one by one or as a batch, of which each item is varied on its own. There are two ways:

    - `audio`, then features of the result, then `spectrum`: all options;
    - `features` of features that lie in a cache, which the options in `config.needs_audio` cannot be had of.

    References of silent slots are turned, too. What comes back may share memory with what came in, which stays as it
    is.
    """

    def __init__(self, config: AugmentationConfig, array: Array):
        """Raise ValueError when options cannot be had of the array; log when it has no symmetry to turn it by."""
        self.config, self.array = config, array
        if config.turn == "rotate" and array.kind != "foa":
            raise ValueError(f"augmentation.turn must be off or swap for the array {array.name}, got rotate")
        self.symmetries = useful_symmetries(array, config.upright) if config.turn == "swap" else []
        if len(self.symmetries) == 1:
            upright = " that keeps it upright" if config.upright else ""
            _log.warning("the array %s has no symmetry%s: its channels are not swapped", array.name, upright)
        self.field = DiffuseField(array) if config.noise > 0 or config.reverberation > 0 else None
        if config.reverberation > 0 and not self.field.is_diffuse:
            raise ValueError(
                f"augmentation.reverberation must be 0 for an array without positions or gains, {array.name}, "
                f"got {config.reverberation:g}"
            )

    def check(self, module: Features, cached: bool) -> None:
        """Raise ValueError when the options cannot be had of these features, or need audio where they are cached."""
        if cached and self.config.needs_audio:
            names = ", ".join(f"augmentation.{name}" for name in self.config.needs_audio)
            raise ValueError(f"features must be computed of varied audio, not cached, for {names}")
        if self.config.shift_bands:
            check_shift(module)

    def audio(
        self,
        audio: Tensor,
        doa: Tensor,
        active: Tensor,
        generator: np.random.Generator,
        partner: Partner | None = None,
    ) -> Segment:
        """Turned, mixed, reverberated, noisy and louder or softer audio with its references.

        Args:
            audio: (channels, samples), or (B, channels, samples).
            doa: (T, N, 3) unit vectors, or (B, T, N, 3).
            active: (T, N) bool, or (B, T, N).
            partner: gives another segment or batch of the same shape, drawn with the generator, when it is to be
                mixed in.

        Raises:
            ValueError: when the audio has not the array's channels, or there is no partner to mix with.
        """
        if audio.shape[-2] != self.array.channels:
            raise ValueError(f"audio must have {self.array.channels} channels, got {audio.shape[-2]}")
        if self.config.mix and partner is None:
            raise ValueError(f"augmentation.mix needs a partner to mix with, got {self.config.mix:g} and none")
        single = audio.ndim == 2
        segment = self._turn_audio(_batch(Segment(audio, doa, active), single), generator)
        segment = self._mix(segment, generator, partner, single)
        signal = self._add_reverberation(segment.signal, generator)
        signal = self._add_noise(signal, generator)
        if self.config.level_db:
            gains = 10 ** (self._levels(len(signal), generator) / 20)
            signal = signal * gains.to(signal)[:, None, None]
        return _unbatch(segment._replace(signal=signal), single)

    def features(
        self, features: Tensor, doa: Tensor, active: Tensor, generator: np.random.Generator, module: Features
    ) -> Segment:
        """Turned, louder or softer, shifted and masked features with their references.

        Args:
            features: (channels, frames, bands), or (B, channels, frames, bands), of `module`.
            doa, active: as in `audio`.

        Raises:
            ValueError: when the options need audio, or cannot be had of such features.
        """
        self.check(module, cached=True)
        single = features.ndim == 3
        segment = _batch(Segment(features, doa, active), single)
        if len(self.symmetries) > 1:
            segment = turn_features(segment, self._draw_symmetries(len(segment.doa), generator), module)
        if self.config.level_db:
            gains_db = self._levels(len(segment.doa), generator)
            segment = segment._replace(signal=change_level(segment.signal, gains_db, module))
        segment = segment._replace(signal=self.spectrum(segment.signal, generator, module))
        return _unbatch(segment, single)

    def spectrum(self, features: Tensor, generator: np.random.Generator, module: Features) -> Tensor:
        """Shifted and masked features (channels, frames, bands), or (B, channels, frames, bands).

        Raises:
            ValueError: when such features cannot be shifted.
        """
        config, batch = self.config, features if features.ndim == 4 else features.unsqueeze(0)
        items, _, frames, bands = batch.shape
        if config.shift_bands:
            shifts = generator.integers(-config.shift_bands, config.shift_bands + 1, items)
            batch = shift_bands(batch, torch.as_tensor(shifts), module)
        if config.time_masks or config.frequency_masks:
            longest = round(config.time_mask_s * SAMPLE_RATE / module.config.hop)
            in_time = _draw_masks(generator, (items, frames), config.time_masks, longest)
            in_bands = _draw_masks(generator, (items, bands), config.frequency_masks, config.frequency_mask_bands)
            batch = mask(batch, in_time.to(batch.device), in_bands.to(batch.device), module)
        return batch if features.ndim == 4 else batch[0]

    def _turn_audio(self, segment: Segment, generator: np.random.Generator) -> Segment:
        if self.config.turn == "rotate":
            return rotate(segment, random_rotations(generator, len(segment.doa), self.config.upright))
        if len(self.symmetries) > 1:
            return swap_channels(segment, self._draw_symmetries(len(segment.doa), generator))
        return segment

    def _mix(self, segment: Segment, generator: np.random.Generator, partner: Partner | None, single: bool) -> Segment:
        chosen = _draw_items(self.config.mix, segment.signal, generator)
        if not len(chosen):
            return segment
        # The other one is turned on its own, so that the two come from ever new pairs of directions.
        other = self._turn_audio(_batch(partner(generator), single), generator)
        gains_db = _uniform(generator, (-self.config.mix_db, self.config.mix_db), len(chosen))
        mixed = mix(Segment(*(part[chosen] for part in segment)), Segment(*(part[chosen] for part in other)), gains_db)
        return Segment(*(part.index_copy(0, chosen, new) for part, new in zip(segment, mixed, strict=True)))

    def _add_reverberation(self, audio: Tensor, generator: np.random.Generator) -> Tensor:
        config = self.config
        chosen = _draw_items(config.reverberation, audio, generator)
        if not len(chosen):
            return audio
        rt60_s = _uniform(generator, config.reverberation_rt60_s, len(chosen))
        level_db = _uniform(generator, config.reverberation_db, len(chosen))
        return audio.index_copy(0, chosen, add_reverberation(audio[chosen], self.field, rt60_s, level_db, generator))

    def _add_noise(self, audio: Tensor, generator: np.random.Generator) -> Tensor:
        config = self.config
        chosen = _draw_items(config.noise, audio, generator)
        if not len(chosen):
            return audio
        snr_db = _uniform(generator, config.noise_snr_db, len(chosen))
        slopes_db = _uniform(generator, config.noise_slope_db, len(chosen))
        return audio.index_copy(0, chosen, add_noise(audio[chosen], self.field, snr_db, slopes_db, generator))

    def _draw_symmetries(self, count: int, generator: np.random.Generator) -> list[Symmetry]:
        return [self.symmetries[index] for index in generator.integers(len(self.symmetries), size=count)]

    def _levels(self, count: int, generator: np.random.Generator) -> Tensor:
        return _uniform(generator, (-self.config.level_db, self.config.level_db), count)


def _batch(segment: Segment, single: bool) -> Segment:
    return Segment(*(part.unsqueeze(0) for part in segment)) if single else Segment(*segment)


def _unbatch(segment: Segment, single: bool) -> Segment:
    return Segment(*(part[0] for part in segment)) if single else segment


def _uniform(generator: np.random.Generator, limits: tuple[float, float], count: int) -> Tensor:
    return torch.as_tensor(generator.uniform(*limits, count))


def _draw_items(share: float, audio: Tensor, generator: np.random.Generator) -> Tensor:
    """Numbers (chosen,) of the items of a batch that are to be changed; nothing is drawn for a share of 0."""
    chosen = np.flatnonzero(generator.random(len(audio)) < share) if share else []
    return torch.as_tensor(chosen, dtype=torch.long, device=audio.device)


def _draw_masks(generator: np.random.Generator, shape: tuple[int, int], count: int, longest: int) -> Tensor:
    """Masks (B, length) bool of `count` stretches of 0 to `longest` cells each."""
    items, length = shape
    width = generator.integers(0, min(longest, length) + 1, (items, count))
    begin = np.floor(generator.random((items, count)) * (length - width + 1)).astype(int)
    cell = np.arange(length)[:, None]
    masked = (cell >= begin[:, None]) & (cell < (begin + width)[:, None])
    return torch.as_tensor(masked.any(-1))
