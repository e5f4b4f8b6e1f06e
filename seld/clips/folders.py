"""Folders in DCASE layout: which sound belongs to which labels, and to which fold.

A folder holds `foa_dev/` (or that of another array) with the sounds and `metadata_dev/` with one CSV file per sound, of
the same stem. Official releases have dev-train-sony/ and the like below both; the mixtures of 2022 and 2024 call them
foa/ and metadata/.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from seld.arrays import ARRAYS, Array
from seld.labels import find_format
from seld.scenes.formats import arrays_in, check_arrays

METADATA = "metadata_dev"
SUFFIXES = (".flac", ".wav", ".ogg")
# DCASE 2019 speaks of splits.
_FOLD = re.compile(r"(?:fold|split)(\d+)(?=_|$)")


class Clip(NamedTuple):
    """Where a recording and its annotation lie."""

    audio: Path
    metadata: Path
    name: str
    """the stem of both; with that of its folder before it where several folders are read together"""
    format: str = "seld"
    """of the metadata, a name of `seld.labels.FORMATS`"""
    late: Literal["refuse", "drop"] = "refuse"
    """what becomes of labels beyond the end of the sound"""


def find_clips(
    folders: str | Path | Sequence[str | Path],
    array: Array = ARRAYS["foa"],
    format: str = "seld",
    folds: Collection[int] | None = None,
    late: Literal["refuse", "drop"] = "refuse",
) -> list[Clip]:
    """All clips of one or several folders in DCASE layout, by name, as recorded by an array.

    Args:
        format: of the metadata, a name of `seld.labels.FORMATS`.
        folds: the folds to keep, by the number that names begin with (fold3_room1_mix001, split1_ir0_ov1_1).
        late: what becomes of labels beyond the end of their sound; here they are only remembered.

    Raises:
        ValueError: names the folder or file that is missing, the first sound without metadata or metadata
            without sound, two of the same name, scenes that were made for another array with the same folder, or a
            name without fold when folds are chosen.
    """
    find_format(format)
    folders = [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
    if not folders:
        raise ValueError("folders must be at least one, got none")
    several = len(folders) > 1
    if several:
        _check_different(folders)
    found = []
    for folder in folders:
        for stem, (audio, metadata) in _pairs(folder, array).items():
            found.append(Clip(audio, metadata, f"{folder.name}/{stem}" if several else stem, format, late))
    return found if folds is None else _of_folds(found, folders, folds)


def _pairs(folder: Path, array: Array) -> dict[str, tuple[Path, Path]]:
    """(sound, labels) by stem, in order."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder in DCASE layout, there is no such folder")
    sounds_in = _part(folder, array.folder, array.name)
    check_arrays(folder, arrays_in(folder), [array])
    sounds = _by_stem(sounds_in, SUFFIXES)
    tables = _by_stem(_part(folder, METADATA, "metadata"), (".csv",))
    if not sounds:
        raise ValueError(f"{sounds_in}: no sound files ({', '.join(SUFFIXES)})")
    for stem in sorted(sounds.keys() ^ tables.keys()):
        lone, other = (sounds, "metadata") if stem in sounds else (tables, "sound")
        raise ValueError(f"{lone[stem]}: there is no {other} of the same name")
    return {stem: (sounds[stem], tables[stem]) for stem in sorted(sounds)}


def _part(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    raise ValueError(f"{folder}: expected a folder in DCASE layout, {names[0]}/ is missing")


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(_visible(folder)):
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise ValueError(f"{path}: {found[path.stem]} has the same name")
        found[path.stem] = path
    return found


def _visible(folder: Path) -> Iterator[Path]:
    # Hidden files are leftovers of killed jobs and of file managers.
    return (
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and not path.is_dir()
    )


def _check_different(folders: list[Path]) -> None:
    """Clips of folders that are read together go by the names of both, so these must differ."""
    first: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in first:
            where = "is given twice" if folder.resolve() == first[name].resolve() else "has the same name"
            raise ValueError(f"{folder}: the folder {where} ({first[name]}), so that its clips could not be told apart")
        first[name] = folder


def _of_folds(clips: list[Clip], folders: list[Path], folds: Collection[int]) -> list[Clip]:
    by_fold: dict[int, list[Clip]] = {}
    for clip in clips:
        number = _FOLD.match(clip.audio.stem)
        if number is None:
            raise ValueError(f"{clip.audio}: the name must begin with fold or split and a number to choose folds by")
        by_fold.setdefault(int(number[1]), []).append(clip)
    chosen = [clip for clip in clips if int(_FOLD.match(clip.audio.stem)[1]) in folds]
    if not chosen:
        wanted, there = (", ".join(map(str, sorted(numbers))) for numbers in (folds, by_fold))
        raise ValueError(f"{', '.join(map(str, folders))}: no clip is of fold {wanted}, there are {there}")
    return chosen
