"""Files of answers are read in whatever shape they come, or refused in one line."""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.scoring.naive import pandas_number
from tests.scoring.people import write_answers
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._ratings import FLAWS, read_numbers, read_ratings
from worldvaluesbench.scoring.sources._reference import world_reference

ROWS = [("Q1", 156070594, "4"), ("Q2", 156070595, "")]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    return read_answers(path).frame.rows()


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
def test_the_separator_is_found_out(tmp_path: Path, separator: str) -> None:
    path = write_answers(tmp_path / "a.txt", ROWS, separator)
    assert rows_of(path) == [("Q1", 156070594, "4"), ("Q2", 156070595, None)]


@pytest.mark.parametrize(
    "text",
    [
        "SCORE\tPARTICIPANT_ID\tQUESTION_ID\n4\t156070594\tQ1\n",
        "question_id,Score,model,participant_id\nQ1,4,x,156070594\n",
        "\ufeffitem_id;respondent_id;rating\r\nQ1;156070594;4\r\n\r\n",
        '"QUESTION_ID","PARTICIPANT_ID","SCORE","text"\n"Q1","156070594","4","I think, 4\nor so"\n',
        "answer\trespondent_id\titem_id\n4\t156070594\tQ1",
        "prediction,response,item_id,respondent_id\n4,3,Q1,156070594\n",
        "QUESTION_ID\tPARTICIPANT_ID\tSCORE\n\nQ1\t156070594\t4\n\n\n",
    ],
)
def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path, text: str) -> None:
    assert rows_of(write(tmp_path / "a.txt", text)) == [("Q1", 156070594, "4")]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("QUESTION_ID,PARTICIPANT_ID,SCORE,score", "has the columns 'SCORE' and 'score', any of which could be the"),
        (
            "QUESTION_ID,item_id,PARTICIPANT_ID,SCORE",
            "the columns 'QUESTION_ID' and 'item_id', any of which could",
        ),
        ("QUESTION_ID,PARTICIPANT_ID,SCORE,respondent_id", "the columns 'PARTICIPANT_ID' and 'respondent_id', any of"),
    ],
)
def test_columns_that_could_each_be_the_one_are_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(AnswersError, match=message):
        rows_of(write(tmp_path / "a.csv", f"{header}\nQ1,1,1,1\n"))


@pytest.mark.parametrize(
    "header",
    [
        "item_id,respondent_id,rating,prediction",
        "item_id,respondent_id,answer,score",
        "item_id,respondent_id,Score,Rating",
    ],
)
def test_a_file_with_several_columns_that_could_be_the_answers_is_refused_unless_told(
    tmp_path: Path, header: str
) -> None:
    """Humans' ratings beside a prediction, a confidence beside an answer: a guess would score the wrong one."""
    file = write(tmp_path / "a.csv", f"{header}\nQ1,1,3,4\n")
    names = header.split(",")[2:]
    with pytest.raises(AnswersError, match=rf"'{names[0]}' and '{names[1]}'.*--answer-column"):
        read_answers(file)
    for name, answer in zip(names, ("3", "4"), strict=True):
        read = read_answers(file, answer_column=name.upper())
        assert (read.answer_column, read.frame["answer"].to_list()) == (name, [answer])
    with pytest.raises(AnswersError, match=r"no column 'guess'.*found item_id, respondent_id"):
        read_answers(file, answer_column="guess")


def test_the_humans_responses_are_no_answers(tmp_path: Path) -> None:
    """A table of examples as `wvb examples` writes it, then with a column of predictions."""
    examples = write(tmp_path / "a.csv", "respondent_id,item_id,response\n1,Q1,3\n")
    with pytest.raises(AnswersError, match=r"no column SCORE; .*'response' holds the humans' responses"):
        read_answers(examples)
    predicted = write(tmp_path / "b.csv", "respondent_id,item_id,response,prediction\n1,Q1,3,4\n")
    read = read_answers(predicted)
    assert (read.answer_column, read.frame["answer"].to_list()) == ("prediction", ["4"])
    assert read.describe()["answer_column"] == "prediction"
    assert read_answers(predicted, answer_column="response").frame["answer"].to_list() == ["3"]


@pytest.mark.parametrize(
    ("file_name", "name"),
    [("gpt-3.5", "gpt-3.5"), ("gpt-3.5.tsv", "gpt-3.5"), ("a.b.CSV", "a.b"), ("x.parquet", "x"), ("y.out", "y.out")],
)
def test_a_file_without_a_known_suffix_keeps_its_whole_name(tmp_path: Path, file_name: str, name: str) -> None:
    if file_name.endswith(".parquet"):
        pl.DataFrame({"SCORE": [4], "item_id": ["Q1"], "respondent_id": [1]}).write_parquet(tmp_path / file_name)
    else:
        write(tmp_path / file_name, "item_id,respondent_id,SCORE\nQ1,1,4\n")
    assert read_answers(tmp_path / file_name).name == name


