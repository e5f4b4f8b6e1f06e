"""Scenes that are turned: the direction is measured again in the turned recording."""

import logging

import numpy as np
import pytest
import torch
from directions import angle_deg, beam_direction, beam_share, delays, intensity_direction
from plane_waves import plane_waves

from seld.arrays import ARRAYS, Array, find_array
from seld.augmentation import (
    Augmentation,
    AugmentationConfig,
    Segment,
    random_rotations,
    rotate,
    swap_channels,
    turn_features,
    useful_symmetries,
)
from seld.features import FeatureConfig, build_features
from seld.features.phase import pair_delays
from seld.geometry import unit_from_degrees

DIRECTION = unit_from_degrees(35, 20)
TRIANGLE = Array("triangle", "open", positions_m=((0.05, 0, 0), (0, 0.08, 0), (-0.02, -0.03, 0)))
SIZE = {"foa": 48, "mic": 24, "square": 8, "respeaker_6": 12, "line": 2, "stereo": 2, "binaural": 2}
UPRIGHT = {"foa": 16, "mic": 8, "square": 8, "respeaker_6": 12, "line": 2}


def segment(array, direction=DIRECTION, items=1, frames=5):
    """One plane wave, with its reference in the first slot."""
    audio = plane_waves(array, direction, seconds=0.1 * frames).expand(items, -1, -1)
    doa = torch.zeros(items, frames, 2, 3)
    doa[..., 0] = 1
    doa[:, :, 0] = torch.as_tensor(direction, dtype=torch.float32)
    active = torch.zeros(items, frames, 2, dtype=torch.bool)
    active[..., 0] = True
    return Segment(audio, doa, active)


@pytest.mark.parametrize(("name", "size"), SIZE.items())
def test_each_way_to_swap_channels_occurs_once_and_identity_first(name, size):
    symmetries = useful_symmetries(find_array(name))
    assert len(symmetries) == size
    np.testing.assert_allclose(symmetries[0].rotation, np.eye(3), atol=1e-9)
    assert len({(*symmetry.permutation, *symmetry.signs) for symmetry in symmetries}) == size


@pytest.mark.parametrize(("name", "size"), UPRIGHT.items())
def test_upright_turns_keep_up_and_down_on_their_axis(name, size):
    symmetries = useful_symmetries(find_array(name), upright=True)
    assert len(symmetries) == size
    for symmetry in symmetries:
        assert abs((symmetry.rotation @ (0, 0, 1))[2]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["square", "respeaker_6", "line"])
def test_what_an_array_cannot_hear_keeps_its_sign(name):
    for symmetry in useful_symmetries(find_array(name)):
        assert (symmetry.rotation @ DIRECTION)[2] == pytest.approx(DIRECTION[2])


def test_swapped_ambisonics_come_from_their_references():
    symmetries = useful_symmetries(ARRAYS["foa"])
    turned = swap_channels(segment(ARRAYS["foa"], items=48), symmetries)
    measured = np.stack([intensity_direction(audio) for audio in turned.signal])
    np.testing.assert_allclose(turned.doa[:, 0, 0].numpy(), measured, atol=1e-5)
    assert len(np.unique(measured.round(4), axis=0)) == 48


def test_the_swapped_tetrahedron_hears_its_references():
    mic = ARRAYS["mic"]
    turned = swap_channels(segment(mic, items=24), useful_symmetries(mic))
    found = set()
    for audio, doa in zip(turned.signal, turned.doa, strict=True):
        # Elevations of 35 degrees are a quarter of a degree off a regular tetrahedron.
        assert beam_share(mic, audio, doa[0, 0].numpy())[0] > 0.999
        assert angle_deg(beam_direction(mic, audio), doa[0, 0]) < 6
        found.add(tuple(doa[0, 0].numpy().round(2)))
    assert len(found) == 24


@pytest.mark.parametrize("name", ["square", "respeaker_6", "line", "respeaker_usb_4"])
def test_swapped_open_arrays_have_the_delays_of_their_references(name):
    array = find_array(name)
    symmetries = useful_symmetries(array)
    turned = swap_channels(segment(array, items=len(symmetries)), symmetries)
    expected = pair_delays(array, turned.doa[:, 0, 0].double().numpy())
    for audio, there in zip(turned.signal, expected, strict=True):
        np.testing.assert_allclose(delays(audio), there, atol=2e-6)  # a sixteenth of a sample is 2.6e-6 s
    assert len(np.unique(expected.round(7), axis=0)) == len(symmetries)


