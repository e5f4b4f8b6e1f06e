"""Rows to frame grids and back: the references of a clip by frame and slot, as training wants them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.geometry import degrees_from_unit, unit_from_degrees


class Grid(NamedTuple):
    """References of one clip by frame and slot; a source keeps its slot while it sounds."""

    doa: np.ndarray
    """(frames, slots, 3) unit vectors, float32; the front where the slot is silent"""
    active: np.ndarray
    """(frames, slots) bool"""


def rows_from_grid(doa: np.ndarray, active: np.ndarray) -> pd.DataFrame:
    """Rows of class 0, one for each active track: (frames, tracks, 3) and (frames, tracks) -> table."""
    frame, track = np.nonzero(active)
    azimuth, elevation = degrees_from_unit(doa[frame, track])
    return pd.DataFrame({"frame": frame, "class": 0, "source": track, "azimuth": azimuth, "elevation": elevation})


def grid_from_rows(rows: pd.DataFrame, frames: int, slots: int) -> Grid:
    """References in `slots` columns. A source takes a free slot when it begins and holds it until it ends.

    Who is who is told by class and source (and by the order of the rows where a frame has both twice, as in
    STARSS). A source that returns after silence takes its former slot when that is free.

    Raises:
        ValueError: when a frame lies beyond `frames`, or more than `slots` sources sound at once.
    """
    rows = rows.sort_values("frame", kind="stable")
    if len(rows) and rows["frame"].iloc[-1] >= frames:
        raise ValueError(f"frame {rows['frame'].iloc[-1]} lies beyond the audio, which has {frames} frames")
    most = rows.groupby("frame").size().max() if len(rows) else 0
    if most > slots:
        raise ValueError(f"{most} sources sound at once, but there are only {slots} tracks")
    doa = np.zeros((frames, slots, 3), dtype=np.float32)
    doa[..., 0] = 1
    active = np.zeros((frames, slots), dtype=bool)
    vectors = unit_from_degrees(rows["azimuth"].to_numpy(), rows["elevation"].to_numpy())
    repeat = rows.groupby(["frame", "class", "source"]).cumcount()
    identities = list(zip(rows["class"], rows["source"], repeat, strict=True))
    held: dict[tuple, int] = {}
    former: dict[tuple, int] = {}
    for frame, index in rows.reset_index(drop=True).groupby("frame").indices.items():
        now = {identities[i]: i for i in index}
        held = {who: slot for who, slot in held.items() if who in now}
        for who in now:
            if who not in held:
                free = sorted(set(range(slots)) - set(held.values()))
                held[who] = former[who] if former.get(who) in free else free[0]
        former.update(held)
        for who, i in now.items():
            doa[frame, held[who]] = vectors[i]
            active[frame, held[who]] = True
    return Grid(doa, active)
