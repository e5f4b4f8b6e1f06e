"""Synthetic assignment problems: exact labels, every count, the promised hard cases, one seed."""

import dataclasses
import itertools

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from seld.assignment.hnet_data import CASES, Examples, HnetDataConfig, draw, endless, margin, to_grid


def examples(rows: int = 4, columns: int = 3, batch: int = 300, seed: int = 0, **options) -> Examples:
    return draw(HnetDataConfig(**options), batch, rows, columns, torch.Generator().manual_seed(seed))


def present_cost(drawn: Examples) -> list[torch.Tensor]:
    """The costs of those who are there, one matrix per problem."""
    return [c[p][:, a] for c, p, a in zip(drawn.cost, drawn.present, drawn.active, strict=True)]


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (5, 3), (3, 6)])
def test_labels_are_optimal_among_those_who_are_there(rows, columns):
    drawn = examples(rows, columns)
    for cost, association, matrix in zip(drawn.cost, drawn.association, present_cost(drawn), strict=True):
        row, column = linear_sum_assignment(matrix)
        assert association.sum() == len(row)
        assert (cost * association).sum() == pytest.approx(matrix[row, column].sum().item(), abs=1e-5)


def test_absent_slots_have_no_pair():
    drawn = examples(full_share=0)
    assert (drawn.association[~drawn.present] == 0).all()
    assert (drawn.association.transpose(1, 2)[~drawn.active] == 0).all()


def test_every_number_of_either_side_comes_up_and_more_pairs_more_often():
    drawn = examples(3, 3, 3000, full_share=0)
    references, estimates = drawn.active.sum(1), drawn.present.sum(1)
    seen = set(zip(references.tolist(), estimates.tolist(), strict=True))
    assert seen == {(n, m) for n in range(4) for m in range(4)}
    pairs = torch.minimum(references, estimates).bincount().float() / 3000
    assert torch.allclose(pairs, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.04)


def test_every_slot_is_used_alike():
    drawn = examples(4, 3, 3000, full_share=0)
    for mask in (drawn.active, drawn.present):
        assert mask.float().mean(0).max() - mask.float().mean(0).min() < 0.05


def test_full_share_fills_every_slot():
    drawn = examples(full_share=1)
    assert drawn.active.all()
    assert drawn.present.all()


def test_cases_are_what_their_names_say():
    drawn = {case: examples(4, 4, 200, cases={case: 1.0}, full_share=1, resolutions_deg=[0]) for case in CASES}
    degrees = {case: problem.cost.rad2deg() for case, problem in drawn.items()}
    assert (drawn["close"].separation.rad2deg() < 5).float().mean() > 0.5
    tied_rows = (drawn["coincident"].cost.unsqueeze(1) == drawn["coincident"].cost.unsqueeze(2)).all(3)
    assert (tied_rows.sum((1, 2)) > 4).float().mean() > 0.8
    nearest = degrees["doubled"].argmin(2)
    assert torch.tensor([len(set(row.tolist())) < 4 for row in nearest]).float().mean() > 0.8
    assert degrees["all_near"].quantile(0.95) < 15
    assert degrees["all_far"].quantile(0.05) > 165
    assert degrees["noisy"].amin(2).median() < 15 < degrees["independent"].amin(2).median()


def test_margin_by_hand():
    everyone = torch.ones(4, 2, dtype=torch.bool)
    some = everyone.clone()
    some[2:, 1] = False
    # Clear; tied; one pair and nobody else; one estimate for two references.
    cost = torch.tensor(
        [[[0.1, 1.0], [1.0, 0.2]], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 9.0], [9.0, 9.0]], [[0.3, 0.7], [0, 0]]]
    )
    association = torch.tensor([[[1.0, 0], [0, 1]], [[1, 0], [0, 1]], [[1, 0], [0, 0]], [[1, 0], [0, 0]]])
    active = some.clone()
    active[3] = True
    drawn = Examples(cost, association, active, some, torch.zeros(4))
    assert margin(drawn).tolist() == pytest.approx([1.7, 0, float("inf"), 0.4], abs=1e-6)


def test_grids_round_azimuth_and_elevation():
    doa = torch.tensor([[[0.9, 0.45, 0.1], [0.0, 0.1, 1.0]]])
    doa = doa / doa.norm(dim=-1, keepdim=True)
    rounded = to_grid(doa, torch.tensor([30.0]))
    front_left = [torch.tensor(30.0).deg2rad().cos().item(), 0.5, 0.0]
    assert rounded[0, 0].tolist() == pytest.approx(front_left, abs=1e-6)
    assert rounded[0, 1].tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert torch.equal(to_grid(doa, torch.tensor([0.0])), doa)


def test_chords_are_twice_the_sine_of_half_the_angle():
    angle, chord = examples(full_share=1).cost, examples(full_share=1, cost="chord").cost
    assert torch.allclose(chord, 2 * (angle / 2).sin(), atol=1e-6)


def test_separation_is_the_closest_pair_of_references_who_are_there():
    drawn = examples(2, 3, 500, full_share=0)
    fewer_than_two = drawn.active.sum(1) < 2
    assert (drawn.separation.isinf() == fewer_than_two).all()