def test_two_ears_are_mirrored_with_left_and_right():
    left = segment(ARRAYS["stereo"], unit_from_degrees(90, 0))
    mirrored = swap_channels(left, useful_symmetries(ARRAYS["binaural"])[1:])
    assert mirrored.signal[0, 1].square().mean() > 100 * mirrored.signal[0, 0].square().mean()
    torch.testing.assert_close(mirrored.doa[0, 0, 0], torch.tensor([0.0, -1.0, 0.0]))


@pytest.mark.parametrize("upright", [False, True])
def test_rotated_ambisonics_come_from_their_references(upright):
    rotations = random_rotations(np.random.default_rng(0), 20, upright)
    turned = rotate(segment(ARRAYS["foa"], items=20), rotations)
    measured = np.stack([intensity_direction(audio) for audio in turned.signal])
    np.testing.assert_allclose(turned.doa[:, 0, 0].numpy(), measured, atol=1e-5)
    assert (np.abs(np.abs(measured[:, 2]) - DIRECTION[2]) < 1e-5).all() == upright


def test_random_rotations_are_uniform():
    rotations = random_rotations(np.random.default_rng(0), 20000)
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (20000, 3, 3)), atol=1e-9
    )
    images = rotations @ DIRECTION
    np.testing.assert_allclose(images.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(images.T @ images / 20000, np.eye(3) / 3, atol=0.02)
    assert (np.linalg.det(rotations) > 0).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("name", "turn"), [("foa", "swap"), ("foa", "rotate"), ("mic", "swap")])
def test_turning_keeps_energy_and_levels(name, turn):
    array = find_array(name)
    before = segment(array)
    after = Augmentation(AugmentationConfig(turn=turn, level_db=0), array).audio(
        *(part[0] for part in before), np.random.default_rng(3)
    )
    assert after.signal.square().sum().item() == pytest.approx(before.signal.square().sum().item(), rel=1e-5)
    torch.testing.assert_close(after.doa.norm(dim=-1), torch.ones(5, 2))


KINDS = [
    ("logmel_intensity", "foa"), ("salsa", "foa"), ("logmel_gcc", "mic"), ("salsa_lite", "mic"), ("phase", "square"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_turned_features_are_those_of_turned_audio(kind, name):
    array = find_array(name)
    module = build_features(FeatureConfig(kind=kind, array=name))
    symmetries = useful_symmetries(array)[1:6]
    heard = segment(array, items=len(symmetries), frames=2)
    by_audio = swap_channels(heard, symmetries)
    by_features = turn_features(heard._replace(signal=module(heard.signal)), symmetries, module)
    torch.testing.assert_close(by_features.doa, by_audio.doa)
    expected = module(by_audio.signal)
    if kind == "logmel_gcc":  # of the first lag there is no opposite
        by_features.signal[:, 4:, :, 0] = expected[:, 4:, :, 0]
    close = torch.isclose(by_features.signal, expected, rtol=0, atol=1e-3)
    assert close.float().mean() > 0.999  # phases of -pi and pi are the same


def test_an_array_without_symmetry_is_left_alone_and_says_so_once(caplog):
    heard = segment(TRIANGLE)
    with caplog.at_level(logging.WARNING):
        augmentation = Augmentation(AugmentationConfig(level_db=0), TRIANGLE)
        for _ in range(3):
            after = augmentation.audio(*heard, np.random.default_rng(1))
            assert all(torch.equal(one, other) for one, other in zip(heard, after, strict=True))
    assert [record.getMessage() for record in caplog.records] == [
        "the array triangle has no symmetry: its channels are not swapped"
    ]


def test_microphones_cannot_be_turned_by_any_rotation():
    with pytest.raises(ValueError, match=r"augmentation.turn must be off or swap for the array mic, got rotate"):
        Augmentation(AugmentationConfig(turn="rotate"), ARRAYS["mic"])
