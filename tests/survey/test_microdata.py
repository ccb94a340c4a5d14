"""Every shape of a real survey file reads as the same twelve invented respondents."""

import csv
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.survey import shapes
from tests.survey.shapes import ROWS, csv_text, write_text, write_zip
from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey.reader import _csvfile as csvfile
from worldvaluesbench.survey.reader import _statfile as statfile
from worldvaluesbench.survey.reader._cells import codes_of, weights_of
from worldvaluesbench.survey.reader._inverted import AMBIGUOUS_CODE, code_in_file, turn_back
from worldvaluesbench.survey.reader._microdata import Microdata, read_microdata


def semicolon_bom(folder: Path) -> Path:
    text = csv_text(separator=";", quoting=csv.QUOTE_NONNUMERIC)
    return write_text(folder / "WVS_Wave_7_Colombia_Csv_v5.0.csv", text, "utf-8-sig")


def doubles(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(separator=";", spell=shapes.java_double, row_end=";"), "utf-8-sig")


def doubles_with_decimal_comma(folder: Path) -> Path:
    text = csv_text(separator=";", spell=lambda cell: shapes.java_double(cell).replace(".", ","))
    return write_text(folder / "s.csv", text)


def new_zealand(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(spell=shapes.without_leading_zero), "utf-8-sig")


def extra_separator(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(row_end=","))


def quoted(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(quoting=csv.QUOTE_ALL))


def quoted_with_blanks_inside(folder: Path) -> Path:
    text = csv_text(spell=lambda cell: " " if cell is None else f" {cell} ", quoting=csv.QUOTE_ALL)
    return write_text(folder / "s.csv", text)


def lower_case(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(shapes.renamed(ROWS, str.lower)))


def decimal_comma(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(separator=";", spell=shapes.with_decimal_comma))


def latin_1_elsewhere(folder: Path) -> Path:
    rows = shapes.changed(X_TEXT=["Bogotá", "Córdoba"] * 6, LAST=["ñ"] * 12)
    return write_text(folder / "s.csv", csv_text(rows), "latin-1")


def many_lines_in_a_cell(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(shapes.changed(X_TEXT=["two\nlines", 'a "quote", and more'] * 6)))


def blank_lines_below(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text() + "\n\n" + "," * (len(ROWS) - 1) + "\n")


def blank_line_above(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text().replace("\n", "\n\n", 1))


def other_columns_twice(folder: Path) -> Path:
    header, _, body = csv_text().partition("\n")
    header = header.replace("A_STUDY", "X").replace("B_COUNTRY_ALPHA", "X").replace("X_TEXT", "X")
    return write_text(folder / "s.csv", f"{header}\n{body}")


def last_column_blank(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(shapes.changed(LAST=[None, 1] * 6)))


def last_column_needed_and_blank(folder: Path) -> Path:
    rows = {**shapes.without("Q1"), "Q1": ROWS["Q1"]}
    return write_text(folder / "s.csv", csv_text(rows))


def columns_in_another_order(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text({name: ROWS[name] for name in reversed(list(ROWS))}))


def mixed_spellings(folder: Path) -> Path:
    spellings = [lambda cell: f" {cell}", lambda cell: f"+{cell}", lambda cell: f"{cell}.0", lambda cell: f"{cell}E0"]
    turn = iter(range(10_000))

    def spell(cell: shapes.Cell) -> str:
        if isinstance(cell, int) and cell >= 0:
            return spellings[next(turn) % 4](cell)
        return shapes.plain(cell)

    return write_text(folder / "s.csv", csv_text(spell=spell))


def zip_with_litter(folder: Path) -> Path:
    entries = {
        "readme.txt": b"read me",
        "docs/codebook.pdf": b"%PDF-1.7",
        "__MACOSX/docs/._s.csv": b"\x00\x05",
        ".DS_Store": b"\x00",
        "data/s.csv": csv_text().encode(),
    }
    return write_zip(folder / "F00011931-WVS_Wave_7.zip", entries)


