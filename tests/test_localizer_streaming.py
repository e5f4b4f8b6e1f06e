"""A recording in blocks is the recording as a whole, and takes no more memory when it is long."""

import numpy as np
import pytest
import soundfile
import torch

from seld.arrays import ARRAYS, find_array
from seld.audio import write_audio
from seld.clips import Recording, read_recording
from seld.features import FeatureConfig, build_features
from seld.localizer import Estimate, Localizer, LocalizerConfig, estimated_rows, heads, stream_rows, tracked_rows
from seld.localizer.streaming import Stretches

SMALL = LocalizerConfig(filters=[4, 4], time_pool=[5, 1], frequency_pool=[8, 2], recurrent_units=8, candidate_size=8)
FRAME = 2400  # samples


def localizer(seed=0):
    torch.manual_seed(seed)
    made = Localizer(SMALL).eval()
    for weight in made.parameters():  # nothing left at its careful start
        weight.data += 0.05 * torch.randn(weight.shape)
    return made


def bursts(frames, channels=4, seed=0):
    """Noise of changing level and direction, (channels, samples)."""
    generator = torch.Generator().manual_seed(seed)
    gain = torch.rand(channels, -(-frames // 7), generator=generator).repeat_interleave(7 * FRAME, 1)
    return gain[:, : frames * FRAME] * torch.randn(1, frames * FRAME, generator=generator) * 0.1


@pytest.mark.parametrize("kind", ["logmel_intensity", "logmel_gcc", "salsa_lite", "phase"])
def test_features_of_stretches_are_those_of_the_whole(kind):
    array, error = ("foa", 1e-4) if kind == "logmel_intensity" else ("mic", 1e-5)
    features = build_features(FeatureConfig(kind=kind, array=array))
    audio = bursts(60)[:, :-1000]
    stretches = Stretches(features, lambda first, last: audio[:, first * FRAME : last * FRAME], 60)
    whole = features(audio.unsqueeze(0))
    for first, last in ((0, 25), (15, 45), (15, 45), (35, 60), (50, 60)):
        found = stretches(first, last)
        torch.testing.assert_close(found.features, whole[:, :, 5 * first : 5 * last], rtol=0, atol=error)
        assert not found.silent.any()


def test_every_sample_is_read_once_but_for_what_features_reach_back_and_ahead():
    asked = []

    def read(first, last):
        asked.append((first, last))
        return torch.zeros(4, (last - first) * FRAME)

    frames = sum(len(block.activity_logit) for block in localizer().stream(read, 350))
    assert frames == 350
    assert asked == [(0, 126), (115, 226), (215, 326), (315, 350)]


def test_a_stretch_is_silent_more_than_a_second_from_any_sound():
    features = build_features(FeatureConfig())
    audio = torch.full((4, 60 * FRAME), 0.1)  # a constant is no sound
    audio[2, 30 * FRAME + 5] += 1e-3
    silent = Stretches(features, lambda first, last: audio[:, first * FRAME : last * FRAME], 60)(0, 60).silent
    assert silent.nonzero().flatten().tolist() == [*range(20), *range(41, 60)]


def test_nobody_is_active_in_silence():
    model = localizer()
    audio = bursts(60)
    audio[:, 20 * FRAME : 45 * FRAME] = 0
    active = model.locate(audio).activity_logit.sigmoid() > 1e-6
    assert active.all(1).nonzero().flatten().tolist() == [*range(30), *range(35, 60)]
    assert not active[30:35].any()
    assert model.locate_features(model.features(audio.unsqueeze(0))[0]).activity_logit.sigmoid().min() > 1e-6


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_recording_from_disk_gives_the_same_as_one_in_memory(tmp_path, suffix):
    model, path = localizer(), tmp_path / f"long{suffix}"
    write_audio(path, bursts(420)[:, :-100])
    estimate = model.locate(read_recording(path, model.features.array))
    recording = Recording(path, model.features.array)
    assert (recording.frames, recording.samples) == (420, 420 * FRAME - 100)
    blocks = list(model.stream(recording.read, recording.frames))
    assert [len(block.doa) for block in blocks] == [100, 100, 100, 100, 20]
    for found, expected in zip(zip(*blocks, strict=True), estimate, strict=True):
        assert torch.equal(torch.cat(found), expected)
    assert recording.doubts() == []


def test_rows_of_blocks_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    doa = torch.zeros(700, 2, 3)
    doa[:, 0, 0], doa[:, 1, 1] = 1, 1
    logit = torch.tensor(np.repeat(rng.normal(1, 3, (70, 2)), 10, 0), dtype=torch.float32)
    blocks = [Estimate(doa[at : at + 90], logit[at : at + 90]) for at in range(0, 700, 90)]
    whole = Estimate(doa, logit)
    assert stream_rows(blocks).equals(tracked_rows(whole)) and len(tracked_rows(whole))
    assert stream_rows(blocks, 0.3, join=False).equals(estimated_rows(whole, 0.3))


def test_candidates_within_reach_are_all_that_counts(monkeypatch):
    model, features = localizer(), build_features(FeatureConfig())(bursts(95).unsqueeze(0))
    pieces = []
    neighbourhoods = heads._neighbourhoods
    monkeypatch.setattr(heads, "_neighbourhoods", lambda frame: pieces.append(neighbourhoods(frame)) or pieces[-1])
    banded = model(features)
    monkeypatch.setattr(heads, "_neighbourhoods", lambda frame: [(slice(None), slice(None))])
    assert len(pieces[0]) == 5  # of 20 frames, the last of 15
    torch.testing.assert_close(banded, model(features), rtol=0, atol=1e-5)


def test_a_part_of_another_rate_is_where_it_belongs(tmp_path):
    time = np.arange(48000 * 3) / 48000
    soundfile.write(tmp_path / "clip.wav", np.sin(2 * np.pi * 300 * time)[:, None].repeat(4, 1), 48000)
    recording = Recording(tmp_path / "clip.wav", ARRAYS["foa"])
    assert recording.frames == 30
    expected = torch.sin(2 * torch.pi * 300 * torch.arange(7 * FRAME, 9 * FRAME) / 24000)
    torch.testing.assert_close(recording.read(7, 9)[0, 50:-50], expected[50:-50], rtol=0, atol=1e-3)


def doubts(tmp_path, audio, array="foa", **options):
    soundfile.write(tmp_path / "clip.wav", np.asarray(audio).T, 24000, **options)
    recording = Recording(tmp_path / "clip.wav", find_array(array))
    for first in range(0, recording.frames, 7):
        recording.read(first, min(first + 7, recording.frames))
    return recording.doubts()


def test_clipped_samples_are_counted(tmp_path):
    audio = 0.3 * torch.sin(torch.arange(24000) / 3).expand(4, -1).clone()
    audio[1, 100:1060] = 1.0  # 960 of 96000
    audio[2, 2000] = 1.0  # a single peak may be there
    assert doubts(tmp_path, audio) == ["1 % of the samples are clipped"]
    audio[1, 100:1060] = 0.3
    assert doubts(tmp_path, audio) == []
    assert doubts(tmp_path, audio * 10, subtype="FLOAT") == ["1 % of the samples are clipped"]  # the 960, equal again
    audio[1, 100:1060] = 0.0
    assert doubts(tmp_path, audio * 10, subtype="FLOAT") == []


@pytest.mark.parametrize(
    ("array", "channel", "doubt"),
    [
        ("foa", 0, "channel 0 (W) is dead: 60 dB or more below the loudest; there are no directions without it"),
        ("foa", 2, "channel 2 (Z) is dead: 60 dB or more below the loudest"),
        ("mic", 3, "channel 3 is dead: 60 dB or more below the loudest"),
    ],
)
def test_a_dead_channel_is_named(tmp_path, array, channel, doubt):
    audio = bursts(20)
    audio[channel] = 0.1  # stuck
    assert doubts(tmp_path, audio, array) == [doubt]
    audio[channel] = 1e-4 * audio.roll(1, 0)[channel]
    assert doubts(tmp_path, audio, array, subtype="FLOAT") == [doubt]
    audio[channel, -FRAME:] = audio.roll(1, 0)[channel, -FRAME:]  # alive in the end
    assert doubts(tmp_path, audio, array) == []


def test_silence_and_too_little_sound_are_said(tmp_path):
    assert doubts(tmp_path, np.zeros((4, 5000))) == ["the recording is silent"]
    assert doubts(tmp_path, bursts(1)[:, :240]) == [
        "10 ms are less than one frame, the rest of which is taken for silence"
    ]
