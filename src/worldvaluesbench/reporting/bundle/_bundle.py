"""A bundle: one zip with the aggregates of a comparison, its report, a card and checksums, to be shared without data.

It is made from tables that hold aggregates alone, and checked before it is written as well as by whoever receives it.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from worldvaluesbench._io import OwnFile, check_file_destination, manifest_of, new_file
from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting.bundle._file import KIND, MANIFEST, PAGE, checksums_of, find_problems
from worldvaluesbench.reporting.bundle._zip import CARD, CHECKSUMS, TABLES, is_bundle
from worldvaluesbench.reporting.disclosure import suppress
from worldvaluesbench.reporting.page import build_report, render_card
from worldvaluesbench.scoring.compare import Comparison

EARLIEST = (1980, 1, 1, 0, 0, 0)


OWN = OwnFile("bundle of `wvb`", is_bundle)
"""With force a bundle replaces a bundle, never another zip: a survey file is one too."""


def check_bundle_destination(path: Path, *, force: bool) -> None:
    """Raise BundleError unless a bundle may have this name, FolderError where it is occupied; ask before long work."""
    if path.suffix != ".zip":
        raise BundleError(f"{path}: a bundle is a zip; expected a name that ends in .zip.")
    check_file_destination(path, force=force, own=OWN)


def write_bundle(comparison: Comparison, path: Path | str, *, force: bool = False) -> None:
    """Write a bundle of a comparison; the same comparison gives the same bytes.

    Raises BundleError where the comparison shows cells of fewer than `SAFE_MIN_N` people, FolderError where `path` is
    occupied.
    """
    path = Path(path)
    check_bundle_destination(path, force=force)
    shared = suppress(comparison)
    files = dict(_files(shared))
    files[CHECKSUMS] = checksums_of(files).encode()
    problems = list(find_problems(files))
    if problems:
        raise BundleError(f"{path}: would hold what may not be shared: {problems[0]}")
    with new_file(path, force=force, own=OWN) as staging, zipfile.ZipFile(staging, "w") as archive:
        for name, content in sorted(files.items()):
            facts = zipfile.ZipInfo(name, EARLIEST)
            facts.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(facts, content)


def _files(comparison: Comparison) -> Iterator[tuple[str, bytes]]:
    receipt = manifest_of(KIND, comparison.receipt)
    yield MANIFEST, (json.dumps(receipt, indent=2, ensure_ascii=False) + "\n").encode()
    yield CARD, render_card(comparison).encode()
    yield PAGE, build_report(comparison).encode()
    for name, table in comparison.tables.items():
        stream = io.BytesIO()
        table.write_parquet(stream, compression="zstd")
        yield f"{TABLES}{name}.parquet", stream.getvalue()
