"""The one angle convention: angles to unit vectors and back, distances, rotations.

x points to the front, y to the left, z up. Azimuth is counter-clockwise, 0 in front, +90 degrees to the
left, in [-180, 180); elevation is +90 degrees above (DCASE). No other module converts directions; hnet_cases.py and
hnet_data.py draw and round angles of made-up problems.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # scores of files are made without torch, which would take four times the memory of all the rest
    from torch import Tensor


def unit_from_degrees(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3), float64, of azimuths and elevations (...) in degrees."""
    azimuth, elevation = np.deg2rad(azimuth), np.deg2rad(elevation)
    horizontal = np.cos(elevation)
    return np.stack(
        np.broadcast_arrays(horizontal * np.cos(azimuth), horizontal * np.sin(azimuth), np.sin(elevation)), -1
    )


def degrees_from_unit(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth in [-180, 180) and elevation in [-90, 90], degrees (...), of vectors (..., 3) of any length."""
    x, y, z = np.moveaxis(np.asarray(vector, dtype=np.float64), -1, 0)
    azimuth = wrap_degrees(np.rad2deg(np.arctan2(y, x)))
    return azimuth, np.rad2deg(np.arctan2(z, np.hypot(x, y)))


def wrap_degrees(azimuth: np.ndarray) -> np.ndarray:
    """The same angles in [-180, 180)."""
    return (np.asarray(azimuth) + 180) % 360 - 180


def angular_distance(a: Tensor, b: Tensor) -> Tensor:
    """Great-circle distance in radians between unit vectors (..., 3) -> (...).

    atan2 of half chords, since acos loses small angles and has an infinite slope at 0. The gradient is 0
    at coincident and at opposite vectors, where the distance has none.
    """
    return 2 * _norm(a - b).atan2(_norm(a + b))


def pairwise_angular_distance(a: Tensor, b: Tensor) -> Tensor:
    """Great-circle distances in radians, (..., M, 3) and (..., N, 3) unit vectors -> (..., M, N)."""
    return angular_distance(a.unsqueeze(-2), b.unsqueeze(-3))


def normalize(vector: Tensor) -> Tensor:
    """Unit vectors (..., 3); a zero vector stays (nearly) zero and has a finite gradient."""
    return vector / vector.square().sum(-1, keepdim=True).add(1e-12).sqrt()


def axis_symmetries() -> np.ndarray:
    """The 48 rotations and reflections (48, 3, 3) that map the axes onto each other, identity first.

    They swap and negate the channels of first-order Ambisonics without mixing them, so that each turns
    power spectra and intensity vectors exactly (the FOA channel swapping of Mazzon et al., DCASE 2019,
    extended from the horizontal plane to the sphere).
    """
    matrices = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            matrices.append(matrix)
    return np.stack(matrices)


def fibonacci_sphere(points: int) -> np.ndarray:
    """Unit vectors (points, 3), spread evenly over the sphere along a golden spiral."""
    index = np.arange(points) + 0.5
    z = 1 - 2 * index / points
    radius, turn = np.sqrt(1 - z**2), np.pi * (1 + np.sqrt(5)) * index
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], -1)


def cube_lattice(reach: int) -> np.ndarray:
    """Unit vectors (points, 3) to all whole numbers up to `reach` without common factor: 26, 98, 290, ... directions.

    They lie about evenly, and the symmetries of a cube turn them into each other.
    """
    points = (point for point in itertools.product(range(-reach, reach + 1), repeat=3) if math.gcd(*point) == 1)
    lattice = np.array(sorted(points), dtype=float)
    return lattice / np.linalg.norm(lattice, axis=1, keepdims=True)


def _norm(vector: Tensor) -> Tensor:
    import torch

    # The slope of sqrt is infinite at 0; below the clamp, which is far under any angle that matters, it is 0.
    return vector.square().sum(-1).clamp_min(torch.finfo(vector.dtype).tiny).sqrt()
