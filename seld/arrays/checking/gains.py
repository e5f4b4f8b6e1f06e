"""Which channels, in which convention, turned how explain the gains of claps at known directions.

For Ambisonics and other coincident channels a clap leaves no delays but gains, W, Y, Z, X or a mix of them; measured
up to a common factor, they are unit vectors. As for delays (`seld.arrays.checking.explaining`), an explanation has a
chi-squared misfit and a penalty for each fault.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from seld.arrays.array import Array
from seld.arrays.checking.explaining import FAULT, MIRROR, MOVED, turn_penalty
from seld.arrays.foa import AXES, CONVENTIONS

GAIN = 0.06  # precision of a measured gain, of vectors of length 1

_CONVENTION = 12.0  # penalty: of another convention than the declared one
_LOUDNESS = 16.0  # penalty: of channels that are too soft or loud
_ALIKE_DB = 12.0  # between the loudness of a channel's direct sound and of its reverberation


class GainEvidence(NamedTuple):
    """What was told and measured of the claps."""

    array: Array
    told: np.ndarray
    """(claps, 3) unit vectors"""
    gains: np.ndarray
    """(claps, channels) of length 1, up to a sign per clap; in the file's order and convention"""
    living: np.ndarray
    """(living channels,) the channels of the file to which the gains belong"""
    told_sd: float
    """radians, precision of the told directions"""
    level_db: np.ndarray
    """(living channels,) of claps with their reverberation"""


class GainExplanation(NamedTuple):
    """One way to explain the gains."""

    convention: str
    permutation: np.ndarray
    """(living channels,): channel c hears what channel permutation[c] should, as places in `living`"""
    signs: np.ndarray
    """(living channels,) 1 or -1"""
    rotation: np.ndarray
    """(3, 3): a clap told at u is heard from rotation @ u"""
    loudness: np.ndarray
    """(living channels,) factor of each channel, 1 for most"""
    expected: np.ndarray
    """(claps, living channels) gains, of length 1 and with the sign of the measured ones"""
    misfit: float
    penalty: float


def explain_gains(evidence: GainEvidence) -> list[GainExplanation]:
    """Explanations of the gains, the best one first; misfits as in `explaining.explain`."""
    found = []
    conventions = CONVENTIONS if evidence.array.kind == "foa" else [evidence.array.convention]
    for convention in conventions:
        found += _exchanged(evidence, convention)
    same = np.arange(evidence.gains.shape[1])
    ones = np.ones(len(same))
    for rotation in _turns(evidence):
        model = _model(evidence, evidence.array.convention, rotation, ones)
        found.append(_explanation(evidence, evidence.array.convention, same, ones, rotation, model))
    found += _loudness(evidence)
    best = min(found, key=lambda one: one.misfit + one.penalty)
    inflation = max(1.0, best.misfit / evidence.gains.size)
    found = [one._replace(misfit=one.misfit / inflation) for one in found]
    return sorted(found, key=lambda one: one.misfit + one.penalty)


def expected_gains(array: Array, convention: str, directions: np.ndarray) -> np.ndarray:
    """Gains (directions, channels) of plane waves in a file of this convention."""
    x, y, z = directions.T
    gains = np.stack([np.ones_like(x), y, z, x], 1) @ array.foa_gains.T
    if array.kind != "foa":
        return gains
    place, scale = CONVENTIONS[convention]
    return (gains * scale)[:, np.argsort(place)]


def _exchanged(evidence: GainEvidence, convention: str) -> list[GainExplanation]:
    """All orders and signs of the channels in a convention; those of many channels are no Ambisonics."""
    channels = evidence.gains.shape[1]
    model = _model(evidence, convention, np.eye(3), np.ones(channels))
    # The sign of all channels together cannot be heard: the first one is taken to be right.
    return [
        _explanation(evidence, convention, np.array(permutation), np.r_[1.0, signs], np.eye(3), model)
        for permutation in itertools.permutations(range(channels))
        for signs in itertools.product((1.0, -1.0), repeat=channels - 1)
    ]


class _Model(NamedTuple):
    expected: np.ndarray
    """(claps, channels) of length 1, for channels in order and with the right signs"""
    precision: np.ndarray
    """(claps, channels, channels) inverse covariance"""
    loudness: np.ndarray


def _model(evidence: GainEvidence, convention: str, rotation: np.ndarray, loudness: np.ndarray) -> _Model:
    """What is expected of channels in order, and how exactly; cf. `delays._whitening`."""
    heard = evidence.told @ rotation.T

    def gains(directions: np.ndarray) -> np.ndarray:
        chosen = expected_gains(evidence.array, convention, directions)[:, evidence.living] * loudness
        return chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-9)

    expected = gains(heard)
    across = np.cross(heard, np.eye(3)[np.abs(heard).argmin(1)])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    slope = np.stack([(gains(heard + 1e-3 * axis) - expected) / 1e-3 for axis in (across, np.cross(heard, across))], -1)
    slope *= evidence.told_sd
    covariance = GAIN**2 * np.eye(len(loudness)) + slope @ slope.swapaxes(1, 2)
    return _Model(expected, np.linalg.inv(covariance), loudness)


