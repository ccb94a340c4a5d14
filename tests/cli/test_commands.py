"""The commands: each says where its result lies, and refuses bad input in one line with exit code 1."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli import COMMANDS, main
from worldvaluesbench.cli._terminal import _fitting, bar, cell_text, progress_bar, spark, table
from worldvaluesbench.survey._catalogue import catalogue_of
from worldvaluesbench.survey._codebook import load_codebook


def run(*arguments: object) -> int:
    """Run `wvb` in this process and return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


BATCH = (("batch", "export"), ("batch", "import"))
Capture = pytest.CaptureFixture[str]


def refusal(capsys: Capture, *arguments: object) -> str:
    """The one line on standard error with which `wvb` refuses."""
    assert run(*arguments) == 1
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1, shown.err
    assert shown.err.startswith("wvb: ")
    return shown.err


@pytest.mark.parametrize(
    "command",
    [(), *((name,) for section in COMMANDS.values() for name in section), *BATCH],
)
def test_help_describes_every_option_in_80_columns(capsys: Capture, command: Sequence[str]) -> None:
    assert run(*command, "--help") == 0
    shown = capsys.readouterr().out
    assert "Usage: wvb" in shown
    assert max(map(len, shown.splitlines())) <= 80
    options = shown[re.search(r"^\w.*:$", shown, re.MULTILINE).start() :]  # type: ignore[union-attr]
    for start in re.finditer(r"^  (-\S.*)$", options, re.MULTILINE):
        following = options[start.end() + 1 :].splitlines()
        # the description begins after two blanks, or in the next line
        described = "  " in start[1].strip() or (following and following[0].startswith("      "))
        assert described, start[1]


def test_the_help_of_wvb_says_what_the_commands_say() -> None:
    for name, (module, text) in ((name, home) for section in COMMANDS.values() for name, home in section.items()):
        command = getattr(import_module(f"worldvaluesbench.cli.{module}"), name.replace("-", "_"))
        assert " ".join(command.help.split("\n\n")[0].split()) == text


def test_a_mistyped_command_or_option_gets_a_suggestion(capsys: Capture) -> None:
    assert run("scroe", "a.tsv") == 2
    assert "score" in capsys.readouterr().err
    assert run("score", "a.tsv", "--resample", "3", "--out", "o") == 2
    assert "--resamples" in capsys.readouterr().err


