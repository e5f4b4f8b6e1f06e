"""What a localizer says, and the DCASE rows of it."""

from typing import NamedTuple

import pandas as pd
from torch import Tensor

from seld.geometry import degrees_from_unit
from seld.labels import rows_from_grid
from seld.tracking import TrackingConfig, track


class Estimate(NamedTuple):
    """What the localizer says of a batch of clips."""

    doa: Tensor
    """(B, T, M, 3) unit vectors"""
    activity_logit: Tensor
    """(B, T, M)"""


def estimated_rows(estimate: Estimate, threshold: float = 0.5) -> pd.DataFrame:
    """DCASE rows of one clip's estimates (T, M, 3), (T, M): the output slots whose activity exceeds the threshold."""
    active = estimate.activity_logit.sigmoid() > threshold
    return rows_from_grid(estimate.doa.float().cpu().numpy(), active.cpu().numpy())


def tracked_rows(estimate: Estimate, threshold: float = 0.5, config: TrackingConfig | None = None) -> pd.DataFrame:
    """DCASE rows of one clip's estimates (T, M, 3), (T, M), joined into tracks with lasting identities."""
    doa, logit = (value.float().cpu().numpy() for value in estimate)
    tracks = track(doa, logit, threshold, config)
    azimuth, elevation = degrees_from_unit(tracks.doa)
    columns = {"frame": tracks.frame, "class": 0, "source": tracks.track, "azimuth": azimuth, "elevation": elevation}
    return pd.DataFrame(columns)
