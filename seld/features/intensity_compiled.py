"""Powers and intensity vectors of the bins of first-order Ambisonics, compiled, for the CPU and without gradients.

The same as the tensor expressions of logmel_intensity.py in a tenth of their time: what is computed of a bin stays in
registers, where those write every intermediate result to memory and read it again.
"""

import numpy as np
import torch
from torch import Tensor

from seld.compiling import compiled


def powers_and_intensities(spectrum: Tensor, channels: int) -> Tensor:
    """Spectra (B, 4, frames, bins) of W, Y, Z, X -> (B, channels, frames, bins).

    The first seven channels are the powers of W, X, Y, Z and Re(W* [X, Y, Z]); what others hold is left open.
    """
    out = torch.empty(len(spectrum), channels, *spectrum.shape[2:])
    _powers_and_intensities(spectrum.contiguous().numpy(), out.numpy())
    return out


def add_direct(bins: Tensor, past: Tensor | None, decay: float, explained: float, least: tuple[float, float]) -> Tensor:
    """Write direct-path intensities beside powers and intensities, in place; returns the past for the next block.

    Args:
        bins: (B, 10, frames, bins), whose last three channels are written.
        past: energies (B, 3, bins) of what was left of all earlier sound in the frame before the last two, and of
            these two; None at the beginning.
        decay: factor of what is left, from frame to frame.
        explained: factor of what was left two frames ago, to be taken for reverberation now.
        least: energy of a bin, and squared length of its intensity vector.
    """
    after = bins.new_zeros(len(bins), 3, bins.shape[-1]) if past is None else past.clone()
    numbers = (np.float32(number) for number in (decay, explained, *least))
    _add_direct(bins.numpy(), after.numpy(), *numbers)
    return after


def divide_by_energy(bins: Tensor, added: float) -> None:
    """Divide intensities by the energy of the DCASE baselines, in place; see LogMelIntensity."""
    _divide_by_energy(bins.numpy(), np.float32(added))


# Three loops, and complex numbers as such: with more in one loop, or real and imaginary parts on an axis of their own,
# the compiler gives up on vector instructions.


@compiled
def _powers_and_intensities(spectrum, out):
    for item in range(out.shape[0]):
        for frame in range(out.shape[2]):
            for k in range(out.shape[3]):
                w, y = spectrum[item, 0, frame, k], spectrum[item, 1, frame, k]
                z, x = spectrum[item, 2, frame, k], spectrum[item, 3, frame, k]
                out[item, 0, frame, k] = _product(w, w)
                out[item, 1, frame, k] = _product(x, x)
                out[item, 2, frame, k] = _product(y, y)
                out[item, 3, frame, k] = _product(z, z)
                out[item, 4, frame, k] = _product(w, x)
                out[item, 5, frame, k] = _product(w, y)
                out[item, 6, frame, k] = _product(w, z)


@compiled
def _add_direct(bins, past, decay, explained, floor, faint):
    zero, half, one = np.float32(0), np.float32(0.5), np.float32(1)
    for item in range(bins.shape[0]):
        for f in range(bins.shape[2]):
            for k in range(bins.shape[3]):
                power = bins[item, 0, f, k] + bins[item, 1, f, k] + bins[item, 2, f, k] + bins[item, 3, f, k]
                energy = max(power * half, floor)
                left = max(past[item, 0, k] * decay, past[item, 1, k])
                past[item, 0, k], past[item, 1, k], past[item, 2, k] = left, past[item, 2, k], energy
                scale = one / energy
                x, y, z = bins[item, 4, f, k] * scale, bins[item, 5, f, k] * scale, bins[item, 6, f, k] * scale
                squared = min(max(x * x + y * y + z * z, faint), one)
                weight = squared * np.sqrt(squared) * max(one - left * explained * scale, zero)
                bins[item, 7, f, k], bins[item, 8, f, k], bins[item, 9, f, k] = x * weight, y * weight, z * weight


@compiled
def _divide_by_energy(bins, added):
    one, third = np.float32(1), np.float32(1 / 3)
    for item in range(bins.shape[0]):
        for f in range(bins.shape[2]):
            for k in range(bins.shape[3]):
                power = bins[item, 1, f, k] + bins[item, 2, f, k] + bins[item, 3, f, k]
                scale = one / (added + bins[item, 0, f, k] + power * third)
                bins[item, 4, f, k] *= scale
                bins[item, 5, f, k] *= scale
                bins[item, 6, f, k] *= scale


@compiled
def _product(a, b):
    return a.real * b.real + a.imag * b.imag
