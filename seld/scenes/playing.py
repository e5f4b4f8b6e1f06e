"""Music by fluidsynth: every instrument of General MIDI, playing phrases that nobody wrote.

fluidsynth (LGPL) is called as a program, dry: without its reverberation and chorus. A phrase is a standard MIDI file
of one track ("Standard MIDI Files 1.0", 1988), whose ticks are milliseconds.
"""

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from scipy.signal import resample_poly

from seld.audio import SAMPLE_RATE
from seld.scenes.programs import read_render, run_program
from seld.scenes.signals import log_uniform

PACKAGE = "fluidsynth"
FONT_PACKAGES = "fluid-soundfont-gm or timgm6mb-soundfont"
FONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/sounds/sf2/TimGM6mb.sf2")

PROGRAMS = 128
EFFECTS = tuple(range(120, 128))  # fret noise, breath, seashore, bird, telephone, helicopter, applause, gunshot
VOICES = (52, 53, 54, 85, 91)  # programs of General MIDI that sing
DRUMS = tuple(range(35, 82))  # keys of the drum channel

_RATE = 2 * SAMPLE_RATE  # of fluidsynth, which folds back what lies above half of its rate
_KITS = (0, 8, 16, 24, 25, 32, 40, 48)
_DRUM_CHANNEL = 9
# Lowest and highest key of each eight programs: pianos, chromatic percussion, organs, guitars, basses, strings,
# ensembles, brass, reeds, pipes, leads, pads, synthetic effects, ethnic, percussive, sound effects.
_REGISTERS = (
    (28, 96), (58, 98), (36, 90), (40, 84), (28, 57), (36, 92), (38, 86), (36, 82),
    (44, 86), (58, 98), (36, 92), (36, 86), (36, 86), (46, 86), (40, 82), (30, 90),
)  # fmt: skip
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10), tuple(range(12)))

Message = tuple[int, bytes]  # milliseconds from the start, and what is sent then


