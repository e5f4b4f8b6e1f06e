"""The protocols by name, and their options. A protocol's module is imported when it is first asked for."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from seld.metrics.protocol import Protocol

STRICT = "_strict"
_YEARS = {
    "dcase2019": "ER and F in seconds, DOA error over all predictions, frame recall, SELD",
    "dcase2020": "ER, F, LE, LR, SELD in seconds, all classes pooled; LR is an F-score",
    "dcase2021": "ER, F, LE, LR, SELD in seconds, all classes pooled",
    "dcase2022": "ER, F, LE, LR, SELD in seconds, mean over classes",
    "dcase2023": "ER, F, LE, LR, SELD in seconds, mean over classes; files have distances",
    "dcase2024": "ER, F, LE, LR, DistE, RelDistE, SELD frame by frame, mean over classes",
    "dcase2025": "F, LE, DistE, RelDistE, OnscreenAcc of stereo: azimuth only, folded to the front",
}
SUMMARIES = {
    "doa": "class-free localization: LE, LR, LP, LF, F20, also by the number of active sources",
    "mot": "tracking: MOTA, MOTP, IDF1, HOTA, OSPA, GOSPA and their parts",
    "doanet": "the published DOAnet's own figures, kept for comparison",
    "locata": "LOCATA's measures: detection, false alarms, latency, fragmentation, azimuth and elevation error",
    **{name: f"the official scorer's {text}" for name, text in _YEARS.items()},
    **{f"{name}{STRICT}": f"{name} without its quirks" for name in _YEARS},
}
"""name -> what the protocol is, in a line"""

# What protocols call the largest angle of a pair.
_THRESHOLDS = ("threshold_deg", "doa_threshold_deg", "gate_deg")
# Options that are not fields, but set one.
_ALIASES = {"cartesian": ("dcase2020", "dcase2021", "dcase2022", "dcase2023")}
# Fields that make a protocol what it is.
_FIXED = ("year",)
# Annotated type -> in words, and what may stand for it.
_KINDS: dict[Any, tuple[str, type]] = {
    float: ("a number", Real),
    int: ("a whole number", Integral),
    bool: ("true or false", bool),
    str: ("a word", str),
    type(None): ("none", type(None)),
}


def _build(module: str, name: str, *arguments: str, **options: Any) -> Protocol:
    return getattr(import_module(f"seld.metrics.{module}"), name)(*arguments, **options)


PROTOCOLS: dict[str, Callable[..., Protocol]] = {
    "doa": partial(_build, "doa", "Doa"),
    "mot": partial(_build, "mot", "Mot"),
    "doanet": partial(_build, "doanet", "Doanet"),
    "locata": partial(_build, "locata", "Locata"),
    **{f"{name}{suffix}": partial(_build, "dcase", "protocol", f"{name}{suffix}") for suffix in ("", STRICT)
       for name in _YEARS},
}  # fmt: skip
"""name -> the protocol, given its options"""


def protocols(
    names: str, threshold_deg: float | None = None, options: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Protocol]:
    """The protocols by their names, with the options that each of them has.

    Args:
        names: of one protocol, or of several joined by +.
        threshold_deg: the largest angle of a pair, whatever the protocol calls it.
        options: fields of the protocols; every one has to be known to one of them.

    Raises:
        ValueError: for an unknown protocol or option, or one out of its range.
    """
    return {name: PROTOCOLS[name](**chosen) for name, chosen in _options(names, threshold_deg, options).items()}


def strict_twins(names: str, threshold_deg: float | None, options: Mapping[str, Any]) -> dict[str, Protocol]:
    """For each official protocol among the names, the one without its quirks, with the same options."""
    twins = {}
    for name, chosen in _options(names, threshold_deg, options).items():
        if name + STRICT in PROTOCOLS:
            known = _option_types(name + STRICT)
            twins[name] = PROTOCOLS[name + STRICT](**{key: chosen[key] for key in chosen if key in known})
    return twins


def _options(names: str, threshold_deg: float | None, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name of the protocol -> its share of the options."""
    for name in names.split("+"):
        if name not in PROTOCOLS:
            known = ", ".join(PROTOCOLS)
            raise ValueError(f"protocol must be one of {known}, or several joined by +, got {names!r}")
    fields = {name: _option_types(name) for name in names.split("+")}
    for option, value in options.items():
        if not any(option in known for known in fields.values()):
            known = "; ".join(f"{name} has {', '.join(known) or 'none'}" for name, known in fields.items())
            raise ValueError(f"{option} must be an option of the protocol, got {option}={value!r}: {known}")
        _check_type(option, value, next(known[option] for known in fields.values() if option in known))
    shares = {name: {key: value for key, value in options.items() if key in fields[name]} for name in fields}
    if threshold_deg is not None:
        _check_type("threshold_deg", threshold_deg, float)
        if not 0 < threshold_deg <= 180:
            raise ValueError(f"threshold_deg must be above 0 and at most 180, got {threshold_deg}")
        named = {name: next((key for key in _THRESHOLDS if key in fields[name]), None) for name in fields}
        if not any(named.values()):
            raise ValueError(f"threshold_deg must be left out, since {names} has no threshold, got {threshold_deg}")
        for name, key in named.items():
            if key is not None:
                shares[name].setdefault(key, threshold_deg)
    return shares


def threshold(protocol: Protocol) -> float | None:
    """Its largest angle of a pair in degrees, if it has one."""
    return next((getattr(protocol, name) for name in _THRESHOLDS if hasattr(protocol, name)), None)


def _option_types(name: str) -> dict[str, Any]:
    """Option -> its type, as it is annotated."""
    protocol = PROTOCOLS[name]()
    types = get_type_hints(type(protocol))
    fields = {field.name: types[field.name] for field in dataclasses.fields(protocol) if field.name not in _FIXED}
    return fields | {alias: bool for alias, of in _ALIASES.items() if name in of}


def _check_type(option: str, value: Any, kind: Any) -> None:
    """Refuse words for numbers and the like, so that protocols need to check ranges only."""
    kinds = [one for one in get_args(kind) or (kind,) if one in _KINDS]
    fits = any(isinstance(value, _KINDS[one][1]) and (one is bool or not isinstance(value, bool)) for one in kinds)
    if (kinds and not fits) or value != value:  # not a number is none
        raise ValueError(f"{option} must be {' or '.join(_KINDS[one][0] for one in kinds)}, got {value!r}")
