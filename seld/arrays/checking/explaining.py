"""Which microphones, turned how, recorded by which clocks explain the delays of claps at known directions.

Simple explanations are preferred: each further fault costs a penalty, of the size that a criterion of information
would give it (Schwarz, Annals of Statistics, 1978), or more where a fault is unlikely. Candidates come from the axis
symmetries and yaws in steps, each with the channels as they are and in the order that suits it best (linear
assignment); the better ones are refined.
"""

import itertools
from functools import cache

import numpy as np
from scipy.optimize import least_squares, linear_sum_assignment
from scipy.spatial.transform import Rotation

from seld.arrays.checking.delays import CLOCKS, Evidence, Explanation, expected_advance, fit, solve
from seld.geometry import axis_symmetries

MIRROR = np.diag([1.0, -1.0, 1.0])  # left and right exchanged

# Penalties: of a kind of fault, of each channel that is concerned, of a turn about the vertical axis (and one that is
# no right angle), of axes that are exchanged, of any other turn, of a mirror, of another size.
FAULT, MOVED = 12.0, 2.0
_YAW, _OBLIQUE, _AXES, _ANY, _MIRRORED, _SCALED = 12.0, 2.0, 18.0, 21.0, 5.0, 14.0
_AS_GOOD = 20.0  # penalty and misfit by which another explanation may be behind one that has a fault, to be told


def explain(evidence: Evidence) -> list[Explanation]:
    """Explanations of the delays, the best one first, with those that come near to it.

    Misfits are divided by that of the best one where it is above what the precision allows, so that a
    reverberant or distant recording is not taken for one of many faults.
    """
    claps, channels = evidence.advance_s.shape
    search = _Search(evidence)
    for clock in CLOCKS[: 1 + (claps >= 3) + (claps >= 5)]:
        search.try_all(clock)
    inflation = max(1.0, search.best.misfit / max(1, claps * (channels - 1)))
    different: dict[bytes, Explanation] = {}
    for one in sorted(search.found, key=lambda one: one.misfit / inflation + one.penalty):
        key = np.r_[one.permutation, one.rotation.ravel().round(1), round(one.scale, 1), one.clock.any(1)] + 0.0
        different.setdefault(key.tobytes(), one._replace(misfit=one.misfit / inflation))
    return list(different.values())


def unexplained(evidence: Evidence, best: Explanation) -> float:
    """The share of the delays' size that an explanation leaves, 0 to 1, after the told directions have moved a bit."""
    size = np.sqrt((evidence.advance_s**2).mean())
    return float(np.sqrt((best.left_s**2).mean()) / max(size, 1e-9))


class _Search:
    """Explanations so far. Those are left out whose penalty alone puts them far behind the best one."""

    def __init__(self, evidence: Evidence):
        self.evidence = evidence
        self.same = np.arange(evidence.advance_s.shape[1])
        self.found: list[Explanation] = []
        self.best: Explanation | None = None

    def try_all(self, clock: str) -> None:
        """Explanations with this freedom of the clocks: from many starts, the better ones refined."""
        upright, moved = np.eye(3), _exchange(self.evidence, _assign(self.evidence, np.eye(3), clock), clock)
        for permutation in (self.same, moved):
            self._add(permutation, upright, clock)
        if not self._promises(_clock_penalty(clock, len(self.same)) + min(_YAW, _SCALED)):
            return
        starts = [(rotation, _assign(self.evidence, rotation, clock)) for rotation in _starts()]
        for rotation, order in starts:
            for permutation in (self.same, order):
                self._add(permutation, rotation, clock)
        for permuted in ([(rotation, self.same) for rotation, _ in starts], starts):
            self._refine_best(permuted, clock)

    def _refine_best(self, starts: list[tuple[np.ndarray, np.ndarray]], clock: str) -> None:
        least = _clock_penalty(clock, len(self.same)) + min(_moved(permutation) for _, permutation in starts)
        if not self._promises(least + _YAW):
            return
        misfits = []
        for rotation, permutation in starts:
            left = solve(self.evidence, permutation, rotation, clock, free_scale=True)[0]
            misfits.append((float(left @ left), rotation, permutation))
        misfits.sort(key=lambda start: start[0])
        level = [start for start in misfits if start[1][2, 2] > 1 - 1e-9]
        for only_yaw, among in ((True, level), (False, misfits)):
            for _, rotation, permutation in among[:3]:
                if self._promises(least + (_YAW if only_yaw else _AXES)):
                    turned = _refine(self.evidence, permutation, rotation, clock, only_yaw)
                    self._add(permutation, turned, clock)

    def _add(self, permutation: np.ndarray, rotation: np.ndarray, clock: str) -> None:
        """Fit with the declared and with a free scale."""
        penalty = turn_penalty(rotation) + _moved(permutation) + _clock_penalty(clock, len(permutation))
        for free_scale, cost in ((False, penalty), (True, penalty + _SCALED)):
            if self._promises(cost):
                one = fit(self.evidence, permutation, rotation, clock, free_scale)._replace(penalty=cost)
                self.found.append(one)
                if self.best is None or one.misfit + one.penalty < self.best.misfit + self.best.penalty:
                    self.best = one

    def _promises(self, penalty: float) -> bool:
        """Whether an explanation of this penalty can be the best one, or be as good as one that has a fault."""
        if self.best is None:
            return True
        return penalty <= self.best.misfit + self.best.penalty + (_AS_GOOD if self.best.penalty else 0)


