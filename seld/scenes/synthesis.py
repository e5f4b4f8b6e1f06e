"""A synthesiser of dry mono sounds in ten families, so that scenes need no download.

Each family is a function of a random generator and a length; it varies widely inside (pitch, rhythm,
timbre, envelope), because a localizer that learns where sounds come from must not learn what they are. The
recipes are the classic ones: source and filter for voices, wavetables for pitched sounds, damped modes for
struck objects.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from seld.audio import SAMPLE_RATE
from seld.scenes.signals import (
    curve,
    fade,
    frame_curve,
    harmonics,
    log_uniform,
    oscillate,
    place,
    resonance,
    seconds,
    shape_spectrum,
    tilt,
    wavetable,
    white,
)
from seld.scenes.voices import animal, speech


class Sound(NamedTuple):
    """One dry event."""

    audio: np.ndarray
    """(samples,) float32, mono"""
    class_index: int
    recipe: Mapping[str, Any] = MappingProxyType({})
    """how to get it again: family and seed, or file and excerpt; ready for JSON"""


def synthesize(rng: Generator, seconds_range: tuple[float, float], family: str | None = None) -> tuple[np.ndarray, int]:
    """A random sound (samples,), float32 with rms 1, and the index of its family in FAMILIES.

    Args:
        family: its name in FAMILIES; drawn by default.
    """
    drawn = int(rng.integers(len(FAMILIES)))
    index = drawn if family is None else list(FAMILIES).index(family)
    samples = int(log_uniform(rng, *seconds_range) * SAMPLE_RATE)
    audio = fade(list(FAMILIES.values())[index](rng, samples))
    return audio / np.sqrt(np.mean(audio**2) + 1e-12), index


def instrument(rng: Generator, samples: int) -> np.ndarray:
    """A melody of plucked or blown notes, sometimes with a second voice."""
    base = log_uniform(rng, 80, 900)
    sustained = rng.random() < 0.5
    starts, pieces = [], []
    time = 0
    slope = rng.uniform(0.5, 2)
    even = rng.uniform(0.05, 1)  # clarinets have weak even harmonics
    vibrato_hz, vibrato = rng.uniform(4, 7), rng.uniform(0, 0.015) * (rng.random() < 0.5)
    while time < samples:
        length = int(log_uniform(rng, 0.12, 1.5) * SAMPLE_RATE)
        clock = seconds(length)
        for _ in range(rng.integers(1, 3)):
            pitch = base * 2 ** (rng.integers(-7, 13) / 12)
            amplitudes = harmonics(rng, pitch * 1.02, slope)
            amplitudes[1::2] *= even
            contour = pitch * (1 + vibrato * np.sin(2 * np.pi * vibrato_hz * clock))
            bright = oscillate(wavetable(rng, amplitudes), contour)
            if sustained:
                envelope = np.minimum(clock / rng.uniform(0.01, 0.1), 1)
                note = bright * envelope
            else:
                dull = oscillate(wavetable(rng, amplitudes[:3]), contour)
                decay = log_uniform(rng, 0.1, 1.0)
                note = bright * np.exp(-clock / (0.3 * decay)) + dull * np.exp(-clock / decay)
            starts.append(time)
            pieces.append(fade(note, 0.002, 0.03) * rng.uniform(0.4, 1))
        time += int(length * rng.uniform(0.8, 1.2))
    return place(samples, starts, pieces)


def broadband(rng: Generator, samples: int) -> np.ndarray:
    """Wind, spray, rubbing: coloured noise that swells or comes in strokes."""
    noise = shape_spectrum(white(rng, samples), tilt(frame_curve(rng, samples, -6, 3, rate_hz=1)))
    if rng.random() < 0.5:
        return noise * 10 ** (curve(rng, samples, -15, 0, rate_hz=log_uniform(rng, 0.5, 8)) / 20)
    rate, duty = rng.uniform(0.8, 6), rng.uniform(0.8, 3)
    stroke = np.sin(np.pi * ((seconds(samples) * rate) % 1))
    return noise * stroke**duty


def band(rng: Generator, samples: int) -> np.ndarray:
    """Noise in a band that may wander and tremble: steam, humming fans, whistling wind."""
    centre = log_uniform(rng, 250, 8000)
    wander = rng.choice([0.0, 0.5])
    moving = centre * 2 ** frame_curve(rng, samples, -wander, wander, rate_hz=1.5)
    noise = shape_spectrum(white(rng, samples), resonance(moving, centre * log_uniform(rng, 0.05, 0.5)) ** 2)
    depth, rate = rng.uniform(0, 0.9), log_uniform(rng, 1, 25)
    return noise * (1 + depth * np.sin(2 * np.pi * rate * seconds(samples)))


def impulsive(rng: Generator, samples: int) -> np.ndarray:
    """Knocks, claps, footsteps, typing: bursts of noise and damped modes, in rhythm or not."""
    spacing = SAMPLE_RATE / log_uniform(rng, 1.2, 14)
    jitter = rng.choice([0.05, 0.4])
    count = int(samples / spacing) + 1
    starts = np.maximum(0, (np.arange(count) + rng.uniform(-jitter, jitter, count)) * spacing).astype(int)
    length = int(0.3 * SAMPLE_RATE)
    clock = seconds(length)
    colour = tilt(rng.uniform(-9, 3))
    modes = log_uniform(rng, 80, 3000, 3)
    mode_decay, burst_decay = log_uniform(rng, 0.01, 0.08), log_uniform(rng, 0.002, 0.05)
    share = rng.uniform(0, 1)
    hits = []
    for _ in range(min(4, count)):  # a few variants of the same hit keep it from sounding like a machine
        ring = np.sin(2 * np.pi * clock[:, None] * modes * rng.uniform(0.97, 1.03)).sum(1)
        ring *= np.exp(-clock / mode_decay)
        burst = shape_spectrum(white(rng, length), colour) * np.exp(-clock / burst_decay)
        hits.append(share * ring + (1 - share) * 2 * burst)
    loudness = 10 ** (rng.uniform(-10, 0, count) / 20)
    return place(samples, starts, [hits[i % len(hits)] * loudness[i] for i in range(count)])


def sweep(rng: Generator, samples: int) -> np.ndarray:
    """Glides up, down or both ways, once or repeated, pure or with harmonics."""
    low = log_uniform(rng, 150, 3000)
    high = min(9000, low * log_uniform(rng, 1.5, 12))
    rate_hz = log_uniform(rng, 0.5, 5) if rng.random() < 0.6 else SAMPLE_RATE / samples
    position = (seconds(samples) * rate_hz) % 1
    shape = rng.integers(3)
    if shape == 1:
        position = 1 - position
    elif shape == 2:
        position = 1 - np.abs(2 * position - 1)
    table = wavetable(rng, harmonics(rng, high, rng.uniform(0.5, 2))[: rng.integers(1, 6)])
    gaps = np.where((seconds(samples) * rng.uniform(1, 4)) % 1 < rng.uniform(0.6, 1.4), 1.0, 0.0)
    glide = oscillate(table, low * (high / low) ** position)
    return glide * np.convolve(gaps, np.full(240, 1 / 240), "same")


def alarm(rng: Generator, samples: int) -> np.ndarray:
    """Beeps, two-tone horns, sirens and telephone bells."""
    clock = seconds(samples)
    pitch = log_uniform(rng, 350, 3200)
    kind = rng.integers(3)
    cycle = (clock * log_uniform(rng, 0.5, 6)) % 1
    interval = 2 ** rng.uniform(0.1, 0.9)
    if kind == 0:
        contour, gate = np.full(samples, pitch), cycle < rng.uniform(0.3, 0.8)
    elif kind == 1:
        contour, gate = np.where(cycle < 0.5, pitch, pitch * interval), np.ones(samples)
    else:
        contour, gate = pitch * interval ** (0.5 - 0.5 * np.cos(2 * np.pi * cycle)), np.ones(samples)
    table = wavetable(rng, harmonics(rng, pitch * interval, rng.uniform(0.3, 2)))
    ringing = 1 + rng.choice([0.0, 1.0]) * np.sign(np.sin(2 * np.pi * rng.uniform(12, 28) * clock)) * 0.9
    gate = np.convolve(gate * ringing, np.full(120, 1 / 120), "same")
    return oscillate(table, contour) * gate


def metal(rng: Generator, samples: int) -> np.ndarray:
    """Struck glass, bells, dishes, keys: inharmonic partials that ring."""
    base = log_uniform(rng, 200, 3000)
    strikes = 1 + int(samples / SAMPLE_RATE * log_uniform(rng, 0.3, 5))
    starts = np.sort(rng.integers(0, max(1, samples - SAMPLE_RATE // 10), strikes))
    starts[0] = 0
    partials = rng.integers(4, 9)
    ratio = np.cumprod(np.r_[1, rng.uniform(1.15, 1.9, partials - 1)])
    decay = log_uniform(rng, 0.05, 1.2) * ratio ** -rng.uniform(0, 0.7)
    length = min(samples, int(3 * decay.max() * SAMPLE_RATE) + 240)
    clock = seconds(length)[:, None]
    keep = base * ratio < 10_500
    frequency, decay = (base * ratio)[keep].astype(np.float32), decay[keep].astype(np.float32)
    wave = np.sin(2 * np.pi * clock * frequency) * np.exp(-clock / decay)
    mixes = rng.uniform(0.1, 1, (min(3, strikes), keep.sum())).astype(np.float32)
    hits = [fade(wave @ mix, 0.0005) for mix in mixes]
    loudness = 10 ** (rng.uniform(-12, 0, strikes) / 20)
    return place(samples, starts, [hits[i % len(hits)] * loudness[i] for i in range(strikes)])


def engine(rng: Generator, samples: int) -> np.ndarray:
    """Motors, drills, shavers: a low buzz with turning speed, rattle and hiss."""
    pitch = log_uniform(rng, 25, 220) * 2 ** curve(rng, samples, -0.5, 0.5, rate_hz=rng.uniform(0.3, 2))
    buzz = oscillate(wavetable(rng, harmonics(rng, pitch.max(), rng.uniform(0.3, 1.2))), pitch)
    pulse = oscillate(_bump(rng.uniform(2, 10)), pitch * rng.choice([0.5, 1.0, 2.0]))
    hiss = white(rng, samples) * pulse * rng.uniform(0.05, 1)
    body = 0.1 + resonance(log_uniform(rng, 200, 4000), log_uniform(rng, 150, 1500))[None]
    return shape_spectrum(buzz + hiss, body * tilt(rng.uniform(-4, 2)))


def _bump(sharpness: float) -> np.ndarray:
    return np.exp(sharpness * (np.cos(2 * np.pi * np.arange(4096) / 4096) - 1)).astype(np.float32)


FAMILIES = {
    "speech": speech,
    "instrument": instrument,
    "broadband": broadband,
    "band": band,
    "impulsive": impulsive,
    "sweep": sweep,
    "animal": animal,
    "alarm": alarm,
    "metal": metal,
    "engine": engine,
}
