"""Sounds made into others."""

import numpy as np
import pytest

from seld.audio import SAMPLE_RATE
from seld.scenes import variation
from seld.scenes.config import SceneConfig
from seld.scenes.drawing import draw_scene
from seld.scenes.events import open_events
from seld.scenes.synthesis import Sound
from seld.scenes.variation import varied, vary


def level_db(audio: np.ndarray) -> np.ndarray:
    """Of each whole 50 ms, against the loudest."""
    frame = SAMPLE_RATE // 20
    power = np.mean(audio[: len(audio) // frame * frame].reshape(-1, frame) ** 2, 1)
    return 10 * np.log10(power / power.max() + 1e-12)


def centroid_hz(audio: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float(power @ np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE) / power.sum())


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("samples", [SAMPLE_RATE // 100, SAMPLE_RATE // 3, 2 * SAMPLE_RATE])
def test_variations_are_sounds_of_the_same_level(noise, seed, samples):
    audio = vary(np.random.default_rng(seed), noise[:samples])
    assert audio.dtype == np.float32
    assert 0 < len(audio) <= samples
    assert np.mean(audio**2) == pytest.approx(1, abs=1e-3)


def test_variations_differ_by_their_seeds_alone(noise):
    sound = Sound(noise, 3, {"family": "broadband"})
    first, again, other = (varied(sound, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.audio, again.audio)
    assert len(first.audio) != len(other.audio) or not np.allclose(first.audio, other.audio)
    assert first.recipe == {"family": "broadband", "variation": 1}
    assert first.class_index == 3


def test_struck_sounds_die_away_and_end(noise):
    falls = [level_db(variation._struck(np.random.default_rng(seed), noise)) for seed in range(20)]
    for fall in falls:
        trend = np.polyfit(np.arange(len(fall)), fall, 1)[0] if len(fall) > 3 else -1
        assert trend < 0
        assert fall.min() > -45


def test_repeated_sounds_rise_again(noise):
    rises = [np.diff(level_db(variation._repeated(np.random.default_rng(seed), noise))) for seed in range(10)]
    assert all((rise > 6).sum() >= 1 for rise in rises)
    assert all((rise < -1).mean() > 0.3 for rise in rises)


def test_pauses_are_struck_by_nothing():
    quiet = np.zeros(2 * SAMPLE_RATE, dtype=np.float32)
    quiet[:100] = np.sqrt(len(quiet) / 100)  # a click and a long pause, rms 1
    for seed in range(30):
        audio = vary(np.random.default_rng(seed), quiet)
        assert np.isfinite(audio).all()
        assert np.abs(audio[:400]).max() > 1, seed  # the click is still there, and nothing was blown up


def test_colours_are_mostly_darker(noise):
    before = centroid_hz(noise)
    after = [centroid_hz(vary(np.random.default_rng(seed), noise)) for seed in range(60)]
    assert np.percentile(after, 50) < 0.6 * before
    assert np.percentile(after, 5) < 0.2 * before
    assert np.percentile(after, 95) > 0.8 * before


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_varied_sounds(share):
    config = SceneConfig(variation=share, clip_seconds=20.0)
    rng = np.random.default_rng(5)
    events = open_events(config)
    found = ["variation" in event.sound.recipe for _ in range(12) for event in draw_scene(rng, events, config).events]
    assert len(found) > 80
    assert np.mean(found) == pytest.approx(share, abs=0.15)
