"""Faults of Ambisonic and other coincident channels in words."""

import numpy as np

from seld.arrays.array import Array
from seld.arrays.checking.diagnosis import Fault, file_numbers
from seld.arrays.checking.gains import GainEvidence, GainExplanation
from seld.arrays.checking.wording import channels_in_words, is_identity, order_in_words, turn_in_words

NAMES = {"acn_sn3d": "WYZX", "acn_n3d": "WYZX", "fuma": "WXYZ"}  # of the channels in each convention

_AS_GOOD = 6.0  # chi-squared within which another explanation is as good


def gain_faults(evidence: GainEvidence, found: list[GainExplanation], numbers: np.ndarray) -> list[Fault]:
    best = found[0]
    faults = []
    others = [_in_words(evidence, one, numbers) for one in _as_good(evidence, found)]
    also = f" The same would be heard if {'; or if '.join(others)}." if others else ""
    if best.convention != evidence.array.convention:
        text = f"the channels are {best.convention}, not {evidence.array.convention}." + also
        faults.append(Fault("convention", text, f"write convention: {best.convention} into the array's file"))
        also = ""
    if (best.permutation != np.arange(len(best.permutation))).any():
        text = order_in_words(best.permutation, numbers, names_of(evidence, best)) + "." + also
        faults.append(Fault("swapped channels", text, "put the channels in order: see channels below"))
        also = ""
    flipped = _flipped(best.signs)
    if flipped.any():
        text = f"{channels_in_words(numbers[flipped].tolist())} of opposite polarity." + also
        faults.append(Fault("flipped sign", text, "turn the sign of the channel: see signs below"))
        also = ""
    if not is_identity(best.rotation):
        kind = "mirrored" if np.linalg.det(best.rotation) < 0 else "turned"
        text = f"claps are heard {'mirrored: ' * (kind == 'mirrored')}{turn_in_words(best.rotation)}." + also
        faults.append(Fault(kind, text, "turn the microphone back, turn the labels too, or use seld.arrays.rotate_foa"))
    for channel in np.flatnonzero(best.loudness != 1):
        decibels = 20 * np.log10(best.loudness[channel])
        word, kind = ("softer", "quiet channel") if decibels < 0 else ("louder", "loud channel")
        text = f"channel {numbers[channel]} is {abs(decibels):.0f} dB {word} than it should be"
        faults.append(Fault(kind, text, f"change its gain by {-decibels:+.0f} dB"))
    return faults


def _as_good(evidence: GainEvidence, found: list[GainExplanation]) -> list[GainExplanation]:
    """Other simple explanations that fit as well as the best one, two at most."""
    best = found[0]
    if best.penalty == 0:
        return []
    good = [
        one for one in found[1:]
        if one.misfit <= best.misfit + _AS_GOOD and one.penalty <= best.penalty + 20 and (one.loudness == 1).all()
    ]  # fmt: skip
    different: list[GainExplanation] = []
    for one in good:
        turned = [other.rotation for other in (best, *different) if not is_identity(other.rotation)]
        if not is_identity(one.rotation) and any(np.abs(one.rotation - other).max() < 0.3 for other in turned):
            continue
        different.append(one)
    return different[:2]


def _in_words(evidence: GainEvidence, one: GainExplanation, numbers: np.ndarray) -> str:
    parts = []
    if one.convention != evidence.array.convention:
        parts.append(f"the channels were {one.convention}")
    if (one.permutation != np.arange(len(one.permutation))).any():
        parts.append(order_in_words(one.permutation, numbers, names_of(evidence, one)))
    if _flipped(one.signs).any():
        parts.append(f"{channels_in_words(numbers[_flipped(one.signs)].tolist())} of opposite polarity")
    if not is_identity(one.rotation):
        parts.append(f"the scene: {turn_in_words(one.rotation)}")
    return " and ".join(parts) or "all were as declared"


def names_of(evidence: GainEvidence, one: GainExplanation) -> list[str]:
    if evidence.array.kind != "foa":
        return [f"channel {channel}" for channel in evidence.living]
    return [NAMES[one.convention][channel] for channel in evidence.living]


def _flipped(signs: np.ndarray) -> np.ndarray:
    """The smaller part of the channels whose signs differ; W counts as right when both are equal."""
    negative = signs < 0
    return ~negative if negative.sum() * 2 > len(signs) else negative


def gain_values(array: Array, best: GainExplanation, living: np.ndarray) -> dict:
    """Keys of a YAML file that describe what was found; empty when nothing is to be changed."""
    values: dict = {}
    if best.convention != array.convention:
        values["convention"] = best.convention
    order, signs = file_numbers(array), np.array(array.signs or [1] * array.channels)
    new_order, new_signs = order.copy(), signs.copy()
    new_order[living[best.permutation]] = order[living]
    new_signs[living[best.permutation]] = signs[living] * np.where(_flipped(best.signs), -1, 1)
    if (new_order != order).any():
        values["channels"] = new_order.tolist()
    if (new_signs != signs).any():
        values["signs"] = new_signs.tolist()
    return values


def gain_notes(evidence: GainEvidence) -> list[str]:
    notes = []
    if evidence.array.kind == "foa":
        size = (evidence.told**2).mean(0)
        for axis in np.flatnonzero(size < 0.03):
            notes.append(f"no clap was far along {'XYZ'[axis]}: order, sign and gain of {'XYZ'[axis]} are not sure")
    else:
        notes.append("two coincident channels tell left from right only")
        if np.abs(evidence.told[:, 1]).max() < 0.3:
            notes.append("no clap was at a side: exchanged channels are not heard")
    return notes
