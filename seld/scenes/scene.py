"""What a scene is, before anything is heard: plain values, from which a clip follows to the byte."""

from typing import NamedTuple

import numpy as np

from seld.arrays import Array
from seld.audio import SAMPLE_RATE
from seld.scenes.responses import MeasuredRoom
from seld.scenes.rooms import Path, Room
from seld.scenes.synthesis import Sound


class Event(NamedTuple):
    """A sound that is heard from `onset_s` on, on a path."""

    sound: Sound
    onset_s: float
    path: Path
    level_db: float
    """against the loudest event that the clip may hold"""
    source: int = 0
    """its number in the labels"""
    random: str | int = 0
    """state of the generator (`freeze`), or a seed, from which its reverberant tail is drawn"""
    skip_s: float = 0.0
    """by how much the beginning of the sound is cut off, where it lies before the clip"""

    @property
    def end_s(self) -> float:
        return self.onset_s + len(self.sound.audio) / SAMPLE_RATE


class Noise(NamedTuple):
    """Ambient noise: drawn, or an excerpt of a recording."""

    kind: str
    """diffuse, recording or none"""
    random: str | int = 0
    """state or seed that diffuse noise is drawn from"""
    folder: str = ""
    """of the recordings"""
    file: str = ""
    """in the folder"""
    begin_s: float = 0.0
    """of the excerpt"""
    seconds: float = 0.0
    """of the excerpt, which is repeated when it is shorter than the clip"""


class Scene(NamedTuple):
    """Everything that a clip is made from."""

    clip_seconds: float
    formats: tuple[Array, ...]
    """to write; the first one is what the noise's level counts in when it is a recording"""
    sounds: str | None
    """folder of the events' files"""
    room: Room | MeasuredRoom
    events: tuple[Event, ...]
    snr_db: float
    noise: Noise
    peak_dbfs: float


def freeze(rng: np.random.Generator) -> str:
    """The state of a PCG64 generator as a word, which `thaw` reads back."""
    state = rng.bit_generator.state
    word = f"{state['state']['state']:032x}-{state['state']['inc']:032x}"
    return f"{word}-{state['uinteger']:08x}" if state["has_uint32"] else word


def thaw(word: str | int) -> np.random.Generator:
    """The generator of a state that `freeze` wrote, or of a seed.

    Raises:
        ValueError: when it is neither.
    """
    if isinstance(word, int):
        return np.random.default_rng(word)
    parts = word.split("-")
    if [len(part) for part in parts] not in ([32, 32], [32, 32, 8]):
        raise ValueError(f"random must be a whole number, or a state as it was written, got {word!r}")
    state, inc, *half = (int(part, 16) for part in parts)
    generator = np.random.PCG64()
    generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": inc},
        "has_uint32": len(half),
        "uinteger": half[0] if half else 0,
    }
    return np.random.Generator(generator)
