import pytest
import torch

from seld.geometry import angular_distance, axis_symmetries, normalize
from seld.localizer.peaks import PeakFinder, axes_of, band_vectors, shift, windows

BANDS = 64


def scene(*sources, frames=12, spread=0.05, seed=0):
    """Vectors (1, T, F, 3) of bands that belong to sources (direction, share of the bands), a little scattered."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for direction, share in sources:
        bands = torch.tensor(direction).expand(1, frames, round(share * BANDS), 3)
        parts.append(normalize(bands + spread * torch.randn(bands.shape, generator=generator)))
    return torch.cat(parts, 2)


def degrees(a, b):
    return torch.rad2deg(angular_distance(a, torch.tensor(b)))


def test_peaks_are_the_sources_by_their_height():
    left, up = (0.0, 1.0, 0.0), (0.6, 0.0, 0.8)
    peaks = PeakFinder(4)(scene((left, 0.6), (up, 0.4)))
    assert degrees(peaks.doa[0, :, 0], left).max() < 2
    assert degrees(peaks.doa[0, :, 1], up).max() < 2
    assert (peaks.height[..., 0] > peaks.height[..., 1]).all()
    assert (peaks.height[..., 2] < 0.2 * peaks.height[..., 1]).all()
    assert peaks.doa.shape == (1, 12, 4, 3)


def test_brief_peaks_are_those_of_the_frame_alone():
    left, up = (0.0, 1.0, 0.0), (0.6, 0.0, 0.8)
    bands = scene((left, 1.0))
    bands[:, 6] = scene((up, 1.0))[:, 6]  # is heard for one frame
    peaks = PeakFinder(2, brief=1)(bands)
    lasting = PeakFinder(2)(bands)
    torch.testing.assert_close(peaks.doa[:, :, :2], lasting.doa)
    torch.testing.assert_close(peaks.height[:, :, :2], lasting.height)
    torch.testing.assert_close(peaks.histogram, lasting.histogram)
    assert degrees(peaks.doa[0, 6, 0], left).max() < 2
    assert degrees(peaks.doa[0, 6, 2], up).max() < 2
    assert degrees(peaks.doa[0, [0, 5, 7, 11], 2], left).max() < 2


def test_peaks_turn_with_the_scene():
    rotation = torch.tensor(axis_symmetries()[29], dtype=torch.float32)
    bands = scene(((0.48, 0.64, 0.6), 0.7), ((-0.8, 0.0, 0.6), 0.3))
    straight, turned = PeakFinder(4)(bands), PeakFinder(4)(bands @ rotation.T)
    torch.testing.assert_close(turned.doa[:, :, :2], straight.doa[:, :, :2] @ rotation.T, rtol=0, atol=1e-4)


def test_silence_has_finite_peaks_without_height():
    peaks = PeakFinder(4)(torch.zeros(1, 5, BANDS, 3))
    assert all(part.isfinite().all() for part in peaks)
    assert 0 <= peaks.height.max() < 1e-12


def test_shift_moves_to_the_cluster_that_is_near():
    front, left = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    near = windows(scene((front, 0.5), (left, 0.5)), 3)
    start = normalize(torch.tensor([[0.95, 0.3, 0.0], [0.3, 0.95, 0.1]])).expand(1, 12, 2, 3)
    moved = shift(start, near, axes_of(near), sharpness=15.0, inertia=0.3, steps=3)
    assert degrees(moved[0, :, 0], front).max() < 2
    assert degrees(moved[0, :, 1], left).max() < 2


def test_shift_stays_where_there_is_nothing():
    start = normalize(torch.randn(1, 4, 2, 3, generator=torch.Generator().manual_seed(0)))
    nothing = torch.zeros(1, 4, 9, 3)
    moved = shift(start, nothing, axes_of(nothing), 15.0, 0.3, steps=2)
    torch.testing.assert_close(moved, start, rtol=0, atol=1e-5)


def test_windows_hold_the_frames_around_and_silence_beyond():
    bands = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 1, 3) + 1
    assert windows(bands, 3)[0, :, :, 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 0]]


def test_band_vectors_are_means_over_the_feature_frames():
    vectors = torch.arange(2 * 5.0).reshape(1, 1, 10, 1).expand(1, 3, 10, 2)
    assert band_vectors(vectors, 2)[0, :, :, 0].tolist() == [[2, 2], [7, 7]]


@pytest.mark.parametrize("inertia", [0.0, 0.3])
def test_shift_has_a_finite_gradient(inertia):
    near = scene(((1.0, 0.0, 0.0), 1.0), frames=2)
    start = normalize(torch.randn(1, 2, 2, 3, generator=torch.Generator().manual_seed(1))).requires_grad_()
    shift(start, near, axes_of(near), 15.0, inertia, steps=2).sum().backward()
    assert start.grad.isfinite().all()
