"""Recordings whose directions are known exactly."""

import numpy as np
import torch

from seld.arrays import steering


def plane_waves(array, directions, seconds=1.0, seed=0):
    """White noise from each unit vector at once, (channels, samples) float32, as the array hears it.

    Delays are those of a periodic signal, so that they hold at the ends, too.
    """
    samples = round(24000 * seconds)
    draw = np.random.default_rng(seed)
    response = steering(array, np.atleast_2d(directions), np.fft.rfftfreq(samples, 1 / 24000))
    sources = np.fft.rfft(0.1 * draw.standard_normal((response.shape[1], samples)))
    heard = np.fft.irfft(np.einsum("fdc,df->cf", response, sources), samples)
    return torch.tensor(heard, dtype=torch.float32)


def turned(audio, symmetry):
    """The recording (channels, samples) of the turned scene."""
    signs = torch.as_tensor(symmetry.signs, dtype=audio.dtype)
    return audio[torch.as_tensor(symmetry.permutation)] * signs[:, None]
