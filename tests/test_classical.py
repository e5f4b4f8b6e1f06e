import numpy as np
import pandas as pd
import pytest
import torch

from seld.audio import SAMPLE_RATE
from seld.classical import intensity_histogram
from seld.geometry import unit_from_degrees
from seld.metrics import evaluate


def plane_wave(azimuth, elevation, begin_s: float, end_s: float, seed: int, length_s: float = 4.0) -> torch.Tensor:
    """(4, samples) FOA of a burst of pink-like noise; `azimuth` may be one angle for each sample."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE
    signal = np.cumsum(rng.normal(0, 0.02, len(time)))
    signal = np.diff(signal - signal.mean(), prepend=0) * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    signal *= (time >= begin_s) & (time < end_s)
    x, y, z = np.broadcast_to(unit_from_degrees(azimuth, elevation), (len(time), 3)).T
    return torch.from_numpy(np.stack([signal, signal * y, signal * z, signal * x])).float()


def noise(level: float) -> torch.Tensor:
    """Incoherent noise in all channels, so that silence is not digital zero."""
    generator = torch.Generator().manual_seed(9)
    return level * torch.randn(4, 4 * SAMPLE_RATE, generator=generator)


def reference(source: int, azimuth, elevation, first: int, last: int) -> pd.DataFrame:
    frames = np.arange(first, last)
    return pd.DataFrame({"frame": frames, "class": 0, "source": source, "azimuth": azimuth, "elevation": elevation})


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 20), (-179, -45), (30, 85)])
def test_one_source_anywhere(azimuth, elevation):
    rows = intensity_histogram(plane_wave(azimuth, elevation, 1, 3, 0) + noise(1e-4), 2)
    scores = evaluate(reference(0, azimuth, elevation, 10, 30), rows, "doa+mot")
    assert scores["LE"] < 3
    assert scores["LR"] == 1 and scores["LP"] > 0.75  # smoothing over time widens the ends
    assert scores["switches"] == 0


def test_two_sources_at_once_and_their_tracks():
    audio = plane_wave(60, 0, 0.5, 3, 1) + plane_wave(-60, 30, 1.5, 3.5, 2) + noise(1e-4)
    truth = pd.concat([reference(0, 60, 0, 5, 30), reference(1, -60, 30, 15, 35)])
    scores = evaluate(truth, intensity_histogram(audio, 2), "doa+mot")
    assert scores["LE"] < 10 and scores["F20"] > 0.8 and scores["switches"] == 0


def test_a_moving_source_is_one_track_across_the_back():
    path = 150 + 20 * np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    rows = intensity_histogram(plane_wave(path, 0, 0, 4, 3) + noise(1e-4), 1)
    truth = reference(0, (150 + 2 * (np.arange(40) + 0.5) + 180) % 360 - 180, 0, 0, 40)
    assert evaluate(truth, rows)["LE"] < 4
    assert rows["source"].nunique() == 1


def test_the_count_can_be_told():
    counts = np.repeat([0, 1, 2, 0], 10)
    rows = intensity_histogram(plane_wave(60, 0, 0, 4, 1) + plane_wave(-60, 0, 0, 4, 2), 2, counts)
    assert (rows.groupby("frame").size().reindex(range(40), fill_value=0) == counts).all()


def test_silence_and_noise_hold_no_source():
    assert intensity_histogram(torch.zeros(4, SAMPLE_RATE), 2).empty
    assert intensity_histogram(noise(0.1), 2).empty


def test_loudness_changes_nothing():
    audio = plane_wave(60, 0, 1, 3, 1) + noise(1e-3)
    rows, soft = intensity_histogram(audio, 2), intensity_histogram(audio / 100, 2)
    pd.testing.assert_frame_equal(rows, soft, atol=0.1)


def test_bad_input():
    with pytest.raises(ValueError, match=r"\(4, samples\)"):
        intensity_histogram(torch.zeros(2, 100), 1)
    with pytest.raises(ValueError, match="max_sources"):
        intensity_histogram(torch.zeros(4, 100), 0)
