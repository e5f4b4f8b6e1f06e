"""Rotations and mirrors of a scene that only exchange the channels of a recording."""

import itertools
from typing import NamedTuple

import numpy as np

from seld.arrays.foa import foa_turn
from seld.geometry import axis_symmetries


class Symmetry(NamedTuple):
    """audio[permutation] * signs[:, None] is the recording of the scene turned by `rotation`."""

    rotation: np.ndarray
    """(3, 3) orthogonal, of determinant 1 or -1: a source in the direction u is then heard from rotation @ u"""
    permutation: np.ndarray
    """(channels,) int"""
    signs: np.ndarray
    """(channels,) 1.0 or -1.0"""


def coincident_symmetries(gains: np.ndarray) -> list[Symmetry]:
    """The axis symmetries under which channels mixed from Ambisonics by `gains` (channels, 4) change places."""
    found = []
    for rotation in axis_symmetries():
        turned = gains @ foa_turn(rotation)
        # Row i of what is heard then has to be a row of what was heard before, up to its sign.
        same, opposite = (np.abs(turned[:, None] - sign * gains).max(-1) < 1e-9 for sign in (1, -1))
        if (same | opposite).any(1).all():
            permutation = (same | opposite).argmax(1)
            signs = np.where(same[range(len(gains)), permutation], 1.0, -1.0)
            found.append(Symmetry(rotation, permutation, signs))
    return found


def position_symmetries(positions: np.ndarray, tolerance: float) -> list[Symmetry]:
    """The rotations and mirrors about the origin that map positions (channels, 3) onto each other, identity first.

    A wave from rotation @ u reaches position p when one from u reaches rotation.T @ p; so channel j of the turned
    scene is the channel k whose position is turned onto that of j.

    A few microphones that span the space of all fix the rotation, so that all ways are tried to map those onto
    others at the same distances; directions in which the array has no extent are kept or negated.

    Args:
        tolerance: how far a microphone may fall beside another, as a share of the largest distance.
    """
    reach = tolerance * np.linalg.norm(positions, axis=1).max()
    corners = _corners(positions, reach)
    across = _across(positions[corners])
    found: dict[bytes, Symmetry] = {}
    for images in _images(positions, corners, 2 * reach):
        for signs in itertools.product((1.0, -1.0), repeat=len(across)):
            turned = np.array(signs)[:, None] * across
            rough = _rotation(np.r_[positions[corners], reach * across], np.r_[positions[list(images)], reach * turned])
            permutation = _permutation(positions, rough, 2 * reach)
            if permutation is None:
                continue
            exact = _rotation(np.r_[positions[permutation], reach * across], np.r_[positions, reach * turned])
            if np.linalg.norm(positions[permutation] @ exact.T - positions, axis=1).max() <= reach:
                key = np.round(exact, 3) + 0.0
                found.setdefault(key.tobytes(), Symmetry(exact, permutation, np.ones(len(positions))))
    return sorted(found.values(), key=lambda symmetry: -np.trace(symmetry.rotation))


def _corners(positions: np.ndarray, reach: float) -> list[int]:
    """As many positions as span all of them, each as far as possible from the span of those before."""
    chosen, left = [], positions.copy()
    while len(chosen) < 3 and np.linalg.norm(left, axis=1).max() > 2 * reach:
        chosen.append(int(np.linalg.norm(left, axis=1).argmax()))
        axis = left[chosen[-1]] / np.linalg.norm(left[chosen[-1]])
        left = left - np.outer(left @ axis, axis)
    return chosen


def _across(span: np.ndarray) -> np.ndarray:
    """Unit vectors (3 - n, 3) across n independent vectors (n, 3), near z, x and y where there is a choice."""
    axes = [row for row in np.linalg.qr(span.T)[0].T]
    for axis in np.eye(3)[[2, 0, 1]]:
        rest = axis - sum(row * (row @ axis) for row in axes)
        if len(axes) < 3 and np.linalg.norm(rest) > 0.5:
            axes.append(rest / np.linalg.norm(rest))
    return np.array(axes[len(span) :]).reshape(-1, 3)


def _images(positions: np.ndarray, corners: list[int], reach: float) -> list[tuple[int, ...]]:
    """All choices of microphones that lie to the origin and each other as the corners do."""
    images: list[tuple[int, ...]] = [()]
    length = np.linalg.norm(positions, axis=1)
    apart = np.linalg.norm(positions[:, None] - positions, axis=2)
    for step, corner in enumerate(corners):
        images = [
            (*image, other)
            for image in images
            for other in np.flatnonzero(np.abs(length - length[corner]) <= reach).tolist()
            if np.allclose(apart[other, list(image)], apart[corner, corners[:step]], rtol=0, atol=reach)
        ]
    return images


def _rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The orthogonal matrix (3, 3) that maps the rows a (n, 3) best onto the rows b (Schonemann, 1966)."""
    left, _, right = np.linalg.svd(b.T @ a)
    return left @ right


def _permutation(positions: np.ndarray, rotation: np.ndarray, reach: float) -> np.ndarray | None:
    """For each microphone the one that the rotation brings to its place; None when it does not fit."""
    distance = np.linalg.norm(positions[:, None] - positions @ rotation.T, axis=2)
    permutation = distance.argmin(1)
    fits = distance.min(1).max() <= reach and len(set(permutation.tolist())) == len(positions)
    return permutation if fits else None
