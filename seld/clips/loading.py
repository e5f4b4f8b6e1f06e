"""Sounds and labels of clips, in the array's channels and in label frames; whole or in parts."""

import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from seld.arrays import Array
from seld.audio import SAMPLE_RATE, Sound, read_audio, read_header
from seld.clips.folders import Clip
from seld.features import AFTER, BEFORE, Features
from seld.labels import FRAME_SECONDS, Grid, change_frames, find_format, grid_from_rows, read_rows

_log = logging.getLogger(__name__)
_late_in: set[Path] = set()
FRAME = round(SAMPLE_RATE * FRAME_SECONDS)  # samples of a label frame


def read_recording(
    path: str | Path,
    array: Array,
    start: int = 0,
    samples: int | None = None,
    watch: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """The channels of an array (channels, samples) from a sound file, or from a part of it, at SAMPLE_RATE.

    Args:
        start, samples, watch: as `read_audio` takes them.

    Raises:
        ValueError: names the file when it is no sound, or has not the channels for it.
        FileNotFoundError: when there is no such file.
    """
    audio = read_audio(path, start=start, samples=samples, watch=watch)
    try:
        return array.arrange(audio)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_labels(clip: Clip) -> pd.DataFrame:
    """The rows of a clip's metadata in frames of FRAME_SECONDS, whatever its format has.

    Raises:
        ValueError: names the file and what is wrong with it, also where rows lie beyond the end of the sound and
            `clip.late` is not "drop", which leaves them out.
    """
    rows = read_rows(clip.metadata, clip.format)
    rows = change_frames(rows, find_format(clip.format).frame_seconds, FRAME_SECONDS)
    frames = -(-read_header(clip.audio).samples // FRAME)
    late = rows["frame"] >= frames
    if late.any() and clip.late != "drop":
        raise ValueError(
            f"{clip.metadata}: frame {rows['frame'].max()} lies beyond the audio, which has {frames} frames"
        )
    if late.any() and clip.metadata.parent not in _late_in:
        _late_in.add(clip.metadata.parent)
        _log.warning("%s: labels beyond frame %d of the sound are left out, here and beside", clip.metadata, frames)
    return rows[~late]


def read_grid(clip: Clip, frames: int, slots: int) -> Grid:
    """The references of a clip of so many label frames, in `slots` columns.

    Raises:
        ValueError: names the file and what is wrong with it.
    """
    try:
        return grid_from_rows(read_labels(clip), frames, slots)
    except ValueError as error:
        raise ValueError(f"{clip.metadata}: {error}") from None


def read_recording_header(path: str | Path, array: Array) -> Sound:
    """What the header of a recording says.

    Raises:
        ValueError: names the file when it is no sound, or has not the channels of the array.
        FileNotFoundError: when there is no such file.
    """
    sound = read_header(path)
    try:
        array.arrange(torch.empty(sound.channels, 0))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return sound


def count_frames(clip: Clip, features: Features) -> int:
    """Label frames of a clip, from the header of its sound; raises as `read_recording_header`."""
    return features.label_frames(read_recording_header(clip.audio, features.array).samples)


def whole_features(clip: Clip, features: Features) -> Tensor:
    """(channels, T x frames_per_label, F) float16 of a whole clip."""
    audio = read_recording(clip.audio, features.array)
    with torch.inference_mode():
        return features(audio.unsqueeze(0))[0].half()


def part_of_recording(clip: Clip, array: Array, begin: int, end: int) -> Tensor:
    """The samples (channels, samples) of the label frames from `begin`, which may be negative, to before `end`.

    Beyond the ends of the sound there is silence.
    """
    first = max(begin, 0)
    audio = read_recording(clip.audio, array, first * FRAME, (end - first) * FRAME)
    before = (first - begin) * FRAME
    return torch.nn.functional.pad(audio, (before, (end - begin) * FRAME - before - audio.shape[-1]))


def part_of_features(clip: Clip, features: Features, begin: int, end: int) -> Tensor:
    """The features of the label frames from `begin` to before `end`, of which only the surroundings are decoded.

    What lies more than BEFORE label frames back is not heard: those that remember further (the noise floor of SALSA)
    differ a little from features of the whole clip.
    """
    first = max(0, begin - BEFORE)
    audio = read_recording(clip.audio, features.array, first * FRAME, (end + AFTER - first) * FRAME)
    scale = features.config.frames_per_label
    with torch.inference_mode():
        computed = features(audio.unsqueeze(0))[0]
    return computed[:, (begin - first) * scale : (end - first) * scale].half()