def packed_in_zip(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def shape(folder: Path) -> Path:
        path = write(folder)
        return write_zip(folder / f"{path.name}.zip", {path.name: path.read_bytes()})

    return shape


def packed_in_gz(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def shape(folder: Path) -> Path:
        path = write(folder)
        return shapes.write_gz(folder / f"{path.name}.gz", path.read_bytes())

    return shape


def inverted_lower_case(folder: Path) -> Path:
    return write_text(folder / "s.csv", csv_text(shapes.renamed(shapes.inverted(), str.lower)))


def parquet(frame: pl.DataFrame) -> Callable[[Path], Path]:
    def shape(folder: Path) -> Path:
        frame.write_parquet(folder / "s.parquet")
        return folder / "s.parquet"

    return shape


def parquet_of_integers(folder: Path) -> Path:
    frame = shapes.table()
    whole = [name for name in frame.columns if name not in (*shapes.TEXTS, *shapes.WEIGHTS)]
    return parquet(frame.with_columns(pl.col(whole).cast(pl.Int64)))(folder)


def parquet_of_text(folder: Path) -> Path:
    return parquet(pl.read_csv(write_text(folder / "s.csv", csv_text()), infer_schema=False))(folder)


SHAPES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "comma": (lambda folder: write_text(folder / "s.csv", csv_text()), "csv, comma"),
    "tab": (lambda folder: write_text(folder / "s.tsv", csv_text(separator="\t")), "csv, tab"),
    "semicolon, BOM, quoted": (semicolon_bom, "csv, semicolon, UTF-8 BOM"),
    "doubles and an extra separator": (
        doubles, "csv, semicolon, UTF-8 BOM, an extra separator in every row, numbers as doubles",
    ),
    "doubles with decimal comma": (doubles_with_decimal_comma, "csv, semicolon, numbers in several spellings"),
    "comma, BOM, blanks as a space": (new_zealand, "csv, comma, UTF-8 BOM"),
    "integers and an extra separator": (extra_separator, "csv, comma, an extra separator in every row"),
    "every cell quoted": (quoted, "csv, comma"),
    "every cell quoted and padded": (quoted_with_blanks_inside, "csv, comma, numbers in several spellings"),
    "carriage returns": (lambda folder: write_text(folder / "s.csv", csv_text(newline="\r\n")), "csv, comma"),
    "lower-case names": (lower_case, "csv, comma"),
    "decimal comma in weights": (decimal_comma, "csv, semicolon"),
    "blanks as R writes them": (
        lambda folder: write_text(folder / "s.csv", csv_text(spell=shapes.as_r_writes)),
        "csv, comma, numbers in several spellings",
    ),
    "latin-1 in text columns": (latin_1_elsewhere, "csv, comma"),
    "line breaks in text cells": (many_lines_in_a_cell, "csv, comma"),
    "no line end at the end": (lambda folder: write_text(folder / "s.csv", csv_text().rstrip()), "csv, comma"),
    "blank lines below": (blank_lines_below, "csv, comma"),
    "a blank line above": (blank_line_above, "csv, comma"),
    "columns of no interest that share a name": (other_columns_twice, "csv, comma"),
    "blanks in the last column": (last_column_blank, "csv, comma"),
    "an item with blanks as the last column": (last_column_needed_and_blank, "csv, comma"),
    "another order of columns": (columns_in_another_order, "csv, comma"),
    "many spellings of a number": (mixed_spellings, "csv, comma, numbers as doubles"),
    "no ending in its name": (lambda folder: write_text(folder / "survey", csv_text()), "csv, comma"),
    "sav named csv": (lambda folder: shapes.write_sav(folder / "s.sav").rename(folder / "s.csv"), "sav"),
    "sav": (lambda folder: shapes.write_sav(folder / "s.sav"), "sav"),
    "sav, rows compressed": (lambda folder: shapes.write_sav(folder / "s.sav", row_compress=True), "sav"),
    "zsav": (lambda folder: shapes.write_sav(folder / "s.zsav", compress=True), "sav"),
    "dta": (lambda folder: shapes.write_dta(folder / "s.dta"), "dta"),
    "dta with extended missing values": (lambda folder: shapes.write_tagged_dta(folder / "s.dta"), "dta"),
    "parquet of doubles": (parquet(shapes.table()), "parquet"),
    "parquet of integers": (parquet_of_integers, "parquet"),
    "parquet of text": (parquet_of_text, "parquet"),
    "zip with other things": (zip_with_litter, "csv, comma, in zip"),
    "zip of doubles": (
        packed_in_zip(doubles),
        "csv, semicolon, UTF-8 BOM, an extra separator in every row, numbers as doubles, in zip",
    ),
    "zip of sav": (packed_in_zip(lambda folder: shapes.write_sav(folder / "s.sav")), "sav, in zip"),
    "zip of dta": (packed_in_zip(lambda folder: shapes.write_dta(folder / "s.dta")), "dta, in zip"),
    "gz of csv": (packed_in_gz(new_zealand), "csv, comma, UTF-8 BOM, in gz"),
    "gz of parquet": (packed_in_gz(parquet_of_integers), "parquet, in gz"),
    "inverted": (lambda folder: write_text(folder / "s.csv", csv_text(shapes.inverted())), "csv, comma"),
    "inverted, lower-case, in zip": (
        packed_in_zip(inverted_lower_case),
        "csv, comma, in zip",
    ),
    "inverted sav": (lambda folder: shapes.write_sav(folder / "s.sav", shapes.inverted()), "sav"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_reads_as_the_same_respondents(shape: str, tmp_path: Path) -> None:
    write, details = SHAPES[shape]
    path = write(tmp_path)
    microdata = read_microdata(path)
    assert_frame_equal(microdata.frame, shapes.expected_frame())
    assert microdata.source.details == details
    assert (microdata.source.name, microdata.source.size) == (path.name, path.stat().st_size)
    assert microdata.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert microdata.version == "5.0"
    assert not microdata.is_invented
    assert microdata.is_inverted == shape.startswith("inverted")
    assert microdata.notes == ()


@pytest.mark.parametrize("shape", ["comma", "sav"])
def test_absent_columns_are_named_and_not_made_up(shape: str, tmp_path: Path) -> None:
    rows = shapes.without("Q119", "Q275", "S018")
    path = tmp_path / "s"
    if shape == "comma":
        write_text(path, csv_text(rows))
    else:
        shapes.write_sav(path, rows)
    microdata = read_microdata(path)
    assert_frame_equal(microdata.frame, shapes.expected_frame(rows))
    codebook = load_codebook()
    assert microdata.absent_items == tuple(name for name in codebook.item_ids if name not in rows)
    assert microdata.absent_attributes == tuple(name for name in codebook.attribute_ids if name not in rows)
    assert "Q119" in microdata.absent_items
    assert "Q275" in microdata.absent_attributes


def test_the_exact_name_wins_over_another_case(tmp_path: Path) -> None:
    path = write_text(tmp_path / "s.csv", csv_text({**ROWS, "q1": ["no code"] * 12}))
    assert_frame_equal(read_microdata(path).frame, shapes.expected_frame())


@pytest.mark.parametrize(
    ("cell", "version", "is_invented"),
    [
        ("5-0-0 (2022-05-23)", "5.0", False),
        ("6-0-0 (2024-04-30)", "6.0", False),
        ("v4.0", "4.0", False),
        ("5-0-0 Invented (seed 1)", "5.0", True),
        ("", None, False),
        ("unknown", None, False),
    ],
)
def test_the_version_is_that_of_the_first_cell_that_says_one(
    cell: str, version: str | None, is_invented: bool, tmp_path: Path
) -> None:
    path = write_text(tmp_path / "s.csv", csv_text(shapes.changed(version=["", " ", *[cell] * 10])))
    microdata = read_microdata(path)
    assert (microdata.version, microdata.is_invented) == (version, is_invented)


def test_a_file_without_version_or_wave_is_read(tmp_path: Path) -> None:
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text(shapes.without("version", "A_WAVE"))))
    assert microdata.version is None
    assert_frame_equal(microdata.frame, shapes.expected_frame())


def test_user_missing_codes_of_spss_are_codes_and_not_blanks(tmp_path: Path) -> None:
    frame = read_microdata(shapes.write_sav(tmp_path / "s.sav")).frame
    assert frame["Q57"].to_list() == ROWS["Q57"]


def test_stata_letters_without_a_known_meaning_are_blank_and_noted(tmp_path: Path) -> None:
    rows = {name: ROWS[name] for name in ("D_INTERVIEW", "B_COUNTRY", "Q1", "Q57")}
    microdata = read_microdata(shapes.write_tagged_dta(tmp_path / "s.dta", rows, letters="abcdz"))
    turned = [None if code == -5 else code for code in ROWS["Q57"]]
    assert microdata.frame["Q57"].to_list() == turned
    assert len(microdata.notes) == 2
    assert (
        microdata.notes[1] == "column Q57: 1 cells hold Stata missing values other than .a to .e; they are blank here."
    )


def test_a_long_statistics_file_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statfile, "_ROWS_PER_READ", 5)
    for path in (shapes.write_sav(tmp_path / "s.sav"), shapes.write_tagged_dta(tmp_path / "s.dta")):
        assert_frame_equal(read_microdata(path).frame, shapes.expected_frame())


