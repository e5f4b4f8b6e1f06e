"""What a protocol is: countable sums of each clip, and figures made of sums.

Sums add up over clips. So the figures of a set come from the sum over its clips, those without one clip from
a subtraction, and a resampled set from a weighted sum: no frame is looked at twice.
"""

from typing import Protocol as Interface

import numpy as np
import pandas as pd

Sums = dict[str, np.ndarray]
"""name -> float64 array (clips, ...); what the further axes are (classes, thresholds) is the protocol's affair"""

Figures = dict[str, np.ndarray]
"""name -> float64 array (...), one value for each index of the leading axes of the sums"""


class ClipError(ValueError):
    """Rows that a protocol cannot count; whoever knows the names of the clips tells which one."""

    def __init__(self, clip: int, message: str):
        super().__init__(message)
        self.clip = clip


class Protocol(Interface):
    """A frozen dataclass whose fields are the protocol's options."""

    reference_format: str
    """name of the file format of references (`seld.labels.FORMATS`) unless the user names another"""
    prediction_format: str
    bias_corrected: bool
    """whether the jackknife interval stands around the bias-corrected estimate, as in the DCASE code"""

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """The sums of each clip.

        Args:
            reference, prediction: rows as in `seld.labels`, with a column `clip` from 0 to clips - 1.
            clips: their number; a clip without a row on either side counts as silent.
        """

    def score(self, sums: Sums) -> Figures:
        """The figures of sums with any leading axes: (clips, ...) gives those of each clip, (...) one set."""

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        """Figures by class (`classwise`) or by number of active sources (`by_sources`) of one set's sums."""
