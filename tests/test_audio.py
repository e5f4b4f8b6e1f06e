import logging

import numpy as np
import pytest
import soundfile
import torch

from seld.audio import read_audio, read_header, write_audio


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


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_part_is_the_same_as_in_the_whole(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_audio(path, np.random.default_rng(0).uniform(-1, 1, (2, 20000)))
    whole = read_audio(path)
    for start, samples in ((0, 5000), (4999, 7000), (15000, 5000), (15000, 9000), (19999, None)):
        part = read_audio(path, start=start, samples=samples)
        assert torch.equal(part, whole[:, start : None if samples is None else start + samples])
    with pytest.raises(ValueError, match="the file holds no samples from 20000 on"):
        read_audio(path, start=20000, samples=10)
    assert read_header(path) == (20000, 2, 24000)


def test_a_part_of_another_rate_begins_where_it_should(tmp_path):
    time = np.arange(96000) / 48000
    soundfile.write(tmp_path / "clip.wav", np.sin(2 * np.pi * 500 * time), 48000)
    part, whole = read_audio(tmp_path / "clip.wav", start=2400, samples=24000), read_audio(tmp_path / "clip.wav")
    torch.testing.assert_close(part[:, 100:-100], whole[:, 2500:26300], rtol=0, atol=1e-4)
    assert read_header(tmp_path / "clip.wav") == (48000, 1, 48000)


def test_a_folder_of_another_rate_is_said_once(tmp_path, caplog):
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(480), 48000)
        read_audio(tmp_path / f"{name}.wav")
    assert caplog.text.count("resampled") == 1


def test_a_header_names_what_is_wrong(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.flac").write_text("no sound")
    write_audio(tmp_path / "cut.wav", np.zeros((1, 24000)))
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:1000])
    for name, message in (("empty.wav", "is empty"), ("text.flac", "not a readable"), ("cut.wav", "is cut short")):
        with pytest.raises(ValueError, match=f"{name}: .*{message}"):
            read_header(tmp_path / name)


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
    with pytest.raises(ValueError, match="bad.wav: sample 42 of channel 1 is nan, expected at most 1"):
        read_audio(tmp_path / "bad.wav")
    samples[42, 1] = -1e36  # a bit of 0.003 that fell over
    soundfile.write(tmp_path / "bad.wav", samples, 24000, subtype="FLOAT")
    with pytest.raises(ValueError, match="bad.wav: sample 42 of channel 1 is -1e"):
        read_audio(tmp_path / "bad.wav")


@pytest.mark.parametrize("rate", [7919, 11025, 44056, 48001])
def test_parts_of_any_rate_are_those_of_the_whole(tmp_path, rate):
    wave = np.sin(2 * np.pi * 100 * np.arange(3.7 * rate) / rate)
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    whole = read_audio(tmp_path / "a.wav")
    assert whole.shape[1] == read_header(tmp_path / "a.wav").samples
    for start in range(0, whole.shape[1], 2400):
        part, same = read_audio(tmp_path / "a.wav", start=start, samples=2400), whole[:, start : start + 2400]
        assert part.shape == same.shape
        # A sample of the file apart, at most, and what the odd rates drift.
        assert ((part - same)[:, 50:-50].abs() < 0.15).all()


def test_a_sampling_rate_that_no_sound_has_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((9, 1)), 1)
    with pytest.raises(ValueError, match="a.wav: expected a sampling rate from 1000 to 1000000 Hz, found 1"):
        read_header(tmp_path / "a.wav")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_audio(tmp_path / "clip.wav", np.zeros((1, 10)))
    with pytest.raises(Exception):  # noqa: B017  soundfile's error for complex samples is its own affair
        write_audio(tmp_path / "clip.wav", np.zeros((1, 10), dtype=complex))
    assert read_audio(tmp_path / "clip.wav").shape == (1, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.wav"]
