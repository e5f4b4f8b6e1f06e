"""The files of one clip: all of them, or none."""

import contextlib
from pathlib import Path

import numpy as np

from seld.arrays import Array, foa_to
from seld.audio import write_audio
from seld.files import atomic_path, write_json
from seld.labels import write_rows
from seld.scenes.description import describe
from seld.scenes.mixing import mix
from seld.scenes.scene import Scene

DESCRIPTIONS, METADATA = "scene_dev", "metadata_dev"


def write_clip(output: Path, name: str, scene: Scene) -> None:
    """Mix a scene and write its sounds, labels and description; the labels appear last.

    Raises:
        OSError: when it cannot be written. What was there before is still there then, and nothing new is.
    """
    clip = mix(scene)
    metadata = output / METADATA / f"{name}.csv"
    try:
        with contextlib.ExitStack() as files:
            # Files appear in the reverse order of these, when all of them are whole.
            rows = files.enter_context(atomic_path(metadata))
            sounds = [
                files.enter_context(atomic_path(output / array.folder / f"{name}.flac")) for array in scene.formats
            ]
            description = files.enter_context(atomic_path(output / DESCRIPTIONS / f"{name}.json"))
            write_json(description, describe(scene))
            for path, array in zip(sounds, scene.formats, strict=True):
                write_audio(path, to_file(array, clip.audio[array.name]))
            write_rows(rows, clip.rows)
            # A clip that is replaced is not done until its new labels are there.
            metadata.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"{name} could not be written to {output}: {error.strerror or error}") from None


def to_file(array: Array, audio: np.ndarray) -> np.ndarray:
    """The channels of a file, which `array.arrange` brings back to those of the array (channels, samples)."""
    if array.convention != "acn_sn3d":
        audio = foa_to(audio, array.convention)
    if array.signs:
        audio = audio * np.array(array.signs, dtype=audio.dtype)[:, None]
    if not array.order:
        return audio
    out = np.zeros((array.file_channels, audio.shape[1]), dtype=audio.dtype)
    out[list(array.order)] = audio
    return out
