"""Good files in odd shapes, bad files named by line and column, and files that no one meant."""

import gzip
import os
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seld.labels import FORMATS, line_of, read_clips, read_rows, reading, write_rows

HEADER_2019 = "sound_event_recording,start_time,end_time,ele,azi,dist\n"
HEADER_2025 = "frame,class,source,azimuth,distance,onscreen\n"


def table(*rows):
    names = ["frame", "class", "source", "azimuth", "elevation", "distance"]
    return pd.DataFrame(rows, columns=names[: len(rows[0])])


def test_rows_survive_writing_and_reading(tmp_path):
    rows = table((0, 3, 1, -180, 40, 0.5), (0, 3, 2, 179, -90, 1.2), (7, 0, 0, 12, 0, 0.07))
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
    "text",
    [
        b"\xef\xbb\xbf1,2,0,30,-5\n4,2,0,31,-6\n",
        b"1,2,0,30,-5\r\n4,2,0,31,-6\r\n",
        b"1,2,0,30,-5\r4,2,0,31,-6",
        b"\n \n1,2,0,30,-5\n\n\t\n4,2,0,31,-6\n\n",
        b" 1, 2,\t0 , 30,-5\n4,2,0,31,-6",
        b"1.0,2,+0,3e1,-5.\n4,2,0,31.000,-06",
        gzip.compress(b"1,2,0,30,-5\n4,2,0,31,-6\n"),
    ],
    ids=["byte-order mark", "Windows", "old Mac", "blank lines", "spaces", "numbers", "gzip"],
)
@pytest.mark.parametrize("block", [1, 7, 1 << 22])
def test_the_same_rows_in_other_bytes(tmp_path, monkeypatch, text, block):
    monkeypatch.setattr(reading, "_BLOCK", max(block, 3) if text[:1] == b"\xef" else max(block, 2))
    (tmp_path / "clip.csv").write_bytes(text)
    assert read_rows(tmp_path / "clip.csv").to_numpy().tolist() == [[1, 2, 0, 30, -5], [4, 2, 0, 31, -6]]


