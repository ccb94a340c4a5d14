"""A bundle: one zip with the aggregates of a comparison, to be shared without data.

It holds `bundle.json` (how the comparison was made), the tables of `data/shared_columns.csv` after suppression, and
checksums of all files. The card (`README.md`) and the page (`report.html`) are for people who open the zip: they are
made from the tables, here and by whoever opens the bundle, and never read from it.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import (
    OwnFile,
    check_file_destination,
    manifest_of,
    new_file,
    parquet_size,
    parse_json,
    printable,
    quoted,
)
from worldvaluesbench.errors import BundleError
from worldvaluesbench.prompts import load_template, template_names
from worldvaluesbench.reporting.disclosure import SAFE_MIN_N, few_remain, load_shared_columns, suppress
from worldvaluesbench.reporting.page import build_report, render_card
from worldvaluesbench.scoring.compare import Comparison, receipt_problem
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.survey import load_codebook

KIND = "bundle"
MANIFEST, CARD, CHECKSUMS, PAGE = "bundle.json", "README.md", "SHA256SUMS", "report.html"
TEXTS = (MANIFEST, CARD, CHECKSUMS, PAGE)
TABLES, PARQUET = "tables/", ".parquet"
EARLIEST = (1980, 1, 1, 0, 0, 0)

MAY_BE_ABSENT = ("determination", "determination_summary", "structure")
"""Tables that a comparison without groupings lacks; and structure, which the world marginals lack."""

MAX_FILES, MAX_BYTES, MAX_ROWS, MAX_TABLE_BYTES = 100, 2**28, 10_000_000, 2**30
"""No bundle has more files, unpacks to more bytes, or has tables of more rows or more memory."""

MAX_ZIPPED, MAX_ZIPPED_FREE = 200, 2**20
"""No file that is larger than the second unpacks to more than so many times its size."""

MAX_RATIO, SMALL_TABLE_BYTES = 100, 2**26
"""Tables that take more memory than the second number take at most so many times the size of the zip."""

_SUM = re.compile(r"([0-9a-f]{64})  (\S.*)")
_UNREADABLE = (Exception, pl.exceptions.PanicException)
"""A damaged parquet file makes polars fail in any way."""


def is_bundle(path: Path) -> bool:
    """Whether a file is a zip that says it is a bundle."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):  # what zipfile raises for odd directories
        return False


OWN = OwnFile("bundle of `wvb`", is_bundle)
"""With force a bundle replaces a bundle, never another zip: a survey file is one too."""


def check_bundle_destination(path: Path, *, force: bool) -> None:
    """Raise BundleError unless a bundle may have this name, FolderError where it is occupied; call before long work."""
    if path.suffix != ".zip":
        raise BundleError(f"{path}: a bundle is a zip; expected a name that ends in .zip.")
    check_file_destination(path, force=force, own=OWN)


def write_bundle(comparison: Comparison, path: Path | str, *, force: bool = False) -> Path:
    """Write a bundle of a comparison and return its path; the same comparison gives the same bytes.

    Raises BundleError where the comparison shows cells of fewer than `SAFE_MIN_N` respondents or holds what no bundle
    may, FolderError where `path` is occupied.
    """
    path = Path(path)
    check_bundle_destination(path, force=force)
    shared = suppress(comparison)
    receipt = manifest_of(KIND, shared.receipt)
    problems = [*_receipt_problems(receipt), *_table_problems(shared.tables, receipt)]
    if problems:
        raise BundleError(f"{path}: would hold what may not be shared: {problems[0]}")
    files = {MANIFEST: (json.dumps(receipt, indent=2, ensure_ascii=False) + "\n").encode()}
    files |= {CARD: render_card(shared).encode(), PAGE: build_report(shared).encode()}
    for name, table in shared.tables.items():
        stream = io.BytesIO()
        table.write_parquet(stream, compression="zstd")
        files[f"{TABLES}{name}{PARQUET}"] = stream.getvalue()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    files[CHECKSUMS] = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    with new_file(path, force=force, own=OWN) as staging, zipfile.ZipFile(staging, "w") as archive:
        for name, content in sorted(files.items()):
            facts = zipfile.ZipInfo(name, EARLIEST)
            facts.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(facts, content)
    return path


def read_bundle(path: Path | str) -> Comparison:
    """The comparison in a bundle, from its tables.

    Raises BundleError where the file is not a bundle, was changed, or holds what may not be shared.
    """
    comparison, problems = _read(Path(path))
    if comparison is None:
        raise BundleError(f"{path}: {problems[0]}")
    return comparison


