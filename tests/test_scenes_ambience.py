"""Ambient recordings as noise."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seld.arrays import ARRAYS
from seld.audio import SAMPLE_RATE, read_audio
from seld.labels import read_rows
from seld.scenes import SceneConfig, make_scenes, render_scenes
from seld.scenes.ambience import draw_excerpt, find_ambience, read_excerpt, repeat

FOA, MIC = ARRAYS["foa"], ARRAYS["mic"]


def write_noise(path: Path, seconds: float = 20.0, channels: int = 4, seed: int = 0, rate: int = SAMPLE_RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.05 * np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))
    soundfile.write(path, noise, rate, subtype="PCM_16")


def test_noise_of_a_clip_is_the_recording_at_the_level_asked_for(tmp_path):
    write_noise(tmp_path / "noise" / "a.wav")
    config = SceneConfig(
        clips=1, clip_seconds=4.0, ambience=str(tmp_path / "noise"), snr_db=(5.0, 5.0), rt60_s=(0.2, 0.2), max_overlap=1
    )
    make_scenes(config, tmp_path / "out", progress=False)
    (sound,) = (tmp_path / "out" / "foa_dev").iterdir()
    foa = read_audio(sound).numpy()
    noise = json.loads((tmp_path / "out" / "scene_dev" / f"{sound.stem}.json").read_text())["noise"]
    assert noise["kind"] == "recording" and noise["file"] == "a.wav" and noise["begin_s"] < 0.7 * 20
    recorded = soundfile.read(tmp_path / "noise" / "a.wav")[0].T
    begin = round(noise["begin_s"] * SAMPLE_RATE)
    excerpt = recorded[:, begin : begin + foa.shape[1]]
    # Z of the recording is in Z of the clip, by one factor for all channels; what is left is the events.
    frames = read_rows(tmp_path / "out" / "metadata_dev" / f"{sound.stem}.csv")["frame"].unique()
    factor = (foa * excerpt).sum(axis=1) / np.square(excerpt).sum(axis=1)
    np.testing.assert_allclose(factor, factor.mean(), rtol=0.2)
    heard = np.concatenate([(foa[0] - factor.mean() * excerpt[0])[f * 2400 : (f + 1) * 2400] for f in frames])
    ratio_db = 10 * np.log10(np.square(heard).mean() / np.square(factor.mean() * excerpt[0]).mean())
    assert ratio_db == pytest.approx(5.0, abs=0.7)


def test_every_format_gets_the_same_moment_of_its_own_recording(tmp_path):
    for folder in ("foa", "mic"):
        write_noise(tmp_path / "noise" / folder / "hall" / "a.wav", seed=1)  # the same samples in both
    options = {"clips": 1, "clip_seconds": 2.0, "formats": ["foa", "mic"], "snr_db": (60.0, 60.0)}
    config = SceneConfig(**options, ambience=str(tmp_path / "noise"))
    make_scenes(config, tmp_path / "out", progress=False)
    (file,) = (tmp_path / "out" / "scene_dev").iterdir()
    scene = json.loads(file.read_text()) | {"events": []}
    (tmp_path / file.name).write_text(json.dumps(scene))
    render_scenes(tmp_path / file.name, tmp_path / "quiet", progress=False)
    foa, mic = (read_audio(tmp_path / "quiet" / name / f"{file.stem}.flac") for name in ("foa_dev", "mic_dev"))
    assert foa.abs().max() > 0.01
    np.testing.assert_array_equal(foa, mic)
    render_scenes(tmp_path / "out", tmp_path / "again", progress=False)
    for name in ("foa_dev", "mic_dev"):
        sound = Path(name) / f"{file.stem}.flac"
        assert (tmp_path / "out" / sound).read_bytes() == (tmp_path / "again" / sound).read_bytes()


def test_splits_take_different_parts_of_a_file(tmp_path):
    write_noise(tmp_path / "a.wav", seconds=30.0)
    rng = np.random.default_rng(0)
    parts = {"train": (0, 21), "validation": (21, 24), "test": (24, 30)}
    for split, (low, high) in parts.items():
        drawn = [draw_excerpt(rng, tmp_path / "a.wav", split, 2.0) for _ in range(50)]
        assert min(begin for begin, _ in drawn) >= low - 1e-6
        assert max(begin + seconds for begin, seconds in drawn) <= high + 1e-6
    assert draw_excerpt(rng, tmp_path / "a.wav", "validation", 10.0) == pytest.approx((21.0, 3.0))


def test_a_short_recording_is_repeated_without_a_seam():
    noise = np.random.default_rng(0).standard_normal((2, SAMPLE_RATE)).astype(np.float32)
    long = repeat(noise, 5 * SAMPLE_RATE)
    power = np.square(long).reshape(2, -1, 2400).mean(axis=(0, 2))
    assert power.min() > 0.8 and power.max() < 1.2
    hum = np.ones((1, 1000), dtype=np.float32)
    assert np.abs(np.diff(repeat(hum, 3500))).max() < 0.01  # no click
    np.testing.assert_array_equal(repeat(noise, 100), noise[:, :100])


def test_another_rate_is_resampled(tmp_path):
    time = np.arange(5 * 48_000) / 48_000
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(2 * np.pi * 1000 * time)[:, None].repeat(4, 1), 48_000)
    audio = read_excerpt(tmp_path / "a.wav", FOA, 1.0, 2.0, 2 * SAMPLE_RATE)
    assert audio.shape == (4, 2 * SAMPLE_RATE)
    assert np.argmax(np.abs(np.fft.rfft(audio[0]))) / 2 == pytest.approx(1000, abs=1)


def test_bad_folders_and_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder of ambient recordings"):
        find_ambience(tmp_path / "nowhere", [FOA])
    with pytest.raises(ValueError, match=r"expected ambient recordings \(.wav, .flac, .ogg\), found none"):
        find_ambience(tmp_path, [FOA])
    write_noise(tmp_path / "foa" / "a.wav")
    write_noise(tmp_path / "mic" / "b.wav")
    with pytest.raises(ValueError, match="a.wav must be there in every format, one of foa and mic lacks it"):
        find_ambience(tmp_path, [FOA, MIC])
    write_noise(tmp_path / "two.wav", channels=2)
    with pytest.raises(ValueError, match=r"two.wav: expected 4 channels for the array foa, found 2"):
        read_excerpt(tmp_path / "two.wav", FOA, 0, 1, 100)
    with pytest.raises(
        ValueError, match=r"two.wav: an excerpt must lie within the 20 s of the recording, got 1 s from 60 s on"
    ):
        read_excerpt(tmp_path / "two.wav", FOA, 60, 1, 100)
    (tmp_path / "bad.wav").write_text("noise?")
    with pytest.raises(ValueError, match=r"bad.wav: not a readable sound file"):
        draw_excerpt(np.random.default_rng(0), tmp_path / "bad.wav", "train", 1.0)
    write_noise(tmp_path / "short.wav", seconds=3)
    with pytest.raises(ValueError, match=r"short.wav: the part for validation must last at least 1 s, got 0.30 s"):
        draw_excerpt(np.random.default_rng(0), tmp_path / "short.wav", "validation", 1.0)
    soundfile.write(tmp_path / "silent.wav", np.zeros((48_000, 4)), SAMPLE_RATE)
    with pytest.raises(ValueError, match=r"silent.wav: expected ambient noise from 0 s on"):
        read_excerpt(tmp_path / "silent.wav", FOA, 0, 1, 100)
    soundfile.write(tmp_path / "deaf.wav", np.ones((48_000, 4)) * [0, 0.1, 0.1, 0.1], SAMPLE_RATE)
    with pytest.raises(ValueError, match=r"deaf.wav: .* the first channel is silent there"):
        read_excerpt(tmp_path / "deaf.wav", FOA, 0, 1, 100)
    with pytest.raises(ValueError, match=r"two.wav: an excerpt must lie within the 20 s .* got 2 s from 19 s on"):
        read_excerpt(tmp_path / "two.wav", FOA, 19, 2, 100)
