import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from seld.metrics import evaluate
from seld.plots import plot_confusion, plot_error_on_sphere, plot_errors, plot_events, plot_scores
from seld.plots.canvas import COLOURS
from seld.plots.confusion import confusion
from seld.plots.events import MISSED_COLOUR
from seld.plots.pairs import pair, within
from seld.plots.scores import worst_clips
from seld.plots.sphere import error_by_direction


def table(*rows: tuple, columns=("frame", "class", "source", "azimuth")) -> pd.DataFrame:
    """Rows on the horizon."""
    return pd.DataFrame(rows, columns=list(columns)).assign(elevation=0)


def clips(*tables: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows.assign(clip=number) for number, rows in enumerate(tables)], ignore_index=True)


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """Every figure that would be saved. They are not rendered: that takes half a second for each."""
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *arguments, **options: saved.append(self))
    return saved


def texts(figure: Figure) -> list[str]:
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    return words + [text.get_text() for legend in figure.legends for text in legend.get_texts()]


class TestPairs:
    def test_each_frame_and_clip_by_itself(self):
        reference = clips(table((0, 0, 0, 10), (1, 0, 0, 10)), table((0, 0, 0, 90), (0, 0, 1, -90)))
        prediction = clips(table((0, 0, 0, 15), (2, 0, 0, 10)), table((0, 0, 0, -80), (0, 0, 1, 93)))
        pairs = pair(reference, prediction)
        assert sorted(zip(pairs.reference, pairs.prediction, strict=True)) == [(0, 0), (2, 3), (3, 2)]
        assert sorted(pairs.angle_deg) == pytest.approx([3, 5, 10])
        assert (pairs.missed.tolist(), pairs.false_alarms.tolist()) == ([1], [1])

    def test_as_many_and_as_near_as_scipy_says(self):
        generator = np.random.default_rng(0)
        sides = [
            table(*((frame, 0, source, generator.uniform(-180, 180)) for frame in range(30) for source in
                    range(generator.integers(0, 6))))
            for _ in range(2)
        ]  # fmt: skip
        pairs = pair(*sides)
        total, number = 0.0, 0
        for frame in range(30):
            azimuths = [side.loc[side["frame"] == frame, "azimuth"].to_numpy() for side in sides]
            apart = np.abs((azimuths[0][:, None] - azimuths[1] + 180) % 360 - 180)
            total += apart[linear_sum_assignment(apart)].sum()
            number += min(apart.shape)
        assert pairs.angle_deg.sum() == pytest.approx(total)
        assert len(pairs.reference) == number

    def test_the_pairs_of_the_protocol_doa(self):
        generator = np.random.default_rng(1)
        sides = [
            pd.DataFrame(
                {
                    "frame": generator.integers(0, 40, 90), "class": generator.integers(0, 3, 90), "source": range(90),
                    "azimuth": generator.integers(-180, 180, 90), "elevation": generator.integers(-90, 91, 90),
                }
            )
            for _ in range(2)
        ]  # fmt: skip
        scores, pairs = evaluate(*sides, "doa", threshold_deg=30), pair(*sides)
        assert pairs.angle_deg.mean() == pytest.approx(scores["LE"], abs=1e-9)
        assert 2 * len(within(pairs, 30).reference) / 180 == pytest.approx(scores["F30"])

    def test_two_references_of_one_direction_are_no_confusion(self):
        reference = table((0, 0, 0, 10), (0, 1, 0, 10))
        for order in ([0, 1], [1, 0]):
            prediction = table((0, 0, 0, 5), (0, 1, 0, 20)).iloc[order]
            assert confusion(reference, prediction).counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]

    def test_exactly_the_threshold_is_within(self):
        pairs = pair(table((0, 0, 0, 0), (1, 0, 0, 0)), table((0, 0, 0, 20), (1, 0, 0, 21)))
        kept = within(pairs, 20)
        assert (kept.reference.tolist(), kept.missed.tolist(), kept.false_alarms.tolist()) == ([0], [1], [1])

    def test_clips_on_one_side_only_are_refused(self):
        with pytest.raises(ValueError, match="reference and prediction must both have a column clip"):
            pair(clips(table((0, 0, 0, 0))), table((0, 0, 0, 0)))