def test_the_seed_decides_everything():
    first, again, other = (next(endless(HnetDataConfig(), 8, seed)) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first.cost.shape != other.cost.shape or not torch.equal(first.cost, other.cost)


def test_a_batch_hangs_on_seed_and_number_only():
    batches = list(itertools.islice(endless(HnetDataConfig(), 8, 5), 4))
    later = next(endless(HnetDataConfig(), 8, 5, first=3))
    assert all(torch.equal(a, b) for a, b in zip(batches[3], later, strict=True))
    assert not torch.equal(batches[0].cost.flatten()[:4], batches[1].cost.flatten()[:4])


@pytest.mark.parametrize(("name", "steps"), [("fine", [1]), ("coarse", [30]), ([5, 10], [5, 10])])
def test_resolutions_by_name_or_as_a_list(name, steps):
    config = HnetDataConfig(cases={"angles": 1.0}, resolutions_deg=name, full_share=1)
    assert config.steps_deg == steps
    azimuths = _azimuths(config)
    assert len({round(angle) for angle in azimuths}) > 8
    for angle in azimuths:
        assert min(abs(angle / step - round(angle / step)) for step in steps) < 1e-3


def test_the_published_resolutions_are_the_standard_ones():
    assert HnetDataConfig(resolutions_deg="standard").steps_deg == [1, 2, 3, 4, 5, 10, 15, 20, 30]


def _azimuths(config: HnetDataConfig) -> list[float]:
    """Degrees of azimuth that a user's own cost function gets to see."""
    seen.clear()
    draw(
        dataclasses.replace(config, cost=f"{__name__}.spying_cost"),
        100,
        2,
        2,
        torch.Generator().manual_seed(0),
    )
    return torch.cat(seen).rad2deg().tolist()


seen: list[torch.Tensor] = []


def spying_cost(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    seen.append(torch.atan2(reference[..., 1], reference[..., 0]).flatten())
    return (estimate.unsqueeze(2) - reference.unsqueeze(1)).abs().sum(-1)


def test_a_cost_function_of_ones_own_makes_costs_and_labels():
    drawn = examples(3, 3, 50, cost=f"{__name__}.spying_cost", full_share=1)
    for cost, association in zip(drawn.cost, drawn.association, strict=True):
        row, column = linear_sum_assignment(cost)
        assert (cost * association).sum() == pytest.approx(cost[row, column].sum().item(), abs=1e-5)
    assert drawn.cost.max() > torch.pi  # sums of three coordinates, no angles


def wrong_cost(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return reference[..., 0]


def test_a_cost_function_that_gives_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"data.cost must give shape \(5, 2, 3\), got \(5, 3\)"):
        examples(2, 3, 5, cost=f"{__name__}.wrong_cost")


@pytest.mark.parametrize("name", ["angles", "nowhere.function", "math.nothing", "math.pi", "math", ""])
def test_costs_that_name_no_function_are_refused(name):
    with pytest.raises(ValueError, match="data.cost must"):
        HnetDataConfig(cost=name)


@pytest.mark.parametrize(
    ("weights", "shares"), [([1, 1, 1], [1 / 3] * 3), ([0, 1], [0, 0.5, 0.5]), ([0, 0, 0, 1], [0, 0, 1])]
)
def test_pair_weights_set_how_often_pairs_can_be_made(weights, shares):
    drawn = examples(2, 2, 3000, full_share=0, pair_weights=weights)
    pairs = torch.minimum(drawn.active.sum(1), drawn.present.sum(1)).bincount(minlength=3) / 3000
    assert pairs.tolist() == pytest.approx(shares, abs=0.04)


def test_angles_crowd_at_the_poles():
    generator = torch.Generator().manual_seed(0)
    reference, _ = CASES["angles"](generator, 4000, 1, 1)
    # Half of all elevations are beyond 45 degrees, which is 29 % of the sphere.
    assert (reference[..., 2].abs() > 0.5**0.5).float().mean() == pytest.approx(0.5, abs=0.03)


def test_batches_have_the_sizes_asked_for():
    batches = endless(HnetDataConfig(sizes=[2, 3]), 4, 0)
    shapes = {tuple(next(batches).cost.shape[1:]) for _ in range(40)}
    assert shapes == {(2, 2), (2, 3), (3, 2), (3, 3)}
    square = endless(HnetDataConfig(sizes=[2, 3], square=True), 4, 0)
    assert {tuple(next(square).cost.shape[1:]) for _ in range(20)} == {(2, 2), (3, 3)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": []}, "data.sizes must be numbers >= 1"),
        (
            {"resolutions_deg": [-1]},
            r"data.resolutions_deg must be in \[0, 90\], or standard, fine, coarse, got \[-1\]",
        ),
        ({"full_share": 1.5}, r"data.full_share must be in \[0, 1\], got 1.5"),
        ({"cases": {"odd": 1.0}}, "data.cases must be among independent, .*, got odd"),
        ({"pair_weights": [0, 0]}, r"data.pair_weights must be >= 0, not all 0, got \[0, 0\]"),
        ({"resolutions_deg": "rough"}, "data.resolutions_deg must be .*standard, fine, coarse, got rough"),
        ({"cases": {}}, "data.cases must be weights >= 0, not all 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HnetDataConfig(**options)
