"""A dry sound at a place or on a path in a room, as every array at one point hears it.

Static: one convolution. Moving: the direct sound is read from the dry one with a delay that changes from
sample to sample (so it has the Doppler shift and no comb filter between two delays), the reflections are
convolved block by block with responses computed every BLOCK_SECONDS along the path and cross-faded, and the
late tail, in which nobody hears the motion, stays the same.

All arrays hear the same arrivals: Ambisonics by their directions, microphones by their ways to each of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import fft

from seld.arrays import ARRAYS, SPEED_OF_SOUND, Array
from seld.audio import SAMPLE_RATE
from seld.scenes.capsules import angle_index, centre, encode_capsules, kernels, margin, paths
from seld.scenes.rir import (
    CENTRE,
    TAPS,
    Arrivals,
    early_arrivals,
    early_seconds,
    encode_foa,
    late_arrivals,
)
from seld.scenes.rooms import Path, Room

BLOCK_SECONDS = 0.1

_BLOCK = round(BLOCK_SECONDS * SAMPLE_RATE)
_OVERSAMPLING = 4  # of the dry sound, so that cubic interpolation errs by less than -60 dB below 6 kHz
_COARSE = 64  # samples between which the ways of a moving source to microphones are interpolated


class Wet(NamedTuple):
    """A sound as an array hears it."""

    audio: np.ndarray
    """(channels, samples) float32"""
    lead: int
    """the sample at which the direct sound of the first dry sample reaches the array's origin"""


def render(
    rng: np.random.Generator,
    dry: np.ndarray,
    room: Room,
    path: Path,
    arrays: Sequence[Array] = (ARRAYS["foa"],),
) -> list[Wet]:
    """What each array hears of a source that emits `dry` (samples,) on its way along `path`.

    Time counts from the moment at which the direct sound of `dry[0]` reaches the origin of all arrays, so that
    labels need no delay.
    """
    late = late_arrivals(room, rng)
    if len(path.points_m) == 1:
        return _render_static(dry, room, path.points_m, late, arrays)
    return _render_moving(dry, room, path, late, arrays)


def _render_static(
    dry: np.ndarray, room: Room, position: np.ndarray, late: Arrivals, arrays: Sequence[Array]
) -> list[Wet]:
    first = room.directions(position)[1][0] / SPEED_OF_SOUND * SAMPLE_RATE
    early = early_arrivals(room, position)
    both = Arrivals(*(np.concatenate(parts) for parts in zip(early, late, strict=True)))
    samples = _response_samples(room.rt60_s.max(), early)
    out = []
    for array in arrays:
        lead, kept = _leads(array)
        response = _encode(array, both, 1, samples + 2 * kept, lead - first)[0]
        out.append(Wet(_convolve(dry, response)[:, lead - kept :], kept))
    return out