def test_a_wide_file_of_odd_spellings_is_read_in_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "_TEXT_COLUMNS_PER_PASS", 4)
    assert_frame_equal(read_microdata(mixed_spellings(tmp_path)).frame, shapes.expected_frame())


def test_codes_that_an_inverted_column_merged_are_ambiguous_and_noted(tmp_path: Path) -> None:
    merged = {"Q119P": [2, 1, 4, 2, *[0] * 8], "Q176P": [8, *[1] * 11]}
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text({**shapes.inverted(), **merged})))
    assert microdata.frame["Q119"].to_list() == [AMBIGUOUS_CODE, 4, 1, AMBIGUOUS_CODE, *[0] * 8]
    assert microdata.frame["Q176"].to_list() == [AMBIGUOUS_CODE, *[10] * 11]
    assert microdata.notes[0].startswith("Q119P of this inverted file merged two codes of Q119 into 2: 2 responses")
    assert microdata.notes[1].startswith("Q176P of this inverted file merged two codes of Q176 into 8: 1 responses")


def test_an_unknown_inverted_code_never_becomes_a_valid_one() -> None:
    codebook = load_codebook()
    for column, codes in codebook.inverted.items():
        name = column.removesuffix("P")
        if name not in codebook.item_ids:
            continue
        listed = {choice.code for choice in codebook.item(name).choices}
        tried = sorted({*range(-1, 12), *codes})
        turned, _ = turn_back(pl.DataFrame({name: pl.Series(tried, dtype=pl.Int32)}), {name: column}, codebook)
        for before, after in zip(tried, turned[name].to_list(), strict=True):
            if before < 0:
                assert after == before
            elif before in codes:
                assert after == (AMBIGUOUS_CODE if codes[before] is None else codes[before])
            else:
                assert after not in listed
                assert code_in_file(after, codes) == before


