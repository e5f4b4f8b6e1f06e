"""A synthesiser of dry mono sounds in ten families, so that scenes need no download.

Each family is a function of a random generator and a length; it varies widely inside (pitch, rhythm, timbre,
envelope), because a localizer that learns where sounds come from must not learn what they are. The recipes are
the classic ones: source and filter for voices, wavetables for pitched sounds, damped modes for struck objects.
"""

from typing import NamedTuple

import numpy as np

from seld.audio import SAMPLE_RATE
from seld.scenes.signals import (
    BIN_HZ,
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
    tilt,
    wavetable,
    white,
)


class Sound(NamedTuple):
    """One dry event."""

    audio: np.ndarray
    """(samples,) float32, mono"""
    class_index: int
    name: str
    """family and seed, or the file that it comes from"""


def synthesize(rng: np.random.Generator, seconds_range: tuple[float, float]) -> tuple[np.ndarray, int]:
    """A random sound (samples,), rms 1, and the index of its family in FAMILIES."""
    family = int(rng.integers(len(FAMILIES)))
    samples = int(log_uniform(rng, *seconds_range) * SAMPLE_RATE)
    audio = fade(list(FAMILIES.values())[family](rng, samples))
    return audio / np.sqrt(np.mean(audio**2) + 1e-12), family


def speech(rng: np.random.Generator, samples: int) -> np.ndarray:
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
    for low, high, width, weight in ((250, 850, 90, 1), (750, 2500, 120, 0.5), (2200, 3300, 200, 0.3), (3300, 4500, 300, 0.15)):
        centre = np.interp(times[:, 0], np.sort(onset), rng.uniform(low, high, syllables))[:, None]
        formants = formants + weight * resonance(tract * centre, width)
    hiss_shape = resonance(np.full_like(times, rng.uniform(3500, 8000)), rng.uniform(800, 2500))
    return shape_spectrum(voice, 4 * voiced * formants) + shape_spectrum(0.3 * white(rng, samples), hissing * hiss_shape)


def instrument(rng: np.random.Generator, samples: int) -> np.ndarray:
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


