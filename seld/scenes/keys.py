"""Reading values from JSON that people edit: every error names the file, the key, the rule and what is there."""

from collections.abc import Sequence
from typing import Any

import numpy as np

_REQUIRED = object()


class Keys:
    """The keys of one JSON object, all of which must be known.

    Raises:
        ValueError: `where.key must be <rule>, got <value>`, here and in every method.
    """

    def __init__(self, value: Any, where: str, known: Sequence[str]):
        self.where = where
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'a scene'} must be an object with the keys {', '.join(known)}, got {value!r}")
        for key in value:
            if key not in known:
                raise ValueError(f"{self._name(key)} must be one of the keys {', '.join(known)}")
        self._value = value

    def __contains__(self, key: str) -> bool:
        return self._value.get(key) is not None

    def get(self, key: str, default: Any = _REQUIRED) -> Any:
        """A value of any kind."""
        value = self._value.get(key)
        if value is not None:
            return value
        if default is _REQUIRED:
            raise ValueError(f"{self._name(key)} must be given")
        return default

    def check(self, key: str, rule: str, holds: bool) -> None:
        """Refuse the value unless it holds to the rule."""
        if not holds:
            raise ValueError(f"{self._name(key)} must be {rule}, got {self._value.get(key)!r}")

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        """A string."""
        value = self.get(key, default)
        self.check(key, "text", isinstance(value, str) or value is default)
        return value

    def number(self, key: str, low: float, high: float, default: Any = _REQUIRED) -> float:
        """A number from `low` to `high`."""
        value = self.get(key, default)
        holds = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        self.check(key, f"a number from {low:g} to {high:g}", holds or value is default)
        return value

    def whole(self, key: str, default: Any = _REQUIRED) -> int:
        """A whole number from 0 that fits into 63 bits."""
        value = self.get(key, default)
        holds = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
        self.check(key, "a whole number from 0", holds or value is default)
        return value

    def array(self, key: str, shape: tuple[int | None, ...], low: float, high: float) -> np.ndarray:
        """Numbers from `low` to `high` in lists of a shape, of which None is any length from 1; float64."""
        value = self.get(key)
        sizes = " x ".join("n" if size is None else str(size) for size in shape)
        rule = f"{sizes} numbers from {low:g} to {high:g}"
        try:
            numbers = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            numbers = np.array(np.nan)
        fits = numbers.ndim == len(shape) and numbers.size > 0
        fits = fits and all(size in (None, found) for size, found in zip(shape, numbers.shape, strict=True))
        self.check(key, rule, bool(fits and ((numbers >= low) & (numbers <= high)).all()))
        return numbers

    def list(self, key: str) -> list:
        """A list of anything."""
        value = self.get(key)
        self.check(key, "a list", isinstance(value, list))
        return value

    def inner(self, key: str, known: Sequence[str]) -> "Keys":
        """The keys of an object inside."""
        return Keys(self.get(key), self._name(key), known)

    def _name(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key
