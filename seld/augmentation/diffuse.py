"""Sound from everywhere, as an array hears it: noise and the tails of rooms.

A diffuse field is the sum of many independent plane waves from all directions. All that matters of it are the
covariances between channels, frequency by frequency: in the open sin(k d) / (k d) for microphones at the distance d,
for Ambisonics W, Y, Z, X without correlation and of energies 1, 1/3, 1/3, 1/3. Independent Gaussian noises times a
square root of that matrix are such a field (Habets and Gannot, "Generating sensor signals in isotropic noise fields",
JASA 2007). A reverberant tail is the same with an exponential decay (Polack, 1988).
"""

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from seld.arrays import Array, steering
from seld.audio import SAMPLE_RATE
from seld.geometry import fibonacci_sphere

_DIRECTIONS = 500
_BINS = 129  # frequencies at which covariances are computed; between them they are interpolated
_FLAT_BELOW_HZ, _REFERENCE_HZ = 60.0, 1000.0  # of coloured noise
_PREDELAY_S = (0.005, 0.03)  # before the tail begins, so that onsets stay as they are
_DECAY_PER_RT60 = np.log(1000.0)  # of amplitudes


class DiffuseField:
    """Gaussian noise of the isotropic field in the channels of an array, of about unit power in each microphone.

    Channels at unknown places, such as two ears, are independent (`is_diffuse` False).
    """

    def __init__(self, array: Array):
        self.array = array
        self.is_diffuse = array.kind != "channels" or array.foa_gains is not None
        self._root = _root_covariance(array) if self.is_diffuse else torch.eye(array.channels).unsqueeze(-1)

    def noise(self, count: int, samples: int, generator: np.random.Generator, device: torch.device | str) -> Tensor:
        """White noise (count, channels, samples) float32 that goes on at the beginning where it ends."""
        return self.coloured_noise(torch.zeros(count), samples, generator, device)

    def coloured_noise(
        self, slopes_db: Tensor, samples: int, generator: np.random.Generator, device: torch.device | str
    ) -> Tensor:
        """Noise (B, channels, samples) of slopes (B,) in decibels per octave; 0 dB at 1 kHz, flat below 60 Hz."""
        size = next_fast_len(samples, real=True)
        bins = size // 2 + 1
        # Drawn where it is used; numbers of one device are not those of another.
        local = torch.Generator(device).manual_seed(int(generator.integers(2**62)))
        parts = torch.randn(len(slopes_db), self.array.channels, bins, 2, generator=local, device=device)
        hertz = torch.linspace(0, SAMPLE_RATE / 2, bins, device=device).clamp_min(_FLAT_BELOW_HZ)
        colour = (hertz / _REFERENCE_HZ) ** (slopes_db.to(hertz)[:, None] / 6.0206)
        root = self._root.to(device)
        if root.shape[-1] > 1:
            root = torch.nn.functional.interpolate(root, bins, mode="linear", align_corners=True)
        spectrum = torch.einsum("ijf,bjfk->bifk", root, parts * colour[:, None, :, None])
        # A bin of variance 2 for its two parts is one sample's variance of 2 / size once it is transformed.
        return torch.fft.irfft(torch.view_as_complex(spectrum), size)[..., :samples] * (size / 2) ** 0.5

    def reference(self, audio: Tensor, generator: np.random.Generator) -> Tensor:
        """What a room would answer to (B, 1, samples): W, or one of the microphones, drawn for each item."""
        if self.array.foa_gains is not None:
            omni = torch.as_tensor(np.linalg.pinv(self.array.foa_gains)[0]).to(audio)
            return (omni @ audio).unsqueeze(1)
        # A mean of microphones would cancel some directions at some frequencies.
        chosen = torch.as_tensor(generator.integers(audio.shape[1], size=len(audio)), device=audio.device)
        return audio[torch.arange(len(audio), device=audio.device), chosen].unsqueeze(1)


def add_noise(
    audio: Tensor, field: DiffuseField, snr_db: Tensor, slopes_db: Tensor, generator: np.random.Generator
) -> Tensor:
    """Recordings (B, channels, samples) with noise (B,) decibels below their mean power; silence stays silent.

    Args:
        slopes_db: (B,) colour of the noise, decibels per octave.
    """
    noise = field.coloured_noise(slopes_db, audio.shape[-1], generator, audio.device).to(audio)
    power, noise_power = (sound.square().mean((1, 2), keepdim=True) for sound in (audio, noise))
    below = 10 ** (snr_db.to(audio)[:, None, None] / 10)
    return audio + noise * (power / (noise_power * below)).sqrt()


def add_reverberation(
    audio: Tensor, field: DiffuseField, rt60_s: Tensor, level_db: Tensor, generator: np.random.Generator
) -> Tensor:
    """Recordings (B, channels, samples) with a random diffuse tail on all that they hold.

    What was recorded stays as it is, and the tail begins 5 to 30 ms later, so that onsets come from where they came
    from. It comes from all around with no direction on average. What sounded before the segment leaves no tail.

    Args:
        rt60_s: (B,) seconds in which the tail decays by 60 dB.
        level_db: (B,) energy of the tail above that of the sound, for a microphone that hears all directions alike.
    """
    samples = audio.shape[-1]
    predelay = torch.as_tensor(generator.uniform(*_PREDELAY_S, len(audio)))
    seconds = (
        torch.arange(round(SAMPLE_RATE * float((predelay + rt60_s.cpu()).max()))) / SAMPLE_RATE - predelay[:, None]
    )
    envelope = torch.where(seconds >= 0, (-_DECAY_PER_RT60 * seconds / rt60_s.cpu()[:, None]).exp(), 0.0)
    envelope *= (10 ** (level_db.cpu() / 10) / envelope.square().sum(1))[:, None].sqrt()
    tail = field.noise(*envelope.shape, generator, audio.device).to(audio) * envelope.to(audio)[:, None]
    # Long enough for both, so that what ends does not come back at the beginning.
    size = next_fast_len(samples + tail.shape[-1], real=True)
    response = torch.fft.rfft(tail, size) * torch.fft.rfft(field.reference(audio, generator), size)
    return audio + torch.fft.irfft(response, size)[..., :samples]


def _root_covariance(array: Array) -> Tensor:
    """Square roots (channels, channels, bins) of the covariances of channels in the isotropic field.

    The covariances are real: the field is the same mirrored at the middle of any two microphones.
    """
    bins = 1 if array.foa_gains is not None else _BINS
    response = steering(array, fibonacci_sphere(_DIRECTIONS), np.linspace(0, SAMPLE_RATE / 2, bins))
    covariance = np.einsum("fdi,fdj->fij", response, response.conj()).real / _DIRECTIONS
    values, vectors = np.linalg.eigh(covariance)
    root = np.einsum("fik,fk,fjk->ijf", vectors, np.sqrt(np.maximum(values, 0)), vectors)
    return torch.as_tensor(root, dtype=torch.float32)
