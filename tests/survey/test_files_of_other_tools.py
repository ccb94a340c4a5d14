"""Survey files that other tools have written: read as the same respondents, or refused with the reason."""

import datetime
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyreadstat
import pytest
from polars.testing import assert_frame_equal

from tests.survey import shapes
from tests.survey.shapes import ROWS, changed, csv_text, expected_frame, without, write_text, write_zip
from worldvaluesbench.cli import main
from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._labels import load_codebook_labels
from worldvaluesbench.survey.reader._microdata import Microdata, read_microdata

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "survey"
CODEBOOK = load_codebook()
DATES = ROWS["J_INTDATE"]
FULL_DATES = [20181130, 20181201, 20181102, 20181112, 20181130, 20180930, 20180910, 20180911, 20181231, 20180913]
FULL_DATES += [20180101, 20190101]


def expect_same(microdata: Microdata, rows: shapes.Rows = ROWS) -> None:
    assert_frame_equal(microdata.frame, expected_frame(rows))


def refusal(path: Path) -> str:
    with pytest.raises(SurveyFileError) as caught:
        read_microdata(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def days(cells: Sequence[shapes.Cell]) -> list[datetime.date]:
    return [datetime.datetime.strptime(str(cell), "%Y%m%d").date() for cell in cells]


# Labels in another encoding than the file declares.


def relabelled(path: Path, before: bytes, after: bytes) -> Path:
    whole = path.read_bytes()
    assert len(before) == len(after)
    assert before in whole
    path.write_bytes(whole.replace(before, after))
    return path


@pytest.mark.parametrize(
    ("word", "encoding"), [("Família", "latin-1"), ("Rodina ř", "cp1250"), ("Семья", "cp1251"), ("家族の", "shift-jis")]
)
@pytest.mark.parametrize("ending", ["sav", "dta"])
@pytest.mark.parametrize("what", ["variable", "value", "cell"])
def test_text_in_another_encoding_than_declared_is_no_hindrance(
    word: str, encoding: str, ending: str, what: str, tmp_path: Path
) -> None:
    encoded = word.encode(encoding)
    mark = "Q" * len(encoded)
    rows = changed(X_TEXT=[mark] * 12) if what == "cell" else ROWS
    labels = {"Q2": {1: mark}} if what == "value" else {}
    write = pyreadstat.write_sav if ending == "sav" else pyreadstat.write_dta
    frame = shapes.table(rows)
    write(
        frame,
        tmp_path / f"s.{ending}",
        column_labels={"Q1": mark} if what == "variable" else {},
        variable_value_labels=labels,
    )
    expect_same(read_microdata(relabelled(tmp_path / f"s.{ending}", mark.encode(), encoded)))


def test_a_label_cut_in_the_middle_of_a_letter_is_no_hindrance(tmp_path: Path) -> None:
    pyreadstat.write_dta(shapes.table(), tmp_path / "s.dta", column_labels={"Q1": "xx"})
    expect_same(read_microdata(relabelled(tmp_path / "s.dta", b"xx\x00", b"x\xc3\x00")))


# Positions in a list of categories in place of codes.


def in_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({column.name: column.to_numpy() for column in frame})


def categories(order: Sequence[int | str], cells: Sequence[int | str | None]) -> pd.DataFrame:
    return in_pandas(shapes.table(without("Q1", *shapes.TEXTS))).assign(
        Q1=pd.Categorical(cells, categories=list(order))
    )


Q1_LABELS = {1: "Very important", 2: "Rather important", 3: "Not very important", 4: "Not at all important"}
Q1_CODES = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "order",
    [[-2, -1, 1, 2, 3, 4], [1, 2, 3, 4], [4, 3, 2, 1], ["1", "2", "3", "4"], [0, 1, 2, 4, 3], [1.0, 2.0, 3.0, 4.0]],
    ids=str,
)
def test_positions_of_codes_that_pandas_writes_are_refused(order: list[int | str], tmp_path: Path) -> None:
    cells = [type(order[0])(code) for code in Q1_CODES]
    categories(order, cells).to_stata(tmp_path / "s.dta", write_index=False)
    assert "'Q1' labels" in refusal(tmp_path / "s.dta")
    assert "its cells are positions in a list of categories" in refusal(tmp_path / "s.dta")