def test_a_column_that_is_there_both_ways_is_read_as_asked(tmp_path: Path) -> None:
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text({**shapes.inverted(), **ROWS})))
    assert_frame_equal(microdata.frame, shapes.expected_frame())
    assert not microdata.is_inverted
    assert microdata.notes == (
        "4 items are there both as they were asked and inverted (Q287, Q1, Q119, Q176): the former is read.",
    )


def test_nothing_stays_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    read_microdata(zip_with_litter(tmp_path))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("shape", ["comma", "sav", "dta", "parquet of doubles", "zip of sav", "gz of parquet"])
def test_a_folder_with_glob_signs_is_one_folder(shape: str, tmp_path: Path) -> None:
    write, _ = SHAPES[shape]
    folder = tmp_path / "dl [1]" / "what? [a-z]*"
    folder.mkdir(parents=True)
    assert_frame_equal(read_microdata(write(folder)).frame, shapes.expected_frame())


def test_a_name_with_glob_signs_is_one_file(tmp_path: Path) -> None:
    path = write_text(tmp_path / "s[1]*.csv", csv_text())
    assert_frame_equal(read_microdata(path).frame, shapes.expected_frame())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = write_text(tmp_path / "s.csv", csv_text())
    path.chmod(0)
    with pytest.raises(SurveyFileError, match="cannot be read"):
        read_microdata(path)


