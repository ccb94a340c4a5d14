"""A container: the zip or gz that a survey file came in, unpacked into a temporary folder that does not stay."""

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey import ID_COLUMN
from worldvaluesbench.survey.reader._cells import shown
from worldvaluesbench.survey.reader._fileformat import (
    HEAD_SIZE,
    REFUSED_SUFFIXES,
    SURVEY_SUFFIXES,
    TEXT_SUFFIXES,
    Format,
    recognise_format,
)

# The largest real file is 0.5 GB unpacked and compresses 25 times; beyond these it is no survey file.
MAX_SIZE = 4 << 30
MAX_RATIO = 1000
MAX_SIZE_OF_ANY_RATIO = 100 << 20

_CHUNK = 1 << 20
_ZIP, _GZ = (b"PK\x03\x04", b"PK\x05\x06"), b"\x1f\x8b"  # the second is a zip of nothing


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A survey file ready to be read: where it lies, what messages call it, its format, what it was packed in."""

    path: Path
    where: str
    format: Format
    packing: str


@contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """The survey file at `path`, or in the zip or gz at `path`, for as long as the block runs.

    Raises SurveyFileError where there is none, several, a damaged or encrypted container, or one that would
    unpack to more than a survey file can be.
    """
    where = name_of(path)
    head = _read_head(path)
    if not head.startswith((*_ZIP, _GZ)):
        yield Unpacked(path, where, recognise_format(head, path.name, where), "")
        return
    with tempfile.TemporaryDirectory(prefix="wvb-") as folder:
        target = Path(folder) / "survey"
        if head.startswith(_GZ):
            name, packing = path.name.removesuffix(".gz"), "in gz"
            _unpack_gz(path, target, where)
        else:
            name, packing = _unpack_zip(path, target, where), "in zip"
            where = f"{where} ({one_line(name)})"
        head = _read_head(target)
        if head.startswith((*_ZIP, _GZ)):
            raise SurveyFileError(f"{where}: is packed twice; unpack it once and give the file inside.")
        yield Unpacked(target, where, recognise_format(head, name, where), packing)


def name_of(path: Path) -> str:
    """What messages call the file at `path`: its name, or the whole of a path such as `.` that ends in none."""
    return one_line(path.name or str(path))


def one_line(name: str) -> str:
    """A file name as it may stand in a message."""
    return name if name.isprintable() and len(name) <= 120 else shown(name, 120)


def unreadable(where: str, error: OSError) -> str:
    """One line for a file that cannot be read, or unpacked, for want of permission, disk space or the like."""
    reason = error.strerror or str(error) or type(error).__name__  # polars gives only the text
    return f"{where}: cannot be read ({one_line(reason)}); check its permissions and the free disk space."


def _read_head(path: Path) -> bytes:
    where = name_of(path)
    if path.is_dir():
        raise SurveyFileError(
            f"{where}: is a folder; expected a survey file (csv, sav, dta, parquet, arrow, or a zip of one)."
        )
    if not path.exists():
        raise SurveyFileError(f"{where}: there is no such file in {one_line(str(path.absolute().parent))}.")
    if not path.is_file():
        raise SurveyFileError(f"{where}: is no regular file; expected a survey file on disk.")
    with path.open("rb") as file:
        head = file.read(HEAD_SIZE)
    if not head:
        raise SurveyFileError(f"{where}: is empty (0 bytes); download it again.")
    return head


def _unpack_zip(path: Path, target: Path, where: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            entry = _survey_entry(archive, where)
            _check_size(entry.file_size, entry.compress_size, where)
            with archive.open(entry) as packed:
                _copy(packed, target, entry.compress_size, where)
            return entry.filename
    except (SurveyFileError, OSError):
        raise
    except (NotImplementedError, RuntimeError):  # an unknown method; encrypted
        raise SurveyFileError(
            f"{where}: its compression is not supported; unpack it and give the file inside."
        ) from None
    except Exception as error:  # zipfile and its codecs raise many more kinds on damaged archives
        raise SurveyFileError(f"{where}: is a damaged zip ({one_line(str(error))}); download it again.") from None


def _survey_entry(archive: zipfile.ZipFile, where: str) -> zipfile.ZipInfo:
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_litter(entry.filename)]
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names:
        raise SurveyFileError(f"{where}: {REFUSED_SUFFIXES['.xlsx']}.")
    surveys = [entry for entry in entries if _suffix(entry.filename) in SURVEY_SUFFIXES]
    surveys = surveys or [entry for entry in entries if _is_survey_text(archive, entry)]
    if len(surveys) > 1:
        listed = ", ".join(shown(entry.filename, 90) for entry in surveys[:2]) + ", ..." * (len(surveys) > 2)
        raise SurveyFileError(f"{where}: holds {len(surveys)} survey files ({listed}); unpack it and give one of them.")
    if not surveys:
        _refuse_contents(sorted(names), where)
    if surveys[0].flag_bits & 1:
        raise SurveyFileError(f"{where}: is encrypted; unpack it with its password and give the file inside.")
    return surveys[0]


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _is_survey_text(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether a text that has no survey file's ending speaks of respondents' ids; an encrypted one may."""
    if _suffix(entry.filename) not in TEXT_SUFFIXES:
        return False
    if entry.flag_bits & 1:
        return True
    with archive.open(entry) as packed:
        head = packed.read(HEAD_SIZE).replace(b"\x00", b"")  # those of UTF-16, which is refused later
    return ID_COLUMN[:8].lower().encode() in head.lower()


def _refuse_contents(names: list[str], where: str) -> None:
    for name in names:
        advice = REFUSED_SUFFIXES.get(_suffix(name))
        if _suffix(name) in (".zip", ".gz"):
            advice = "is packed once more; unpack it and give that file"
        if advice and _suffix(name) != ".pdf":
            raise SurveyFileError(f"{where}: its {shown(name, 90)} {advice}.")
    found = ", ".join(shown(name, 50) for name in names[:3]) or "nothing"
    raise SurveyFileError(f"{where}: holds no survey file (csv, sav, dta, parquet, arrow), found {found}.")


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _unpack_gz(path: Path, target: Path, where: str) -> None:
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file) as packed:
            _copy(packed, target, path.stat().st_size, where)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SurveyFileError(f"{where}: is a damaged gz ({one_line(str(error))}); download it again.") from None


def _copy(packed: IO[bytes] | gzip.GzipFile, target: Path, packed_size: int, where: str) -> None:
    size = 0
    with target.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
            _check_size(size, packed_size, where)
            file.write(chunk)
    if not size:
        raise SurveyFileError(f"{where}: the file inside is empty (0 bytes); download it again.")


def _check_size(size: int, packed_size: int, where: str) -> None:
    if size > MAX_SIZE or (size > MAX_SIZE_OF_ANY_RATIO and size > MAX_RATIO * packed_size):
        raise SurveyFileError(
            f"{where}: unpacks to more than a survey file can be (over {min(size, MAX_SIZE) >> 20} MiB from "
            f"{packed_size} bytes); it is damaged or no survey file."
        )