@pytest.mark.parametrize("order", [[1, 2, 3, 4], [4, 3, 2, 1], [4, 3, 2, 1, "Don't know"], [2, 1, 3, 4]], ids=str)
def test_positions_of_labels_that_pandas_writes_are_refused(order: list[int | str], tmp_path: Path) -> None:
    names = [Q1_LABELS[code] if isinstance(code, int) else code for code in order]
    categories(names, [Q1_LABELS[code] for code in Q1_CODES]).to_stata(tmp_path / "s.dta", write_index=False)
    assert "its cells are positions in a list of categories" in refusal(tmp_path / "s.dta")


def test_positions_of_which_some_are_codes_by_chance_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(changed()).assign(Q260=pd.Categorical(["Male", "Female"] * 6))  # in the order of letters
    frame.to_stata(tmp_path / "s.dta", write_index=False)
    assert "column 'Q260' labels 0 as 'Female'" in refusal(tmp_path / "s.dta")


@pytest.mark.parametrize("is_inverted", [False, True])
@pytest.mark.parametrize("ending", ["sav", "dta"])
def test_the_codebooks_own_labels_are_no_contradiction(ending: str, is_inverted: bool, tmp_path: Path) -> None:
    labels = {name: dict(codes) for name, codes in load_codebook_labels().items() if name in ROWS}
    rows = ROWS
    if is_inverted:
        rows = shapes.inverted()
        for name, turned in shapes.TO_INVERTED.items():
            if name in labels:
                own = labels.pop(name)
                labels[f"{name}P"] = {turned.get(code, code): label for code, label in own.items()}
    write = pyreadstat.write_sav if ending == "sav" else pyreadstat.write_dta
    write(shapes.table(rows), tmp_path / f"s.{ending}", variable_value_labels=labels)
    expect_same(read_microdata(tmp_path / f"s.{ending}"))


@pytest.mark.parametrize("ending", ["sav", "dta"])
def test_all_labels_of_the_codebook_agree_with_its_codes(ending: str, tmp_path: Path) -> None:
    names = [name for name in load_codebook_labels() if name != "B_COUNTRY"]
    frame = pl.DataFrame({"D_INTERVIEW": [20070001.0], "B_COUNTRY": [20.0]} | {name: [-4.0] for name in names})
    write = pyreadstat.write_sav if ending == "sav" else pyreadstat.write_dta
    labels = {name: dict(codes) for name, codes in load_codebook_labels().items() if codes}
    write(frame, tmp_path / f"s.{ending}", variable_value_labels=labels)
    assert read_microdata(tmp_path / f"s.{ending}").frame.height == 1


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(["4", "3", "2", "1"])], ids=str)
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_categories_in_parquet_and_arrow_are_read_as_the_codes_they_show(
    ending: str, dtype: pl.DataType, tmp_path: Path
) -> None:
    WRITERS[ending](shapes.table().with_columns(Q1=pl.Series(map(str, Q1_CODES), dtype=dtype)), tmp_path / "s")
    expect_same(read_microdata(tmp_path / "s"), changed(Q1=Q1_CODES))


# Ids that have lost digits.


def in_single_precision(name: str, write: Callable[[pl.DataFrame, Path], object]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        write(shapes.table(without(*shapes.TEXTS)).with_columns(pl.col(name).cast(pl.Float32)), path)
        return path

    return make


WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "dta": lambda frame, path: in_pandas(frame).to_stata(path, write_index=False),
    "parquet": lambda frame, path: frame.write_parquet(path),
    "arrow": lambda frame, path: frame.write_ipc(path),
}


@pytest.mark.parametrize("name", ["D_INTERVIEW", "J_INTDATE"])
@pytest.mark.parametrize("ending", WRITERS)
def test_numbers_too_large_for_32_bits_are_refused(name: str, ending: str, tmp_path: Path) -> None:
    message = refusal(in_single_precision(name, WRITERS[ending])(tmp_path / f"s.{ending}"))
    assert f"column {name!r} holds floats of less than 64 bits (single precision)" in message


