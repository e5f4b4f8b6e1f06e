"""Download a public dataset in DCASE layout, check it and unpack it.

    python recipes/download.py --list
    python recipes/download.py tau_nigens_2020 --output data/tau_nigens_2020
    python recipes/download.py starss23 --output data/starss23 --parts mic metadata
    python recipes/train_doa.py --config tau_nigens_2020.yaml

What is there already is left alone, and a download that was interrupted goes on where it stopped. Downloading needs
pooch: pip install -e ".[download]"
"""

import argparse
import json
import logging
import shutil
import sys
from pathlib import Path

from seld.datasets import DATASETS, Dataset, File, archives, fetch, find_dataset, read_record, unpack
from seld.files import write_json

# Remembers what was unpacked, since the archives are deleted.
DONE = "downloaded.json"
PARTS = ("foa", "mic", "stereo", "metadata", "video")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"error: {message}\n")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("name", nargs="?", metavar="NAME", help="the dataset, one of those that --list shows")
    parser.add_argument("--output", type=Path, help="folder to fill; data/NAME by default")
    parser.add_argument(
        "--parts",
        nargs="+",
        help="what to fetch: foa, mic, stereo, metadata or video of the development set, foa_eval and so on of the "
        "evaluation set, or all; by default the first array of the dataset and metadata",
    )
    parser.add_argument("--keep", action="store_true", help="keep the archives after they were unpacked")
    parser.add_argument("--host", default="https://zenodo.org", help="where the records are; default %(default)s")
    parser.add_argument("--list", action="store_true", help="show the datasets and their licences, and stop")
    options = parser.parse_args(argv)
    if options.name is None and not options.list:
        parser.error("name a dataset, or --list them")
    return options


def main(options: argparse.Namespace) -> None:
    if options.list:
        for dataset in DATASETS.values():
            print(f"{dataset.name:17} {dataset.title}\n{'':17} {licence(dataset)}")
        return
    dataset = find_dataset(options.name)
    folder = options.output or Path("data") / dataset.name
    records = [read_record(number, dataset, options.host) for number in dataset.records]
    print(f"{dataset.title}\nlicence: {licence(dataset, *(record.licence for record in records))}")
    files = {file.name: file for record in records for file in record.files}
    chosen = choose(dataset, files, options.parts or [dataset.arrays[0], "metadata"])
    done = read_done(folder)
    missing = {stem: parts for stem, parts in chosen.items() if not is_there(folder, parts, done.get(stem))}
    check_space(folder, [file for parts in missing.values() for file in parts])
    for stem, parts in chosen.items():
        if stem not in missing:
            print(f"{stem}: is there already")
            continue
        paths = [fetch(file, folder) for file in parts]
        if archives(path.name for path in paths):
            done[stem] = {"md5": [file.md5 for file in parts], "holds": unpack(paths, folder)}
            write_json(folder / DONE, done)
            for path in [] if options.keep else paths:
                path.unlink()
        print(f"{stem}: {sum(file.size for file in parts) / 1e9:.2f} GB, checked")


def licence(dataset: Dataset, *named: str) -> str:
    """The licence in words, and as the records name it."""
    told = ", ".join(dict.fromkeys(name for name in named if name))
    known = dataset.licence or ("" if named else "see its record")
    where = " ".join(f"https://zenodo.org/records/{number}" for number in dataset.records)
    return f"{known or 'as its record says'}{f' ({told})' if told else ''}; {where}"


def choose(dataset: Dataset, files: dict[str, File], parts: list[str]) -> dict[str, list[File]]:
    """The archives of these parts, and the small files beside them; those without a part's name hold all parts.

    Raises:
        ValueError: when there is no such part.
    """
    groups = archives(files)
    found = {stem: [files[name] for name in names] for stem, names in groups.items()}
    single = set(files) - {name for names in groups.values() for name in names}
    named = {stem: stem if stem.endswith("_eval") else stem.removesuffix("_dev") for stem in found}
    whole = {stem for stem, part in named.items() if part.removesuffix("_eval") not in PARTS}
    available = sorted(set(named.values()) - {named[stem] for stem in whole})
    for part in parts:
        if part != "all" and part not in available and not whole:
            raise ValueError(f"--parts must be of {', '.join(available)} or all for {dataset.name}, got {part}")
    chosen = {stem: group for stem, group in found.items() if stem in whole or named[stem] in parts or "all" in parts}
    return {name: [files[name]] for name in sorted(single)} | chosen


def check_space(folder: Path, files: list[File]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    there = sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
    needed, free = sum(file.size for file in files) - there, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(f"{folder}: {needed / 1e9:.1f} GB are needed for the downloads, {free / 1e9:.1f} GB are free")


def is_there(folder: Path, parts: list[File], done: dict | None) -> bool:
    """Whether this very archive was unpacked here, and nothing of it was moved away since."""
    if not done or done.get("md5") != [file.md5 for file in parts]:
        return False
    return all((folder / name).exists() for name in done["holds"])


def read_done(folder: Path) -> dict[str, dict]:
    try:
        return json.loads((folder / DONE).read_text())
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        main(arguments())
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
