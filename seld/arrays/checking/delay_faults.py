"""Faults of microphones at known positions, from the delays of claps."""

import numpy as np

from seld.arrays.array import Array
from seld.arrays.checking.claps import direct_sound, late_clocks
from seld.arrays.checking.delays import Evidence, Explanation, expected_advance
from seld.arrays.checking.diagnosis import (
    Diagnosis,
    Fault,
    against_most,
    channel_faults,
    clock_faults,
    file_numbers,
    level_faults,
    nothing,
)
from seld.arrays.checking.explaining import explain, unexplained
from seld.arrays.checking.wording import channels_in_words, is_identity, list_in_words, order_in_words, turn_in_words
from seld.geometry import fibonacci_sphere

HEAD = Array("head", "sphere", ((0.0, 0.0875, 0.0), (0.0, -0.0875, 0.0)), 0.0875)  # stands in for binaural ears

_UNEXPLAINED = 0.4  # share of the delays' size that is left
_SIZE = 0.12  # by which delays may be larger or smaller: positions, speed of sound, nearness
_SURE = 6.0  # chi-squared within which another explanation is as good


def diagnose_delays(
    audio: np.ndarray, rate: int, onsets: np.ndarray, array: Array, told: np.ndarray, told_sd: float
) -> Diagnosis:
    """The faults of an array of microphones.

    Args:
        audio: (channels, samples) in the declared order, with the declared signs.
        onsets: (claps,) samples.
        told: (claps, 3) unit vectors.
        told_sd: radians, precision of the told directions.
    """
    shape = array if array.positions_m else HEAD
    numbers = file_numbers(array)
    wide = 2 * np.ptp(expected_advance(shape, np.r_[np.eye(3), -np.eye(3)]), axis=1).max() + 0.0005
    late = late_clocks(audio, rate, onsets, wide)
    direct = direct_sound(audio, rate, onsets, wide, late)
    faults, usable = channel_faults(audio, direct, numbers)
    living = np.flatnonzero(usable)
    if len(living) < 2:
        return nothing(faults, told, len(numbers))
    advance = direct.advance_s[:, living] - late[:, living]
    advance -= advance.mean(1, keepdims=True)
    evidence = Evidence(shape, told, onsets / rate, advance, living, told_sd, whitened={})
    found = explain(evidence)
    best = found[0]
    faults += level_faults(direct, usable, numbers)
    flipped = _flipped(direct.agreement.mean(0)[np.ix_(living, living)])
    faults += _sign_faults(flipped, numbers[living])
    values: dict = {}
    if unexplained(evidence, best) > _UNEXPLAINED:
        faults.append(_no_fit())
    else:
        faults += _geometry_faults(evidence, found, numbers[living])
        faults += clock_faults(against_most(-best.clock), numbers[living], best.clock.any(1))
        values = _values(array, best, living, flipped)
    return _diagnosis(evidence, best, faults, _notes(evidence), values, len(numbers), numbers)


def _flipped(agreement: np.ndarray) -> np.ndarray:
    """Which channels (channels,) bool are upside down against most of the others."""
    signs = np.sign(np.linalg.eigh(agreement)[1][:, -1])
    return signs < 0 if (signs < 0).sum() <= (signs > 0).sum() else signs > 0


def _sign_faults(flipped: np.ndarray, numbers: np.ndarray) -> list[Fault]:
    if not flipped.any():
        return []
    turned, upright = numbers[flipped].tolist(), numbers[~flipped].tolist()
    text = f"{channels_in_words(turned)} of opposite polarity"
    if len(turned) == len(upright):
        text += f" (or {list_in_words(upright)}: half of the channels differ from the other half)"
    return [Fault("flipped sign", text, "exchange the wires of the microphone, or turn its sign in the array's file")]


def _geometry_faults(evidence: Evidence, found: list[Explanation], numbers: np.ndarray) -> list[Fault]:
    best = found[0]
    names = [f"microphone {channel}" for channel in evidence.living]
    faults = []
    others = _as_good(evidence, found, numbers, names)
    also = f" The same would be heard if {'; or if '.join(others)}." if others else ""
    if (best.permutation != np.arange(len(best.permutation))).any():
        text = order_in_words(best.permutation, numbers, names)
        faults.append(Fault("swapped channels", text + "." + also, "put the channels in order: see channels below"))
        also = ""
    if not is_identity(best.rotation):
        kind = "mirrored" if np.linalg.det(best.rotation) < 0 else "turned"
        text = f"claps are heard {turn_in_words(best.rotation)} against where they were"
        if kind == "mirrored":
            text = f"claps are heard mirrored: {turn_in_words(best.rotation)}"
            text += " (as by a flat array that lies upside down)" if _is_flat(evidence.array) else ""
        faults.append(Fault(kind, text + "." + also, "turn the array back, or take the positions below"))
    if abs(best.scale - 1) > _SIZE:
        text = f"delays are {best.scale:.2f} times what the positions say"
        faults.append(Fault("size", text, "check the unit of the positions, and radius against diameter"))
    return faults


def _as_good(evidence: Evidence, found: list[Explanation], numbers: np.ndarray, names: list[str]) -> list[str]:
    """Other explanations by one fault that fit as well, in words; those that sound alike count once."""
    best = found[0]
    if best.penalty == 0:
        return []
    words: list[str] = []
    seen = [_heard(evidence, best)]
    for one in found[1:]:
        is_moved = (one.permutation != np.arange(len(one.permutation))).any()
        is_turned = not is_identity(one.rotation)
        if is_moved == is_turned or (one.clock.any(1) != best.clock.any(1)).any() or abs(one.scale - 1) > _SIZE:
            continue
        if one.misfit > best.misfit + _SURE or one.penalty > best.penalty + 12 or len(words) == 2:
            continue
        heard = _heard(evidence, one)
        if any(
            (other[0] == heard[0]).all() and np.abs(other[1] - heard[1]).max() < 0.2 * np.abs(heard[1]).max()
            for other in seen
        ):
            continue
        seen.append(heard)
        said = order_in_words(one.permutation, numbers, names) if is_moved else None
        words.append(said or f"the scene was heard as: {turn_in_words(one.rotation)}")
    return words