@pytest.mark.parametrize("ending", WRITERS)
def test_small_codes_and_weights_may_be_of_32_bits(ending: str, tmp_path: Path) -> None:
    rows = changed(without(*shapes.TEXTS), W_WEIGHT=[0.5, 1.25] * 6)
    frame = shapes.table(rows).with_columns(pl.col("Q1", "N_TOWN", "W_WEIGHT").cast(pl.Float32))
    WRITERS[ending](frame, tmp_path / f"s.{ending}")
    expect_same(read_microdata(tmp_path / f"s.{ending}"), rows)


@pytest.mark.parametrize(
    "spell",
    [
        lambda n: f"{float(np.float32(n)):.1f}",
        lambda n: str(np.float32(n)),  # as pandas and polars write a column of them
        lambda n: f"{n:.4g}",
    ],
)
def test_ids_rounded_before_they_were_text_are_refused(spell: Callable[[int], str], tmp_path: Path) -> None:
    ids = [spell(int(cell)) for cell in ROWS["D_INTERVIEW"] if cell is not None]
    path = write_text(tmp_path / "s.csv", csv_text(changed(D_INTERVIEW=ids)))
    assert "the ids in column 'D_INTERVIEW' have lost their last digits" in refusal(path)


def test_ids_that_many_rows_share_are_not_taken_for_rounded_ones(tmp_path: Path) -> None:
    rows = changed(D_INTERVIEW=[858069901] * 12)
    expect_same(read_microdata(write_text(tmp_path / "s.csv", csv_text(rows))), rows)


# Dates.


@pytest.mark.parametrize("form", ["DATE11", "ADATE10", "EDATE10", "SDATE10", "DATETIME20"])
def test_dates_of_spss_are_yyyymmdd_and_missing_codes_stay(form: str, tmp_path: Path) -> None:
    start = datetime.date(1582, 10, 14)
    seconds = [None if n in (3, 7) else (day - start).days * 86_400.0 for n, day in enumerate(days(FULL_DATES))]
    seconds[5] = -2.0
    pyreadstat.write_sav(
        shapes.table(changed(J_INTDATE=seconds)), tmp_path / "s.sav", variable_format={"J_INTDATE": form}
    )
    expected = [-2 if n == 5 else None if n in (3, 7) else cell for n, cell in enumerate(FULL_DATES)]
    expect_same(read_microdata(tmp_path / "s.sav"), changed(J_INTDATE=expected))


@pytest.mark.parametrize(
    ("form", "unit"), [("%td", 1), ("%tdD_m_Y", 1), ("%d", 1), ("%tc", 86_400_000), ("%tC", 86_400_000)]
)
def test_dates_of_stata_are_yyyymmdd(form: str, unit: int, tmp_path: Path) -> None:
    start = datetime.date(1960, 1, 1)
    numbers = [(day - start).days * unit + unit // 2 for day in days(FULL_DATES)]
    pyreadstat.write_dta(
        shapes.table(changed(J_INTDATE=numbers)), tmp_path / "s.dta", variable_format={"J_INTDATE": form}
    )
    expect_same(read_microdata(tmp_path / "s.dta"), changed(J_INTDATE=FULL_DATES))


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Datetime("ns", "UTC")], ids=str)
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_real_dates_are_yyyymmdd(dtype: pl.DataType, ending: str, tmp_path: Path) -> None:
    frame = shapes.table().with_columns(J_INTDATE=pl.Series(days(FULL_DATES)).cast(dtype))
    WRITERS[ending](frame, tmp_path / f"s.{ending}")
    microdata = read_microdata(tmp_path / f"s.{ending}")
    expect_same(microdata, changed(J_INTDATE=FULL_DATES))
    assert microdata.notes == ("column J_INTDATE holds real dates: read as yyyymmdd.",)


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%Y-%m-%d 00:00:00", "%Y-%m-%dT10:30:00Z", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d%b%Y",
     "%d-%b-%Y", "%d-%b-%y", "%d/%m/%y", "%m/%d/%Y 0:00"],
)  # fmt: skip
def test_dates_as_text_are_yyyymmdd_and_missing_codes_stay(form: str, tmp_path: Path) -> None:
    texts = [day.strftime(form) for day in days(FULL_DATES)]
    texts[1:3] = ["-5", ""]
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text(changed(J_INTDATE=texts))))
    expect_same(microdata, changed(J_INTDATE=[FULL_DATES[0], -5, None, *FULL_DATES[3:]]))
    assert microdata.notes == ("column J_INTDATE holds dates as text: read as yyyymmdd.",)


