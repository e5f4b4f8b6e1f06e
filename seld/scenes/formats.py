"""Which arrays the scenes in a folder were made for.

A folder of sounds belongs to one array: nobody could tell the files of two apart, and one's would be read as the
other's. So nothing is written where another array's sounds lie, nor read as if it were of another array.
"""

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seld.arrays import Array
from seld.scenes.description import read_array
from seld.scenes.writing import DESCRIPTIONS, METADATA

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # a description must not lead out of the folder


def arrays_in(folder: Path) -> list[Array]:
    """The arrays of the scenes in a folder, as far as files there tell; none for a dataset of another origin."""
    found = []
    for path, key in _tables(folder):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found += [read_array(entry, key) for entry in json.loads(path.read_text(encoding="utf-8"))[key]]
    return found


def check_arrays(folder: Path, made: Sequence[Array], arrays: Sequence[Array]) -> None:
    """Refuse arrays whose sounds would lie in one folder with those of another one.

    Args:
        made: the arrays of what is in the folder, by `arrays_in`.

    Raises:
        ValueError: names the folder of the sounds and both arrays.
    """
    for array in arrays:
        if not _PLAIN.fullmatch(array.folder) or array.folder in (METADATA, DESCRIPTIONS):
            rule = f"letters, digits, _ and -, other than {METADATA} and {DESCRIPTIONS}"
            raise ValueError(f"folder of the array {array.name} must be {rule}, got {array.folder}")
        for other in made:
            if other.folder == array.folder and dataclasses.replace(other, name=array.name) != array:
                which = f"another array {other.name}" if other.name == array.name else f"the array {other.name}"
                raise ValueError(f"{folder / array.folder}: holds sounds of {which}, not of {array.name} as it is now")


def _tables(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that name arrays, with the key of the list in each: configurations, or else one of the descriptions."""
    configurations = sorted(folder.glob("scenes_*.json"))
    yield from ((path, "arrays") for path in configurations)
    if not configurations:
        yield from ((path, "formats") for path in sorted((folder / DESCRIPTIONS).glob("*.json"))[:1])
