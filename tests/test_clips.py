import numpy as np
import pandas as pd
import pytest
import torch

from seld.arrays import Array
from seld.audio import write_audio
from seld.clips import ClipData, SegmentConfig, Segments, find_clips, load_clip, read_labels
from seld.features import FeatureConfig, LogMelIntensity, SalsaLite
from seld.geometry import unit_from_degrees
from seld.labels import write_rows


def write_clip(folder, stem, azimuth=90, elevation=0, seconds=2.0, frames=range(20)):
    """Noise from one direction, labelled with it."""
    x, y, z = unit_from_degrees(azimuth, elevation)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, round(24000 * seconds))
    write_audio(folder / "foa_dev" / f"{stem}.flac", np.stack([noise, y * noise, z * noise, x * noise]))
    rows = pd.DataFrame({"frame": list(frames), "class": 0, "source": 3, "azimuth": azimuth, "elevation": elevation})
    write_rows(folder / "metadata_dev" / f"{stem}.csv", rows)


def test_clips_are_paired_by_stem(tmp_path):
    write_clip(tmp_path, "b")
    write_clip(tmp_path, "a")
    assert [(clip.audio.name, clip.metadata.name) for clip in find_clips(tmp_path)] == [
        ("a.flac", "a.csv"),
        ("b.flac", "b.csv"),
    ]


def test_hidden_files_are_no_clips(tmp_path):
    write_clip(tmp_path, "a")
    (tmp_path / "foa_dev" / ".a.xyz.flac").touch()
    (tmp_path / "metadata_dev" / "._a.csv").touch()
    assert len(find_clips(tmp_path)) == 1


def test_what_has_no_partner_is_named(tmp_path):
    with pytest.raises(ValueError, match="foa_dev/ is missing"):
        find_clips(tmp_path)
    write_clip(tmp_path, "a")
    write_clip(tmp_path, "b")
    (tmp_path / "metadata_dev" / "b.csv").unlink()
    with pytest.raises(ValueError, match=r"b.flac: there is no metadata of the same name"):
        find_clips(tmp_path)
    (tmp_path / "foa_dev" / "b.flac").unlink()
    (tmp_path / "foa_dev" / "a.flac").rename(tmp_path / "foa_dev" / "a.wav")
    (tmp_path / "metadata_dev" / "c.csv").touch()
    with pytest.raises(ValueError, match=r"c.csv: there is no sound of the same name"):
        find_clips(tmp_path)


def test_an_empty_folder_and_doubles_are_named(tmp_path):
    (tmp_path / "foa_dev/dev-train").mkdir(parents=True)
    (tmp_path / "metadata_dev").mkdir()
    with pytest.raises(ValueError, match=r"foa_dev: no sound files \(.flac, .wav, .ogg\)"):
        find_clips(tmp_path)
    with pytest.raises(ValueError, match="nothing: expected a folder in DCASE layout, there is no such folder"):
        find_clips(tmp_path / "nothing")
    write_clip(tmp_path, "a")
    (tmp_path / "foa_dev/dev-train/a.wav").touch()
    with pytest.raises(ValueError, match=r"dev-train/a.wav: .*foa_dev/a.flac has the same name"):
        find_clips(tmp_path)


def test_features_and_labels_of_a_clip_agree(tmp_path):
    write_clip(tmp_path, "a", azimuth=-60, elevation=30)
    clip = load_clip(find_clips(tmp_path)[0], LogMelIntensity(), slots=2)
    assert clip.active.sum(0).tolist() == [20, 0]
    intensity = clip.features[4:7].float().mean((1, 2))
    torch.testing.assert_close(intensity, clip.doa[0, 0], rtol=0, atol=1e-3)


def test_loading_names_the_bad_file(tmp_path):
    write_clip(tmp_path, "a", frames=range(25))
    with pytest.raises(ValueError, match=r"a.csv: frame 24 lies beyond the audio, which has 20 frames"):
        load_clip(find_clips(tmp_path)[0], LogMelIntensity(), slots=2)


