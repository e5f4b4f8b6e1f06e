"""The datasets by name."""

from dataclasses import dataclass, field

from seld.labels import CLASSES_2019

_CLASSES_2020 = (
    "alarm", "crying baby", "crash", "barking dog", "running engine", "female scream", "female speech", "burning fire",
    "footsteps", "knocking on door", "male scream", "male speech", "ringing phone", "piano",
)  # fmt: skip
_CLASSES_2021 = tuple(name for name in _CLASSES_2020 if name not in ("running engine", "burning fire"))
_CLASSES_2022 = (
    "female speech", "male speech", "clapping", "telephone", "laughter", "domestic sounds", "footsteps", "door",
    "music", "musical instrument", "water tap", "bell", "knock",
)  # fmt: skip
_TAMPERE = "Tampere University: experimental and non-commercial use only, with acknowledgement of the source"
_MIT = "MIT"
_NON_COMMERCIAL = "Creative Commons Attribution Non Commercial 4.0 International (CC BY-NC 4.0)"


@dataclass(frozen=True)
class Dataset:
    """A published dataset."""

    name: str
    title: str
    records: tuple[str, ...]
    """numbers of its records on Zenodo"""
    classes: tuple[str, ...]
    """in the order of their numbers"""
    format: str
    """of its label files, a name of `seld.labels.FORMATS`"""
    licence: str | None
    """None: only the record tells"""
    arrays: tuple[str, ...] = ("foa", "mic")
    """what it was recorded with; names of `seld.arrays.ARRAYS`"""
    md5: dict[str, str] = field(default_factory=dict)
    """of files whose content is known here, too; a record that says otherwise is not taken"""


_ALL = (
    Dataset(
        "tau_2019",
        "TAU Spatial Sound Events 2019",
        ("2599196", "3377088"),
        CLASSES_2019,
        "dcase2019",
        _TAMPERE,
        md5={
            "foa_dev.z01": "bd5b18a47a3ed96e80069baa6b221a5a",
            "foa_dev.z02": "5194ebf43ae095190ed78691ec9889b1",
            "foa_dev.zip": "2154ad0d9e1e45bfc933b39591b49206",
            "mic_dev.z01": "3234cf0bfa7b71465ae1d67c833f7c12",
            "mic_dev.zip": "6426da74fecb351dd5add56716499e40",
            "metadata_dev.zip": "c2e5c8b0ab430dfd76c497325171245d",
            "foa_eval.zip": "4a8ca8bfb69d7c154a56a672e3b635d5",
            "mic_eval.zip": "0ec2f743a61213480dae7d0b2f2e6c9d",
            "metadata_eval.zip": "a0ec7640284ade0744dfe299f7ba107b",
        },
    ),
    Dataset(
        "tau_nigens_2020",
        "TAU-NIGENS Spatial Sound Events 2020",
        ("4064792",),
        _CLASSES_2020,
        "dcase2020",
        _NON_COMMERCIAL,
        md5={
            "foa_dev.z01": "86acab46854a57f5ba3e5b80a19c01b5",
            "foa_dev.z02": "363c8c159be003271c05a71a57b2ced4",
            "foa_dev.zip": "6aad48e7346884b3929245e7553fd97d",
            "mic_dev.z01": "3a2b0986d2a302498cd874d584d17689",
            "mic_dev.z02": "92f715cb74406d5556bce0fdf27f54e4",
            "mic_dev.zip": "9174daca52f393425120308ab5c14477",
            "metadata_dev.zip": "979f5551e987ed247404b80a2f1c3db1",
            "foa_eval.zip": "24c6ce2441df242d4e3b61e9bb27d0d7",
            "mic_eval.zip": "bca79b5f71b46e4cb191c54a611348a4",
            "metadata_eval.zip": "f3584166d9a63b43c1e301b6fb722293",
        },
    ),
    Dataset(
        "tau_nigens_2021",
        "TAU-NIGENS Spatial Sound Events 2021",
        ("5476980",),
        _CLASSES_2021,
        "dcase2021",
        _NON_COMMERCIAL,
        md5={
            "foa_dev.z01": "270a94dc5cd183ea6532c5a3f6e9036c",
            "foa_dev.zip": "80648b5f64b1b4a824084560f1334f54",
            "mic_dev.z01": "536a5ba37b0c39f54044932b75acb774",
            "mic_dev.zip": "a5131297547431160b732a3481626c2d",
            "metadata_dev.zip": "cd8cd8b4dc9a3e3df91ac55c1ccf73b7",
            "foa_eval.zip": "591f8d2b500a671ae34822b4ff1e0889",
            "mic_eval.zip": "3248aef229ab4e0e0603d7c2269f4f97",
            "metadata_eval.zip": "11c021253c8b55fd74083bd0a35c2ee4",
        },
    ),
    Dataset(
        "starss22",
        "Sony-TAu Realistic Spatial Soundscapes 2022 (STARSS22)",
        ("6387880",),
        _CLASSES_2022,
        "dcase2022",
        _MIT,
        md5={
            "foa_dev.zip": "165dd033b262dc11a8853635c1def59b",
            "mic_dev.zip": "46b55d0be507afa986cd29120e42b188",
            "metadata_dev.zip": "b460e17e0848c49f03f238afb89fa87e",
        },
    ),
    Dataset(
        "starss23",
        "Sony-TAu Realistic Spatial Soundscapes 2023 (STARSS23)",
        ("7880637",),
        _CLASSES_2022,
        "dcase2023",
        _MIT,
        md5={
            "foa_dev.zip": "316b834ee6393c22862c314cc3c7ebb0",
            "foa_eval.zip": "7caa61bb6ea997f5bfac5b20177f505a",
            "metadata_dev.zip": "e73af95a6d5f3f7e009ac6a70804f44a",
        },
    ),
    Dataset(
        "dcase2022_synth",
        "Synthetic SELD mixtures for baseline training, DCASE 2022",
        ("6406873",),
        _CLASSES_2022,
        "dcase2022",
        None,
    ),
    Dataset(
        "dcase2024_synth",
        "Synthetic SELD mixtures for baseline training, DCASE 2024, with distances",
        ("10932241",),
        _CLASSES_2022,
        "dcase2024",
        None,
    ),
    Dataset(
        "dcase2025_stereo",
        "DCASE2025 Task3 Stereo SELD Dataset",
        ("15559774",),
        _CLASSES_2022,
        "dcase2025",
        _MIT,
        arrays=("stereo",),
    ),
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}
"""every dataset by its name, which is that of its configuration, too; the mixtures of 2024 share that of 2022"""


def find_dataset(name: str) -> Dataset:
    """The dataset of this name.

    Raises:
        ValueError: lists the names when this is none of them.
    """
    if name not in DATASETS:
        raise ValueError(f"the dataset must be one of {', '.join(DATASETS)}, got {name}")
    return DATASETS[name]