def test_the_days_of_excel_are_yyyymmdd(tmp_path: Path) -> None:
    assert (datetime.date(2018, 9, 10) - datetime.date(1899, 12, 30)).days == 43353  # as Excel shows it
    numbers = [(day - datetime.date(1899, 12, 30)).days for day in days(FULL_DATES)]
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text(changed(J_INTDATE=numbers))))
    expect_same(microdata, changed(J_INTDATE=FULL_DATES))


# Reasons for missing that were lost.


def test_blanks_in_place_of_reasons_are_noted(tmp_path: Path) -> None:
    pyreadstat.write_sav(shapes.table(), tmp_path / "s.sav", missing_ranges={
        name: [{"lo": -9999, "hi": -1}] for name in ROWS if name.startswith("Q")
    })  # fmt: skip
    pd.read_spss(tmp_path / "s.sav", convert_categoricals=False).to_csv(tmp_path / "s.csv", index=False)
    microdata = read_microdata(tmp_path / "s.csv")
    blanked = {
        name: [None if isinstance(cell, int) and cell < 0 else cell for cell in cells]
        if name.startswith("Q")
        else cells
        for name, cells in ROWS.items()
    }
    expect_same(microdata, blanked)
    n_blank = sum(cell is None for name in ("Q1", "Q2", "Q57", "Q119", "Q176", "Q199") for cell in blanked[name])
    assert len(microdata.notes) == 1
    assert f"and {n_blank} are blank: an earlier tool most likely blanked them" in microdata.notes[0]


# Names of columns.


@pytest.mark.parametrize(
    "label", ["{}: Label of it", "{} Important in life: Family", "{}. A label", "{}..A.label.as.R"]
)
@pytest.mark.parametrize("is_inverted", [False, True])
def test_a_label_behind_a_name_is_passed_over(label: str, is_inverted: bool, tmp_path: Path) -> None:
    rows = shapes.inverted() if is_inverted else ROWS
    named = shapes.renamed(rows, lambda name: name if name == "version" else label.format(name))
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text(named, separator=";"), "utf-8-sig"))
    expect_same(microdata)
    assert microdata.is_inverted == is_inverted


def test_a_column_made_from_an_item_is_not_taken_for_it(tmp_path: Path) -> None:
    named = shapes.renamed(ROWS, lambda name: "Q1: recoded" if name == "Q1" else name)
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text(named)))
    assert "Q1" in microdata.absent_items
    expect_same(microdata, without("Q1"))


@pytest.mark.parametrize(("length", "case"), [(8, str), (8, str.lower), (10, str.upper), (10, str.lower)])
def test_cut_names_are_read_where_only_one_can_be_meant(
    length: int, case: Callable[[str], str], tmp_path: Path
) -> None:
    rows = changed(without("B_COUNTRY_ALPHA"), G_TOWNSIZE2=[1] * 12, N_REGION_ISO=[20001] * 12)
    path = write_text(tmp_path / "s.csv", csv_text(shapes.renamed(rows, lambda name: case(name[:length]))))
    microdata = read_microdata(path)
    expect_same(microdata)
    assert not microdata.columns.keys() & {"G_TOWNSIZE", "N_REGION_WVS"}
    assert microdata.notes[0].startswith(f"column names are cut after {length} characters: ")
    assert f"{case('D_INTERVIEW'[:length])} is read as D_INTERVIEW" in microdata.notes[0]


def test_a_cut_name_that_two_columns_share_is_refused(tmp_path: Path) -> None:
    text = csv_text(shapes.renamed(ROWS, lambda name: name[:8] if name != "B_COUNTRY_ALPHA" else "X"))
    path = write_text(tmp_path / "s.csv", text.replace(",X,", ",B_COUNTR,", 1))
    assert "2 columns are named 'B_COUNTR', expected one" in refusal(path)


# Countries.


