"""Noise and reverberation: from all around, and directions stay."""

import numpy as np
import pytest
import torch
from directions import angle_deg, beam_direction, delays, intensity_direction
from plane_waves import plane_waves

from seld.arrays import ARRAYS, Array, find_array, steering
from seld.augmentation import Augmentation, AugmentationConfig, DiffuseField, add_noise, add_reverberation
from seld.features.phase import pair_delays
from seld.geometry import fibonacci_sphere, unit_from_degrees

DIRECTION = unit_from_degrees(-110, 25)
FOA = ARRAYS["foa"]


def generator(seed=0):
    return np.random.default_rng(seed)


def field_noise(name, seconds=20):
    return DiffuseField(find_array(name)).noise(1, 24000 * seconds, generator(), "cpu")[0]


def coherences(audio, fft=256):
    """(pairs, bins) complex coherence of all pairs i < j, and the frequencies (bins,)."""
    frames = np.asarray(audio, dtype=np.float64).reshape(len(audio), -1, fft) * np.hanning(fft)
    spectrum = np.fft.rfft(frames)
    covariance = np.einsum("itf,jtf->ijf", spectrum.conj(), spectrum)
    power = np.sqrt(np.einsum("iif->if", covariance).real)
    i, j = np.triu_indices(len(audio), 1)
    return (covariance / power[:, None] / power)[i, j], np.fft.rfftfreq(fft, 1 / 24000)


@pytest.mark.parametrize("name", ["square", "line"])
def test_noise_in_the_open_has_the_coherence_of_a_diffuse_field(name):
    array = find_array(name)
    found, hertz = coherences(field_noise(name)[:, : 256 * 1800])
    i, j = np.triu_indices(array.channels, 1)
    distance = np.linalg.norm(array.positions[i] - array.positions[j], axis=1)
    expected = np.sinc(2 * distance[:, None] * hertz / 343.0)  # of pi x in numpy
    np.testing.assert_allclose(found[:, 2:], expected[:, 2:], atol=0.12)
    assert np.abs(found - expected)[:, 2:].mean() < 0.03


def test_noise_on_the_sphere_is_the_sum_of_many_waves():
    mic = ARRAYS["mic"]
    found, hertz = coherences(field_noise("mic")[:, : 256 * 1800])
    response = steering(mic, fibonacci_sphere(3000), hertz)
    covariance = np.einsum("fdi,fdj->ijf", response.conj(), response)
    power = np.sqrt(np.einsum("iif->if", covariance).real)
    expected = (covariance / power[:, None] / power)[np.triu_indices(4, 1)]
    np.testing.assert_allclose(found[:, 2:], expected[:, 2:], atol=0.12)
    assert np.abs(found - expected)[:, 2:].mean() < 0.03


def test_noise_of_ambisonics_has_no_direction():
    noise = field_noise("foa", seconds=10)
    np.testing.assert_allclose(noise.square().mean(1), [1, 1 / 3, 1 / 3, 1 / 3], atol=0.02)
    correlation = np.corrcoef(noise.numpy())
    np.testing.assert_allclose(correlation, np.eye(4), atol=0.02)


def test_noise_of_two_ears_is_independent():
    field = DiffuseField(ARRAYS["binaural"])
    assert not field.is_diffuse
    np.testing.assert_allclose(np.corrcoef(field.noise(1, 48000, generator(), "cpu")[0]), np.eye(2), atol=0.02)


@pytest.mark.parametrize("slope_db", [-6.0, 0.0, 3.0])
def test_noise_has_the_colour_asked_for(slope_db):
    noise = DiffuseField(FOA).coloured_noise(torch.tensor([slope_db]), 240000, generator(), "cpu")[0, 0].numpy()
    power = (np.abs(np.fft.rfft(noise.reshape(-1, 960))) ** 2).mean(0)
    octaves = [10 * np.log10(power[bins : 2 * bins].mean()) for bins in (20, 40, 80, 160)]
    np.testing.assert_allclose(np.diff(octaves), slope_db, atol=0.5)


def test_noise_is_as_far_below_as_asked_for_and_directions_stay():
    audio = torch.stack([plane_waves(FOA, DIRECTION)] * 2)
    noisy = add_noise(audio, DiffuseField(FOA), torch.tensor([10.0, 30.0]), torch.tensor([0.0, -3.0]), generator())
    ratio = audio.square().mean((1, 2)) / (noisy - audio).square().mean((1, 2))
    np.testing.assert_allclose(10 * ratio.log10(), [10, 30], atol=1e-2)
    for heard in noisy:
        assert angle_deg(intensity_direction(heard), DIRECTION) < 1


@pytest.mark.parametrize("name", ["mic", "square"])
def test_microphones_hear_the_direction_through_noise(name):
    array = find_array(name)
    audio = plane_waves(array, DIRECTION).unsqueeze(0)
    noisy = add_noise(audio, DiffuseField(array), torch.tensor([6.0]), torch.tensor([0.0]), generator())[0]
    if name == "mic":
        assert angle_deg(beam_direction(array, noisy), DIRECTION) < 6
    else:
        np.testing.assert_allclose(delays(noisy), pair_delays(array, DIRECTION[None])[0], atol=4e-6)