class TestEvents:
    def lanes(self, figure: Figure) -> list[str]:
        return [label.get_text() for label in figure.axes[-1].get_yticklabels()]

    def lines(self, figure: Figure, colour: str) -> list[np.ndarray]:
        """Times and azimuths of what has this colour."""
        wanted = matplotlib.colors.to_hex(colour)
        return [
            np.array(line.get_xydata())
            for line in figure.axes[0].lines
            if matplotlib.colors.to_hex(line.get_color()) == wanted and len(line.get_xydata())
        ]

    def test_a_miss_a_false_alarm_and_a_switch_stand_where_they_are(self, tmp_path, figures):
        reference = table(*((frame, 0, 0, 30) for frame in range(6)))
        prediction = table((0, 0, 1, 31), (1, 0, 1, 31), (3, 0, 2, 29), (4, 0, 2, 29), (5, 0, 2, 29), (5, 0, 1, -90))
        plot_events(reference, prediction, tmp_path / "tracks.png")
        (figure,) = figures
        assert self.lanes(figure) == ["switches: 1", "misses: 1", "false alarms: 1"]
        assert self.lines(figure, MISSED_COLOUR)[0] == pytest.approx(np.array([[0.25, 30]]))
        diamond = next(line for line in figure.axes[0].lines if line.get_marker() == "D")
        assert diamond.get_xydata() == pytest.approx(np.array([[0.35, 29]]))
        first_track = self.lines(figure, COLOURS[0])
        assert first_track[-1] == pytest.approx(np.array([[0.55, -90]]))  # the hollow line over it

    def test_no_line_joins_the_two_ends_of_the_azimuth(self, tmp_path, figures):
        rows = table(*((frame, 0, 0, azimuth) for frame, azimuth in enumerate((178, 179, -180, -179))))
        plot_events(rows, rows, tmp_path / "tracks.png")
        for line in figures[0].axes[0].lines:
            assert not (np.abs(np.diff(line.get_ydata())) > 180).any()

    def test_classes_are_named_where_there_are_several(self, tmp_path, figures):
        rows = table((0, 0, 0, 0), (0, 1, 0, 90))
        plot_events(rows, rows, tmp_path / "tracks.png", classes=["speech", "bell"])
        assert {"speech", "bell", "track 0, speech", "track 0, bell"} <= set(texts(figures[0]))

    def test_time_counts_frames_of_another_length(self, tmp_path, figures):
        plot_events(table((50, 0, 0, 0)), table(), tmp_path / "tracks.png", frame_s=0.02)
        assert self.lines(figures[0], MISSED_COLOUR)[0][0, 0] == pytest.approx(1.01)


class TestErrors:
    def test_bars_median_and_share_beyond(self, tmp_path, figures):
        angles = (0.5, 4.5, 4.6, 20, 20.5, 100)
        reference = table(*((frame, 0, 0, 0) for frame in range(6)))
        prediction = table(*((frame, 0, 0, angle) for frame, angle in enumerate(angles)))
        plot_errors(reference, prediction, tmp_path / "errors.png")
        (panel,) = figures[0].axes
        share = np.array([bar.get_height() for bar in panel.patches])
        assert np.flatnonzero(share).tolist() == [0, 4, 19, 20, 60]
        assert share[share > 0] * 6 / 100 == pytest.approx([1, 2, 1, 1, 1])
        blue = [matplotlib.colors.to_hex(bar.get_facecolor()) == COLOURS[0].lower() for bar in panel.patches]
        assert blue == [True] * 20 + [False] * 41
        assert set(texts(figures[0])) == {"median 12.3°", "33.3 % beyond 20°"}