def test_parquet_is_read_as_well_with_scores_as_numbers_or_text(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"SCORE": [4, None], "item_id": ["Q1", "Q2"], "respondent_id": [156070594.0, 1.5], "x": [1, 2]}
    )
    frame.write_parquet(tmp_path / "a.parquet")
    assert rows_of(tmp_path / "a.parquet") == [("Q1", 156070594, 4), ("Q2", None, None)]
    frame.with_columns(pl.col("item_id").cast(pl.Categorical), pl.col("SCORE").cast(pl.String)).write_parquet(
        tmp_path / "b.parquet"
    )
    assert rows_of(tmp_path / "b.parquet") == [("Q1", 156070594, "4"), ("Q2", None, None)]


@pytest.mark.parametrize("text", ["156070594", "156070594.0", "1.56070594E8", " 156070594", "1.56070594e+08"])
def test_ids_written_as_decimals_are_read_exactly(tmp_path: Path, text: str) -> None:
    assert rows_of(write_answers(tmp_path / "a.tsv", [("Q1", text, 4), ("Q1", 7, 4)]))[0][1] == 156070594


@pytest.mark.parametrize("text", ["156070594.5", "P1", "", "9007199254740993.0", "1e300", "nan"])
def test_an_id_that_is_no_exact_whole_number_is_nobody(tmp_path: Path, text: str) -> None:
    assert rows_of(write_answers(tmp_path / "a.tsv", [("Q1", text, 4), ("Q1", 7, 4)]))[0][1] is None


def test_ids_in_32_bit_floats_are_refused_for_they_are_wrong_already(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": ["Q1"], "respondent_id": [156070594.0], "score": [4]})
    frame.with_columns(pl.col("respondent_id").cast(pl.Float32)).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(AnswersError, match="32-bit floats cannot hold respondent ids exactly"):
        read_answers(tmp_path / "a.parquet")


def test_answers_say_which_file_they_came_from(tmp_path: Path) -> None:
    answers = read_answers(write(tmp_path / "gpt-3.5.tsv", "QUESTION_ID\tPARTICIPANT_ID\tSCORE\nQ1\t1\t4\n"))
    assert (answers.name, answers.file_name, answers.size) == ("gpt-3.5", "gpt-3.5.tsv", 40)
    assert answers.sha256 == hashlib.sha256((tmp_path / "gpt-3.5.tsv").read_bytes()).hexdigest()


REFUSED = {
    "": "is empty",
    " \n\n": "is empty",
    "QUESTION_ID\tPARTICIPANT_ID\tSCORE\n": "holds no answers, only a header",
    "QUESTION_ID\tPARTICIPANT\tSCORE\nQ1\t1\t4\n": (
        "no column PARTICIPANT_ID; expected QUESTION_ID, PARTICIPANT_ID and SCORE, "
        "found QUESTION_ID, PARTICIPANT, SCORE"
    ),
    "a,b\n1,2\n": "no column QUESTION_ID and no PARTICIPANT_ID and no SCORE; .* found a, b",
    "QUESTION_ID,PARTICIPANT_ID,SCORE\nQ1,1,4,5\n": "as many fields in every row as in the header",
    "QUESTION_ID,PARTICIPANT_ID,SCORE\nq_1,1,4\nq_2,1,4\n": r"names no known item \(found q_1, q_2\); expected Q1, Q2",
    "PK\x03\x04\0\0": "neither UTF-8 text nor parquet",
    "PAR1 but not really": "cannot be read as parquet",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text)[:30])
def test_a_file_that_cannot_be_scored_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(AnswersError, match=REFUSED[text]) as error:
        read_answers(write(tmp_path / "bad.txt", text))
    assert "\n" not in str(error.value)
    assert "bad.txt" in str(error.value)


def test_bytes_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("QUESTION_ID,PARTICIPANT_ID,SCORE\nQ1,1,très\n".encode("latin-1"))
    with pytest.raises(AnswersError, match="expected UTF-8"):
        read_answers(tmp_path / "latin.csv")


def test_a_folder_and_an_absent_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match="is a folder; expected a file of answers"):
        read_answers(tmp_path)
    with pytest.raises(AnswersError, match="there is no such file"):
        read_answers(tmp_path / "absent.tsv")


def test_scores_that_are_lists_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["Q1"], "respondent_id": [1], "score": [[4]]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(AnswersError, match=r"the answers are of type List.*; expected numbers or text"):
        read_answers(tmp_path / "a.parquet")