def check_bundle(path: Path | str) -> list[str]:
    """What is wrong with a bundle, one line each; empty for a sound one.

    Raises BundleError where the file is not a bundle at all.
    """
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[Comparison | None, list[str]]:
    """The comparison in a bundle, None where there are problems; and the problems."""
    files = _unzip(path)
    problems = list(_changed_files(files))
    receipt: Any = None
    if not problems:
        try:
            receipt = parse_json(files[MANIFEST])
        except ValueError as error:
            problems = [f"{MANIFEST} cannot be read as JSON ({error}); get the bundle again."]
    if problems:
        return None, problems
    problems = list(_receipt_problems(receipt))
    tables: dict[str, pl.DataFrame] = {}
    for name, content in files.items():
        if name.startswith(TABLES):
            table = name.removeprefix(TABLES).removesuffix(PARQUET)
            found = list(_column_problems(name, content, load_shared_columns()[table]))
            problems += found
            if not found:
                try:
                    tables[table] = pl.read_parquet(io.BytesIO(content))
                except _UNREADABLE as error:
                    problems.append(_unreadable(name, error))
    if not problems:
        problems = list(_table_problems(tables, receipt))
    if problems:
        return None, problems
    _forget_foreign_templates(receipt)
    return Comparison({key: receipt[key] for key in receipt if key not in ("kind", "worldvaluesbench")}, tables), []


def _forget_foreign_templates(receipt: Mapping[str, Any]) -> None:
    """Drop the settings of runs whose prompt template is not one of ours: a stranger's program is never rendered."""
    ours = [load_template(name).text for name in template_names()]
    for answers in receipt["answers"]:
        about = (answers["run"] or {}).get("about") or {}
        template = (about.get("settings") or {}).get("template")
        if template and not (isinstance(template, dict) and template.get("text") in ours):
            del about["settings"]


def _unzip(path: Path) -> dict[str, bytes]:
    """The files of a bundle, unpacked in memory; of page and card, which nothing reads, it is for their checksums.

    Raises BundleError where it is not a zip or not a bundle, or would take more memory than any bundle.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if MANIFEST not in names:
                raise BundleError(f"{path}: no {MANIFEST} in it; expected a bundle made by `wvb bundle`.")
            problem = None
            if len(set(names)) < len(names):
                problem = "it holds a file twice"
            elif len(entries) > MAX_FILES:
                problem = f"it has {len(entries):,} files, more than any bundle"
            elif sum(entry.file_size for entry in entries) > MAX_BYTES:
                problem = f"it unpacks to more than {MAX_BYTES >> 20} MB"
            elif odd := [
                one for one in entries if one.file_size > max(MAX_ZIPPED * one.compress_size, MAX_ZIPPED_FREE)
            ]:
                problem = f"{quoted(odd[0].filename)} unpacks to more than {MAX_ZIPPED} times its size"
            files = {} if problem else {name: archive.read(name) for name in names}
        problem = problem or _size_problem(files, path.stat().st_size)
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such file; expected a bundle made by `wvb bundle`.") from None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = printable(" ".join(said.split())[:100]) or type(error).__name__
        raise BundleError(f"{path}: cannot be read as a zip ({reason}); get the bundle again.") from None
    if problem:
        raise BundleError(f"{path}: {problem}; expected a bundle as `wvb bundle` writes it.")
    return files


def _size_problem(files: Mapping[str, bytes], size: int) -> str | None:
    """What is wrong with the memory that the tables would take, measured before a row is read."""
    n_rows = n_bytes = 0
    for name, content in files.items():
        if name.endswith(PARQUET):
            try:
                measured = parquet_size(content)
            except ValueError as error:
                return f"{quoted(name)} cannot be read as parquet ({error})"
            n_rows, n_bytes = n_rows + measured.n_rows, n_bytes + measured.n_bytes
    if n_rows > MAX_ROWS:
        return f"its tables have {n_rows:,} rows, more than any bundle"
    if n_bytes > min(MAX_TABLE_BYTES, max(SMALL_TABLE_BYTES, MAX_RATIO * size)):
        return f"its tables would take {n_bytes >> 20:,} MB of memory, more than any bundle of its size"
    return None


def _changed_files(files: Mapping[str, bytes]) -> Iterator[str]:
    """Files that are missing, foreign, or not as the checksums say."""
    tables = [f"{TABLES}{name}{PARQUET}" for name in load_shared_columns()]
    foreign = [name for name in files if name not in (*TEXTS, *tables)]
    if f"{TABLES}draws{PARQUET}" in foreign:
        yield (
            f"{TABLES}draws{PARQUET} holds bootstrap resamples of respondents, from which the responses of single "
            "respondents can be computed: do not share this bundle, delete it, and make it again."
        )
        return
    yield from (f"{quoted(name)} is not a file of a bundle; take it out." for name in foreign)
    sums = [_SUM.fullmatch(line) for line in files.get(CHECKSUMS, b"").decode(errors="replace").splitlines()]
    digests = {match[2]: match[1] for match in sums if match}
    for name, content in files.items():
        if name not in (CHECKSUMS, *foreign) and digests.get(name) != hashlib.sha256(content).hexdigest():
            yield f"{quoted(name)} is not as {CHECKSUMS} says it was; get the bundle again."
    optional = {f"{TABLES}{name}{PARQUET}" for name in MAY_BE_ABSENT} - set(digests)
    for name in sorted({*TEXTS, *tables} - set(files) - optional):
        yield f"{name} is missing; get the bundle again."


def _receipt_problems(receipt: Any) -> Iterator[str]:
    """What is wrong with the receipt."""
    problem = receipt_problem(receipt) if isinstance(receipt, dict) else "is not a JSON object"
    if problem is None and receipt["kind"] != KIND:
        problem = f"is that of a {quoted(receipt['kind'])}"
    if problem is None and receipt["settings"]["min_n"] < SAFE_MIN_N:
        problem = f"has a minimum n of {receipt['settings']['min_n']}; cells below {SAFE_MIN_N} are never shared"
    if problem:
        yield f"{MANIFEST} {problem}; get the bundle again."


def _column_problems(name: str, content: bytes, expected: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the columns of a table, before any row is read."""
    try:
        schema = {column: str(dtype) for column, dtype in pl.read_parquet_schema(io.BytesIO(content)).items()}
    except _UNREADABLE as error:
        yield _unreadable(name, error)
        return
    for column in [*expected, *schema]:
        if column not in expected:
            yield f"{name} has the column {quoted(column)}, which no bundle has; take it out."
        elif schema.get(column) != expected[column]:
            found = quoted(schema[column]) if column in schema else "missing"
            yield f"{name}: {column} is {found}, expected {expected[column]}; get the bundle again."