def test_options_can_stand_in_a_file(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    answers = write_answers(paper, tmp_path / "one.tsv")
    config = tmp_path / "score.toml"
    shared = f'data = "{paper.folder}"\nby = ["continent", "Q260"]\n'
    config.write_text(f'{shared}resamples = 7\n[score]\nmin-n = 12\n[compare]\nkind = ["one=with"]\n')
    assert run("score", answers, "--config", config, "--out", tmp_path / "a") == 0
    made = json.loads((tmp_path / "a" / "manifest.json").read_text())["settings"]
    assert (made["groupings"], made["resampling"]["n"], made["min_n"]) == (["continent", "Q260"], 7, 12)
    assert run("score", answers, "--config", config, "--resamples", 9, "--out", tmp_path / "b") == 0
    assert json.loads((tmp_path / "b" / "manifest.json").read_text())["settings"]["resampling"]["n"] == 9
    for text, message in (("resample = 7", "did you mean resamples?"), ("= 1", "cannot be read as TOML")):
        config.write_text(text)
        capsys.readouterr()
        assert run("score", answers, "--config", config, "--out", tmp_path / "c") == 2
        assert message in capsys.readouterr().err
    config.write_text('resamples = "many"')
    assert run("score", answers, "--config", config, "--out", tmp_path / "c") == 2
    assert not (tmp_path / "c").exists()


def test_former_commands_are_options_now(capsys: Capture, paper: Dataset) -> None:
    assert run("plan", paper.folder, "--split", "test", "--items", "Q1") == 0
    planned = capsys.readouterr().out
    assert "distinct request" in planned
    assert run("ask", paper.folder, "--split", "test", "--items", "Q1", "--dry-run") == 0
    assert capsys.readouterr().out == planned


def test_a_wrong_call_exits_with_2(capsys: Capture, tmp_path: Path) -> None:
    assert run("nonsense") == 2
    assert run("score", tmp_path / "a.tsv", "--out", tmp_path / "o") == 2
    assert "--data DIR, or --reference world" in capsys.readouterr().err
    assert run("score", "--reference", "world", "--out", tmp_path / "o") == 2
    assert run("build", tmp_path / "a.csv") == 2


def test_the_version_is_told(capsys: Capture) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("worldvaluesbench 0.")


def test_items_lists_all_by_topic(capsys: Capture) -> None:
    assert run("items") == 0
    shown = capsys.readouterr().out
    assert "239 items" in shown
    for topic in load_codebook().topics:
        assert topic in shown


def test_items_are_found_by_topic_and_search(capsys: Capture) -> None:
    assert run("items", "--topic", "ethical", "--search", "euthanasia") == 0
    shown = capsys.readouterr().out
    assert "Q188" in shown
    assert "1 item." in shown
    assert "No item matches topic '' and search 'zzz'" in refusal(capsys, "items", "--search", "zzz")


def test_an_item_is_shown_with_scale_labels_recodes_and_the_world(capsys: Capture) -> None:
    assert run("items", "Q56") == 0
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    # world shares from the marginals: 1 better off, then (raw 3) about the same, then (raw 2) worse off
    table = [line for line in lines if line and line[0] in ("1", "2", "3")]
    assert [" ".join(line[1:-2]) for line in table] == ["Better off", "About the same", "Worse off"]
    assert "█" in shown
    assert "Code 2 of the survey file becomes 3." in shown
    assert "file version 5, unweighted" in shown
    assert "no item or attribute 'Q999'" in refusal(capsys, "items", "Q999")


def test_attributes_are_listed_and_shown(capsys: Capture) -> None:
    assert run("items", "--attributes") == 0
    shown = capsys.readouterr().out
    for attribute in load_codebook().attributes:
        assert attribute.attribute_id in shown
    assert "education_level" in shown
    assert run("items", "q260", "Continent", "Q262", "N_TOWN") == 0
    shown = capsys.readouterr().out
    for text in ("Female", "Oceania", "A number that means itself (age), 0 to 120", "more; all are in attributes.json"):
        assert text in shown


def test_a_table_too_wide_is_shown_in_parts_and_no_number_is_broken(capsys: Capture) -> None:
    assert _fitting([4, 10, 10, 10], 1, 30) == [[0, 1, 2], [0, 3]]
    assert _fitting([40, 10, 10], 1, 30) == [[0, 1], [0, 2]]
    assert _fitting([4], 1, 30) == [[0]]
    names = [f"model-number-{n}" for n in range(40)]
    table(("item", *names), [("Q1", *(n / 1000 for n in range(40)))])
    shown = capsys.readouterr().out
    assert all(name in shown and f"{n / 1000:.3f}" in shown for n, name in enumerate(names))


def test_inspect_says_what_a_file_is(capsys: Capture, survey_csv: Path) -> None:
    assert run("inspect", survey_csv) == 0
    shown = capsys.readouterr().out
    for text in (
        "SYNTHETIC",
        "file version 5.0, standard edition",
        "64 countries",
        "239 present, 0 absent",
        "858069901",
    ):
        assert text in shown
    assert "Codes not in the codebook: none" in shown


def test_build_prints_table_1_and_what_corrected_would_change(
    capsys: Capture, survey_csv: Path, tmp_path: Path
) -> None:
    assert run("build", survey_csv, "--out", tmp_path / "d") == 0
    shown = capsys.readouterr().out
    counts = json.loads((tmp_path / "d" / "manifest.json").read_text())["counts"]
    for count in counts:
        assert f"{count['n_examples']:,}" in shown
    assert "Edition corrected would keep" in shown
    assert "SYNTHETIC" in shown
    assert "give --force to replace" in refusal(capsys, "build", survey_csv, "--out", tmp_path / "d")
    assert run("build", survey_csv, "--out", tmp_path / "d", "--force", "--edition", "corrected") == 0
    assert json.loads((tmp_path / "d" / "manifest.json").read_text())["edition"] == "corrected"


def test_build_takes_wordings_in_the_published_shape(capsys: Capture, survey_csv: Path, tmp_path: Path) -> None:
    catalogue = catalogue_of(load_codebook())
    catalogue["Q1"]["question"] = "Is family important?"
    (tmp_path / "words.json").write_text(json.dumps(catalogue))
    assert run("build", survey_csv, "--out", tmp_path / "d", "--wordings", tmp_path / "words.json") == 0
    items = json.loads((tmp_path / "d" / "items.json").read_text())
    assert items[0]["question"] == "Is family important?"
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    assert manifest["wordings"]["name"] == "words.json"
    (tmp_path / "bad.json").write_text("{}")
    message = refusal(capsys, "build", survey_csv, "--out", tmp_path / "e", "--wordings", tmp_path / "bad.json")
    assert "bad.json: no known item" in message
    assert not (tmp_path / "e").exists()


EXAMPLES = ("export", "--format", "examples")


def test_examples_are_written(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "test.parquet"
    assert (
        run(
            "export",
            paper.folder,
            "--format",
            "examples",
            "--split",
            "test",
            "--out",
            out,
            "--attributes",
            "B_COUNTRY,Q275",
        )
        == 0
    )
    table = pl.read_parquet(out)
    assert table.columns == ["respondent_id", "B_COUNTRY", "Q275", "item_id", "response"]
    assert f"{table.height:,} examples of test" in capsys.readouterr().out
    assert "exists already" in refusal(capsys, *EXAMPLES, paper.folder, "--out", out)
    message = refusal(
        capsys, "export", paper.folder, "--format", "examples", "--out", tmp_path / "o.parquet", "--attributes", "sex"
    )
    assert "There is no attribute 'sex'" in message
    twice = ("--attributes", "Q275,Q275", "--force")
    assert run(*EXAMPLES, paper.folder, "--split", "test", "--out", out, *twice) == 0
    assert run(*EXAMPLES, paper.folder, "--out", tmp_path / "o.csv") == 2
    assert "expected the name of a .parquet file" in capsys.readouterr().err
    message = refusal(
        capsys, "export", paper.folder, "--format", "examples", "--out", paper.folder / "responses.parquet", "--force"
    )
    assert "would stand in a result folder" in message


def test_export_probe_and_verify_go_together(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    assert run("export", paper.folder, "--format", "tsv", "--out", tmp_path / "published") == 0
    assert (tmp_path / "published" / "test" / "test_value_qa.tsv").exists()
    assert run("probe", paper.folder, "--out", tmp_path / "probe") == 0
    shown = capsys.readouterr().out
    assert "education_level" in shown
    assert "36 items, 5 of each cell with at least 6" in shown
    samples = tmp_path / "probe" / "samples.tsv"
    assert run("inspect", paper.folder, "--samples", samples) == 0
    assert "Row for row what `wvb probe --spec paper36` draws" in capsys.readouterr().out


def test_verify_exits_with_1_where_something_differs(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    header = "Question\tQuestion Category\tContinent\tUrban / Rural\tEducation\tD_INTERVIEW\n"
    (tmp_path / "s.tsv").write_text(header + "Q1\tx\tAsia\tUrban\tTertiary\t1\n")
    assert run("inspect", paper.folder, "--samples", tmp_path / "s.tsv") == 1
    shown = capsys.readouterr().out
    assert "Some rows differ" in shown
    assert "row 2: Q1, 1 (Asia, Urban, Tertiary); the dataset has no such person" in shown


def test_probe_takes_a_specification_of_ones_own(capsys: Capture, corrected: Dataset, tmp_path: Path) -> None:
    spec = tmp_path / "mine.toml"
    spec.write_text('items = ["Q1", "Q2"]\ncross = ["Q260"]\nper_cell = 4\nseed = 3\n')
    assert run("probe", corrected.folder, "--spec", spec, "--out", tmp_path / "probe") == 0
    shown = capsys.readouterr().out
    assert "16 examples: 2 items, 4 of each cell" in shown
    assert "Female" in shown


def write_answers(dataset: Dataset, path: Path) -> Path:
    test = dataset.examples("test", ["Q1", "Q48"]).collect()
    test.select(
        pl.col("item_id").cast(pl.String).alias("QUESTION_ID"), PARTICIPANT_ID="respondent_id", SCORE=pl.lit(2)
    ).write_csv(path, separator="\t")
    return path


def test_score_takes_several_files_and_prints_a_table(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    first, second = write_answers(paper, tmp_path / "one.tsv"), write_answers(paper, tmp_path / "two.tsv")
    arguments = ("--data", paper.folder, "--by", "H_URBRURAL,continent*Q260", "--out", tmp_path / "scores")
    assert run("score", first, second, *arguments) == 0
    shown = capsys.readouterr().out
    for text in ("one", "two", "uniform", "majority", "Africa · Female", "SYNTHETIC", "Q48"):
        assert text in shown
    tables = (
        "attainment",
        "counts",
        "distances",
        "distributions",
        "groupings",
        "individuals",
        "individuals_summary",
        "nonresponse",
        "scores",
        "summary",
    )
    files = [f"{name}.{kind}" for name in tables for kind in ("csv", "parquet")]
    found = {path.name for path in (tmp_path / "scores").iterdir()}
    assert found == {*files, "manifest.json", "scores.json", "summary.tex"}


def test_score_against_the_world_needs_no_dataset(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    answers = write_answers(paper, tmp_path / "one.tsv")
    assert run("score", answers, "--reference", "world", "--out", tmp_path / "scores", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert document["is_invented"] is False
    message = refusal(capsys, "score", answers, "--reference", "world", "--by", "Q260", "--out", tmp_path / "o")
    assert "need respondents" in message


def test_score_warns_where_no_row_counts(capsys: Capture, paper: Dataset, tmp_path: Path) -> None:
    (tmp_path / "junk.tsv").write_text("QUESTION_ID\tPARTICIPANT_ID\tSCORE\nQ1\t1\t2\n")
    assert run("score", tmp_path / "junk.tsv", "--data", paper.folder, "--out", tmp_path / "scores") == 0
    assert "warning: no row of junk is valid" in capsys.readouterr().err


def test_a_terminal_without_bars_gets_question_marks(survey_csv: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "worldvaluesbench", "items", "Q56"]
    shown = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"Better off" in shown.stdout


def test_synthetic_writes_what_the_extension_says(capsys: Capture, tmp_path: Path) -> None:
    assert run("synthetic", "--respondents", 200, "--seed", 3, "--out", tmp_path / "s.parquet") == 0
    assert pl.read_parquet(tmp_path / "s.parquet").height == 200
    assert "SYNTHETIC" in capsys.readouterr().out
    assert "s.docx" in refusal(capsys, "synthetic", "--out", tmp_path / "s.docx")


def test_the_demonstration_leaves_what_it_says(capsys: Capture, tmp_path: Path) -> None:
    assert run("demo", "--respondents", 3000, "--out", tmp_path / "demo") == 0
    shown = capsys.readouterr().out
    for name in ("survey.csv", "dataset", "results", "baselines", "fits", "world_baselines.csv"):
        assert name in shown
        assert (tmp_path / "demo" / name).exists()
    page = tmp_path / "demo" / "results" / "report" / "report.html"
    assert str(page) in shown
    assert "INVENTED PEOPLE" in page.read_text()
    names = "uniform  majority  marginal   cell  trees  human  noise floor"
    assert names.split() in [line.split() for line in shown.splitlines()]
    world = pl.read_csv(tmp_path / "demo" / "world_baselines.csv")
    assert world.height == 238
    summary = pl.read_parquet(tmp_path / "demo" / "results" / "comparison" / "summary.parquet")
    means = dict(summary.filter(pl.col("grouping") == "all").select("answered_by", "mean").rows())
    assert means["mock-good"] < means["uniform"] < means["majority"] < means["mock-poor"]
    others = {"mock-good+demographics", "mock-poor+demographics", "marginal", "cell", "trees", "human"}
    assert others < set(means)
    assert run("demo", "--respondents", 3000, "--out", tmp_path / "demo") == 1
    assert run("demo", "--respondents", 2000, "--out", tmp_path / "demo", "--force") == 0
    capsys.readouterr()
    (tmp_path / "demo" / "results" / "mine").mkdir()
    assert "holds results/mine" in refusal(capsys, "demo", "--out", tmp_path / "demo", "--force")
    assert "at least 2,000 respondents" in refusal(capsys, "demo", "--respondents", 400, "--out", tmp_path / "small")
    (tmp_path / "demo" / "thesis.docx").touch()
    message = refusal(capsys, "demo", "--respondents", 3000, "--out", tmp_path / "demo", "--force")
    assert "holds thesis.docx" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "none.csv"), "none.csv"),
        (("build", "none.csv", "--out", "o"), "none.csv"),
        (("export", "none", "--format", "examples", "--out", "o.parquet"), "there is no such folder"),
        (("export", "none", "--out", "o"), "there is no such folder"),
        (("inspect", "none"), "none"),
        (("probe", "none", "--out", "o"), "there is no such folder"),
        (("score", "a.tsv", "--data", "none", "--out", "o"), "there is no such folder"),
        (("score", "a.tsv", "--reference", "world", "--out", "o"), "a.tsv"),
        (("synthetic", "--respondents", "5", "--out", "o.csv"), "100 to 2,000,000"),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_1(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refusal(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_names_are_shown_as_they_are_and_not_as_markup(capsys: Capture) -> None:
    table(("answered by", "n"), [("gpt[temp=1]", 3), ("[bold]x[/bold]", 4)], title="s [v5].csv")
    shown = capsys.readouterr().out
    for text in ("gpt[temp=1]", "[bold]x[/bold]", "s [v5].csv"):
        assert text in shown


def test_bars_and_cells() -> None:
    assert bar(1.0, 4) == "████"
    assert bar(0.0, 4) == ""
    assert len(spark([0.1, 0.2, 0.3])) == 3
    assert cell_text(None) == "–"
    assert cell_text(1234567) == "1,234,567"
    assert cell_text(0.12345) == "0.123"


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_notices_are_printed_above_progress_and_nothing_before_the_first(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    written = stream()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar() as show:
        assert not re.search(r"\w", re.sub(r"\x1b\[[?\d;]*\w", "", written.getvalue()))
        show("3 of 9", 3, 9, "Going \x1b[31mon.")
        show("9 of 9", 9, 9, None)
    text = re.sub(r"\x1b\[[?\d;]*\w", "", written.getvalue())
    assert text.index("Going \\x1b[31mon.") < text.index("9 of 9")
