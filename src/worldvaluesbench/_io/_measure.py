"""How much memory a file would take, known before it is read: of a stranger's file no more is believed than it holds.

A parquet file of 100 kB can hold a billion rows, or a text of gigabytes. Polars says how many rows one declares and
nothing of how large its pages unpack, so the footer and the head of every page are read here; they are written in
Thrift's compact protocol (https://parquet.apache.org/docs/file-format/).
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MARK = b"PAR1"
MAX_PAGES, MAX_DEPTH, MAX_VALUES = 200_000, 32, 1_000_000
"""A file with more pages than these, or a footer nested more deeply or with more values, is none of anybody's."""


Record = dict[int, Any]
"""A Thrift struct: its fields by their numbers."""

_VIEW = 16
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}
"""Bytes of a value in memory by its physical type; of texts and everything else that of a view."""

_DELTA_BYTE_ARRAY = 7
"""The encoding in which a text is as long as the one before, though none of it is there."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """The most rows that any part of a parquet file says it has, and about how many bytes all of it is in memory."""

    n_rows: int
    n_bytes: int


def memory_size() -> int:
    """The memory of this machine in bytes; 16 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**34


def check_fits(content: bytes) -> None:
    """Raise ValueError unless this is a parquet file that fits into the memory of this machine."""
    measured = parquet_size(content)
    if measured.n_bytes > memory_size():
        raise ValueError(
            f"its {measured.n_rows:,} rows would take {measured.n_bytes >> 30:,} GB of memory, more than there is"
        )


def parquet_size(content: bytes) -> TableSize:
    """Measure a parquet file without unpacking any of it.

    Raises ValueError where its footer or the head of a page is none.
    """
    if len(content) < 12 or content[:4] != MARK or content[-4:] != MARK:
        raise ValueError("it is no parquet file")
    (length,) = struct.unpack("<I", content[-8:-4])
    if length > len(content) - 12:
        raise ValueError("its footer is longer than the file")
    footer = _Thrift(content, len(content) - 8 - length).record()
    widths = [_WIDTHS.get(_count(leaf, 1), _VIEW) for leaf in _records(footer, 2) if not _count(leaf, 5)]
    n_rows, n_bytes, n_pages = _count(footer, 3), 0, 0
    for group in _records(footer, 4):
        n_rows = max(n_rows, _count(group, 3))
        columns = _records(group, 1)
        if len(columns) != len(widths):
            raise ValueError("its columns are other ones than its footer says")
        for facts, width in zip((_record(column, 3) for column in columns), widths, strict=True):
            n_values, unpacked = _count(facts, 5), 0
            n_read = 0
            for n, size in _pages(content, facts):
                n_pages, n_read, unpacked = n_pages + 1, n_read + n, unpacked + size
                if n_pages > MAX_PAGES:
                    raise ValueError(f"it has more than {MAX_PAGES:,} pages")
            if len(_list(facts, 3)) == 1:  # a column within another has more values than rows
                n_rows = max(n_rows, n_read)
            n_bytes += max(max(n_values, n_read) * width, unpacked, _count(facts, 6))
    return TableSize(n_rows, n_bytes)


def _pages(content: bytes, facts: Record) -> Iterator[tuple[int, int]]:
    """Of every page of a column: how many values it says it has, and how many bytes it unpacks to."""
    at = min((place for key in (9, 11) if (place := _count(facts, key))), default=0)
    end = min(at + _count(facts, 7), len(content))
    while at < end:
        thrift = _Thrift(content, at)
        head = thrift.record()
        size = _count(head, 2)
        if 7 in head:  # a dictionary
            yield 0, size
        else:
            is_second = 8 in head
            data = _record(head, 8 if is_second else 5)
            n, encoding = _count(data, 1), _count(data, 4 if is_second else 2)
            yield n, size * max(n, 1) if encoding == _DELTA_BYTE_ARRAY else size
        at = thrift.at + _count(head, 3)


def _count(record: Record, key: int) -> int:
    found = record.get(key, 0)
    if not isinstance(found, int) or found < 0:
        raise ValueError("a count in it is none")
    return found


def _list(record: Record, key: int) -> list[Any]:
    found = record.get(key, [])
    if not isinstance(found, list):
        raise ValueError("a list in it is none")
    return found


def _record(record: Record, key: int) -> Record:
    return _as_record(record.get(key))


def _records(record: Record, key: int) -> list[Record]:
    return [_as_record(one) for one in _list(record, key)]


def _as_record(found: object) -> Record:
    if not isinstance(found, dict):
        raise ValueError("a part of it is none")
    return found


class _Thrift:
    """Reads what Thrift's compact protocol wrote, from a place on; `at` is where it stands then."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self.at, self._n = content, at, 0

    def record(self, depth: int = 0) -> Record:
        """A struct. Raises ValueError where there is none."""
        found: Record = {}
        number = 0
        while kind := self._byte():
            step = kind >> 4
            number = number + step if step else self._integer()
            found[number] = self._value(kind & 0x0F, depth + 1)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        self._n += 1
        if depth > MAX_DEPTH or self._n > MAX_VALUES:
            raise ValueError("its footer says more than any does")
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._varint())
        if kind in (9, 10):
            return self._items(depth)
        if kind == 12:
            return self.record(depth)
        raise ValueError("it holds what no parquet file does")

    def _items(self, depth: int) -> list[Any]:
        head = self._byte()
        n, kind = head >> 4, head & 0x0F
        n = self._varint() if n == 0x0F else n
        if n > len(self._content) - self.at:
            raise ValueError("a list in it is longer than the file")
        # within a list a flag is a byte of its own
        return [self._byte() == 1 if kind in (1, 2) else self._value(kind, depth + 1) for _ in range(n)]

    def _byte(self) -> int:
        if self.at >= len(self._content):
            raise ValueError("it ends before its footer does")
        self.at += 1
        return self._content[self.at - 1]

    def _skip(self, n: int) -> bytes:
        if n > len(self._content) - self.at:
            raise ValueError("a text in it is longer than the file")
        self.at += n
        return self._content[self.at - n : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ValueError("a number in it has no end")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
