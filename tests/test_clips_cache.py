"""Features on disk: the same as from memory, made once, made anew when anything changes or breaks."""

import json
import multiprocessing
import os
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from seld.audio import write_audio
from seld.clips import (
    CachedFeatureConfig,
    SegmentConfig,
    Segments,
    collate,
    find_clips,
    open_clips,
    statistics,
)
from seld.clips import cache as cache_module
from seld.features import FeatureConfig, build_features
from seld.labels import write_rows


def write_clip(folder, stem, seed=0, seconds=3.0, sources=1):
    audio = np.random.default_rng(seed).uniform(-0.3, 0.3, (4, round(24000 * seconds)))
    write_audio(folder / "foa_dev" / f"{stem}.flac", audio)
    frames = np.repeat(np.arange(5, 20), sources)
    rows = {"frame": frames, "class": 0, "source": np.tile(np.arange(sources), 15), "azimuth": 40, "elevation": 0}
    write_rows(folder / "metadata_dev" / f"{stem}.csv", pd.DataFrame(rows))


@pytest.fixture
def folder(tmp_path):
    for seed, stem in enumerate("abc"):
        write_clip(tmp_path / "data", stem, seed, sources=1 + seed % 2)
    return tmp_path / "data"


def opened(folder, **options):
    config = CachedFeatureConfig(**{"cache": "disk", "cache_dir": folder.parent / "cache", "mel_bands": 8} | options)
    return open_clips(find_clips(folder), build_features(config.features()), 2, config)


def files(folder):
    return sorted((folder.parent / "cache").rglob("*.safetensors"))


def leftovers(folder):
    return [path for path in (folder.parent / "cache").rglob(".*")]


def assert_equal(first, second):
    for one, other in zip(first, second, strict=True):
        for part, counterpart in zip(one, other, strict=True):
            assert part.dtype == counterpart.dtype and torch.equal(part, counterpart)


def test_clips_are_the_same_from_disk_and_memory(folder):
    disk, memory = opened(folder), opened(folder, cache="memory")
    assert_equal(disk, memory)
    assert disk.frames == memory.frames == [30, 30, 30]
    assert_equal([disk.cut(1, 3, 17)], [memory.cut(1, 3, 17)])
    assert statistics(disk.sums) == statistics(memory.sums)


def test_clips_that_are_streamed_differ_by_what_is_far_before_only(folder):
    off, memory = opened(folder, cache="off"), opened(folder, cache="memory")
    for begin, end in ((0, 12), (4, 12), (15, 30)):
        part, expected = off.cut(0, begin, end), memory.cut(0, begin, end)
        # The decay over more than a second before is all that is missing.
        torch.testing.assert_close(part.features, expected.features, rtol=0, atol=2e-3)
        assert torch.equal(part.doa, expected.doa) and torch.equal(part.active, expected.active)
    assert statistics(off.sums)[:3] == statistics(memory.sums)[:3] and statistics(off.sums).mean is None


@pytest.mark.parametrize("cache", ["off", "disk", "memory"])
def test_segments_do_not_depend_on_the_number_of_workers(folder, cache):
    clips = opened(folder, cache=cache)
    features = build_features(FeatureConfig(mel_bands=8))
    segments = Segments(clips, SegmentConfig(seconds=1), features, seed=0)
    segments.epoch = 2
    alone, helped = (list(DataLoader(segments, 4, collate_fn=collate, num_workers=number)) for number in (0, 2))
    assert_equal(alone, helped)
    segments.epoch = 3
    later = list(DataLoader(segments, 4, collate_fn=collate, num_workers=2))
    assert not torch.equal(later[0].features, helped[0].features)


def test_features_are_made_once(folder, monkeypatch):
    assert opened(folder).made == 3
    before = {path: path.stat().st_mtime_ns for path in files(folder)}
    monkeypatch.setattr(cache_module, "load_clip", None)
    clips = opened(folder)
    assert clips.made == 0 and "0 clips new" in clips.about
    assert {path: path.stat().st_mtime_ns for path in files(folder)} == before


def test_another_option_or_array_makes_other_files(folder):
    opened(folder)
    assert opened(folder, mel_bands=9).made == 3
    assert opened(folder, direct=False).made == 3
    config = CachedFeatureConfig(cache="disk", cache_dir=folder.parent / "cache", mel_bands=8)
    assert open_clips(find_clips(folder), build_features(config), 3, config).made == 3  # three slots
    assert len(files(folder)) == 12
    assert opened(folder).made == 0


