"""Records of Zenodo: their files, and downloads that go on where they broke off.

pooch (of the extra `download`) keeps what is there already, checks MD5 sums and lets files appear only when they are
whole; the part that pooch lacks, going on with a broken download, is its downloader here.
"""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from seld.datasets.table import Dataset

_TRIES = 5
"""in a row without a byte gained"""
_TIMEOUT_S = (10, 60)
_CHUNK = 1 << 16  # what is lost, at most, when a connection breaks
_BUSY = (429, 500, 502, 503, 504)


class File(NamedTuple):
    """A file of a record."""

    name: str
    size: int
    """bytes"""
    md5: str
    url: str


class Record(NamedTuple):
    """What the record says of itself."""

    licence: str
    """as it is named there; empty when it is not"""
    files: list[File]


def read_record(number: str, dataset: Dataset, host: str) -> Record:
    """The files of a record of a dataset, by the interface of its host.

    Raises:
        ValueError: when it cannot be understood, or disagrees with the checksums that are known here.
        OSError: when the host cannot be reached.
    """
    address = f"{host.rstrip('/')}/api/records/{number}"
    try:
        answer = _answer(address)
        files = [File(_safe(item["key"]), item["size"], _md5(item), item["links"]["self"]) for item in answer["files"]]
        licence = (answer["metadata"].get("license") or {}).get("id", "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{address}: not a record as Zenodo describes them ({type(error).__name__})") from None
    for file in files:
        if dataset.md5.get(file.name, file.md5) != file.md5:
            raise ValueError(
                f"{address}: {file.name} is not the file of {dataset.name}; its MD5 sum must be "
                f"{dataset.md5[file.name]}, got {file.md5}"
            )
    return Record(licence, files)


def fetch(file: File, folder: Path, progress: bool = True) -> Path:
    """Download a file into a folder, unless it is there; its path.

    What has arrived stays as NAME.part when the connection breaks, and the next call goes on from it.

    Args:
        progress: show a bar.

    Raises:
        ValueError: when the content has not the checksum; nothing is left of it then.
        OSError: when the host cannot be reached or the disk is full.
    """
    pooch = _library("pooch")
    pooch.get_logger().setLevel("WARNING")
    partial = folder / f"{file.name}.part"

    def download(url: str, output: str, _: Any) -> None:
        _resume(url, partial, file, progress)
        os.replace(partial, output)

    try:
        return Path(pooch.retrieve(file.url, f"md5:{file.md5}", file.name, folder, downloader=download))
    except ValueError:
        raise ValueError(f"{file.url}: what was downloaded has not the MD5 sum {file.md5}; it was deleted") from None


def _resume(url: str, partial: Path, file: File, progress: bool) -> None:
    """Fill `partial` up to the whole file, in as many connections as it takes."""
    failures = 0
    with tqdm(total=file.size, desc=file.name, unit="B", unit_scale=True, leave=False, disable=not progress) as bar:
        while (there := _size(partial)) < file.size:
            bar.update(there - bar.n)
            try:
                _go_on(url, partial, there, bar)
                reason = "the connection was closed too early"
            except _library("requests").RequestException as error:
                reason = _reason(error)
                if getattr(error.response, "status_code", 500) not in _BUSY:
                    raise OSError(f"{url}: {reason}") from None
            failures = failures + 1 if _size(partial) <= there else 0
            if failures == _TRIES:
                raise OSError(f"{url}: {reason}; what has arrived is kept, start again to go on")
            if _size(partial) < file.size:
                time.sleep(0.1 * 4**failures)


def _go_on(url: str, partial: Path, there: int, bar: tqdm) -> None:
    with _get(url, {"Range": f"bytes={there}-"} if there else {}) as response:
        goes_on = response.status_code == 206
        with open(partial, "ab" if goes_on else "wb") as output:  # a host may not know ranges
            bar.update((there if goes_on else 0) - bar.n)
            for chunk in response.iter_content(_CHUNK):
                output.write(chunk)
                bar.update(len(chunk))


def _answer(address: str) -> Any:
    requests = _library("requests")
    try:
        with _get(address) as response:
            return response.json()
    except requests.JSONDecodeError:
        raise ValueError("no JSON") from None
    except requests.RequestException as error:
        raise OSError(f"{address}: {_reason(error)}") from None


def _get(url: str, headers: dict[str, str] | None = None) -> Any:
    # Not compressed on the way: sizes and ranges are of the file as it is.
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    response = _library("requests").get(url, headers=headers, stream=True, timeout=_TIMEOUT_S)
    response.raise_for_status()
    return response


def _reason(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"the host answers {status}" if status else f"cannot be reached ({type(error).__name__})"


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise ValueError(f"downloading needs {name}: pip install -e '.[download]'") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _md5(item: dict) -> str:
    return item["checksum"].removeprefix("md5:")


def _safe(name: str) -> str:
    """A name from the network that cannot lead out of its folder."""
    if not name or name != os.path.basename(name) or name.startswith("."):
        raise ValueError(f"the name of a file must be plain, got {name!r}")
    return name
