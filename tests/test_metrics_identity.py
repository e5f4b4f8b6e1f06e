import numpy as np
import pytest
from tracks import figures, rows, sums

from seld.metrics.mot import Mot

NAMES = ("IDF1", "IDP", "IDR")


def identity(reference, prediction, **options):
    scores = figures(Mot(**options), reference, prediction)
    return tuple(scores[name] for name in NAMES)


def test_every_figure_by_hand():
    reference = rows(*((frame, 0, 0) for frame in range(5)), *((frame, 1, 90) for frame in range(3)))
    prediction = rows(
        *((frame, 0, 5) for frame in range(3)), *((frame, 1, 5) for frame in range(3, 5)), (0, 2, 95), (1, 2, 120)
    )
    # Source 0 gets track 0 (3 frames together) rather than track 1 (2); source 1 gets track 2, near in one frame.
    assert identity(reference, prediction) == pytest.approx((2 * 4 / (8 + 7), 4 / 7, 4 / 8))


def test_tracks_are_given_so_that_the_whole_is_best():
    reference = rows(*((frame, 0, 0) for frame in range(6)), *((frame, 1, 10) for frame in range(6)))
    prediction = rows(*((frame, 0, 5) for frame in range(6)), *((frame, 1, -15) for frame in range(5)))
    # Track 0 is near both sources in 6 frames, track 1 only near source 0, in 5: 6 + 5, not 6 + 0.
    assert identity(reference, prediction) == pytest.approx((2 * 11 / 23, 1, 11 / 12))


def test_the_gate_includes_its_angle():
    assert identity(rows((0, 0, 0)), rows((0, 0, 20))) == (1, 1, 1)
    assert identity(rows((0, 0, 0)), rows((0, 0, 20)), threshold_deg=19.9) == (0, 0, 0)


def test_identities_end_with_the_clip():
    clip = rows((0, 0, 0)), rows((0, 0, 0))
    other = rows((0, 0, 0)), rows((0, 1, 0))
    assert sums(Mot(), clip, other)["identity_matches"].tolist() == [1, 1]


def test_silence():
    assert np.isnan(identity(rows(), rows())).all()
    f1, precision, recall = identity(rows((0, 0, 0)), rows())
    assert (f1, recall) == (0, 0) and np.isnan(precision)
