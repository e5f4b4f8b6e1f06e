import numpy as np
import pytest
from tracks import CASES, figures, rows, sums, walk

from seld.metrics.doanet import WRONG, Doanet

NAMES = ("LE_doanet", "MOTA_doanet", "IDS_doanet", "LR_doanet", "LP_doanet", "LF_doanet")


def doanet(reference, prediction):
    scores = figures(Doanet(), reference, prediction)
    return tuple(scores[name] for name in NAMES)


def test_every_figure_by_hand():
    reference = rows((0, 0, 0), (1, 0, 0), (2, 0, 0), (2, 1, 90))
    prediction = rows((0, 0, 10), (2, 0, 20), (3, 1, 0))
    # Pairs of 10 and 20 degrees; frame 1 and one of two sources in frame 2 missed, frame 3 false; track 0 begins
    # again in frame 2, track 1 in frame 3. 1 - (1 + 2 + 2) / 4.
    expected = (15, -25, 2, 50, 200 / 3, 400 / 7)
    assert doanet(reference, prediction) == pytest.approx(expected, rel=1e-6)


def test_the_wrong_side_of_the_sphere_is_as_good_as_the_right_one():
    reference = rows(*((frame, 0, 0) for frame in range(5)))
    error, *rest = doanet(reference, reference.assign(azimuth=-180))
    assert rest == pytest.approx([100, 0, 100, 100, 100], rel=1e-6)
    assert error == pytest.approx(179.974, abs=1e-3)
    assert doanet(reference, reference)[0] == pytest.approx(np.degrees(np.arccos(1 - 1e-7)), rel=1e-6)


def test_an_exchange_costs_nothing_and_a_beginning_costs_one():
    reference = rows(*((frame, source, 90 * source) for frame in range(4) for source in (0, 1)))
    exchanged = reference.assign(source=(reference["source"] + reference["frame"] // 2) % 2)
    assert doanet(reference, exchanged)[1:3] == pytest.approx((100, 0))
    later = reference[(reference["source"] == 0) | (reference["frame"] > 1)]
    assert doanet(later, later)[1:3] == pytest.approx((100 * 5 / 6, 1))


def test_silence():
    assert np.isnan(doanet(rows(), rows())[0])
    assert doanet(rows((0, 0, 0)), rows())[1:] == pytest.approx((0, 0, 0, 0, 0), abs=1e-4)


def test_clips_begin_anew():
    clip = rows((0, 0, 0), (1, 0, 0)), rows((0, 0, 0), (1, 0, 0))
    assert sums(Doanet(), clip, clip)["onsets"].tolist() == [0, 0]


def test_every_figure_is_labelled():
    assert set(WRONG) == set(figures(Doanet(), rows(), rows())) == set(NAMES)
    assert [note.split()[0] for note in Doanet().notes] == list(WRONG)


PUBLISHED = {
    "three": (18.506454750087457, 19.531250125732413, 51.0, 83.59374993469238,
              77.5362318278723, 80.45112276612615),
    "near": (18.86681799170006, 40.62500007421874, 49.0, 83.12499994804688,
             87.49999994243421, 85.25640520504632),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED)
def test_same_figures_as_the_published_code(case):
    """`doa_metric` of doa-net (c9815e2) on the same directions, in float64."""
    assert doanet(*walk(*CASES[case])) == pytest.approx(PUBLISHED[case], rel=1e-9)
