"""Mean angle of pairs by the direction of the reference, on a map of the sphere."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from seld.plots.canvas import NO_DATA_COLOUR, save
from seld.plots.pairs import Pairs, pair

# Rings of 20 degrees. So many bins in each make nearly equal areas (1/100 of the sphere); odd numbers put the
# front into the middle of a bin, and the seam of the map between two.
_BINS = (3, 9, 13, 17, 17, 17, 13, 9, 3)
# Meridians are curved on the map, the edges of its patches are straight.
_STEPS = 10
# Bins with few pairs are often far off. So many of the pairs lie in bins that the scale can tell apart.
_WITHIN_SCALE = 0.98


class Ring(NamedTuple):
    """Bins between two elevations, from azimuth -180 degrees (back) over the right, front and left."""

    low_deg: float
    high_deg: float
    mean_deg: np.ndarray
    """(bins,) mean angle of the pairs whose reference lies in the bin, NaN where there is none"""
    pairs: np.ndarray
    """(bins,) their number"""


def plot_error_on_sphere(
    reference: pd.DataFrame, prediction: pd.DataFrame, path: str | Path, title: str = "", pairs: Pairs | None = None
) -> None:
    """Draw the mean angle of the pairs by the direction of the reference, on a map of equal areas (Mollweide).

    The front is in the middle and the left on the left, as one sees it who looks to the front. The numbers count
    the pairs of each bin; bins without a pair are grey.

    Args:
        reference, prediction: rows (`seld.labels`) of one clip, or of many by a column `clip`. They are paired
            frame by frame whatever their classes, as in the protocol `doa`.
        path: of the PNG file.
        title: above the picture.
        pairs: what `seld.plots.pairs.pair` makes of the two, where that is known already.
    """
    pairs = pairs or pair(reference, prediction)
    rings = error_by_direction(reference.iloc[pairs.reference], pairs.angle_deg)
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    panel = figure.add_subplot(projection="mollweide")
    panel.set_facecolor(NO_DATA_COLOUR)
    scale = ScalarMappable(Normalize(0, _end_of_scale(rings)), "viridis_r")
    for ring in rings:
        _draw_ring(panel, ring, scale)
    _style_map(panel)
    cut = any((ring.mean_deg > scale.norm.vmax).any() for ring in rings)
    label = "mean angle of the pairs (degrees)"
    figure.colorbar(scale, ax=panel, label=label, extend="max" if cut else "neither", shrink=0.75, aspect=25)
    # The mean of nothing is NaN, but NumPy warns of it.
    mean = f"mean angle {pairs.angle_deg.mean():.1f}°" if len(pairs.angle_deg) else "no mean"
    caption = f"{len(pairs.angle_deg):,} pairs, {mean}. Numbers: pairs by the direction of the reference; grey: none"
    figure.supxlabel(caption, fontsize="medium")
    figure.suptitle(title)
    save(figure, path)


def error_by_direction(directions: pd.DataFrame, angle_deg: np.ndarray) -> list[Ring]:
    """Mean angle and number of pairs in bins of nearly equal area, from the lowest ring to the highest.

    Args:
        directions: `azimuth` and `elevation` of the reference of each pair, degrees.
        angle_deg: (pairs,) the angle of each.
    """
    azimuth, elevation = directions["azimuth"].to_numpy(np.float64), directions["elevation"].to_numpy(np.float64)
    ring_of = np.minimum((elevation + 90) // 20, len(_BINS) - 1)
    rings = []
    for ring, bins in enumerate(_BINS):
        inside = ring_of == ring
        index = ((azimuth[inside] + 180) % 360 * bins // 360).astype(np.int64)
        number = np.bincount(index, minlength=bins)
        total = np.bincount(index, weights=angle_deg[inside], minlength=bins)
        mean = np.divide(total, number, out=np.full(bins, np.nan), where=number > 0)
        rings.append(Ring(20 * ring - 90, 20 * ring - 70, mean, number))
    return rings


def _draw_ring(panel: Axes, ring: Ring, scale: ScalarMappable) -> None:
    # On the map longitudes grow to the right, azimuths to the left.
    longitude = -np.linspace(-np.pi, np.pi, len(ring.pairs) + 1)
    latitude = np.deg2rad(np.linspace(ring.low_deg, ring.high_deg, _STEPS + 1))
    means = np.ma.masked_invalid(np.tile(ring.mean_deg, (_STEPS, 1)))
    panel.pcolormesh(longitude, latitude, means, norm=scale.norm, cmap=scale.cmap, rasterized=True)
    for edge in longitude[1:-1]:
        panel.plot(np.full(_STEPS + 1, edge), latitude, color="white", linewidth=0.8)
    panel.plot(longitude[[0, -1]], latitude[[-1, -1]], color="white", linewidth=0.8)
    middle = (longitude[1:] + longitude[:-1]) / 2
    for place, mean, number in zip(middle, ring.mean_deg, ring.pairs, strict=True):
        if number:
            dark = mean > 0.5 * scale.norm.vmax
            panel.text(
                place, latitude[_STEPS // 2], f"{number}", color="white" if dark else "black",
                ha="center", va="center", fontsize="x-small",
            )  # fmt: skip


def _end_of_scale(rings: list[Ring]) -> float:
    """A multiple of 5 degrees that the means of nearly all pairs' bins are below."""
    mean = np.concatenate([ring.mean_deg for ring in rings])
    number = np.concatenate([ring.pairs for ring in rings])
    order = np.argsort(mean)  # NaN, with 0 pairs, at the end
    if number.sum() == 0:
        return 5.0
    share = np.cumsum(number[order]) / number.sum()
    return max(5.0, 5 * np.ceil(mean[order][np.searchsorted(share, _WITHIN_SCALE)] / 5))


def _style_map(panel: Axes) -> None:
    """Elevations beside the map, azimuths on the first edge below the horizon, where no number stands."""
    elevations = np.arange(-70, 71, 20)
    panel.set_yticks(np.deg2rad(elevations), [f"{elevation}°" for elevation in elevations], fontsize="small")
    panel.set_xticks([])
    for azimuth in range(-135, 136, 45):
        where = {90: "left ", 0: "azimuth ", -90: "right "}.get(azimuth, "")
        panel.text(
            -np.deg2rad(azimuth), np.deg2rad(-10), f"{where}{azimuth}°", ha="center", va="center", fontsize="small",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
        )  # fmt: skip
    panel.set_ylabel("elevation")
