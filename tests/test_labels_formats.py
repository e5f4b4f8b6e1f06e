"""Every format by hand: what a file says, and what is written of it."""

import numpy as np
import pandas as pd
import pytest

from seld.labels import CLASSES_2019, FORMATS, read_rows, write_rows

POLAR = ["frame", "class", "source", "azimuth", "elevation"]
ROOT_HALF = "0.7071067811865476"


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("format", "text", "rows", "columns"),
    [
        ("polar", "3,2,1,-90,45\n", [3, 2, 1, -90, 45], POLAR),
        ("polar", "3,2,1,-90.25,4.5e1\n", [3, 2, 1, -90.25, 45], POLAR),
        ("polar_cm", "3,2,1,90,-5,123\n", [3, 2, 1, 90, -5, 1.23], [*POLAR, "distance"]),
        ("polar_m", "3,2,1,90,-5,1.25\n", [3, 2, 1, 90, -5, 1.25], [*POLAR, "distance"]),
        ("cartesian", "3,2,1,0,-1,0\n", [3, 2, 1, -90, 0], POLAR),
        ("cartesian", f"3,2,1,{ROOT_HALF},0,{ROOT_HALF}\n", [3, 2, 1, 0, 45], POLAR),
        ("cartesian", "3,2,1,0,0.5,0\n", [3, 2, 1, 90, 0, 0.5], [*POLAR, "length"]),
        ("cartesian_m", "3,2,1,0,0,1,2.5\n", [3, 2, 1, 0, 90, 2.5], [*POLAR, "distance"]),
        ("cartesian_cm", "3,2,1,0,0,-1,250\n", [3, 2, 1, 0, -90, 2.5], [*POLAR, "distance"]),
        ("bare", "3,2,10,20\n", [3, 2, 0, 10, 20], POLAR),
        ("dcase2019_output", "3,2,180,20\n", [3, 2, 0, 180, 20], POLAR),
        ("dcase2025", "frame,class,source,azimuth,distance,onscreen\n3,2,1,-30,150,1\n",
            [3, 2, 1, -30, 0, 1.5, 1], [*POLAR, "distance", "onscreen"]),
    ],
)  # fmt: skip
def test_a_row_of_each_format(tmp_path, format, text, rows, columns):
    table = read_rows(write(tmp_path / "clip.csv", text), format)
    assert list(table) == columns
    np.testing.assert_allclose(table.to_numpy(dtype=float), [rows], rtol=0, atol=1e-12)
    assert [str(table[name].dtype) for name in POLAR] == ["int64"] * 3 + ["float64"] * 2
    write_rows(tmp_path / "again.csv", table, format, decimals=9)
    again = read_rows(tmp_path / "again.csv", format)
    pd.testing.assert_frame_equal(again, table, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "width", "base"),
    [
        *((f"dcase{year}", 5, "polar") for year in range(2020, 2025)),
        *((f"dcase{year}_output", 6, "cartesian") for year in range(2020, 2023)),
        *((f"dcase{year}_output", 5, "polar") for year in range(2020, 2025)),
        ("dcase2023", 6, "polar_cm"),
        ("dcase2024", 6, "polar_cm"),
        ("dcase2023_output", 6, "polar_cm"),
        ("dcase2023_output", 7, "cartesian_m"),
        ("dcase2024_output", 4, "bare"),
        ("dcase2024_output", 6, "polar_m"),
        ("dcase2024_output", 7, "cartesian_m"),
        ("seld", 5, "polar"),
        ("seld", 6, "polar_cm"),
    ],
)
def test_a_year_tells_its_formats_apart_by_width(tmp_path, name, width, base):
    path = write(tmp_path / "clip.csv", ",".join("0" * width) + "\n")
    pd.testing.assert_frame_equal(read_rows(path, name), read_rows(path, base))
    widths = [len(layout.columns) for layout in FORMATS[name].layouts]
    assert len(set(widths)) == len(widths)


