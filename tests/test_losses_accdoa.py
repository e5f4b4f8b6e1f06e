import itertools

import pytest
import torch

from seld.losses import adpit_loss, duplicating_assignment


def random_frames(tracks, sources, seed=0, frames=40):
    """Unit vectors, logits, references, and activities with every number of sources in some frame."""
    generator = torch.Generator().manual_seed(seed)
    doa, reference = (torch.randn(2, frames, n, 3, generator=generator) for n in (tracks, sources))
    logit = torch.randn(2, frames, tracks, generator=generator)
    active = torch.rand(2, frames, sources, generator=generator) < 0.5
    active[0, 0], active[0, 1] = True, False
    unit = torch.nn.functional.normalize
    return unit(doa, dim=-1), logit, unit(reference, dim=-1), active


def brute_force(doa, logit, reference, active):
    """ADPIT as it is told: in each frame every way to give all tracks all sources, the one of least error."""
    errors = []
    for clip, frame in itertools.product(range(doa.shape[0]), range(doa.shape[1])):
        vectors = [p.sigmoid() * direction for p, direction in zip(logit[clip, frame], doa[clip, frame], strict=True)]
        sounding = [reference[clip, frame, n] for n in range(active.shape[2]) if active[clip, frame, n]]
        if not sounding:
            targets = [[torch.zeros(3)] * len(vectors)]
        else:
            targets = []
            for given in itertools.product(range(len(sounding)), repeat=len(vectors)):
                if set(given) == set(range(len(sounding))):
                    targets.append([sounding[n] for n in given])
        errors.append(
            min(
                sum((vector - aim).square().sum() for vector, aim in zip(vectors, way, strict=True)).item()
                / (3 * len(vectors))
                for way in targets
            )
        )
    return sum(errors) / len(errors)


@pytest.mark.parametrize(("tracks", "sources"), [(1, 1), (2, 2), (3, 3), (3, 2), (4, 4)])
def test_the_loss_is_that_of_a_literal_search(tracks, sources):
    frames = random_frames(tracks, sources)
    assert adpit_loss(*frames).total.item() == pytest.approx(brute_force(*frames), rel=1e-5)


def test_all_tracks_duplicate_a_lone_source():
    reference = torch.eye(3).reshape(1, 3, 3)
    given = duplicating_assignment(torch.rand(1, 3, 3), torch.tensor([[False, True, False]]))
    assert (given @ reference == torch.tensor([0.0, 1.0, 0.0])).all()


def test_two_of_three_are_given_in_the_cheapest_of_six_ways():
    cost = torch.tensor([[0.1, 9.0, 1.0], [0.2, 9.0, 1.0], [0.3, 9.0, 2.0]])  # (tracks, sources)
    given = duplicating_assignment(cost, torch.tensor([True, False, True]))
    # Alone, all tracks would go to source 0; track 1 or 0 pays 0.8 or 0.9 to let source 2 have one.
    assert given.tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_exact_vectors_cost_nothing_and_a_quarter_of_a_turn_what_it_should():
    reference = torch.eye(3)[:2].reshape(1, 2, 3)
    sure, both = torch.full((1, 2), 30.0), torch.tensor([[True, True]])
    assert adpit_loss(reference.flip(1), sure, reference, both).total.item() == pytest.approx(0, abs=1e-6)
    up = torch.tensor([[[1.0, 0, 0], [0, 0, 1.0]]])  # one of two tracks is 90 degrees off: 2 / (2 tracks x 3)
    assert adpit_loss(up, sure, reference, both).total.item() == pytest.approx(2 / 6)


def test_order_of_tracks_and_of_sources_does_not_matter():
    doa, logit, reference, active = random_frames(3, 3)
    rows, columns = torch.tensor([2, 0, 1]), torch.tensor([1, 2, 0])
    turned = adpit_loss(doa[:, :, rows], logit[:, :, rows], reference[:, :, columns], active[:, :, columns])
    torch.testing.assert_close(turned, adpit_loss(doa, logit, reference, active))


def test_what_silent_slots_hold_does_not_matter():
    doa, logit, reference, active = random_frames(3, 3)
    noise = torch.where(active.unsqueeze(-1), reference, torch.tensor([0.0, 0.6, -0.8]))
    torch.testing.assert_close(adpit_loss(doa, logit, noise, active), adpit_loss(doa, logit, reference, active))


def test_silence_shortens_every_track_and_is_finite():
    doa, logit, reference, active = random_frames(3, 3)
    logit.requires_grad_(), doa.requires_grad_()
    loss = adpit_loss(doa, logit, reference, torch.zeros_like(active)).total
    loss.backward()
    assert loss.isfinite() and (logit.grad > 0).all() and doa.grad.isfinite().all()


def test_gradient_is_that_of_finite_differences():
    doa, logit, reference, active = random_frames(3, 3, frames=3)
    assert torch.autograd.gradcheck(
        lambda doa, logit: adpit_loss(doa, logit, reference.double(), active).total,
        (doa.double().requires_grad_(), logit.double().requires_grad_()),
    )


def test_more_sources_than_tracks_are_refused():
    with pytest.raises(ValueError, match="sources must be at most as many as the 2 tracks, got 3"):
        duplicating_assignment(torch.zeros(1, 2, 3), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="tracks and sources must be at most 5, got 6 and 6"):
        duplicating_assignment(torch.zeros(1, 6, 6), torch.ones(1, 6, dtype=torch.bool))
