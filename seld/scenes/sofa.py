"""Impulse responses with positions from SOFA files (AES69: netCDF with named dimensions).

Dimensions: M measurements, R receivers (channels), N samples, E emitters (loudspeakers), C coordinates. What is read
is what the conventions have in common, so that SimpleFreeFieldHRIR, SingleRoomDRIR, SingleRoomSRIR, MultiSpeakerBRIR
and GeneralFIR files all do: `Data.IR`, its rate and delays, and where sources and emitters are as seen from the
listener.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seld.geometry import unit_from_degrees

_LONGEST = 1e6  # samples of delay; a file that says more is wrong, and padding by it would fill the memory


class SofaResponses(NamedTuple):
    """The measurements of a file, one for each pair of measurement and emitter."""

    positions_m: np.ndarray
    """(n, 3) of the sources, from the listener, along its view, left and up"""
    audio: np.ndarray
    """(n, receivers, samples) float64"""
    delays: np.ndarray
    """(n, receivers) samples to be added"""
    sample_rate: int


def read_sofa(path: str | Path) -> SofaResponses:
    """All responses of a SOFA file.

    Raises:
        ValueError: with the file's name, when netCDF4 is not installed, or the file is unreadable, without impulse
            responses, or without positions.
        FileNotFoundError: when there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        import netCDF4
    except ImportError:
        raise ValueError(f"{path}: netCDF4 must be installed to read SOFA files: pip install 'seld[sofa]'") from None
    try:
        with netCDF4.Dataset(str(path)) as file:
            file.set_auto_mask(False)
            return _read(file)
    except OSError as error:
        raise ValueError(f"{path}: not a readable SOFA file ({error.strerror or error})") from None
    except (ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _read(file: Any) -> SofaResponses:
    if "Data.IR" not in file.variables:
        raise ValueError(f"expected impulse responses (Data.IR), found data of type {_text(file, 'DataType')}")
    variable = file.variables["Data.IR"]
    names = variable.dimensions
    if not {"M", "R", "N"} <= set(names) <= {"M", "R", "N", "E"}:
        raise ValueError(f"Data.IR must have the dimensions M, R, N and perhaps E, got {', '.join(names)}")
    audio = np.asarray(variable[:], dtype=np.float64)
    if "E" not in names:
        audio, names = audio[..., None], (*names, "E")
    audio = audio.transpose([names.index(name) for name in "MERN"])
    if not audio.size:
        raise ValueError(f"Data.IR must hold measurements, got {' x '.join(map(str, variable.shape))} samples")
    if not np.isfinite(audio).all():
        raise ValueError("Data.IR holds samples that are not finite numbers")
    measurements, emitters, receivers, samples = audio.shape
    positions = _positions(file, measurements, emitters)
    delays = np.broadcast_to(_delays(file, emitters), (measurements, emitters, receivers))
    rate = np.ravel(file.variables["Data.SamplingRate"][:]) if "Data.SamplingRate" in file.variables else np.zeros(1)
    if rate[0] < 1 or (rate != rate[0]).any():
        raise ValueError(f"Data.SamplingRate must be one number of hertz, got {rate[0]:g}")
    return SofaResponses(
        positions.reshape(-1, 3),
        audio.reshape(-1, receivers, samples),
        delays.reshape(-1, receivers),
        round(float(rate[0])),
    )


def _positions(file: Any, measurements: int, emitters: int) -> np.ndarray:
    """(M, E, 3) positions of the emitters in the listener's axes."""
    if "SourcePosition" not in file.variables:
        raise ValueError("expected positions of the sources (SourcePosition), the file has none")
    source, listener = _vectors(file, "SourcePosition"), _vectors(file, "ListenerPosition", (0, 0, 0))
    # Emitters are given from the source along its axes; one at the source itself needs none.
    emitter = _vectors(file, "EmitterPosition", (0, 0, 0))
    if emitter.shape[1] not in (1, emitters):
        emitter = np.zeros((1, 1, 3))
    world = source
    if emitter.any():
        axes = _axes(_vectors(file, "SourceView", (1, 0, 0)), _vectors(file, "SourceUp", (0, 0, 1)))
        world = source + (emitter[..., None, :] @ axes)[..., 0, :]
    axes = _axes(_vectors(file, "ListenerView", (1, 0, 0)), _vectors(file, "ListenerUp", (0, 0, 1)))
    seen = (axes @ (world - listener)[..., None])[..., 0]
    if not np.isfinite(seen).all():
        raise ValueError("the positions of sources and listener must be finite numbers")
    if seen.shape[0] not in (1, measurements):
        raise ValueError(f"there must be a position for each of {measurements} measurements, got {seen.shape[0]}")
    return np.broadcast_to(seen, (measurements, emitters, 3))


def _vectors(file: Any, name: str, default: tuple[float, float, float] | None = None) -> np.ndarray:
    """Cartesian vectors (M or 1, E or 1, 3) of a variable, metres."""
    if name not in file.variables:
        return np.array(default, dtype=np.float64).reshape(1, 1, 3)
    variable = file.variables[name]
    names = variable.dimensions
    values = np.asarray(variable[:], dtype=np.float64)
    if "C" not in names or values.shape[names.index("C")] != 3:
        sizes = ", ".join(f"{dimension} ({size})" for dimension, size in zip(names, values.shape, strict=True))
        raise ValueError(f"{name} must have three coordinates (C), got the dimensions {sizes}")
    values = np.moveaxis(values, names.index("C"), -1)
    left = [dimension for dimension in names if dimension != "C"]
    # I stands for a single one, E for emitters; M is what is left.
    if left == ["E"]:
        values = values[None]
    elif left in (["M"], ["I"], ["S"]):
        values = values[:, None]
    elif left in (["E", "M"], ["E", "I"]):
        values = values.swapaxes(0, 1)
    else:
        raise ValueError(f"{name} must have the dimensions M or E and C, got {', '.join(names)}")
    kind = _text(variable, "Type").strip().lower() if "Type" in variable.ncattrs() else "cartesian"
    if kind not in ("cartesian", "spherical"):
        raise ValueError(f"{name} must be of the type cartesian or spherical, got {kind}")
    if kind == "cartesian":
        return values
    azimuth, elevation, distance = np.moveaxis(values, -1, 0)
    return unit_from_degrees(azimuth, elevation) * distance[..., None]


def _axes(view: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) whose rows are the unit vectors to the front, the left and up."""
    front = view / np.maximum(np.linalg.norm(view, axis=-1, keepdims=True), 1e-12)
    left = np.cross(up, front)
    length = np.linalg.norm(left, axis=-1, keepdims=True)
    if (length < 1e-6).any():
        raise ValueError("view and up must be two different directions")
    left = left / length
    return np.stack(np.broadcast_arrays(front, left, np.cross(front, left)), axis=-2)


def _delays(file: Any, emitters: int) -> np.ndarray:
    """Data.Delay as (M or 1, E or 1, R or 1), samples."""
    if "Data.Delay" not in file.variables:
        return np.zeros((1, 1, 1))
    variable = file.variables["Data.Delay"]
    values, names = np.asarray(variable[:], dtype=np.float64), variable.dimensions
    if "E" not in names:
        values, names = values[..., None], (*names, "E")
    if "R" not in names or len(names) != 3:
        raise ValueError(f"Data.Delay must have the dimensions M and R, got {', '.join(variable.dimensions)}")
    if not (np.abs(values) <= _LONGEST).all():
        raise ValueError(f"Data.Delay must be numbers of samples, at most {_LONGEST:g}, got {np.abs(values).max():g}")
    first = next(name for name in names if name not in "RE")
    return values.transpose([names.index(first), names.index("E"), names.index("R")])


def _text(owner: Any, name: str) -> str:
    return str(owner.getncattr(name)) if name in owner.ncattrs() else "unknown"
