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
MAX_PAGES, MAX_DEPTH = 200_000, 32

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
    n_rows, n_bytes, n_pages = _count(footer, 3), 0, 0
    for group in _list(footer, 4):
        n_rows = max(n_rows, _count(group, 3))
        for chunk in _list(group, 1):
            facts = chunk.get(3)
            if not isinstance(facts, dict):
                raise ValueError("a column of it says nothing of itself")
            width = _WIDTHS.get(facts.get(1, -1), _VIEW)
            n_values, unpacked, copied = 0, 0, 0
            for page in _pages(content, facts):
                n_pages += 1
                if n_pages > MAX_PAGES:
                    raise ValueError(f"it has more than {MAX_PAGES:,} pages")
                n, size, encoding = page
                n_values, unpacked = n_values + n, unpacked + size
                copied += n * size if encoding == _DELTA_BYTE_ARRAY else 0
            n_rows = max(n_rows, n_values if _is_flat(facts) else 0)
            n_bytes += max(max(n_values, _count(facts, 5)) * width, unpacked, _count(facts, 6)) + copied
    return TableSize(n_rows, n_bytes)


def _is_flat(facts: Record) -> bool:
    """Whether a column is none within another, whose values would be more than its rows."""
    return len(_list(facts, 3)) == 1


def _pages(content: bytes, facts: Record) -> Iterator[tuple[int, int, int]]:
    """Of every page of a column: how many values it says it has, how many bytes it unpacks to, how it is encoded."""
    starts = [facts[key] for key in (9, 11) if isinstance(facts.get(key), int) and facts[key] > 0]
    at = min(starts, default=0)
    end = min(at + _count(facts, 7), len(content))
    while at < end:
        thrift = _Thrift(content, at)
        head = thrift.record()
        of_data = head.get(5) or head.get(8) or head.get(7) or {}
        if not isinstance(of_data, dict):
            raise ValueError("the head of a page is none")
        is_dictionary = 7 in head
        encoding = of_data.get(4 if 8 in head else 2, 0)
        yield (0 if is_dictionary else _count(of_data, 1)), _count(head, 2), encoding
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


class _Thrift:
    """Reads what Thrift's compact protocol wrote, from a place on; `at` is where it stands then."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self.at = content, at

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
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deeply")
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
