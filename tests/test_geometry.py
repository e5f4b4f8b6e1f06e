import numpy as np
import pytest
import torch

from seld.geometry import (
    angular_distance,
    axis_symmetries,
    degrees_from_unit,
    fibonacci_sphere,
    normalize,
    pairwise_angular_distance,
    unit_from_degrees,
)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "vector"),
    [(0, 0, (1, 0, 0)), (90, 0, (0, 1, 0)), (-90, 0, (0, -1, 0)), (180, 0, (-1, 0, 0)), (30, 90, (0, 0, 1))],
)
def test_axes_are_front_left_up(azimuth, elevation, vector):
    assert unit_from_degrees(azimuth, elevation) == pytest.approx(vector, abs=1e-12)


def test_degrees_survive_the_way_to_vectors_and_back():
    azimuth, elevation = np.meshgrid(np.arange(-180, 180, 7.0), np.arange(-89, 90, 7.0))
    back = degrees_from_unit(3 * unit_from_degrees(azimuth, elevation))
    np.testing.assert_allclose(back, (azimuth, elevation), atol=1e-9)


def test_azimuth_180_is_written_as_minus_180():
    assert degrees_from_unit(np.array([-1.0, 0.0, 0.0]))[0] == -180


def test_distance_resolves_a_thousandth_of_a_degree_in_float32():
    a = torch.tensor(unit_from_degrees(20.0, 30.0), dtype=torch.float32)
    b = torch.tensor(unit_from_degrees(20.0, 30.001), dtype=torch.float32)
    assert torch.rad2deg(angular_distance(a, b)).item() == pytest.approx(0.001, rel=0.02)


def test_distance_agrees_with_acos_between_its_weak_spots():
    generator = torch.Generator().manual_seed(0)
    a, b = normalize(torch.randn(2, 1000, 3, dtype=torch.float64, generator=generator))
    torch.testing.assert_close(angular_distance(a, b), torch.acos((a * b).sum(-1)), rtol=0, atol=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradient_is_finite_at_coincident_and_opposite_directions(sign):
    a = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    distance = angular_distance(a, sign * torch.tensor([1.0, 0.0, 0.0]))
    distance.backward()
    assert distance.item() == pytest.approx(0 if sign > 0 else np.pi, abs=1e-6)
    assert a.grad.isfinite().all()


def test_gradient_is_that_of_the_angle():
    a = normalize(torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    assert torch.autograd.gradcheck(angular_distance, (a[:3].requires_grad_(), a[3:].requires_grad_()))


def test_pairwise_rows_are_estimates():
    a, b = torch.eye(3)[:2], torch.eye(3)
    expected = torch.tensor([[0, 1, 1], [1, 0, 1]]) * torch.pi / 2
    torch.testing.assert_close(pairwise_angular_distance(a, b), expected, atol=1e-6, rtol=0)


def test_normalizing_zero_is_finite():
    vector = torch.zeros(3, requires_grad=True)
    normalize(vector).sum().backward()
    assert vector.grad.isfinite().all()


def test_symmetries_are_48_different_orthogonal_matrices():
    matrices = axis_symmetries()
    assert len(np.unique(matrices.reshape(48, 9), axis=0)) == 48
    np.testing.assert_array_equal(matrices[0], np.eye(3))
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (48, 3, 3)))


def test_the_grid_is_even():
    grid = fibonacci_sphere(500)
    nearest = np.sort(grid @ grid.T, axis=1)[:, -2]
    assert np.linalg.norm(grid, axis=1) == pytest.approx(1)
    assert np.abs(grid.mean(0)).max() < 1e-2
    assert np.ptp(np.rad2deg(np.arccos(nearest))) < 2
