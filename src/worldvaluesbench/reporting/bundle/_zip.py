"""A bundle as a zip: the names it may hold, how large it may be, and its files, read with nothing taken on trust.

Whatever could hide something beside the files that are checked is refused: a comment, bytes between or before entries,
names that stand twice, links, folders, extra fields. Sizes are looked at before anything is unpacked, and those of
tables before anything of them is read.
"""

import csv
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files as packaged
from pathlib import Path

from worldvaluesbench._io import parquet_size
from worldvaluesbench.errors import BundleError

KIND = "bundle"
MANIFEST, CARD, CHECKSUMS, PAGE = "bundle.json", "README.md", "SHA256SUMS", "report.html"
TEXTS = (MANIFEST, CARD, CHECKSUMS, PAGE)
TABLES, PARQUET = "tables/", ".parquet"

MAY_BE_ABSENT = ("determination", "determination_summary", "structure")
"""Tables that a comparison without any grouping has not, and the last with the world, which has no people."""

MAX_BYTES, MAX_TEXT_BYTES = 2**28, 2**26
"""A bundle that unpacks to more than the first, or with a text longer than the second, is none of ours."""

MAX_RATIO, SMALL_BYTES = 200, 2**20
"""No file larger than the second is packed to less than one part in the first."""

MAX_ENTRIES = 100

MAX_ROWS, MAX_TABLE_BYTES = 10_000_000, 2**30
"""Tables that have more rows together, or take more memory, are none of ours."""

MAX_TABLE_RATIO, SMALL_TABLE_BYTES = 100, 2**26
"""Nor are tables that take more memory than the second and more than so many times the whole zip."""

_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_MARK = b"PK\x03\x04"
_CENTRAL_SIZE, _END_SIZE = 46, 22
_UTF8 = 0x800


@cache
def load_schemas() -> Mapping[str, Mapping[str, str]]:
    """The tables of a bundle and the types of their columns: `data/shared_columns.csv`, in its order."""
    text = (packaged("worldvaluesbench") / "data" / "shared_columns.csv").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(text.splitlines()):
        found.setdefault(row["table"], {})[row["column"]] = row["dtype"]
    return found


def table_path(table: str) -> str:
    """Where a table lies in a bundle."""
    return f"{TABLES}{table}{PARQUET}"


def file_names() -> tuple[str, ...]:
    """Every file of a bundle."""
    return (*TEXTS, *map(table_path, load_schemas()))


def required_names() -> tuple[str, ...]:
    """The files that every bundle has."""
    return tuple(name for name in file_names() if name not in map(table_path, MAY_BE_ABSENT))


def is_bundle(path: Path) -> bool:
    """Whether a file is a zip that says it is a bundle."""
    try:
        if not path.is_file() or not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):  # what zipfile raises for odd directories
        return False


