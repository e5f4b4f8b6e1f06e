import numpy as np
import pandas as pd
import pytest

from seld.plots import COLOURS, plot_intervals
from seld.plots import intervals as module


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figure as it is saved."""
    figures = []
    save = module.save
    monkeypatch.setattr(module, "save", lambda figure, path: (figures.append(figure), save(figure, path)))
    rows = [
        ("two", "plain", "LE", 8.0, 7.0, 9.5),
        ("two", "new", "LE", 6.0, np.nan, np.nan),
        ("three", "plain", "LE", 11.0, 10.0, 12.0),
        ("two", "plain", "F20", 0.8, 0.7, 0.9),
    ]
    table = pd.DataFrame(rows, columns=["group", "way", "figure", "value", "low", "high"])
    plot_intervals(table, tmp_path / "a.png", {"LE": "LE (degrees)", "F20": "F20"}, ["new", "plain", "missing"])
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    return figures[0]


def test_each_way_has_a_line_and_each_group_its_colour(drawn):
    left, right = drawn.axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["new", "plain", "missing"]
    assert [panel.get_xlabel() for panel in (left, right)] == ["LE (degrees)", "F20"]
    two, three = left.lines
    assert (two.get_color(), three.get_color()) == COLOURS[:2]
    values = dict(zip(np.round(two.get_ydata()), two.get_xdata(), strict=True))
    assert values == {0: 6.0, 1: 8.0}
    assert np.round(three.get_ydata()).tolist() == [1] and three.get_ydata()[0] > two.get_ydata().max()
    assert left.get_ylim()[0] > left.get_ylim()[1]


def test_intervals_go_from_low_to_high_and_may_be_missing(drawn):
    segments = [segment[:, 0].tolist() for segment in drawn.axes[0].collections[0].get_segments() if len(segment)]
    assert segments == [[7.0, 9.5]]


def test_the_legend_names_groups(drawn):
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["two", "three"]
