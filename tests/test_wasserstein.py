"""Transport costs between pictures, against values known by hand, the unrolled plan and SciPy's linear program."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import linprog

from seld.wasserstein import pixel_cost, read_images, sphere_cost, to_mass, transport_cost, unrolled_plan


def masses(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)


def test_moving_a_point_costs_its_squared_distance():
    cost = pixel_cost(2, 5)  # the corners are 4 columns and 1 row apart
    point = torch.eye(10, dtype=torch.float64)
    moved = transport_cost(cost, point[[0, 0, 0]], point[[9, 2, 0]], 0.01)
    torch.testing.assert_close(moved, torch.tensor([1, 4 / 17, 0], dtype=torch.float64))


def test_the_cost_on_the_sphere_is_the_squared_angle():
    directions = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0]], dtype=torch.float64)
    expected = torch.tensor([[0, 0.25, 1], [0.25, 0, 0.25], [1, 0.25, 0]], dtype=torch.float64)
    torch.testing.assert_close(sphere_cost(directions), expected)


def test_a_cold_plan_costs_what_the_linear_program_does():
    cost, (mass, other) = pixel_cost(3, 3), masses(2, 9)
    sums = np.concatenate([np.kron(np.eye(9), np.ones(9)), np.kron(np.ones(9), np.eye(9))])
    least = linprog(cost.flatten().numpy(), A_eq=sums, b_eq=torch.cat([mass, other]).numpy()).fun
    assert transport_cost(cost, mass[None], other[None], 1e-3).item() == pytest.approx(least, rel=0.02)


def test_the_unrolled_plan_and_its_gradients_reach_the_implicit_ones():
    found = []
    for gradient in ("implicit", "unrolled"):
        mass, other = masses(2, 12).requires_grad_(), masses(2, 12, seed=1).requires_grad_()
        cost = pixel_cost(3, 4).requires_grad_()
        costs = transport_cost(cost, mass, other, 0.05, gradient, iterations=300)
        grads = torch.autograd.grad(costs.square().sum(), (cost, mass, other))
        # A constant is free in the gradient to a mass, whose total does not change.
        found.append([costs, grads[0], *(grad - grad.mean(1, keepdim=True) for grad in grads[1:])])
    for implicit, unrolled in zip(*found, strict=True):
        torch.testing.assert_close(implicit, unrolled, rtol=1e-3, atol=1e-6)


def test_an_unrolled_plan_has_the_sums_that_it_was_given():
    mass, other = masses(2, 6), masses(2, 6, seed=1)
    other[:, 0] = 0
    other = other / other.sum(1, keepdim=True)
    plan = unrolled_plan(pixel_cost(2, 3), mass, other, 0.05, 300)
    torch.testing.assert_close(plan.sum(1), other)
    torch.testing.assert_close(plan.sum(2), mass)


def test_dark_ink_and_transparent_paper(tmp_path):
    pixels = np.zeros((3, 4, 4), np.uint8)  # black, transparent
    pixels[1, 2] = 0, 0, 0, 255
    Image.fromarray(pixels).save(tmp_path / "dark.png")
    expected = np.zeros((1, 3, 4))
    expected[0, 1, 2] = 1
    np.testing.assert_array_equal(read_images([tmp_path / "dark.png"], dark_ink=True), expected)
    Image.fromarray(np.full((2, 2), 32768, np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_images([tmp_path / "deep.png"]), 0.5, atol=1e-4)


def test_images_of_several_sizes_are_refused_unless_resized(tmp_path):
    paths = [tmp_path / "small.png", tmp_path / "large.png"]
    for path, size in zip(paths, (4, 8), strict=True):
        Image.fromarray(np.full((size, size), 255, np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"got 4 x 4 in .*small.png and 8 x 8 in .*large.png"):
        read_images(paths)
    np.testing.assert_array_equal(read_images(paths, size=4), 1)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(ValueError, match=r"text.png: not a readable image"):
        read_images([tmp_path / "text.png"])
    with pytest.raises(FileNotFoundError, match=r"none.png: no such file"):
        read_images([tmp_path / "none.png"])
    with pytest.raises(ValueError, match=r"b: the picture must have some mass"):
        to_mass(np.stack([np.ones((2, 2)), np.zeros((2, 2))]), ["a", "b"])
    with pytest.raises(ValueError, match=r"2 to 2500 pixels, got 60 x 60"):
        pixel_cost(60, 60)