def _table_problems(tables: Mapping[str, pl.DataFrame], receipt: Mapping[str, Any]) -> Iterator[str]:
    """Words that no bundle has in its columns, and cells of fewer respondents than may be shared."""
    names = list(receipt["sorts"])
    known = {"item_id": load_codebook().item_ids, "grouping": [EVERYONE, *receipt["settings"]["groupings"]]}
    known |= dict.fromkeys(("answers", "first", "second", "without", "with"), names)
    for name, table in tables.items():
        for column in known.keys() & set(table.columns):
            if (name, column) != ("table_2", "answers"):  # it shows baselines as sources
                values = table[column].drop_nulls().unique()
                odd = values.filter(~values.is_in(list(known[column])))
                if odd.len():
                    yield f"{TABLES}{name}{PARQUET} has {quoted(odd[0])} in {column}, which this comparison has not."
    scores = tables["scores"]
    if scores.is_empty():
        yield f"{TABLES}scores{PARQUET} has no rows; get the bundle again."
    numbers = [column for column, dtype in scores.schema.items() if dtype.is_numeric()]
    has_number = pl.any_horizontal(pl.col(numbers).is_not_null())
    is_small = pl.col("is_too_small").fill_null(True)
    few = pl.any_horizontal(pl.col("n_responses", "n_examples").fill_null(0) < SAFE_MIN_N)
    n_few = scores.filter(has_number & (few | is_small)).height
    n_few += sum(
        table.filter(pl.col(column) < SAFE_MIN_N).height
        for name, table in tables.items()
        for column in ("n", "n_examples", "n_responses")
        if name != "scores" and column in table.columns
    )
    if n_few:
        yield f"{n_few:,} cells have numbers and fewer than {SAFE_MIN_N} respondents; make the bundle again."
    item_id = few_remain(scores, receipt["reference"]["edition"])
    if item_id is not None:
        yield (
            f"{TABLES}scores{PARQUET} has cells of {item_id} from which one of fewer than {SAFE_MIN_N} respondents can "
            "be computed; do not share it, make it again from the comparison."
        )


def _unreadable(name: str, error: BaseException) -> str:
    return f"{name} cannot be read as parquet ({' '.join(str(error).split())[:100] or type(error).__name__})."
