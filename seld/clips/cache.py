"""Features and references on disk, one file for each clip, read through memory maps.

A file is named by what it was made from: the bytes of the sound, the bytes of its labels, and all options of the
features. So changed data or options find no file and make one, two datasets with the same file names share nothing, and
copies of one clip share all. Files appear whole or not at all (seld.files); when two processes make the same one, the
last stays, which is the same.
"""

import contextlib
import hashlib
import json
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from io import FileIO
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from seld.clips.fingerprints import Fingerprints
from seld.clips.folders import Clip
from seld.clips.sources import ClipData, Clips, for_all, load_clip
from seld.clips.statistics import Sums, sums_of
from seld.features import FeatureConfig, Features
from seld.files import atomic_path

VERSION = 1
"""of the features and of the files; higher whenever the same options give other numbers"""

_HEADER = 1 << 16  # bytes, of a header that is none of ours when it is longer
_TYPES = {"F64": torch.float64, "I64": torch.int64}
_SUMS = ("by_sources", "total", "squares")


@dataclass
class CachedFeatureConfig(FeatureConfig):
    """Features, and where those of the clips are kept."""

    cache: Literal["off", "disk", "memory"] = "memory"
    """keep the features of clips in memory (64 kB for a second of the default ones), in files, which are there at the
    next start but only as fast as the disk, or not at all: then each segment is decoded and computed anew"""
    cache_dir: Path = Path("data/cache")
    """folder for the files of cache=disk; it may be deleted at any time, and then fills again"""

    def features(self) -> FeatureConfig:
        """The options that make the features, as a model keeps them."""
        return FeatureConfig(**{field.name: getattr(self, field.name) for field in fields(FeatureConfig)})


class Entry(NamedTuple):
    """One cached clip: where its arrays lie in its file."""

    path: Path
    offsets: tuple[int, int, int]
    """of features, doa and active, in bytes"""
    shape: tuple[int, ...]
    """of the features"""
    frames: int
    """label frames"""


class CachedClips(Clips):
    """Features from files in a folder; those that are missing or damaged are made first.

    A file is mapped for each part that is read, and let go again, so that memory and open files stay the same however
    many clips there are.

    Raises:
        ValueError: names the sound or label file at fault.
        OSError: names the folder that cannot be written, and says what else there is.
    """

    def __init__(self, clips: Sequence[Clip], features: Features, slots: int, folder: str | Path, title: str = "cache"):
        self.folder, self.slots, self.made = Path(folder), slots, 0
        options = _digest([VERSION, _options(features), slots])
        known = Fingerprints(self.folder / "fingerprints.json")

        def entry(clip: Clip) -> tuple[Entry, Sums]:
            key = _digest([options, known.of(clip.audio), known.of(clip.metadata), clip.format, clip.late])
            path = self.folder / options[:16] / key[:2] / f"{key}.safetensors"
            return _read(path, key) or self._make(path, key, clip, features)

        self.entries, sums = [], []
        for found, counted in for_all(entry, clips, title):
            self.entries.append(found)
            sums = [sums[0] + counted] if sums else [counted]
        with self._writing():
            known.save()
        self.sums = sums[0]
        self.frames = [entry.frames for entry in self.entries]
        size = sum(path.stat().st_size for path in {entry.path for entry in self.entries})
        self.about = f"{size / 1e9:.2f} GB in {folder}, {self.made} clips new"

    def cut(self, index: int, begin: int, end: int) -> ClipData:
        path, offsets, shape, frames = self.entries[index]
        scale = shape[1] // frames
        try:
            with open(path, "rb", buffering=0) as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            features = _view(data, offsets[0], np.float16, shape)[:, begin * scale : end * scale]
            doa = _view(data, offsets[1], np.float32, (frames, self.slots, 3))[begin:end]
            active = _view(data, offsets[2], np.bool_, (frames, self.slots))[begin:end]
        except (OSError, ValueError):
            message = f"{path}: the cache file was damaged or deleted in use; start again to rebuild it"
            raise ValueError(message) from None
        # Copies, so that the map can go.
        return ClipData(*(torch.from_numpy(part.copy()) for part in (features, doa, active)))

    def _make(self, path: Path, key: str, clip: Clip, features: Features) -> tuple[Entry, Sums]:
        data = load_clip(clip, features, self.slots)
        sums = sums_of(data.features, data.active)
        arrays = data._asdict() | {name: getattr(sums, name) for name in _SUMS}
        content = safetensors.torch.save({name: array.contiguous() for name, array in arrays.items()}, {"key": key})
        with self._writing(), atomic_path(path) as temporary:
            temporary.write_bytes(content)
        self.made += 1
        made = _read(path, key)
        if made is None:
            raise OSError(f"{path}: the cache file cannot be read back as it was written")
        return made

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(
                f"{self.folder}: the feature cache cannot be written ({error.strerror or error}); choose another "
                "--features.cache_dir, or --features.cache memory"
            ) from None


def _read(path: Path, key: str) -> tuple[Entry, Sums] | None:
    """What a cache file holds; None when there is none, or it is cut short, damaged or of something else."""
    try:
        with open(path, "rb", buffering=0) as file:
            start = int.from_bytes(file.read(8), "little") + 8
            if not 8 < start <= _HEADER:
                return None
            header = json.loads(file.read(start - 8))
            if header.pop("__metadata__", {}).get("key") != key:
                return None
            if start + max(array["data_offsets"][1] for array in header.values()) != os.fstat(file.fileno()).st_size:
                return None
            by_sources, total, squares = (_array(file, start, header[name]) for name in _SUMS)
            offsets = tuple(start + header[name]["data_offsets"][0] for name in ClipData._fields)
            shape, frames = tuple(header["features"]["shape"]), header["doa"]["shape"][0]
            if len(shape) != 3 or shape[1] % frames or header["active"]["shape"][0] != frames:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return None
    return Entry(path, offsets, shape, frames), Sums(1, frames, by_sources, shape[1], total, squares)


def _array(file: FileIO, start: int, entry: dict) -> Tensor:
    begin, end = entry["data_offsets"]
    data = bytearray(os.pread(file.fileno(), end - begin, start + begin))
    return torch.frombuffer(data, dtype=_TYPES[entry["dtype"]]).reshape(entry["shape"])


def _view(data: mmap.mmap, offset: int, type_: type, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(data, type_, int(np.prod(shape)), offset).reshape(shape)


def _options(features: Features) -> dict:
    """All that the numbers depend on. The array counts as it is, whatever file it was read from."""
    kept = {field.name: getattr(features.config, field.name) for field in fields(FeatureConfig)}
    return kept | {"array": asdict(features.array)}


def _digest(value: object) -> str:
    """A name for a value of plain types, the same in every process."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=20).hexdigest()
