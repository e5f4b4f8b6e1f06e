import logging

import numpy as np
import pytest
import soundfile
import torch

from seld.audio import read_audio, write_audio


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_samples_survive_to_16_bits(tmp_path, suffix):
    audio = torch.rand(4, 1000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    write_audio(tmp_path / f"clip{suffix}", audio)
    torch.testing.assert_close(read_audio(tmp_path / f"clip{suffix}", channels=4), audio, rtol=0, atol=2**-15)


def test_another_rate_is_resampled_and_said(tmp_path, caplog):
    time = np.arange(48000) / 48000
    soundfile.write(tmp_path / "clip.wav", np.sin(2 * np.pi * 500 * time), 48000)
    with caplog.at_level(logging.WARNING):
        audio = read_audio(tmp_path / "clip.wav")
    assert "resampled from 48000 Hz to 24000 Hz" in caplog.text
    expected = torch.sin(2 * torch.pi * 500 * torch.arange(24000) / 24000)
    torch.testing.assert_close(audio[0, 100:-100], expected[100:-100], rtol=0, atol=2e-3)


@pytest.mark.parametrize("suffix", [".mp3", ".ogg"])
def test_lossy_formats_are_read_whole(tmp_path, suffix):
    soundfile.write(tmp_path / f"clip{suffix}", np.zeros(24000), 24000)
    assert 23000 <= read_audio(tmp_path / f"clip{suffix}").shape[1] <= 27000


def test_missing_empty_and_other_files_are_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros((0, 4)), 24000)
    with pytest.raises(FileNotFoundError, match="none.wav: no such file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="empty.wav: expected a sound file, the file is empty"):
        read_audio(tmp_path / "empty.wav")
    with pytest.raises(ValueError, match="text.wav: not a readable sound file"):
        read_audio(tmp_path / "text.wav")
    with pytest.raises(ValueError, match="silent.wav: the file holds no samples"):
        read_audio(tmp_path / "silent.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_audio(path, np.random.default_rng(0).uniform(-1, 1, (4, 24000)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=f"clip{suffix}: "):
        read_audio(path)


def test_wrong_channel_count_is_refused(tmp_path):
    write_audio(tmp_path / "stereo.wav", np.zeros((2, 100)))
    with pytest.raises(ValueError, match="stereo.wav: expected 4 channels, found 2"):
        read_audio(tmp_path / "stereo.wav", channels=4)


def test_nan_samples_are_located(tmp_path):
    samples = np.zeros((100, 2), dtype=np.float32)
    samples[42, 1] = np.nan
    soundfile.write(tmp_path / "bad.wav", samples, 24000, subtype="FLOAT")
    with pytest.raises(ValueError, match="bad.wav: sample 42 of channel 1 is not a finite number"):
        read_audio(tmp_path / "bad.wav")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_audio(tmp_path / "clip.wav", np.zeros((1, 10)))
    with pytest.raises(Exception):  # noqa: B017  soundfile's error for complex samples is its own affair
        write_audio(tmp_path / "clip.wav", np.zeros((1, 10), dtype=complex))
    assert read_audio(tmp_path / "clip.wav").shape == (1, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.wav"]
