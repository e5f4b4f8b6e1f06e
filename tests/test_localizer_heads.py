import pytest
import torch
from torch import nn

from seld.geometry import angular_distance, axis_symmetries, normalize
from seld.localizer.heads import CandidateHead, NeighbourAttention
from seld.localizer.peaks import PeakFinder

STATE, MAPS, BANDS = 6, 5, 32


def head(tracks=2, seed=0, trained=False, ranked=False):
    torch.manual_seed(seed)
    made = CandidateHead(STATE, MAPS, tracks, peaks=4, size=16, layers=2, ranked=ranked)
    if trained:  # nothing left at its careful start
        for weight in made.parameters():
            weight.data += 0.1 * torch.randn(weight.shape)
    return made


def inputs(bands, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = bands.shape[:2]
    state = torch.randn(*shape, STATE, generator=generator)
    maps = torch.rand(shape[0], MAPS, shape[1], 16, generator=generator)
    return state, maps, bands


def two_sources(frames=12, seed=0):
    """Vectors (1, T, F, 3): two thirds of the bands to the left, the others up in front."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.tensor([0.0, 1.0, 0.0]).repeat(BANDS, 1)
    axis[2 * BANDS // 3 :] = torch.tensor([0.6, 0.0, 0.8])
    return normalize(axis + 0.05 * torch.randn(1, frames, BANDS, 3, generator=generator))


def test_untrained_tracks_take_the_peaks_by_their_height():
    bands = two_sources()
    doa, clues = head()(*inputs(bands), PeakFinder(4)(bands))
    for track, direction in enumerate(([0.0, 1.0, 0.0], [0.6, 0.0, 0.8])):
        assert torch.rad2deg(angular_distance(doa[:, :, track], torch.tensor(direction))).max() < 3
    assert clues.shape == (1, 12, head().clues)


def test_a_pause_is_bridged_from_the_frames_around():
    bands = two_sources(20)
    bands[:, 8:12, 2 * BANDS // 3 :] = 0  # the second source pauses
    bands[:, 8:12, : 2 * BANDS // 3] *= 0.1
    doa, _ = head()(*inputs(bands), PeakFinder(4)(bands))
    second = torch.rad2deg(angular_distance(doa[0, :, 1], torch.tensor([0.6, 0.0, 0.8])))
    assert second.max() < 5


def test_a_candidate_is_known_by_its_rank():
    bands, made = two_sources(), head(ranked=True)
    peaks = PeakFinder(2, brief=2)(bands)
    doa, _ = made(*inputs(bands), peaks)
    assert angular_distance(doa[:, :, 0], torch.tensor([0.0, 1, 0])).max() < 0.1  # the highest peak
    nn.init.constant_(made.score.weight, 1.0)
    made.rank.data[3] = 10.0  # the second of the brief peaks is taken for the best candidate
    doa, clues = made(*inputs(bands), peaks)
    assert angular_distance(doa[:, :, 0], torch.tensor([0.6, 0, 0.8])).max() < 0.1
    (doa[..., 2].sum() + clues.sum()).backward()
    assert made.rank.grad.norm(dim=1).min() > 0


def test_directions_turn_with_the_scene_and_clues_stay():
    rotation = torch.tensor(axis_symmetries()[29], dtype=torch.float32)
    bands = two_sources()
    layer = head(trained=True).eval()
    doa, clues = layer(*inputs(bands), PeakFinder(4)(bands))
    peaks = PeakFinder(4)(bands)
    turned = peaks._replace(doa=peaks.doa @ rotation.T)
    doa_turned, clues_turned = layer(*inputs(bands @ rotation.T), turned)
    torch.testing.assert_close(doa_turned, doa @ rotation.T, rtol=0, atol=1e-4)
    torch.testing.assert_close(clues_turned, clues, rtol=1e-3, atol=1e-3)


def test_what_is_out_of_reach_changes_nothing():
    bands = two_sources(60)
    other = bands.clone()
    other[:, 50:] = bands[:, 50:].flip(-1)
    layer = head(trained=True).eval()
    state, maps, _ = inputs(bands)
    first, second = (layer(state, maps, given, PeakFinder(4)(given))[0] for given in (bands, other))
    # Two layers and the tracks themselves reach 20 frames each; peaks and vectors two more.
    torch.testing.assert_close(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 45:], second[:, 45:], atol=1e-3)


def test_neighbours_confirm_each_other():
    """Untrained, a candidate moves towards those near it, and one that stands alone stays."""
    layer = NeighbourAttention(8)
    doa = normalize(torch.tensor([[[1.0, 0.0, 0.0], [1.0, 0.2, 0.0], [0.0, 0.0, 1.0]]]))
    moved, code = layer(doa, torch.zeros(1, 3, 8), torch.zeros(3))
    cosine = moved @ moved.transpose(-1, -2)
    assert cosine[0, 0, 1] > (doa @ doa.transpose(-1, -2))[0, 0, 1]
    assert moved[0, 2] @ doa[0, 2] > 0.999
    assert code.shape == (1, 3, 8)


@pytest.mark.parametrize("bands", [torch.zeros(1, 4, BANDS, 3), two_sources(4)])
def test_gradients_are_finite_also_in_silence(bands):
    layer = head(trained=True)
    bands.requires_grad_()
    state, maps, _ = inputs(bands)
    doa, clues = layer(state.requires_grad_(), maps.requires_grad_(), bands, PeakFinder(4)(bands))
    (doa[..., 0].sum() + clues.sum()).backward()
    for value in (bands, state, maps, *layer.parameters()):
        assert value.grad.isfinite().all()
