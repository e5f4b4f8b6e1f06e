"""First-order Ambisonics: orders and scalings of its channels, rotation, stereo.

Inside it is always ACN order W, Y, Z, X with SN3D scaling (AmbiX: Nachbar, Zotter, Deleflie, Sontacchi, Ambisonics
Symposium 2011; DCASE): a plane wave s from the unit vector (x, y, z) is s, s y, s z, s x. N3D makes the first order
sqrt(3) larger. FuMa (Malham, "Higher order Ambisonic systems", 2003) has the order W, X, Y, Z and W / sqrt(2).

Audio is an array or tensor (..., channels, samples) everywhere; what comes back is of the same kind.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Audio = TypeVar("Audio", np.ndarray, Tensor)

AXES = [3, 1, 2]  # the channels X, Y, Z in ACN order

# Convention -> (place of W, Y, Z, X in its order, scale of each against SN3D).
CONVENTIONS: dict[str, tuple[list[int], list[float]]] = {
    "acn_sn3d": ([0, 1, 2, 3], [1.0, 1.0, 1.0, 1.0]),
    "acn_n3d": ([0, 1, 2, 3], [1.0, 3**0.5, 3**0.5, 3**0.5]),
    "fuma": ([0, 2, 3, 1], [0.5**0.5, 1.0, 1.0, 1.0]),
}


def foa_from(audio: Audio, convention: str) -> Audio:
    """ACN/SN3D audio (..., 4, samples) of audio in another convention (a name in CONVENTIONS)."""
    place, scale = _convention(convention, audio)
    return audio[..., place, :] / _like(np.array(scale)[:, None], audio)


def foa_to(audio: Audio, convention: str) -> Audio:
    """Audio (..., 4, samples) in another convention of ACN/SN3D audio; reverses `foa_from`."""
    place, scale = _convention(convention, audio)
    scaled = audio * _like(np.array(scale)[:, None], audio)
    return scaled[..., np.argsort(place).tolist(), :]


def foa_turn(rotation: np.ndarray) -> np.ndarray:
    """The matrices (..., 4, 4) that turn ACN/SN3D channels as orthogonal matrices (..., 3, 3) turn directions."""
    rotation = np.asarray(rotation, dtype=np.float64)
    turn = np.zeros((*rotation.shape[:-2], 4, 4))
    turn[..., 0, 0] = 1
    turn[..., 1:, 1:] = rotation[..., [[1], [2], [0]], [[1, 2, 0]]]
    return turn


def rotate_foa(audio: Audio, rotation: np.ndarray | Tensor) -> Audio:
    """ACN/SN3D audio (..., 4, samples) of the scene turned by orthogonal matrices (3, 3) or (..., 3, 3).

    A source in the direction u is then heard from rotation @ u. First-order Ambisonics turns exactly.
    """
    _check_channels(audio, 4)
    matrix = rotation.detach().cpu().numpy() if isinstance(rotation, Tensor) else rotation
    return _like(foa_turn(matrix), audio) @ audio


def stereo_from_foa(audio: Audio) -> Audio:
    """Left and right (..., 2, samples) of ACN/SN3D audio (..., 4, samples): W + Y and W - Y.

    Two coincident cardioids that look left and right, as in the DCASE 2025 stereo clips (Wilkins et al., "Two vs.
    Four-Channel Sound Event Localization and Detection", 2023). They are twice as loud as W for a source at the
    side, so loud recordings can exceed full scale; DCASE left such clips out.
    """
    _check_channels(audio, 4)
    left, right = audio[..., 0, :] + audio[..., 1, :], audio[..., 0, :] - audio[..., 1, :]
    return torch.stack([left, right], -2) if isinstance(audio, Tensor) else np.stack([left, right], -2)


def _convention(name: str, audio: Audio) -> tuple[list[int], list[float]]:
    if name not in CONVENTIONS:
        raise ValueError(f"convention must be one of {', '.join(CONVENTIONS)}, got {name}")
    _check_channels(audio, 4)
    return CONVENTIONS[name]


def _check_channels(audio: Audio, channels: int) -> None:
    if audio.ndim < 2 or audio.shape[-2] != channels:
        raise ValueError(f"audio must be (..., {channels}, samples), got {tuple(audio.shape)}")


def _like(matrix: np.ndarray, audio: Audio) -> Audio:
    """The matrix with the kind, precision and device of the audio."""
    if isinstance(audio, Tensor):
        return torch.as_tensor(matrix, dtype=audio.dtype, device=audio.device)
    return matrix.astype(audio.dtype)
