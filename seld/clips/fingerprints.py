"""What files hold, in a few bytes: hashes of their content, kept so that unchanged files are not read again."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from seld.files import atomic_path


class Fingerprints:
    """Hashes of the content of files, remembered in a JSON file beside size and time of last change.

    A file whose size and time are as they were is taken for unchanged, as make does.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.known: dict[str, list] = _read(self.path)
        self.added: dict[str, list] = {}

    def of(self, path: str | Path) -> str:
        """The hash of a file's content."""
        state = os.stat(path)
        name, stamp = os.path.abspath(path), [state.st_size, state.st_mtime_ns]
        entry = self.known.get(name)
        if entry is not None and entry[:2] == stamp:
            return entry[2]
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
        self.known[name] = self.added[name] = [*stamp, found]
        return found

    def save(self) -> None:
        """Write what is new, with what others have written meanwhile. What two write at once may be lost to one of
        them, which then only hashes again."""
        if not self.added:
            return
        merged = _read(self.path) | self.added
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(merged))
        self.added = {}


def _read(path: Path) -> dict[str, list]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text())
        if isinstance(known, dict) and all(_is_entry(entry) for entry in known.values()):
            return known
    return {}


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and [type(part) for part in entry] == [int, int, str]
