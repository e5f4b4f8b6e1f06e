"""How sure the scores are: intervals and tests that leave out, or draw again, whole clips.

Scores are functions of sums over clips (`seld.metrics.protocol`). So the score without a clip comes from a
subtraction, and the score of a resampled set from a weighted sum: no frame is looked at twice, and the cost does
not depend on the length of the recordings. Clips, not frames, are the units, since the frames of a clip err
together.

Jackknife intervals: Efron, Stein, "The Jackknife Estimate of Variance", Annals of Statistics 1981; with the
estimate corrected for its bias (Quenouille 1956) in the DCASE code of 2022 and after.

Paired bootstrap: Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 (percentile interval)
and 16 (tests); Bisani, Ney, "Bootstrap Estimates for Confidence Intervals in ASR Performance Evaluation", ICASSP
2004, draw the same recordings for both systems, as is done here. Several tests: Holm, "A Simple Sequentially
Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 1979.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

from seld.metrics.protocol import Figures, Sums

CONFIDENCE = 0.95
_TAILS = (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE))
# Resampled sets that are scored at once: what is in memory is this many times the sums of one set.
_BLOCK = 128
# Rounding makes differences of this size out of equal sums that were added in another order.
_ROUNDING = 1e-10

Interval = tuple[float, float]


def total(sums: Sums) -> Sums:
    """The sums of the whole set: (clips, ...) -> (...)."""
    return {name: value.sum(axis=0) for name, value in sums.items()}


def leave_one_out(sums: Sums) -> Sums:
    """The sums of all clips but one, for each clip: (clips, ...) -> (clips, ...).

    Added up from both ends rather than subtracted from the total, so that what is 0 without a clip is 0 and not
    a rounding error, by which a score might be divided.
    """
    left_out = {}
    for name, value in sums.items():
        rest = np.zeros_like(value)
        np.cumsum(value[:-1], axis=0, out=rest[1:])
        rest[:-1] += np.cumsum(value[:0:-1], axis=0)[::-1]
        left_out[name] = rest
    return left_out


def jackknife(sums: Sums, score: Callable[[Sums], Figures], bias_corrected: bool = False) -> dict[str, Interval]:
    """(low, high) of each figure, not clipped to the figure's range.

    Args:
        sums: of each clip, (clips, ...).
        score: sums -> figures, over any leading axes.
        bias_corrected: centre the interval on the estimate less its bias, as the DCASE code does, instead of
            on the figure itself.

    Returns:
        NaN where there is one clip only, or where a figure is undefined without one of the clips.
    """
    clips = len(next(iter(sums.values())))
    figures = score(total(sums))
    if clips < 2:
        return dict.fromkeys(figures, (np.nan, np.nan))
    left_out = score(leave_one_out(sums))
    return {name: _interval(float(figures[name]), left_out[name], bias_corrected) for name in figures}


def jackknife_tables(
    sums: Sums, tables: Callable[[Sums], dict], bias_corrected: bool = False, table: str = "classwise"
) -> dict[int, dict[str, Interval]]:
    """(low, high) of each figure of a table by class: class -> name -> interval; {} without such a table."""
    figures = tables(total(sums)).get(table, {})
    left_out = leave_one_out(sums)
    sets = [
        tables({name: value[clip] for name, value in left_out.items()}).get(table, {})
        for clip in range(len(next(iter(sums.values()))))
    ]
    if len(sets) < 2:
        return {row: dict.fromkeys(values, (np.nan, np.nan)) for row, values in figures.items()}
    return {
        row: {
            name: _interval(value, np.array([one.get(row, {}).get(name, np.nan) for one in sets]), bias_corrected)
            for name, value in values.items()
        }
        for row, values in figures.items()
    }


def bootstrap(
    sums: Sequence[Sums], score: Callable[[Sums], Figures], resamples: int = 2000, seed: int = 0
) -> list[Figures]:
    """The figures of sets of clips drawn with replacement, the same draws for each of several systems.

    Args:
        sums: for each system the sums of each clip, (clips, ...), the clips in the same order.
        score: sums -> figures, over any leading axes.
        resamples: sets that are drawn, each of as many clips as there are.
        seed: of the draws.

    Returns:
        For each system, name -> (resamples,).
    """
    clips = len(next(iter(sums[0].values())))
    generator = np.random.default_rng(seed)
    drawn: list[list[Figures]] = [[] for _ in sums]
    for start in range(0, resamples, _BLOCK):
        count = min(_BLOCK, resamples - start)
        weights = _draws(generator, count, clips)
        for system, of_system in zip(drawn, sums, strict=True):
            system.append(score({name: _weighted(weights, value) for name, value in of_system.items()}))
    return [{name: np.concatenate([block[name] for block in system]) for name in system[0]} for system in drawn]


def percentile_interval(values: np.ndarray) -> Interval:
    """(low, high) that 95 % of the resampled values lie between; NaN if one of them is undefined."""
    if not np.isfinite(values).all():
        return np.nan, np.nan
    low, high = np.percentile(values, _TAILS)
    return float(low), float(high)


def two_sided_p(differences: np.ndarray, clips: int) -> float:
    """How easily a difference of this sign comes from the choice of the clips alone, as a p-value in (0, 1].

    Twice the share of resampled differences on the far side of 0 (0 itself is on both sides): below 0.05 where
    the percentile interval of the difference leaves out 0. One is added to both counts, so that the p-value is
    never 0 (Davison, Hinkley, "Bootstrap Methods and Their Application", 1997, section 4.2). Nor is it below
    2 / 2^clips, the least that exchanging the two systems' results clip by clip can give (Fisher's sign flips):
    drawing from three clips again and again makes no evidence.

    Args:
        differences: (resamples,) between two systems on the same draws; those that are undefined are left out.
    """
    differences = differences[np.isfinite(differences)]
    if len(differences) == 0:
        return np.nan
    differences = np.where(np.abs(differences) < _ROUNDING, 0, differences)
    far = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return float(min(1, max(2 * (far + 1) / (len(differences) + 1), 2.0 ** (1 - clips))))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm's step-down; undefined ones stay so and do not count."""
    corrected = [np.nan] * len(p_values)
    order = sorted((index for index, p in enumerate(p_values) if p == p), key=lambda index: p_values[index])
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def _interval(figure: float, left_out: np.ndarray, bias_corrected: bool) -> Interval:
    """The interval of one figure from its values without each of the clips, (clips,)."""
    if not (np.isfinite(figure) and np.isfinite(left_out).all()):  # MOTA is minus infinity without references
        return np.nan, np.nan
    clips, mean = len(left_out), left_out.mean()
    error = np.sqrt((clips - 1) * np.mean((left_out - mean) ** 2))
    reach = stdtrit(clips - 1, 0.5 + CONFIDENCE / 2) * error
    centre = figure - (clips - 1) * (mean - figure) if bias_corrected else figure
    return float(centre - reach), float(centre + reach)


def _draws(generator: np.random.Generator, resamples: int, clips: int) -> np.ndarray:
    """(resamples, clips) float64: how often each clip was drawn."""
    drawn = generator.integers(clips, size=(resamples, clips)) + clips * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * clips).reshape(resamples, clips).astype(np.float64)


def _weighted(weights: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(resamples, clips), (clips, ...) -> (resamples, ...)."""
    return (weights @ value.reshape(len(value), -1)).reshape(len(weights), *value.shape[1:])
