import numpy as np
import pandas as pd
import pytest

from seld.geometry import unit_from_degrees
from seld.labels import change_frames, check_rows, grid_from_rows, rows_from_grid


def table(*rows):
    return pd.DataFrame(rows, columns=["frame", "class", "source", "azimuth", "elevation"])


def test_a_source_keeps_its_slot_when_another_ends():
    rows = table((0, 0, 7, 0, 0), (0, 0, 9, 90, 0), (1, 0, 9, 90, 0), (2, 0, 9, 90, 0), (2, 0, 5, 10, 0))
    grid = grid_from_rows(rows, frames=4, slots=2)
    assert grid.active.tolist() == [[True, True], [False, True], [True, True], [False, False]]
    np.testing.assert_allclose(grid.doa[:3, 1], np.tile([0, 1, 0], (3, 1)), atol=1e-7)
    np.testing.assert_allclose(grid.doa[2, 0], unit_from_degrees(10, 0), atol=1e-7)


def test_two_rows_of_one_source_are_told_apart_by_their_order():
    rows = table(*((frame, 1, 0, azimuth, 0) for frame in range(3) for azimuth in (0, 90)))
    grid = grid_from_rows(rows, frames=3, slots=2)
    np.testing.assert_allclose(grid.doa[:, 0], np.tile([1, 0, 0], (3, 1)), atol=1e-7)


def test_too_many_sources_and_late_frames_are_refused():
    rows = table((0, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 1, 0, 0, 0))
    with pytest.raises(ValueError, match="3 sources sound at once, but there are only 2 tracks"):
        grid_from_rows(rows, frames=1, slots=2)
    with pytest.raises(ValueError, match="frame 5 lies beyond the audio, which has 5 frames"):
        grid_from_rows(table((5, 0, 0, 0, 0)), frames=5, slots=2)


def test_rows_of_a_grid_are_its_active_tracks():
    doa = np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, -1]]], dtype=np.float32)
    rows = rows_from_grid(doa, np.array([[False, True], [True, True]]))
    assert rows.to_numpy().tolist() == [[0, 0, 1, 90, 0], [1, 0, 0, 0, 90], [1, 0, 1, 0, -90]]


def test_long_frames_are_cut_into_short_ones():
    rows = change_frames(table((2, 0, 0, 10, 0), (2, 1, 0, 20, 0), (3, 0, 0, 11, 0)), 0.1, 0.02)
    assert rows[rows["class"] == 0].frame.tolist() == list(range(10, 20))
    assert rows[rows["class"] == 1].frame.tolist() == list(range(10, 15))
    assert rows.frame.is_monotonic_increasing
    assert rows[rows["class"] == 0].azimuth.tolist() == [10] * 5 + [11] * 5


def test_a_long_frame_sounds_when_half_of_it_does_and_takes_the_place_of_its_middle():
    moving = [(frame, 0, 0, 10 * frame, 0) for frame in range(5)]
    most = [(frame, 1, 0, frame, 0) for frame in (7, 8, 9)]
    little = [(frame, 2, 0, 0, 0) for frame in (10, 11)]
    rows = change_frames(table(*moving, *most, *little), 0.02, 0.1)
    assert rows.to_numpy().tolist() == [[0, 0, 0, 20, 0], [1, 1, 0, 7, 0]]


def test_frames_come_back_from_a_finer_raster():
    rows = table((0, 1, 0, 0, 0), (0, 1, 0, 50, 0), (4, 2, 1, -180, 3))
    pd.testing.assert_frame_equal(change_frames(change_frames(rows, 0.1, 0.02), 0.02, 0.1), rows)
    with pytest.raises(ValueError, match="whole multiples"):
        change_frames(rows, 0.1, 0.03)


def test_a_table_is_checked_and_brought_into_its_types():
    rows = table((0.0, 1.0, 0.0, 180, 4)).assign(distance=2, other="text")
    checked = check_rows(rows, "reference a")
    assert checked.to_numpy().tolist() == [[0, 1, 0, -180, 4, 2]]
    assert [str(kind) for kind in checked.dtypes] == ["int64"] * 3 + ["float64"] * 3


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("frame", -1, "clip, row 1: frame must be a whole number >= 0, got -1"),
        ("frame", 0.5, "clip, row 1: frame must be a whole number >= 0, got 0.5"),
        ("class", 1e12, "clip, row 1: class must be a whole number up to 2147483647, got 1e.12"),
        ("azimuth", np.nan, "clip, row 1: azimuth must be a number from -180 to 180, got nan"),
        ("elevation", 90.5, "clip, row 1: elevation must be a number from -90 to 90, got 90.5"),
        ("distance", np.inf, "clip, row 1: distance must be a number >= 0, got inf"),
        ("azimuth", "left", "clip: the column azimuth must hold numbers"),
    ],
)
def test_a_bad_table_is_refused_by_row_and_column(column, value, message):
    rows = table((0, 0, 0, 0, 0), (1, 0, 0, 0, 0)).assign(distance=1.0).astype(object)
    rows.loc[1, column] = value
    with pytest.raises(ValueError, match=message):
        check_rows(rows.infer_objects(), "clip")
