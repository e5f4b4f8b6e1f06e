import gzip
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from seld.labels import write_rows
from seld.metrics import evaluate
from seld.metrics.inputs import Pair, chunks, pair


def rows(*azimuths: float) -> pd.DataFrame:
    """One source on the horizon, one frame for each azimuth."""
    frames = range(len(azimuths))
    return pd.DataFrame({"frame": frames, "class": 0, "source": 0, "azimuth": azimuths, "elevation": 0})


def write(folder, **tables):
    for stem, table in tables.items():
        write_rows(folder / f"{stem}.csv", table)
    return folder


def test_folders_files_mappings_and_tables_agree(tmp_path):
    reference, prediction = {"a": rows(0, 10), "b": rows(50)}, {"a": rows(3, 14), "b": rows(45)}
    left, right = write(tmp_path / "left", **reference), write(tmp_path / "right", **prediction)
    expected = evaluate(reference, prediction, "doa+mot")
    assert expected["LE"] == pytest.approx((3 + 4 + 5) / 3)
    assert expected["MOTP"] == pytest.approx(4)
    assert expected["clips"] == 2
    assert evaluate(left, str(right), "doa+mot") == expected
    one = evaluate(left / "a.csv", right / "a.csv")
    assert one["LE"] == evaluate(reference["a"], prediction["a"])["LE"] == pytest.approx(3.5)


def test_subfolders_are_searched_and_stems_pair_up(tmp_path):
    left = write(tmp_path / "left" / "dev-test", a=rows(0)).parent
    assert evaluate(left, write(tmp_path / "right", a=rows(2)))["LE"] == pytest.approx(2)
    write(left / "dev-train", a=rows(0))
    with pytest.raises(ValueError, match="two clips are named a"):
        evaluate(left, tmp_path / "right")


def test_an_empty_file_is_silence_but_a_missing_one_is_an_error(tmp_path):
    left = write(tmp_path / "left", a=rows(0), b=rows(0, 0, 0))
    right = write(tmp_path / "right", a=rows(0))
    with pytest.raises(ValueError, match="reference without prediction: b"):
        evaluate(left, right)
    (right / "b.csv").touch()
    assert evaluate(left, right)["LR"] == 1 / 4
    (right / "c.csv").touch()
    with pytest.raises(ValueError, match="prediction without reference: c"):
        evaluate(left, right)


@pytest.mark.parametrize("protocol", ["", "doa+", "dcase1999"])
def test_an_unknown_protocol_is_refused_with_the_known_ones(protocol):
    with pytest.raises(ValueError, match="protocol must be one of doa, mot"):
        evaluate(rows(0), rows(0), protocol)


def test_inputs_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no CSV file"):
        evaluate(tmp_path, tmp_path)
    with pytest.raises(ValueError, match="both be one clip"):
        evaluate(rows(0), {"a": rows(0)})
    with pytest.raises(ValueError, match="must have the columns elevation"):
        evaluate(rows(0), rows(0).drop(columns="elevation"))
    with pytest.raises(ValueError, match="holds no clip"):
        evaluate({}, {})
    with pytest.raises(ValueError, match="threshold_deg"):
        evaluate(rows(0), rows(0), threshold_deg=0)
    with pytest.raises(FileNotFoundError):
        evaluate(tmp_path / "none.csv", rows(0))


def test_the_interval_of_a_mean_is_that_of_student():
    """With one pair in each clip LE is a plain mean, whose jackknife is its standard error."""
    errors = [2, 4, 9]
    reference = {str(clip): rows(0) for clip in range(3)}
    scores = evaluate(reference, {str(clip): rows(error) for clip, error in enumerate(errors)})
    reach = 4.302652729911275 * np.std(errors, ddof=1) / np.sqrt(3)  # the 0.975 quantile of t, 2 degrees of freedom
    assert scores["jackknife"]["LE"] == pytest.approx((5 - reach, 5 + reach))


