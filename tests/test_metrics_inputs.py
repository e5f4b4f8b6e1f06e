import numpy as np
import pandas as pd
import pytest

from seld.labels import write_rows
from seld.metrics import evaluate


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
