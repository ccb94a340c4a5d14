"""Answers made elsewhere become a run that holds what their file held, row for row."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from worldvaluesbench._io._folder import check_files
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli._batch import import_answers as import_command
from worldvaluesbench.errors import FolderError, RunError
from worldvaluesbench.runs._folder import ANSWER_COLUMNS
from worldvaluesbench.runs._reasons import COMPLETION_REASONS, OUTCOMES
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._imported import answers_table, import_answers
from worldvaluesbench.scoring.sources._reference import read_humans, respondents_reference, world_reference
from worldvaluesbench.scoring.sources._rows import sort_rows
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()
OUTPUTS = Path(__file__).parents[2] / ".." / "shared" / "published" / "model_outputs"
HEADER = "QUESTION_ID\tPARTICIPANT_ID\tSCORE\n"

ROWS = [
    ("Q1", 101, "1"),
    ("Q1", 102, " 4.0 "),
    ("Q1", 103, "5"),
    ("Q1", 104, ""),
    ("Q1", 105, "rather important"),
    ("Q1", 106, "2.5"),
    ("Q1", 101, "3"),
    ("Q48", 101, "10"),
    ("Q48", 102, "0"),
    ("Q48", "nobody", "7"),
    ("Q999", 101, "1"),
]
READ = [1, 4, "off_scale", "empty", "no_number", "not_integer", 3, 10, "off_scale", 7, None]


def file_of(folder: Path, rows: Sequence[tuple[object, object, object]] = ROWS, name: str = "mine.tsv") -> Path:
    path = folder / name
    path.write_text(HEADER + "".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_row_keeps_what_was_written_and_how_it_reads(tmp_path: Path) -> None:
    import_answers(read_answers(file_of(tmp_path)), tmp_path / "run")
    table = pl.read_parquet(tmp_path / "run" / "answers.parquet")
    assert [row["rating"] or row["unparsed"] for row in table.to_dicts()] == READ
    assert table["raw"].to_list() == [row[2] or None for row in ROWS]
    assert table["item_id"].cast(pl.String).to_list() == [*["Q1"] * 7, *["Q48"] * 3, None]
    assert table["respondent_id"].to_list() == [row[1] if isinstance(row[1], int) else None for row in ROWS]
    assert set(table["unparsed"].drop_nulls()) <= set(COMPLETION_REASONS)
    assert table["coverage"].to_list() == [None if row is None or isinstance(row, str) else 1.0 for row in READ]


def test_the_folder_says_which_file_it_was_and_that_nothing_is_known_of_the_asking(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    manifest = import_answers(read_answers(file), tmp_path / "run", name="a-model")
    assert check_files(tmp_path / "run", "run") == manifest
    content = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert content["name"] == "a-model"
    assert content["settings"] is None
    assert content["dataset"] is None
    assert content["model"] == {"backend": "imported", "model": "a-model"}
    assert content["imported"]["sha256"] == read_answers(file).sha256
    assert content["imported"]["answers_are_in"] == "answers.parquet"
    assert not (tmp_path / "run" / "journal.jsonl").exists()
    assert manifest["unparsed"] == {"off_scale": 2, "empty": 1, "no_number": 1, "not_integer": 1}
    assert (manifest["n_answers"], manifest["imported"]["n_rows"]) == (5, 11)
    assert (manifest["n_requests"], manifest["n_completions"]) == (0, 0)


def test_its_examples_are_the_distinct_pairs_of_the_file(tmp_path: Path) -> None:
    manifest = import_answers(read_answers(file_of(tmp_path)), tmp_path / "run")
    examples = pl.read_parquet(tmp_path / "run" / "examples.parquet")
    pairs = dict.fromkeys((row[0], row[1]) for row in ROWS if row[0] != "Q999" and row[1] != "nobody")
    assert examples.select(pl.col("item_id").cast(pl.String), "respondent_id").rows() == list(pairs)
    assert examples["request"].null_count() == examples.height == manifest["n_examples"]


def test_its_table_has_the_columns_of_every_run_and_what_was_written(tmp_path: Path) -> None:
    import_answers(read_answers(file_of(tmp_path)), tmp_path / "run")
    schema = pl.read_parquet_schema(tmp_path / "run" / "answers.parquet")
    expected = {"item_id": pl.Enum(CODEBOOK.item_ids), **ANSWER_COLUMNS, "raw": pl.String}
    assert list(schema) == list(expected)
    assert all(schema[name] == dtype for name, dtype in expected.items())


def test_no_path_of_the_machine_stands_in_the_folder(tmp_path: Path) -> None:
    import_answers(read_answers(file_of(tmp_path)), tmp_path / "run")
    for name in ("run.json", "manifest.json"):
        assert str(tmp_path) not in (tmp_path / "run" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("by_respondents", [False, True])
def test_scoring_the_run_is_scoring_the_file(
    tmp_path: Path, paper: Dataset, as_published: bool, by_respondents: bool
) -> None:
    people = paper.examples("test", ["Q1", "Q48", "Q106"]).collect()
    written = ["1", "3", "12", "", "2.5", "no", " 2", "-1", "4.0", "1e3"]
    ratings = [written[place % len(written)] for place in range(people.height)]
    rows = list(zip(people["item_id"], people["respondent_id"], ratings, strict=True))
    file = file_of(tmp_path, [*rows, *rows[:5], *ROWS])
    reference = respondents_reference(paper) if by_respondents else world_reference()
    import_answers(read_answers(file), tmp_path / "run", dataset=paper if by_respondents else None)
    theirs, ours = (
        score_answers([answers], reference, as_published=as_published)
        for answers in (read_answers(file), read_answers(tmp_path / "run"))
    )
    assert ours.table.equals(theirs.table, null_equal=True)
    assert ours.counts.equals(theirs.counts, null_equal=True)
    assert theirs.counts["off_scale"].sum() > 0


@pytest.mark.skipif(not OUTPUTS.is_dir(), reason="the published answers are not beside this checkout")
@pytest.mark.parametrize("path", sorted(OUTPUTS.glob("*.tsv")), ids=lambda path: path.stem)
def test_the_published_outputs_imported_give_the_scores_of_their_files(path: Path, tmp_path: Path) -> None:
    manifest = import_answers(read_answers(path), tmp_path / "run")
    table = pl.read_parquet(tmp_path / "run" / "answers.parquet")
    assert table.height == 8280 == manifest["n_examples"]
    for as_published in (False, True):
        theirs, ours = (
            score_answers([answers], world_reference(), as_published=as_published)
            for answers in (read_answers(path), read_answers(tmp_path / "run"))
        )
        assert ours.table.equals(theirs.table, null_equal=True)
        assert ours.counts.equals(theirs.counts, null_equal=True)
    # without `raw` too: a rating that counts is in `rating`, whatever else is written there
    rated = table.filter(pl.col("rating").is_not_null()).select("item_id", "respondent_id", answer="rating")
    by_rating = score_answers([replace(read_answers(path), frame=rated)], world_reference())
    ours = score_answers([read_answers(path)], world_reference())
    of_missing = ["n_missing", "coverage", "left_out", "best", "worst"]
    assert by_rating.table.drop(of_missing).equals(ours.table.drop(of_missing), null_equal=True)


@settings(max_examples=30)
@given(st.lists(st.one_of(st.text(), st.integers().map(str), st.floats().map(str)), min_size=1))
def test_an_answer_is_read_as_scoring_reads_it(written: list[str]) -> None:
    frame = pl.DataFrame(
        {
            "item_id": pl.Series(["Q48"] * len(written), dtype=pl.Enum(CODEBOOK.item_ids)),
            "respondent_id": pl.int_range(len(written), eager=True),
            "answer": pl.Series(written, dtype=pl.String),
        }
    )
    table = answers_table(frame, CODEBOOK)
    rows = sort_rows(Answers("x", "x.tsv", 0, "", frame), read_humans(world_reference(), [CODEBOOK.item("Q48")]))
    expected = [OUTCOMES[outcome] for outcome in rows.outcome]
    assert table["unparsed"].fill_null("valid").to_list() == expected


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int64, pl.UInt16, pl.Float32, pl.Float64, pl.String])
def test_numbers_of_a_parquet_file_read_the_same_whatever_their_type(dtype: type[pl.DataType], tmp_path: Path) -> None:
    frame = pl.DataFrame({"QUESTION_ID": ["Q1", "Q1", "Q1"], "PARTICIPANT_ID": [1, 2, 3]})
    frame.with_columns(SCORE=pl.Series([1, None, 9]).cast(dtype)).write_parquet(tmp_path / "a.parquet")
    import_answers(read_answers(tmp_path / "a.parquet"), tmp_path / "run")
    table = pl.read_parquet(tmp_path / "run" / "answers.parquet")
    assert table["rating"].to_list() == [1, None, None]
    assert table["unparsed"].to_list() == [None, "empty", "off_scale"]


def test_nan_is_no_number(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": ["Q1"], "respondent_id": [1], "rating": [math.nan]})
    frame.write_parquet(tmp_path / "a.parquet")
    import_answers(read_answers(tmp_path / "a.parquet"), tmp_path / "run")
    assert pl.read_parquet(tmp_path / "run" / "answers.parquet")["unparsed"].to_list() == ["no_number"]


def test_a_dataset_says_who_of_them_it_does_not_have(tmp_path: Path, paper: Dataset) -> None:
    known = paper.respondents(["respondent_id"])["respondent_id"][0]
    answers = read_answers(file_of(tmp_path, [("Q1", known, 1), ("Q1", -5, 1), ("Q1", "x", 1)]))
    manifest = import_answers(answers, tmp_path / "run", dataset=paper)
    assert manifest["n_rows_of_unknown_respondents"] == 2
    assert manifest["dataset"] == paper.receipt
    assert manifest["is_invented"]
    strangers = read_answers(file_of(tmp_path, [("Q1", -5, 1)]))
    with pytest.raises(RunError, match=r"mine\.tsv: none of its respondents is in paper; give the dataset"):
        import_answers(strangers, tmp_path / "other", dataset=paper)
    assert not (tmp_path / "other").exists()


def test_a_run_that_is_there_is_replaced_by_force_alone(tmp_path: Path) -> None:
    answers = read_answers(file_of(tmp_path))
    import_answers(answers, tmp_path / "run")
    with pytest.raises(FolderError, match="is not empty"):
        import_answers(answers, tmp_path / "run")
    assert import_answers(answers, tmp_path / "run", name="again", force=True)["name"] == "again"
    with pytest.raises(RunError, match=r"mine\.tsv: the run's name is empty"):
        import_answers(answers, tmp_path / "other", name=" ")


def test_the_command_says_what_was_read_and_where_the_run_lies(tmp_path: Path, paper: Dataset) -> None:
    known = paper.respondents(["respondent_id"])["respondent_id"][0]
    file = file_of(tmp_path, [("Q1", known, 1), ("Q1", known, 99), ("Q1", -5, 1)])
    arguments = [str(file), "--out", str(tmp_path / "run"), "--name", "theirs", "--data", str(paper.folder)]
    done = CliRunner().invoke(import_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert [line.split() for line in done.stdout.splitlines()[1:4]] == [
        ["theirs"],
        ["rows", "ratings", "off_scale"],
        ["3", "2", "1"],
    ]
    assert "SYNTHETIC" in done.stdout
    assert "1 row of respondents whom the dataset does not have." in done.stdout
    assert done.stdout.splitlines()[-1] == f"Run: {tmp_path / 'run'}"


def test_a_run_is_not_imported_again(tmp_path: Path) -> None:
    import_answers(read_answers(file_of(tmp_path)), tmp_path / "run")
    with pytest.raises(RunError, match="is of a run already"):
        import_answers(read_answers(tmp_path / "run"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


COMPLETIONS = [
    ("Q1", 101, '{"answer": 2}', 2),
    ("Q1", 102, "2. Rather important", 2),
    ("q1", 103, "Rather important", 2),
    ("Q1", 104, "<think>3?</think>I would say 4.", 4),
    ("Q1", 105, "2 or 3", "several_numbers"),
    ("Q1", 106, "I'm sorry, but I can't answer that.", "refusal"),
    ("Q1", 107, "", "empty"),
    ("Q1", 108, "7", "off_scale"),
    ("Q999", 109, "2", None),
]


@pytest.mark.parametrize("column", ["SCORE", "completion", "Output"])
def test_completions_are_read_as_those_of_a_run_and_keep_their_reasons(tmp_path: Path, column: str) -> None:
    path = tmp_path / "texts.parquet"
    names = ["QUESTION_ID", "PARTICIPANT_ID", column]
    pl.DataFrame([row[:3] for row in COMPLETIONS], schema=names, orient="row").write_parquet(path)
    done = CliRunner().invoke(import_command, [str(path), "--out", str(tmp_path / "run"), "--completions"])
    assert done.exit_code == 0, done.output
    assert f"Answers read from the column {column}." in done.stdout
    table = pl.read_parquet(tmp_path / "run" / "answers.parquet")
    assert [row["rating"] or row["unparsed"] for row in table.to_dicts()] == [row[3] for row in COMPLETIONS]
    assert table["completion"].to_list() == [row[2] for row in COMPLETIONS]
    assert table["raw"].null_count() == table.height
    content = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert content["imported"]["completions"] == "digits"
    scores = score_answers([read_answers(tmp_path / "run")], world_reference())
    assert scores.counts["valid"].sum() == 4
    assert scores.counts["off_scale"].sum() == 1


def test_completions_name_options_by_the_labels_that_are_said(tmp_path: Path) -> None:
    rows = [("Q1", 101, "B"), ("Q1", 102, "Answer: b"), ("Q1", 103, "B or C"), ("Q1", 104, "2")]
    answers = read_answers(file_of(tmp_path, rows), completions=True)
    import_answers(answers, tmp_path / "run", completions="letters")
    table = pl.read_parquet(tmp_path / "run" / "answers.parquet")
    assert table["rating"].to_list() == [2, 2, None, None]
    assert table["unparsed"].to_list() == [None, None, "several_numbers", "no_number"]


def test_a_column_of_completions_beside_scores_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "both.tsv"
    path.write_text("item_id\trespondent_id\tscore\ttext\nQ1\t101\t4\t2 it is, or 2.\n", encoding="utf-8")
    assert read_answers(path, completions=True).frame["answer"].to_list() == ["2 it is, or 2."]
    assert read_answers(path).frame["answer"].to_list() == ["4"]


def test_texts_that_are_read_as_numbers_are_told(tmp_path: Path) -> None:
    file = file_of(tmp_path, [("Q1", 101, "I would say 2."), ("Q1", 102, "Answer: 3"), ("Q1", 103, "4")])
    done = CliRunner().invoke(import_command, [str(file), "--out", str(tmp_path / "run")], catch_exceptions=False)
    assert "if they are texts as a model wrote them, import them with --completions." in done.stdout


def test_labels_without_completions_are_refused(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    done = CliRunner().invoke(import_command, [str(file), "--out", str(tmp_path / "run"), "--labels", "words"])
    assert done.exit_code != 0
    assert "--labels says how completions name the options; give it with --completions." in done.output
    assert not (tmp_path / "run").exists()
