"""Split zip archives as one file, which Python's zipfile can read.

Two ways to split are in use: NAME.z01, NAME.z02, ..., NAME.zip, where places are counted from the start of a part
(PKWARE APPNOTE 6.3.10, 4.3.12 to 4.3.16, 4.5.3 and 8), and NAME.zip.001, ..., whose parts are one file that was cut.
"""

import io
import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ENTRY, _BLOCK = struct.Struct("<4s6H3L5H2L"), struct.Struct("<2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFF_FFFF  # what does not fit; the true number is in a 64-bit field
_ZIP64 = 1
_LONGEST_END = _END.size + _FULL16


class _End(NamedTuple):
    """What the end of an archive says of its directory."""

    disk: int
    """the last part, from 0"""
    start_disk: int
    """the part in which the directory begins"""
    length: int
    """bytes"""
    offset: int
    """of the directory in its part"""


class Joined(io.RawIOBase):
    """The parts of a split archive as one file that `zipfile` reads.

    Where parts count their places from their own starts, the directory at the end is replaced by one that counts from
    the start of all.
    """

    def __init__(self, parts: Sequence[Path]):
        super().__init__()
        self.files = [open(part, "rb") for part in parts]  # noqa: SIM115, closed in close
        self.sizes = [part.stat().st_size for part in parts]
        self.position, self.size, self.tail = 0, sum(self.sizes), b""
        if len(parts) > 1 and re.search(r"\.z\d+$", parts[0].name, re.IGNORECASE):
            try:
                start, self.tail = self._directory(len(parts))
            except (IndexError, struct.error):
                raise zipfile.BadZipFile("a part is missing, or cut short") from None
            self._cut_at(start)
        self.size = sum(self.sizes) + len(self.tail)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")  # which zipfile expects of a file
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: bytearray) -> int:
        view, start, count = memoryview(buffer).cast("B"), 0, 0
        sources = [*self.files, io.BytesIO(self.tail)]
        for file, size in zip(sources, [*self.sizes, len(self.tail)], strict=True):
            inside = self.position - start
            if inside < size and count < len(view):
                file.seek(inside)
                read = file.readinto(view[count : count + size - inside])
                count, self.position = count + read, self.position + read
            start += size
        return count

    def close(self) -> None:
        for file in self.files:
            file.close()
        super().close()

    def _read(self, start: int, length: int) -> bytes:
        self.seek(start)
        return b"".join(iter(lambda: self.read(min(length - (self.position - start), 1 << 20)), b""))

    def _cut_at(self, start: int) -> None:
        """Let the parts end where the old directory begins."""
        for index, size in enumerate(self.sizes):
            self.sizes[index] = min(size, start)
            start -= self.sizes[index]

    def _directory(self, parts: int) -> tuple[int, bytes]:
        """Where the directory begins in all, and a new one with the end records behind it."""
        starts = [sum(self.sizes[:disk]) for disk in range(parts)]
        end = self._end(starts)
        if end.disk + 1 != parts:
            raise zipfile.BadZipFile(f"{end.disk + 1} parts belong together, {parts} are there")
        first = starts[end.start_disk] + end.offset
        old = self._read(first, end.length)
        self.position = 0
        directory, entries = _renewed(old, starts)
        end64 = _END64.pack(b"PK\x06\x06", _END64.size - 12, 45, 45, 0, 0, entries, entries, len(directory), first)
        locator = _LOCATOR.pack(b"PK\x06\x07", 0, first + len(directory), 1)
        return first, directory + end64 + locator + _END.pack(b"PK\x05\x06", 0, 0, *2 * [_FULL16], *2 * [_FULL32], 0)

    def _end(self, starts: list[int]) -> _End:
        begin = max(0, self.size - _LONGEST_END - _LOCATOR.size)
        tail = self._read(begin, self.size - begin)
        place = tail.rfind(b"PK\x05\x06")
        if place < 0:
            raise zipfile.BadZipFile("the end of the archive is missing")
        _, disk, start_disk, _, total, length, offset, _ = _END.unpack_from(tail, place)
        if _FULL16 in (disk, start_disk, total) or _FULL32 in (length, offset):
            signature, on_disk, relative, _ = _LOCATOR.unpack_from(tail, place - _LOCATOR.size)
            if signature != b"PK\x06\x07":
                raise zipfile.BadZipFile("the 64-bit end of the archive is missing")
            record = _END64.unpack(self._read(starts[on_disk] + relative, _END64.size))
            _, _, _, _, disk, start_disk, _, _, length, offset = record
        return _End(disk, start_disk, length, offset)


def _renewed(directory: bytes, starts: list[int]) -> tuple[bytes, int]:
    """The directory with places counted from the start of all parts, and the number of its entries."""
    entries, place = [], 0
    while place < len(directory):
        fields = list(_ENTRY.unpack_from(directory, place))
        name, extra, comment = fields[10:13]
        if fields[0] != b"PK\x01\x02":
            raise zipfile.BadZipFile("the directory is damaged")
        place += _ENTRY.size
        rest = directory[place : place + name + extra + comment]
        place += len(rest)
        blocks = _blocks(rest[name : name + extra])
        wide = blocks.pop(_ZIP64, b"")
        # Of these, the wide block holds those that do not fit, in this order.
        values = [(fields[9], "<Q"), (fields[8], "<Q"), (fields[16], "<Q"), (fields[13], "<L")]
        for index, (value, kind) in enumerate(values):
            if value == (_FULL32 if kind == "<Q" else _FULL16):
                values[index] = (*struct.unpack_from(kind, wide), kind)
                wide = wide[struct.calcsize(kind) :]
        unpacked, packed, offset, disk = (value for value, _ in values)
        blocks[_ZIP64] = struct.pack("<3Q", unpacked, packed, starts[disk] + offset)
        extras = b"".join(_BLOCK.pack(kind, len(data)) + data for kind, data in blocks.items())
        fields[8] = fields[9] = fields[16] = _FULL32
        fields[11], fields[13] = len(extras), 0
        entries.append(_ENTRY.pack(*fields) + rest[:name] + extras + rest[name + extra :])
    return b"".join(entries), len(entries)


def _blocks(extra: bytes) -> dict[int, bytes]:
    """The extra fields of an entry by their kind."""
    found, place = {}, 0
    while place + _BLOCK.size <= len(extra):
        kind, length = _BLOCK.unpack_from(extra, place)
        found[kind] = extra[place + _BLOCK.size : place + _BLOCK.size + length]
        place += _BLOCK.size + length
    return found