def find_fonts(named: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The sound fonts that are named, or those of the Debian packages that are there.

    Raises:
        FileNotFoundError: when one that is named, or all, or fluidsynth are missing.
        ValueError: when one that is named is no sound font.
    """
    run_program(PACKAGE, ["fluidsynth", "--version"])
    for path in named:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such sound font")
        with path.open("rb") as file:
            if (head := file.read(12))[:4] != b"RIFF" or head[8:] != b"sfbk":
                raise ValueError(f"{path}: not a sound font (.sf2)")
    fonts = tuple(named) or tuple(path for path in map(Path, FONTS) if path.is_file())
    if not fonts:
        raise FileNotFoundError(
            f"a General MIDI sound font must be installed to render sounds (Debian and Ubuntu: apt install "
            f"{FONT_PACKAGES}), or named with --sound_fonts"
        )
    return fonts


def play(messages: Sequence[Message], font: Path) -> np.ndarray:
    """What a sound font makes of a phrase, (samples,) at SAMPLE_RATE."""
    with tempfile.TemporaryDirectory() as folder:
        score, wave = Path(folder) / "phrase.mid", Path(folder) / "phrase.wav"
        score.write_bytes(midi_file(messages))
        # Without dynamic loading the whole font is read for the few samples of one instrument.
        options = f"-n -i -q -R 0 -C 0 -g 0.4 -r {_RATE} -O float -T wav -o synth.dynamic-sample-loading=1".split()
        run_program(PACKAGE, ["fluidsynth", *options, "-F", str(wave), str(font), str(score)])
        audio = read_render(wave, _RATE)
    return resample_poly(audio, 1, _RATE // SAMPLE_RATE).astype(np.float32)


def midi_file(messages: Sequence[Message]) -> bytes:
    """A standard MIDI file of one track; messages of one moment keep their order."""
    track, now = b"", 0
    for time, message in sorted(messages, key=lambda entry: entry[0]):
        track += _variable_length(time - now) + message
        now = time
    track += b"\x00\xff\x2f\x00"
    # 500 ticks per quarter note at the standard's 120 quarter notes per minute: one tick is one millisecond.
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 500) + b"MTrk" + struct.pack(">I", len(track)) + track


def write_phrase(rng: Generator, program: int, seconds: float) -> list[Message]:
    """A random phrase for one of the 128 programs: melody, chords, arpeggio, repeated or long notes.

    Tempo, scale, register, loudness, articulation, vibrato, swell and tuning vary.
    """
    messages = [(0, bytes([0xC0, program])), *_bend(rng, seconds), *_swell(rng, seconds)]
    low, high = _REGISTERS[program // 8]
    scale = _scale(rng, low, high)
    sounds = program in EFFECTS
    style = "long" if sounds or rng.random() < 0.15 else rng.choice(["melody", "chords", "arpeggio", "repeated"])
    beat = log_uniform(rng, 0.7, 3.0) if style == "long" else log_uniform(rng, 0.12, 0.6)
    held, loudness = rng.uniform(0.5, 1.1), rng.uniform(50, 120)
    time, degree = 0.0, int(rng.integers(len(scale)))
    while time < seconds:
        length = beat * rng.choice([1.0, 1.0, 2.0] if style == "chords" else [0.5, 1.0, 1.0, 1.5])
        voices = [0, 2, 4, 6][: rng.integers(3, 5)] if style == "chords" else [0]
        for voice in voices:
            key = scale[min(degree + voice, len(scale) - 1)]
            messages += _note(0, key, rng.normal(loudness, 8), time, time + max(length * held, 0.05))
        if style == "melody" or (style in ("chords", "long") and rng.random() < 0.7):
            degree += int(rng.integers(-3, 4))
        elif style == "arpeggio":
            degree = degree + 2 if degree + 2 < len(scale) else int(rng.integers(len(scale) // 2 + 1))
        degree = int(np.clip(degree, 0, len(scale) - 1))
        time += length
    return messages


def write_rhythm(rng: Generator, keys: Sequence[int], seconds: float) -> list[Message]:
    """A random rhythm on some keys of the drum channel: a repeated bar with changes, or a roll."""
    messages = [(0, bytes([0xC0 | _DRUM_CHANNEL, int(rng.choice(_KITS))]))]
    step = log_uniform(rng, 0.06, 0.3)
    chances = rng.choice([0.0, 0.1, 0.5, 0.9], (len(keys), 8), p=[0.3, 0.2, 0.2, 0.3])
    chances[0, 0] = 1  # no bar is silent
    if rng.random() < 0.15:
        chances[0] = 1
    loudness = rng.uniform(60, 120, len(keys))
    for number in range(int(np.ceil(seconds / step))):
        for key, chance, velocity in zip(keys, chances[:, number % 8], loudness, strict=True):
            if rng.random() < chance:
                time = max(0.0, number * step + rng.normal(0, 0.005))
                messages += _note(_DRUM_CHANNEL, key, rng.normal(velocity, 10), time, time + 2 * step)
    return messages


def _note(channel: int, key: int, velocity: float, begin_s: float, end_s: float) -> list[Message]:
    loudness = int(np.clip(velocity, 20, 127))
    return [
        (round(begin_s * 1000), bytes([0x90 | channel, int(key), loudness])),
        (round(end_s * 1000), bytes([0x80 | channel, int(key), 0])),
    ]


def _scale(rng: Generator, low: int, high: int) -> list[int]:
    """The keys of a random scale in up to two and a half octaves of a register."""
    width = min(high - low, int(rng.integers(7, 31)))
    bottom = int(rng.integers(low, high - width + 1))
    steps, root = _SCALES[rng.integers(len(_SCALES))], rng.integers(12)
    return [key for key in range(bottom, bottom + width + 1) if (key - root) % 12 in steps]


def _bend(rng: Generator, seconds: float) -> list[Message]:
    """A tuning up to a quarter tone off, and sometimes slow glides around it; two semitones are full scale."""
    tuning = rng.uniform(-0.5, 0.5)
    depth = rng.uniform(0.3, 1.2) if rng.random() < 0.2 else 0.0
    rate_hz, phase = log_uniform(rng, 0.2, 3), rng.uniform(0, 2 * np.pi)
    times = np.arange(0, seconds, 0.03) if depth else np.zeros(1)
    bends = np.clip(8192 + 4096 * (tuning + depth * np.sin(2 * np.pi * rate_hz * times + phase)), 0, 16383)
    return [
        (round(1000 * time), bytes([0xE0, int(bend) & 127, int(bend) >> 7]))
        for time, bend in zip(times, bends, strict=True)
    ]


def _swell(rng: Generator, seconds: float) -> list[Message]:
    """Vibrato (controller 1), and a loudness (controller 11) that stays or comes and goes."""
    messages = [(0, bytes([0xB0, 1, int(rng.choice([0, 0, 30, 80]))]))]
    if rng.random() < 0.4:
        rate_hz, phase = log_uniform(rng, 0.15, 1.5), rng.uniform(0, 2 * np.pi)
        for time in np.arange(0, seconds, 0.03):
            level = 95 + 32 * np.sin(2 * np.pi * rate_hz * time + phase)
            messages.append((round(1000 * time), bytes([0xB0, 11, int(level)])))
    return messages


def _variable_length(number: int) -> bytes:
    """A number in groups of seven bits, all but the last one marked."""
    groups = [number & 127]
    while number := number >> 7:
        groups.append(number & 127 | 128)
    return bytes(reversed(groups))
