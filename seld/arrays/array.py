"""The channels of a recording format, and the formats that need no file.

The tetrahedral array of DCASE is four capsules of an Eigenmike (Politis et al., "A Dataset of Reverberant Spatial
Sound Scenes", DCASE 2020).
"""

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from seld.arrays.foa import CONVENTIONS, Audio, foa_from
from seld.arrays.symmetry import Symmetry, coincident_symmetries, position_symmetries
from seld.geometry import unit_from_degrees

SPEED_OF_SOUND = 343.0  # metres per second, of dry air at 20 degrees Celsius

FARTHEST_M = 10.0  # an array is not larger; positions in millimetres are
NEAREST_M = 1e-4  # microphones are not closer


@dataclass(frozen=True)
class Array:
    """What the channels of a recording are.

    Raises:
        ValueError: for what no array can be.
    """

    name: str
    """also the first part of the folder's name"""
    kind: Literal["foa", "open", "sphere", "channels"]
    """first-order Ambisonics, microphones in the open, microphones on a rigid sphere, or channels without positions"""
    positions_m: tuple[tuple[float, float, float], ...] = ()
    """of each microphone: x to the front, y to the left, z up, from the point that directions are counted from"""
    radius_m: float | None = None
    """of the rigid sphere, whose centre is the origin"""
    folder: str = ""
    """of its sounds in a dataset; NAME_dev by default"""
    gains: tuple[tuple[float, float, float, float], ...] = ()
    """of channels without positions: what each takes of W, Y, Z and X (ACN/SN3D), where that is known"""
    order: tuple[int, ...] = ()
    """which channel of a file, from 0, holds each channel of the array; in turn by default"""
    signs: tuple[int, ...] = ()
    """1, or -1 for a channel of the array that is recorded upside down; all 1 by default"""
    convention: str = "acn_sn3d"
    """of Ambisonics in files; inside it is always ACN/SN3D"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.folder or f"{self.name}_dev")
        if self.kind in ("open", "sphere"):
            _check_positions(self.positions_m, self.radius_m if self.kind == "sphere" else None)
        if self.kind == "sphere" and self.radius_m is None:
            raise ValueError("sphere_radius_m must be given for microphones on a sphere, got none")
        if self.convention not in CONVENTIONS:
            raise ValueError(f"convention must be one of {', '.join(CONVENTIONS)}, got {self.convention}")
        self._check_file_channels()

    @property
    def channels(self) -> int:
        """number of channels"""
        if self.kind == "channels":
            return len(self.gains) or 2
        return 4 if self.kind == "foa" else len(self.positions_m)

    @property
    def file_channels(self) -> int:
        """number of channels that a file needs to have; with `order` it may have more"""
        return max(self.order) + 1 if self.order else self.channels

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """all pairs of different channels (i, j), i < j"""
        return list(itertools.combinations(range(self.channels), 2))

    @cached_property
    def positions(self) -> np.ndarray:
        """(channels, 3) metres; (0, 3) where there are no positions"""
        return np.array(self.positions_m, dtype=np.float64).reshape(-1, 3)

    @cached_property
    def foa_gains(self) -> np.ndarray | None:
        """(channels, 4): what each channel takes of W, Y, Z, X; None when no such matrix is known"""
        if self.kind == "foa":
            return np.eye(4)
        return np.array(self.gains, dtype=np.float64) if self.gains else None

    def arrange(self, audio: Audio) -> Audio:
        """The array's channels (..., channels, samples) of the channels of a file (..., any, samples).

        Picked in the order, turned by the signs, and brought to ACN/SN3D where they are Ambisonics. The order and
        signs come first, so that order, signs and convention describe the file together.

        Raises:
            ValueError: when the file has not the channels for it.
        """
        found = audio.shape[-2]
        if found < self.file_channels or (found != self.file_channels and not self.order):
            least = "at least " if self.order else ""
            raise ValueError(f"expected {least}{self.file_channels} channels for the array {self.name}, found {found}")
        if self.order:
            audio = audio[..., list(self.order), :]
        if self.signs and -1 in self.signs:
            audio = audio.copy() if isinstance(audio, np.ndarray) else audio.clone()
            flipped = [channel for channel, sign in enumerate(self.signs) if sign < 0]
            audio[..., flipped, :] = -audio[..., flipped, :]
        return foa_from(audio, self.convention) if self.convention != "acn_sn3d" else audio

    def symmetries(self, tolerance: float = 0.01) -> list[Symmetry]:
        """The rotations and mirrors of the scene that only exchange channels and signs, identity first.

        Ambisonics has 48. Microphones have those that map the set of positions onto itself; a flat array has its
        own plane as a mirror, which changes no channel, and of the endless rotations of a line those are given
        that keep axes across it. Two channels without positions are taken for left and right.

        Args:
            tolerance: how far a microphone may fall beside another, as a share of the array's radius. A hundredth
                finds all 24 symmetries of the tetrahedral array, whose elevations are rounded to 35 degrees.
        """
        if self.foa_gains is not None:
            return coincident_symmetries(self.foa_gains)
        if self.kind == "channels":
            mirror = Symmetry(np.diag([1.0, -1.0, 1.0]), np.array([1, 0]), np.ones(2))
            return [Symmetry(np.eye(3), np.arange(2), np.ones(2)), mirror]
        # A rigid sphere does not move along; microphones in the open may turn about any point.
        centre = np.zeros(3) if self.kind == "sphere" else self.positions.mean(0)
        return position_symmetries(self.positions - centre, tolerance)

    def _check_file_channels(self) -> None:
        if self.order and len(self.order) != self.channels:
            raise ValueError(f"channels must name {self.channels} channels of the file, got {len(self.order)}")
        if min(self.order, default=0) < 0 or len(set(self.order)) != len(self.order):
            raise ValueError(f"channels must be different numbers from 0, got {list(self.order)}")
        if self.signs and (len(self.signs) != self.channels or not set(self.signs) <= {1, -1}):
            raise ValueError(f"signs must be {self.channels} times 1 or -1, got {list(self.signs)}")


def _check_positions(positions_m: tuple[tuple[float, float, float], ...], radius_m: float | None) -> None:
    if len(positions_m) < 2 or any(len(position) != 3 for position in positions_m):
        raise ValueError(f"positions_m must be at least 2 times x, y, z, got {len(positions_m)} positions")
    positions = np.array(positions_m, dtype=np.float64)
    if not np.isfinite(positions).all() or np.abs(positions).max() > FARTHEST_M:
        raise ValueError(f"positions_m must be metres, at most {FARTHEST_M:g}, got {np.abs(positions).max():g}")
    for (i, a), (j, b) in itertools.combinations(enumerate(positions), 2):
        if np.linalg.norm(a - b) < NEAREST_M:
            raise ValueError(f"positions_m must be different, got {a.tolist()} for microphones {i} and {j}")
    if radius_m is not None:
        distance = np.linalg.norm(positions, axis=1)
        worst = int(np.abs(distance - radius_m).argmax())
        if not radius_m > 0 or abs(distance[worst] - radius_m) > 0.02 * radius_m:
            raise ValueError(
                f"sphere_radius_m must be the distance of the microphones from the origin, got {radius_m:g} and "
                f"{distance[worst]:.4g} m for microphone {worst}"
            )


_EIGENMIKE_M = 0.042
_TETRAHEDRON_DEG = np.array([(45, 35), (-45, -35), (135, -35), (-135, 35)])  # azimuth, elevation

ARRAYS: dict[str, Array] = {
    "foa": Array("foa", "foa"),
    "mic": Array(
        "mic",
        "sphere",
        positions_m=tuple(map(tuple, (_EIGENMIKE_M * unit_from_degrees(*_TETRAHEDRON_DEG.T)).tolist())),
        radius_m=_EIGENMIKE_M,
    ),
    # Two coincident cardioids to the left and the right, see stereo_from_foa.
    "stereo": Array("stereo", "channels", gains=((1.0, 1.0, 0.0, 0.0), (1.0, -1.0, 0.0, 0.0))),
    "binaural": Array("binaural", "channels"),
}
