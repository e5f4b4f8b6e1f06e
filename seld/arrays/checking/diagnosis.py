"""What is wrong with a microphone array, from a recording of claps at known directions."""

from typing import Any, NamedTuple

import numpy as np

from seld.arrays.array import Array
from seld.arrays.checking.claps import Direct
from seld.arrays.checking.wording import list_in_words

FEWEST = 3  # claps
_APART_DEG = 20.0  # that claps have to point in different directions

_QUIET_DB, _DEAD_DB = 6.0, 40.0
_SAME = 0.9999  # correlation of channels that carry one signal


class Fault(NamedTuple):
    """One thing that is not as declared."""

    kind: str
    text: str
    remedy: str


class Diagnosis(NamedTuple):
    """What a recording of claps says about an array."""

    faults: list[Fault]
    """none when the array is as declared"""
    notes: list[str]
    """what this array or these claps cannot tell"""
    told: np.ndarray
    """(claps, 3) unit vectors"""
    declared: np.ndarray
    """(claps, 3) where the claps are heard when the array is taken as declared; NaN where that says nothing"""
    mended: np.ndarray
    """(claps, 3) where they are heard after the remedies"""
    expected: np.ndarray
    """(claps, columns) delays of pairs in seconds, or gains of channels"""
    measured: np.ndarray
    """(claps, columns) as declared"""
    corrected: np.ndarray
    """(claps, columns) after the remedies"""
    columns: list[str]
    """names of the columns"""
    clock: np.ndarray
    """(2, channels) seconds by which each channel is late at the first clap, and seconds per second; NaN if dead"""
    values: dict[str, Any]
    """keys for the array's YAML file after which it is as declared"""


def check_directions(told: np.ndarray) -> None:
    """Refuse claps that cannot tell anything.

    Raises:
        ValueError: when they are fewer than FEWEST, or all in about one direction.
    """
    if len(told) < FEWEST:
        raise ValueError(f"directions must be at least {FEWEST}, got {len(told)}")
    widest = np.rad2deg(np.arccos(np.clip((told @ told.T).min(), -1, 1)))
    if widest < _APART_DEG:
        raise ValueError(f"directions must be {_APART_DEG:g} degrees apart or more, got {widest:.0f} at most")


def channel_faults(audio: np.ndarray, direct: Direct, numbers: np.ndarray) -> tuple[list[Fault], np.ndarray]:
    """Faults of single channels (dead, soft, loud, twice the same), and which channels can be used.

    Args:
        audio: (channels, samples).
        numbers: of the channels in the file.
    """
    faults = []
    level = np.median(direct.power_db, axis=0)
    alive = direct.alive & (level > level.max() - _DEAD_DB)
    dead = numbers[~alive].tolist()
    if dead:
        plural = "s" if len(dead) > 1 else ""
        faults.append(
            Fault("dead channel", f"channel{plural} {list_in_words(dead)} hear{'' if plural else 's'} no claps",
                  "check the cable and the microphone, or leave the microphone out of the array's file")
        )  # fmt: skip
    usable = alive.copy()
    for i in range(len(audio)):
        for j in range(i + 1, len(audio)):
            energy = (audio[i] @ audio[i]) * (audio[j] @ audio[j])
            if alive[i] and alive[j] and abs(audio[i] @ audio[j]) > _SAME * np.sqrt(energy):
                usable[j] = False
                faults.append(
                    Fault("same signal", f"channels {numbers[i]} and {numbers[j]} carry the same signal",
                          "record every microphone into a channel of its own")
                )  # fmt: skip
    return faults, usable


def level_faults(direct: Direct, usable: np.ndarray, numbers: np.ndarray) -> list[Fault]:
    """Channels whose claps are much softer or louder than those of the others."""
    level = np.median(direct.power_db, axis=0)
    faults = []
    for channel in np.flatnonzero(usable):
        rest = [other for other in np.flatnonzero(usable) if other != channel]
        if not rest:
            break
        off = level[channel] - np.median(level[rest])
        if off < -_QUIET_DB:
            faults.append(_level_fault("quiet channel", numbers[channel], -off, "softer", "raise"))
        elif off > _QUIET_DB and len(rest) > 1:
            faults.append(_level_fault("loud channel", numbers[channel], off, "louder", "lower"))
    return faults


def clock_faults(clock: np.ndarray, numbers: np.ndarray, terms: np.ndarray) -> list[Fault]:
    """Channels that are recorded by another clock.

    Args:
        clock: (2, channels) as in `Diagnosis`.
        numbers: of the channels in the file.
        terms: (2,) whether an offset and a drift are believed in.
    """
    faults = []
    least = (30.0, max(1.0, 1e5 * np.abs(clock[1]).max()))
    late_us, late_ppm = (
        list_in_words([f"channel {n} by {v:+.{digits}f}" for n, v in zip(numbers, term, strict=True) if abs(v) > bound])
        for term, bound, digits in zip(1e6 * clock, least, (0, 1), strict=True)
    )
    if terms[1] and late_ppm:
        text = f"clocks drift apart, in parts per million of falling behind: {late_ppm}"
        remedy = "record all channels with one clock, or resample these channels by so much"
        faults.append(Fault("clock drift", text, remedy))
    if terms[0] and late_us:
        text = f"channels are late at the first clap, in microseconds: {late_us}"
        faults.append(Fault("clock offset", text, "start all channels together, or shift these channels by so much"))
    return faults


def against_most(clock: np.ndarray) -> np.ndarray:
    """Clocks (2, channels) against the channel to which the others are nearest."""
    apart = np.abs(clock[:, :, None] - clock[:, None, :]).sum(2)
    return clock - clock[np.arange(2), apart.argmin(1)][:, None]


def file_numbers(array: Array) -> np.ndarray:
    """(channels,) the channel of the file that holds each channel of the array."""
    return np.array(array.order or range(array.channels))


def nothing(faults: list[Fault], told: np.ndarray, channels: int) -> Diagnosis:
    """The diagnosis when fewer than two channels hear anything."""
    empty, unknown = np.full((len(told), 0), np.nan), np.full(told.shape, np.nan)
    notes = ["fewer than two channels can be compared"]
    return Diagnosis(faults, notes, told, unknown, unknown, empty, empty, empty, [], np.full((2, channels), np.nan), {})


def _level_fault(kind: str, number: int, decibels: float, word: str, act: str) -> Fault:
    text = f"channel {number} is {decibels:.0f} dB {word} than the others"
    return Fault(kind, text, f"{act} its gain by {decibels:.0f} dB")
