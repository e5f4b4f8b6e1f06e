import numpy as np
import pytest
from tracks import CASES, figures, rows, sums, walk

from seld.metrics.mot import Mot

NAMES = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")


def hota(reference, prediction, **options):
    scores = figures(Mot(**options), reference, prediction)
    return pytest.approx(tuple(scores[name] for name in NAMES), rel=1e-9, nan_ok=True)


def test_a_perfect_track():
    assert hota(rows((0, 0, 10), (1, 0, 20)), rows((0, 7, 10), (1, 7, 20))) == (1,) * 8


def test_one_pair_20_degrees_off_counts_at_half_of_the_thresholds():
    # S = 0.5: a pair at alpha = 0.05 ... 0.5, 10 of 19; LocA is 1 where there is none.
    share = 10 / 19
    expected = (share, share, share, (10 * 0.5 + 9) / 19, share, share, share, share)
    assert hota(rows((0, 0, 0)), rows((0, 0, 20))) == expected


def test_a_track_that_breaks_in_two_halves_the_association():
    reference = rows(*((frame, 0, 0) for frame in range(4)))
    prediction = rows(*((frame, frame // 2, 0) for frame in range(4)))
    # Each pair: of 4 frames with the source 2 with this track; every frame is found.
    assert hota(reference, prediction) == (np.sqrt(0.5), 1, 0.5, 1, 1, 1, 0.5, 1)


def test_misses_and_false_positives():
    reference = rows((0, 0, 0), (1, 0, 0), (2, 0, 0))
    prediction = rows((0, 0, 0), (1, 0, 0), (1, 1, 90), (5, 0, 0))
    # TP 2, FN 1, FP 2; the pair of source and track 0 is together in 2 of the 4 frames that have either.
    assert hota(reference, prediction) == (np.sqrt(0.4 * 0.5), 0.4, 0.5, 1, 2 / 3, 0.5, 2 / 3, 2 / 3)


def test_who_goes_together_over_the_clip_beats_who_is_nearer_now():
    reference = rows(*((frame, source, 30 * source) for frame in range(9) for source in (0, 1)))
    prediction = rows(*((frame, track, 30 * track) for frame in range(8) for track in (0, 1)), (8, 0, 20), (8, 1, 10))
    # In frame 8 the tracks have crossed. Kept, the pairs are 20 degrees apart, S = 0.5: 16 + 2 pairs up to
    # alpha 0.5, then 16. Exchanged they would be 10 degrees apart.
    detection = (10 * 1 + 9 * 16 / 20) / 19
    assert figures(Mot(), reference, prediction)["DetA"] == pytest.approx(detection)


def test_the_angle_of_no_similarity_is_an_option():
    assert figures(Mot(zero_distance_deg=20), rows((0, 0, 0)), rows((0, 0, 20)))["HOTA"] == 0
    assert figures(Mot(zero_distance_deg=80), rows((0, 0, 0)), rows((0, 0, 20)))["HOTA"] == pytest.approx(15 / 19)


def test_silence():
    nan = np.nan
    assert hota(rows(), rows()) == (nan,) * 8
    assert hota(rows((0, 0, 0)), rows()) == (0, 0, 0, 1, 0, nan, 0, 0)
    assert hota(rows(), rows((0, 0, 0))) == (0, 0, 0, 1, nan, 0, 0, 0)


TRACKEVAL = {
    "three": (0.2595300778160671, 0.41698156508892625, 0.1619651540642089, 0.8383194002305628,
              0.5875822368421053, 0.5450038138825324, 0.2671958644232352, 0.2703146967580778),
    "twelve": (0.39910154421661287, 0.4935672196116355, 0.3236771465342453, 0.8423824905085389,
               0.6222766217870257, 0.6432186234817814, 0.4398134598568896, 0.4594897754680545),
    "gaps": (0.12656082161529966, 0.18507531602267246, 0.08749312879501399, 0.8421308514837894,
             0.37343358395989973, 0.25853094274146904, 0.17774126390322215, 0.14313045597084495),
    "near": (0.27253490461654256, 0.35978642596479254, 0.20700305438389302, 0.7344352551392206,
             0.46842105263157896, 0.4930747922437674, 0.2911873455751472, 0.33802410902906443),
}  # fmt: skip
TRACKEVAL_OF_ALL = (0.3064694436363419, 0.38722148019203956, 0.2443581285513246, 0.8117425556145943,
                    0.5432397247535801, 0.5220266285407917, 0.3511752639404977, 0.3692046967659814)  # fmt: skip
TRACKEVAL_CLASS_BY_CLASS = {
    "twelve": (0.3114020378177535, 0.28692012272922, 0.33972076602722456, 0.8361735799560295,
               0.4254589963280293, 0.4397773279352226, 0.45476293533742007, 0.48935935218335086),
    "near": (0.17937599159343728, 0.18488870294091456, 0.17459702772821267, 0.7215022817620728,
             0.2858552631578948, 0.30090027700831024, 0.2690808858087102, 0.27386586072747826),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_same_figures_as_trackeval(case):
    """TrackEval (12c8791) on S = max(0, 1 - angle / 40)."""
    assert hota(*walk(*CASES[case])) == TRACKEVAL[case]


def test_same_figures_as_trackeval_over_clips():
    total = {name: value.sum(axis=0) for name, value in sums(Mot(), *(walk(*case) for case in CASES.values())).items()}
    scores = Mot().score(total)
    assert tuple(scores[name] for name in NAMES) == pytest.approx(TRACKEVAL_OF_ALL, rel=1e-9)


@pytest.mark.parametrize("case", TRACKEVAL_CLASS_BY_CLASS)
def test_same_figures_as_trackeval_class_by_class(case):
    """TrackEval run on each class, combined over detections."""
    assert hota(*walk(*CASES[case]), class_aware=True) == TRACKEVAL_CLASS_BY_CLASS[case]
