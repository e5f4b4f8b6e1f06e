"""Recordings from Debian's free data packages, as a folder of events: sounds of no synthesiser, to test localizers on.

    python tools/gather_recordings.py --output recordings
    python recipes/make_scenes.py --output test --responses rooms/foa --events recordings

People in some languages (half of them over the telephone), animals, tools, weapons, engines, traffic and music, in the
subfolders that are their classes; `tools/make_foreign_rooms.py` makes the rooms. Nothing is installed: packages are
downloaded by apt-get (Debian 12; 1.3 GB, one at a time) and unpacked in a temporary folder. Which files are taken does
not depend on chance.

Their licences are free ones, each package's own; nothing of them belongs to this repository.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import soundfile
from tqdm import tqdm

from seld.files import atomic_path

SUFFIXES = (".wav", ".ogg")
SHORTEST_S = 0.3


class Choice(NamedTuple):
    """Files to take from a package."""

    package: str
    where: str
    """regular expression that their paths contain"""
    event_class: str
    count: int


LANGUAGES = ("en", "es", "fr", "it", "ru")
CHOICES = (
    *(Choice(f"asterisk-core-sounds-{tongue}-wav", "/sounds/(?!.*silence)", "telephone", 30) for tongue in LANGUAGES),
    Choice("hedgewars-data", "/Sounds/voices/", "voices", 120),
    Choice("hedgewars-data", "/Sounds/[^/]+$", "effects", 40),
    Choice("hedgewars-data", "/Music/", "music", 20),
    Choice("lincity-ng-data", "/sounds/", "traffic", 60),
    Choice("torcs-data", "/sound/", "engines", 30),
    Choice("warmux-data", "/sound/default/voices/", "voices", 20),
    Choice("warmux-data", "/sound/default/(misc|weapons)/", "effects", 40),
    Choice("wesnoth-1.16-data", "/sounds/", "animals_and_weapons", 120),
    Choice("widelands-data", "/sound/", "animals_and_tools", 90),
    Choice("widelands-data", "/music/", "music", 20),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the recordings")
    output = parser.parse_args().output
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise SystemExit(f"error: {program} is missing; this needs Debian or one of its relatives")
    try:
        output.mkdir(parents=True, exist_ok=True)  # before the downloads
        for package in tqdm(dict.fromkeys(choice.package for choice in CHOICES), "packages", unit="package"):
            gather(package, output)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {error.returncode}"]
        raise SystemExit(f"error: {' '.join(map(str, error.cmd))} failed: {said[-1]}") from None
    except OSError as error:
        raise SystemExit(f"error: {error}") from None
    for folder in sorted(path for path in output.iterdir() if path.is_dir()):
        print(f"{folder.name}: {len(list(folder.iterdir()))}")


def gather(package: str, output: Path) -> None:
    """What is wanted of a package, as OUTPUT/CLASS/PACKAGE_NAME."""
    wanted = [choice for choice in CHOICES if choice.package == package]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
        (archive,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", archive, "unpacked"], cwd=folder, check=True, capture_output=True)
        archive.unlink()
        for choice in wanted:
            for path in chosen(Path(folder) / "unpacked", choice):
                # Files of one name lie in several folders, one for each speaker.
                name = f"{package}_{path.parent.name}_{path.name}".replace(" ", "_")
                with atomic_path(output / choice.event_class / name) as temporary:
                    shutil.copyfile(path, temporary)


def chosen(folder: Path, choice: Choice) -> Iterator[Path]:
    """The files of an unpacked package that are taken, of those that last; the order has nothing to do with them."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in SUFFIXES}
    names = [name for name, path in found.items() if re.search(choice.where, f"/{name}") and path.is_file()]
    names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    left = choice.count
    for name in names:
        if left and seconds(found[name]) >= SHORTEST_S:
            left -= 1
            yield found[name]


def seconds(path: Path) -> float:
    """How long a sound file lasts; 0 when it cannot be read."""
    try:
        return soundfile.info(path).duration
    except soundfile.SoundFileError:
        return 0.0


if __name__ == "__main__":
    main()