@pytest.mark.parametrize("spell", ["alpha2", "alpha3", "name"])
@pytest.mark.parametrize("column", ["B_COUNTRY", "B_COUNTRY_ALPHA"])
def test_countries_in_letters_are_their_codes(spell: str, column: str, tmp_path: Path) -> None:
    countries = [country for country in CODEBOOK.countries if getattr(country, spell)]
    table = {
        "D_INTERVIEW": [country.code * 1_000_000 + 70_001 for country in countries],
        column: [getattr(country, spell) for country in countries],
        "Q1": [1] * len(countries),
    }
    microdata = read_microdata(write_text(tmp_path / "s.csv", csv_text(table)))
    assert microdata.frame["B_COUNTRY"].to_list() == [country.code for country in countries]


@pytest.mark.parametrize("ending", ["sav", "dta", "parquet", "arrow"])
def test_countries_in_letters_are_read_in_every_format(ending: str, tmp_path: Path) -> None:
    write = {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta} | WRITERS
    write[ending](shapes.table(without("B_COUNTRY")).drop("version"), tmp_path / f"s.{ending}")
    microdata = read_microdata(tmp_path / f"s.{ending}")
    expect_same(microdata)
    assert microdata.notes == ("there is no column B_COUNTRY: countries are read from B_COUNTRY_ALPHA.",)


def test_the_codes_of_countries_win_over_their_letters_and_blank_ones_stay_blank(tmp_path: Path) -> None:
    rows = changed(B_COUNTRY_ALPHA=["XXX"] * 12)
    expect_same(read_microdata(write_text(tmp_path / "s.csv", csv_text(rows))))
    rows = changed(without("B_COUNTRY"), B_COUNTRY_ALPHA=["COL", "", *["COL"] * 4, *["AND"] * 5, "ind"])
    frame = read_microdata(write_text(tmp_path / "t.csv", csv_text(rows))).frame
    assert frame["B_COUNTRY"].to_list() == [170, None, *[170] * 4, *[20] * 5, 356]


def test_an_unknown_country_is_named(tmp_path: Path) -> None:
    rows = changed(without("B_COUNTRY"), B_COUNTRY_ALPHA=["ATL"] * 12)
    message = refusal(write_text(tmp_path / "s.csv", csv_text(rows)))
    assert "holds 'ATL', expected a country's code, its ISO letters (such as AND) or its name" in message


# Lines above the table, text in archives, files that stand for others.

ABOVE = {
    "a title": "World Values Survey wave 7\n",
    "twenty lines": "".join(f"Note {n}, with a comma; and a semicolon\n" for n in range(20)),
    "blank lines": "\n\n\n",
    "what Excel is told": "sep=,\n",
    "a list of the columns": "D_INTERVIEW, B_COUNTRY and more\nD_INTERVIEW: the id of the respondent\n",
    "a quote that is not closed": 'Source: "World Values Survey\n',
}


@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("spell", [shapes.plain, shapes.java_double])
def test_lines_above_the_header_are_passed_over_with_a_note(
    above: str, encoding: str, spell: Callable[[shapes.Cell], str], tmp_path: Path
) -> None:
    text = ABOVE[above] + csv_text(spell=spell)
    microdata = read_microdata(write_text(tmp_path / "s.csv", text, encoding))
    expect_same(microdata)
    n_lines = ABOVE[above].count("\n")
    lines = "the first line is" if n_lines == 1 else f"the first {n_lines} lines are"
    assert microdata.notes == (f"{lines} no part of the table: passed over.",)


def test_a_mark_of_byte_order_may_stand_before_the_header_itself(tmp_path: Path) -> None:
    for above in ("\ufeff", "A title\n\ufeff"):
        expect_same(read_microdata(write_text(tmp_path / "s.csv", above + csv_text(), "utf-8-sig")))


def test_a_row_is_counted_below_the_header_whatever_stands_above(tmp_path: Path) -> None:
    text = "title\n\n" + csv_text(changed(Q2=[1, 2, 1.5, *[1] * 9]))
    assert "'Q2', row 3 below the header, holds 1.5" in refusal(write_text(tmp_path / "s.csv", text))


