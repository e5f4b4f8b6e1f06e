"""Faults of Ambisonic and other coincident channels, from the gains of claps."""

import numpy as np

from seld.arrays.array import Array
from seld.arrays.checking.claps import Direct, direct_sound, late_clocks
from seld.arrays.checking.diagnosis import (
    Diagnosis,
    Fault,
    against_most,
    channel_faults,
    clock_faults,
    file_numbers,
    nothing,
)
from seld.arrays.checking.gains import (
    GainEvidence,
    GainExplanation,
    directions_of,
    expected_gains,
    explain_gains,
)
from seld.arrays.checking.wording import is_identity, list_in_words, order_in_words, turn_in_words

NAMES = {"acn_sn3d": "WYZX", "acn_n3d": "WYZX", "fuma": "WXYZ"}

_REACH_S = 0.0008  # delays between coincident channels that are looked for
_HEARS = 0.6  # agreement above which the delay of a channel says something
_LEAST = np.array([1.5e-5, 3e-6])  # offset and drift that count, if they are also _SURE times their own error
_SURE = 5.0
_UNEXPLAINED = 0.45  # length of what is left of gains of length 1
_NO_FIT = Fault(
    "unexplained",
    "the gains fit the channels in no order, sign, convention or turn",
    "check that the file is of this format, that directions are in the order of the claps, and that all channels "
    "are recorded by one clock",
)
_AS_GOOD = 6.0  # chi-squared within which another explanation is as good


def diagnose_gains(
    audio: np.ndarray, rate: int, onsets: np.ndarray, array: Array, told: np.ndarray, told_sd: float
) -> Diagnosis:
    """The faults of Ambisonics or other coincident channels; arguments as in `delay_faults.diagnose_delays`.

    `audio` is in the declared order and signs, but Ambisonics are in the convention of the file.
    """
    numbers = file_numbers(array)
    # A figure-of-eight may hear nothing before the first reflection, so that its onsets tell no clock.
    is_foa = array.kind == "foa"
    late = np.zeros((len(onsets), len(audio))) if is_foa else late_clocks(audio, rate, onsets, _REACH_S)
    direct = direct_sound(audio, rate, onsets, _REACH_S, late)
    faults, usable = channel_faults(audio, direct, numbers)
    living = np.flatnonzero(usable)
    if len(living) < 2:
        return nothing(faults, told, len(numbers))
    clock, terms = _clock(direct, late, onsets / rate, living)
    if terms.any():
        late[:, living] = clock[0] + clock[1] * ((onsets - onsets[0]) / rate)[:, None]
        direct = direct_sound(audio, rate, onsets, _REACH_S, late)
        faults += clock_faults(clock, numbers[living], terms)
    gains = direct.gains[:, living]
    gains = gains / np.maximum(np.linalg.norm(gains, axis=1, keepdims=True), 1e-9)
    evidence = GainEvidence(array, told, gains, living, told_sd, np.median(direct.power_db, axis=0)[living])
    found = explain_gains(evidence)
    best = found[0]
    values: dict = {}
    if np.sqrt(((gains - best.expected) ** 2).sum(1).mean()) > _UNEXPLAINED:
        faults.append(_NO_FIT)
    else:
        faults += _faults(evidence, found, numbers[living])
        values = _values(array, best, living)
    everywhere = np.full((2, len(numbers)), np.nan)
    everywhere[:, living] = clock
    return _diagnosis(evidence, best, faults, values, everywhere, numbers)


