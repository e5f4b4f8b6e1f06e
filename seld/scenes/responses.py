"""Measured room impulse responses in place of simulated rooms.

A set is a SOFA file, or a folder of WAV (or FLAC) files, one for each position, with positions.csv or positions.json:
rows of file, azimuth, elevation, distance_m (degrees), or of file, x_m, y_m, z_m. A folder of several sets is several
rooms. A source stands at a measured position, or moves along measured positions by cross-fading from each to the next.
"""

import functools
import json
import logging
from pathlib import Path as FilePath
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile
import torch
import torchaudio
from scipy import fft

from seld.arrays import Array
from seld.audio import SAMPLE_RATE, read_audio
from seld.geometry import unit_from_degrees
from seld.scenes.rooms import Path
from seld.scenes.sofa import read_sofa

LEAD = 48  # samples of a response that are kept before its direct sound

_TABLES = ("positions.csv", "positions.json")
_ANGLES, _PLACE = ("azimuth", "elevation", "distance_m"), ("x_m", "y_m", "z_m")
_ONSET = 0.1  # of the peak: where the direct sound begins
_NEAREST_M = 0.05

_log = logging.getLogger(__name__)


class MeasuredRoom(NamedTuple):
    """Responses of one array in one room."""

    name: str
    """the file or folder"""
    positions_m: np.ndarray
    """(n, 3) from the array, in its axes"""
    audio: np.ndarray
    """(n, channels, samples) float32, the direct sound beginning at LEAD"""

    def directions(self, positions_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors (..., 3) and distances (...), metres, of positions (..., 3)."""
        distance = np.linalg.norm(positions_m, axis=-1)
        return positions_m / distance[..., None], distance

    def nearest(self, positions_m: np.ndarray) -> np.ndarray:
        """Which measurement lies nearest to each position (m, 3): (m,)."""
        apart = np.linalg.norm(np.asarray(positions_m)[:, None] - self.positions_m, axis=2)
        return apart.argmin(axis=1)

    def render(self, dry: np.ndarray, path: Path) -> np.ndarray:
        """What the array hears (channels, samples + tail) of `dry` (samples,); the direct sound begins at LEAD.

        Between two positions of a path each one's response fades into the next one's, linearly as the label moves.
        """
        chosen = self.nearest(path.points_m)
        knots = np.linspace(0, len(dry), len(chosen)) if len(chosen) > 1 else np.zeros(1)
        out = np.zeros((self.audio.shape[1], len(dry) + self.audio.shape[2] - 1), dtype=np.float32)
        time = np.arange(len(dry))
        for number, measurement in enumerate(chosen):
            begin = int(knots[max(number - 1, 0)])
            end = int(np.ceil(knots[min(number + 1, len(knots) - 1)])) if len(chosen) > 1 else len(dry)
            weight = np.interp(time[begin:end], knots, np.arange(len(knots)) == number)
            response = self.audio[measurement]
            size = fft.next_fast_len(end - begin + response.shape[1] - 1, real=True)
            piece = (dry[begin:end] * weight).astype(np.float32)
            wet = fft.irfft(fft.rfft(response, size) * fft.rfft(piece, size), size)
            length = min(size, out.shape[1] - begin)
            out[:, begin : begin + length] += wet[:, :length]
        return out


def find_responses(path: str | FilePath) -> list[FilePath]:
    """The sets of responses at a path: itself, or the SOFA files and folders with positions inside.

    Raises:
        ValueError: when there are none.
        FileNotFoundError: when there is no such file or folder.
    """
    path = FilePath(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of responses")
    if path.is_file() or any((path / table).is_file() for table in _TABLES):
        return [path]
    visible = (inner for inner in sorted(path.iterdir()) if not inner.name.startswith("."))
    found = [inner for inner in visible if inner.suffix.lower() == ".sofa" or _is_set(inner)]
    if not found:
        raise ValueError(f"{path}: expected SOFA files, or sound files with {' or '.join(_TABLES)}, found none")
    return found


@functools.lru_cache(maxsize=4)
def open_room(path: str, array: Array) -> MeasuredRoom:
    """A set of responses, at SAMPLE_RATE, for an array.

    Raises:
        ValueError: with the file's name, when something is unreadable or missing, or the channels are not the
            array's.
    """
    read = _read_folder if FilePath(path).is_dir() else _read_file
    positions, responses = read(FilePath(path), array)
    distance = np.linalg.norm(positions, axis=1)
    if (distance < _NEAREST_M).any():
        raise ValueError(
            f"{path}: sources must be at least {_NEAREST_M:g} m from the array, got {distance.min():.3g} m for "
            f"measurement {distance.argmin()}"
        )
    for number, response in enumerate(responses):
        if not response.any():
            raise ValueError(f"{path}: measurement {number} must not be silent")
    aligned = [_align(response) for response in responses]
    length = max(response.shape[1] for response in aligned)
    audio = np.stack([np.pad(response, ((0, 0), (0, length - response.shape[1]))) for response in aligned])
    return MeasuredRoom(path, positions, audio)


def _is_set(path: FilePath) -> bool:
    return path.is_dir() and any((path / table).is_file() for table in _TABLES)


def _read_file(path: FilePath, array: Array) -> tuple[np.ndarray, list[np.ndarray]]:
    if path.suffix.lower() != ".sofa":
        raise ValueError(f"{path}: expected a SOFA file, or a folder with {' or '.join(_TABLES)}")
    file = read_sofa(path)
    audio = _delay(file.audio, file.delays - file.delays.min(axis=1, keepdims=True))
    try:
        audio = np.ascontiguousarray(array.arrange(audio))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    _tell_resampled(path, {file.sample_rate})
    return file.positions_m, list(_resampled(torch.from_numpy(audio), file.sample_rate).astype(np.float32))


def _read_folder(folder: FilePath, array: Array) -> tuple[np.ndarray, list[np.ndarray]]:
    table = next(folder / name for name in _TABLES if (folder / name).is_file())
    files, positions = _read_table(table)
    responses, rates = [], set()
    for file in files:
        path = folder / file
        rate = _rate(path)
        audio = read_audio(path, sample_rate=rate)
        rates.add(rate)
        try:
            responses.append(array.arrange(_resampled(audio, rate)))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    _tell_resampled(folder, rates)
    return positions, responses


def _rate(path: FilePath) -> int:
    """The rate of a sound file; that of the project for one that cannot be read, which read_audio will tell."""
    try:
        return soundfile.info(path).samplerate
    except soundfile.LibsndfileError:
        return SAMPLE_RATE


def _resampled(audio: torch.Tensor, rate: int) -> np.ndarray:
    if rate != SAMPLE_RATE:
        audio = torchaudio.functional.resample(audio, rate, SAMPLE_RATE)
    return audio.numpy()


def _tell_resampled(path: FilePath, rates: set[int]) -> None:
    """Say so once for a set, which can be thousands of files."""
    for rate in sorted(rates - {SAMPLE_RATE}):
        _log.warning("%s: responses resampled from %d Hz to %d Hz", path, rate, SAMPLE_RATE)


def _read_table(path: FilePath) -> tuple[list[str], np.ndarray]:
    """Files and positions (n, 3) of a table."""
    try:
        if path.suffix == ".json":
            table = pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
        else:
            table = pd.read_csv(path, skipinitialspace=True)
    except (ValueError, AttributeError) as error:  # pandas' errors of reading are ValueErrors
        raise ValueError(f"{path}: not a table ({' '.join(str(error).split())})") from None
    columns = next((names for names in (_PLACE, _ANGLES) if {"file", *names} <= set(table.columns)), None)
    if columns is None:
        raise ValueError(
            f"{path}: expected the columns file and {', '.join(_ANGLES)} or {', '.join(_PLACE)}, got "
            f"{', '.join(map(str, table.columns))}"
        )
    if not len(table):
        raise ValueError(f"{path}: expected at least one response, found none")
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1) | table["file"].isna())
    if len(bad):
        raise ValueError(f"{path}: expected a file and three numbers for response {bad[0] + 1}")
    if columns == _ANGLES:
        bad = np.flatnonzero((np.abs(numbers[:, 1]) > 90) | (numbers[:, 2] <= 0))
        if len(bad):
            raise ValueError(
                f"{path}: elevation must be from -90 to 90 and distance_m above 0, got {numbers[bad[0], 1]:g} and "
                f"{numbers[bad[0], 2]:g} for response {bad[0] + 1}"
            )
        numbers = unit_from_degrees(numbers[:, 0], numbers[:, 1]) * numbers[:, 2:]
    return table["file"].astype(str).tolist(), numbers


def _delay(audio: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Audio (n, channels, samples), each channel later by its delay (n, channels) in samples, also by fractions."""
    if not delays.any():
        return audio
    samples = audio.shape[-1] + int(np.ceil(delays.max())) + 1
    size = fft.next_fast_len(samples, real=True)
    turn = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size * delays[..., None])
    return fft.irfft(fft.rfft(audio, size) * turn, size)[..., :samples]


def _align(response: np.ndarray) -> np.ndarray:
    """A response (channels, samples), moved so that its direct sound begins at LEAD."""
    loudness = np.abs(response).max(axis=0)
    onset = int(np.argmax(loudness >= _ONSET * loudness.max()))
    return np.pad(response, ((0, 0), (max(0, LEAD - onset), 0)))[:, max(0, onset - LEAD) :]
