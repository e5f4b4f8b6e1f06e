"""What holds for the shipped Hnet at any size, mask and cost: symmetry, scale, absence, and the exact matching."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seld.assignment.hnet import Hnet
from seld.assignment.hnet_data import CASES, HnetDataConfig, draw, margin
from seld.assignment.hungarian import hungarian

HNET = Hnet.from_pretrained()
SIZES = st.tuples(st.integers(1, 10), st.integers(1, 10))
SEEDS = st.integers(0, 10**6)


def problems(size: tuple[int, int], seed: int, case: str = "independent", full: float = 0.3):
    """Eight problems of any kind in float64, most of them with absent slots."""
    config = HnetDataConfig(cases={case: 1.0}, full_share=full, resolutions_deg=[0])
    drawn = draw(config, 8, *size, torch.Generator().manual_seed(seed))
    return drawn._replace(cost=drawn.cost.double())


def inputs(examples):
    return examples.cost, examples.active, examples.present


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS, st.sampled_from(sorted(CASES)), st.randoms(use_true_random=False))
def test_the_order_of_slots_does_not_matter(size, seed, case, random):
    cost, active, present = inputs(problems(size, seed, case))
    rows, columns = (random.sample(range(slots), slots) for slots in size)
    permuted = HNET(cost[:, rows][:, :, columns], active[:, columns], present[:, rows])
    torch.testing.assert_close(permuted, HNET(cost, active, present)[:, rows][:, :, columns], rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS, st.floats(1, 1e6), st.floats(-10, 10))
def test_unit_and_level_of_the_cost_do_not_matter(size, seed, unit, level):
    cost, active, present = inputs(problems(size, seed))
    cost = cost.round(decimals=2)  # differences below a thousandth count as rounding
    moved = HNET(unit * (cost + level), active, present)
    torch.testing.assert_close(moved, HNET(cost, active, present), rtol=0, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS, st.sampled_from([0.0, 1e30, -1e30]))
def test_absent_slots_are_as_if_they_were_not_there(size, seed, junk):
    cost, active, present = inputs(problems(size, seed))
    valid = present.unsqueeze(2) & active.unsqueeze(1)
    association = HNET(cost.masked_fill(~valid, junk), active, present)
    assert (association[~valid] == 0).all()
    for one, rows, columns, whole in zip(cost, present, active, association, strict=True):
        part = one[rows][:, columns]
        torch.testing.assert_close(whole[rows][:, columns], HNET(part), rtol=0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.sampled_from(sorted(CASES)))
def test_a_clear_matching_is_found(size, seed, case):
    examples = problems(size, seed, case)
    cost, active, present = inputs(examples)
    clear = margin(examples) > 0.05
    found = HNET(cost, active, present)[clear] > 0.5
    assert torch.equal(found, hungarian(cost, active, present)[clear] > 0.5)


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS)
def test_sums_are_those_of_a_matching(size, seed):
    cost, active, present = inputs(problems(size, seed))
    association = HNET(cost, active, present)
    assert association.min() >= 0
    assert max(association.sum(1).max(), association.sum(2).max()) <= 1 + 1e-4
    pairs = torch.minimum(active.sum(1), present.sum(1))
    assert association.sum((1, 2)).numpy() == pytest.approx(pairs.numpy(), abs=1e-3)