def _clock(direct: Direct, late_s: np.ndarray, time_s: np.ndarray, living: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lateness (2, living channels) at the first clap and per second, and which of both is sure (2,).

    From claps in which a channel agrees with the one that agrees best; a figure-of-eight hears nothing from its side.
    """
    clock = np.zeros((2, len(living)))
    sure = np.zeros((2, len(living)), dtype=bool)
    agreement = np.abs(direct.agreement[:, living][:, :, living])
    reference = int(agreement.mean((0, 1)).argmax())
    advance = direct.advance_s[:, living] - late_s[:, living]
    for place in range(len(living)):
        heard = agreement[:, place, reference] > _HEARS
        if place == reference or heard.sum() < 3:
            continue
        late = (advance[:, reference] - advance[:, place])[heard]
        design = np.stack([np.ones(heard.sum()), (time_s - time_s[0])[heard]], 1)[:, : 2 if heard.sum() > 3 else 1]
        solution = np.linalg.lstsq(design, late, rcond=None)[0]
        spread = np.std(late - design @ solution, ddof=design.shape[1]) + 2e-6
        error = spread * np.sqrt(np.diag(np.linalg.pinv(design.T @ design)))
        clock[: len(solution), place] = solution
        sure[: len(solution), place] = np.abs(solution) > np.maximum(_SURE * error, _LEAST[: len(solution)])
    return against_most(np.where(sure.any(0), clock, 0)), sure.any(1)


def _faults(evidence: GainEvidence, found: list[GainExplanation], numbers: np.ndarray) -> list[Fault]:
    best = found[0]
    faults = []
    others = [_in_words(evidence, one, numbers) for one in _as_good(evidence, found)]
    also = f" The same would be heard if {'; or if '.join(others)}." if others else ""
    if best.convention != evidence.array.convention:
        text = f"the channels are {best.convention}, not {evidence.array.convention}." + also
        faults.append(Fault("convention", text, f"write convention: {best.convention} into the array's file"))
        also = ""
    if (best.permutation != np.arange(len(best.permutation))).any():
        text = order_in_words(best.permutation, numbers, _names(evidence, best)) + "." + also
        faults.append(Fault("swapped channels", text, "put the channels in order: see channels below"))
        also = ""
    flipped = _flipped(best.signs)
    if flipped.any():
        text = f"{_channels(numbers[flipped])} of opposite polarity." + also
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
        parts.append(order_in_words(one.permutation, numbers, _names(evidence, one)))
    if _flipped(one.signs).any():
        parts.append(f"{_channels(numbers[_flipped(one.signs)])} of opposite polarity")
    if not is_identity(one.rotation):
        parts.append(f"the scene: {turn_in_words(one.rotation)}")
    return " and ".join(parts) or "all were as declared"


def _names(evidence: GainEvidence, one: GainExplanation) -> list[str]:
    if evidence.array.kind != "foa":
        return [f"channel {channel}" for channel in evidence.living]
    return [NAMES[one.convention][channel] for channel in evidence.living]


def _channels(numbers: np.ndarray) -> str:
    many = len(numbers) > 1
    return f"channel{'s' * many} {list_in_words(numbers.tolist())} {'are' if many else 'is'}"


def _flipped(signs: np.ndarray) -> np.ndarray:
    """The smaller part of the channels whose signs differ; W counts as right when both are equal."""
    negative = signs < 0
    return ~negative if negative.sum() * 2 > len(signs) else negative


def _values(array: Array, best: GainExplanation, living: np.ndarray) -> dict:
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


def _notes(evidence: GainEvidence) -> list[str]:
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


def _diagnosis(
    evidence: GainEvidence,
    best: GainExplanation,
    faults: list[Fault],
    values: dict,
    clock: np.ndarray,
    numbers: np.ndarray,
) -> Diagnosis:
    array, told, living = evidence.array, evidence.told, evidence.living
    declared = array.convention
    expected = expected_gains(array, declared, told)[:, living]
    back = np.empty_like(evidence.gains)
    back[:, best.permutation] = evidence.gains * best.signs / best.loudness
    heard = told @ best.rotation.T
    mended = _directions(array, best.convention, back, heard) @ best.rotation
    names = [NAMES[declared][channel] if array.kind == "foa" else str(numbers[channel]) for channel in living]
    # Gains are known up to a factor for each clap; that of the expected ones is taken.
    ideal = expected_gains(array, best.convention, heard)[:, living]
    corrected = _scaled(back, ideal) - ideal + expected
    return Diagnosis(
        faults,
        _notes(evidence),
        told,
        _directions(array, declared, evidence.gains, told),
        mended,
        expected,
        _scaled(evidence.gains, expected),
        corrected,
        names,
        clock,
        values,
    )


def _scaled(gains: np.ndarray, like: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(like, axis=1, keepdims=True)
    return gains * length * np.where((gains * like).sum(1, keepdims=True) < 0, -1, 1)


def _directions(array: Array, convention: str, gains: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Where gains (claps, channels) point to; two channels know the side only, the rest is taken from `near`."""
    if array.kind == "foa":
        return directions_of(array, convention, gains)
    if gains.shape[1] != 2 or len(array.gains) != 2:
        return np.full(near.shape, np.nan)
    left, right = gains.T * np.sign(gains.sum(1))
    side = np.clip((left - right) / np.maximum(left + right, 1e-9), -1, 1)
    rest = near * [1, 0, 1]
    rest /= np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-9)
    return rest * np.sqrt(1 - side**2)[:, None] + side[:, None] * [0, 1, 0]
