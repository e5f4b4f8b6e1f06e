"""Where the features of clips come from: memory, or computed from the sound each time. The cache has its own module."""

import copy
import functools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from seld.clips.folders import Clip
from seld.clips.loading import count_frames, part_of_features, part_of_recording, read_grid, whole_features
from seld.clips.statistics import Sums, sums_of
from seld.features import AFTER, Features

T = TypeVar("T")


class ClipData(NamedTuple):
    """Features and references of T label frames of one clip."""

    features: Tensor
    """(channels, T x frames_per_label, F) float16, which holds them to three digits in half the memory"""
    doa: Tensor
    """(T, N, 3)"""
    active: Tensor
    """(T, N) bool"""


class ClipAudio(NamedTuple):
    """Sound and references of T label frames of one clip."""

    audio: Tensor
    """(channels, samples), which also has what is around: frames before, and AFTER behind"""
    doa: Tensor
    """(T, N, 3)"""
    active: Tensor
    """(T, N) bool"""


class Clips(ABC, Sequence):
    """The clips of a split as ClipData; `clips[i]` is a whole one, `clips.cut(i, begin, end)` a part."""

    frames: list[int]
    """label frames of each clip"""
    sums: Sums
    """what the statistics are made of"""
    about: str
    """where the features are, in words"""

    @abstractmethod
    def cut(self, index: int, begin: int, end: int) -> ClipData:
        """Label frames `begin` to before `end` of a clip."""

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> ClipData:
        return self.cut(index, 0, self.frames[index])


class MemoryClips(Clips):
    """All features in memory: 64 kB for a second of the default ones."""

    def __init__(self, data: Sequence[ClipData], sums: Sums | None = None):
        self.data = list(data)
        self.frames = [len(clip.active) for clip in self.data]
        self._sums = sums
        size = sum(clip.features.numel() * clip.features.element_size() for clip in self.data)
        self.about = f"{size / 1e9:.2f} GB in memory"

    @classmethod
    def open(cls, clips: Sequence[Clip], features: Features, slots: int, title: str = "features") -> Self:
        """Load all clips; what is wrong with one is raised as `load_clip` does."""

        def load(clip: Clip) -> tuple[ClipData, Sums]:
            data = load_clip(clip, features, slots)
            return data, sums_of(data.features, data.active)

        data, sums = zip(*for_all(load, clips, title), strict=True)
        return cls(data, functools.reduce(operator.add, sums))

    @property
    def sums(self) -> Sums:
        if self._sums is None:
            each = (sums_of(clip.features, clip.active) for clip in self.data)
            self._sums = functools.reduce(operator.add, each)
        return self._sums

    def cut(self, index: int, begin: int, end: int) -> ClipData:
        clip = self.data[index]
        scale = clip.features.shape[1] // len(clip.active)
        return ClipData(clip.features[:, begin * scale : end * scale], clip.doa[begin:end], clip.active[begin:end])


class StreamedClips(Clips):
    """Nothing is kept: each part is decoded and computed when it is asked for, and labels are read again."""

    def __init__(self, clips: Sequence[Clip], features: Features, slots: int, frames: list[int], sums: Sums):
        # A copy stays on the CPU when the localizer's own moves to the device that it is trained on.
        self.clips, self.features, self.slots = list(clips), copy.deepcopy(features).cpu(), slots
        self.frames, self.sums = frames, sums
        self.about = "computed for each segment"

    @classmethod
    def open(cls, clips: Sequence[Clip], features: Features, slots: int, title: str = "labels") -> Self:
        """Check the headers of all sounds, and all labels."""

        def check(clip: Clip) -> Sums:
            return sums_of(None, torch.from_numpy(read_grid(clip, count_frames(clip, features), slots).active))

        checked = list(for_all(check, clips, title))
        return cls(clips, features, slots, [clip.frames for clip in checked], functools.reduce(operator.add, checked))

    def cut(self, index: int, begin: int, end: int) -> ClipData:
        clip = self.clips[index]
        grid = read_grid(clip, self.frames[index], self.slots)
        computed = part_of_features(clip, self.features, begin, end)
        return ClipData(computed, torch.from_numpy(grid.doa[begin:end]), torch.from_numpy(grid.active[begin:end]))

    def cut_audio(self, index: int, begin: int, end: int, before: int) -> ClipAudio:
        """The sound in place of its features, from `before` label frames earlier on; silence beyond its ends."""
        grid = read_grid(self.clips[index], self.frames[index], self.slots)
        audio = part_of_recording(self.clips[index], self.features.array, begin - before, end + AFTER)
        return ClipAudio(audio, torch.from_numpy(grid.doa[begin:end]), torch.from_numpy(grid.active[begin:end]))


def load_clip(clip: Clip, features: Features, slots: int) -> ClipData:
    """Read one clip and compute its features.

    Raises:
        ValueError: names the file at fault, as read_recording and read_grid do.
    """
    grid = read_grid(clip, count_frames(clip, features), slots)
    return ClipData(whole_features(clip, features), torch.from_numpy(grid.doa), torch.from_numpy(grid.active))


def for_all(work: Callable[[Clip], T], clips: Sequence[Clip], title: str) -> Iterator[T]:
    """The work of each clip in turn, done ahead by one thread per core, with a progress bar."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the clips are the parallel work; more threads each would only fight
    pool = ThreadPoolExecutor(threads)
    try:
        yield from tqdm(pool.map(work, clips), title, len(clips), unit="clip", leave=False)
    finally:
        # Without cancelling, all other clips would be done before an error is seen.
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
