"""Zip archives, whole or split, into folders that appear only when all is unpacked."""

import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from seld.datasets.splitting import Joined

_PART = re.compile(r"(?P<stem>.+)\.(?:z(?P<disk>\d+)|zip(?:\.(?P<cut>\d+))?)$", re.IGNORECASE)
_LAYOUT = re.compile(r"(foa|mic|stereo|metadata|video)(_dev|_eval)?$")
_LAST = 1 << 30


def archives(names: Iterable[str]) -> dict[str, list[str]]:
    """The archives among file names: their parts, in order, by the stem that these share."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if match := _PART.match(name):
            # The part that ends in .zip is the last one.
            number = int(match["disk"] or match["cut"] or _LAST)
            found.setdefault(match["stem"], []).append((number, name))
    return {stem: [name for _, name in sorted(parts)] for stem, parts in found.items()}


def unpack(parts: Sequence[Path], folder: Path, progress: bool = True) -> list[str]:
    """Unpack an archive into a folder; the names of what lies there then. Existing files of these names are replaced.

    Everything goes to a hidden folder first. A folder around the whole content (such as the name of the dataset) is
    left out, so that foa_dev/, metadata_dev/ and so on lie in `folder`.

    Raises:
        ValueError: names the archive that is damaged, or the part that is missing.
        OSError: when the disk is full, before or while it is written.
    """
    name = parts[-1]
    folder.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=".unpacking.", dir=folder))
    try:
        with Joined(parts) as file, zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.filename.startswith("__MACOSX/")]
            _check_space(folder, sum(member.file_size for member in members), name)
            for member in tqdm(members, name.name, unit="file", leave=False, disable=not progress):
                archive.extract(member, hidden)
        content = _inner(hidden)
        names = sorted(entry.name for entry in content.iterdir())
        _move(content, folder)
        return names
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error) as error:
        raise ValueError(f"{name}: the archive is damaged ({error})") from None
    except NotImplementedError as error:
        raise ValueError(f"{name}: {error}; unpack it by hand, with 7z x") from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _check_space(folder: Path, needed: int, name: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(f"{folder}: {needed / 1e9:.1f} GB are needed to unpack {name.name}, {free / 1e9:.1f} GB are free")


def _inner(folder: Path) -> Path:
    """The folder that the content lies in, below a folder around it all."""
    entries = list(folder.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not _LAYOUT.match(entries[0].name):
        return _inner(entries[0])
    return folder


def _move(source: Path, target: Path) -> None:
    for entry in source.iterdir():
        there = target / entry.name
        if entry.is_dir() and there.is_dir():
            _move(entry, there)
        else:
            entry.replace(there)