def _heard(evidence: Evidence, one: Explanation) -> tuple[np.ndarray, np.ndarray]:
    return one.permutation, expected_advance(evidence.array, evidence.told @ one.rotation.T)


def _is_flat(array: Array) -> bool:
    extent = np.linalg.svd(array.positions - array.positions.mean(0))[1]
    return len(extent) < 3 or extent[2] < 0.02 * extent[0]


def _no_fit() -> Fault:
    return Fault(
        "unexplained",
        "the delays fit the array in no order and no turn of its channels",
        "check that the file is of this array, that directions are in the order of the claps, and that the claps "
        "are further away than a few times the size of the array",
    )


def _notes(evidence: Evidence) -> list[str]:
    """What this array and these claps cannot tell."""
    positions = evidence.array.positions[evidence.living]
    extent = np.linalg.svd(positions - positions.mean(0))[1] if len(positions) > 1 else np.zeros(3)
    extent = np.r_[extent, np.zeros(3)][:3]
    notes = []
    if extent[1] < 0.02 * extent[0]:
        notes.append(
            "a line of microphones hears the angle to the line only: front and back, above and below sound alike"
        )
    elif extent[2] < 0.02 * extent[0]:
        notes.append("a flat array cannot tell one side of its plane from the other")
    spread = np.linalg.svd(evidence.told)[1]
    if spread[2] < 0.1 * spread[0] and extent[2] > 0.02 * extent[0]:
        notes.append("the claps lie in one plane: what is exchanged across it is not heard; clap above and below too")
    if len(evidence.told) < 5:
        notes.append("clock drift is looked for with 5 claps or more")
    if len(positions) == 2:
        notes.append("with two channels, exchanged channels and an array that is turned around sound alike")
    if evidence.array is HEAD:
        notes.append("binaural ears are taken for two points on a rigid sphere of 8.75 cm radius")
    return notes


def _values(array: Array, best: Explanation, living: np.ndarray, flipped: np.ndarray) -> dict:
    """Keys of a YAML file that describe what was found; empty when nothing is to be changed."""
    values: dict = {}
    order, signs = file_numbers(array), np.array(array.signs or [1] * array.channels)
    if (best.permutation != np.arange(len(living))).any() or flipped.any():
        new_order, new_signs = order.copy(), signs.copy()
        new_order[living[best.permutation]] = order[living]
        new_signs[living[best.permutation]] = signs[living] * np.where(flipped, -1, 1)
        if (new_order != order).any():
            values["channels"] = new_order.tolist()
        if (new_signs != signs).any() or (array.signs and (new_order != order).any()):
            values["signs"] = new_signs.tolist()
    turned = not is_identity(best.rotation)
    if array.positions_m and (turned or abs(best.scale - 1) > _SIZE):
        scale = best.scale if abs(best.scale - 1) > _SIZE else 1.0
        values["positions_m"] = (scale * array.positions @ best.rotation).round(4).tolist()
        if array.radius_m and scale != 1:
            values["sphere_radius_m"] = round(scale * array.radius_m, 4)
    return values


def _diagnosis(
    evidence: Evidence, best: Explanation, faults: list[Fault], notes: list[str], values: dict, channels: int,
    numbers: np.ndarray,
) -> Diagnosis:  # fmt: skip
    told, living = evidence.told, evidence.living
    clean = best.left_s + _centred(
        expected_advance(evidence.array, told @ best.rotation.T)[:, living][:, best.permutation]
    )
    back = np.empty_like(clean)
    back[:, best.permutation] = clean
    expected = _centred(expected_advance(evidence.array, told)[:, living])
    turned = _centred(expected_advance(evidence.array, told @ best.rotation.T)[:, living])
    clock = np.full((2, channels), np.nan)
    clock[:, living] = against_most(-best.clock)
    pairs = [(i, j) for i in range(len(living)) for j in range(i)]
    first, second = (np.array(side, dtype=int) for side in zip(*pairs, strict=True))
    corrected = back - turned + expected
    return Diagnosis(
        faults,
        notes,
        told,
        _located(evidence.array, living, evidence.advance_s, told),
        _located(evidence.array, living, back, told @ best.rotation.T) @ best.rotation,
        *(delays[:, first] - delays[:, second] for delays in (expected, evidence.advance_s, corrected)),
        [f"{numbers[living[i]]}-{numbers[living[j]]}" for i, j in pairs],
        clock,
        values,
    )


def _centred(delays: np.ndarray) -> np.ndarray:
    return delays - delays.mean(1, keepdims=True)


def _located(array: Array, living: np.ndarray, advance_s: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Directions (claps, 3) whose delays lie nearest to the measured ones; near `near` where several do."""
    grid = np.concatenate([fibonacci_sphere(4000), near])
    model = _centred(expected_advance(array, grid)[:, living])
    scale = max(np.sqrt((model**2).mean()), 1e-9)
    misfit = ((advance_s[:, None] - model) ** 2).mean(2) / scale**2
    return grid[(misfit + 2e-3 * (1 - near @ grid.T)).argmin(1)]