def _explanation(
    evidence: GainEvidence,
    convention: str,
    permutation: np.ndarray,
    signs: np.ndarray,
    rotation: np.ndarray,
    model: _Model,
) -> GainExplanation:
    ordered = np.empty_like(evidence.gains)
    ordered[:, permutation] = evidence.gains * signs
    side = np.where((ordered * model.expected).sum(1, keepdims=True) < 0, -1, 1)
    left = ordered - side * model.expected
    misfit = float(np.einsum("nc,ncd,nd", left, model.precision, left))
    moved, flipped = int((permutation != np.arange(len(signs))).sum()), int((signs < 0).sum())
    flipped, loud = min(flipped, len(signs) - flipped), int((model.loudness != 1).sum())
    penalty = turn_penalty(rotation) + _CONVENTION * (convention != evidence.array.convention)
    for price, count in ((FAULT, moved), (FAULT, flipped), (_LOUDNESS, loud)):
        penalty += (price + MOVED * count) * bool(count)
    expected = side * model.expected[:, permutation] * signs
    loudness = model.loudness[permutation]
    return GainExplanation(convention, permutation, signs, rotation, loudness, expected, misfit, penalty)


def _turns(evidence: GainEvidence) -> list[np.ndarray]:
    """Turns of the scene, also mirrored, that suit Ambisonics with its channels as they are (Kabsch, 1976)."""
    if evidence.array.kind != "foa" or len(evidence.living) < 4:
        return [MIRROR]
    place, scale = CONVENTIONS[evidence.array.convention]
    measured = evidence.gains[:, place] / scale
    heard = measured[:, AXES] * np.sign(measured[:, :1])
    turns = []
    for mirror in (np.eye(3), MIRROR):
        covariance = heard.T @ (evidence.told @ mirror)
        left, _, right = np.linalg.svd(covariance)
        turns.append(left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right @ mirror)
        yaw = np.arctan2(covariance[1, 0] - covariance[0, 1], covariance[0, 0] + covariance[1, 1])
        turns.append(Rotation.from_rotvec([0, 0, yaw]).as_matrix() @ mirror)
        for degrees in (0, 90, 180, 270):
            turns.append(Rotation.from_euler("z", degrees, degrees=True).as_matrix().round() @ mirror)
    return turns


def _loudness(evidence: GainEvidence) -> list[GainExplanation]:
    """Channels in order, one of them with a factor of its own, which may be negative.

    Only where the channel's reverberation is as much softer or louder: what is not heard directly for another
    reason still has its reverberation.
    """
    found = []
    convention, channels = evidence.array.convention, evidence.gains.shape[1]
    expected = expected_gains(evidence.array, convention, evidence.told)[:, evidence.living]
    for channel in range(channels):
        others = np.arange(channels) != channel
        common = (evidence.gains * expected)[:, others].sum(1) / (expected[:, others] ** 2).sum(1).clip(1e-9)
        model = common * expected[:, channel]
        if (model**2).sum() < 0.02 * len(model):  # nobody clapped where this channel hears
            continue
        factor = (evidence.gains[:, channel] @ model) / (model @ model)
        usual_db = 10 * np.log10((expected[:, channel] ** 2).mean() / (expected[:, others] ** 2).mean())
        off_db = evidence.level_db[channel] - evidence.level_db[others].mean() - usual_db
        if abs(off_db - 20 * np.log10(max(abs(factor), 1e-3))) > _ALIKE_DB:
            continue
        loudness, signs = np.ones(channels), np.ones(channels)
        loudness[channel], signs[channel] = max(abs(factor), 1e-3), np.sign(factor) or 1.0
        model = _model(evidence, convention, np.eye(3), loudness)
        found.append(_explanation(evidence, convention, np.arange(channels), signs, np.eye(3), model))
    return found


def directions_of(array: Array, convention: str, gains: np.ndarray) -> np.ndarray:
    """Unit vectors (claps, 3) that Ambisonic gains (claps, 4) of a file point to; NaN for other channels."""
    if array.kind != "foa" or gains.shape[1] < 4:
        return np.full((len(gains), 3), np.nan)
    place, scale = CONVENTIONS[convention]
    sorted_gains = gains[:, place] / scale
    vector = sorted_gains[:, AXES] * np.where(sorted_gains[:, :1] < 0, -1, 1)
    return vector / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-9)