def test_180_is_read_as_minus_180_and_other_angles_to_the_last_digit(tmp_path):
    texts = ["180", "-180", "12.3", "-0.1", "33.333333333333336", "1e-300"]
    (tmp_path / "clip.csv").write_text("".join(f"0,0,{row},{text},0\n" for row, text in enumerate(texts)))
    assert read_rows(tmp_path / "clip.csv").azimuth.tolist() == [-180, *map(float, texts[1:])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0,0,10\n", r"clip.csv:1: expected 5 or 6 columns .*got 4"),
        ("0,0,0,10,20\n0,0,0,10\n", r"clip.csv:2: expected 5 columns as above, got 4"),
        ("0,0,0,10,20\n0,0,0,10,20,\n", r"clip.csv:2: expected 5 columns as above, got 6"),
        ("0,0,0,10,20\n0,0,0,10\n0,0,0,0,0,0\n", r"clip.csv:2: expected 5 columns as above, got 4"),
        ("frame,class,source,azimuth,elevation\n", r"clip.csv:1: expected numbers without header"),
        ("0,0,0,10,20\n\n1,0,0,200,20\n", r"clip.csv:3: azimuth must be a number from -180 to 180, got 200"),
        ("0,0,0,10,91\n", r"clip.csv:1: elevation must be a number from -90 to 90, got 91"),
        ("0,0,0,nan,9\n", r"clip.csv:1: azimuth must be a number from -180 to 180, got nan"),
        ("0,0,0,left,9\n", r"clip.csv:1: azimuth must be a number from -180 to 180, got left"),
        ("0,0,0,inf,9\n", r"clip.csv:1: azimuth must be a number from -180 to 180, got inf"),
        ("0,0,0,,9\n", r"clip.csv:1: azimuth must be a number from -180 to 180, got nothing"),
        ("0,0,True,1,9\n", r"clip.csv:1: source must be a whole number, got True"),
        ("-1,0,0,10,9\n", r"clip.csv:1: frame must be a whole number >= 0, got -1"),
        ("1.5,0,0,10,9\n", r"clip.csv:1: frame must be a whole number >= 0, got 1.5"),
        ("1e30,0,0,10,9\n", r"clip.csv:1: frame must be a whole number up to 2147483647, got 1e.30"),
        ("1,-2,0,10,9\n", r"clip.csv:1: class must be a whole number >= 0, got -2"),
        ("1,0,0,10,9,-3\n", r"clip.csv:1: distance must be a number >= 0, got -3"),
        ("1,0,0,10,9,1e999\n", r"clip.csv:1: distance must be a number >= 0, got inf"),
        ("1,0,0,1_0,9\n", r"clip.csv:1: azimuth .* got 1_0"),
        ("1,0,0,'1',9\n", r"clip.csv:1: azimuth .* got '1'"),
        ("1;0;0;1;9\n", r"clip.csv:1: expected 5 or 6 columns .*got 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, message):
    (tmp_path / "clip.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / "clip.csv")


@pytest.mark.parametrize(
    ("format", "text", "message"),
    [
        ("polar", "0,0,0,1,2,3\n", r":1: expected 5 columns in format polar .*got 6"),
        ("polar_cm", "0,0,0,1,2\n", r":1: expected 6 columns in format polar_cm .*got 5"),
        ("dcase2022_output", "0,0,0,135,20,150\n", r":1: x must be a number from -2 to 2, got 135 \(.*polar format\)"),
        ("dcase2025", "0,0,0,1,2,1\n", r":1: expected the header frame,class,source,azimuth,distance,onscreen"),
        ("dcase2025", HEADER_2025 + "0,0,0,1,2,2\n", r":2: onscreen must be a whole number from 0 to 1, got 2"),
        ("dcase2025", HEADER_2025 * 2, r":2: expected numbers without header"),
        ("dcase2019", "speech,0,1,0,0,1\n", r":1: expected the header sound_event_recording"),
        ("dcase2019", HEADER_2019.replace("ele,azi", "azi,ele"), r":1: expected the header"),
        ("dcase2019", HEADER_2019 + "song,0,1,0,0,1\n", r":2: class must be one of knock, .*got song"),
        ("dcase2019", HEADER_2019 + "knock,0,1,0.5,0,1\n", r":2: elevation must be a whole number .*got 0.5"),
        ("dcase2019", HEADER_2019 + "knock,2,1,0,0,1\n", r":2: end must not be before start, 2, got 1"),
        ("dcase2019", HEADER_2019 + "knock,-1,1,0,0,1\n", r":2: start must be a number from 0 to 86400, got -1"),
        ("dcase2019", HEADER_2019 + "knock,0,86400,0,0,1\n" * 9, r": all events must last at most 400000 s together"),
        ("dcase2019_output", "1,2,3.5,4\n", r":1: azimuth must be a whole number from -180 to 180, got 3.5"),
    ],
)
def test_a_bad_line_of_other_formats_is_named(tmp_path, format, text, message):
    (tmp_path / "clip.csv").write_text(text)
    with pytest.raises(ValueError, match="clip.csv" + message):
        read_rows(tmp_path / "clip.csv", format)


def test_a_header_may_be_worded_otherwise_in_the_same_order(tmp_path):
    text = "Frame, Class,source,azimuth_deg,distance_cm,onscreen\r\n1,2,0,30,150,0\r\n"
    (tmp_path / "clip.csv").write_text(text)
    assert read_rows(tmp_path / "clip.csv", "dcase2025").distance.tolist() == [1.5]


def test_binary_damaged_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "clip.csv"
    for content in (b"\xff\xfe\x00\x81", b"PK\x03\x04\x00", "0,0,0,0,0\n".encode("utf-16")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"clip.csv:1: expected text"):
            read_rows(path)
    path.write_bytes(b"0,0,0,0,0\n" * 3 + b"0,0,\xff,0,0\n")
    with pytest.raises(ValueError, match=r"clip.csv:4: expected text"):
        read_rows(path)
    path.write_bytes(gzip.compress(b"0,0,0,0,0\n" * 1000)[:-20])
    with pytest.raises(ValueError, match=r"clip.csv: damaged gzip file"):
        read_rows(path)
    path.write_bytes(b"0,0,0,0,0\n" + b"0" * (1 << 23))
    with pytest.raises(ValueError, match=r"clip.csv:2: expected text.*a line of over 65536 bytes"):
        read_rows(path)
    with pytest.raises(FileNotFoundError, match=r"none.csv: no such file"):
        read_rows(tmp_path / "none.csv")


def test_many_files_give_the_rows_of_each(tmp_path):
    rng = np.random.default_rng(0)
    tables, paths = [], []
    for clip in range(12):
        width = 5 + clip % 2
        count = 0 if clip == 5 else int(rng.integers(1, 30))
        rows = table(*([[0] * width] * max(count, 1))).iloc[:count].astype(float)
        for name, high in zip(rows, (600, 13, 3, 180, 90, 5), strict=False):
            rows[name] = rng.integers(0, high, count)
        paths.append(tmp_path / f"{clip}.csv{'.gz' if clip == 3 else ''}")
        write_rows(paths[-1], rows)
        tables.append(read_rows(paths[-1]).assign(clip=clip))
    paths[7].write_bytes(paths[7].read_bytes().replace(b"\n", b"\n \n"))  # which the fast reader leaves to the other
    rows = read_clips(paths)
    expected = pd.concat([rows for rows in tables if len(rows)], ignore_index=True)
    assert rows.distance.isna().any()
    pd.testing.assert_frame_equal(rows, expected[rows.columns])


def test_clips_of_silence_have_the_distance_that_their_format_may_have(tmp_path):
    (tmp_path / "clip.csv").touch()
    assert "distance" in read_clips([tmp_path / "clip.csv"] * 2, "dcase2024_output")
    assert "distance" not in read_clips([], "dcase2022")


def test_vectors_of_any_length_beside_directions(tmp_path):
    (tmp_path / "a.csv").write_text("0,0,0,0,0.5,0\n")
    (tmp_path / "b.csv").write_text("0,0,0,10,20\n")
    rows = read_clips([tmp_path / "a.csv", tmp_path / "b.csv"], "dcase2022_output")
    assert rows.length.tolist() == [0.5, 1]


def test_distances_in_the_other_unit_are_doubted(tmp_path):
    rows = table((0, 0, 0, 0, 0, 2.0), (1, 0, 0, 0, 0, 3.0))
    write_rows(tmp_path / "cm.csv", rows, "polar_cm")
    write_rows(tmp_path / "m.csv", rows, "polar_m")
    with pytest.warns(UserWarning, match="polar_m: most distances are above 50.0 m; were centimetres read"):
        read_rows(tmp_path / "cm.csv", "polar_m")
    with pytest.warns(UserWarning, match="polar_cm: all distances are below 0.1 m; were metres read"):
        read_rows(tmp_path / "m.csv", "polar_cm")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_rows(tmp_path / "cm.csv", "polar_cm")
        read_rows(tmp_path / "m.csv", "polar_m")
        write_rows(tmp_path / "zero.csv", rows.assign(distance=0), "dcase2023_output")
        read_rows(tmp_path / "zero.csv", "dcase2023_output")  # the baseline of 2023 writes 0


def test_the_line_of_a_row(tmp_path):
    (tmp_path / "a.csv").write_text("\n0,0,0,0,0\n\n1,0,0,0,0\n")
    assert [line_of(tmp_path / "a.csv", "polar", row) for row in (0, 1)] == [2, 4]
    (tmp_path / "b.csv").write_text(HEADER_2019 + "knock,0.1,0.2,0,0,1\n\nphone,0,0.3,0,0,1\n")
    rows = read_rows(tmp_path / "b.csv", "dcase2019")
    lines = [line_of(tmp_path / "b.csv", "dcase2019", row) for row in range(len(rows))]
    assert lines == [{0: 2, 3: 4}[number] for number in rows["class"]]


NUMBER = st.one_of(
    st.integers(-400, 400).map(str),
    st.floats(-200, 200).map(repr),
    st.sampled_from(
        ["", " ", "nan", "1e5", "1e400", "-0", "+1", ".5", "5.", ".", "e5", "1e", "- 1", "1 1", "True", "0x1"]
    ),
    st.text("0123456789+-.eE ", max_size=6),
)
GOOD = st.tuples(*[st.integers(0, 5)] * 3, *[st.integers(-90, 90)] * 2).map(lambda row: ",".join(map(str, row)))
LINE = st.one_of(GOOD, GOOD, GOOD, st.lists(NUMBER, max_size=8).map(",".join), st.just(HEADER_2025.strip()))
TEXT = st.tuples(st.lists(LINE, max_size=6), st.sampled_from(["\n", "\r\n", "\r"])).map(
    lambda text: text[1].join(text[0]).encode()
)
EVENT = st.lists(st.one_of(NUMBER, st.sampled_from(["knock", "0", "1"])), min_size=6, max_size=6).map(",".join)
EVENTS = st.lists(EVENT).map(lambda lines: (HEADER_2019 + "\n".join(lines)).encode())
BYTES = st.one_of(TEXT, st.binary(max_size=80), EVENTS)


def outcome(content, format, block=1 << 22, careful=False):
    """The rows as lists, or the error; anything but a ValueError gets through."""
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        mock.patch.object(reading, "_BLOCK", block),
    ):
        warnings.simplefilter("ignore")
        path = Path(folder) / "clip.csv"
        path.write_bytes(content)
        fast = mock.Mock(return_value=None) if careful else reading.parse_fast
        with mock.patch.object(reading, "parse_fast", fast):
            try:
                rows = read_rows(path, format)
            except ValueError as error:
                assert str(path) in str(error)
                assert "\n" not in str(error)
                return str(error).replace(folder + os.sep, "")
    return list(rows), [str(kind) for kind in rows.dtypes], rows.to_numpy(dtype=float).tolist()


@settings(max_examples=120, deadline=None)
@given(BYTES, st.sampled_from(sorted(FORMATS)))
def test_any_bytes_give_rows_or_one_line_and_both_readers_agree(content, format):
    assert outcome(content, format) == outcome(content, format, careful=True)


@settings(max_examples=40, deadline=None)
@given(TEXT, st.integers(3, 40))
def test_large_files_are_read_as_small_ones(content, block):
    assert outcome(content, "seld", block) == outcome(content, "seld")


@settings(max_examples=40, deadline=None)
@given(st.lists(GOOD, min_size=1, max_size=8), st.data())
def test_a_good_file_with_one_byte_changed(lines, data):
    content = bytearray("\n".join(lines).encode())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(content), "polar") == outcome(bytes(content), "polar", careful=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4))
def test_files_together_are_read_as_each_alone(contents):
    alone, errors = [], []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        paths = [Path(folder) / f"{clip}.csv" for clip in range(len(contents))]
        for clip, (path, content) in enumerate(zip(paths, contents, strict=True)):
            path.write_bytes(content)
            try:
                alone.append(read_rows(path).assign(clip=clip))
            except ValueError as error:
                errors.append(str(error))
        if errors:
            with pytest.raises(ValueError) as together:
                read_clips(paths)
            assert str(together.value) in errors
            return
        rows = read_clips(paths)
    assert len(rows) == sum(map(len, alone))
    if len(rows):
        expected = pd.concat([table for table in alone if len(table)], ignore_index=True)
        pd.testing.assert_frame_equal(rows[expected.columns], expected)
