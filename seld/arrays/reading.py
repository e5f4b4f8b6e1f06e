"""Arrays from YAML files.

    name: my_array
    positions_m:                # x to the front, y to the left, z up
      - [0.04, 0.0, 0.0]
      - [-0.04, 0.0, 0.0]
    sphere_radius_m: 0.042      # optional: a rigid sphere around the origin with the microphones on it
    channels: [1, 2]            # optional: the file's channel of each microphone, counted from 0
    signs: [1, -1]              # optional: -1 for a microphone of opposite polarity
    folder: my_dev              # optional: of its sounds in a dataset, NAME_dev by default

A file with `convention` (acn_sn3d, acn_n3d or fuma) in place of positions is first-order Ambisonics.
"""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seld.arrays.array import ARRAYS, Array

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "arrays"

_KEYS = ("name", "positions_m", "sphere_radius_m", "convention", "channels", "signs", "folder")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def find_array(name: str | Path) -> Array:
    """The array of a name in ARRAYS, of a YAML file, or of the bare name of one in configs/arrays/.

    Raises:
        ValueError: when there is none, or its file is wrong.
    """
    if str(name) in ARRAYS:
        return ARRAYS[str(name)]
    for path in (Path(name), CONFIGS / f"{name}.yaml"):
        if path.is_file():
            return read_array(path)
    known = [*ARRAYS, *sorted(path.stem for path in CONFIGS.glob("*.yaml"))]
    raise ValueError(f"array must be a YAML file or one of {', '.join(known)}, got {name}")


def read_array(path: str | Path) -> Array:
    """The array of a YAML file.

    Raises:
        ValueError: with file and key, when something is missing, unknown or wrong.
        FileNotFoundError: when there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        keys = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"{path}:{error.problem_mark.line + 1}: {error.problem}") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise ValueError(f"{path}: not a YAML file") from None
    try:
        return _array(keys)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def array_yaml(array: Array) -> str:
    """The text of a YAML file that describes an array.

    Raises:
        ValueError: for channels without positions, which no file describes.
    """
    if array.kind == "channels":
        raise ValueError(f"array must have positions or be Ambisonics, got {array.name}")
    lines = [f"name: {array.name}"]
    if array.kind == "foa":
        lines.append(f"convention: {array.convention}")
    else:
        rows = (", ".join(f"{value:g}" for value in np.round(position, 6) + 0.0) for position in array.positions_m)
        lines += ["positions_m:", *(f"  - [{row}]" for row in rows)]
    if array.radius_m is not None:
        lines.append(f"sphere_radius_m: {array.radius_m!r}")
    lines += [f"{key}: {list(value)}" for key, value in (("channels", array.order), ("signs", array.signs)) if value]
    if array.folder != f"{array.name}_dev":
        lines.append(f"folder: {array.folder}")
    return "\n".join(lines) + "\n"


def _array(keys: Any) -> Array:
    if not isinstance(keys, dict):
        raise ValueError("expected keys and values, such as name: my_array")
    for key in keys:
        if key not in _KEYS:
            raise ValueError(f"keys must be among {', '.join(_KEYS)}, got {key}")
    if ("positions_m" in keys) == ("convention" in keys):
        both = "both" if "convention" in keys else "neither"
        raise ValueError(f"there must be either positions_m or convention, got {both}")
    shared = {
        "name": _word(keys, "name"),
        "folder": _word(keys, "folder") if "folder" in keys else "",
        "order": _integers(keys, "channels"),
        "signs": _integers(keys, "signs"),
    }
    if "convention" in keys:
        if "sphere_radius_m" in keys:
            raise ValueError("sphere_radius_m must go with positions_m, got convention")
        return Array(kind="foa", convention=str(keys["convention"]), **shared)
    positions = _positions(keys["positions_m"])
    if "sphere_radius_m" not in keys:
        return Array(kind="open", positions_m=positions, **shared)
    radius = keys["sphere_radius_m"]
    if not _is_number(radius):
        raise ValueError(f"sphere_radius_m must be a number of metres, got {radius}")
    return Array(kind="sphere", positions_m=positions, radius_m=float(radius), **shared)


def _word(keys: dict[str, Any], key: str) -> str:
    value = keys.get(key)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{key} must be letters, digits, _ and -, got {'nothing' if value is None else value}")
    return value


def _integers(keys: dict[str, Any], key: str) -> tuple[int, ...]:
    value = keys.get(key, [])
    if not isinstance(value, list) or any(not isinstance(item, int) or isinstance(item, bool) for item in value):
        raise ValueError(f"{key} must be a list of whole numbers, got {value}")
    return tuple(value)


def _positions(value: Any) -> tuple[tuple[float, float, float], ...]:
    if not isinstance(value, list):
        raise ValueError(f"positions_m must be a list of [x, y, z], got {value}")
    for number, position in enumerate(value):
        if not isinstance(position, list) or len(position) != 3 or not all(map(_is_number, position)):
            raise ValueError(f"positions_m must be a list of [x, y, z] in metres, got {position} for number {number}")
    return tuple((float(x), float(y), float(z)) for x, y, z in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