def _render_moving(dry: np.ndarray, room: Room, path: Path, late: Arrivals, arrays: Sequence[Array]) -> list[Wet]:
    # The end of a sound that moves away arrives later than its length would say.
    retreat = np.ptp(room.directions(path.points_m)[1]) / SPEED_OF_SOUND
    arrival = np.arange(len(dry) + int(retreat * SAMPLE_RATE) + 1) / SAMPLE_RATE
    direction, distance = room.directions(path.at(arrival))
    first = distance[0] / SPEED_OF_SOUND * SAMPLE_RATE
    fine = _oversample(dry)
    # A source that comes closer is heard earlier than its first sample's delay would say.
    ahead = int((distance[0] - distance.min()) / SPEED_OF_SOUND * SAMPLE_RATE) + 1
    blocks = 1 + -(-len(dry) // _BLOCK)
    early = early_arrivals(room, path.at(np.arange(blocks) * BLOCK_SECONDS), direct=False)
    out = []
    for array in arrays:
        lead, kept = _leads(array)
        lead += ahead
        samples = _response_samples(room.rt60_s.max(), late) + lead + kept
        tail = _convolve(dry, _encode(array, late, 1, samples, lead - first)[0])
        samples = _response_samples(early_seconds(room), early) + lead + kept
        reflections = _crossfade(dry, _encode(array, early, blocks, samples, lead - first))
        if array.kind == "foa":
            direct = _encode_direct(fine, direction, distance)
        else:
            direct = _direct_at_capsules(array, fine, direction, distance, kept)
        parts = (direct, reflections[:, lead - kept :], tail[:, lead - kept :])
        wet = np.zeros((array.channels, max(part.shape[1] for part in parts)), dtype=np.float32)
        for part in parts:
            wet[:, : part.shape[1]] += part
        out.append(Wet(wet, kept))
    return out


def _leads(array: Array) -> tuple[int, int]:
    """How many samples a response begins before its first arrival, and how many of them are kept.

    Ambisonics is heard at the origin, so nothing but the ringing of a kernel comes before.
    """
    return (CENTRE, 0) if array.kind == "foa" else (margin(array), margin(array))


def _encode(array: Array, arrivals: Arrivals, responses: int, samples: int, shift: float) -> np.ndarray:
    encode = encode_foa if array.kind == "foa" else lambda *rest: encode_capsules(array, *rest)
    return encode(arrivals, responses, samples, shift)


def _response_samples(seconds: float, arrivals: Arrivals) -> int:
    last = max(seconds, arrivals.delay_s.max(initial=0))
    return int(np.ceil(last * SAMPLE_RATE)) + TAPS


def _oversample(dry: np.ndarray) -> np.ndarray:
    """`dry` (samples,) at _OVERSAMPLING times its rate."""
    # The zeros keep the end from ringing into the start.
    padded = fft.next_fast_len(len(dry) + 2 * TAPS, real=True)
    return fft.irfft(fft.rfft(dry, padded), padded * _OVERSAMPLING) * np.float32(_OVERSAMPLING)


def _encode_direct(fine: np.ndarray, direction: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """FOA (4, m) of the direct sound; direction (m, 3) and distance (m,) of the source at each arrival."""
    delay = (distance - distance[0]) * (SAMPLE_RATE / SPEED_OF_SOUND)
    at = (np.arange(len(distance)) - delay) * _OVERSAMPLING
    wave = _interpolate(fine, at) / distance.astype(np.float32)
    x, y, z = direction.T.astype(np.float32)
    return np.stack([wave, wave * y, wave * z, wave * x])


def _direct_at_capsules(
    array: Array, fine: np.ndarray, direction: np.ndarray, distance: np.ndarray, lead: int
) -> np.ndarray:
    """The direct sound (microphones, m + 2 lead) from `lead` samples before to after the m of `_encode_direct`."""
    time = np.arange(-lead, len(distance) + lead)
    knots = np.arange(-lead, len(distance) + lead + _COARSE, _COARSE)
    at_knots = np.clip(knots, 0, len(distance) - 1)  # the source rests at the ends of its path
    direction, distance, start = direction[at_knots], distance[at_knots], distance[0]
    table, block = kernels(array), np.arange(0, len(time) + _BLOCK, _BLOCK) - lead
    out = np.empty((array.channels, len(time)), dtype=np.float32)
    for microphone in range(array.channels):
        way = paths(array, microphone, direction, distance)
        delay = (distance + way.extra_m - start) * (SAMPLE_RATE / SPEED_OF_SOUND)
        wave = _interpolate(fine, (time - np.interp(time, knots, delay)) * _OVERSAMPLING)
        wave *= np.interp(time, knots, way.level / distance).astype(np.float32)
        if array.kind == "sphere":
            # The first path's time is in the delay already, so that filters of two angles can be cross-faded.
            filters = table[angle_index(array, np.interp(block, knots, way.angle)), 0].sum(1)
            wave = _crossfade(wave, filters[:, None])[0, centre(array) :][: len(time)]
        out[microphone] = wave
    return out


def _interpolate(signal: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The signal (n,) at fractional samples (m,): cubic Lagrange interpolation, constant beyond its ends."""
    whole = np.clip(np.floor(at).astype(np.int64), 1, len(signal) - 3)
    t = np.clip(at - whole, -1, 2).astype(np.float32)
    before, here, after, beyond = (signal[whole + step] for step in (-1, 0, 1, 2))
    outer, inner = t * (t - 1) / 6, (t + 1) * (t - 2) / 2
    return outer * ((t + 1) * beyond - (t - 2) * before) + inner * ((t - 1) * here - t * after)


def _crossfade(dry: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """`dry` (samples,) through responses (blocks, channels, taps) that follow each other every block.

    Block k of the input is weighted by a triangle that is 1 at sample k * _BLOCK and 0 one block before and
    after; the triangles sum to 1 everywhere, so equal responses give a plain convolution.
    """
    blocks, channels, taps = responses.shape
    padded = np.zeros((blocks + 1) * _BLOCK, dtype=np.float32)
    padded[_BLOCK : _BLOCK + len(dry)] = dry
    ramp = np.arange(_BLOCK, dtype=np.float32) / _BLOCK
    pieces = np.lib.stride_tricks.sliding_window_view(padded, 2 * _BLOCK)[::_BLOCK] * np.r_[ramp, 1 - ramp]
    size = fft.next_fast_len(2 * _BLOCK + taps - 1, real=True)
    product = fft.rfft(responses, size) * fft.rfft(pieces, size)[:, None]
    filtered = fft.irfft(product, size)
    out = np.zeros((channels, (blocks - 1) * _BLOCK + size), dtype=np.float32)
    for block, start in zip(filtered, range(0, blocks * _BLOCK, _BLOCK), strict=True):
        out[:, start : start + size] += block
    return out[:, _BLOCK : _BLOCK + len(dry) + taps - 1]


def _convolve(dry: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Full convolution of (samples,) with (channels, taps), float32."""
    samples = len(dry) + response.shape[1] - 1
    size = fft.next_fast_len(samples, real=True)
    return fft.irfft(fft.rfft(response, size) * fft.rfft(dry, size), size)[:, :samples]
