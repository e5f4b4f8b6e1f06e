"""Changes of features that leave directions alone: level, shift over frequency, masks.

Frequency shift: Nguyen et al., "SALSA", IEEE/ACM TASLP 2022. Masks: Park et al., "SpecAugment", Interspeech 2019.
"""

import torch
from torch import Tensor

from seld.features import LEVEL_CENTRE_DB, LEVEL_SPREAD_DB, Features, LogMelGcc, Phase
from seld.features.spectrogram import FLOOR

_FLOOR = (10 * torch.tensor(FLOOR, dtype=torch.float64).log10().item() - LEVEL_CENTRE_DB) / LEVEL_SPREAD_DB


def change_level(features: Tensor, gains_db: Tensor, module: Features) -> Tensor:
    """Features (B, channels, frames, bands) of recordings that are louder by (B,) decibels.

    Spatial features do not change with the level (the "dcase" intensity and the thresholds of SALSA do a little in
    nearly silent bins). What lies at the floor of the levels is digital silence and stays there.
    """
    level = features[:, : module.inputs]
    louder = (level + gains_db.to(features)[:, None, None, None] / LEVEL_SPREAD_DB).clamp_min(_FLOOR)
    return torch.cat([torch.where(level > _FLOOR, louder, level), features[:, module.inputs :]], 1)


def shift_bands(features: Tensor, shifts: Tensor, module: Features) -> Tensor:
    """Features (B, channels, frames, bands) moved up by (B,) int bands; down where they are negative.

    All channels move alike, so that a cell keeps its direction; bands that nothing moves to mirror those beside them.
    Spatial features of linear bins move below the limit that they end at. Correlations of GCC-PHAT stand over lags,
    not bands, and stay.

    Raises:
        ValueError: for phase differences, which at another frequency are those of another direction.
    """
    check_shift(module)
    level, spatial = features[:, : module.inputs], features[:, module.inputs :]
    if isinstance(module, LogMelGcc):
        return torch.cat([_shift(level, shifts), spatial], 1)
    if not hasattr(module, "bins"):
        return _shift(features, shifts)
    end = module.bins.spatial.stop
    moved = torch.cat([_shift(spatial[..., :end], shifts), spatial[..., end:]], -1)
    return torch.cat([_shift(level, shifts), moved], 1)


def check_shift(module: Features) -> None:
    """Raise ValueError when features cannot be shifted over frequency."""
    if isinstance(module, Phase):
        raise ValueError(
            "augmentation.shift_bands must be 0 for features.kind phase, whose phases change with the band"
        )


def mask(features: Tensor, frames: Tensor, bands: Tensor, module: Features) -> Tensor:
    """Features (B, channels, frames, bands) without what is masked: (B, frames) and (B, bands) bool.

    Levels become their mean over the segment, spatial features 0, which they are where nothing comes from anywhere:
    together it is diffuse sound of usual level. Correlations of GCC-PHAT stand over lags, not bands; where a
    stretch of time is masked they become 0, but masked bands do not touch them.
    """
    level, spatial = features[:, : module.inputs], features[:, module.inputs :]
    cells = frames[:, None, :, None] | bands[:, None, None, :]
    kept = ~(frames[:, None, :, None] if isinstance(module, LogMelGcc) else cells)
    return torch.cat([torch.where(cells, level.mean((2, 3), keepdim=True), level), spatial * kept], 1)


def _shift(features: Tensor, shifts: Tensor) -> Tensor:
    """Moved along the last axis, mirrored at its ends without repeating the last band."""
    last = features.shape[-1] - 1
    former = torch.arange(last + 1, device=features.device) - shifts.to(features.device)[:, None]
    former = (last - (last - former.abs()).abs()).clamp(0, last)
    return features.take_along_dim(former[:, None, None], -1)
