"""Every dataset's configuration, run on a tiny imitation of the dataset: its folders, names, rates and label files."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from seld.arrays import ARRAYS
from seld.clips import find_clips, read_labels
from seld.command import CONFIGS
from seld.config import Experiment, parse
from seld.datasets import DATASETS
from seld.geometry import unit_from_degrees
from seld.labels import CLASSES_2019, find_format

ROOT = Path(__file__).resolve().parents[1]
SECONDS, AZIMUTH, ELEVATION = 2, 40, 10  # of the one source that every clip has, in frames 5 to 14
TINY = """
data: {segments: {seconds: 1}}
localizer: {filters: [4, 4, 4], recurrent_units: 8, recurrent_layers: 1, candidate_size: 4}
train: {epochs: 1, batch: 2, accelerator: cpu}
"""
SPLITS_2021 = {1: "dev-train", 2: "dev-train", 3: "dev-train", 4: "dev-train", 5: "dev-val", 6: "dev-test"}
# name -> (folder of sounds, folder of labels, hertz, stems)
IMITATIONS = {
    "tau_2019": ("foa_dev", "metadata_dev", 48000, [f"split{n}_ir0_ov1_{n}" for n in (1, 2, 3, 4)]),
    "tau_nigens_2020": ("foa_dev", "metadata_dev", 24000, [f"fold{n}_room1_mix001_ov1" for n in range(1, 7)]),
    "tau_nigens_2021": (
        "foa_dev", "metadata_dev", 24000, [f"{folder}/fold{n}_room1_mix001" for n, folder in SPLITS_2021.items()]
    ),
    "starss22": (
        "foa_dev", "metadata_dev", 24000, ["dev-train-sony/fold3_room21_mix001", "dev-test-tau/fold4_room2_mix001"]
    ),
    "starss23": (
        "foa_dev", "metadata_dev", 24000,
        ["dev-train-tau/fold3_room4_mix001", "dev-train-sony/fold3_room21_mix001", "dev-test-tau/fold4_room2_mix001"],
    ),
    "dcase2022_synth": ("foa", "metadata", 24000, ["fold1_room1_mix001", "fold2_room2_mix001"]),
    "dcase2025_stereo": (
        "stereo_dev", "metadata_dev", 24000,
        ["dev-train-sony/fold3_room21_mix001_deg086_start0123", "dev-test-tau/fold4_room2_mix001_deg-05_start0007"],
    ),
}  # fmt: skip


def imitate(name, folder):
    """A folder as the dataset has it, with one clip for each stem; everywhere one source at AZIMUTH, ELEVATION."""
    sounds, labels, rate, stems = IMITATIONS[name]
    x, y, z = unit_from_degrees(AZIMUTH, 0 if name == "dcase2025_stereo" else ELEVATION)
    for index, stem in enumerate(stems):
        noise = np.random.default_rng(index).uniform(-0.3, 0.3, rate * SECONDS)
        gains = (1 + y, 1 - y) if name == "dcase2025_stereo" else (1, y, z, x)
        path = folder / sounds / f"{stem}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.outer(noise, gains) / 2, rate, subtype="PCM_16")
        table = folder / labels / f"{stem}.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(rows(name))
    (folder / sounds / "._junk.wav").touch()


def rows(name):
    if name == "tau_2019":
        header = "sound_event_recording,start_time,end_time,ele,azi,dist\n"
        return header + f"{CLASSES_2019[3]},0.5,1.4999,{ELEVATION},{AZIMUTH},2\n"
    if name == "dcase2025_stereo":
        lines = [f"{frame},3,1,{AZIMUTH},200,0" for frame in range(5, 15)]
        return "\n".join(["frame,class,source,azimuth,distance,onscreen", *lines, ""])
    distance = ",200" if name == "starss23" else ""
    return "".join(f"{frame},3,1,{AZIMUTH},{ELEVATION}{distance}\n" for frame in range(5, 15))


@pytest.fixture
def train_doa():
    spec = importlib.util.spec_from_file_location("train_doa", ROOT / "recipes/train_doa.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe


def options(name, tmp_path, *more):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return parse(Experiment, "", ["--config", f"{name}.yaml", "--config", str(tmp_path / "tiny.yaml"), *more])


def imitated(name, tmp_path, monkeypatch):
    """The configured folders of a dataset, relative to where the test runs."""
    monkeypatch.chdir(tmp_path)
    folders = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["data"]["folder"]
    for folder in [folders] if isinstance(folders, str) else folders:
        imitate(Path(folder).name, Path(folder))


@pytest.mark.parametrize("name", IMITATIONS)
def test_the_official_folds_are_found_and_their_labels_read(name, tmp_path, monkeypatch, train_doa):
    imitated(name, tmp_path, monkeypatch)
    chosen = options(name, tmp_path)
    for split in ("train", "validation", "test"):
        clips = train_doa.split_clips(chosen, split)
        folds = getattr(chosen.data, f"{split}_folds")
        assert {int(clip.audio.stem[clip.audio.stem.index("_") - 1]) for clip in clips} == set(folds)
        for clip in clips:
            labels = read_labels(clip)
            assert labels["frame"].tolist() == list(range(5, 15))
            assert (labels["azimuth"] == AZIMUTH).all() and (labels["class"] == 3).all()
            if "distance" in labels:
                assert (labels["distance"] == 2).all()
    assert len({clip.name for clip in train_doa.split_clips(chosen, "train")}) == len(
        train_doa.split_clips(chosen, "train")
    )


FAST = ("tau_2019", "dcase2025_stereo")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in IMITATIONS]
)
def test_a_configuration_trains_end_to_end(name, tmp_path, monkeypatch, train_doa, capsys):
    imitated(name, tmp_path, monkeypatch)
    train_doa.main(options(name, tmp_path))
    run = tmp_path / "runs" / name
    assert json.loads((run / "scores.json").read_text())["F20"] >= 0
    assert pd.read_csv(run / "log.csv")["loss_total"].notna().all()
    kept = json.loads((run / "statistics.json").read_text())["train"]
    clips = len(train_doa.split_clips(options(name, tmp_path), "train"))
    assert kept["clips"] == clips and kept["frames_by_sources"][:2] == [10 * clips, 10 * clips]
    assert kept["hours"] == pytest.approx(clips * SECONDS / 3600)
    assert f"train: {clips} clips, " in capsys.readouterr().out


def test_every_dataset_has_a_configuration_that_agrees():
    for name, dataset in DATASETS.items():
        find_format(dataset.format)
        assert set(dataset.arrays) <= set(ARRAYS)
        if name != "dcase2024_synth":  # shares a configuration with the mixtures of 2022
            data = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["data"]
            assert name in str(data["folder"])
            if isinstance(data["folder"], str):
                assert data["format"] == dataset.format
    assert set(IMITATIONS) == set(DATASETS) - {"dcase2024_synth"}
    assert {name: len(dataset.classes) for name, dataset in DATASETS.items()} == {
        "tau_2019": 11, "tau_nigens_2020": 14, "tau_nigens_2021": 12, "starss22": 13, "starss23": 13,
        "dcase2022_synth": 13, "dcase2024_synth": 13, "dcase2025_stereo": 13,
    }  # fmt: skip


def test_folds_that_are_not_there_are_said(tmp_path):
    imitate("starss23", tmp_path / "s")
    with pytest.raises(ValueError, match="no clip is of fold 1, 2, there are 3, 4"):
        find_clips(tmp_path / "s", format="dcase2023", folds=[1, 2])
    soundfile.write(tmp_path / "s/foa_dev/mine.wav", np.zeros((10, 4)), 24000)
    (tmp_path / "s/metadata_dev/mine.csv").touch()
    with pytest.raises(ValueError, match=r"mine.wav: the name must begin with fold or split and a number"):
        find_clips(tmp_path / "s", folds=[3])


def test_folders_that_are_read_together_keep_their_clips_apart(tmp_path):
    for name in ("a", "b", "deep/a"):
        imitate("tau_nigens_2020", tmp_path / name)
    clips = find_clips([tmp_path / "a", tmp_path / "b"], folds=[1])
    assert [clip.name for clip in clips] == ["a/fold1_room1_mix001_ov1", "b/fold1_room1_mix001_ov1"]
    with pytest.raises(ValueError, match="a: the folder is given twice"):
        find_clips([tmp_path / "a", tmp_path / "b", tmp_path / "a"])
    with pytest.raises(ValueError, match=r"deep/a: the folder has the same name .*/a\)"):
        find_clips([tmp_path / "a", tmp_path / "deep/a"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.folder", "x"], "data.train_folds must be given when the split comes from data.folder"),
        (["--config", "starss22", "--data.test_folds", "[3]"], "data.test_folds must not be trained on, got 3 in both"),
        (["--data.format", "dcase2018"], "data.format must be one of polar, .*, got dcase2018"),
        (["--data.loaders", "-1"], "data.loaders must be >= 0, got -1"),
    ],
)
def test_impossible_splits_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        parse(Experiment, "", arguments)
