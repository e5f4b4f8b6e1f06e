"""Directions found by steering, for microphones at known places."""

import dataclasses

import numpy as np
import pytest
import torch
from plane_waves import plane_waves, turned

from seld.arrays import ARRAYS, diffuse_coherence, find_array, steering
from seld.features import FeatureConfig, build_features
from seld.features.logmel_steered import _coefficients, _fits, _inverse
from seld.geometry import fibonacci_sphere
from seld.scenes.noise import diffuse_noise

MIC = ARRAYS["mic"]


def compute_of(array):
    return build_features(FeatureConfig(kind="logmel_steered"), array)


@pytest.fixture(scope="module")
def compute():
    return compute_of(MIC)


def directions_of(compute, audio, frames=slice(2, 10)):
    """Lengths (frames, bands) and vectors (3, frames, bands) of the first frames, which hold the onset."""
    vectors = compute(audio.unsqueeze(0))[0, -3:, frames]
    return vectors.norm(dim=0), vectors


def errors_deg(length, vectors, direction):
    """Of each band, weighed by length."""
    cosine = torch.einsum("ctf,c->tf", vectors, torch.tensor(direction, dtype=torch.float32)) / length.clamp_min(1e-9)
    return ((cosine.clamp(-1, 1).arccos().rad2deg() * length).sum(0) / length.sum(0).clamp_min(1e-9)).numpy()


def test_a_plane_wave_is_found_in_every_band_below_the_highest(compute):
    found = [directions_of(compute, plane_waves(MIC, [u], 0.4, seed)) for seed, u in enumerate(fibonacci_sphere(12))]
    error = np.array([errors_deg(*one, u) for one, u in zip(found, fibonacci_sphere(12), strict=True)])
    assert error[:, 2:50].max() < 10
    assert error[:, 2:50].mean() < 3
    assert torch.stack([length for length, _ in found])[..., 52:].max() == 0  # from 6 kHz on


def test_a_plane_wave_is_one_long_at_its_onset(compute):
    length, _ = directions_of(compute, plane_waves(MIC, [fibonacci_sphere(5)[1]], 0.4), slice(0, 2))
    assert length[:, 4:40].mean() == pytest.approx(0.9, abs=0.1)


def test_directions_of_a_flat_array_are_right_up_to_its_mirror():
    square = find_array("square")
    u = np.array([np.cos(2.0), np.sin(2.0), 0])
    length, vectors = directions_of(compute_of(square), plane_waves(square, [u], 0.4))
    error = errors_deg(length, vectors, u)
    assert error[4:30].mean() < 6


def test_a_diffuse_field_has_short_vectors_and_no_bias(compute):
    noise = diffuse_noise(np.random.default_rng(0), 72000, [MIC])[1]
    length, vectors = directions_of(compute, torch.tensor(noise / noise.std(), dtype=torch.float32), slice(None))
    assert length.mean() < 0.05
    assert vectors.mean((1, 2)).abs().max() < 0.005


def test_an_echo_within_the_decay_does_not_count(compute):
    burst, echo = (plane_waves(MIC, [u], 0.2, seed) for seed, u in enumerate(([0.0, 1, 0], [0.0, -1, 0])))
    _, vectors = directions_of(compute, torch.cat([burst, 0.1 * echo], -1), slice(None))
    assert vectors[1, :10].mean() > 0.2
    assert vectors[:, 11:].norm(dim=0).mean() < 0.02


def test_the_fit_of_a_bin_is_that_of_its_formula():
    frequency = np.array([300.0, 2500.0])
    grid = fibonacci_sphere(7)
    fit, energy = _fits(MIC, grid, frequency), _coefficients(_inverse(MIC, frequency))
    draw = np.random.default_rng(0)
    x = draw.normal(size=4) + 1j * draw.normal(size=4)
    products = [abs(value) ** 2 for value in x]
    pairs = [x[i].conj() * x[j] for i in range(4) for j in range(i + 1, 4)]
    products += [value.real for value in pairs] + [value.imag for value in pairs]
    for k in range(2):
        inverse = np.linalg.inv(diffuse_coherence([MIC], frequency)[k] + 0.01 * np.eye(4))
        for g, a in enumerate(steering(MIC, grid, frequency)[k]):
            expected = abs(a.conj() @ inverse @ x) ** 2 / (a.conj() @ inverse @ a).real
            assert fit[k, :, g] @ products == pytest.approx(expected, rel=1e-9)
        assert energy[k] @ products == pytest.approx((x.conj() @ inverse @ x).real, rel=1e-9)


def test_features_turn_with_the_scene():
    exact = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.03
    array = dataclasses.replace(MIC, positions_m=tuple(map(tuple, exact)), radius_m=float(np.linalg.norm(exact[0])))
    compute = compute_of(array)
    audio = plane_waves(array, fibonacci_sphere(9)[[2, 7]], 0.3)
    symmetries = array.symmetries()
    assert len(symmetries) == 24
    expected = compute(torch.stack([turned(audio, symmetry) for symmetry in symmetries]))
    found = compute.turn(compute(audio.unsqueeze(0)).expand(24, -1, -1, -1), symmetries)
    close = torch.isclose(found, expected, rtol=0, atol=1e-3)
    assert close.float().mean() > 0.995  # where two directions fit equally well, rounding decides


def test_silence_has_no_direction(compute):
    features = compute(torch.zeros(1, 4, 4800))
    assert features.isfinite().all()
    assert features[:, -3:].abs().max() == 0


@pytest.mark.parametrize("name", ["foa", "stereo", "binaural"])
def test_arrays_without_places_are_refused(name):
    with pytest.raises(ValueError, match=f"must be microphones at known places for logmel_steered, got {name}"):
        build_features(FeatureConfig(kind="logmel_steered", array=name))