def test_changed_content_is_seen_and_touching_is_not(folder):
    opened(folder)
    os.utime(folder / "foa_dev/a.flac")
    (folder / "foa_dev/b.flac").rename(folder / "foa_dev/d.flac")  # a copy by another name
    (folder / "metadata_dev/b.csv").rename(folder / "metadata_dev/d.csv")
    assert opened(folder).made == 0
    write_clip(folder, "a", seed=7)
    assert opened(folder).made == 1
    (folder / "metadata_dev/c.csv").write_text("0,0,0,-90,0\n")
    clips = opened(folder)
    assert clips.made == 1
    torch.testing.assert_close(clips[1].doa[0, 0], torch.tensor([0.0, -1, 0]), rtol=0, atol=1e-6)


def test_two_datasets_with_the_same_names_share_nothing(folder, tmp_path):
    write_clip(tmp_path / "other" / "data", "a", seed=9)
    opened(folder)
    config = CachedFeatureConfig(cache="disk", cache_dir=tmp_path / "cache", mel_bands=8)
    other = open_clips(find_clips(tmp_path / "other/data"), build_features(config), 2, config)
    assert other.made == 1
    assert not torch.equal(other[0].features, opened(folder)[0].features)


def damage_by_cutting(path):
    path.write_bytes(path.read_bytes()[:-1000])


def damage_by_emptying(path):
    path.write_bytes(b"")


def damage_the_header(path):
    path.write_bytes(path.read_bytes()[:8] + b"{" * (path.stat().st_size - 8))


def damage_by_another_clip(path):
    path.write_bytes(
        next(other for other in sorted(path.parents[1].rglob("*.safetensors")) if other != path).read_bytes()
    )


def damage_the_shape(path):
    data = path.read_bytes()
    shape = b'"shape":[10,150,8]'
    assert shape in data
    path.write_bytes(data.replace(shape, b'"shape":[10,149,8]'))


@pytest.mark.parametrize(
    "damage",
    [damage_by_cutting, damage_by_emptying, damage_the_header, damage_by_another_clip, damage_the_shape],
)
def test_a_damaged_file_is_made_again(folder, damage):
    whole = list(opened(folder))
    damage(files(folder)[1])
    again = opened(folder)
    assert again.made == 1
    assert_equal(again, whole)


def test_damaged_fingerprints_only_cost_time(folder):
    opened(folder)
    path = folder.parent / "cache/fingerprints.json"
    for text in ("{", "[]", '{"a": 1}', '{"a": [1, 2]}'):
        path.write_text(text)
        assert opened(folder).made == 0
    assert len(json.loads(path.read_text())) == 6


def test_a_file_that_is_cut_in_use_is_named(folder):
    clips = opened(folder)
    damage_by_emptying(clips.entries[0].path)
    with pytest.raises(ValueError, match=r"safetensors: the cache file was damaged or deleted in use; start again"):
        clips.cut(0, 0, 30)


def in_processes(work, *arguments):
    """What `work(*arguments)` returns in each of as many processes, forked so that torch need not start again."""
    context = multiprocessing.get_context("fork")
    together, results = context.Barrier(len(arguments)), context.SimpleQueue()

    def run(argument):
        torch.set_num_threads(1)  # those of this process are not in a forked one
        together.wait(60)
        results.put(work(argument))

    processes = [context.Process(target=run, args=(argument,)) for argument in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(200)
        assert process.exitcode == 0
    return [results.get() for _ in processes]


def fill(folder):
    """How many files of the cache were new, and what all features add up to."""
    clips = opened(folder)
    return clips.made, sum(clip.features.double().sum().item() for clip in clips)


def fill_with_little_room(folder):
    limit = 20_000  # bytes; a clip takes 25 thousand
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        opened(folder)
    except OSError as error:
        return str(error)


def test_two_processes_fill_one_cache(folder):
    (_, first), (_, second) = in_processes(fill, folder, folder)
    assert first == second
    assert len(files(folder)) == 3 and not leftovers(folder)
    assert fill(folder) == (0, first)


def test_a_full_disk_leaves_nothing_half_made(folder):
    message = "cache: the feature cache cannot be written (File too large); choose another --features.cache_dir"
    assert message in in_processes(fill_with_little_room, folder)[0]
    assert not files(folder) and not leftovers(folder)


def test_a_folder_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "occupied").write_text("a file")
    with pytest.raises(OSError, match="occupied: the feature cache cannot be written .* --features.cache memory"):
        opened(folder, cache_dir=tmp_path / "occupied")


