"""Synthetic voices: speech-like syllables and the calls of animals."""

import numpy as np
from numpy.random import Generator

from seld.audio import SAMPLE_RATE
from seld.scenes.signals import (
    curve,
    fade,
    frame_curve,
    frame_times,
    harmonics,
    log_uniform,
    oscillate,
    place,
    resonance,
    seconds,
    shape_spectrum,
    wavetable,
    white,
)

_FORMANTS = (  # lowest and highest centre and width in hertz, weight
    (250, 850, 90, 1),
    (750, 2500, 120, 0.5),
    (2200, 3300, 200, 0.3),
    (3300, 4500, 300, 0.15),
)


def speech(rng: Generator, samples: int) -> np.ndarray:
    """Syllables: a glottal wave with a pitch contour and hiss, through moving formants."""
    pitch = log_uniform(rng, 85, 320)
    contour = pitch * 2 ** curve(rng, samples, -0.4, 0.4, rate_hz=3)
    voice = oscillate(wavetable(rng, harmonics(rng, 1.4 * pitch, slope=1.0)), contour)
    times = frame_times(samples)[:, None]

    syllables = int(np.ceil(times[-1, 0] * rng.uniform(2.5, 6))) + 1
    onset = np.linspace(0, times[-1, 0], syllables) + rng.uniform(-0.03, 0.03, syllables)
    length = rng.uniform(0.1, 0.3, syllables)
    loud = rng.uniform(0.3, 1, syllables) * (rng.random(syllables) > 0.1)
    loud[0] = 1
    voiced = (loud * np.exp(-(((times - onset) / length * 2.5) ** 2))).sum(1, keepdims=True)
    hiss_loud = rng.uniform(0, 0.6, syllables) * (rng.random(syllables) < 0.5)
    hissing = (hiss_loud * np.exp(-(((times - onset + 0.6 * length) / 0.04) ** 2))).sum(1, keepdims=True)

    tract = rng.uniform(0.85, 1.25)  # short vocal tracts have higher formants
    formants = 0.02
    for low, high, width, weight in _FORMANTS:
        centre = np.interp(times[:, 0], np.sort(onset), rng.uniform(low, high, syllables))[:, None]
        formants = formants + weight * resonance(tract * centre, width)
    hiss_shape = resonance(np.full_like(times, rng.uniform(3500, 8000)), rng.uniform(800, 2500))
    spoken = shape_spectrum(voice, 4 * voiced * formants)
    return spoken + shape_spectrum(0.3 * white(rng, samples), hissing * hiss_shape)


def animal(rng: Generator, samples: int) -> np.ndarray:
    """Calls in series: birds, dogs, cats, crickets and frogs."""
    call = (_bird, _bark, _meow, _pulses)[rng.integers(4)]
    seed = int(rng.integers(2**32))  # one voice repeats itself with small changes
    starts, pieces, time = [], [], 0
    gap = log_uniform(rng, 0.05, 0.6)
    while time < samples:
        piece = fade(call(np.random.default_rng(seed), rng))
        starts.append(time)
        pieces.append(piece * rng.uniform(0.5, 1))
        time += len(piece) + int(gap * rng.uniform(0.5, 1.5) * SAMPLE_RATE)
    return place(samples, starts, pieces)


def _bird(voice: Generator, now: Generator) -> np.ndarray:
    samples = int(log_uniform(voice, 0.05, 0.4) * now.uniform(0.9, 1.1) * SAMPLE_RATE)
    centre = log_uniform(voice, 1800, 6000)
    pitch = centre * 2 ** curve(voice, samples, -0.5, 0.5, rate_hz=voice.uniform(5, 40))
    pitch = np.minimum(pitch * now.uniform(0.97, 1.03), 9000)
    partials = np.array([1, voice.uniform(0, 0.3)])[: 1 + (centre < 3500)]
    return oscillate(wavetable(voice, partials), pitch) * _arch(samples)


def _bark(voice: Generator, now: Generator) -> np.ndarray:
    samples = int(voice.uniform(0.08, 0.3) * now.uniform(0.9, 1.1) * SAMPLE_RATE)
    pitch = log_uniform(voice, 150, 700) * now.uniform(0.95, 1.05) * (1 + 0.5 * _arch(samples))
    tone = oscillate(wavetable(voice, harmonics(voice, pitch.max(), 0.7)), pitch)
    rough = tone * (1 + voice.uniform(0.3, 1.5) * white(now, samples))
    mouth = 0.05 + resonance(voice.uniform(500, 2000), voice.uniform(200, 700))[None]
    return shape_spectrum(rough, mouth) * _arch(samples)


def _meow(voice: Generator, now: Generator) -> np.ndarray:
    samples = int(voice.uniform(0.3, 1.2) * now.uniform(0.8, 1.2) * SAMPLE_RATE)
    glide = 1 + voice.uniform(-0.3, 0.5) * _arch(samples)
    pitch = log_uniform(voice, 120, 800) * now.uniform(0.95, 1.05) * glide
    tone = oscillate(wavetable(voice, harmonics(voice, pitch.max(), 0.5)), pitch)
    opening = frame_curve(now, samples, 600, 3000, rate_hz=2)
    mouth = 0.05 + resonance(opening, 250) + 0.4 * resonance(2.2 * opening, 400)
    return shape_spectrum(tone, mouth) * _arch(samples)


def _pulses(voice: Generator, now: Generator) -> np.ndarray:
    samples = int(voice.uniform(0.2, 0.8) * now.uniform(0.9, 1.1) * SAMPLE_RATE)
    clock = seconds(samples)
    carrier = np.sin(2 * np.pi * clock * log_uniform(voice, 400, 6500) * now.uniform(0.98, 1.02))
    beat = np.maximum(0, np.sin(2 * np.pi * clock * voice.uniform(15, 90))) ** voice.uniform(1, 4)
    return carrier * beat * _arch(samples)


def _arch(samples: int) -> np.ndarray:
    return np.sin(np.linspace(0, np.pi, samples, dtype=np.float32))