@pytest.mark.parametrize("below", ["Source: World Values Survey\n", "\n(12 rows)\n"])
def test_lines_below_the_table_are_refused_with_their_row(below: str, tmp_path: Path) -> None:
    message = refusal(write_text(tmp_path / "s.csv", csv_text() + below))
    assert "fewer cells than the header names (22)" in message
    assert message.endswith("or take out lines that are no rows.")


@pytest.mark.parametrize("name", ["s.txt", "data/WVS.TXT", "s.dat", "survey", "a/b/s.tsv", "a/b/s.arrow"])
def test_a_table_in_an_archive_is_found_by_its_text(name: str, tmp_path: Path) -> None:
    content = csv_text(separator="\t").encode()
    if name.endswith("arrow"):
        shapes.table().write_ipc(tmp_path / "t")
        content = (tmp_path / "t").read_bytes()
    entries = {name: content, "readme.txt": b"Please read.", "codebook.pdf": b"%PDF"}
    expect_same(read_microdata(write_zip(tmp_path / "s.zip", entries)))


@pytest.mark.parametrize("inner", ["s.zip", "s.csv.gz"])
def test_a_container_in_a_container_is_named(inner: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "inner.zip", {"s.csv": csv_text().encode()})
    path = write_zip(tmp_path / "outer.zip", {inner: (tmp_path / "inner.zip").read_bytes()})
    assert f"its {inner!r} is packed once more" in refusal(path)


def test_an_encrypted_text_in_an_archive_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "s.zip", {"s.txt": csv_text().encode()})
    whole = bytearray(path.read_bytes())
    whole[whole.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(whole))
    assert "is encrypted; unpack it with its password" in refusal(path)


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 123\n"


@pytest.mark.parametrize("name", ["s.csv", "s.sav", "s.dta", "s.zip", "s.parquet", "s.xlsx", "s"])
def test_a_pointer_is_told_from_the_file_it_stands_for(name: str, tmp_path: Path) -> None:
    message = refusal(write_text(tmp_path / name, LFS))
    assert "is only a pointer that Git LFS keeps" in message
    assert "`git lfs pull`" in message
    inside = refusal(write_zip(tmp_path / "download.zip", {"data/s.sav": LFS.encode()}))
    assert "is only a pointer that Git LFS keeps" in inside
    annex = "/annex/objects/SHA256E-s123--" + "0" * 64 + ".csv\n"
    assert "`git annex get`" in refusal(write_text(tmp_path / name, annex))


@pytest.mark.parametrize("kind", ["file", "file, zstd", "stream"])
def test_arrow_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "s.feather"
    if kind == "stream":
        shapes.table().write_ipc_stream(path)
    else:
        shapes.table().write_ipc(path, compression="zstd" if "zstd" in kind else "uncompressed")
    microdata = read_microdata(path)
    expect_same(microdata)
    assert microdata.source.format == "arrow"


def test_an_old_feather_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.feather").write_bytes(b"FEA1" + bytes(200))
    assert "is a Feather file of version 1; save it as Parquet or Arrow" in refusal(tmp_path / "s.feather")


JOINT = {"studyno": [7500.0], "study": [2.0], "uniqid": [76e7], "cntry": [76.0], "cntry_AN": [1.0], "gwght": [1.0]}
OTHER_FILES = {
    "joint EVS/WVS file": JOINT,
    "trend file of several waves": {"S002VS": [7.0], "S003": [20.0], "S007": [1.0], "Q1": [1.0]},
    "an earlier wave": {f"V{n}": [1.0] for n in range(2, 60)},
}


@pytest.mark.parametrize("what", OTHER_FILES)
@pytest.mark.parametrize("ending", ["csv", "sav", "dta", "parquet"])
@pytest.mark.parametrize("case", [str, str.lower])
def test_a_file_of_another_survey_is_named(what: str, ending: str, case: Callable[[str], str], tmp_path: Path) -> None:
    frame = pl.DataFrame({case(name): cells for name, cells in OTHER_FILES[what].items()})
    path = tmp_path / f"s.{ending}"
    write = {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta, "parquet": WRITERS["parquet"]}
    if ending == "csv":
        frame.write_csv(path)
    else:
        write[ending](frame, path)
    message = refusal(path)
    assert what in message
    assert "download " in message


# Damaged files of every format.


