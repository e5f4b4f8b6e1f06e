"""Scores of an Hnet: by hand, against scikit-learn's definitions, and what they are taken over."""

import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support

from seld.assignment.hnet import Hnet
from seld.assignment.hnet_data import Examples, HnetDataConfig
from seld.assignment.hnet_report import balance_table, score_table
from seld.assignment.hnet_scores import (
    HnetScoresConfig,
    Outcome,
    balance,
    classification,
    score,
    separation_map,
)
from seld.plots import plot_pairs, plot_separations


class Fixed(torch.nn.Module):
    """A network that always says the same."""

    def __init__(self, association):
        super().__init__()
        self.association = torch.nn.Parameter(association)

    def forward(self, cost, active, present):
        return self.association


def test_outcome_by_hand():
    # Three problems of 2 x 2: right; swapped; right, with the second reference silent and the second estimate absent.
    cost = torch.tensor([[0.1, 1.0], [1.0, 0.2]]).expand(3, 2, 2)
    true = torch.eye(2).repeat(3, 1, 1)
    everyone = torch.ones(3, 2, dtype=torch.bool)
    some = everyone.clone()
    some[2, 1] = False
    true[2, 1, 1] = 0
    estimated = true.clone()
    estimated[1] = estimated[1].flip(0)
    outcome = Outcome.of(Fixed(estimated), Examples(cost, true, some, some, torch.ones(3)))
    assert outcome.exact.tolist() == [True, False, True]
    assert outcome.confusion.tolist() == [[[2, 0], [0, 2]], [[0, 2], [2, 0]], [[0, 0], [0, 1]]]
    assert outcome.margin.tolist() == pytest.approx([1.7, 1.7, float("inf")], abs=1e-6)
    scores = outcome.scores(torch.tensor([True, True, False]))
    assert scores["exact"] == 0.5 and scores["problems"] == 2
    assert scores["confusion"] == [[2, 2], [2, 2]]
    assert scores["F1_macro"] == 0.5


def test_ties_are_left_out():
    cost = torch.full((1, 2, 2), 0.5)
    everyone = torch.ones(1, 2, dtype=torch.bool)
    drawn = Examples(cost, torch.eye(2)[None], everyone, everyone, torch.ones(1))
    assert Outcome.of(Fixed(torch.eye(2)[None]), drawn).scores()["problems"] == 0


@pytest.mark.parametrize("counts", [[[50, 3], [7, 20]], [[5, 0], [4, 0]], [[0, 0], [2, 8]], [[9, 1], [0, 0]]])
@pytest.mark.parametrize("average", ["weighted", "macro"])
def test_classification_is_that_of_scikit_learn(counts, average):
    true, estimated = [], []
    for truth in (0, 1):
        for guess in (0, 1):
            true += [truth] * counts[truth][guess]
            estimated += [guess] * counts[truth][guess]
    labels = sorted(set(true) | set(estimated)) if average == "weighted" else [0, 1]
    expected = precision_recall_fscore_support(true, estimated, labels=labels, average=average, zero_division=0)
    ours = classification(torch.tensor(counts))
    assert [ours[f"{name}_{average}"] for name in ("precision", "recall", "F1")] == pytest.approx(expected[:3])


def test_a_class_that_never_comes_up_counts_as_perfect():
    assert set(classification(torch.tensor([[6, 0], [0, 0]])).values()) == {1.0}
    assert set(classification(torch.zeros(2, 2)).values()) == {1.0}


@pytest.fixture(scope="module")
def scores():
    config = HnetScoresConfig(problems=400, sizes=[2])
    return score(Hnet.from_pretrained(), HnetDataConfig(sizes=[2, 3]), config)


def test_scores_count_every_problem_once(scores):
    for group in ("by_counts", "by_separation"):
        assert sum(row["problems"] for row in scores[group].values()) <= scores["all"]["problems"] <= 400
    assert sum(row["problems"] for row in scores["by_counts"].values()) == scores["all"]["problems"]
    assert scores["by_size"]["2 x 2"]["exact_clear"] == 1
    assert scores["by_counts"]["0 references, 2 estimates"]["confusion"] == [[0, 0], [0, 0]]


def test_the_table_has_a_line_for_every_group(scores):
    lines = score_table(scores).splitlines()
    assert sum("references," in line for line in lines) == 16
    row = next(line for line in lines if line.strip().startswith("2 x 2"))
    assert row.split()[3:5] == [str(scores["by_size"]["2 x 2"]["problems"]), "1.0000"]
    assert len(row.split()) == 3 + 4 + 6


def test_the_balance_is_that_of_the_data():
    data = HnetDataConfig(sizes=[2], full_share=0, pair_weights=[0, 0, 1])
    shares, matched = balance(data, 0)
    assert shares.sum() == pytest.approx(1)
    assert shares[2, 2] == 1
    assert matched == pytest.approx(0.5)
    assert balance_table(shares, matched).splitlines()[4].split() == ["2", "0.0", "0.0", "100.0"]


def test_separations_are_those_asked_for_and_the_shipped_net_is_exact_there():
    exact, found = separation_map(Hnet.from_pretrained(), [2, 6], [2, 10, 120, 180], 150, 0)
    assert found[0].tolist() == [150, 150, 150]
    assert exact[0].tolist() == [1, 1, 1]
    # Six directions cannot all be further than 90 degrees apart.
    assert found[1, 2] == 0 and exact[1, 2].isnan()
    assert 100 < found[1, 0] <= 150 and exact[1, 0] > 0.99


def test_a_net_that_says_nothing_is_never_exact():
    class Silent(Fixed):
        def forward(self, cost, active, present):
            return torch.zeros_like(cost)

    exact, _ = separation_map(Silent(torch.zeros(1)), [2], [0, 180], 50, 0)
    assert exact.item() == 0


def test_figures_are_written(scores, tmp_path):
    plot_pairs(scores["by_size"], tmp_path / "confusion.png")
    share = torch.tensor([[1.0, 0.4]])
    plot_separations({"a": ([2], share, share * 100)}, [0, 10, 180], tmp_path / "separations.png")
    for name in ("confusion", "separations"):
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("options", [{"problems": 99}, {"sizes": []}, {"sizes": [0]}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"validation.{next(iter(options))} must be"):
        HnetScoresConfig(**options)
