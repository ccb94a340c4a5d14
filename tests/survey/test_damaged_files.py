"""A file that is no whole survey file gives one line that says so, and leaves nothing behind."""

import bz2
import csv
import gzip
import lzma
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pyreadstat
import pytest

from tests.survey import shapes
from tests.survey.shapes import ROWS, changed, csv_text, without
from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey.reader import _container as container
from worldvaluesbench.survey.reader._microdata import read_microdata

Make = Callable[[Path], Path]

GOOD = csv_text()
LINES = GOOD.splitlines(keepends=True)
WORKBOOK = {"[Content_Types]__xml": b"<x/>", "xl/workbook__xml": b"<x/>"}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the test's own, which must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []


def content(name: str, content: bytes | str) -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def text(content_: str) -> Make:
    return content("s.csv", content_)


def rows(**columns: Sequence[shapes.Cell]) -> Make:
    return text(csv_text({**ROWS, **columns}))


def cut(write: Callable[[Path], Path], keep: float) -> Make:
    def make(folder: Path) -> Path:
        path = write(folder)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * keep)])
        return path

    return make


def zip_of(name: str = "s.zip", **entries: bytes) -> Make:
    """A zip; `__` in an argument's name stands for the dot."""
    return lambda folder: shapes.write_zip(folder / name, {key.replace("__", "."): x for key, x in entries.items()})


def patched_zip(before: bytes, after: bytes, skip: int = 0) -> Make:
    """A good zip in which every header that begins with `before` gets `after`, `skip` bytes into it."""

    def make(folder: Path) -> Path:
        path = shapes.write_zip(folder / "s.zip", {"s.csv": GOOD.encode()})
        whole = bytearray(path.read_bytes())
        start = whole.find(before)
        while start >= 0:
            whole[start + skip : start + skip + len(after)] = after
            start = whole.find(before, start + skip + len(after))
        path.write_bytes(bytes(whole))
        return path

    return make


def encrypted(folder: Path) -> Path:
    path = patched_zip(b"PK\x01\x02", b"\x01", skip=8)(folder)
    whole = bytearray(path.read_bytes())
    whole[6] |= 1
    path.write_bytes(bytes(whole))
    return path


def corrupted_zip(folder: Path) -> Path:
    path = shapes.write_zip(folder / "s.zip", {"s.csv": GOOD.encode()})
    whole = bytearray(path.read_bytes())
    whole[60:90] = bytes(30)
    path.write_bytes(bytes(whole))
    return path


def bomb_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("s.csv", "w") as file:
        for _ in range(101):
            file.write(bytes(1 << 20))
    return folder / "s.zip"


def bomb_gz(folder: Path) -> Path:
    with gzip.open(folder / "s.csv.gz", "wb") as file:
        for _ in range(102):
            file.write(bytes(1 << 20))
    return folder / "s.csv.gz"


def labelled_sav(folder: Path) -> Path:
    frame = shapes.table().with_columns(Q1=pl.lit("Very important"))
    pyreadstat.write_sav(frame, folder / "s.sav")
    return folder / "s.sav"


def parquet(frame: pl.DataFrame) -> Make:
    def make(folder: Path) -> Path:
        frame.write_parquet(folder / "s.parquet")
        return folder / "s.parquet"

    return make


def text_edition(folder: Path) -> Path:
    names = {"Q1": "Q1 Important in life: Family", "Q2": "Q2 Important in life: Friends"}
    labels = {name: f"{name}: Label of it" for name in ROWS if name not in names}
    table = shapes.renamed(changed(Q1=["Very important"] * 12), (names | labels).__getitem__)
    return content("WVS_Wave_7_CsvTxt_v5.0.csv", csv_text(table, quoting=csv.QUOTE_ALL))(folder)


def sav_with_an_item_twice(folder: Path) -> Path:
    path = shapes.write_sav(folder / "s.sav")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"Q2      ", b"Q1      ").replace(b"Q2=Q2", b"Q1=Q1"))
    return path