def test_late_labels_are_refused_or_left_out_wherever_labels_are_read(tmp_path):
    write_clip(tmp_path, "a", frames=range(25))
    with pytest.raises(ValueError, match=r"a.csv: frame 24 lies beyond the audio, which has 20 frames"):
        read_labels(find_clips(tmp_path)[0])
    assert read_labels(find_clips(tmp_path, late="drop")[0])["frame"].tolist() == list(range(20))


def segments(frames=80, seconds=5.0, augment=False, clips=2):
    time = torch.arange(frames * 5).half().reshape(1, -1, 1).expand(7, -1, 4)
    doa = torch.tensor([1.0, 0, 0]).expand(frames, 2, 3)
    data = [ClipData(time + 1000 * i, doa, torch.ones(frames, 2, dtype=torch.bool)) for i in range(clips)]
    features = LogMelIntensity(FeatureConfig(mel_bands=4, direct=False))
    return Segments(data, SegmentConfig(seconds=seconds, augment=augment), features, seed=1)


def test_segments_are_cut_at_label_frames_and_move_between_epochs():
    data = segments()
    begins = set()
    for data.epoch in range(20):
        segment = data[1]
        assert segment.features.shape == (7, 250, 4) and segment.active.shape == (50, 2)
        begin = segment.features[0, 0, 0].item() - 1000
        assert begin % 5 == 0
        torch.testing.assert_close(segment.features[0, :, 0] - 1000, begin + torch.arange(250.0))
        begins.add(begin)
    assert len(begins) > 5


def test_a_segment_depends_on_seed_epoch_and_index_alone():
    first, second = segments(augment=True), segments(augment=True)
    first[0], first[1]
    first.epoch = second.epoch = 3
    for one, other in zip(first[1], second[1], strict=True):
        assert torch.equal(one, other)


def test_a_short_clip_goes_on_in_silence():
    segment = segments(frames=20)[0]
    assert segment.active.sum(0).tolist() == [20, 20]
    assert (segment.features[:4, 100:] == -3).all()  # the floor of levels, -100 dB
    assert (segment.features[4:, 100:] == 0).all()


def test_augmentation_turns_sound_and_labels_together(tmp_path):
    write_clip(tmp_path, "a", azimuth=40, elevation=20)
    features = LogMelIntensity()
    data = Segments([load_clip(find_clips(tmp_path)[0], features, 1)], SegmentConfig(seconds=1), features, seed=0)
    directions = set()
    for data.epoch in range(12):
        segment = data[0]
        torch.testing.assert_close(segment.features[4:7].mean((1, 2)), segment.doa[0, 0], rtol=0, atol=1e-2)
        directions.add(tuple(segment.doa[0, 0].tolist()))
    assert len(directions) > 6


def test_clips_of_an_array_are_read_turned_and_levelled(tmp_path):
    array = Array("mine", "open", positions_m=((0.02, 0, 0), (-0.02, 0, 0), (0, 0.02, 0)), order=(3, 0, 1))
    (tmp_path / "mine_dev").mkdir()
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 24000))
    noise[2] = 0  # the array has not this channel of the file
    write_audio(tmp_path / "mine_dev" / "a.wav", noise)
    rows = pd.DataFrame({"frame": range(10), "class": 0, "source": 3, "azimuth": 90, "elevation": 0})
    write_rows(tmp_path / "metadata_dev" / "a.csv", rows)
    features = SalsaLite(FeatureConfig(kind="salsa_lite"), array)
    loaded = [load_clip(clip, features, 1) for clip in find_clips(tmp_path, array)]
    assert loaded[0].features.shape == (5, 50, features.bands) and loaded[0].features[:3].float().min() > -1
    data = Segments(loaded, SegmentConfig(seconds=1), features, seed=0)
    directions = set()
    for data.epoch in range(20):
        segment = data[0]
        assert segment.features.isfinite().all()
        directions.add(tuple(segment.doa[0, 0].round(decimals=3).tolist()))
    assert directions == {(0.0, 1.0, 0.0)}  # the mirrors of this array keep left and right apart, up and front not
    with pytest.raises(ValueError, match="mine_dev/ is missing"):
        find_clips(tmp_path / "mine_dev", array)