def open_zip(path: Path) -> dict[str, bytes]:
    """The files of a bundle, unpacked in memory.

    Raises BundleError where it is no zip, no bundle, too large, or a zip that could hide something.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if MANIFEST not in archive.namelist():
                raise BundleError(f"{path}: no {MANIFEST} in it; expected a bundle made by `wvb bundle`.")
            problem = _size_problem(entries) or _entry_problem(archive, entries) or _gap_problem(path, archive, entries)
            if problem:
                raise BundleError(f"{path}: {problem}; expected a bundle as `wvb bundle` writes it.")
            files = {entry.filename: _unpack(path, entry) for entry in entries}
            problem = _tables_problem(files, path.stat().st_size)
            if problem:
                raise BundleError(f"{path}: {problem}; expected a bundle as `wvb bundle` writes it.")
            return files
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such file; expected a bundle made by `wvb bundle`.") from None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = " ".join(said.split())[:100] or type(error).__name__
        raise BundleError(f"{path}: cannot be read as a zip ({reason}); get the bundle again.") from None


def _size_problem(entries: list[zipfile.ZipInfo]) -> str | None:
    """What is wrong with the sizes that a zip declares; no more than these is ever unpacked."""
    if len(entries) > MAX_ENTRIES:
        return f"it has {len(entries):,} files, more than any bundle"
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        return f"it unpacks to more than {MAX_BYTES >> 20} MB"
    for entry in entries:
        if entry.filename in TEXTS and entry.file_size > MAX_TEXT_BYTES:
            return f"{entry.filename} is longer than {MAX_TEXT_BYTES >> 20} MB"
        if entry.file_size > SMALL_BYTES and entry.file_size > MAX_RATIO * entry.compress_size:
            return f"{_shown(entry)} unpacks to more than {MAX_RATIO} times its size"
    return None


def _tables_problem(files: Mapping[str, bytes], size: int) -> str | None:
    """What is wrong with the sizes of all tables together, measured before a row of them is read."""
    n_rows = n_bytes = 0
    for name, content in files.items():
        if name.endswith(PARQUET):
            try:
                measured = parquet_size(content)
            except ValueError as error:
                return f"{name[:60]!r} cannot be read as parquet ({error})"
            n_rows, n_bytes = n_rows + measured.n_rows, n_bytes + measured.n_bytes
    if n_rows > MAX_ROWS:
        return f"its tables have {n_rows:,} rows, more than any bundle"
    if n_bytes > min(MAX_TABLE_BYTES, max(SMALL_TABLE_BYTES, MAX_TABLE_RATIO * size)):
        return f"its tables would take {n_bytes >> 20:,} MB of memory, more than any bundle of its size"
    return None


def _entry_problem(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> str | None:
    """What an entry is that no file of a bundle is."""
    if archive.comment:
        return "it has a comment"
    twice = [name for name, n in Counter(entry.filename for entry in entries).items() if n > 1]
    if twice:
        return f"{twice[0]!r} stands in it twice"
    for entry in entries:
        if entry.flag_bits & 0x1:
            return f"{_shown(entry)} is encrypted"
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return f"{_shown(entry)} is packed in a way that is neither stored nor deflated"
        if entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            return f"{_shown(entry)} is no plain file"
        if entry.extra or entry.comment or entry.flag_bits & ~_UTF8:
            return f"{_shown(entry)} has a comment or extra fields"
    return None


def _gap_problem(path: Path, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> str | None:
    """Whether there are bytes that belong to no entry: entries must follow one another from the first byte on."""
    end = 0
    with path.open("rb") as stream:
        for entry in sorted(entries, key=lambda one: one.header_offset):
            stream.seek(entry.header_offset)
            mark, *_, name_size, extra_size = _LOCAL.unpack(stream.read(_LOCAL.size))
            name = stream.read(name_size)
            if entry.header_offset != end or mark != _LOCAL_MARK or extra_size:
                return f"there are bytes before {_shown(entry)} that belong to no file"
            if name != entry.orig_filename.encode():
                return f"{_shown(entry)} is called otherwise where its content stands"
            end += _LOCAL.size + name_size + entry.compress_size
        after = end + sum(_CENTRAL_SIZE + len(entry.orig_filename.encode()) for entry in entries) + _END_SIZE
        if archive.start_dir != end or stream.seek(0, 2) != after:
            return "there are bytes after its files that belong to none"
    return None


def _unpack(path: Path, entry: zipfile.ZipInfo) -> bytes:
    """The content of an entry, which must be as long as declared, with nothing after it in what is packed."""
    with path.open("rb") as stream:
        stream.seek(entry.header_offset)
        *_, name_size, extra_size = _LOCAL.unpack(stream.read(_LOCAL.size))
        stream.seek(name_size + extra_size, 1)
        packed = stream.read(entry.compress_size)
    content, is_whole = packed, True
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        deflated = zlib.decompressobj(-zlib.MAX_WBITS)
        content = deflated.decompress(packed, entry.file_size + 1)
        is_whole = deflated.eof and not deflated.unused_data
    if not is_whole or len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise zipfile.BadZipFile(f"{_shown(entry)} is damaged")
    return content


def _shown(entry: zipfile.ZipInfo) -> str:
    return repr(entry.filename[:60])
