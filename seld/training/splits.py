"""The clips of each split: of the folders that are given, or scenes that are made."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seld.arrays import find_array
from seld.clips import FRAME, Clip, find_clips, read_grid, read_labels, read_recording, read_recording_header
from seld.config import Experiment
from seld.scenes import SceneConfig, make_scenes

_log = logging.getLogger(__name__)


def split_clips(options: Experiment, split: str) -> list[Clip]:
    """The clips of train, validation or test.

    Raises:
        ValueError: names the folder that is no dataset, or in which no source is ever active; or the file of it that
            cannot be used, now and not when training is through.
    """
    data = options.data
    given = getattr(data, split)
    if given is None:
        given = data.folder
    if given is not None:
        return _given_clips(options, given, getattr(data, f"{split}_folds"), gridded=split != "test")
    if data.train is not None:
        _log.warning("data.%s is not given: scenes are made for it, in %s", split, data.made / split)
    clips = options.scenes.clips if split == "train" else getattr(data, f"{split}_clips")
    return _made_clips(options, replace(options.scenes, split=split, clips=clips), data.made / split)


def remembered_clips(options: Experiment) -> list[Clip]:
    """Clips of the kind that the model of a fine-tuning was trained on, by which is told what it forgets.

    Raises as `split_clips`.
    """
    data = options.data
    if data.remember is not None:
        return _given_clips(options, data.remember)
    overlap = min(options.localizer.tracks, 5)
    scenes = replace(options.scenes, split="validation", clips=data.validation_clips, max_overlap=overlap)
    return _made_clips(options, scenes, data.made / f"remember{overlap}")


def _given_clips(
    options: Experiment, folders: Sequence[str] | str, folds: Sequence[int] | None = None, gridded: bool = True
) -> list[Clip]:
    """`gridded`: no more sources may sound at once than there are tracks."""
    data = options.data
    array = find_array(options.features.array)
    clips = find_clips(folders, array, data.format, folds, data.late_labels)
    active = 0
    for clip in clips:
        samples = read_recording_header(clip.audio, array).samples
        read_recording(clip.audio, array, samples - 1)  # a file that is cut short shows it at its end
        active += len(read_labels(clip))
        if gridded:
            read_grid(clip, -(-samples // FRAME), options.localizer.tracks)
    if not active:
        named = folders if isinstance(folders, str) else ", ".join(folders)
        raise ValueError(f"{named}: no source is active in any frame of its {len(clips)} clips")
    return clips


def _made_clips(options: Experiment, scenes: SceneConfig, folder: Path) -> list[Clip]:
    if options.features.array not in scenes.formats:
        scenes = replace(scenes, formats=[options.features.array])
    try:
        make_scenes(scenes, folder, options.data.workers or os.cpu_count() or 1)
    except ValueError as error:
        raise ValueError(f"{error} (data.made names the folder for all scenes that are made)") from None
    return find_clips(folder, find_array(options.features.array))
