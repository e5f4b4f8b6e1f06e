"""Ways of training, each run with several seeds and scored on the same recordings: which way is better, and how sure.

A way's figure is the mean over its seeds. What is uncertain about it is what other recordings and other seeds would
give, so the bootstrap draws both: clips with replacement, the same ones for all runs, and of each way its seeds with
replacement. Ways with equally many seeds draw the same ones, so that what is common to runs of one seed (first
weights, order of the data) cancels in differences, as what makes a clip hard for everybody does.

Few seeds are drawn from here: resampling three shows two thirds of their variance (the bootstrap's factor of (n - 1) /
n), so that intervals are somewhat narrow where seeds matter more than recordings.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from seld.metrics.confidence import bootstrap, holm, percentile_interval, total, two_sided_p
from seld.metrics.counting import Counted, Reading, count
from seld.metrics.inputs import Rows
from seld.metrics.protocol import Protocol
from seld.metrics.registry import protocols
from seld.metrics.results import figures, renamed

_Drawn = dict[str, dict[str, np.ndarray]]  # way -> figure -> (resamples,)


def compare_seeds(
    reference: Rows,
    runs: Mapping[str, Mapping[int, Rows]],
    protocol: str = "doa",
    *,
    baseline: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
    **options: Any,
) -> dict[str, Any]:
    """Figures of ways of training with 95 % intervals over seeds and clips, and differences from one of them.

    Args:
        reference, protocol, options: as in `seld.metrics.evaluate`.
        runs: way -> seed -> predictions.
        baseline: the way that the others are compared with; there are no differences without it.
        resamples, seed: of the bootstrap.

    Returns:
        `ways`: name -> `seeds` (a list), `figures` and `intervals` (figure -> value, and (low, high)), and `by_seed`
            (seed -> figure -> value);
        `differences`: as `seld.metrics.compare` gives them, of each way from the baseline;
        `clips`, `resamples`.

    Raises:
        ValueError: as `evaluate`, without any run, and for a baseline that has none.
    """
    if not any(runs.values()):
        raise ValueError("runs must be at least one, got none")
    if baseline is not None and not runs.get(baseline):
        raise ValueError(f"baseline must be one of {', '.join(runs)}, got {baseline!r}")
    if resamples < 1:
        raise ValueError(f"resamples must be >= 1, got {resamples}")
    reading = Reading(**{name: options.pop(name) for name in Reading._fields if name in options})
    chosen = protocols(protocol, options.pop("threshold_deg", None), options)
    runs = {way: dict(sorted(of_way.items())) for way, of_way in runs.items() if of_way}
    counted = {
        (way, number): count(chosen, reference, rows, reading)
        for way, of_way in runs.items()
        for number, rows in of_way.items()
    }
    clips = len(next(iter(counted.values())).clips)
    values, drawn = _figures(chosen, counted, resamples, seed)
    ways = {way: _summary(way, list(of_way), values, drawn[way]) for way, of_way in runs.items()}
    differences = [] if baseline is None else _differences(ways, drawn, baseline, clips)
    return {"ways": ways, "differences": differences, "clips": clips, "resamples": resamples}


def _figures(
    chosen: Mapping[str, Protocol], counted: Mapping[tuple[str, int], Counted], resamples: int, seed: int
) -> tuple[dict[tuple[str, int], dict[str, float]], _Drawn]:
    """(way, seed) -> figure -> value of the whole set, and what the bootstrap gives for each way."""
    values: dict[tuple[str, int], dict[str, float]] = {run: {} for run in counted}
    drawn: _Drawn = {way: {} for way, _ in counted}
    keys = renamed(chosen, next(iter(counted.values())).sums)
    for name, protocol in chosen.items():
        sums = [one.sums[name] for one in counted.values()]
        of_clips = bootstrap(sums, lambda drawn, protocol=protocol: figures(protocol, drawn), resamples, seed)
        for run, of_run in zip(counted, sums, strict=True):
            found = figures(protocol, total(of_run))
            values[run] |= {keys[name][figure]: float(value) for figure, value in found.items()}
        for way, of_way in drawn.items():
            own = [of_seed for run, of_seed in zip(counted, of_clips, strict=True) if run[0] == way]
            generator = np.random.default_rng([seed, 1])  # anew for each way: the same seeds
            picked = generator.integers(len(own), size=(resamples, len(own)))
            for figure, key in keys[name].items():
                of_seeds = np.stack([of_seed[figure] for of_seed in own], axis=1)
                of_way[key] = np.take_along_axis(of_seeds, picked, axis=1).mean(axis=1)
    return values, drawn


def _summary(
    way: str,
    seeds: list[int],
    values: Mapping[tuple[str, int], Mapping[str, float]],
    drawn: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    by_seed = {number: dict(values[way, number]) for number in seeds}
    return {
        "seeds": seeds,
        "figures": {key: float(np.mean([of_seed[key] for of_seed in by_seed.values()])) for key in drawn},
        "intervals": {key: percentile_interval(value) for key, value in drawn.items()},
        "by_seed": by_seed,
    }


def _differences(
    ways: Mapping[str, Mapping[str, Any]], drawn: _Drawn, baseline: str, clips: int
) -> list[dict[str, Any]]:
    rows = []
    for key in drawn[baseline]:
        of_figure = []
        for way in (way for way in ways if way != baseline):
            difference = ways[way]["figures"][key] - ways[baseline]["figures"][key]
            between = drawn[way][key] - drawn[baseline][key]
            low, high = percentile_interval(between)
            row = {"prediction": way, "against": baseline, "figure": key, "difference": difference}
            of_figure.append(row | {"low": low, "high": high, "p": two_sided_p(between, clips)})
        corrected = holm([row["p"] for row in of_figure])
        rows += [row | {"p_holm": p} for row, p in zip(of_figure, corrected, strict=True)]
    return rows
