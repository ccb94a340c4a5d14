"""A bundle as a file: whether one is there, what is wrong with it, and the comparison in it.

It is read without anything that draws, so that comparing stays quick; `check_bundle` draws its page again.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting.bundle._receipt import read_receipt, receipt_problems
from worldvaluesbench.reporting.bundle._tables import SAFE_MIN_N, Tables, plain, read_tables, table_problems
from worldvaluesbench.reporting.bundle._texts import made_again_problems, text_problems
from worldvaluesbench.reporting.bundle._zip import (
    CARD,
    CHECKSUMS,
    KIND,
    MANIFEST,
    PAGE,
    TABLES,
    TEXTS,
    file_names,
    is_bundle,
    load_schemas,
    open_zip,
    required_names,
    table_path,
)
from worldvaluesbench.scoring.compare import Comparison

DRAWS_FILE = table_path("draws")
"""A table that bundles of earlier versions held."""

_HAS_DRAWS = (
    f"{DRAWS_FILE} holds bootstrap resamples of respondents, from which the responses of single respondents can be "
    "computed: do not share this bundle, delete it, and make it again from the comparison or the answers."
)

_SUM = re.compile(r"[0-9a-f]{64}  \S.*")

__all__ = [
    "CARD",
    "CHECKSUMS",
    "KIND",
    "MANIFEST",
    "PAGE",
    "SAFE_MIN_N",
    "TABLES",
    "check_bundle",
    "checksums_of",
    "find_problems",
    "is_bundle",
    "load_shared_columns",
    "read_bundle",
]


def read_bundle(path: Path | str) -> Comparison:
    """The comparison in a bundle, after checking it; card and page are for readers, and not drawn again.

    Raises BundleError where it is none, was changed, or holds what may not be shared.
    """
    files = open_zip(Path(path))
    problems = list(find_problems(files))
    if problems:
        raise BundleError(f"{path}: {problems[0]}")
    return _comparison_of(files)


def check_bundle(path: Path | str) -> list[str]:
    """What is wrong with a bundle, a line each; none for a sound one, whose card and page are those of its tables.

    Raises BundleError where it is no bundle at all.
    """
    files = open_zip(Path(path))
    return list(find_problems(files)) or list(made_again_problems(files, _comparison_of(files)))


def find_problems(files: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the files of a bundle: changed, foreign, or about single respondents."""
    if DRAWS_FILE in files:
        yield _HAS_DRAWS
        return
    changed = list(_changed(files))
    yield from changed
    if changed:
        return
    foreign = [name for name in files if name not in file_names() and not _may_be_table(name)]
    yield from (f"{plain(name)} is no file of a bundle; take it out." for name in foreign)
    for name in TEXTS:
        yield from text_problems(name, files[name])
    of_receipt = list(receipt_problems(files[MANIFEST]))
    yield from of_receipt
    tables, of_tables = read_tables(files)
    yield from of_tables
    receipt = read_receipt(files[MANIFEST])
    if receipt is not None and not of_receipt and not of_tables:
        yield from table_problems(tables, receipt)


def checksums_of(files: Mapping[str, bytes]) -> str:
    """The text that says which the files of a bundle are."""
    return "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(files.items())
        if name != CHECKSUMS
    )


@cache
def load_shared_columns() -> Mapping[str, frozenset[str]]:
    """The tables that may be shared, and the columns of each: those of `data/shared_columns.csv`."""
    return {table: frozenset(columns) for table, columns in load_schemas().items()}


def _may_be_table(name: str) -> bool:
    return name.startswith(TABLES) and name.endswith(".parquet") and "/" not in name.removeprefix(TABLES)


def _changed(files: Mapping[str, bytes]) -> Iterator[str]:
    """Files that are absent, and those that are not as the checksums say."""
    text = files.get(CHECKSUMS, b"").decode("utf-8", errors="replace")
    lines = text.splitlines()
    if not all(_SUM.fullmatch(line) for line in lines) or len(set(lines)) != len(lines):
        yield f"{CHECKSUMS} holds more than checksums; get the bundle again."
        return
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted(files):
        if name != CHECKSUMS and sums.get(name) != hashlib.sha256(files[name]).hexdigest():
            yield f"{plain(name)} is not as {CHECKSUMS} says it was; get the bundle again."
    for name in sorted({*sums, *required_names()} - set(files)):
        yield f"{plain(name)} is missing; get the bundle again."


def _comparison_of(files: Mapping[str, bytes]) -> Comparison:
    """The comparison in the files of a bundle that are sound."""
    tables: Tables
    tables, _ = read_tables(files)
    receipt: dict[str, Any] = read_receipt(files[MANIFEST]) or {}
    left_out = ("kind", "worldvaluesbench")
    return Comparison({key: value for key, value in receipt.items() if key not in left_out}, tables)
