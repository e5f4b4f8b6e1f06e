import numpy as np
import pandas as pd
import pytest

from seld.geometry import unit_from_degrees
from seld.labels import grid_from_rows, read_rows, rows_from_grid, write_rows


def table(*rows):
    return pd.DataFrame(rows, columns=["frame", "class", "source", "azimuth", "elevation"])


def test_rows_survive_writing_and_reading(tmp_path):
    rows = table((0, 3, 1, -180, 40), (0, 3, 2, 179, -90), (7, 0, 0, 12, 0)).assign(distance=[0.5, 1.2, 0.07])
    write_rows(tmp_path / "clip.csv", rows)
    assert (tmp_path / "clip.csv").read_text() == "0,3,1,-180,40,50\n0,3,2,179,-90,120\n7,0,0,12,0,7\n"
    pd.testing.assert_frame_equal(read_rows(tmp_path / "clip.csv"), rows, check_dtype=False)


def test_rounding_up_to_180_wraps(tmp_path):
    write_rows(tmp_path / "clip.csv", table((0, 0, 0, 179.7, 0)))
    assert (tmp_path / "clip.csv").read_text() == "0,0,0,-180,0\n"


def test_an_empty_file_is_a_silent_clip(tmp_path):
    (tmp_path / "clip.csv").write_text("")
    rows = read_rows(tmp_path / "clip.csv")
    assert len(rows) == 0 and list(rows) == ["frame", "class", "source", "azimuth", "elevation"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0,0,10\n", r"clip.csv:1: expected 5 or 6 columns .*got 4"),
        ("0,0,0,10,20\n0,0,0,10\n", r"clip.csv:2: expected 5 columns as above, got 4"),
        ("frame,class,source,azimuth,elevation\n", r"clip.csv:1: expected numbers without header"),
        ("0,0,0,10,20\n\n1,0,0,200,20\n", r"clip.csv:3: azimuth must be a number from -180 to 180, got 200"),
        ("0,0,0,10,91\n", r"clip.csv:1: elevation must be a number from -90 to 90, got 91"),
        ("0,0,0,nan,9\n", r"clip.csv:1: azimuth must be a number from -180 to 180, got nan"),
        ("-1,0,0,10,9\n", r"clip.csv:1: frame must be a whole number >= 0, got -1"),
        ("1.5,0,0,10,9\n", r"clip.csv:1: frame must be a whole number >= 0, got 1.5"),
        ("1,0,0,10,9,-3\n", r"clip.csv:1: distance must be a number >= 0, got -3"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, message):
    (tmp_path / "clip.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / "clip.csv")


def test_binary_and_missing_files_are_refused(tmp_path):
    (tmp_path / "clip.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match=r"clip.csv:1: expected text"):
        read_rows(tmp_path / "clip.csv")
    with pytest.raises(FileNotFoundError, match=r"none.csv: no such file"):
        read_rows(tmp_path / "none.csv")


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
