"""Where dry sounds come from: the synthesiser, a folder of recordings, or both.

Both are split so that no sound is in two of training, validation and test: recordings by a hash of their path
inside the folder (so a file keeps its split when others are added), synthetic sounds by disjoint seeds.
"""

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seld.audio import SAMPLE_RATE, read_audio
from seld.scenes.config import SPLITS, SceneConfig
from seld.scenes.signals import fade
from seld.scenes.synthesis import FAMILIES, Sound, synthesize

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")

_SHARES = {"train": 70, "validation": 10, "test": 20}  # percent of a user's files
_SILENT = 1e-4  # rms below which a recording holds nothing to localize
_TRIM_DB = 40.0  # ends of a recording that are this far below its loudest 20 ms are cut off
_LOUD_DB = 20.0  # moments that are less below it than this are where events are taken


class SyntheticEvents:
    """Sounds of the synthesiser; the split is a residue of the seed."""

    def __init__(self, config: SceneConfig):
        self.classes = tuple(FAMILIES)
        self._config = config
        self._residue = SPLITS.index(config.split)

    def draw(self, rng: np.random.Generator) -> Sound:
        """A random sound, rms 1, of `event_seconds`."""
        seed = int(rng.integers(2**40)) * len(SPLITS) + self._residue
        seconds = self._config.event_seconds
        audio, family = synthesize(np.random.default_rng(seed), seconds)
        return Sound(audio, family, {"family": self.classes[family], "seed": seed, "length_s": list(seconds)})


class RecordedEvents:
    """Sounds from the files of a folder; its subfolders are the classes, in alphabetical order.

    Raises:
        ValueError: when the folder holds no sound files, or none for this split.
        FileNotFoundError: when there is no such folder.
    """

    def __init__(self, config: SceneConfig):
        self._folder = Path(config.events)
        self._seconds = config.event_seconds
        if not self._folder.is_dir():
            raise FileNotFoundError(f"{self._folder}: no such folder of events")
        found = (path for path in self._folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        # Hidden files are half-written ones, or notes of another system beside a sound of that name.
        files = sorted(path.relative_to(self._folder) for path in found if not path.name.startswith("."))
        if not files:
            raise ValueError(f"{self._folder}: expected sound files ({', '.join(SUFFIXES)}), found none")
        self.classes = tuple(sorted({_class_name(path) for path in files}))
        self.files = tuple(path for path in files if split_of(path) == config.split)
        if not self.files:
            raise ValueError(
                f"{self._folder}: none of its {len(files)} sound files falls into the split {config.split} "
                f"({_SHARES[config.split]} % of the files); add more"
            )

    def draw(self, rng: np.random.Generator) -> Sound:
        """A random file, cut to a random part of at most `event_seconds`, rms 1."""
        longest = int(rng.uniform(*self._seconds) * SAMPLE_RATE)
        path = self.files[rng.integers(len(self.files))]
        recording = _read_mono(self._folder / path)
        # Around a loud moment, or a pause in a long recording would be labelled, and blown up into noise.
        start = int(rng.choice(recording.loud) - rng.uniform(0, longest))
        start = max(0, min(start, len(recording.audio) - longest))
        excerpt = recording.audio[start : start + longest]
        recipe = {
            "file": path.as_posix(),
            "begin_s": start / SAMPLE_RATE,
            "length_s": len(excerpt) / SAMPLE_RATE,
        }
        return Sound(_normalized(excerpt), self.classes.index(_class_name(path)), recipe)


class MixedEvents:
    """Sounds from the files of a folder, and the share `synthetic` of them from the synthesiser.

    The classes are the folder's, then those families of the synthesiser whose names are not among them.

    Raises:
        ValueError: as RecordedEvents.
        FileNotFoundError: when there is no such folder.
    """

    def __init__(self, config: SceneConfig):
        self._recorded, self._synthetic = RecordedEvents(config), SyntheticEvents(config)
        self._share = config.synthetic
        self.classes = tuple(dict.fromkeys(self._recorded.classes + self._synthetic.classes))

    def draw(self, rng: np.random.Generator) -> Sound:
        """A random sound, rms 1, of either."""
        if rng.random() >= self._share:
            return self._recorded.draw(rng)
        sound = self._synthetic.draw(rng)
        return sound._replace(class_index=self.classes.index(self._synthetic.classes[sound.class_index]))


Events = SyntheticEvents | RecordedEvents | MixedEvents


def open_events(config: SceneConfig) -> Events:
    """The source of dry sounds that the configuration asks for."""
    if config.events is None:
        return SyntheticEvents(config)
    return MixedEvents(config) if config.synthetic else RecordedEvents(config)


def read_sound(path: Path, begin_s: float = 0.0, length_s: float | None = None) -> np.ndarray:
    """An excerpt (samples,) of a sound file, rms 1, from a time after its silent beginning on.

    Raises:
        ValueError: when the file is unreadable or silent, or the excerpt does not lie inside it.
        FileNotFoundError: when there is no such file.
    """
    audio = _read_mono(path).audio
    start = round(begin_s * SAMPLE_RATE)
    length = len(audio) - start if length_s is None else round(length_s * SAMPLE_RATE)
    if length < 1 or start + length > len(audio):
        raise ValueError(
            f"{path}: an excerpt must lie within the {len(audio) / SAMPLE_RATE:.4f} s between its silent ends, got "
            f"begin_s {begin_s:g}, length_s {length / SAMPLE_RATE:g}"
        )
    return _normalized(audio[start : start + length])


def split_of(path: Path) -> str:
    """The split of a file, from its path inside the folder of events alone."""
    ticket = int.from_bytes(hashlib.sha256(path.as_posix().encode()).digest()[:8]) % 100
    return list(_SHARES)[int(np.searchsorted(np.cumsum(list(_SHARES.values())), ticket, side="right"))]


def _normalized(excerpt: np.ndarray) -> np.ndarray:
    """An excerpt (samples,) with faded ends and rms 1."""
    audio = fade(excerpt)
    audio /= np.sqrt(np.mean(audio**2) + 1e-20)
    return audio


def _class_name(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


class _Recording(NamedTuple):
    audio: np.ndarray
    """(samples,) mono, silent ends cut off"""
    loud: np.ndarray
    """(n,) samples at which loud stretches of 20 ms begin"""


@functools.lru_cache(maxsize=32)
def _read_mono(path: Path) -> _Recording:
    """A sound file, channels averaged.

    Raises:
        ValueError: when the file is unreadable or silent.
    """
    audio = read_audio(path).numpy().mean(axis=0)
    frame = SAMPLE_RATE // 50
    power = np.add.reduceat(audio.astype(np.float64) ** 2, np.arange(0, len(audio), frame)) / frame
    if power.max() < _SILENT**2:
        raise ValueError(f"{path}: expected a sound, the recording is silent")
    heard = np.flatnonzero(power > power.max() * 10 ** (-_TRIM_DB / 10))
    loud = np.flatnonzero(power > power.max() * 10 ** (-_LOUD_DB / 10))
    return _Recording(audio[heard[0] * frame : (heard[-1] + 1) * frame], (loud - heard[0]) * frame)
