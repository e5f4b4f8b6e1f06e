"""Ambient recordings as noise: excerpts of a user's files, the same moment in every format.

A folder holds the files of one format, or a subfolder of each format's name with files of the same names. The
beginning of each file (70 %) is for training, the next 10 % for validation, the end for testing, so that splits never
share a second, however few files there are.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio

from seld.arrays import Array
from seld.audio import SAMPLE_RATE

SUFFIXES = (".wav", ".flac", ".ogg")

_PARTS = {"train": (0.0, 0.7), "validation": (0.7, 0.8), "test": (0.8, 1.0)}
_SHORTEST_S = 1.0  # of a split's part of a file
_FADE_S = 0.5
_SLACK = 2  # samples by which an excerpt may seem too long, when a time is rounded to another rate


def find_ambience(folder: str | Path, formats: Sequence[Array]) -> list[str]:
    """The files of the folder, relative to the folders of its formats, by name.

    Raises:
        ValueError: when there are none, or not the same ones for every format.
        FileNotFoundError: when there is no such folder.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of ambient recordings")
    found: dict[str, list[str]] = {}
    for array in formats:
        part = format_folder(folder, array, formats)
        files = (path for path in part.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
        found[array.name] = sorted(path.relative_to(part).as_posix() for path in files)
        if not found[array.name]:
            raise ValueError(f"{part}: expected ambient recordings ({', '.join(SUFFIXES)}), found none")
    first, *others = formats
    for array in others:
        lone = sorted(set(found[first.name]) ^ set(found[array.name]))
        if lone:
            raise ValueError(f"{folder}: {lone[0]} must be there in every format, one of {first.name} and "
                             f"{array.name} lacks it")  # fmt: skip
    return found[first.name]


def format_folder(folder: str | Path, array: Array, formats: Sequence[Array]) -> Path:
    """Where the recordings of a format lie."""
    part = Path(folder) / array.name
    return Path(folder) if len(formats) == 1 and not part.is_dir() else part


def draw_excerpt(rng: np.random.Generator, path: Path, split: str, seconds: float) -> tuple[float, float]:
    """Beginning and length, seconds, of a random excerpt of the split's part of a file; all of it when it is short.

    Raises:
        ValueError: when the file is unreadable, or the part below a second.
    """
    try:
        length = soundfile.info(path).duration
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error.error_string.rstrip('.')})") from None
    begin, end = (share * length for share in _PARTS[split])
    if end - begin < _SHORTEST_S:
        raise ValueError(
            f"{path}: the part for {split} must last at least {_SHORTEST_S:g} s, got {end - begin:.2f} s of a "
            f"recording of {length:.2f} s"
        )
    # Whole samples, so that the description names the excerpt exactly.
    begin, end = np.ceil(begin * SAMPLE_RATE), np.floor(end * SAMPLE_RATE)
    wanted = round(seconds * SAMPLE_RATE)
    start = begin + rng.integers(max(1, int(end - begin) - wanted + 1))
    return float(start / SAMPLE_RATE), float(min(wanted, end - start) / SAMPLE_RATE)


def read_excerpt(path: str | Path, array: Array, begin_s: float, seconds: float, samples: int) -> np.ndarray:
    """An excerpt of a recording (channels, samples), repeated with cross-fades when it is shorter.

    Raises:
        ValueError: with the file's name, when it is unreadable, too short, silent, not finite, or has not the
            array's channels.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, found = file.samplerate, file.frames
            first, count = round(begin_s * rate), int(np.ceil(seconds * rate))
            if first + count > found + _SLACK:
                raise ValueError(
                    f"{path}: an excerpt must lie within the {found / rate:g} s of the recording, got {seconds:g} s "
                    f"from {begin_s:g} s on"
                )
            file.seek(first)
            audio = file.read(count, dtype="float32", always_2d=True).T
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error.error_string.rstrip('.')})") from None
    if not np.isfinite(audio).all():
        raise ValueError(f"{path}: an excerpt from {begin_s:g} s on holds samples that are not finite numbers")
    try:
        audio = np.ascontiguousarray(array.arrange(audio))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not audio[0].any():  # of which the level is taken
        raise ValueError(f"{path}: expected ambient noise from {begin_s:g} s on, the first channel is silent there")
    if rate != SAMPLE_RATE:
        audio = torchaudio.functional.resample(torch.from_numpy(audio), rate, SAMPLE_RATE).numpy()
    return repeat(audio[:, : round(seconds * SAMPLE_RATE)], samples)


def repeat(audio: np.ndarray, samples: int) -> np.ndarray:
    """Audio (channels, n) cut or repeated to (channels, samples); copies overlap in cross-fades of equal power."""
    length = audio.shape[1]
    if length >= samples:
        return audio[:, :samples]
    overlap = min(round(_FADE_S * SAMPLE_RATE), length // 2)
    rise = np.sin(np.pi / 2 * (np.arange(overlap) + 0.5) / overlap).astype(np.float32)
    out = np.zeros((len(audio), samples + length), dtype=np.float32)
    for start in range(0, samples, length - overlap):
        copy = audio.copy()
        if start:
            copy[:, :overlap] *= rise
        copy[:, length - overlap :] *= rise[::-1]
        out[:, start : start + length] += copy
    return out[:, :samples]
