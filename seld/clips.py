"""Folders in DCASE layout to training segments.

A folder holds `foa_dev/` (or that of another array) with the sounds and `metadata_dev/` with one CSV per sound, of the
same stem.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from seld.arrays import ARRAYS, Array
from seld.audio import read_audio
from seld.features import LEVEL_SPREAD_DB, Features
from seld.labels import grid_from_rows, read_rows

METADATA = "metadata_dev"
SUFFIXES = (".flac", ".wav", ".ogg")


class Clip(NamedTuple):
    """Where a recording and its annotation lie."""

    audio: Path
    metadata: Path


class Batch(NamedTuple):
    """Segments of T label frames."""

    features: Tensor
    """(B, channels, T x frames_per_label, F) float32"""
    doa: Tensor
    """(B, T, N, 3) unit vectors"""
    active: Tensor
    """(B, T, N) bool"""


def find_clips(folder: str | Path, array: Array = ARRAYS["foa"]) -> list[Clip]:
    """All clips of a folder in DCASE layout, by name, as recorded by an array.

    Raises:
        ValueError: names the folder or file that is missing, or the first sound without metadata or metadata
            without sound.
    """
    folder = Path(folder)
    for part in (array.folder, METADATA):
        if not (folder / part).is_dir():
            raise ValueError(f"{folder}: expected a folder in DCASE layout, {part}/ is missing")
    # Official releases have dev-train/dev-test below; a stem names a clip in all of them.
    sounds = _by_stem((folder / array.folder).rglob("*"), SUFFIXES)
    tables = _by_stem((folder / METADATA).rglob("*"), (".csv",))
    if not sounds:
        raise ValueError(f"{folder / array.folder}: no sound files ({', '.join(SUFFIXES)})")
    for stem in sorted(sounds.keys() ^ tables.keys()):
        lone, other = (sounds, "metadata") if stem in sounds else (tables, "sound")
        raise ValueError(f"{lone[stem]}: there is no {other} of the same name")
    return [Clip(sounds[stem], tables[stem]) for stem in sorted(sounds)]


class ClipData(NamedTuple):
    """Features and references of one clip, in memory."""

    features: Tensor
    """(channels, T x frames_per_label, F) float16, which holds them to three digits in half the memory"""
    doa: Tensor
    """(T, N, 3)"""
    active: Tensor
    """(T, N) bool"""


def read_recording(path: str | Path, array: Array) -> Tensor:
    """The channels of an array (channels, samples) from a sound file.

    Raises:
        ValueError: names the file when it is no sound, or has not the channels for it.
        FileNotFoundError: when there is no such file.
    """
    audio = read_audio(path)
    try:
        return array.arrange(audio)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def load_clip(clip: Clip, features: Features, slots: int) -> ClipData:
    """Read one clip and compute its features.

    Raises:
        ValueError: names the file at fault, as read_recording, read_rows and grid_from_rows do.
    """
    audio = read_recording(clip.audio, features.array)
    frames = features.label_frames(audio.shape[-1])
    rows = read_rows(clip.metadata)
    try:
        grid = grid_from_rows(rows, frames, slots)
    except ValueError as error:
        raise ValueError(f"{clip.metadata}: {error}") from None
    with torch.inference_mode():
        computed = features(audio.unsqueeze(0))[0].half()
    return ClipData(computed, torch.from_numpy(grid.doa), torch.from_numpy(grid.active))


def load_clips(clips: list[Clip], features: Features, slots: int, label: str = "features") -> list[ClipData]:
    """Load all clips into memory with one thread per core and a progress bar (64 kB a second)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the clips are the parallel work; more threads each would only fight
    try:
        with ThreadPoolExecutor(threads) as pool:
            loaded = pool.map(lambda clip: load_clip(clip, features, slots), clips)
            return list(tqdm(loaded, label, len(clips), unit="clip", leave=False))
    finally:
        torch.set_num_threads(threads)


@dataclass
class SegmentConfig:
    """How clips are cut and varied for training."""

    seconds: float = 5.0
    """length of a training segment"""
    augment: bool = True
    """turn or mirror each segment by one of the symmetries of its array, and change its level"""
    level_db: float = 6.0
    """largest change of level by augmentation, up or down"""

    def __post_init__(self):
        if self.seconds < 0.1:
            raise ValueError(f"segments.seconds must be at least one frame of 0.1 s, got {self.seconds}")


class Segments(Dataset):
    """Segments of the clips: each epoch cuts every clip at another offset, drawn from the seed.

    Item i of epoch e depends on (seed, e, i) alone, so that a resumed run sees what it would have seen.
    """

    def __init__(self, clips: list[ClipData], config: SegmentConfig, features: Features, seed: int):
        self.clips, self.config, self.features, self.seed = clips, config, features, seed
        self.frames = round(config.seconds * 10)
        self.epoch = 0
        self.symmetries = features.array.symmetries()
        # A clip gives as many segments as it holds whole ones, but at least one.
        self.owner = [i for i, clip in enumerate(clips) for _ in range(max(1, len(clip.active) // self.frames))]

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, index: int) -> Batch:
        draw = np.random.default_rng((self.seed, self.epoch, index))
        clip = self.clips[self.owner[index]]
        segment = self._cut(clip, int(draw.integers(max(0, len(clip.active) - self.frames) + 1)))
        return self._vary(segment, draw) if self.config.augment else segment

    def _cut(self, clip: ClipData, begin: int) -> Batch:
        end, scale = begin + self.frames, self.features.config.frames_per_label
        doa, active = clip.doa[begin:end], clip.active[begin:end]
        features = clip.features[:, begin * scale : end * scale].float()
        missing = self.frames - len(active)
        if missing:  # a clip shorter than a segment goes on in silence
            features = torch.nn.functional.pad(features, (0, 0, 0, missing * scale))
            doa = torch.cat([doa, doa[-1:].expand(missing, -1, -1)])
            active = torch.nn.functional.pad(active, (0, 0, 0, missing))
        return Batch(features, doa, active)

    def _vary(self, segment: Batch, draw: np.random.Generator) -> Batch:
        symmetry = self.symmetries[draw.integers(len(self.symmetries))]
        features = self.features.turn(segment.features.unsqueeze(0), [symmetry])[0]
        features[: self.features.inputs] += float(draw.uniform(-1, 1)) * self.config.level_db / LEVEL_SPREAD_DB
        rotation = torch.as_tensor(symmetry.rotation, dtype=segment.doa.dtype)
        return Batch(features, segment.doa @ rotation.T, segment.active)


def _by_stem(paths: Iterator[Path], suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(paths):
        # Hidden files are leftovers of killed jobs and of file managers.
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ValueError(f"{path}: {found[path.stem]} has the same name")
        found[path.stem] = path
    return found