def test_bad_clips_are_named_however_they_are_kept(folder):
    (folder / "metadata_dev/b.csv").write_text("40,0,0,0,0\n")
    for cache in ("off", "disk", "memory"):
        with pytest.raises(ValueError, match=r"b.csv: frame 40 lies beyond the audio, which has 30 frames"):
            opened(folder, cache=cache)
    (folder / "metadata_dev/b.csv").write_text("0,0,0,0,0\n0,0,1,0,0\n0,0,2,0,0\n")
    for cache in ("off", "disk", "memory"):
        with pytest.raises(ValueError, match=r"b.csv: 3 sources sound at once, but there are only 2 tracks"):
            opened(folder, cache=cache)
    write_audio(folder / "foa_dev/b.flac", np.zeros((2, 24000)))
    for cache in ("off", "disk", "memory"):
        with pytest.raises(ValueError, match=r"b.flac: expected 4 channels for the array foa, found 2"):
            opened(folder, cache=cache)


def test_late_labels_can_be_dropped(folder):
    (folder / "metadata_dev/b.csv").write_text("29,0,0,0,0\n30,0,0,0,0\n")
    features = build_features(FeatureConfig(mel_bands=8))
    for cache in ("off", "disk", "memory"):
        config = CachedFeatureConfig(cache=cache, cache_dir=folder.parent / "cache")
        clips = open_clips(find_clips(folder, late="drop"), features, 2, config)
        assert clips[1].active.sum(0).tolist() == [1, 0] and clips[1].active[29, 0]


def test_statistics_are_those_of_the_features(folder):
    clips = opened(folder)
    found = statistics(clips.sums)
    values = torch.cat([clip.features.double() for clip in clips], 1)
    torch.testing.assert_close(torch.tensor(found.mean).double(), values.mean(1), rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.tensor(found.std).double(), values.std(1, correction=0), rtol=0, atol=1e-3)
    assert found.clips == 3 and found.hours == pytest.approx(9 / 3600)
    assert found.frames_by_sources == [45, 30, 15]
    assert found.line() == "3 clips, 0.0025 h, sources at once: 50 % 0, 33 % 1, 17 % 2"


def test_many_clips_leave_memory_and_files_as_they_were(folder):
    clips = opened(folder)
    clips.entries, clips.frames = clips.entries * 100, clips.frames * 100
    segments = Segments(clips, SegmentConfig(seconds=1), build_features(FeatureConfig(mel_bands=8)), seed=0)

    def state():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize(), len(os.listdir("/proc/self/fd"))

    for index in range(300):
        segments[index]
    memory, descriptors = state()
    for index in range(300, len(segments)):
        segments[index]
    assert state()[0] < memory + 2e6 and state()[1] <= descriptors


# What every kind of features makes of one fixed noise; with other numbers, cached files would be of another past.
GOLDEN = {
    1: {
        "logmel_intensity": [0.755398, 0.000751],
        "logmel_gcc": [0.879375, 0.000507],
        "salsa": [1.311861, 0.000616],
        "salsa_lite": [1.387919, 0.001861],
        "phase": [0.694632, -0.000149],
    }
}


@pytest.mark.parametrize("kind", ["logmel_intensity", "logmel_gcc", "salsa", "salsa_lite", "phase"])
def test_changed_features_need_a_new_version(kind):
    array = "foa" if kind == "logmel_intensity" else "mic"
    noise = np.random.default_rng(0).normal(0, 0.1, (4, 24000)).astype(np.float32)
    noise[1:] += noise[:1]
    features = build_features(FeatureConfig(kind=kind, array=array))(torch.from_numpy(noise)[None])
    weights = torch.cos(torch.arange(features.numel())).reshape(features.shape)
    found = [features.abs().mean().item(), (features * weights).mean().item()]
    message = f"the features have changed ({found}): raise seld.clips.cache.VERSION, then mend GOLDEN"
    assert cache_module.VERSION in GOLDEN, message
    assert found == pytest.approx(GOLDEN[cache_module.VERSION][kind], rel=1e-3, abs=3e-5), message
