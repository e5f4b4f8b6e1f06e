"""Label frames of one length to those of another: 20 ms in 2019, 100 ms ever since."""

import numpy as np
import pandas as pd


def change_frames(rows: pd.DataFrame, from_s: float, to_s: float) -> pd.DataFrame:
    """The same sounds in frames of `to_s` seconds, one of which is a whole multiple of the other.

    A long frame becomes as many short ones as it lasts. The other way a class and source is active in a long frame
    when it fills at least half of it, and its place is that of the short frame nearest to the middle.

    Args:
        rows: of one clip, as in `seld.labels`, with frames of `from_s` seconds.
    """
    if from_s == to_s:
        return rows
    if from_s > to_s:
        times = _multiple(from_s, to_s)
        finer = rows.iloc[np.repeat(np.arange(len(rows)), times)].reset_index(drop=True)
        finer["frame"] = finer["frame"] * times + np.tile(np.arange(times), len(rows))
        return finer.sort_values("frame", kind="stable", ignore_index=True)
    times = _multiple(to_s, from_s)
    who = ["frame", "class", "source"]
    part = rows["frame"] % times
    coarser = rows.assign(repeat=rows.groupby(who).cumcount(), frame=rows["frame"] // times)
    filled = coarser.groupby([*who, "repeat"])["frame"].transform("size") >= times / 2
    coarser = coarser.assign(off=(part - (times - 1) / 2).abs())[filled]
    nearest = coarser.sort_values("off", kind="stable").drop_duplicates([*who, "repeat"]).sort_index()
    return nearest.sort_values("frame", kind="stable", ignore_index=True).drop(columns=["repeat", "off"])


def _multiple(long_s: float, short_s: float) -> int:
    times = round(long_s / short_s)
    if abs(times * short_s - long_s) > 1e-9:
        raise ValueError(f"frames must be whole multiples of each other, got {long_s} s and {short_s} s")
    return times
