import matplotlib.colors
import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from seld.plots import COLOURS, REFERENCE_COLOUR, plot_associations, plot_curves, plot_tracks
from seld.plots.tracks import identities, track_look


def rows(azimuths, source=0) -> pd.DataFrame:
    frames = range(len(azimuths))
    return pd.DataFrame({"frame": frames, "class": 0, "source": source, "azimuth": azimuths, "elevation": 30})


def pixels(path, colour: str) -> np.ndarray:
    """Where the picture (its left four fifths, without the legend) has exactly this colour."""
    picture = matplotlib.image.imread(path)[..., :3]
    same = np.abs(picture - matplotlib.colors.to_rgb(colour)).max(-1) < 1 / 255
    return same[:, : picture.shape[1] * 4 // 5]


def test_each_track_has_its_colour_and_references_are_grey(tmp_path):
    path = tmp_path / "tracks.png"
    plot_tracks(rows([0] * 20), pd.concat([rows([50] * 20, 3), rows([-50] * 20, 8)]), path)
    assert pixels(path, REFERENCE_COLOUR).sum() > pixels(path, COLOURS[0]).sum() > 100
    assert pixels(path, COLOURS[1]).sum() > 100
    assert pixels(path, COLOURS[2]).sum() == 0


def test_no_line_joins_the_two_ends_of_the_azimuth(tmp_path):
    path = tmp_path / "wrap.png"
    plot_tracks(None, rows([178, 179, -180, -179] * 5), path)
    heights = np.flatnonzero(pixels(path, COLOURS[0]).any(axis=1)) / len(pixels(path, COLOURS[0]))
    azimuth_panel = heights[heights < 0.55]
    assert azimuth_panel.min() < 0.15 and azimuth_panel.max() > 0.45
    assert not ((azimuth_panel > 0.15) & (azimuth_panel < 0.45)).any()


@pytest.mark.filterwarnings("error")
def test_silence_is_an_empty_picture(tmp_path):
    path = tmp_path / "silence.png"
    plot_tracks(rows([]), rows([]), path)
    assert pixels(path, COLOURS[0]).sum() == 0


def test_curves_leave_out_missing_values(tmp_path):
    history = pd.DataFrame({"epoch": range(9), "loss": np.linspace(2, 1, 9), "LE": [np.nan, 30, np.nan] * 3})
    history.to_csv(tmp_path / "log.csv", index=False)
    plot_curves(tmp_path / "log.csv", tmp_path / "each.png")
    plot_curves(history, tmp_path / "one.png", {"anything": ["loss", "LE"]})
    assert pixels(tmp_path / "each.png", COLOURS[0]).sum() > 100
    assert pixels(tmp_path / "one.png", COLOURS[1]).sum() > 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["each.png", "log.csv", "one.png"]


def test_associations_are_black_where_they_are_and_absent_costs_are_left_white(tmp_path):
    path = tmp_path / "associations.png"
    identity, nobody = np.eye(2), np.full((2, 2), np.nan)
    plot_associations({"absent": (nobody, identity, np.zeros((2, 2)))}, path)
    picture = matplotlib.image.imread(path)[..., :3].mean(-1)
    dark = [(third < 0.1).mean() for third in np.array_split(picture, 3, axis=1)]
    assert dark[1] > 0.15 > 0.1 > max(dark[0], dark[2])


def test_a_caption_explains_the_white_of_absent_costs(tmp_path):
    cost = np.array([[1.0, 2.0], [np.nan, np.nan]])
    heights = []
    for name, shown in (("absent", cost), ("all", np.nan_to_num(cost))):
        plot_associations({"": (shown, np.eye(2), np.eye(2))}, tmp_path / f"{name}.png")
        picture = matplotlib.image.imread(tmp_path / f"{name}.png")[..., :3].mean(-1)
        left = np.flatnonzero((picture[:, :20] < 0.5).any(axis=1))  # below all panels
        heights.append(left.max(initial=0) / len(picture))
    assert heights[0] > 0.9 > heights[1]


def test_fourteen_tracks_look_different(tmp_path):
    assert len({track_look(number) for number in range(14)}) == 14
    many = [rows([10 * track - 150] * 40, track) for track in range(30)]
    plot_tracks(None, pd.concat(many), tmp_path / "many.png")
    assert pixels(tmp_path / "many.png", COLOURS[0]).sum() > 100


def test_rows_of_one_number_in_one_frame_are_not_joined():
    twice = pd.concat([rows([0] * 5), rows([90] * 5)]).sort_values("frame", kind="stable")
    tracks = [set(track["azimuth"]) for _, track in identities(twice)]
    assert tracks == [{0}, {90}]
