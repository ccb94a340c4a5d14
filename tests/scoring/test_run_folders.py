"""Run folders are read whole or refused in one line, and scores say which run they are of."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, answers_table, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli import main
from worldvaluesbench.errors import AnswersError, RunError, WorldValuesBenchError
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import scores_document
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference, world_reference

ROWS = [
    Row("Q1", 101, rating=1),
    Row("Q1", 102, unparsed="refusal"),
    Row("Q2", 101, probabilities=[0.5, 0.5, 0.0, 0.0]),
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("people") / "dataset", {"Q1": [1, 4], "Q2": [2, 5]})


def message_of(call: Callable[[], object], error: type[WorldValuesBenchError]) -> str:
    with pytest.raises(error) as raised:
        call()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_page_names_every_column_of_a_runs_answers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page.split("### answers.parquet\n", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE))
    assert named == {*answers_table(ROWS).columns, "raw"}


def test_a_run_goes_by_the_name_it_was_given_or_by_that_of_its_folder(people: Dataset, tmp_path: Path) -> None:
    assert read_answers(make_run(tmp_path / "folder", ROWS, people, name="given")).name == "given"
    assert read_answers(make_run(tmp_path / "other", ROWS, people, name=None)).name == "other"


def test_scores_name_their_sources(people: Dataset, tmp_path: Path) -> None:
    settings = make_settings(method="token_probs", orders=2)
    described: dict[str, Any] = {
        "settings": settings.describe(),
        "name": "mine",
        "model": {"backend": "hosted", "model": "gpt-4o"},
    }
    run = make_run(tmp_path / "run", ROWS, people, **described)
    file = write_answers(tmp_path / "file.tsv", [("Q1", 101, 1)])
    scores = score_answers([read_answers(path) for path in (run, file)], respondents_reference(people))
    of_run, of_file = scores_document(scores)["answers"]
    assert (of_file["name"], of_file["kind"], of_file["file"], of_file["run"]) == ("file", "file", "file.tsv", None)
    assert (of_run["name"], of_run["kind"], of_run["file"]) == ("mine", "run", "run/answers.parquet")
    assert of_run["size"] == (run / "answers.parquet").stat().st_size
    about = of_run["run"].pop("about")
    assert (about["model"], about["settings"]) == (described["model"], settings.describe())
    assert of_run["run"] == {
        "model": "gpt-4o",
        "method": "token_probs",
        "fingerprint": settings.fingerprint,
        "dataset": people.receipt,
        "n_examples": 2,
        "is_invented": True,
        "is_partial": False,
    }


def test_an_unfinished_run_is_refused(people: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS, people, is_finished=False)
    message = message_of(lambda: read_answers(run), RunError)
    assert "is not finished; finish it with `wvb ask`" in message
    assert "--partial" in message


def test_a_part_of_an_unfinished_run_can_be_scored_and_is_marked(people: Dataset, tmp_path: Path) -> None:
    answers = read_answers(make_run(tmp_path / "run", ROWS, people, is_finished=False), partial=True)
    scores = score_answers([answers], respondents_reference(people))
    assert scores_document(scores)["answers"][0]["run"]["is_partial"] is True
    assert scores.table["n_responses"].to_list() == [1, 1]
    whole = read_answers(make_run(tmp_path / "whole", ROWS, people), partial=True)
    assert whole.describe()["run"]["is_partial"] is False


def test_a_run_without_a_table_of_answers_is_refused(people: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", None, people, is_finished=False)
    assert "has no answers.parquet yet; go on with `wvb ask`" in message_of(
        lambda: read_answers(run, partial=True), RunError
    )


OTHER_DATASETS: dict[str, dict[str, Any]] = {
    "edition paper, not corrected": {"edition": "corrected"},
    "file_version 5.0, not 6.0": {"file_version": "6.0"},
    "n_respondents 2, not 3": {"n_respondents": 3},
    "survey file by_hand.csv, not other.csv": {"source": {"name": "other.csv", "sha256": "1"}},
    "survey file by_hand.csv by name, but with other content": {"source": {"name": "by_hand.csv", "sha256": "1"}},
}


@pytest.mark.parametrize("difference", OTHER_DATASETS)
def test_a_run_of_an_earlier_version_is_refused_where_its_dataset_came_from_another_file(
    difference: str, people: Dataset, tmp_path: Path
) -> None:
    other = Dataset(people.folder, {**people.manifest, **OTHER_DATASETS[difference]}, people.codebook)
    run = make_run(tmp_path / "run", ROWS, people)
    said = json.loads((run / "run.json").read_text(encoding="utf-8"))
    del said["dataset"]["identity"]
    (run / "run.json").write_text(json.dumps(said), encoding="utf-8")
    answers = read_answers(run)
    message = message_of(lambda: score_answers([answers], respondents_reference(other)), RunError)
    assert message.startswith("run: the run was made from another dataset than ")
    assert difference in message


@pytest.mark.parametrize(
    "same",
    [
        {"worldvaluesbench": "0.0.1"},
        {"source": {"name": "renamed.csv", "size": 0, "sha256": ""}},
        {"source": {"name": "other.sav", "size": 1, "sha256": "1"}, "file_version": None},
    ],
)
def test_a_dataset_built_again_or_from_a_file_in_another_format_is_the_same(
    same: dict[str, Any], people: Dataset, tmp_path: Path
) -> None:
    again = Dataset(people.folder, {**people.manifest, **same}, people.codebook)
    answers = read_answers(make_run(tmp_path / "run", ROWS, people))
    assert score_answers([answers], respondents_reference(again)).table.height == 2


def test_against_the_world_any_run_is_scored_and_its_mark_of_invention_carries_over(
    people: Dataset, tmp_path: Path
) -> None:
    invented = read_answers(make_run(tmp_path / "invented", ROWS, people))
    real = read_answers(make_run(tmp_path / "real", ROWS, people, is_invented=False))
    assert score_answers([real], world_reference()).is_invented is False
    document = scores_document(score_answers([real, invented], world_reference()))
    assert (document["is_invented"], document["reference"]["is_invented"]) == (True, False)


def test_names_that_two_share_are_refused(people: Dataset, tmp_path: Path) -> None:
    run = read_answers(make_run(tmp_path / "a" / "same", ROWS, people))
    other = read_answers(make_run(tmp_path / "b" / "same", ROWS, people))
    file = read_answers(write_answers(tmp_path / "same.tsv", [("Q1", 101, 1)]))
    message = message_of(lambda: score_answers([run, file], world_reference()), AnswersError)
    assert "Two of the runs and files are called 'same'; rename the file" in message
    message = message_of(lambda: score_answers([run, other], world_reference()), AnswersError)
    assert "Two runs are called 'same'; score them apart" in message
    named = read_answers(make_run(tmp_path / "run", ROWS, people, name="majority"))
    message = message_of(lambda: score_answers([named], world_reference()), AnswersError)
    assert "'majority' is the name of a baseline; rename the run" in message


SPOILT_TABLES: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "no rows": ("holds no answers", lambda table: table.clear()),
    "no columns": ("no column order and no unparsed;", lambda table: table.drop("order", "unparsed")),
    "text for ids": ("cannot be read as the answers of a run", lambda t: t.with_columns(respondent_id=pl.lit("x"))),
    "a reason of the future": (
        "this version does not know the reason 'telepathy'; expected one of empty, no_number",
        lambda table: table.with_columns(pl.col("unparsed").replace("refusal", "telepathy")),
    ),
    "nothing in a row": (
        "row 2 has not just one of rating, probabilities and unparsed",
        lambda table: table.with_columns(unparsed=pl.lit(None, dtype=pl.String)),
    ),
    "two things in a row": (
        "row 3 has not just one of rating, probabilities and unparsed",
        lambda table: table.with_columns(rating=pl.when(pl.col("unparsed").is_null()).then(1)),
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT_TABLES)
def test_a_table_that_is_not_as_documented_is_refused(spoilt: str, people: Dataset, tmp_path: Path) -> None:
    expected, spoil = SPOILT_TABLES[spoilt]
    run = make_run(tmp_path / "run", spoil(answers_table(ROWS)), people)
    assert expected in message_of(lambda: read_answers(run), AnswersError)


@pytest.mark.parametrize(
    "probabilities", [[0.5, 0.5], [0.0] * 4, [-0.1, 1.1, 0.0, 0.0], [float("nan")] * 4, [None, 1.0, 0.0, 0.0], []]
)
def test_probabilities_that_are_no_shares_of_the_scale_are_refused(
    probabilities: list[float], people: Dataset, tmp_path: Path
) -> None:
    rows = [*ROWS, Row("Q2", 102, probabilities=probabilities)]
    run = make_run(tmp_path / "run", rows, people)
    assert "the probabilities of row 4 are no shares of the scale points of Q2" in message_of(
        lambda: read_answers(run), AnswersError
    )


def test_a_table_changed_after_the_run_was_finished_is_refused(people: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS, people)
    answers_table(ROWS[:1]).write_parquet(run / "answers.parquet")
    assert "was changed since the run was finished" in message_of(lambda: read_answers(run), WorldValuesBenchError)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "cannot be read as JSON"),
        ('{"kind": "probe"}', "does not describe a run"),
        ('{"kind": "run", "settings": {}, "dataset": {}}', "says nothing of its model"),
        ('{"kind": "run", "settings": [], "dataset": {}, "model": {}}', "says nothing of its settings"),
    ],
)
def test_a_damaged_description_is_refused(text: str, expected: str, people: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS, people)
    (run / "run.json").write_text(text)
    assert expected in message_of(lambda: read_answers(run), RunError)


def test_the_table_of_a_run_is_not_taken_for_a_file_of_answers(people: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS, people)
    assert "is the table of a run; give the folder" in message_of(
        lambda: read_answers(run / "answers.parquet"), AnswersError
    )


def test_another_folder_is_no_run(people: Dataset) -> None:
    message = message_of(lambda: read_answers(people.folder), AnswersError)
    assert "is a folder; expected a file of answers (csv, tsv or parquet), or a run folder" in message


def test_the_command_scores_runs_and_files_in_any_mix(
    people: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", ROWS, people, name="asked")
    part = make_run(tmp_path / "part", ROWS[:1], people, is_finished=False)
    file = write_answers(tmp_path / "file.tsv", [("Q1", 101, 1)])
    command = ["score", "--data", str(people.folder), "--out", str(tmp_path / "out"), str(run), str(file)]
    with pytest.raises(SystemExit) as stopped:
        main([*command, str(part)])
    assert stopped.value.code == 1
    assert "part: the run is not finished" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--partial"])
    assert not stopped.value.code
    shown = capsys.readouterr().out
    for text in ("asked", "file", "refusal", "SYNTHETIC"):
        assert text in shown
    sources = json.loads((tmp_path / "out" / "scores.json").read_text())["answers"]
    assert [(one["name"], one["kind"]) for one in sources] == [("asked", "run"), ("file", "file")]