SPELLINGS = [
    "4", " 4 ", "4.0", "4e0", "+4", "-4", "4.", ".5", "\t4", "0004", "1E+1", "1_000", "0x10", "True", "inf", "-inf",
    "Infinity", "nan", "-nan", "NA", "None", "", "-", "1e400", "1,234", "４", "1e", "--4", "4 5", "- 4", "4\xa0",
    "99999999999999999999", "1e-3", "32768", "-32769", "#N/A", "four",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "number"), [("3,0", 3.0), (" 2,5", 2.5), ("-1,25", -1.25), ("3,000", None), ("1,2,3", None), (",", None)]
)
def test_a_decimal_comma_is_a_decimal_point_where_it_can_be_nothing_else(text: str, number: float | None) -> None:
    assert read_numbers(pl.Series([text]))[0] == pytest.approx(float("nan") if number is None else number, nan_ok=True)


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_a_file_with_decimal_commas_and_items_in_any_case_is_scored_as_meant(tmp_path: Path, separator: str) -> None:
    comma = write_answers(tmp_path / "comma.csv", [("q1", 101, "3,0"), (" Q2", 102, "2,0")], separator)
    point = write_answers(tmp_path / "point.csv", [("Q1", 101, "3"), ("Q2", 102, "2")], separator)
    of_comma, of_point = (score_answers([read_answers(path)], world_reference()).table for path in (comma, point))
    numbers = pl.selectors.numeric()
    assert of_comma.select(numbers).equals(of_point.select(numbers), null_equal=True)
    assert of_comma["n_answers"].sum() > 0
    assert read_answers(comma).item_ids == ("Q1", "Q2")


def test_an_id_in_another_spelling_is_no_item(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "a.tsv", [("Q1", 101, "1"), ("Q001", 102, "1"), ("Q 1", 103, "1")])
    assert read_answers(path).frame["item_id"].to_list() == ["Q1", None, None]


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_score_is_a_number_exactly_where_pandas_says_so(text: str) -> None:
    found = read_numbers(pl.Series([text]))[0]
    assert found == pytest.approx(pandas_number(text) if pandas_number(text) is not None else float("nan"), nan_ok=True)
    flaw = FLAWS[int(read_ratings(pl.Series([text])).flaw[0])]
    assert (flaw in ("", "not_integer")) == (pandas_number(text) is not None)


def test_scores_read_alike_as_text_and_as_numbers() -> None:
    numbers = pl.Series([4.0, 2.5, None, float("nan"), float("inf"), -1e9, 40000.0])
    as_numbers, as_text = read_ratings(numbers), read_ratings(numbers.cast(pl.String))
    assert as_numbers.rating.tolist() == as_text.rating.tolist() == [4, 2, 0, 0, 0, -32767, 32767]
    assert as_numbers.flaw.tolist() == as_text.flaw.tolist()


def test_boolean_scores_are_no_numbers(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": ["Q111"], "respondent_id": [1], "score": [True]})
    frame.write_parquet(tmp_path / "a.parquet")
    counts = score_answers([read_answers(tmp_path / "a.parquet")], world_reference()).counts
    assert counts["no_number"].to_list() == [1]


def test_a_spreadsheets_unicode_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("QUESTION_ID\tPARTICIPANT_ID\tSCORE\nQ1\t1\t4\n", encoding="utf-16")
    with pytest.raises(AnswersError, match="neither UTF-8 text nor parquet"):
        read_answers(tmp_path / "a.txt")


def test_decimal_columns_of_parquet_are_numbers(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": ["Q1"], "respondent_id": [156070594], "score": [4]})
    frame.with_columns(pl.col("respondent_id", "score").cast(pl.Decimal(20, 2))).write_parquet(tmp_path / "a.parquet")
    assert rows_of(tmp_path / "a.parquet") == [("Q1", 156070594, 4.0)]


@pytest.mark.parametrize("ids", [[[1]], [True], [b"1"]], ids=["lists", "booleans", "bytes"])
def test_ids_that_are_no_numbers_by_type_are_refused(tmp_path: Path, ids: list[object]) -> None:
    pl.DataFrame({"item_id": ["Q1"], "respondent_id": ids, "score": [4]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(AnswersError, match=r"the respondent ids are of type .*; expected whole numbers"):
        read_answers(tmp_path / "a.parquet")


def test_a_file_with_bare_carriage_returns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"QUESTION_ID,PARTICIPANT_ID,SCORE\rQ1,1,4\rQ1,2,3\r")
    with pytest.raises(AnswersError):
        read_answers(tmp_path / "a.csv")