def broadband(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Wind, spray, rubbing: coloured noise that swells or comes in strokes."""
    noise = shape_spectrum(white(rng, samples), tilt(frame_curve(rng, samples, -6, 3, rate_hz=1)))
    if rng.random() < 0.5:
        return noise * 10 ** (curve(rng, samples, -15, 0, rate_hz=log_uniform(rng, 0.5, 8)) / 20)
    rate, duty = rng.uniform(0.8, 6), rng.uniform(0.8, 3)
    stroke = np.sin(np.pi * ((seconds(samples) * rate) % 1))
    return noise * stroke**duty


def band(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise in a band that may wander and tremble: steam, humming fans, whistling wind."""
    centre = log_uniform(rng, 250, 8000)
    wander = rng.choice([0.0, 0.5])
    moving = centre * 2 ** frame_curve(rng, samples, -wander, wander, rate_hz=1.5)
    noise = shape_spectrum(white(rng, samples), resonance(moving, centre * log_uniform(rng, 0.05, 0.5)) ** 2)
    depth, rate = rng.uniform(0, 0.9), log_uniform(rng, 1, 25)
    return noise * (1 + depth * np.sin(2 * np.pi * rate * seconds(samples)))


def impulsive(rng: np.random.Generator, samples: int) -> np.ndarray:
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
        ring = np.sin(2 * np.pi * clock[:, None] * modes * rng.uniform(0.97, 1.03)).sum(1) * np.exp(-clock / mode_decay)
        burst = shape_spectrum(white(rng, length), colour) * np.exp(-clock / burst_decay)
        hits.append(share * ring + (1 - share) * 2 * burst)
    loudness = 10 ** (rng.uniform(-10, 0, count) / 20)
    return place(samples, starts, [hits[i % len(hits)] * loudness[i] for i in range(count)])


def sweep(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Glides up, down or both ways, once or repeated, pure or with harmonics."""
    low = log_uniform(rng, 150, 3000)
    high = min(9000, low * log_uniform(rng, 1.5, 12))
    position = (seconds(samples) * (log_uniform(rng, 0.5, 5) if rng.random() < 0.6 else SAMPLE_RATE / samples)) % 1
    shape = rng.integers(3)
    if shape == 1:
        position = 1 - position
    elif shape == 2:
        position = 1 - np.abs(2 * position - 1)
    table = wavetable(rng, harmonics(rng, high, rng.uniform(0.5, 2))[: rng.integers(1, 6)])
    gaps = np.where((seconds(samples) * rng.uniform(1, 4)) % 1 < rng.uniform(0.6, 1.4), 1.0, 0.0)
    glide = oscillate(table, low * (high / low) ** position)
    return glide * np.convolve(gaps, np.full(240, 1 / 240), "same")


def animal(rng: np.random.Generator, samples: int) -> np.ndarray:
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


def _bird(voice: np.random.Generator, now: np.random.Generator) -> np.ndarray:
    samples = int(log_uniform(voice, 0.05, 0.4) * now.uniform(0.9, 1.1) * SAMPLE_RATE)
    centre = log_uniform(voice, 1800, 6000)
    pitch = centre * 2 ** curve(voice, samples, -0.5, 0.5, rate_hz=voice.uniform(5, 40))
    pitch = np.minimum(pitch * now.uniform(0.97, 1.03), 9000)
    return oscillate(wavetable(voice, np.array([1, voice.uniform(0, 0.3)])[: 1 + (centre < 3500)]), pitch) * _arch(samples)


def _bark(voice: np.random.Generator, now: np.random.Generator) -> np.ndarray:
    samples = int(voice.uniform(0.08, 0.3) * now.uniform(0.9, 1.1) * SAMPLE_RATE)
    pitch = log_uniform(voice, 150, 700) * now.uniform(0.95, 1.05) * (1 + 0.5 * _arch(samples))
    tone = oscillate(wavetable(voice, harmonics(voice, pitch.max(), 0.7)), pitch)
    rough = tone * (1 + voice.uniform(0.3, 1.5) * white(now, samples))
    return shape_spectrum(rough, 0.05 + resonance(voice.uniform(500, 2000), voice.uniform(200, 700))[None]) * _arch(samples)


def _meow(voice: np.random.Generator, now: np.random.Generator) -> np.ndarray:
    samples = int(voice.uniform(0.3, 1.2) * now.uniform(0.8, 1.2) * SAMPLE_RATE)
    pitch = log_uniform(voice, 120, 800) * (1 + voice.uniform(-0.3, 0.5) * _arch(samples)) * now.uniform(0.95, 1.05)
    tone = oscillate(wavetable(voice, harmonics(voice, pitch.max(), 0.5)), pitch)
    opening = frame_curve(now, samples, 600, 3000, rate_hz=2)
    return shape_spectrum(tone, 0.05 + resonance(opening, 250) + 0.4 * resonance(2.2 * opening, 400)) * _arch(samples)


def _pulses(voice: np.random.Generator, now: np.random.Generator) -> np.ndarray:
    samples = int(voice.uniform(0.2, 0.8) * now.uniform(0.9, 1.1) * SAMPLE_RATE)
    clock = seconds(samples)
    carrier = np.sin(2 * np.pi * clock * log_uniform(voice, 400, 6500) * now.uniform(0.98, 1.02))
    beat = np.maximum(0, np.sin(2 * np.pi * clock * voice.uniform(15, 90))) ** voice.uniform(1, 4)
    return carrier * beat * _arch(samples)


def _arch(samples: int) -> np.ndarray:
    return np.sin(np.linspace(0, np.pi, samples, dtype=np.float32))


def alarm(rng: np.random.Generator, samples: int) -> np.ndarray:
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


def metal(rng: np.random.Generator, samples: int) -> np.ndarray:
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
    strikes_of = [fade(wave @ rng.uniform(0.1, 1, keep.sum()).astype(np.float32), 0.0005) for _ in range(min(3, strikes))]
    loudness = 10 ** (rng.uniform(-12, 0, strikes) / 20)
    return place(samples, starts, [strikes_of[i % len(strikes_of)] * loudness[i] for i in range(strikes)])


def engine(rng: np.random.Generator, samples: int) -> np.ndarray:
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