def test_every_base_format_has_one_list_of_columns():
    bases = "polar polar_cm polar_m cartesian cartesian_m cartesian_cm bare dcase2019 dcase2019_output dcase2025"
    assert all(len(FORMATS[name].layouts) == 1 for name in bases.split())
    with pytest.raises(ValueError, match="format must be one of polar, polar_cm.*got 'dcase1999'"):
        read_rows("clip.csv", "dcase1999")


def test_an_event_of_2019_lasts_from_the_floor_to_the_ceiling_of_its_times(tmp_path):
    header = "sound_event_recording,start_time,end_time,ele,azi,dist\n"
    text = header + "speech,0.05,0.09,10,-180,2\nknock,0.58,0.61,-40,170,1\n"
    rows = read_rows(write(tmp_path / "clip.csv", text), "dcase2019")
    # 0.05 s is frame 2.5 and 0.09 s frame 4.5; 0.58 s is frame 29, but 28.999999999999996 in floating point.
    assert rows.frame.tolist() == [2, 3, 4, 5, 28, 29, 30, 31]
    assert rows["class"].tolist() == [5] * 4 + [0] * 4
    assert rows.source.tolist() == [0] * 4 + [1] * 4
    assert rows.iloc[0].tolist() == [2, 5, 0, -180, 10, 2]


