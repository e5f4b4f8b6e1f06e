"""Dry sounds made into others: struck and left to ring, interrupted, coloured, with the hiss of a recording.

Synthesisers of speech and music give clean, bright sounds that keep their level. What people record is darker, dies
away, pauses and hisses.
"""

import numpy as np
from numpy.random import Generator

from seld.audio import SAMPLE_RATE
from seld.scenes.signals import BIN_HZ, curve, fade, log_uniform, resonance, seconds, shape_spectrum, tilt, white
from seld.scenes.synthesis import Sound

_SHORTEST = SAMPLE_RATE // 10
_FAINT = 1e-2  # rms, of sounds of rms 1, below which there is nothing to be heard
_END_DB = 40.0  # how far a sound that dies away is followed, as recordings are


def varied(sound: Sound, seed: int) -> Sound:
    """The sound, rms 1, as `vary` makes it, which its recipe remembers."""
    audio = vary(np.random.default_rng(seed), sound.audio)
    return sound._replace(audio=audio, recipe={**sound.recipe, "variation": seed})


def vary(rng: Generator, audio: np.ndarray) -> np.ndarray:
    """A random variation (samples,), rms 1, of a sound (samples,); one that is made to die away becomes shorter."""
    course = (_kept, _struck, _interrupted, _repeated)[rng.choice(4, p=(0.3, 0.3, 0.2, 0.2))]
    shaped = course(rng, audio.astype(np.float32))
    if _rms(shaped) < _FAINT:  # it was a pause that was struck
        shaped = audio.astype(np.float32)
    if rng.random() < 0.8:
        shaped = shape_spectrum(shaped, _colour(rng))
    shaped = fade(shaped)
    if rng.random() < 0.3:
        hiss = shape_spectrum(white(rng, len(shaped)), tilt(rng.uniform(-6, 0)))
        hiss *= _rms(shaped) / _rms(hiss) * 10 ** (rng.uniform(-45, -15) / 20)
        shaped = shaped + fade(hiss)
    return shaped / _rms(shaped)


def _rms(audio: np.ndarray) -> np.float32:
    return np.sqrt(np.mean(audio**2) + np.float32(1e-12))


def _kept(rng: Generator, audio: np.ndarray) -> np.ndarray:
    return audio


def _struck(rng: Generator, audio: np.ndarray) -> np.ndarray:
    """From somewhere in the sound on, dying away by 60 dB within 0.15 to 3 seconds."""
    decay_s = log_uniform(rng, 0.15, 3.0)
    begin = int(rng.uniform(0, max(0, len(audio) - _SHORTEST)))
    length = max(_SHORTEST, int(decay_s * _END_DB / 60 * SAMPLE_RATE))
    rest = audio[begin : begin + length]
    return rest * 10 ** (-3 * seconds(len(rest)) / decay_s)


def _interrupted(rng: Generator, audio: np.ndarray) -> np.ndarray:
    """With pauses, and with its louder and softer moments farther apart."""
    swell = curve(rng, len(audio), -30, 0, rate_hz=log_uniform(rng, 0.7, 5))
    return audio * 10 ** (np.minimum(swell + rng.uniform(0, 20), 0) / 20)


def _repeated(rng: Generator, audio: np.ndarray) -> np.ndarray:
    """Strokes, each dying away before or while the next one comes."""
    decay_s = log_uniform(rng, 0.1, 1.5)
    pauses_s = log_uniform(rng, 0.15, 1.5) * rng.uniform(0.5, 1.5, 2 + int(len(audio) / SAMPLE_RATE / 0.07))
    starts = np.r_[0.0, np.cumsum(pauses_s)]
    loudness_db = rng.uniform(-10, 0, len(starts))
    clock = seconds(len(audio))
    stroke = np.searchsorted(starts, clock, side="right") - 1
    return audio * 10 ** (loudness_db[stroke] / 20 - 3 * (clock - starts[stroke]) / decay_s)


def _colour(rng: Generator) -> np.ndarray:
    """Amplitudes (1, bins) of a filter: mostly darker, with up to three bumps or dips, sometimes cut off above."""
    gain = tilt(rng.uniform(-6, 1))
    for _ in range(rng.integers(4)):
        centre = log_uniform(rng, 100, 8000)
        gain = gain * 10 ** (rng.uniform(-12, 12) / 20 * resonance(np.array([[centre]]), centre * rng.uniform(0.2, 1)))
    if rng.random() < 0.3:
        gain = gain / np.sqrt(1 + (BIN_HZ / log_uniform(rng, 800, 8000)) ** (2 * rng.integers(1, 5)))
    return gain
