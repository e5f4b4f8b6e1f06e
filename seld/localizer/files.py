"""Where the weights of a localizer lie, and what is kept beside them."""

from pathlib import Path
from typing import Any

from torch import Tensor

from seld.arrays import Array
from seld.weights import PRETRAINED


def array_from(fields: dict[str, Any] | None) -> Array | None:
    """The array that was kept with weights; none in weights from before there were other arrays than Ambisonics."""
    if fields is None:
        return None
    lists = {name: tuple(map(_frozen, value)) for name, value in fields.items() if isinstance(value, list)}
    return Array(**(fields | lists))


def threshold_from(value: Any) -> float:
    """The activity threshold that was kept with weights.

    Raises:
        ValueError: when it is none.
    """
    if not isinstance(value, float) or not 0 < value < 1:
        raise ValueError(f"threshold must be between 0 and 1, got {value}")
    return value


def check_finite(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse weights of a training that went wrong, whose estimates would silently be none.

    Raises:
        ValueError: names the file and the first tensor that holds NaN or infinite numbers.
    """
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise ValueError(f"{path}: {name} holds numbers that are not finite")


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
