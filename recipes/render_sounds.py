"""Dry sounds that free programs render, as a folder of events for scenes: speech, singing, instruments, drums, effects.

    apt install espeak-ng fluidsynth fluid-soundfont-gm timgm6mb-soundfont
    python recipes/render_sounds.py --output rendered --hours 12 --workers 2
    python recipes/make_scenes.py --output scenes --events rendered --synthetic 0.3

Mono FLAC files of 24 kHz, each some seconds long, in the subfolders that are their classes:

  speech      espeak-ng: all of its languages and speakers say pseudo-words and numbers
  singing     espeak-ng intones them on notes; choirs and voices of the sound fonts
  instrument  fluidsynth: all other programs of General MIDI play random phrases
  percussion  its drum channel plays random rhythms
  effects     its sound effects: seashore, birds, telephone, helicopter, applause, gunshot, ...

The splits of scenes share no speaker, no program and no drum: files are named so that the hash that splits them gives
all those of one voice to one split. They share languages and drum kits. (The names are made for this folder as it is:
inside another one its files are split anew.)

A file depends on --seed and its number alone, not on --hours or --workers, if the programs and sound fonts are the
same. An interrupted run goes on where it stopped; more --hours add files to those that are there.
"""

import functools
import itertools
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.signal import butter, sosfilt
from tqdm import tqdm

from seld.audio import SAMPLE_RATE, write_audio
from seld.command import run
from seld.files import write_json
from seld.scenes import playing, speaking
from seld.scenes.events import split_of
from seld.scenes.programs import ProgramError
from seld.scenes.signals import fade, log_uniform, resonance, shape_spectrum, tilt
from seld.scenes.workers import work

SHARES = {"speech": 0.45, "singing": 0.07, "instrument": 0.32, "percussion": 0.08, "effects": 0.08}  # of the files
SPLITS = ("train", "train", "test", "train", "validation", "train", "train", "test", "train", "train")  # of ten voices
SECONDS = (2.0, 8.0)  # of a file
MEAN_SECONDS = 5.4  # of a file, as measured
VOICES = {
    "singing": playing.VOICES,
    "instrument": tuple(sorted(set(range(playing.PROGRAMS)).difference(playing.VOICES, playing.EFFECTS))),
    "percussion": playing.DRUMS,
    "effects": playing.EFFECTS,
}
ATTEMPTS = 5  # at a phrase that can be heard
PAUSE_SECONDS = 0.3  # longest, since labels say that a source sounds from its beginning to its end
_RUMBLE = butter(2, 30, "highpass", fs=SAMPLE_RATE, output="sos")  # some samples of the sound fonts have an offset
_QUIET_DB = 50.0  # below the loudest 20 ms: a pause
_SILENT = 1e-4  # rms
_FRAME = SAMPLE_RATE // 50
_STATE = "rendered.json"

_log = logging.getLogger(__name__)


@dataclass
class Config:
    """What to render, and where it goes."""

    output: Path
    """folder to fill"""
    hours: float = 1.0
    """how much sound to render, about"""
    seed: int = 0
    """of everything random"""
    workers: int = 1
    """processes; they do not change the result"""
    sound_fonts: list[Path] = field(default_factory=list)
    """General MIDI sound fonts (.sf2) for fluidsynth; by default those of the Debian packages that are there"""

    def __post_init__(self):
        for name, rule, holds in (
            ("hours", "above 0", self.hours > 0),
            ("seed", "at least 0", self.seed >= 0),
            ("workers", "at least 1", self.workers >= 1),
        ):
            if not holds:
                raise ValueError(f"{name} must be {rule}, got {getattr(self, name)}")


class Tools(NamedTuple):
    """What there is to render with."""

    languages: tuple[str, ...]
    speakers: tuple[str, ...]
    fonts: tuple[Path, ...]


class Take(NamedTuple):
    """One file to render."""

    path: Path
    """in the folder of sounds"""
    render: Callable[[Generator], np.ndarray]
    """gives (samples,)"""


def main(config: Config) -> None:
    tools = find_tools(config.sound_fonts)
    claim(config, tools)
    job = Rendering(config.output, config.seed, tools)
    numbers = range(max(1, round(config.hours * 3600 / MEAN_SECONDS)))
    missing = [number for number in numbers if not job.is_done(number)]
    done = work(job, missing, config.workers)
    for _ in tqdm(done, "sounds", len(numbers), initial=len(numbers) - len(missing), unit="file"):
        pass
    if missing and not any(map(job.is_done, missing)):
        raise ValueError(f"{config.output}: none of {len(missing)} sounds could be rendered; the warnings say why")


def find_tools(fonts: Sequence[Path]) -> Tools:
    """The voices of espeak-ng, and sound fonts.

    Raises:
        FileNotFoundError: when a program or every sound font is missing.
    """
    languages, speakers = speaking.find_voices()
    return Tools(languages, speakers, playing.find_fonts(fonts))


def claim(config: Config, tools: Tools) -> None:
    """Remember in the folder what its sounds were rendered with, or see that it was the same."""
    path = config.output / _STATE
    state = {"seed": config.seed, "sound_fonts": [font.name for font in tools.fonts], "speakers": list(tools.speakers)}
    state["languages"] = list(tools.languages)
    if path.is_file() and (stored := json.loads(path.read_text())) != state:
        key = next(key for key in state if stored.get(key) != state[key])
        raise ValueError(f"{config.output}: holds sounds rendered with another {key}; use another folder or remove it")
    write_json(path, state)