def test_frames_of_2019_are_written_as_events_that_are_read_as_the_same_frames(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for source in range(60):
        begin, length = rng.integers(0, 2900), rng.integers(2, 100)
        place = (rng.integers(0, 11), source, 10 * rng.integers(-18, 18), 10 * rng.integers(-4, 5), 1 + source % 2)
        rows += [(frame, *place) for frame in range(begin, begin + length)]
    rows = pd.DataFrame(rows, columns=[*POLAR, "distance"]).sort_values(["frame", "source"], ignore_index=True)
    write_rows(tmp_path / "clip.csv", rows, "dcase2019")
    lines = (tmp_path / "clip.csv").read_text().splitlines()
    assert lines[0] == "sound_event_recording,start_time,end_time,ele,azi,dist"
    assert len(lines) == 61
    assert {line.split(",")[0] for line in lines[1:]} <= set(CLASSES_2019)
    again = read_rows(tmp_path / "clip.csv", "dcase2019")
    order = ["frame", "class", "azimuth", "elevation", "distance"]
    columns = rows[order].sort_values(order), again[order].sort_values(order)
    np.testing.assert_array_equal(*(side.to_numpy(dtype=float) for side in columns))


def test_a_source_that_moves_is_several_events(tmp_path):
    rows = pd.DataFrame({"frame": range(4), "class": 3, "source": 0, "azimuth": [0, 0, 10, 10], "elevation": 0})
    write_rows(tmp_path / "clip.csv", rows.assign(distance=1), "dcase2019")
    expected = "phone,0.0,0.02,0,0,1\nphone,0.04,0.06,0,10,1\n"
    assert (tmp_path / "clip.csv").read_text().split("\n", 1)[1] == expected


def test_the_order_of_the_classes_of_2019_is_that_of_the_task():
    assert [CLASSES_2019.index(name) for name in ("knock", "keysDrop", "speech", "laughter")] == [0, 4, 5, 10]
    assert len(CLASSES_2019) == 11


def test_whole_degrees_and_centimetres_unless_decimals_are_wanted(tmp_path):
    rows = pd.DataFrame([[0, 0, 0, 179.7, -0.4, 1.234]], columns=[*POLAR, "distance"])
    for format, decimals, expected in (
        ("seld", None, "0,0,0,-180,0,123\n"),
        ("polar_cm", 2, "0,0,0,179.7,-0.4,123.4\n"),
        ("polar_m", None, "0,0,0,-180,0,1.234\n"),
        ("polar", 0, "0,0,0,-180,0\n"),
        ("dcase2019_output", None, "0,0,180,0\n"),
    ):
        write_rows(tmp_path / "clip.csv", rows, format, decimals)
        assert (tmp_path / "clip.csv").read_text() == expected, format


def test_a_year_is_written_in_the_first_layout_that_the_rows_fill(tmp_path):
    rows = pd.DataFrame([[0, 0, 0, 90, 0]], columns=POLAR)
    far = rows.assign(distance=2.0)
    for table, format, width in (
        (rows, "seld", 5), (far, "seld", 6), (far, "dcase2020", 5), (rows, "dcase2022_output", 6),
        (far, "dcase2024_output", 7), (rows, "dcase2024_output", 5), (far, "dcase2024", 6), (far, "bare", 4),
    ):  # fmt: skip
        write_rows(tmp_path / "clip.csv", table, format)
        assert len((tmp_path / "clip.csv").read_text().split(",")) == width, format


def test_a_format_that_needs_more_than_the_rows_have_is_refused(tmp_path):
    rows = pd.DataFrame([[0, 11, 0, 90, 0]], columns=POLAR)
    with pytest.raises(ValueError, match="format polar_m needs the column distance, which the rows lack"):
        write_rows(tmp_path / "clip.csv", rows, "polar_m")
    with pytest.raises(ValueError, match="dcase2025 needs the column onscreen"):
        write_rows(tmp_path / "clip.csv", rows.assign(distance=1), "dcase2025")
    with pytest.raises(ValueError, match="class must be below 11 in format dcase2019, got 11"):
        write_rows(tmp_path / "clip.csv", rows.assign(distance=1), "dcase2019")
    with pytest.raises(ValueError, match="frame 7 alone must be part of a longer event"):
        write_rows(tmp_path / "clip.csv", rows.assign(distance=1, frame=7) % 8, "dcase2019")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_silence_is_written_and_read_in_every_format(tmp_path, name):
    write_rows(tmp_path / "clip.csv", pd.DataFrame(columns=POLAR), name)
    text = (tmp_path / "clip.csv").read_text()
    assert text == (",".join(FORMATS[name].layouts[0].header) + "\n" if FORMATS[name].layouts[0].header else "")
    rows = read_rows(tmp_path / "clip.csv", name)
    assert len(rows) == 0 and list(rows)[:5] == POLAR


@pytest.mark.parametrize("name", ["seld", "polar_m", "cartesian_m", "cartesian_cm", "dcase2024_output", "dcase2023"])
def test_random_rows_survive_each_format(tmp_path, name):
    rng = np.random.default_rng(1)
    count = 300
    rows = pd.DataFrame(
        {
            "frame": np.sort(rng.integers(0, 100, count)),
            "class": rng.integers(0, 13, count),
            "source": rng.integers(0, 4, count),
            "azimuth": rng.integers(-180, 180, count).astype(float),
            "elevation": rng.integers(-90, 91, count).astype(float),
            "distance": rng.integers(0, 1000, count) / 100,
        }
    )
    write_rows(tmp_path / "clip.csv", rows, name)
    pd.testing.assert_frame_equal(read_rows(tmp_path / "clip.csv", name), rows, rtol=0, atol=1e-11)


def test_cartesian_rounds_as_the_official_converter_does(tmp_path):
    """Bit for bit, since an angle at the threshold is a hit or none by its last digit (seld-dcase2022 c8adb1d)."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(500, 3)).clip(-2, 2)
    lines = [f"0,0,{row},{x!r},{y!r},{z!r}\n" for row, (x, y, z) in enumerate(vectors.tolist())]
    rows = read_rows(write(tmp_path / "clip.csv", "".join(lines)), "cartesian")
    x, y, z = vectors.T
    assert (rows.azimuth == np.arctan2(y, x) * 180 / np.pi).all()
    assert (rows.elevation == np.arctan2(z, np.sqrt(x**2 + y**2)) * 180 / np.pi).all()
