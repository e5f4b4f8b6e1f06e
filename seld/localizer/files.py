"""Where the weights of a localizer lie, and what is kept beside them."""

from pathlib import Path
from typing import Any

from seld.arrays import Array
from seld.weights import PRETRAINED


def array_from(fields: dict[str, Any] | None) -> Array | None:
    """The array that was kept with weights; none in weights from before there were other arrays than Ambisonics."""
    if fields is None:
        return None
    lists = {name: tuple(map(_frozen, value)) for name, value in fields.items() if isinstance(value, list)}
    return Array(**(fields | lists))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def find_model(name: str | Path) -> Path:
    """The weights file of a run folder, of a file, or that ships under a name.

    Raises:
        ValueError: when there is none.
    """
    path = Path(name)
    candidates = [path / "best.safetensors", path / "last.safetensors", path, PRETRAINED / f"{name}.safetensors"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ValueError(f"{name}: no run folder with best.safetensors, no weights file, no model of that name")
