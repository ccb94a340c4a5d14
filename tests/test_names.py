"""Names of other people: what cannot be shown is refused where it enters, and what is shown is obeyed by nothing."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.cli.test_commands import Capture, refusal, run
from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench._io._folder import parse_json, write_json
from worldvaluesbench._io._names import check_name, find_twice, name_key, name_problem, printable
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring._scores import write_tables
from worldvaluesbench.scoring.sources._answers import read_answers

FINE = [
    *("gpt-4o+demographics", "org/model:7b", "llama 3.1 (8B) [int4]", "$x_$", r"\frac{a}{b}", "a|b", "<b>", "50%"),
    *("Żółw", "模型", "שלום", "model😀", "e\u0301" * 3, "007", "null", "x" * 200),
]
REFUSED = {
    "": "has no letter and no digit",
    "...": "has no letter and no digit",
    "/": "has no letter and no digit",
    "🙂": "has no letter and no digit",
    "a\0b": "U+0000 at place 2",
    "a\x1b[31mb": "U+001B at place 2",
    "a\x9b31mb": "U+009B",
    "a\nb": "U+000A",
    "a\tb": "U+0009",
    "a\rb": "U+000D",
    "a\u202eb": "U+202E",
    "a\u200bb": "U+200B",
    "a\u2028b": "U+2028",
    "a\ue000b": "U+E000",
    "a\ud800b": "U+D800",
    "a\uffffb": "U+FFFF",
    "a" + "\u0301" * 7: "more than 6 combining marks",
    "x" * 10_000: "has 10,000 characters, expected at most 200",
    " a": "begins or ends with a space",
    "=1+1": "begins with '='",
    "-a": "begins with '-'",
    "+a": "begins with '+'",
    "@a": "begins with '@'",
    "constructor": "is a word that figures cannot show",
    "__proto__": "is a word that figures cannot show",
}
DIRECTIONS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("name", FINE)
def test_a_name_that_can_be_shown_is_taken(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(("name", "why"), REFUSED.items(), ids=ascii)
def test_a_name_that_cannot_be_shown_is_refused_in_one_printable_line(name: str, why: str) -> None:
    with pytest.raises(AnswersError) as told:
        check_name(name, "a\x1b.tsv", AnswersError, advice="rename the file")
    said = str(told.value)
    assert why in said
    assert said.startswith(r"a\x1b.tsv: the name '")
    assert said.endswith("; rename the file.")
    assert said.isprintable()
    assert len(said) < 200


def test_a_model_may_begin_as_some_do() -> None:
    assert name_problem("@cf/meta/llama-3.1-8b", is_model=True) is None
    assert name_problem("@cf\n", is_model=True) is not None


def test_names_that_look_exactly_alike_are_one_name() -> None:
    assert find_twice(["Caf\u00e9", "cafe", "Cafe\u0301"]) == "Caf\u00e9"
    assert find_twice(["Caf\u00e9", "caf\u00e9"]) is None
    assert name_key("Caf\u00e9") == name_key("CAFE\u0301")


def test_answers_have_a_name_that_can_be_shown_however_they_are_made(tmp_path: Path) -> None:
    answers = read_answers(write_answers(tmp_path / "fine.tsv", [("Q1", 101, 1)]))
    for name in REFUSED:
        with pytest.raises(AnswersError, match=re.escape("fine.tsv: the name ")):
            replace(answers, name=name)


def test_controls_of_terminals_are_shown_and_not_obeyed() -> None:
    text = "é 模型 \u200e\x1b]0;title\x07\x9b2J\r\u202e\ud800\n"
    assert printable(text) == "é 模型 \u200e\\x1b]0;title\\x07\\x9b2J\\r\\u202e\\ud800\\n"
    assert printable(text, keep="\n").endswith("\\ud800\n")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with twelve people, `wvs`, and a file of answers for them."""
    monkeypatch.chdir(tmp_path)
    make_dataset(tmp_path / "wvs", {"Q1": [1, 2, 3, 4] * 3})
    return write_answers(tmp_path / "fine.tsv", [("Q1", person, 1) for person in range(101, 113)])


JUDGED = ("--data", "wvs", "--min-n", "1", "--resamples", "20", "--out", "out")


@pytest.mark.parametrize(
    "name", ["a\x1b[31mb", "a\nb", "a\u202eb", "=1+1", "constructor", "a\udcffb", "a" + "\u0301" * 9]
)
@pytest.mark.parametrize("command", ["score", "compare"])
def test_a_file_of_answers_with_such_a_name_is_refused_in_a_line(
    workplace: Path, capsys: Capture, command: str, name: str
) -> None:
    path = workplace.with_name(f"{name}.tsv")
    workplace.rename(path)
    said = refusal(capsys, command, f"./{name}.tsv", *JUDGED)
    assert "; rename the file." in said
    assert not DIRECTIONS.search(said)
    assert sorted(one.name for one in workplace.parent.iterdir()) == sorted([path.name, "wvs"])


