"""The localizers that ship: they load, are small, and find what is easy to find."""

import numpy as np
import pytest
import torch
from plane_waves import plane_waves

from seld.arrays import steering
from seld.geometry import unit_from_degrees
from seld.localizer import Localizer, tracked_rows
from seld.scenes.synthesis import synthesize
from seld.weights import PRETRAINED

NAMES = ("foa", "mic")


@pytest.fixture(scope="module", params=NAMES)
def localizer(request):
    return Localizer.from_pretrained(request.param)


def bursts(array, place, seconds, seed):
    """Noise from one direction in bursts of half a second, which have onsets as most sounds do."""
    audio = plane_waves(array, unit_from_degrees(*place), seconds, seed)
    time = torch.arange(audio.shape[1]) / 24000
    return audio * ((time % 0.5) < 0.4) * torch.exp(-3 * (time % 0.5))


def voice(array, place, seed):
    """Four seconds of synthetic speech from one direction, in the open."""
    samples = 96000
    dry, _ = synthesize(np.random.default_rng(seed), (4.0, 4.001), "speech")
    frequencies = np.fft.rfftfreq(samples, 1 / 24000)
    heard = steering(array, unit_from_degrees(*place)[None], frequencies)[:, 0].T * np.fft.rfft(0.05 * dry, samples)
    return torch.tensor(np.fft.irfft(heard, samples), dtype=torch.float32)


def errors_deg(rows, place):
    """Of each row."""
    found = unit_from_degrees(rows["azimuth"].to_numpy(), rows["elevation"].to_numpy())
    return np.degrees(np.arccos(np.clip(found @ unit_from_degrees(*place), -1, 1)))


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_small_and_have_a_card(name):
    assert (PRETRAINED / f"{name}.safetensors").stat().st_size <= 5_000_000
    card = (PRETRAINED / f"{name}.md").read_text()
    for what in ("seed", "hours", "LE", "F20", "MOTA", "Limits"):
        assert what in card


def test_the_array_is_that_of_the_name(localizer, request):
    assert localizer.features.array.name == request.node.callspec.params["localizer"]
    assert localizer.config.tracks == 3


@pytest.mark.parametrize("place", [(40, 10), (-100, -20), (170, 35)])
def test_one_source_is_one_track_in_its_direction(localizer, place):
    array = localizer.features.array
    audio = voice(array, place, seed=1)
    audio = audio + 0.01 * audio.std() * torch.randn(audio.shape, generator=torch.Generator().manual_seed(0))
    rows = tracked_rows(localizer.locate(audio), localizer.threshold)
    rows = rows[rows["frame"].between(5, 35)]
    assert rows["source"].nunique() == 1
    assert len(rows) >= 28
    assert np.median(errors_deg(rows, place)) < 5


def test_two_sources_far_apart_are_two_tracks(localizer):
    array = localizer.features.array
    first = bursts(array, (60, 0), 4.0, seed=1)
    second = bursts(array, (-80, 20), 4.0, seed=2)
    audio = first + torch.roll(second, 5000, 1)
    rows = tracked_rows(localizer.locate(audio), localizer.threshold)
    rows = rows[rows["frame"].between(8, 35)]
    near = [errors_deg(rows, place) < 15 for place in ((60, 0), (-80, 20))]
    assert min(one.sum() for one in near) >= 22
    assert (near[0] | near[1]).mean() > 0.95


def test_silence_has_no_tracks(localizer):
    audio = torch.zeros(localizer.features.array.channels, 48000)
    assert len(tracked_rows(localizer.locate(audio), localizer.threshold)) == 0
