"""Bundles that say little and would take much: measured before they are read, so that none takes gigabytes."""

import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from tests.reporting.test_forged_bundles import Files, forge, refusal, refusal_of_reading
from tests.test_measure import lying, parquet

N = 5_000_000


@pytest.fixture(scope="module")
def files(bundle: Path) -> Files:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows(files: Files, name: str, n: int) -> bytes:
    """A table with the columns of one of a bundle, and so many rows that are all alike, in few bytes."""
    like = pl.read_parquet(files[f"tables/{name}.parquet"]).head(1)
    repeated = like.select(pl.all().repeat_by(n).explode())
    return parquet(repeated, compression="zstd", row_group_size=n, data_page_size=1 << 30)


def many_rows(files: Files) -> Files:
    return {"tables/pairs.parquet": rows(files, "pairs", N)}


def many_rows_said_to_be_few(files: Files) -> Files:
    table = pl.select(pl.repeat(1, N * 10, dtype=pl.Int64).alias("distance"))
    content = parquet(table, row_group_size=N * 10, data_page_size=1 << 30)
    return {"tables/scores.parquet": lying(content, N * 10, 10)}


def few_rows_of_long_text(files: Files) -> Files:
    return {"tables/scores.parquet": parquet(pl.DataFrame({"answers": ["x" * 100_000_000]}), compression="zstd")}


def many_tables(files: Files) -> Files:
    return {f"tables/{name}.parquet": rows(files, name, N // 6) for name in ("pairs", "leaderboard", "summary")}


BOMBS = {
    many_rows: "its tables would take",
    many_rows_said_to_be_few: "its tables have 50,0",
    few_rows_of_long_text: "its tables would take",
    many_tables: "its tables would take",
}

READ = """
import resource, sys
from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting._bundle import read_bundle
try:
    read_bundle(sys.argv[1])
    print("read")
except BundleError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def memory_of_reading(path: Path) -> tuple[str, int]:
    """What a process of its own says of a bundle, and the most memory that it took, in kilobytes."""
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    said, peak = done.stdout.splitlines()
    return said, int(peak)


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bundle_of_few_bytes_that_would_take_much_memory_takes_none(
    files: Files, tmp_path: Path, bomb: object
) -> None:
    path = forge(tmp_path / "bomb.zip", files | bomb(files))  # type: ignore[operator]
    assert path.stat().st_size < 1_500_000
    assert BOMBS[bomb] in refusal_of_reading(path)  # type: ignore[index]
    said, peak = memory_of_reading(path)
    assert "expected a bundle as `wvb bundle` writes it" in said
    sound, usual = memory_of_reading(forge(tmp_path / "sound.zip", files))
    assert sound == "read"
    assert peak < usual + 50_000


def test_a_file_that_unpacks_to_more_than_it_says_is_damaged(files: Files, tmp_path: Path) -> None:
    path = forge(tmp_path / "lies.zip", files | {"report.html": b"<html>" + bytes(30_000_000)})
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.index(b"report.html", content.index(mark)) - (46 if place == 24 else 30)
        while content[at : at + 4] != mark:
            at = content.index(b"report.html", at + 80) - (46 if place == 24 else 30)
        assert struct.unpack_from("<I", content, at + place) == (30_000_006,)
        struct.pack_into("<I", content, at + place, 6)
    path.write_bytes(content)
    assert "cannot be read as a zip" in refusal_of_reading(path)


def test_a_receipt_with_a_name_that_cannot_be_shown_is_refused(files: Files, tmp_path: Path) -> None:
    told = files["bundle.json"].decode()
    for name, why in (("a\\u001b[2Jb", "U+001B"), ("=1+1", "as a formula"), ("x" * 201, "201 characters")):
        content = told.replace('"other"', f'"{name}"').encode()
        assert json.loads(content)["sorts"].keys() != json.loads(told)["sorts"].keys()
        said = refusal(forge(tmp_path / "named.zip", files | {"bundle.json": content}))
        assert said.isprintable()
        assert why in said
        assert "get the bundle again" in said