def test_a_run_is_given_no_such_name(workplace: Path, capsys: Capture) -> None:
    for command in (("import-answers", "fine.tsv", "--out", "run", "--name", "a\x1b[2Jb"),):
        said = refusal(capsys, *command)
        assert r"fine.tsv: the run's name 'a\x1b[2Jb' has the character U+001B at place 2" in said
        assert "choose another with --name" in said
    assert not Path("run").exists()


@pytest.mark.parametrize(("key", "what"), [("name", "the name"), ("model", "the model's name")])
def test_a_run_folder_of_somebody_else_with_such_a_name_is_refused(
    workplace: Path, capsys: Capture, key: str, what: str
) -> None:
    assert run("import-answers", "fine.tsv", "--out", "run") == 0
    content = json.loads(Path("run/run.json").read_text())
    content |= {"name": "a\x9bb"} if key == "name" else {"model": content["model"] | {"model": "a\x9bb"}}
    write_json(Path("run/run.json"), content)
    capsys.readouterr()
    for command in ("score", "compare"):
        assert rf"run/answers.parquet: {what} 'a\x9bb' has the character U+009B" in refusal(
            capsys, command, "run", *JUDGED
        )


def test_a_folder_whose_name_is_no_text_can_be_scored(workplace: Path) -> None:
    """Its run has a name of its own; that of the folder stands in a receipt alone."""
    folder = "run\udcff\x1b"
    assert run("import-answers", "fine.tsv", "--out", "run") == 0
    Path("run").rename(folder)
    assert run("score", folder, *JUDGED) == 0
    (said,) = json.loads(Path("out/manifest.json").read_text())["answers"]
    assert said["file"] == r"run\udcff\x1b/answers.parquet"


def test_nothing_is_written_where_a_name_is_no_text(workplace: Path, capsys: Capture) -> None:
    for out in ("out\udcff", "out\x1b[2J", "a\nb/out"):
        said = refusal(capsys, "score", "fine.tsv", *JUDGED[:-1], out)
        assert "has characters that are no text; choose another name." in said
        said = refusal(capsys, "bundle", "fine.tsv", "--out", f"{out}.zip")
        assert "has characters that are no text; choose another name." in said
    assert sorted(path.name for path in workplace.parent.iterdir()) == ["fine.tsv", "wvs"]


def test_a_survey_file_whose_name_is_no_text_is_written_down_and_read_again(tmp_path: Path) -> None:
    write_json(tmp_path / "said.json", {"file": "a\udcff.csv", "quote": '"é"'})
    assert parse_json((tmp_path / "said.json").read_text(encoding="utf-8")) == {"file": "a\udcff.csv", "quote": '"é"'}


def test_what_a_terminal_is_shown_holds_no_controls(workplace: Path, capsys: Capture) -> None:
    """A column of a stranger's file names itself in what is printed."""
    text = workplace.read_text().replace("SCORE", "\x1b]0;owned\x07SCORE\x9b")
    workplace.write_text(text)
    column = "\x1b]0;owned\x07SCORE\x9b"
    assert run("score", "fine.tsv", *JUDGED, "--answer-column", column) == 0
    shown = capsys.readouterr()
    assert r"read from the column \x1b]0;owned\x07SCORE\x9b." in shown.out
    assert run("score", "fine.tsv", *JUDGED[:-1], "again", "--json", "--answer-column", column) == 0
    shown_json = capsys.readouterr().out
    assert json.loads(shown_json)["answers"][0]["answer_column"] == column
    wrong = refusal(capsys, "score", "fine.tsv", *JUDGED[:-1], "none")
    assert run("score", "fine.tsv", "--by", "\x1b[2J", *JUDGED) in (1, 2)
    for said in (shown.out, shown.err, shown_json, wrong, capsys.readouterr().err):
        assert not DIRECTIONS.search(said), said


def test_no_spreadsheet_computes_what_a_csv_file_says(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain", "a=b", "", None]
    table = pl.DataFrame({"model": texts, "difference": [-0.5] * len(texts)})
    write_tables({"demographics": table}, tmp_path)
    with (tmp_path / "demographics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["model"] for row in rows] == [f"'{text}" for text in texts[:6]] + ["plain", "a=b", "", ""]
    assert {row["difference"] for row in rows} == {"-0.5"}
    assert pl.read_parquet(tmp_path / "demographics.parquet")["model"].to_list() == texts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "says 'a' twice"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": -Infinity}', "holds -Infinity"),
        ('{"a": 1e999}', "holds 1e999"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ('{"a": 1', "Expecting"),
    ],
)
def test_json_that_two_readers_could_read_in_two_ways_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_json(text)
