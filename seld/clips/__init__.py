"""Folders in DCASE layout to training segments.

`find_clips` tells which sound belongs to which labels; `open_clips` gives their features and references, from memory,
from a cache on disk, or computed anew each time; `Segments` cuts and varies them.
"""

from collections.abc import Sequence

from seld.clips.cache import CachedClips, CachedFeatureConfig
from seld.clips.folders import METADATA, SUFFIXES, Clip, find_clips
from seld.clips.loading import FRAME, read_grid, read_labels, read_recording, read_recording_header
from seld.clips.recording import Recording
from seld.clips.segments import Batch, SegmentConfig, Segments, collate
from seld.clips.sources import ClipData, Clips, MemoryClips, StreamedClips, load_clip
from seld.clips.statistics import Statistics, statistics
from seld.features import Features

__all__ = [
    "FRAME",
    "METADATA",
    "SUFFIXES",
    "Batch",
    "CachedClips",
    "CachedFeatureConfig",
    "Clip",
    "ClipData",
    "Clips",
    "MemoryClips",
    "Recording",
    "SegmentConfig",
    "Segments",
    "Statistics",
    "StreamedClips",
    "collate",
    "find_clips",
    "load_clip",
    "open_clips",
    "read_grid",
    "read_labels",
    "read_recording",
    "read_recording_header",
    "statistics",
]


def open_clips(
    clips: Sequence[Clip],
    features: Features,
    slots: int,
    options: CachedFeatureConfig | None = None,
    title: str = "features",
) -> Clips:
    """Features and references of clips in `slots` columns, kept where `options.cache` says.

    Every sound and label file is looked at once, with a progress bar; what is wrong with one is said now, not in the
    middle of training.

    Raises:
        ValueError: names the file at fault.
        OSError: when the cache cannot be written.
    """
    options = options or CachedFeatureConfig()
    if options.cache == "disk":
        return CachedClips(clips, features, slots, options.cache_dir, title)
    kind = MemoryClips if options.cache == "memory" else StreamedClips
    return kind.open(clips, features, slots, title)
