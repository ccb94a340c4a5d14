"""What a parquet file would take is known before it is read, whatever it says of itself."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.cli.test_commands import Capture, refusal
from tests.scoring.people import make_dataset
from worldvaluesbench._io._measure import check_fits, parquet_size

N = 3_000_000


def parquet(table: pl.DataFrame, **options: object) -> bytes:
    stream = io.BytesIO()
    table.write_parquet(stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def constant(n: int) -> bytes:
    """A column of so many equal numbers in one page: a few hundred bytes."""
    return parquet(pl.select(pl.repeat(1, n, dtype=pl.Int64).alias("a")), row_group_size=n, data_page_size=1 << 30)


def varint(number: int, size: int = 0) -> bytes:
    """A whole number as Thrift writes it, zigzag, in at least so many bytes."""
    parts: list[int] = []
    number *= 2
    while number > 0x7F or len(parts) + 1 < size:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def lying(content: bytes, true: int, said: int) -> bytes:
    """A parquet file whose footer says another number of rows than its pages hold."""
    (length,) = struct.unpack("<I", content[-8:-4])
    cut = len(content) - 8 - length
    before, footer = content[:cut], content[cut:]
    assert footer.count(varint(true)) == 3, "of the file, of its row group, of the column in it"
    return before + footer.replace(varint(true), varint(said, len(varint(true))))


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"a": [1, None, 3], "b": ["x", "yy", None], "c": [[1.5, 2.5], [], None]}),
        pl.DataFrame({"a": np.arange(700_000), "b": np.arange(700_000) % 7 == 0}),
        pl.DataFrame({"a": pl.Series(["one", "two"] * 300_000, dtype=pl.Categorical), "b": ["z" * 300] * 600_000}),
        pl.DataFrame({"a": []}, schema={"a": pl.String}),
    ],
)
def test_what_polars_writes_is_measured_as_it_is_in_memory(table: pl.DataFrame) -> None:
    for options in ({}, {"compression": "uncompressed"}, {"row_group_size": 100_000, "data_page_size": 5_000}):
        found = parquet_size(parquet(table, **options))
        assert found.n_rows == table.height
        assert found.n_bytes < 3 * table.estimated_size() + 20_000
        numbers = table.select(pl.selectors.numeric()).estimated_size()
        assert found.n_bytes >= numbers


def test_a_few_bytes_that_say_they_are_many_rows_are_measured_by_their_rows() -> None:
    content = constant(N)
    assert len(content) < 1000
    assert parquet_size(content).n_rows == N
    assert parquet_size(content).n_bytes == 8 * N


def test_a_footer_that_says_fewer_rows_than_the_pages_hold_is_not_believed() -> None:
    content = lying(constant(N), N, 10)
    assert pl.read_parquet_schema(io.BytesIO(content)) == {"a": pl.Int64}
    assert parquet_size(content).n_rows == N
    assert parquet_size(content).n_bytes == 8 * N


def test_a_text_of_megabytes_that_is_packed_into_nothing_is_measured_unpacked() -> None:
    content = parquet(pl.DataFrame({"a": ["x" * 20_000_000]}), compression="zstd")
    assert len(content) < 5000
    assert parquet_size(content).n_rows == 1
    assert parquet_size(content).n_bytes >= 20_000_000


def footer_of(records: bytes) -> bytes:
    return b"PAR1" + records + struct.pack("<I", len(records)) + b"PAR1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1PAR1",
        b"PAR1" + b"\xff\xff\xff\xffPAR1",
        footer_of(b"\x1c" * 100),
        footer_of(b"\x19\xfc" + varint(3_000_000) + bytes(3_000_000) + b"\0"),
        footer_of(b"\x18\xff\xff\xff\xff\x0f"),
        footer_of(b"\x16" + b"\xff" * 12),
        footer_of(b"\x19\xf5\xff\xff\xff\xff\x7f"),
    ],
    ids=["empty", "no footer", "long footer", "deep", "many empty records", "long text", "endless number", "long list"],
)
def test_what_is_no_footer_is_said_at_once(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(it|its|a) "):
        parquet_size(content)


def test_any_byte_may_be_flipped() -> None:
    content = bytearray(parquet(pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})))
    for place in range(len(content)):
        for flipped in (0x01, 0x80, 0xFF):
            content[place] ^= flipped
            try:
                parquet_size(bytes(content))
            except ValueError:
                continue
            finally:
                content[place] ^= flipped


def test_the_same_pages_under_many_columns_count_each_time() -> None:
    one, many = (
        parquet_size(parquet(pl.select(pl.repeat(1, 1000, dtype=pl.Int64).alias(str(k)) for k in range(n))))
        for n in (1, 50)
    )
    assert many.n_bytes == 50 * one.n_bytes


def test_a_table_larger_than_the_memory_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    check_fits(constant(N))
    monkeypatch.setattr("worldvaluesbench._io._measure.memory_size", lambda: 8 * N - 1)
    with pytest.raises(ValueError, match=r"its 3,000,000 rows would take 0 GB of memory, more than there is"):
        check_fits(constant(N))


def many_answers() -> bytes:
    """A million million answers in a few kilobytes: the page says so and a footer says none."""
    rows = pl.select(QUESTION_ID=pl.lit("Q1"), PARTICIPANT_ID=pl.lit(101), SCORE=pl.lit(1))
    content = parquet(rows.select(pl.all().repeat_by(7777).explode()), statistics=False)
    small, large = varint(7777), varint(2**48)
    (length,) = struct.unpack("<I", content[-8:-4])
    footer = content[-8 - length : -8].replace(small, large)
    return content[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"


@pytest.mark.parametrize("command", ["score", "compare"])
@pytest.mark.parametrize("make", [many_answers, lambda: b"PAR1 and no more PAR1"])
def test_such_answers_are_refused_before_they_are_read(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: str, make: Callable[[], bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_dataset(tmp_path / "wvs", {"Q1": [1, 2, 3, 4] * 3})
    (tmp_path / "many.parquet").write_bytes(make())
    said = refusal(capsys, command, "many.parquet", "--data", "wvs", "--out", "out")
    assert "many.parquet: cannot be read as parquet (it" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.parquet", "wvs"]
