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
from seld.arrays.checking.gain_wording import NAMES, gain_faults, gain_notes, gain_values
from seld.arrays.checking.gains import (
    GainEvidence,
    GainExplanation,
    directions_of,
    expected_gains,
    explain_gains,
)

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


def diagnose_gains(
    audio: np.ndarray, rate: int, onsets: np.ndarray, array: Array, told: np.ndarray, told_sd: float
) -> Diagnosis:
    """The faults of Ambisonics or other coincident channels; arguments as in `delay_faults.diagnose_delays`.

    `audio` is in the declared order and signs, but Ambisonics are in the convention of the file.
    """
    numbers = file_numbers(array)
    # A figure-of-eight may hear nothing before the first reflection, whose lateness is not that of a clock: in
    # Ambisonics, clocks that are far apart are believed in only if they make sense of gains that make none.
    is_foa = array.kind == "foa"
    late = np.zeros((len(onsets), len(audio))) if is_foa else late_clocks(audio, rate, onsets, _REACH_S)
    direct = direct_sound(audio, rate, onsets, _REACH_S, late)
    faults, usable = channel_faults(audio, direct, numbers)
    living = np.flatnonzero(usable)
    if len(living) < 2:
        return nothing(faults, told, len(numbers))
    clock, terms, evidence, found = _explained(audio, rate, onsets, late, living, array, told, told_sd)
    if is_foa and _unexplained(evidence, found[0]):
        late = late_clocks(audio, rate, onsets, _REACH_S)
        other = _explained(audio, rate, onsets, late, living, array, told, told_sd)
        if not _unexplained(other[2], other[3][0]):
            clock, terms, evidence, found = other
    faults += clock_faults(clock, numbers[living], terms)
    values: dict = {}
    if _unexplained(evidence, found[0]):
        faults.append(_NO_FIT)
    else:
        faults += gain_faults(evidence, found, numbers[living])
        values = gain_values(array, found[0], living)
    everywhere = np.full((2, len(numbers)), np.nan)
    everywhere[:, living] = clock
    return _diagnosis(evidence, found[0], faults, values, everywhere, numbers)


def _explained(
    audio: np.ndarray, rate: int, onsets: np.ndarray, late_s: np.ndarray, living: np.ndarray, array: Array,
    told: np.ndarray, told_sd: float,
) -> tuple[np.ndarray, np.ndarray, GainEvidence, list[GainExplanation]]:  # fmt: skip
    """Clocks as by `_clock`, and the evidence and explanations after these have been undone."""
    direct = direct_sound(audio, rate, onsets, _REACH_S, late_s)
    clock, terms = _clock(direct, late_s, onsets / rate, living)
    if terms.any():
        late_s = late_s.copy()
        late_s[:, living] = clock[0] + clock[1] * ((onsets - onsets[0]) / rate)[:, None]
        late_s -= late_s.min(1, keepdims=True)
        direct = direct_sound(audio, rate, onsets, _REACH_S, late_s)
    gains = direct.gains[:, living]
    gains = gains / np.maximum(np.linalg.norm(gains, axis=1, keepdims=True), 1e-9)
    level = np.median(direct.power_db, axis=0)[living]
    evidence = GainEvidence(array, told, gains, living, told_sd, level)
    return clock, terms, evidence, explain_gains(evidence)


def _unexplained(evidence: GainEvidence, best: GainExplanation) -> bool:
    return bool(np.sqrt(((evidence.gains - best.expected) ** 2).sum(1).mean()) > _UNEXPLAINED)


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
        gain_notes(evidence),
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