def test_one_clip_has_no_interval_and_a_silent_clip_counts_as_one():
    assert np.isnan(evaluate(rows(0), rows(0))["jackknife"]["LE"]).all()
    tables = {"a": rows(0), "b": rows(0), "c": rows()}
    scores = evaluate(tables, tables)
    assert scores["clips"] == 3
    assert scores["jackknife"]["LR"] == (1, 1)


def test_a_clip_of_false_alarms_only_leaves_mota_without_interval():
    scores = evaluate({"a": rows(0), "b": rows()}, {"a": rows(0), "b": rows(0)}, "mot")
    assert scores["MOTA"] == 0
    assert np.isnan(scores["jackknife"]["MOTA"]).all()


def test_clips_of_one_side_are_listed_or_silent_or_left_out(tmp_path):
    left = write(tmp_path / "left", **{name: rows(0) for name in "abcdefgh"})
    right = write(tmp_path / "right", h=rows(0), x=rows(0), y=rows(0))
    expected = "reference without prediction: a, b, c, d, e and 2 more; prediction without reference: x, y "
    with pytest.raises(ValueError, match=expected):
        pair(left, right)
    missed = pair(left, right, "miss")
    assert [clip.name for clip in missed.pairs] == list("abcdefghxy")
    assert missed.pairs[0] == Pair("a", left / "a.csv", None)
    assert missed.pairs[-1] == Pair("y", None, right / "y.csv")
    chunk = next(chunks(missed.pairs))
    assert chunk.names == list("abcdefghxy")
    assert chunk.reference["clip"].tolist() == list(range(8))
    assert chunk.prediction["clip"].tolist() == [7, 8, 9]
    skipped = pair(left, right, "skip")
    assert [clip.name for clip in skipped.pairs] == ["h"]
    assert (skipped.lone_references, skipped.lone_predictions) == (list("abcdefg"), ["x", "y"])
    with pytest.raises(ValueError, match="must share clips"):
        pair({"a": rows(0)}, {"b": rows(0)}, "skip")
    with pytest.raises(ValueError, match="on_missing must be one of error, miss, skip, got 'ignore'"):
        pair(left, right, "ignore")


