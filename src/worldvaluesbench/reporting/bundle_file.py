"""A bundle as a file: whether one is there, what is wrong with it, and the comparison in it.

It is read without anything that draws, so that comparing stays quick.
"""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files as packaged
from pathlib import Path

import polars as pl

from worldvaluesbench.errors import BundleError
from worldvaluesbench.scoring.comparison import Comparison

KIND = "bundle"
MANIFEST, CARD, CHECKSUMS, PAGE = "bundle.json", "README.md", "SHA256SUMS", "report.html"
TABLES = "tables/"

SAFE_MIN_N = 10
"""Cells with fewer people than these are never shared."""

MAX_BYTES = 2**31
"""A bundle that unpacks to more than this is none of ours."""

RESPONDENT_COLUMNS = re.compile(r"respondent|participant|d_interview|person_id|^id$|^raw$|^request_id$", re.IGNORECASE)
"""Names of columns that are about single people."""


def is_bundle(path: Path) -> bool:
    """Whether a file is a zip that says it is a bundle."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return MANIFEST in archive.namelist()


def read_bundle(path: Path | str) -> Comparison:
    """The comparison in a bundle, after checking it.

    Raises BundleError where it is none, was changed, or holds data about single people.
    """
    files = _open(Path(path))
    problems = list(find_problems(files))
    if problems:
        raise BundleError(f"{path}: {problems[0]}")
    receipt = json.loads(files[MANIFEST])
    tables = {
        name.removeprefix(TABLES).removesuffix(".parquet"): pl.read_parquet(io.BytesIO(content))
        for name, content in files.items()
        if name.startswith(TABLES)
    }
    left_out = ("kind", "worldvaluesbench")
    return Comparison({key: value for key, value in receipt.items() if key not in left_out}, tables)


def check_bundle(path: Path | str) -> list[str]:
    """What is wrong with a bundle, a line each; none for a sound one.

    Raises BundleError where it is no bundle at all.
    """
    return list(find_problems(_open(Path(path))))


def find_problems(files: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the files of a bundle: changed, foreign, or about single people."""
    yield from _changed(files)
    for name, content in files.items():
        if name in (MANIFEST, CARD, CHECKSUMS, PAGE):
            continue
        if not (name.startswith(TABLES) and name.endswith(".parquet")):
            yield f"{name} is no file of a bundle; take it out."
            continue
        yield from _about_people(name, content)


def _changed(files: Mapping[str, bytes]) -> Iterator[str]:
    sums = {}
    for line in files.get(CHECKSUMS, b"").decode("utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        sums[name] = digest
    for name in sorted(set(files) - {CHECKSUMS}):
        if sums.get(name) != hashlib.sha256(files[name]).hexdigest():
            yield f"{name} is not as {CHECKSUMS} says it was; get the bundle again."
    for name in sorted(set(sums) - set(files)):
        yield f"{name} is missing; get the bundle again."


def _about_people(name: str, content: bytes) -> Iterator[str]:
    """What in a table is about single people, or about too few."""
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        yield f"{name} cannot be read as parquet ({str(error).splitlines()[0]})."
        return
    known = load_shared_columns().get(name.removeprefix(TABLES).removesuffix(".parquet"))
    if known is None:
        yield f"{name} is no table of a bundle; take it out."
        return
    for column in table.columns:
        if RESPONDENT_COLUMNS.search(column):
            yield f"{name} has the column {column}, which is about single people."
        elif column not in known:
            yield f"{name} has the column {column}, which no bundle has; take it out."
    if {"n_responses", "distance"} <= set(table.columns):
        few = table.filter((pl.col("n_responses") < SAFE_MIN_N) & pl.col("distance").is_not_null()).height
        if few:
            yield f"{name} has numbers of {few:,} cells with fewer than {SAFE_MIN_N} people."


@cache
def load_shared_columns() -> Mapping[str, frozenset[str]]:
    """The tables that may be shared, and the columns of each: those of `data/shared_columns.csv`."""
    text = (packaged("worldvaluesbench") / "data" / "shared_columns.csv").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        found.setdefault(row["table"], set()).add(row["column"])
    return {table: frozenset(columns) for table, columns in found.items()}


def _open(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            if MANIFEST not in archive.namelist():
                raise BundleError(f"{path}: no {MANIFEST} in it; expected a bundle made by `wvb bundle`.")
            if sum(one.file_size for one in archive.infolist()) > MAX_BYTES:
                raise BundleError(f"{path}: unpacks to more than any bundle does; it is not read.")
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such file; expected a bundle made by `wvb bundle`.") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: cannot be read as a zip ({error}); get the bundle again.") from None
