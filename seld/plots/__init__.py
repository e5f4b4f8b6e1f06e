"""Pictures as PNG files: tracks over time, training curves, associations."""

from seld.plots.associations import plot_associations
from seld.plots.canvas import COLOURS, REFERENCE_COLOUR
from seld.plots.curves import plot_curves
from seld.plots.tracks import RANGE_DEG, plot_tracks

__all__ = ["COLOURS", "RANGE_DEG", "REFERENCE_COLOUR", "plot_associations", "plot_curves", "plot_tracks"]
