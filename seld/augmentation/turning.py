"""Turning and mirroring scenes: recordings and references together.

Channel swapping of Ambisonics: Mazzon, Koizumi, Yasuda, Harada, "First Order Ambisonics Domain Spatial Augmentation
for DNN-based Direction of Arrival Estimation", DCASE 2019; of the tetrahedral array: Wang, Du, Wu, Pan, Ma, Lee, "A
Four-Stage Data Augmentation Approach to ResNet-Conformer Based Acoustic Modeling for Sound Event Localization and
Detection", IEEE/ACM TASLP 2023. Here it is whatever symmetries an array has.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from seld.arrays import Array, Symmetry, rotate_foa
from seld.augmentation.segment import Segment
from seld.features import Features

_UPRIGHT = 0.999  # cosine; positions are rounded, and so are the rotations found from them


def useful_symmetries(array: Array, upright: bool = False) -> list[Symmetry]:
    """One symmetry for each way in which channels change places, the one that turns least; identity first.

    What an array cannot hear, such as the mirror at the plane of a flat one, would change the references but not the
    recording: nothing could be learned from it, and that sources are rather above than below the table would be
    forgotten.

    Args:
        upright: only those that keep up and down on the vertical axis.
    """
    symmetries = sorted(array.symmetries(), key=lambda symmetry: -np.trace(symmetry.rotation))
    found: dict[tuple, Symmetry] = {}
    for symmetry in symmetries:
        if upright and abs(symmetry.rotation[2, 2]) < _UPRIGHT:
            continue
        found.setdefault((*symmetry.permutation.tolist(), *symmetry.signs.tolist()), symmetry)
    return list(found.values())


def random_rotations(generator: np.random.Generator, count: int, upright: bool = False) -> np.ndarray:
    """Orthogonal matrices (count, 3, 3), all rotations and mirrors alike.

    Args:
        upright: only those that keep up and down on the vertical axis.
    """
    size = 2 if upright else 3
    # The factor of a Gaussian matrix is uniform once its signs are fixed (Mezzadri, Notices of the AMS 2007).
    factor, triangle = np.linalg.qr(generator.standard_normal((count, size, size)))
    turn = factor * np.sign(np.diagonal(triangle, axis1=1, axis2=2))[:, None]
    if not upright:
        return turn
    rotations = np.zeros((count, 3, 3))
    rotations[:, :2, :2] = turn
    rotations[:, 2, 2] = generator.choice((-1.0, 1.0), count)
    return rotations


def swap_channels(segment: Segment, symmetries: Sequence[Symmetry]) -> Segment:
    """Recordings (B, channels, samples) and references turned by one symmetry of their array each."""
    audio = segment.signal
    former = np.stack([symmetry.permutation for symmetry in symmetries])
    former = torch.as_tensor(former + audio.shape[1] * np.arange(len(audio))[:, None], device=audio.device)
    signs = torch.as_tensor(np.stack([symmetry.signs for symmetry in symmetries])).to(audio)
    # Whole rows of all items at once: a gather would move sample by sample.
    swapped = audio.flatten(0, 1).index_select(0, former.flatten()).view(audio.shape)
    return _with_references(segment, swapped.mul_(signs.unsqueeze(-1)), _rotations(symmetries))


def turn_features(segment: Segment, symmetries: Sequence[Symmetry], module: Features) -> Segment:
    """Features (B, channels, frames, bands) and references turned by one symmetry of their array each."""
    return _with_references(segment, module.turn(segment.signal, symmetries), _rotations(symmetries))


def rotate(segment: Segment, rotations: np.ndarray) -> Segment:
    """Ambisonics (B, 4, samples) and references turned by one orthogonal matrix (B, 3, 3) each."""
    return _with_references(segment, rotate_foa(segment.signal, rotations), rotations)


def _rotations(symmetries: Sequence[Symmetry]) -> np.ndarray:
    return np.stack([symmetry.rotation for symmetry in symmetries])


def _with_references(segment: Segment, signal: Tensor, rotations: np.ndarray) -> Segment:
    matrices = torch.as_tensor(rotations).to(segment.doa)
    return Segment(signal, torch.einsum("bij,btnj->btni", matrices, segment.doa), segment.active)
