"""Faults of an array in words."""

import numpy as np
from scipy.spatial.transform import Rotation

from seld.geometry import degrees_from_unit

_MIRRORS = {0: "front and back are exchanged", 1: "left and right are exchanged", 2: "above and below are exchanged"}


def is_identity(rotation: np.ndarray) -> bool:
    return bool(np.abs(rotation - np.eye(3)).max() < 1e-6)


def turn_in_words(rotation: np.ndarray) -> str:
    """What an orthogonal matrix (3, 3) that maps true to heard directions does to them."""
    if is_identity(rotation):
        return "nothing is turned"
    if np.linalg.det(rotation) < 0:
        diagonal = np.diag(rotation)
        if np.abs(np.abs(diagonal) - 1).max() < 1e-6 and (diagonal < 0).sum() == 1:
            return _MIRRORS[int(diagonal.argmin())]
        if np.abs(rotation - rotation.T).max() < 0.02 and abs(np.trace(rotation) - 1) < 0.02:
            azimuth, elevation = degrees_from_unit(np.linalg.eigh(rotation)[1][:, 0])
            return f"mirrored at the plane across azimuth {azimuth:.0f}, elevation {elevation:.0f}"
        rest = turn_in_words(rotation @ np.diag([1.0, -1.0, 1.0]))
        return f"left and right are exchanged, and then everything is {rest}"
    vector = Rotation.from_matrix(rotation).as_rotvec()
    degrees = np.rad2deg(np.linalg.norm(vector))
    axis = vector / np.linalg.norm(vector)
    if abs(axis[2]) > 0.999:
        side = "left" if axis[2] > 0 or degrees > 179.5 else "right"
        return f"turned by {degrees:.0f} degrees to the {side}"
    if abs(axis[0]) > 0.999 and degrees > 179:
        return "turned upside down about the axis from back to front"
    azimuth, elevation = degrees_from_unit(axis)
    return f"turned by {degrees:.0f} degrees about the axis to azimuth {azimuth:.0f}, elevation {elevation:.0f}"


def order_in_words(permutation: np.ndarray, numbers: np.ndarray, names: list[str]) -> str:
    """Which channels of the file, called by `numbers`, hear what others should.

    Args:
        permutation: channel c hears what channel permutation[c] should.
        names: of what each channel should be.
    """
    moved = np.flatnonzero(permutation != np.arange(len(permutation)))
    if len(moved) == 2:
        return f"channels {numbers[moved[0]]} and {numbers[moved[1]]} have changed places"
    return "channels are in another order: " + ", ".join(f"{numbers[c]} is {names[permutation[c]]}" for c in moved)


def list_in_words(items: list[str] | list[int]) -> str:
    words = [str(item) for item in items]
    return "".join(words) if len(words) < 2 else ", ".join(words[:-1]) + " and " + words[-1]


def channels_in_words(numbers: list[int]) -> str:
    many = len(numbers) > 1
    return f"channel{'s' if many else ''} {list_in_words(numbers)} {'are' if many else 'is'}"
