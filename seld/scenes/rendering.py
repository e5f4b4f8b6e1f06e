"""A dry sound at a place or on a path in a room, as first-order Ambisonics heard at the array.

Static: one convolution. Moving: the direct sound is read from the dry one with a delay that changes from
sample to sample (so it has the Doppler shift and no comb filter between two delays), the reflections are
convolved block by block with responses computed every BLOCK_SECONDS along the path and cross-faded, and the
late tail, in which nobody hears the motion, stays the same.
"""

import numpy as np
from scipy import fft

from seld.audio import SAMPLE_RATE
from seld.scenes.rir import (
    CENTRE,
    TAPS,
    Arrivals,
    early_arrivals,
    early_seconds,
    encode_foa,
    late_arrivals,
)
from seld.scenes.rooms import SPEED_OF_SOUND, Path, Room

BLOCK_SECONDS = 0.1

_BLOCK = round(BLOCK_SECONDS * SAMPLE_RATE)
_OVERSAMPLING = 4  # of the dry sound, so that cubic interpolation errs by less than -60 dB below 6 kHz


def render(rng: np.random.Generator, dry: np.ndarray, room: Room, path: Path) -> np.ndarray:
    """The sound (4, samples + tail) of a source that emits `dry` (samples,) on its way along `path`.

    Sample 0 is the moment at which the direct sound of `dry[0]` arrives, so that labels need no delay.
    """
    late = late_arrivals(room, rng)
    if len(path.points_m) == 1:
        return _render_static(dry, room, path.points_m, late)
    return _render_moving(dry, room, path, late)


def _render_static(dry: np.ndarray, room: Room, position: np.ndarray, late: Arrivals) -> np.ndarray:
    first = room.directions(position)[1][0] / SPEED_OF_SOUND * SAMPLE_RATE
    early = early_arrivals(room, position)
    both = Arrivals(*(np.concatenate(parts) for parts in zip(early, late, strict=True)))
    response = encode_foa(both, 1, _response_samples(room.rt60_s.max(), early), shift=CENTRE - first)[0]
    return _convolve(dry, response)[:, CENTRE:]


def _render_moving(dry: np.ndarray, room: Room, path: Path, late: Arrivals) -> np.ndarray:
    # The end of a sound that moves away arrives later than its length would say.
    retreat = np.ptp(room.directions(path.points_m)[1]) / SPEED_OF_SOUND
    arrival = np.arange(len(dry) + int(retreat * SAMPLE_RATE) + 1) / SAMPLE_RATE
    direction, distance = room.directions(path.at(arrival))
    first = distance[0] / SPEED_OF_SOUND * SAMPLE_RATE
    direct = _encode_direct(dry, direction, distance)

    # A source that comes closer is heard earlier than its first sample's delay would say.
    lead = CENTRE + int((distance[0] - distance.min()) / SPEED_OF_SOUND * SAMPLE_RATE) + 1
    samples = _response_samples(room.rt60_s.max(), late) + lead
    tail = _convolve(dry, encode_foa(late, 1, samples, shift=lead - first)[0])[:, lead:]
    blocks = 1 + -(-len(dry) // _BLOCK)
    early = early_arrivals(room, path.at(np.arange(blocks) * BLOCK_SECONDS), direct=False)
    samples = _response_samples(early_seconds(room), early) + lead
    reflections = _crossfade(dry, encode_foa(early, blocks, samples, shift=lead - first))[:, lead:]
    parts = (direct, reflections, tail)
    out = np.zeros((4, max(part.shape[1] for part in parts)), dtype=np.float32)
    for part in parts:
        out[:, : part.shape[1]] += part
    return out


def _response_samples(seconds: float, arrivals: Arrivals) -> int:
    last = max(seconds, arrivals.delay_s.max(initial=0))
    return int(np.ceil(last * SAMPLE_RATE)) + TAPS


def _encode_direct(dry: np.ndarray, direction: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """FOA (4, m) of the direct sound; direction (m, 3) and distance (m,) of the source at each arrival."""
    delay = (distance - distance[0]) * (SAMPLE_RATE / SPEED_OF_SOUND)
    # The zeros keep the end from ringing into the start.
    padded = fft.next_fast_len(len(dry) + 2 * TAPS, real=True)
    fine = fft.irfft(fft.rfft(dry, padded), padded * _OVERSAMPLING) * np.float32(_OVERSAMPLING)
    at = (np.arange(len(distance)) - delay) * _OVERSAMPLING
    wave = _interpolate(fine, at) / distance.astype(np.float32)
    x, y, z = direction.T.astype(np.float32)
    return np.stack([wave, wave * y, wave * z, wave * x])


def _interpolate(signal: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The signal (n,) at fractional samples (m,): cubic Lagrange interpolation, constant beyond its ends."""
    whole = np.clip(np.floor(at).astype(np.int64), 1, len(signal) - 3)
    t = np.clip(at - whole, -1, 2).astype(np.float32)
    before, here, after, beyond = (signal[whole + step] for step in (-1, 0, 1, 2))
    outer, inner = t * (t - 1) / 6, (t + 1) * (t - 2) / 2
    return outer * ((t + 1) * beyond - (t - 2) * before) + inner * ((t - 1) * here - t * after)


def _crossfade(dry: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """`dry` (samples,) through responses (blocks, 4, taps) that follow each other every block.

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
