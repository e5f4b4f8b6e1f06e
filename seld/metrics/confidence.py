"""95 % confidence intervals of scores that are ratios of sums over clips, by leaving out one clip at a time.

Jackknife: Efron, Stein, "The Jackknife Estimate of Variance", Annals of Statistics 1981; in use for these
scores since DCASE 2022. Clips, not frames, are left out, since the frames of a clip err together. Unlike
the DCASE code the interval stands around the score itself, not around a bias-corrected one.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import t as student

CONFIDENCE = 0.95


def jackknife(counts: pd.DataFrame, score: Callable[[pd.DataFrame], pd.DataFrame]) -> dict[str, tuple[float, float]]:
    """(low, high) of each score, not clipped to the score's range.

    Args:
        counts: countable sums, one row for each clip.
        score: counts (rows) -> scores (rows), row by row.

    Returns:
        NaN where there is one clip only, or where a score is undefined without one of the clips.
    """
    total = counts.sum().to_frame().T
    scores = score(total).iloc[0]
    if len(counts) < 2:
        return dict.fromkeys(scores.index, (np.nan, np.nan))
    # MOTA is minus infinity without references; an infinite spread is no interval either.
    left_out = score(total.iloc[0] - counts).replace([np.inf, -np.inf], np.nan)
    variance = (len(counts) - 1) * left_out.var(ddof=0, skipna=False)
    reach = student.ppf(0.5 + CONFIDENCE / 2, len(counts) - 1) * np.sqrt(variance)
    low, high = scores - reach, scores + reach
    return {name: (float(low[name]), float(high[name])) for name in scores.index}
