"""Who is who after two tracks have met: links look from one estimate to the next, here it is the way of a second."""

from typing import NamedTuple

import numpy as np

from seld.tracking.flow import angle_deg

_AROUND = 15  # frames before and after the encounter that tell where the two came from and went
_FEWEST = 4  # estimates in each of them
_SURE = 4.0  # how much better, in squared deviations, an exchange has to explain the estimates


class Path(NamedTuple):
    """The estimates of one track, decided or not."""

    track: int
    """-1 before anything of it is decided"""
    frame: np.ndarray
    """(estimates,) ascending"""
    doa: np.ndarray
    """(estimates, 3) unit vectors"""


def uncross(paths: list[Path], decided: int, deviation_deg: float) -> list[Path]:
    """The paths, with their ends exchanged after encounters that straight ways on the sphere explain better so.

    Args:
        decided: frames before this one stay as they are.
        deviation_deg: of estimates from the way; two deviations apart, two paths count as met.
    """
    paths = list(paths)
    for i in range(len(paths)):
        for j in range(i + 1, len(paths)):
            for begin, end in _encounters(paths[i], paths[j], 2 * deviation_deg):
                at = (begin + end + 1) // 2
                if at >= decided and _exchanged(paths[i], paths[j], begin, end, deviation_deg):
                    paths[i], paths[j] = _joined(paths[i], paths[j], at), _joined(paths[j], paths[i], at)
    return paths


def _encounters(a: Path, b: Path, near_deg: float) -> list[tuple[int, int]]:
    """First and last frame of each time that two paths are near each other, and were and are to be apart."""
    first, last = max(a.frame[0], b.frame[0]), min(a.frame[-1], b.frame[-1])
    if last - first < 2 * _FEWEST:
        return []
    every = np.arange(first, last + 1)
    near = np.r_[False, angle_deg(_at(a, every), _at(b, every)) < near_deg, False]
    begins, ends = np.flatnonzero(near[1:] & ~near[:-1]), np.flatnonzero(near[:-1] & ~near[1:]) - 1
    return [(first + begin, first + end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


def _exchanged(a: Path, b: Path, begin: int, end: int, deviation_deg: float) -> bool:
    """Whether what came before and what came after lie better on straight ways when the two are exchanged."""
    before, after = (begin - _AROUND, begin), (end + 1, end + 1 + _AROUND)
    parts = [_part(path, *span) for span in (before, after) for path in (a, b)]
    if min(len(part.frame) for part in parts) < _FEWEST:
        return False
    middle = _at(a, np.array([(begin + end) / 2]))[0] + _at(b, np.array([(begin + end) / 2]))[0]
    came_a, came_b, went_a, went_b = (_flat(part, middle) for part in parts)
    kept = _residual(came_a, went_a) + _residual(came_b, went_b)
    exchanged = _residual(came_a, went_b) + _residual(came_b, went_a)
    return kept - exchanged > _SURE * deviation_deg**2


def _part(path: Path, begin: int, end: int) -> Path:
    chosen = (path.frame >= begin) & (path.frame < end)
    return path._replace(frame=path.frame[chosen], doa=path.doa[chosen])


def _at(path: Path, frame: np.ndarray) -> np.ndarray:
    """(frames, 3) directions, between estimates on the chord."""
    doa = np.stack([np.interp(frame, path.frame, axis) for axis in path.doa.T], axis=1)
    return doa / np.linalg.norm(doa, axis=1, keepdims=True).clip(1e-12)


def _flat(path: Path, middle: np.ndarray) -> np.ndarray:
    """(estimates, 3): frame, and degrees on a map around `middle` on which ways through it are straight."""
    middle = middle / np.linalg.norm(middle).clip(1e-12)
    across = path.doa - (path.doa @ middle)[:, None] * middle
    length = np.linalg.norm(across, axis=1, keepdims=True).clip(1e-12)
    on_map = across / length * angle_deg(path.doa, middle)[:, None]
    side = np.cross(middle, np.eye(3)[np.abs(middle).argmin()])
    side /= np.linalg.norm(side)
    return np.column_stack([path.frame, on_map @ side, on_map @ np.cross(middle, side)])


def _residual(came: np.ndarray, went: np.ndarray) -> float:
    """Squared degrees that the best way of constant speed leaves unexplained."""
    points = np.concatenate([came, went])
    design = np.column_stack([np.ones(len(points)), points[:, 0] - points[:, 0].mean()])
    return float(np.linalg.lstsq(design, points[:, 1:], rcond=None)[1].sum())


def _joined(head: Path, tail: Path, at: int) -> Path:
    """The one before a frame and the other from there on."""
    kept, added = _part(head, 0, at), _part(tail, at, np.iinfo(np.int64).max)
    return Path(head.track, np.r_[kept.frame, added.frame], np.r_[kept.doa, added.doa])
