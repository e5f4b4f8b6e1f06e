"""Augmentation where segments are cut: streamed audio and kept features."""

import numpy as np
import pandas as pd
import pytest
import torch
from directions import angle_deg
from torch.utils.data import DataLoader

from seld.audio import write_audio
from seld.augmentation import AugmentationConfig
from seld.clips import CachedFeatureConfig, SegmentConfig, Segments, collate, find_clips, open_clips
from seld.features import FeatureConfig, LogMelIntensity, build_features
from seld.geometry import unit_from_degrees
from seld.labels import write_rows

STREAMED = CachedFeatureConfig(cache="off")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clip of one wave that jumps at 2 s, and a short one of another wave."""
    folder = tmp_path_factory.mktemp("clips")
    for stem, directions in (("a", [(40, 20), (-100, -30)]), ("b", [(170, 50)])):
        noise = np.random.default_rng(len(stem)).uniform(-0.3, 0.3, (len(directions), 48000))
        vectors = unit_from_degrees(*np.array(directions).T)
        audio = [np.stack([s, s * y, s * z, s * x]) for s, (x, y, z) in zip(noise, vectors, strict=True)]
        write_audio(folder / "foa_dev" / f"{stem}.flac", np.concatenate(audio, 1))
        rows = [(20 * i + f, 0, 0, *angles) for i, angles in enumerate(directions) for f in range(20)]
        table = pd.DataFrame(rows, columns=["frame", "class", "source", "azimuth", "elevation"])
        write_rows(folder / "metadata_dev" / f"{stem}.csv", table)
    return folder


def segments(folder, options=STREAMED, seconds=1.5, slots=1, **augmentation):
    features = LogMelIntensity(FeatureConfig(direct=False))
    clips = open_clips(find_clips(folder), features, slots, options)
    return Segments(clips, SegmentConfig(seconds, augmentation=AugmentationConfig(**augmentation)), features, seed=3)


@pytest.mark.parametrize("turn", ["swap", "rotate"])
def test_varied_audio_is_heard_from_its_references_frame_by_frame(folder, turn):
    data = segments(folder, turn=turn, noise=1.0, noise_snr_db=(30.0, 40.0))
    if turn == "swap":
        assert data.config.augmentation.needs_audio == ["noise"]
    directions = set()
    for data.epoch in range(4):
        for item in range(len(data)):
            features, doa, active = data[item]
            assert features.shape == (7, 75, 64) and active.shape == (15, 1) and active.all()
            heard = features[4:7].unflatten(1, (15, 5))[:, :, 1:-1].mean((2, 3)).T
            assert (
                max(angle_deg(*pair) for pair in zip(heard / heard.norm(dim=1, keepdim=True), doa[:, 0], strict=True))
                < 8
            )
            directions.add(tuple(doa[0, 0].numpy().round(3)))
    assert len(directions) > 6


def test_mixed_segments_have_the_references_of_both(folder):
    data = segments(folder, slots=2, mix=1.0, turn="off", level_db=0, mix_db=0)
    features, doa, active = data[0]
    assert active.all() and features.isfinite().all()
    both = features[4:7].unflatten(1, (15, 5)).mean((2, 3)).T
    plane = torch.linalg.cross(doa[:, 0], doa[:, 1])
    assert (plane.norm(dim=1) > 0.5).all()
    # Two waves: the mean intensity lies between their directions.
    assert ((both * plane).sum(1).abs() < 0.1).all()
    assert ((both[:, None] * doa).sum(2) > 0.05).all()


def test_short_clips_go_on_in_silence(folder):
    features, doa, active = segments(folder, seconds=3.0, turn="rotate")[1]
    assert active[:, 0].tolist() == [True] * 20 + [False] * 10
    assert features[:4, 105:].max() == -3  # the floor
    assert doa.isfinite().all()


KINDS = {"logmel_intensity": "foa", "logmel_gcc": "mic", "salsa": "foa", "salsa_lite": "mic", "phase": "mic"}


@pytest.mark.parametrize("kind", KINDS)
def test_short_clips_go_on_alike_in_kept_features_and_in_audio(tmp_path, kind):
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 24000))
    write_audio(tmp_path / f"{KINDS[kind]}_dev" / "a.flac", audio)
    rows = {"frame": range(10), "class": 0, "source": 0, "azimuth": 40, "elevation": 0}
    write_rows(tmp_path / "metadata_dev" / "a.csv", pd.DataFrame(rows))
    features = build_features(FeatureConfig(kind=kind, array=KINDS[kind]))
    clips = find_clips(tmp_path, features.array)
    found = []
    for cache, mixed in (("memory", 0.0), ("off", 1e-9)):  # the latter only sees to it that audio is asked for
        options = AugmentationConfig(turn="off", level_db=0, mix=mixed)
        opened = open_clips(clips, features, 1, CachedFeatureConfig(kind=kind, array=KINDS[kind], cache=cache))
        found.append(Segments(opened, SegmentConfig(3.0, augmentation=options), features, seed=0)[0])
    kept, computed = found
    assert kept.features.shape[1] == 150
    apart = (torch.arange(150) - 50).abs() > 3  # from where a window, or SALSA's mean over seven, holds both
    torch.testing.assert_close(kept.features[:, apart], computed.features[:, apart], rtol=2e-3, atol=2e-3)
    assert torch.equal(kept.active, computed.active) and torch.equal(kept.doa, computed.doa)


def test_items_depend_on_seed_epoch_and_index_alone_and_load_in_processes(folder):
    options = {"slots": 2, "mix": 0.5, "reverberation": 0.5, "noise": 0.5, "time_masks": 1, "shift_bands": 2}
    data = segments(folder, **options)
    data.epoch = 2
    expected = collate([segments_at(folder, 2, i, options) for i in range(len(data))])
    for loaders in (0, 1):
        batch = next(iter(DataLoader(data, len(data), collate_fn=collate, num_workers=loaders)))
        for one, other in zip(batch, expected, strict=True):  # other processes may round otherwise
            torch.testing.assert_close(one.float(), other.float(), rtol=0, atol=1e-5 * loaders)


def segments_at(folder, epoch, item, options):
    data = segments(folder, **options)
    data.epoch = epoch
    return data[item]


def test_kept_features_refuse_what_needs_audio(folder):
    with pytest.raises(
        ValueError, match=r"features must be computed of varied audio, not cached, for augmentation.mix"
    ):
        segments(folder, CachedFeatureConfig(cache="memory"), mix=0.5)


@pytest.mark.parametrize("cache", ["off", "memory"])
def test_streamed_and_kept_features_are_varied_alike(folder, cache, tmp_path):
    data = segments(folder, CachedFeatureConfig(cache=cache), shift_bands=3)
    for data.epoch in range(6):
        features, doa, _ = data[2]
        heard = features[4:7].mean((1, 2))
        assert angle_deg(heard / heard.norm(), doa[0, 0]) < 1
