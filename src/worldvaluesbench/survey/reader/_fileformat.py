"""What a file is, told by its first bytes: a survey file in a format that is read, or one refused with advice."""

import re
from pathlib import PurePath
from typing import Literal

from worldvaluesbench.errors import SurveyFileError

Format = Literal["csv", "sav", "dta", "parquet", "arrow"]

# Endings that a survey file may have inside a zip.
SURVEY_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".sav", ".zsav", ".dta", ".parquet", ".arrow", ".feather"})
# Endings of text that may be a survey file, or only a note beside one.
TEXT_SUFFIXES = frozenset({".txt", ".dat", ".asc", ""})

HEAD_SIZE = 1 << 16

_SAVE_AS = "save it as csv, sav or dta, or download that edition"
_DOWNLOAD = "download the csv, SPSS (sav) or Stata (dta) edition"

REFUSED_SUFFIXES = {
    ".rds": f"is an R file; {_DOWNLOAD}",
    ".rdata": f"is an R file; {_DOWNLOAD}",
    ".rda": f"is an R file; {_DOWNLOAD}",
    ".xlsx": f"is an Excel workbook; {_SAVE_AS}",
    ".xls": f"is an Excel workbook; {_SAVE_AS}",
    ".ods": f"is a spreadsheet; {_SAVE_AS}",
    ".por": f"is an SPSS portable file; {_SAVE_AS}",
    ".sas7bdat": f"is a SAS file; {_SAVE_AS}",
    ".xpt": f"is a SAS file; {_SAVE_AS}",
    ".pdf": f"is a PDF document; {_DOWNLOAD}",
    ".fea": f"is a Feather file of version 1; save it as Parquet or Arrow (Feather 2), or {_DOWNLOAD}",
    ".7z": "is a 7z archive; unpack it first",
    ".rar": "is a rar archive; unpack it first",
    ".tar": "is a tar archive; unpack it first",
    ".xz": "is compressed as xz; unpack it first",
    ".bz2": "is compressed as bz2; unpack it first",
    ".zst": "is compressed as zst; unpack it first",
}

_SURVEY_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (rb"\$FL[23]", "sav"),
    (rb"<stata_dta>|[\x69\x6c\x6e\x6f\x71\x72\x73][\x01\x02]\x01", "dta"),
    (rb"PAR1", "parquet"),
    (rb"ARROW1|(?s:\xff{4}..[\x00-\x0f]\x00)", "arrow"),  # a file, or a stream: a mark and the length of its schema
)
_REFUSED_SIGNATURES = (
    (rb"RD[AX][23]\n|X\n\x00\x00\x00[\x02\x03]|A\n[23]\n", ".rds"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
    (rb"(?s).{0,400}ASCII SPSS PORT FILE", ".por"),
    (rb"\x00{12}\xc2\xea\x81\x60", ".sas7bdat"),
    (rb"HEADER RECORD\*{7}LIBRARY", ".xpt"),
    (rb"FEA1", ".fea"),
    (rb"(?s).{257}ustar", ".tar"),
    (rb"%PDF", ".pdf"),
    (rb"7z\xbc\xaf\x27\x1c", ".7z"),
    (rb"Rar!", ".rar"),
    (rb"\xfd7zXZ\x00", ".xz"),
    (rb"BZh[1-9]", ".bz2"),
    (rb"\x28\xb5\x2f\xfd", ".zst"),
)
_SUFFIX_FORMATS: dict[str, Format] = {
    ".sav": "sav",
    ".zsav": "sav",
    ".dta": "dta",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_FORMAT_NAMES = {"sav": "SPSS", "dta": "Stata", "parquet": "Parquet", "arrow": "Arrow"}

# What Git LFS and git-annex leave in place of a large file until it is fetched, whatever the file is named.
_POINTERS = (
    (rb"version https://(?:git-lfs\.github|hawser\.github)\.com/", "Git LFS", "`git lfs pull`"),
    (rb"(?:\.\./)*(?:\.git)?/annex/objects/", "git-annex", "`git annex get`"),
)


def recognise_format(head: bytes, name: str, where: str) -> Format:
    """The format of a file that begins with `head`; its name counts only where the bytes are plain text.

    Raises SurveyFileError, with advice, for anything that is no survey file.
    """
    for signature, survey_format in _SURVEY_SIGNATURES:
        if re.match(signature, head):
            return survey_format
    for start, keeper, command in _POINTERS:
        if re.match(start, head):
            raise SurveyFileError(
                f"{where}: is only a pointer that {keeper} keeps in place of the file; fetch the file itself with "
                f"{command} in its repository."
            )
    suffix = PurePath(name).suffix.lower()
    if suffix in REFUSED_SUFFIXES:
        raise SurveyFileError(f"{where}: {REFUSED_SUFFIXES[suffix]}.")
    for signature, other in _REFUSED_SIGNATURES:
        if re.match(signature, head):
            raise SurveyFileError(f"{where}: {REFUSED_SUFFIXES[other]}.")
    if suffix in _SUFFIX_FORMATS:
        kind = _FORMAT_NAMES[_SUFFIX_FORMATS[suffix]]
        raise SurveyFileError(f"{where}: is named {suffix} but is no {kind} file; it is damaged, download it again.")
    _check_text(head, where)
    return "csv"


def _check_text(head: bytes, where: str) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[1:200:2].count(0) > 50 or head[0:200:2].count(0) > 50:
        raise SurveyFileError(f"{where}: is text in UTF-16; save it as csv in UTF-8, or download it again.")
    if b"\x00" in head:
        raise SurveyFileError(f"{where}: is neither text nor SPSS, Stata or Parquet; {_DOWNLOAD}.")
    if not head.strip():
        raise SurveyFileError(f"{where}: holds only blank lines; download it again.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise SurveyFileError(f"{where}: is a web page, not a survey file; the download failed, download it again.")
    if start.startswith((b"{", b"[")):
        raise SurveyFileError(f"{where}: is JSON, not a survey file; {_DOWNLOAD}.")