def impulse(array, samples=24000):
    """A click from DIRECTION that the origin hears at sample 1000, as the array hears it."""
    hertz = np.fft.rfftfreq(samples, 1 / 24000)
    delay = np.exp(-2j * np.pi * hertz * 1000 / 24000)
    heard = np.fft.irfft(steering(array, DIRECTION, hertz)[:, 0].T * delay, samples)
    return torch.tensor(heard, dtype=torch.float32).unsqueeze(0)


@pytest.mark.parametrize("rt60_s", [0.2, 0.6])
def test_the_tail_decays_and_has_the_energy_asked_for(rt60_s):
    audio = impulse(FOA)
    heard = add_reverberation(audio, DiffuseField(FOA), torch.tensor([rt60_s]), torch.tensor([-6.0]), generator())
    tail = (heard - audio)[0]
    assert 10 * tail[0].square().sum().log10() == pytest.approx(-6, abs=0.7)
    np.testing.assert_allclose(tail[1:].square().sum(1) / tail[0].square().sum(), 1 / 3, atol=0.1)
    left = 10 * tail.square().sum(0).flip(0).cumsum(0).flip(0).log10()
    left = left - left[0]
    seconds = [(left > -decay).sum().item() / 24000 for decay in (5, 25)]
    assert 3 * (seconds[1] - seconds[0]) == pytest.approx(rt60_s, rel=0.1)


@pytest.mark.parametrize("name", ["foa", "mic", "square"])
def test_onsets_are_untouched_and_the_tail_comes_from_all_around(name):
    array = find_array(name)
    audio = impulse(array)
    heard = add_reverberation(audio, DiffuseField(array), torch.tensor([0.5]), torch.tensor([0.0]), generator())[0]
    before = 1000 + round(0.0048 * 24000)
    # Clicks between samples ring, and what rings before the click has a tail, too, 54 dB below.
    torch.testing.assert_close(heard[:, :before], audio[0, :, :before], atol=2e-3 if name != "foa" else 1e-5, rtol=0)
    tail = heard - audio[0]
    if name == "foa":
        np.testing.assert_allclose(intensity_direction(heard[:, :before]), DIRECTION, atol=1e-3)
        w, *axes = np.asarray(tail, dtype=np.float64)
        intensity = np.array([(w * axis).mean() for axis in axes]) / (w**2).mean()
        assert np.linalg.norm(intensity) < 0.15
    else:
        click = delays(heard[:, :before])
        np.testing.assert_allclose(click, delays(audio[0]), atol=2e-6)
        found, hertz = coherences(tail[:, 1200 : 1200 + 256 * 40], fft=256)
        field, _ = coherences(field_noise(name)[:, : 256 * 1800])
        low = hertz < 1000  # where neighbours hear nearly the same; the mean of all pairs settles the few frames
        np.testing.assert_allclose(found.real.mean(0)[low].mean(), field.real.mean(0)[low].mean(), atol=0.15)


def test_the_direction_of_reverberant_sound_is_that_of_its_reference():
    foa = torch.stack([plane_waves(FOA, DIRECTION)] * 8)
    heard = add_reverberation(foa, DiffuseField(FOA), torch.full((8,), 0.5), torch.full((8,), -6.0), generator())
    angles = [angle_deg(intensity_direction(audio), DIRECTION) for audio in heard]
    assert np.mean(angles) < 4 and np.max(angles) < 10
    assert np.ptp([angle.round(3) for angle in angles]) > 0  # each item has a tail of its own


def test_sound_at_the_end_does_not_come_back_at_the_beginning():
    audio = torch.zeros(1, 4, 12000)
    audio[0, 0, -1] = 1
    heard = add_reverberation(audio, DiffuseField(FOA), torch.tensor([0.3]), torch.tensor([0.0]), generator())
    assert heard[..., :-1].abs().max() < 1e-6


def test_stereo_reverberates_what_both_channels_share():
    stereo = DiffuseField(ARRAYS["stereo"])
    foa = plane_waves(FOA, DIRECTION)
    audio = torch.stack([foa[0] + foa[1], foa[0] - foa[1]]).unsqueeze(0)
    torch.testing.assert_close(stereo.reference(audio, generator())[0, 0], foa[0])
    assert add_reverberation(audio, stereo, torch.tensor([0.3]), torch.tensor([0.0]), generator()).isfinite().all()


def test_two_ears_cannot_be_given_a_tail():
    with pytest.raises(ValueError, match=r"augmentation.reverberation must be 0 for an array without positions"):
        Augmentation(AugmentationConfig(reverberation=0.5), ARRAYS["binaural"])


def test_a_large_array_hears_independent_noise_at_high_frequencies():
    wide = Array("wide", "open", positions_m=((1.0, 0, 0), (-1.0, 0, 0), (0, 1.5, 0)))
    noise = DiffuseField(wide).noise(1, 256 * 1000, generator(), "cpu")[0]
    found, hertz = coherences(noise)
    assert np.abs(found[:, hertz > 1000]).mean() < 0.1