def test_chunks_hold_every_clip_once_whatever_their_size(tmp_path):
    rng = np.random.default_rng(0)
    tables = {f"{clip:02}": rows(*rng.integers(-90, 90, clip % 4)) for clip in range(11)}
    pairs = pair(write(tmp_path / "left", **tables), tables).pairs
    whole = next(chunks(pairs))
    pd.testing.assert_frame_equal(whole.reference, whole.prediction[whole.reference.columns], check_dtype=False)
    for size in (1, 3, 11):
        parts = list(chunks(pickle.loads(pickle.dumps(pairs)), size=size))
        assert [len(part.names) for part in parts] == [size] * (11 // size) + [11 % size] * (11 % size > 0)
        shifted = [part.prediction.assign(clip=part.prediction["clip"] + size * i) for i, part in enumerate(parts)]
        joined = pd.concat([table for table in shifted if len(table)], ignore_index=True)
        pd.testing.assert_frame_equal(joined, whole.prediction, check_dtype=False)
    with pytest.raises(ValueError, match="size must be at least 1"):
        next(chunks(pairs, size=0))


def test_a_chunk_ends_when_its_files_are_large(tmp_path, monkeypatch):
    pairs = pair(*(write(tmp_path / side, a=rows(0), b=rows(*range(90)), c=rows(0)) for side in "lr")).pairs
    monkeypatch.setattr("seld.metrics.inputs._CHUNK_BYTES", 500)
    assert [chunk.names for chunk in chunks(pairs)] == [["a", "b"], ["c"]]


def test_each_side_has_its_own_format(tmp_path):
    far = rows(10).assign(distance=1.5)
    write_rows(tmp_path / "left.csv", far, "dcase2024")
    write_rows(tmp_path / "right.csv", far, "dcase2024_output")
    pairs = pair(tmp_path / "left.csv", str(tmp_path / "right.csv")).pairs
    assert pairs[0].name == "left"
    chunk = next(chunks(pairs, "dcase2024", "dcase2024_output"))
    np.testing.assert_allclose(chunk.reference, chunk.prediction, atol=1e-12)
    assert chunk.reference.distance.tolist() == [1.5]


def test_compressed_files_pair_with_plain_ones_and_hidden_ones_are_left_alone(tmp_path):
    left, right = write(tmp_path / "left", a=rows(0, 5)), tmp_path / "right"
    right.mkdir()
    (right / "a.csv.gz").write_bytes(gzip.compress((left / "a.csv").read_bytes()))
    (right / "._a.csv").write_bytes(b"\x00\x05\x16\x07")
    (right / "notes.txt").touch()
    chunk = next(chunks(pair(left, right).pairs))
    pd.testing.assert_frame_equal(chunk.reference, chunk.prediction)


def test_a_class_beyond_the_list_is_named_by_file_and_line(tmp_path):
    write(tmp_path, a=rows(0), b=rows(1, 2).assign(**{"class": [12, 13]}))
    pairs = pair({"a": tmp_path / "a.csv", "b": tmp_path / "b.csv"}, {"a": rows(0), "b": rows(0)}).pairs
    with pytest.raises(ValueError, match=r"b.csv:2: class must be below 13, got 13"):
        list(chunks(pairs, classes=13))
    assert len(list(chunks(pairs, classes=14))) == 1
    swapped = [Pair("b", rows(0), rows(0, 0).assign(**{"class": 13}))]
    with pytest.raises(ValueError, match="prediction b, row 0: class must be below 13, got 13"):
        list(chunks(swapped, classes=13))


def test_a_track_twice_in_a_frame_is_an_error_in_predictions_only(tmp_path):
    twice = rows(0, 10, 20).assign(frame=[0, 1, 1])
    write(tmp_path, a=twice)
    path = tmp_path / "a.csv"
    expected = "a.csv:3: class and source must occur once in a frame, got a second row of class 0, source 0 in frame 1"
    with pytest.raises(ValueError, match=expected):
        next(chunks([Pair("a", path, path)]))
    with pytest.raises(ValueError, match="prediction a, row 2: class and source must occur once"):
        next(chunks([Pair("a", path, twice)]))
    assert len(next(chunks([Pair("a", path, path)], on_repeat="keep")).prediction) == 3
    assert len(next(chunks([Pair("a", path, None)])).reference) == 3
    far = twice.assign(frame=[0, 2**31 - 2, 2**31 - 2], source=[-(2**30), 2**30, 2**30])
    with pytest.raises(ValueError, match="in frame 2147483646"):  # too wide for one number for each row
        next(chunks([Pair("a", far, far), *[Pair("b", rows(), rows())] * 3, Pair("c", rows(0), rows(0))]))
    with pytest.raises(ValueError, match="on_repeat must be one of error, keep"):
        next(chunks([], on_repeat="first"))


def test_a_bad_table_is_named(tmp_path):
    with pytest.raises(ValueError, match="reference clip, row 1: azimuth must be a number from -180 to 180, got 200"):
        pairs = pair({"clip": rows(0, 200)}, {"clip": rows(0)}).pairs
        next(chunks(pairs))


def test_silence_has_the_columns_of_its_format(tmp_path):
    (tmp_path / "a.csv").touch()
    silent = next(chunks([Pair("a", tmp_path / "a.csv", None)], "dcase2024", "dcase2024_output"))
    for table in silent.reference, silent.prediction:
        assert len(table) == 0 and "distance" in table
        assert str(table["clip"].dtype) == "int64"


def test_a_wrong_unit_is_doubted_once(tmp_path):
    for clip in "abc":
        write_rows(tmp_path / f"{clip}.csv", rows(0).assign(distance=3.0), "polar_cm")
    pairs = pair(tmp_path, tmp_path).pairs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(chunks(pairs, "polar_cm", "polar_m", size=1))
    assert len(caught) == 1
    assert "polar_m: most distances are above 50.0 m" in str(caught[0].message)