SPELLINGS: list[Callable[[int], str]] = [
    str,
    lambda code: f"{code}.0",
    lambda code: f"{code}.",
    lambda code: f"{code}E0",
    lambda code: f"{code}e+00",
    lambda code: f" {code} ",
    lambda code: f"{code:+d}",
    lambda code: repr(code / 10) + "E1",
    lambda code: f"{code},0",
    lambda code: f"-{-code:05d}" if code < 0 else f"{code:05d}",
]


@given(st.lists(st.tuples(st.integers(-99_999_999, 999_999_999), st.sampled_from(SPELLINGS)), min_size=1))
def test_however_a_number_is_spelled_it_is_the_same_code(cells: list[tuple[int, Callable[[int], str]]]) -> None:
    codes = codes_of(pl.Series("Q1", [spell(code) for code, spell in cells]), "s.csv")
    assert codes.to_list() == [code for code, _ in cells]


@given(st.integers(-(2**53), 2**53))
def test_an_id_survives_as_a_double(code: int) -> None:
    assert codes_of(pl.Series("D_INTERVIEW", [float(code)]), "s.csv", pl.Int64).to_list() == [code]
    assert codes_of(pl.Series("D_INTERVIEW", [shapes.java_double(code)]), "s.csv", pl.Int64).to_list() == [code]


@pytest.mark.parametrize(
    "cell", ["1.5", "1,5", "1,234", "x", "1_000", "0x1", "inf", "1e300", "3000000000", "1 2", "--1"]
)
def test_what_is_no_code_is_refused_with_its_place(cell: str) -> None:
    with pytest.raises(SurveyFileError, match=r"s.csv: column 'Q1', row 3 below the header, holds "):
        codes_of(pl.Series("Q1", ["1", "", cell, "y"]), "s.csv")


def test_weights_may_have_a_decimal_comma_but_not_be_negative() -> None:
    assert weights_of(pl.Series("S018", ["0,946", ".5", " ", "1", "NA", "1,5E-1"]), "s").to_list() == [
        0.946, 0.5, None, 1.0, None, 0.15,
    ]  # fmt: skip
    for wrong in ("-1", "heavy", "inf"):
        with pytest.raises(SurveyFileError, match="row 2 below the header"):
            weights_of(pl.Series("S018", ["1", wrong]), "s")


def test_a_missing_code_is_no_weight() -> None:
    for cells in (["1", "-5", "-99"], [1.0, -5.0, -99.0], [1, -5, -99]):
        assert weights_of(pl.Series("S018", cells), "s", (-5, -99)).to_list() == [1.0, None, None]
    with pytest.raises(SurveyFileError, match=r"row 1 below the header, holds -5.0"):
        weights_of(pl.Series("S018", [-5.0]), "s")


def test_reading_gives_a_value_that_says_what_it_is(tmp_path: Path) -> None:
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text()))
    assert isinstance(microdata, Microdata)
    assert microdata.frame.columns == list(shapes.IN_ORDER)
