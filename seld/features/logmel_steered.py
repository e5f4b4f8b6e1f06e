"""Log-mel spectrograms and directions found by steering, for microphones at known places."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.spatial.distance import pdist
from torch import Tensor, nn

from seld.arrays import SPEED_OF_SOUND, Array, Symmetry, diffuse_coherence, steering
from seld.audio import SAMPLE_RATE
from seld.features.config import FeatureConfig
from seld.features.logmel_intensity import rotations
from seld.features.reverberation import expected_reverberation, fresh_share
from seld.features.spectrogram import FLOOR, Features, MelBank, cross_spectra, decibels, products
from seld.geometry import cube_lattice, normalize

_SENSOR_NOISE = 0.01  # power of the noise of each microphone's own, against the diffuse field's
_LOBE = 0.75  # cosine of the angle from the best direction within which directions are averaged
_LOBE_FLOOR = 0.9  # of the best fit; what fits less well does not count
_DIRECTNESS = 8  # power that brings what noise reaches by chance, about 0.65, down to 0.03
_COARSEST, _FINEST = 0.42, 1.2  # wavelengths across the array up to which 98 and 290 directions are close enough
_MANY = 6  # bins of a band from which every other one suffices, since the window smears a bin over four
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
    that no earlier, decaying sound explains, is taken for 98 directions, or 290 where lobes are narrower; the vector is
    the mean direction around the best, its length the 8th power of the best fit times the share. It is 0 in bands too
    high for that, from 1.2 wavelengths across the array on.
    """

    vectors = 1

    def __init__(self, config: FeatureConfig, array: Array):
        if array.kind not in ("open", "sphere"):
            raise ValueError(f"features.array must be microphones at known places for logmel_steered, got {array.name}")
        super().__init__(config, array, array.channels + 3, config.mel_bands)
        self.mel = MelBank(config)
        self.reverberation = expected_reverberation(config.hop)
        frequencies = np.arange(config.fft // 2 + 1) * (SAMPLE_RATE / config.fft)
        across = frequencies * pdist(array.positions).max() / SPEED_OF_SOUND  # wavelengths
        grids, beams, bins = [_Grid(2), _Grid(3)], [], []
        fits = [_fits(array, grid.directions.numpy(), frequencies) for grid in grids]
        for weight in _exclusive(self.mel.bank).T:
            used = weight.nonzero().flatten()
            used = used[::2] if len(used) >= _MANY else used
            if across[used[-1]] > _FINEST:
                break
            fine = int(across[used[-1]] > _COARSEST)
            share = weight[used] / weight[used].sum()
            beams.append(_Beams(grids[fine], torch.tensor(fits[fine][used.numpy()], dtype=torch.float32), share))
            bins.append(used)
        self.beams = nn.ModuleList(beams)
        self.register_buffer("bins", torch.cat(bins), persistent=False)
        energy = torch.tensor(_coefficients(_inverse(array, frequencies)), dtype=torch.float32)
        self.register_buffer("energy", energy[self.bins], persistent=False)

    def pieces(self, audio: Tensor) -> Iterator[Tensor]:
        past = None
        for spectrum in self.blocks(audio):
            power = products(spectrum, spectrum)
            level = power.mean(1, keepdim=True).clamp_min(FLOOR).log()
            share, past = fresh_share(level, past, self.reverberation)
            direct = self._direct(spectrum, power, share[:, 0])
            yield torch.cat([decibels(self.mel(power)), direct], 1)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each."""
        levels, direct = features.split([self.inputs, 3], 1)
        level = torch.stack([levels[i, list(symmetry.permutation)] for i, symmetry in enumerate(symmetries)])
        return torch.cat([level, torch.einsum("bij,bj...->bi...", rotations(symmetries, features), direct)], 1)

    def _direct(self, spectrum: Tensor, power: Tensor, share: Tensor) -> Tensor:
        """(B, M, frames, bins), (B, M, frames, bins), (B, frames, bins) -> (B, 3, frames, mel_bands)."""
        spectrum, power, share = (part.index_select(-1, self.bins) for part in (spectrum, power, share))
        cross = cross_spectra(spectrum)
        forms = torch.cat([power, cross.real, cross.imag], 1).permute(0, 2, 3, 1)  # (B, frames, bins, M^2)
        energy = (forms * self.energy).sum(-1).clamp_min(FLOOR)
        forms = forms * (share / energy).unsqueeze(-1)
        sizes = [len(beams.share) for beams in self.beams]
        vectors = share.new_zeros(len(share), 3, share.shape[1], self.bands)
        parts = zip(self.beams, forms.split(sizes, 2), share.split(sizes, 2), strict=True)
        for band, (beams, of_band, fresh) in enumerate(parts):
            vectors[..., band] = beams(of_band, fresh).transpose(1, 2)
        return vectors


class _Grid(nn.Module):
    """Directions, and which of them are near each other."""

    def __init__(self, reach: int):
        super().__init__()
        directions = torch.tensor(cube_lattice(reach), dtype=torch.float32)
        self.register_buffer("directions", directions, persistent=False)
        self.register_buffer("near", (directions @ directions.T > _LOBE).float(), persistent=False)


class _Beams(nn.Module):
    """Products of a band's bins (B, frames, bins, M^2), over their energy, and shares -> vectors (B, frames, 3)."""

    def __init__(self, grid: _Grid, fit: Tensor, share: Tensor):
        super().__init__()
        self.grid = grid
        self.register_buffer("fit", (share[:, None, None] * fit).flatten(0, 1), persistent=False)
        self.register_buffer("share", share, persistent=False)

    def forward(self, forms: Tensor, fresh: Tensor) -> Tensor:
        fit = forms.flatten(2) @ self.fit
        best, index = fit.max(-1, keepdim=True)
        near = self.grid.near[index[..., 0]] * (fit - _LOBE_FLOOR * best).clamp_min(0)
        fresh = (fresh @ self.share).unsqueeze(-1)
        fitting = (best / fresh.clamp_min(_TINY)).clamp(0, 1) ** _DIRECTNESS
        return normalize(near @ self.grid.directions) * fitting * fresh


def _exclusive(bank: Tensor) -> Tensor:
    """The mel bank (bins, bands) with each bin in the one band that it weighs most in, unless a band has no other."""
    own = bank * (bank == bank.amax(1, keepdim=True))
    return torch.where(own.any(0), own, bank)


def _fits(array: Array, directions: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    """(bins, M^2, directions): the fit, not yet over the energy, as a sum of products of a bin's spectra."""
    response = steering(array, directions, frequencies_hz)
    beam = np.einsum("fij,fdj->fdi", _inverse(array, frequencies_hz), response)
    gain = np.einsum("fdi,fdi->fd", response.conj(), beam).real
    fit = beam[..., :, None] * beam[..., None, :].conj() / gain[..., None, None]
    return _coefficients(fit).swapaxes(1, 2)


def _inverse(array: Array, frequencies_hz: np.ndarray) -> np.ndarray:
    """(bins, M, M): G^-1."""
    return np.linalg.inv(diffuse_coherence([array], frequencies_hz) + _SENSOR_NOISE * np.eye(array.channels))


def _coefficients(matrix: np.ndarray) -> np.ndarray:
    """Hermitian (..., M, M) -> (..., M^2): what x^H matrix x takes of each real product of x.

    The products are |x_i|^2 for all i, then Re and then Im of conj(x_i) x_j for i < j.
    """
    first, second = np.triu_indices(matrix.shape[-1], 1)
    own = np.diagonal(matrix, axis1=-2, axis2=-1).real
    pair = 2 * matrix[..., first, second]
    return np.concatenate([own, pair.real, -pair.imag], -1)