def sav_without_rows(folder: Path) -> Path:
    return shapes.write_sav(folder / "s.sav", {name: [] for name in ROWS})


DAMAGED: dict[str, tuple[Make, str]] = {
    # not a file at all
    "no such file": (lambda folder: folder / "absent.csv", "there is no such file"),
    "a folder": (lambda folder: folder, "is a folder"),
    "a link to nothing": (lambda folder: _link(folder / "s.csv", folder / "gone"), "there is no such file"),
    "no bytes": (content("s.csv", b""), "is empty (0 bytes)"),
    # text, but no table
    "only line ends": (text("\n" * 400), "only blank lines"),
    "only blanks": (text("  \r\n \t\r\n"), "only blank lines"),
    "one word": (text("hello"), "no comma, semicolon or tab"),
    "a very long line": (text("Q1," * 1_000_000), "longer than a header can be"),
    "a web page": (text("<!DOCTYPE html>\n<html><body>Please log in</body></html>"), "is a web page"),
    "a web page, indented": (text("\n  <html>\n<head></head>"), "is a web page"),
    "json": (text('[{"D_INTERVIEW": 20070001, "Q1": 1}]'), "is JSON"),
    "pipes": (text(GOOD.replace(",", "|")), "no comma, semicolon or tab"),
    "bare carriage returns": (text(GOOD.replace("\n", "\r")), "bare carriage return"),
    "UTF-16": (content("s.csv", GOOD.encode("utf-16")), "UTF-16"),
    "UTF-16 without mark": (content("s.csv", GOOD.encode("utf-16-le")), "UTF-16"),
    "UTF-16 big-endian": (content("s.csv", GOOD.encode("utf-16-be")), "UTF-16"),
    "binary": (content("s.csv", bytes(range(256)) * 50), "neither text nor SPSS, Stata or Parquet"),
    "NUL bytes": (content("s.csv", GOOD.replace("plain", "pl\0in").encode()), "neither text nor SPSS"),
    "NUL bytes far below": (text(GOOD + LINES[1] * 2000 + LINES[1].replace("170001", "17\0")), "'N_TOWN', row 2013"),
    # a table, but not this one
    "header only": (text(LINES[0]), "a header and no rows"),
    "header only, no line end": (text(LINES[0].rstrip()), "a header and no rows"),
    "blank rows only": (text(LINES[0] + "," * (len(ROWS) - 1) + "\n"), "columns and no rows"),
    "no header": (text("".join(LINES[1:])), "no column D_INTERVIEW; expected the World Values Survey wave 7 file"),
    "no id": (text(csv_text(without("D_INTERVIEW"))), "no column D_INTERVIEW; expected the World Values Survey wave 7"),
    "no country": (text(csv_text(without("B_COUNTRY", "B_COUNTRY_ALPHA"))), "no column B_COUNTRY"),
    "no items": (text(csv_text({n: c for n, c in ROWS.items() if not n.startswith("Q")})), "none of the 239 items"),
    "an earlier wave by its cells": (rows(A_WAVE=[6] * 12), "column A_WAVE says wave 6 in 12 of 12 rows"),
    "another wave in one row": (rows(A_WAVE=[7] * 11 + [5]), "column A_WAVE says wave 5 in 1 of 12 rows"),
    "an earlier wave by its names": (text(csv_text({f"V{n}": [1, 2] for n in range(50)})), "an earlier wave"),
    "the trend file": (text("S002VS,S003,S007,X001\n7,20,1,1\n"), "the trend file of several waves"),
    "an id column twice": (text(GOOD.replace("X_TEXT", "D_INTERVIEW", 1)), "2 columns are named 'D_INTERVIEW'"),
    "an item twice": (text(GOOD.replace("X_TEXT", "Q2", 1)), "2 columns are named 'Q2'"),
    "an item twice in another case": (
        text(csv_text({**shapes.renamed(ROWS, str.lower), "q1 ": ROWS["Q1"]})),
        "2 columns are named 'q1'",
    ),
    # the right columns, the wrong cells
    "blank ids": (rows(D_INTERVIEW=[None, None, *ROWS["D_INTERVIEW"][2:]]), "2 of 12 rows have no D_INTERVIEW"),
    "text ids": (rows(D_INTERVIEW=["CO-1", *ROWS["D_INTERVIEW"][1:]]), "'D_INTERVIEW', row 1 below the header"),
    "an id of zero": (
        rows(D_INTERVIEW=[*ROWS["D_INTERVIEW"][:11], 0]),
        "column 'D_INTERVIEW', row 12 below the header, holds 0, expected a respondent's id, a number of at least 1",
    ),
    "a missing code for an id": (rows(D_INTERVIEW=[-5, *ROWS["D_INTERVIEW"][1:]]), "row 1 below the header, holds -5"),
    "an id that a double cannot hold": (rows(D_INTERVIEW=[9.1e18, *ROWS["D_INTERVIEW"][1:]]), "column 'D_INTERVIEW'"),
    "half a code": (rows(Q2=[1, 2, 1.5, *[1] * 9]), "column 'Q2', row 3 below the header, holds 1.5"),
    "a word for a code": (rows(Q2=[1, 2, "often", *[1] * 9]), "column 'Q2', row 3 below the header, holds 'often'"),
    "a code beyond all codes": (rows(Q2=[99999999999, *[1] * 11]), "column 'Q2', row 1 below the header"),
    "a date that may be two": (rows(J_INTDATE=["03/11/2018"] * 12), "'03/11/2018', or a cell like it may be two dates"),
    "a date of no calendar": (rows(J_INTDATE=["2018-13-40"] * 12), "'2018-13-40', or a cell like it is no date that"),
    "a date in words": (rows(J_INTDATE=["last Monday"] * 12), "column 'J_INTDATE', row 1 below the header"),
    "a word for a weight": (rows(W_WEIGHT=[1, "heavy", *[1] * 10]), "'W_WEIGHT', row 2 below the header, holds"),
    "a weight below zero": (rows(S018=[-0.5, *[1] * 11]), "'S018', row 1 below the header, holds '-0.5'"),
    "labels as cells": (rows(Q1=["Very important"] * 12), "holds 'Very important', expected a whole number"),
    "labels as cells, advice": (rows(Q1=["Not very important"] * 12), "download the csv, SPSS (sav) or Stata"),
    "the text edition": (
        text_edition,
        "'Q1 Important in life: Family', row 1 below the header, holds 'Very important', expected",
    ),
    # rows that do not fit the header
    "an extra cell in one row": (text(GOOD.replace("two words", "two, words")), "more cells than the header names"),
    "an extra cell in every row": (text(csv_text(row_end=",x")), "than the header names (22), one of them 'x'"),
    "two extra cells in a row": (text(GOOD.replace("1.0,0.5\n", "1.0,0.5,,\n")), "row 1 below the header has 24"),
    "an extra cell behind blank ones": (
        text(GOOD.replace(LINES[5], LINES[5].rstrip() + ",,7\n")),
        "row 5 below the header has more cells than the header names (22), one of them '7'",
    ),
    "an extra cell far behind blank ones": (text(GOOD.rstrip() + ", ,,,,,,7"), "row 12 below the header has more"),
    "extra separators in every row and a cell behind them": (
        text(csv_text(row_end=",").replace("3.25,0.0625,\n", "3.25,0.0625,,7\n")),
        "row 12 below the header has more cells",
    ),
    "extra cells among doubles": (
        text(csv_text(spell=shapes.java_double).rstrip() + ",,7.0"),
        "row 12 below the header has more cells",
    ),
    "a cut last row": (text(GOOD[:-20]), "row 12 below the header"),
    "a short row in the middle": (
        text("".join([*LINES[:4], "5-0-0,7,2,20,AND,1,20070009\n", *LINES[4:]])),
        "row 4 below the header has fewer cells",
    ),
    "an unclosed quote in text": (text(GOOD.replace("two words", '"two words')), "cannot be read as delimited text"),
    "an unclosed quote in an item": (text(GOOD.replace(",COL,20181130,", ',COL,"20181130,', 1)), "delimited text"),
    # spreadsheets, R, SAS and other things, by name or by content
    "rds by name": (content("s.rds", b"anything"), "is an R file; download the csv, SPSS (sav) or Stata (dta)"),
    "rds by content": (content("s.csv", gzip.compress(b"X\n\x00\x00\x00\x03\x00")), "is an R file"),
    "rdata": (content("s", gzip.compress(b"RDX3\nX\n")), "is an R file"),
    "xlsx by name": (zip_of("s.xlsx", **WORKBOOK), "Excel workbook"),
    "xlsx by content": (zip_of("s.zip", **WORKBOOK), "Excel workbook"),
    "xls": (content("s.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)), "Excel workbook"),
    "por": (content("s.csv", b" " * 200 + b"ASCII SPSS PORT FILE"), "is an SPSS portable file"),
    "por by name": (content("s.por", GOOD), "is an SPSS portable file"),
    "sas7bdat": (content("s", bytes(12) + b"\xc2\xea\x81\x60" + bytes(500)), "is a SAS file"),
    "pdf": (content("s.csv", b"%PDF-1.7\n"), "is a PDF document"),
    "7z": (content("s.7z", b"7z\xbc\xaf\x27\x1c"), "is a 7z archive"),
    "rar": (content("s", b"Rar!\x1a\x07"), "is a rar archive"),
    "tar": (content("s.csv", b"s.csv".ljust(257, b"\0") + b"ustar" + bytes(250)), "is a tar archive"),
    "xz": (content("s.csv.xz", lzma.compress(GOOD.encode())), "is compressed as xz"),
    "bz2": (content("s.csv", bz2.compress(GOOD.encode())), "is compressed as bz2"),
    # sav, dta, parquet
    "text named sav": (content("s.sav", GOOD), "is named .sav but is no SPSS file"),
    "text named dta": (content("s.dta", GOOD), "is named .dta but is no Stata file"),
    "text named parquet": (content("s.parquet", GOOD), "is named .parquet but is no Parquet file"),
    "a sav that is only a beginning": (content("s.sav", b"$FL2@(#) SPSS" + bytes(300)), "cannot be read as SPSS"),
    "a sav cut in its header": (cut(lambda f: shapes.write_sav(f / "s.sav"), 0.3), "cannot be read as SPSS (sav)"),
    "a sav cut in its rows": (cut(lambda f: shapes.write_sav(f / "s.sav"), 0.95), "cannot be read as SPSS (sav)"),
    "a zsav cut": (cut(lambda f: shapes.write_sav(f / "s.zsav", compress=True), 0.9), "cannot be read as SPSS (sav)"),
    "a sav without rows": (sav_without_rows, "columns and no rows"),
    "a sav with an item twice": (sav_with_an_item_twice, "column 'Q1' is duplicated"),
    "a sav of labels": (labelled_sav, "column 'Q1', row 1 below the header, holds 'Very important'"),
    "a sav without id": (
        lambda folder: shapes.write_sav(folder / "s.sav", without("D_INTERVIEW")),
        "no column D_INTERVIEW",
    ),
    "a dta cut": (cut(lambda f: shapes.write_dta(f / "s.dta"), 0.5), "cannot be read as Stata (dta)"),
    "a dta that is only a beginning": (content("s.dta", b"<stata_dta>" * 9), "cannot be read as Stata (dta)"),
    "a dta with half a code": (
        lambda folder: shapes.write_dta(folder / "s.dta", changed(Q1=[0.5] * 12)),
        "column 'Q1', row 1 below the header, holds 0.5",
    ),
    "a parquet cut": (cut(parquet(shapes.table()), 0.5), "cannot be read as Parquet"),
    "a parquet that is only a beginning": (content("s", b"PAR1"), "cannot be read as Parquet"),
    "a parquet of labels": (parquet(shapes.table().with_columns(Q1=pl.lit("Very"))), "holds 'Very'"),
    "a parquet of factors": (
        parquet(shapes.table().with_columns(Q1=pl.lit("Very important").cast(pl.Categorical))),
        "holds 'Very important'",
    ),
    "a parquet of truth values": (parquet(shapes.table().with_columns(Q1=pl.lit(True))), "type Boolean"),
    "a parquet of dates in place of codes": (
        parquet(shapes.table().with_columns(Q1=pl.date(2018, 11, 30))),
        "column 'Q1' holds values of the type Date",
    ),
    "a parquet without rows": (parquet(shapes.table().clear()), "columns and no rows"),
    # zip and gz
    "a zip cut": (cut(lambda folder: zip_of(s__csv=GOOD.encode())(folder), 0.6), "is a damaged zip"),
    "a zip with spoiled bytes": (corrupted_zip, "is a damaged zip"),
    "an empty zip": (zip_of(), "holds no survey file (csv, sav, dta, parquet, arrow), found nothing"),
    "a zip of other things": (zip_of(readme__txt=b"x", codebook__pdf=b"%PDF"), "found 'codebook.pdf', 'readme.txt'"),
    "a zip of rds": (zip_of(s__rds=b"x", readme__txt=b"x"), "its 's.rds' is an R file"),
    "a zip of xlsx": (zip_of(s__xlsx=b"x"), "its 's.xlsx' is an Excel workbook"),
    "a zip of two": (zip_of(a__csv=b"x", b__sav=b"x"), "holds 2 survey files ('a.csv', 'b.sav')"),
    "a zip of three": (zip_of(a__csv=b"x", b__csv=b"x", c__csv=b"x"), "holds 3 survey files ('a.csv', 'b.csv', ...)"),
    "a zip of an empty file": (zip_of(s__csv=b""), "the file inside is empty"),
    "a zip of a damaged csv": (zip_of(s__csv=LINES[0].encode()), "s.zip (s.csv): has a header and no rows"),
    "a zip of html": (zip_of(s__csv=b"<html></html>"), "s.zip (s.csv): is a web page"),
    "a zip in a zip": (zip_of(s__csv=b"PK\x03\x04" + bytes(90)), "is packed twice"),
    "an encrypted zip": (encrypted, "is encrypted; unpack it with its password"),
    "a zip of an unknown compression": (patched_zip(b"PK\x01\x02", b"\x63", skip=10), "compression is not supported"),
    "a zip that says it is huge": (patched_zip(b"PK\x01\x02", b"\xf0\xff\xff\xff", skip=24), "more than a survey file"),
    "a zip that says it is small": (patched_zip(b"PK\x01\x02", b"\x10\0\0\0", skip=24), "is a damaged zip"),
    "a zip that unpacks to nothing but zeros": (bomb_zip, "unpacks to more than a survey file can be"),
    "a gz cut": (cut(lambda f: shapes.write_gz(f / "s.csv.gz", GOOD.encode()), 0.7), "is a damaged gz"),
    "a gz with more behind it": (content("s.csv.gz", gzip.compress(GOOD.encode()) + b"tail"), "is a damaged gz"),
    "a gz that is only a beginning": (content("s.csv.gz", b"\x1f\x8b"), "is a damaged gz"),
    "a gz of nothing": (content("s.csv.gz", gzip.compress(b"")), "the file inside is empty"),
    "a gz of a zip": (content("s.gz", gzip.compress(b"PK\x03\x04" + bytes(90))), "is packed twice"),
    "a gz of binary": (content("s.csv.gz", gzip.compress(bytes(range(256)) * 9)), "neither text nor SPSS"),
    "a gz that unpacks to nothing but zeros": (bomb_gz, "unpacks to more than a survey file can be"),
    # names that would spoil the message
    "a name with a line break": (content("a\nb.csv", b""), r"'a\nb.csv': is empty"),
    "a cell with line breaks": (rows(Q2=["a\nb" * 200, *[1] * 11]), r"holds 'a\nba\nb"),
}  # fmt: skip


def _link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_gives_one_line_and_leaves_nothing(damage: str, tmp_path: Path) -> None:
    make, expected = DAMAGED[damage]
    folder = tmp_path / "given"
    folder.mkdir()
    path = make(folder)
    before = sorted(folder.iterdir())
    with pytest.raises(SurveyFileError) as caught:
        read_microdata(path)
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert len(message) < 400
    assert (path.name if path.name.isprintable() else repr(path.name)) in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("path", [".", "", "/"])
def test_a_folder_without_a_name_is_named_by_its_path(path: str) -> None:
    with pytest.raises(SurveyFileError, match=r"^[./]: is a folder; expected a survey file"):
        read_microdata(Path(path))


def test_there_are_many_ways_to_be_damaged() -> None:
    assert len(DAMAGED) > 100


WHOLE: dict[str, Make] = {
    "sav": lambda folder: shapes.write_sav(folder / "s.sav"),
    "zsav": lambda folder: shapes.write_sav(folder / "s.zsav", compress=True),
    "dta": lambda folder: shapes.write_dta(folder / "s.dta"),
    "parquet": parquet(shapes.table()),
    "zip": zip_of(s__csv=GOOD.encode()),
    "gz": lambda folder: shapes.write_gz(folder / "s.csv.gz", GOOD.encode()),
}


@pytest.mark.parametrize("keep", [n / 20 for n in range(20)])
@pytest.mark.parametrize("ending", WHOLE)
def test_a_file_cut_anywhere_is_refused(ending: str, keep: float, tmp_path: Path) -> None:
    path = cut(WHOLE[ending], keep)(tmp_path)
    with pytest.raises(SurveyFileError) as caught:
        read_microdata(path)
    assert "\n" not in str(caught.value)


def is_cut_within_a_row(n_bytes: int) -> bool:
    """Not at a row's end nor in its last cell, where no csv can show that more was to come."""
    return GOOD[:n_bytes].split("\n")[-1].count(",") not in (0, len(ROWS) - 1)


@pytest.mark.parametrize("n_bytes", [n for n in range(len(LINES[0]), len(GOOD), 37) if is_cut_within_a_row(n)])
def test_a_csv_cut_within_a_row_is_refused(n_bytes: int, tmp_path: Path) -> None:
    with pytest.raises(SurveyFileError, match=r"fewer cells than the header names|have no D_INTERVIEW|row 1 below"):
        read_microdata(text(GOOD[:n_bytes])(tmp_path))


def test_a_bomb_is_refused_before_it_has_filled_the_disk(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "MAX_SIZE", 3 << 20)
    sizes = []
    check = container._check_size

    def watched(size: int, packed_size: int, where: str) -> None:
        sizes.append(size)
        check(size, packed_size, where)

    monkeypatch.setattr(container, "_check_size", watched)
    path = shapes.write_gz(tmp_path / "s.csv.gz", bytes(50 << 20))
    with pytest.raises(SurveyFileError, match="unpacks to more than a survey file can be"):
        read_microdata(path)
    assert max(sizes) <= 4 << 20


def test_a_row_is_counted_through_all_parts_of_a_statistics_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worldvaluesbench.survey.reader._statfile._ROWS_PER_READ", 5)
    path = shapes.write_sav(tmp_path / "s.sav", changed(Q1=[1] * 10 + [0.5, 1]))
    with pytest.raises(SurveyFileError, match=r"column 'Q1', row 11 below the header, holds 0.5"):
        read_microdata(path)


def test_the_text_edition_in_plain_named_columns_names_its_cell(tmp_path: Path) -> None:
    codebook = load_codebook()
    labels = {choice.code: choice.label for choice in codebook.item("Q1").choices}
    cells = [labels.get(code, "Don't know") if isinstance(code, int) else None for code in ROWS["Q1"]]
    path = tmp_path / "factors.csv"
    path.write_text(csv_text(changed(Q1=cells)))
    with pytest.raises(SurveyFileError, match="column 'Q1', row 1 below the header, holds 'Very important'"):
        read_microdata(path)


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300 + ".csv")  # longer than a file name may be
    with pytest.raises(SurveyFileError) as caught:
        read_microdata(path)
    assert "\n" not in str(caught.value)