class Rendering(NamedTuple):
    """The work of one process."""

    output: Path
    seed: int
    tools: Tools

    def start(self) -> Callable[[int], None]:
        return self.render

    def is_done(self, number: int) -> bool:
        return (self.output / plan(self.seed, number, self.tools).path).is_file()

    def render(self, number: int) -> None:
        """Write one file; a phrase that cannot be heard is replaced by another one of the same voice."""
        take, reason = plan(self.seed, number, self.tools), "nothing was heard"
        for attempt in range(1, 1 + ATTEMPTS):
            rng = np.random.default_rng([self.seed, number, attempt])
            try:
                audio = finish(rng, take.render(rng))
            except ProgramError as error:  # espeak-ng 1.51 crashes on one in eight texts in Greenlandic
                reason = str(error)
                continue
            if len(audio) >= SAMPLE_RATE:
                write_audio(self.output / take.path, audio[None])
                return
        _log.warning("%s: left out after %d attempts, %s", take.path, ATTEMPTS, reason)


def plan(seed: int, number: int, tools: Tools) -> Take:
    """Which voice file `number` is of, and what renders it."""
    rng = np.random.default_rng([seed, number])
    kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    seconds, font = rng.uniform(*SECONDS), tools.fonts[rng.integers(len(tools.fonts))]
    if kind == "speech" or (kind == "singing" and rng.random() < 0.6):
        speaker, language = str(rng.choice(tools.speakers)), str(rng.choice(tools.languages))
        name = re.sub(r"\W+", "_", f"{speaker}_{language.rpartition('/')[2]}")
        sung = kind == "singing"
        path = name_file(f"{kind}/{name}_{number:06d}", split_speakers(tools.speakers)[speaker])
        return Take(path, lambda rng: speaking.speak(rng, language, speaker, seconds, sung))
    voices = VOICES[kind]
    voice = int(rng.choice(voices))
    split = SPLITS[voices.index(voice) % len(SPLITS)]
    path = name_file(f"{kind}/{voice:03d}_{font.stem}_{number:06d}", split)
    if kind != "percussion":
        return Take(path, lambda rng: playing.play(playing.write_phrase(rng, voice, seconds), font))
    others = [key for place, key in enumerate(voices) if SPLITS[place % len(SPLITS)] == split]
    keys = [voice, *rng.choice(others, rng.integers(0, 4))]
    return Take(path, lambda rng: playing.play(playing.write_rhythm(rng, keys, seconds), font))


@functools.cache
def split_speakers(speakers: tuple[str, ...]) -> dict[str, str]:
    """The split of each speaker; those that are numbered versions of one (klatt, klatt2, ...) are in the same one."""

    def group(name: str) -> str:
        bare = name.rstrip("0123456789").lower()
        if len(bare) < 2:  # m1, f1, ... are different people
            return name
        return "klatt" if bare == "caleb" else bare  # which is klatt to the byte

    groups = sorted({group(name) for name in speakers})
    return {name: SPLITS[groups.index(group(name)) % len(SPLITS)] for name in speakers}


def name_file(stem: str, split: str) -> Path:
    """The first of stem.flac, stem-1.flac, ... that the scenes take for this split."""
    names = (Path(f"{stem}{f'-{number}' if number else ''}.flac") for number in itertools.count())
    return next(path for path in names if split_of(path) == split)


def finish(rng: Generator, audio: np.ndarray) -> np.ndarray:
    """A render (samples,) without silent ends and long pauses, coloured, at a peak of 0.7; empty when it is silent.

    The colour is a gentle slope and a broad peak or dip, so that nobody learns the spectrum of one synthesiser.
    """
    if len(audio) == 0:
        return audio
    audio = close_pauses(sosfilt(_RUMBLE, audio))[: round(SECONDS[1] * SAMPLE_RATE)]
    if len(audio) == 0:
        return audio
    bump = 1 + rng.uniform(-0.5, 1.0) * resonance(log_uniform(rng, 200, 8000), log_uniform(rng, 300, 3000))[None]
    audio = fade(shape_spectrum(audio, tilt(rng.uniform(-2, 3.5)) * bump), 0.005, 0.03)
    return audio * (0.7 / np.abs(audio).max())


def close_pauses(audio: np.ndarray) -> np.ndarray:
    """The sound (samples,) without silent ends, its pauses cut to PAUSE_SECONDS."""
    frames = audio[: len(audio) // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    if len(power) == 0 or power.max() < _SILENT**2:
        return np.zeros(0, dtype=np.float32)
    heard = np.flatnonzero(power > power.max() * 10 ** (-_QUIET_DB / 10))
    since = np.arange(heard[0], heard[-1] + 1)
    since -= heard[np.searchsorted(heard, since, side="right") - 1]  # frames since one that was heard
    kept = np.arange(heard[0], heard[-1] + 1)[since <= round(PAUSE_SECONDS * SAMPLE_RATE / _FRAME)]
    return frames[kept].ravel()


if __name__ == "__main__":
    run(main, Config, __doc__)
