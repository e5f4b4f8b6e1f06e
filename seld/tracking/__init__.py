"""Estimates frame by frame to tracks with lasting identities, through gaps and false alarms.

Every estimate either is a false alarm or belongs to one track, in which it follows at most one earlier estimate and is
followed by at most one later. A track has to be worth it: the log-odds of its estimates, minus the price of its birth
and death, of the ways between its estimates and of the frames in which it has none. The set of tracks that is worth
most is a minimum-cost flow (Zhang, Li, Nevatia, "Global Data Association for Multi-Object Tracking Using Network
Flows", CVPR 2008); since the flow through an estimate is 0 or 1 it is a path cover, and that is one sparse assignment
of every estimate to its successor. It is solved exactly, over some seconds at a time: what happens within the delay
still decides what came before.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seld.labels import FRAME_SECONDS
from seld.tracking.crossings import Path, uncross
from seld.tracking.flow import angle_deg, chains, successors

_FAINT = -2.0  # log-odds from which an estimate can still be part of a track
_CERTAIN = 1e3  # what is decided already is worth more than anything that could be gained by undoing it


@dataclass(frozen=True)
class TrackingConfig:
    """How estimates become tracks; chosen on validation scenes, where none of them is critical."""

    birth: float = 3.0
    """price of a track's beginning, and again of its end, in log-odds of its estimates: above it, a few frames in a
    row are a track; a higher one means fewer, longer tracks"""
    deviation_deg: float = 6.0
    """how far a direction changes from frame to frame, by movement and error"""
    gap_s: float = 1.0
    """longest time that a track may be without estimate"""
    smoothing_s: float = 0.2
    """width (standard deviation) of the window over which directions are averaged along a track; 0: not at all"""
    delay_s: float = 3.0
    """how long a decision may wait for what comes next, at least gap_s"""

    def __post_init__(self):
        for name, low, high in (("birth", 0, 100), ("deviation_deg", 0.1, 90), ("gap_s", 0.1, 60)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"tracking.{name} must be from {low:g} to {high:g}, got {value}")
        if not 0 <= self.smoothing_s <= 5:
            raise ValueError(f"tracking.smoothing_s must be from 0 to 5, got {self.smoothing_s}")
        if not self.gap_s <= self.delay_s:
            raise ValueError(f"tracking.delay_s must be at least gap_s, {self.gap_s}, got {self.delay_s}")


class Tracks(NamedTuple):
    """Directions of tracks, one row for each track in each frame that it lasts; in the order of frames."""

    frame: np.ndarray
    """(rows,)"""
    track: np.ndarray
    """(rows,) identities, counted from 0 in the order in which tracks begin"""
    doa: np.ndarray
    """(rows, 3) unit vectors"""


def track(
    doa: np.ndarray, activity_logit: np.ndarray, threshold: float = 0.5, config: TrackingConfig | None = None
) -> Tracks:
    """The tracks of a whole recording.

    Args:
        doa: (frames, slots, 3) unit vectors; the order of slots means nothing.
        activity_logit: (frames, slots) log-odds that there is a source.
        threshold: the activity, in (0, 1), at which an estimate is as likely right as wrong.

    Raises:
        ValueError: for a threshold outside of (0, 1).
    """
    tracker = Tracker(threshold, config)
    block = 300  # frames; memory stays flat however long the recording is
    parts = [tracker.push(doa[at : at + block], activity_logit[at : at + block]) for at in range(0, len(doa), block)]
    return _joined([*parts, tracker.finish()])


class Tracker:
    """Tracks of a recording that is still going on: rows come out `delay_s` after their frame went in."""

    def __init__(self, threshold: float = 0.5, config: TrackingConfig | None = None):
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be between 0 and 1, got {threshold}")
        self.config = config or TrackingConfig()
        self._bias = np.log(threshold / (1 - threshold))
        self._gap, self._delay = (round(s / FRAME_SECONDS) for s in (self.config.gap_s, self.config.delay_s))
        self._smoothing = self.config.smoothing_s / FRAME_SECONDS
        self._memory = self._gap + self._delay + 4 * self._smoothing  # frames of a track that may still matter
        self._heard = self._decided = self._tracks = 0  # frames that went in, frames that came out, tracks so far
        self._live: list[Path] = []
        self._waiting = (np.empty(0, np.int64), np.empty((0, 3)), np.empty(0))  # frame, doa, log-odds

    def push(self, doa: np.ndarray, activity_logit: np.ndarray) -> Tracks:
        """The rows that are decided once these frames are heard.

        Args:
            doa, activity_logit: (frames, slots, 3) and (frames, slots) of the next frames.

        Raises:
            ValueError: when the shapes do not fit, or a number is not finite.
        """
        if np.shape(doa) != (*np.shape(activity_logit), 3) or np.ndim(doa) != 3:
            shapes = f"{np.shape(doa)} and {np.shape(activity_logit)}"
            raise ValueError(f"doa and activity_logit must be (frames, slots, 3) and (frames, slots), got {shapes}")
        if not (np.isfinite(doa).all() and np.isfinite(activity_logit).all()):
            raise ValueError(f"doa and activity_logit must be finite, got others from frame {self._heard} on")
        odds = np.asarray(activity_logit, dtype=np.float64) - self._bias
        frame, slot = np.nonzero(odds > _FAINT)
        new = (frame + self._heard, np.asarray(doa, dtype=np.float64)[frame, slot], odds[frame, slot])
        self._waiting = tuple(np.concatenate(pair) for pair in zip(self._waiting, new, strict=True))
        self._heard += len(odds)
        return self._decide(self._heard - self._delay)

    def finish(self) -> Tracks:
        """The rows that are left."""
        return self._decide(self._heard)

    def _decide(self, until: int) -> Tracks:
        """Rows of the frames before `until` that have not come out yet; forgets what they no longer need."""
        if until <= self._decided:
            return _joined([])
        rows, live = [], []
        paths = uncross(self._paths(), self._decided, self.config.deviation_deg)
        for path in sorted(paths, key=lambda path: (path.track < 0, path.frame[0])):
            if path.track < 0 and path.frame[0] < until:
                path = path._replace(track=self._tracks)
                self._tracks += 1
            if path.track >= 0:
                rows.append(self._drawn(path, until))
                kept = path.frame < until
                if until - path.frame[kept][-1] <= self._gap:
                    recent = kept & (path.frame >= until - self._memory)
                    live.append(Path(path.track, path.frame[recent], path.doa[recent]))
        self._live, self._decided = live, until
        undecided = self._waiting[0] >= until
        self._waiting = tuple(part[undecided] for part in self._waiting)
        return _joined(rows)

    def _paths(self) -> list[Path]:
        """The best paths through what is decided and what is waiting."""
        decided = len(self._live)
        frame = np.concatenate([[path.frame[-1] for path in self._live], self._waiting[0]]).astype(np.int64)
        doa = np.concatenate([np.array([path.doa[-1] for path in self._live]).reshape(-1, 3), self._waiting[1]])
        worth = np.concatenate([np.full(decided, _CERTAIN), self._waiting[2]])
        paths = []
        prices = self.config.birth, self.config.deviation_deg, self._gap
        for chain in chains(successors(frame, doa, worth, decided, *prices)):
            if chain[0] < decided:
                past, new = self._live[chain[0]], chain[1:]
                paths.append(past._replace(frame=np.append(past.frame, frame[new]), doa=np.r_[past.doa, doa[new]]))
            else:
                paths.append(Path(-1, frame[chain], doa[chain]))
        return paths

    def _drawn(self, path: Path, until: int) -> Tracks:
        """Rows of a path from the first undecided frame to `until`, gaps bridged and smoothed."""
        every = np.arange(path.frame[0], path.frame[-1] + 1)
        doa = np.stack([np.interp(every, path.frame, axis) for axis in path.doa.T], axis=1)
        wanted = every[(every >= self._decided) & (every < until)]
        if self._smoothing:
            weight = np.exp(-0.5 * ((wanted[:, None] - every) / self._smoothing) ** 2)
            doa = weight @ doa
        else:
            doa = doa[wanted - every[0]]
        doa /= np.linalg.norm(doa, axis=1, keepdims=True).clip(1e-12)
        return Tracks(wanted, np.full(len(wanted), path.track), doa)


def nearest_neighbours(
    doa: np.ndarray, active: np.ndarray, gate_deg: float = 20.0, gap_s: float = FRAME_SECONDS
) -> Tracks:
    """The simplest way to link, for comparison: every estimate joins the nearest track, the nearest pairs first.

    Args:
        doa: (frames, slots, 3) unit vectors.
        active: (frames, slots) bool.
        gate_deg: how far an estimate may be from the track that it joins; otherwise it begins a new one.
        gap_s: how long a track may be without estimate; one frame: it may not.
    """
    frame, slot = np.nonzero(active)
    doa = np.asarray(doa, dtype=np.float64)[frame, slot]
    track = np.full(len(frame), -1)
    last: dict[int, int] = {}  # track -> its last estimate
    for now in np.unique(frame):
        new = np.flatnonzero(frame == now)
        last = {who: at for who, at in last.items() if now - frame[at] <= round(gap_s / FRAME_SECONDS)}
        who, ends = list(last), list(last.values())
        angle = angle_deg(doa[ends][:, None], doa[new][None])
        while angle.size and angle.min() <= gate_deg:
            row, column = np.unravel_index(angle.argmin(), angle.shape)
            track[new[column]] = who[row]
            angle[row], angle[:, column] = np.inf, np.inf
        unlinked = new[track[new] < 0]
        track[unlinked] = track.max(initial=-1) + 1 + np.arange(len(unlinked))
        last |= dict(zip(track[new].tolist(), new.tolist(), strict=True))
    return Tracks(frame, track, doa)


def _joined(parts: list[Tracks]) -> Tracks:
    """All rows in the order of frames, in each the older tracks first."""
    if not parts:
        return Tracks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3)))
    frame, track, doa = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.lexsort((track, frame))
    return Tracks(frame[order], track[order], doa[order])