@cache
def _starts() -> tuple[np.ndarray, ...]:
    """Rotations and mirrors to begin with."""
    degrees = [angle for angle in range(15, 360, 15) if angle % 90]
    oblique = [Rotation.from_euler("z", angle, degrees=True).as_matrix() for angle in degrees]
    return (*axis_symmetries(), *oblique, *(yaw @ MIRROR for yaw in oblique))


def _clock_penalty(clock: str, channels: int) -> float:
    return CLOCKS.index(clock) * (FAULT + 3.0 * (channels - 1))


def turn_penalty(rotation: np.ndarray) -> float:
    """What it costs to believe in this rotation or mirror: none, about the vertical axis, of axes, any."""
    is_mirrored = np.linalg.det(rotation) < 0
    proper = rotation @ MIRROR if is_mirrored else rotation
    if np.abs(proper - np.eye(3)).max() < 1e-9:
        return (_YAW + _MIRRORED) * is_mirrored
    oblique = _OBLIQUE * (np.abs(proper).max(1).min() < 1 - 1e-9)
    if proper[2, 2] > 1 - 1e-9:
        return _YAW + oblique + _MIRRORED * is_mirrored
    return _ANY + 3 * _MIRRORED * is_mirrored if oblique else _AXES + _MIRRORED * is_mirrored


def _moved(permutation: np.ndarray) -> float:
    count = int((permutation != np.arange(len(permutation))).sum())
    return (FAULT + MOVED * count) if count else 0.0


def _assign(evidence: Evidence, rotation: np.ndarray, clock: str) -> np.ndarray:
    """The permutation whose expected delays, up to scale and clocks, lie nearest to the measured ones."""
    expected = expected_advance(evidence.array, evidence.told @ rotation.T)[:, evidence.living]
    time = evidence.time_s - evidence.time_s[0]
    terms = np.stack([np.ones(len(time)), time])[: CLOCKS.index(clock)]
    keep = np.eye(len(time)) - np.linalg.pinv(terms) @ terms if len(terms) else np.eye(len(time))
    expected = keep @ (expected - expected.mean(1, keepdims=True))
    measured = keep @ evidence.advance_s
    return linear_sum_assignment(-(measured.T @ expected))[1]


def _exchange(evidence: Evidence, permutation: np.ndarray, clock: str) -> np.ndarray:
    """A permutation improved by exchanging two channels as long as that lowers the misfit."""
    best = fit(evidence, permutation, np.eye(3), clock, free_scale=False).misfit
    improved = len(permutation) <= 12
    while improved:
        improved = False
        for i, j in itertools.combinations(range(len(permutation)), 2):
            other = permutation.copy()
            other[[i, j]] = other[[j, i]]
            misfit = fit(evidence, other, np.eye(3), clock, free_scale=False).misfit
            if misfit < best - 1e-6:
                best, permutation, improved = misfit, other, True
    return permutation


def _refine(
    evidence: Evidence, permutation: np.ndarray, rotation: np.ndarray, clock: str, only_yaw: bool
) -> np.ndarray:
    """The best rotation near `rotation`: about the vertical axis only, or about any."""

    def turned(angles: np.ndarray) -> np.ndarray:
        vector = np.r_[0, 0, angles] if only_yaw else angles
        return Rotation.from_rotvec(vector).as_matrix() @ rotation

    def left(angles: np.ndarray) -> np.ndarray:
        return solve(evidence, permutation, turned(angles), clock, free_scale=True)[0]

    return turned(least_squares(left, np.zeros(1 if only_yaw else 3), max_nfev=20, xtol=1e-4, ftol=1e-4).x)
