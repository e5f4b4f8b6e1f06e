"""Building blocks of synthetic sounds: wavetable oscillators, random curves, spectral shaping.

Everything is float32 at SAMPLE_RATE and works on whole arrays, so that a second of sound costs about a
millisecond.
"""

import numpy as np
from numpy.random import Generator
from scipy import fft

from seld.audio import SAMPLE_RATE

FRAME = 512  # samples of one spectral frame (21 ms) in `shape_spectrum`
BIN_HZ = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE).astype(np.float32)
HIGHEST_HZ = 11_000  # partials above are left out, so that none folds back at 12 kHz

_TABLE = 4096
_HOP = FRAME // 2


def log_uniform(rng: Generator, low: float, high: float, size: int | None = None) -> np.ndarray | float:
    """Random numbers (size,) whose logarithm is uniform: equal chances for every octave."""
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def seconds(samples: int) -> np.ndarray:
    """Time of each sample (samples,), seconds."""
    return np.arange(samples, dtype=np.float32) / SAMPLE_RATE


def curve(rng: Generator, samples: int, low: float, high: float, rate_hz: float) -> np.ndarray:
    """A random line (samples,) between `low` and `high` with about `rate_hz` turning points per second."""
    points = 2 + int(np.ceil(samples / SAMPLE_RATE * rate_hz))
    values = rng.uniform(low, high, points)
    return np.interp(np.linspace(0, points - 1, samples), np.arange(points), values).astype(np.float32)


def wavetable(rng: Generator, amplitudes: np.ndarray) -> np.ndarray:
    """One period (4096,) of the harmonics 1, 2, ... with these amplitudes (n,) and random phases."""
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex64)
    spectrum[1 : 1 + len(amplitudes)] = amplitudes * np.exp(2j * np.pi * rng.random(len(amplitudes)))
    table = fft.irfft(spectrum)
    return (table / np.abs(table).max()).astype(np.float32)


def harmonics(rng: Generator, highest_pitch_hz: float, slope: float) -> np.ndarray:
    """Amplitudes k ** -slope (n,), roughened, of all harmonics that fit below HIGHEST_HZ at that pitch."""
    number = np.arange(1, 1 + max(1, int(HIGHEST_HZ / highest_pitch_hz)))
    return number**-slope * rng.uniform(0.3, 1.0, len(number))


def oscillate(table: np.ndarray, pitch_hz: np.ndarray) -> np.ndarray:
    """The wave (samples,) whose period is `table` and whose pitch follows `pitch_hz` (samples,)."""
    phase = np.cumsum(pitch_hz, dtype=np.float64) * (_TABLE / SAMPLE_RATE)
    return table[phase.astype(np.int64) % _TABLE]


def shape_spectrum(signal: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """A signal (samples,) through a zero-phase filter that changes every 11 ms.

    Args:
        gain: (frames, bins) or (1, bins) amplitude at BIN_HZ; frames as in `frame_times`.
    """
    frames = len(frame_times(len(signal)))
    padded = np.zeros((frames + 1) * _HOP, dtype=np.float32)
    padded[_HOP : _HOP + len(signal)] = signal
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    blocks = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::_HOP] * window
    blocks = fft.irfft(fft.rfft(blocks, axis=1) * gain.astype(np.float32), axis=1)
    shaped = np.zeros_like(padded)
    shaped[:-_HOP] += blocks[:, :_HOP].ravel()
    shaped[_HOP:] += blocks[:, _HOP:].ravel()
    return shaped[_HOP : _HOP + len(signal)]


def frame_times(samples: int) -> np.ndarray:
    """Centre (frames,), seconds, of each frame of `shape_spectrum`."""
    return np.arange(1 + int(np.ceil(samples / _HOP))) * (_HOP / SAMPLE_RATE)


def frame_curve(rng: Generator, samples: int, low: float, high: float, rate_hz: float) -> np.ndarray:
    """A random line as in `curve`, one value per frame: (frames, 1), for use with BIN_HZ."""
    times = frame_times(samples)
    points = 2 + int(np.ceil(times[-1] * rate_hz))
    values = rng.uniform(low, high, points)
    return np.interp(np.linspace(0, points - 1, len(times)), np.arange(points), values)[:, None]


def resonance(centre_hz: np.ndarray, width_hz: np.ndarray | float) -> np.ndarray:
    """Amplitude (frames, bins) of a resonance at centres (frames, 1)."""
    return 1 / (1 + ((BIN_HZ - centre_hz) / width_hz) ** 2)


def tilt(db_per_octave: float | np.ndarray) -> np.ndarray:
    """Amplitude (frames or 1, bins) of a spectral slope that is 1 at 1 kHz; flat below 60 Hz."""
    octaves = np.log2(np.maximum(BIN_HZ, 60) / 1000)[None]
    return 10 ** (db_per_octave * octaves / 20)


def white(rng: Generator, samples: int) -> np.ndarray:
    """White Gaussian noise (samples,) of variance 1."""
    return rng.standard_normal(samples, dtype=np.float32)


def place(samples: int, starts: np.ndarray, pieces: list[np.ndarray]) -> np.ndarray:
    """The sum (samples,) of pieces, each beginning at its start in samples; what sticks out is cut off."""
    out = np.zeros(samples, dtype=np.float32)
    for start, piece in zip(starts, pieces, strict=True):
        if start < samples:
            part = piece[: samples - start]
            out[start : start + len(part)] += part
    return out


def fade(signal: np.ndarray, seconds_in: float = 0.003, seconds_out: float = 0.01) -> np.ndarray:
    """The signal (samples,) with raised-cosine ends, so that cutting it out makes no click."""
    faded = signal.astype(np.float32)
    half = len(faded) // 2
    for length, end in ((seconds_in, slice(None)), (seconds_out, slice(None, None, -1))):
        count = max(1, min(half, int(length * SAMPLE_RATE)))
        faded[end][:count] *= (0.5 - 0.5 * np.cos(np.pi * np.arange(count) / count)).astype(np.float32)
    return faded
