"""Checks of the options of a DCASE protocol. Each raises ValueError with the option's name, rule and value."""

from collections.abc import Sequence
from typing import Any


def check_choice(options: Any, name: str, choices: Sequence[str]) -> None:
    value = getattr(options, name)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_counts(options: Any, *names: str) -> None:
    """Whole numbers of at least 1."""
    for name in names:
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")


def check_angle(options: Any, name: str) -> None:
    value = getattr(options, name)
    if not 0 < value <= 180:
        raise ValueError(f"{name} must be above 0 and at most 180, got {value}")


def check_above_zero(options: Any, *names: str) -> None:
    """Above 0; infinity stands for no limit."""
    for name in names:
        value = getattr(options, name)
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}")


def check_average(options: Any, micro_only: bool) -> None:
    check_choice(options, "average", ("micro",) if micro_only else ("macro", "micro"))