def test_an_spss_file_that_does_not_say_how_many_rows_it_has_is_read(tmp_path: Path) -> None:
    path = shapes.write_sav(tmp_path / "s.sav")
    whole = bytearray(path.read_bytes())
    assert whole[80:84] == (12).to_bytes(4, "little")
    whole[80:84] = (-1).to_bytes(4, "little", signed=True)
    path.write_bytes(bytes(whole))
    expect_same(read_microdata(path))


def test_a_claim_of_billions_of_rows_is_refused_at_once(tmp_path: Path) -> None:
    path = shapes.write_dta(tmp_path / "s.dta")
    whole = bytearray(path.read_bytes())
    start = whole.find(b"<N>") + 3
    whole[start : start + 8] = (2_000_000_000).to_bytes(8, "little")
    path.write_bytes(bytes(whole))
    assert "claims to have 2,000,000,000 rows; the file is damaged, download it again" in refusal(path)


def flipped(path: Path, n: int, rng: random.Random) -> None:
    whole = bytearray(path.read_bytes())
    for _ in range(n):
        whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(whole))


WRITE_WHOLE: dict[str, Callable[[Path], object]] = {
    "sav": shapes.write_sav,
    "zsav": lambda path: shapes.write_sav(path, compress=True),
    "dta": shapes.write_dta,
    "parquet": lambda path: shapes.table().write_parquet(path),
    "arrow": lambda path: shapes.table().write_ipc(path),
    "zip": lambda path: write_zip(path, {"s.csv": csv_text().encode()}),
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ending", WRITE_WHOLE)
def test_flipped_bits_are_read_or_refused_in_one_line(ending: str, seed: int, tmp_path: Path) -> None:
    """What is left may be a whole file with another number in it, which nothing can tell; but nothing crashes."""
    path = tmp_path / f"s.{ending}"
    WRITE_WHOLE[ending](path)
    flipped(path, 1 + seed * 3, random.Random(seed))
    message = ""
    try:
        read_microdata(path)
    except SurveyFileError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_cut_arrow_file_is_refused(kind: str, keep: float, tmp_path: Path) -> None:
    path = tmp_path / "s.arrow"
    (pl.DataFrame.write_ipc if kind == "file" else pl.DataFrame.write_ipc_stream)(shapes.table(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    assert "the file is damaged, download it again" in refusal(path)


@pytest.mark.parametrize("step", ["inspect", "build"])
def test_inspect_and_build_say_the_same_of_a_file(
    step: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_text(tmp_path / "s.csv", "A title\n" + csv_text(without("B_COUNTRY")))
    options = [] if step == "inspect" else ["--out", str(tmp_path / "out"), "--edition", "corrected"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([step, str(path), *options])
    shown = " ".join(capsys.readouterr().out.split())
    assert "the first line is no part of the table" in shown
    assert "countries are read from B_COUNTRY_ALPHA" in shown


# The files as they were found, where they are at hand.

RIGHT = {
    "labels_latin1.sav": 40, "latin1_label.dta": 12, "excel_edition_saved_as_csv.csv": 40, "country_alpha_only.csv": 40,
    "real_date.dta": 40, "date_column.sav": 12, "through_pandas_read_spss.csv": 12, "preamble_lines.csv": 40,
    "arrow_file.arrow": 12, "txt_in.zip": 12, "names_of_eight.csv": 12, "small_survey.csv": 40,
    "pandas_categorical.dta": "positions", "single_precision.dta": "single precision", "lfs_pointer.csv": "Git LFS",
    "evs_wvs_joint.csv": "joint EVS/WVS",
}  # fmt: skip


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize("name", RIGHT)
def test_the_files_as_they_were_found(name: str) -> None:
    right = RIGHT[name]
    if isinstance(right, str):
        assert right in refusal(CASES / name)
        return
    frame = read_microdata(CASES / name).frame
    assert frame.height == right == frame["D_INTERVIEW"].n_unique()
    if "J_INTDATE" in frame.columns:
        assert frame["J_INTDATE"].drop_nulls().is_between(20170101, 20241231).all()
    if right == 40:
        control = read_microdata(CASES / "small_survey.csv").frame
        assert_frame_equal(frame, control)
