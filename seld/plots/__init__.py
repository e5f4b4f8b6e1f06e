"""Pictures as PNG files: tracks over time, what scores are made of, training curves, associations, comparisons."""

from seld.plots.associations import plot_associations
from seld.plots.canvas import COLOURS, REFERENCE_COLOUR
from seld.plots.confusion import plot_confusion
from seld.plots.curves import plot_curves
from seld.plots.errors import plot_errors
from seld.plots.events import plot_events
from seld.plots.hnet import plot_pairs, plot_separations
from seld.plots.intervals import plot_intervals
from seld.plots.scores import plot_scores
from seld.plots.sphere import plot_error_on_sphere
from seld.plots.tracks import RANGE_DEG, plot_tracks

__all__ = [
    "COLOURS",
    "RANGE_DEG",
    "REFERENCE_COLOUR",
    "plot_associations",
    "plot_confusion",
    "plot_curves",
    "plot_error_on_sphere",
    "plot_errors",
    "plot_events",
    "plot_intervals",
    "plot_pairs",
    "plot_scores",
    "plot_separations",
    "plot_tracks",
]