class TestSphere:
    def bins(self, *pairs: tuple[float, float, float]):
        directions = pd.DataFrame(pairs, columns=["azimuth", "elevation", "angle"])
        return error_by_direction(directions, directions["angle"].to_numpy())

    def test_the_mean_of_each_bin_and_none_where_there_is_no_pair(self):
        rings = self.bins((0, 0, 4), (8, -9, 6), (-10, 5, 6), (0, 90, 1), (180, -90, 3), (-180, -90, 5))
        assert sum(ring.pairs.sum() for ring in rings) == 6
        assert (rings[4].pairs[8], rings[4].mean_deg[8]) == (3, pytest.approx(16 / 3))  # the front
        assert (rings[8].pairs[1], rings[0].pairs[0], rings[0].mean_deg[0]) == (1, 2, 4)
        assert np.isnan(rings[2].mean_deg).all()

    def test_bins_have_nearly_one_area(self):
        rings = self.bins()
        areas = [
            (np.sin(np.deg2rad(ring.high_deg)) - np.sin(np.deg2rad(ring.low_deg))) / (2 * len(ring.pairs))
            for ring in rings
        ]
        assert (rings[0].low_deg, rings[-1].high_deg) == (-90, 90)
        assert np.dot(areas, [len(ring.pairs) for ring in rings]) == pytest.approx(1)
        assert areas == pytest.approx(np.full(len(rings), np.mean(areas)), rel=0.06)

    def test_the_left_is_on_the_left(self, tmp_path, figures):
        plot_error_on_sphere(table((0, 0, 0, 90)), table((0, 0, 0, 95)), tmp_path / "map.png")
        number = next(text for text in figures[0].axes[0].texts if text.get_text() == "1")
        assert number.get_position()[0] < -1


class TestConfusion:
    reference = table((0, 0, 0, 0), (0, 1, 0, 90), (1, 0, 0, 0), (2, 1, 0, 0))
    prediction = table((0, 0, 0, 5), (0, 4, 0, 80), (1, 0, 0, 30), (3, 0, 0, 0))

    def test_by_hand(self):
        # 0 is found, then 30 degrees off; 1 is taken for 4, then missed; frame 3 has a false alarm.
        found = confusion(self.reference, self.prediction)
        assert found.classes.tolist() == [0, 1, 4]
        assert found.counts.tolist() == [[1, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0], [2, 0, 0, 0]]

    def test_names_and_numbers_beyond_the_names(self, tmp_path, figures):
        plot_confusion(self.reference, self.prediction, tmp_path / "confusion.png", classes=["a", "b", "c"])
        panel = figures[0].axes[0]
        assert [tick.get_text() for tick in panel.get_yticklabels()] == ["a", "b", "c", "class 4", "false alarm"]
        assert panel.get_xticklabels()[-1].get_text() == "missed"
        assert sorted(texts(figures[0])) == ["1", "1", "1", "1", "2"]


class TestScores:
    good, bad = table((0, 0, 0, 0), (1, 0, 0, 0)), table((0, 0, 0, 0), (1, 0, 0, 50))

    def test_the_worst_clips_come_first(self):
        reference = clips(self.good, self.good, self.good, table(), table((0, 0, 0, 0)))
        prediction = clips(self.good, self.bad, self.good, table(), table())
        assert worst_clips(reference, prediction, within(pair(reference, prediction), 20)) == [4, 1, 0, 2]

    @pytest.mark.filterwarnings("error")
    def test_files(self, tmp_path):
        written = plot_scores(
            clips(self.good, self.good), clips(self.good, self.bad), tmp_path / "new", clips=1, names=["room", "hall"]
        )
        names = ["confusion.png", "error_on_sphere.png", "errors.png", "tracks_hall.png"]
        assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
        assert sorted(path.name for path in written) == names

    @pytest.mark.filterwarnings("error")
    def test_silence_on_both_sides(self, tmp_path):
        assert len(plot_scores(table(), table(), tmp_path)) == 3

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("sides", [(good, table()), (table(), good)])
    def test_silence_on_one_side(self, tmp_path, figures, sides):
        assert len(plot_scores(*sides, tmp_path)) == len(figures) == 4
