"""Log-mel spectrograms and directions found by steering, for microphones at known places."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from seld.arrays import SPEED_OF_SOUND, Array, Symmetry, diffuse_coherence, steering
from seld.audio import SAMPLE_RATE
from seld.features.config import FeatureConfig
from seld.features.logmel_intensity import rotations
from seld.features.reverberation import fresh_share
from seld.features.spectrogram import FLOOR, Features, MelBank, cross_spectra, decibels, products
from seld.geometry import normalize

_SENSOR_NOISE = 0.01  # power of the noise of each microphone's own, against the diffuse field's
_LOBE = 0.75  # cosine of the angle from the best direction within which directions are averaged
_LOBE_FLOOR = 0.9  # of the best fit; what fits less well does not count
_DIRECTNESS = 8  # power that brings what noise reaches by chance, about 0.65, down to 0.03
_NARROWEST = 1.2  # array sizes per wavelength from which on lobes fall between the directions that are tried
_TINY = 1e-3  # share of fresh energy below which there is no direction


class LogMelSteered(Features):
    """Audio of M microphones (B, M, samples) -> features (B, M + 3, T x frames_per_label, mel_bands).

    Channels: log-mel of each microphone, then x, y, z of the direct-path direction vector, which is to microphones
    what the direct-path intensity vector is to Ambisonics: it points to where the sound of a band comes from, and is
    1 long for one plane wave and next to 0 in a diffuse field and in decaying sound.

    The spectra x of a bin fit a plane wave from u as well as the beam of highest directivity towards u collects
    them: |a^H G^-1 x|^2 / (a^H G^-1 a  x^H G^-1 x), in [0, 1], where a is what the wave leaves in the array
    (`steering`) and G the coherence of a diffuse field with some noise of each microphone's own (Van Trees, "Optimum
    Array Processing", 2002, section 6.2). The mean of the fits in a band, weighed by the share of each bin's energy
    that no earlier, decaying sound explains, is taken for 290 directions; the vector is the mean direction around the
    best, its length the 8th power of the best fit times the share. It is 0 in bands too high for so few directions,
    from 1.2 wavelengths across the array on.
    """

    has_vectors = True

    def __init__(self, config: FeatureConfig, array: Array):
        if array.kind not in ("open", "sphere"):
            raise ValueError(f"features.array must be microphones at known places for logmel_steered, got {array.name}")
        super().__init__(config, array, array.channels + 3, config.mel_bands)
        self.mel = MelBank(config)
        highest = _NARROWEST * SPEED_OF_SOUND / pdist(array.positions).max()
        # Whole numbers that share no factor, so that the symmetries of a cube keep the set.
        lattice = [point for point in itertools.product(range(-3, 4), repeat=3) if math.gcd(*point) == 1]
        grid = np.array(sorted(lattice), dtype=np.float64)
        grid /= np.linalg.norm(grid, axis=1, keepdims=True)
        frequencies = np.arange(config.fft // 2 + 1) * (SAMPLE_RATE / config.fft)
        fit, energy = (torch.tensor(form, dtype=torch.float32) for form in _forms(array, grid, frequencies))
        self.register_buffer("grid", torch.tensor(grid, dtype=torch.float32), persistent=False)
        self.register_buffer("near", (self.grid @ self.grid.T > _LOBE).float(), persistent=False)
        self.register_buffer("energy", energy, persistent=False)
        self.steered = []  # first and last + 1 bin of each band
        for band, weight in enumerate(_exclusive(self.mel.bank).T):
            begin, end = weight.nonzero().aminmax()
            if frequencies[end] > highest:
                break
            share = (weight / weight.sum())[begin : end + 1, None, None]
            self.steered.append(slice(int(begin), int(end) + 1))
            self.register_buffer(f"fit{band}", (share * fit[begin : end + 1]).flatten(0, 1), persistent=False)
            self.register_buffer(f"share{band}", share.flatten(), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        pieces, past = [], None
        for spectrum in self.blocks(audio):
            power = products(spectrum, spectrum)
            share, past = fresh_share(power.mean(1, keepdim=True), past, self.config.hop)
            direct = self._direct(spectrum, power, share[:, 0])
            pieces.append(torch.cat([decibels(self.mel(power)), direct], 1))
        return torch.cat(pieces, 2)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each."""
        levels, direct = features.split([self.inputs, 3], 1)
        level = torch.stack([levels[i, list(symmetry.permutation)] for i, symmetry in enumerate(symmetries)])
        return torch.cat([level, torch.einsum("bij,bj...->bi...", rotations(symmetries, features), direct)], 1)

    def _direct(self, spectrum: Tensor, power: Tensor, share: Tensor) -> Tensor:
        """(B, M, frames, bins), (B, M, frames, bins), (B, frames, bins) -> (B, 3, frames, mel_bands)."""
        cross = cross_spectra(spectrum)
        forms = torch.cat([power, cross.real, cross.imag], 1)
        energy = torch.einsum("bkfn,nk->bfn", forms, self.energy)
        forms = (forms * (share / energy.clamp_min(FLOOR)).unsqueeze(1)).permute(0, 2, 3, 1).contiguous()
        vectors = share.new_zeros(len(share), 3, share.shape[1], self.bands)
        for band, bins in enumerate(self.steered):
            fit = forms[:, :, bins].flatten(2) @ getattr(self, f"fit{band}")
            vectors[..., band] = self._vector(fit, share[..., bins] @ getattr(self, f"share{band}")).transpose(1, 2)
        return vectors

    def _vector(self, fit: Tensor, share: Tensor) -> Tensor:
        """Fits (B, frames, directions), times the share of fresh energy (B, frames) -> (B, frames, 3)."""
        best, index = fit.max(-1, keepdim=True)
        near = self.near[index[..., 0]] * (fit - _LOBE_FLOOR * best).clamp_min(0)
        share = share.unsqueeze(-1)
        fitting = (best / share.clamp_min(_TINY)).clamp(0, 1) ** _DIRECTNESS
        return normalize(near @ self.grid) * fitting * share


def _exclusive(bank: Tensor) -> Tensor:
    """The mel bank (bins, bands) with each bin in the one band that it weighs most in, unless a band has no other."""
    own = bank * (bank == bank.amax(1, keepdim=True))
    return torch.where(own.any(0), own, bank)


def _forms(array: Array, grid: np.ndarray, frequencies_hz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (bins, M^2, directions) and (bins, M^2): fit, not yet over the energy, and energy from products.

    The products of a bin's spectra are |x_i|^2 for all i, then Re and then Im of conj(x_i) x_j for i < j.
    """
    noise = diffuse_coherence([array], frequencies_hz) + _SENSOR_NOISE * np.eye(array.channels)
    inverse = np.linalg.inv(noise)
    response = steering(array, grid, frequencies_hz)
    beam = np.einsum("fij,fdj->fdi", inverse, response)
    gain = np.einsum("fdi,fdi->fd", response.conj(), beam).real
    fit = beam[..., :, None] * beam[..., None, :].conj() / gain[..., None, None]
    return _coefficients(fit).swapaxes(1, 2), _coefficients(inverse)


def _coefficients(matrix: np.ndarray) -> np.ndarray:
    """Hermitian (..., M, M) -> (..., M^2): x^H matrix x as a sum of real products of x."""
    first, second = np.triu_indices(matrix.shape[-1], 1)
    own = np.diagonal(matrix, axis1=-2, axis2=-1).real
    pair = 2 * matrix[..., first, second]
    return np.concatenate([own, pair.real, -pair.imag], -1)
