"""`wvb prompt`: exactly what would be sent on standard output, and one line for what cannot be asked."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli._ask import ask
from worldvaluesbench.errors import WorldValuesBenchError
from worldvaluesbench.prompts._persona import persona_of
from worldvaluesbench.prompts._template import load_preset, load_template, render_prompt
from worldvaluesbench.survey._catalogue import catalogue_of
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()


def call(*arguments: object) -> Result:
    return CliRunner().invoke(ask, ["--show-prompt", *(str(argument) for argument in arguments)])


def printed(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def refusal(*arguments: object) -> str:
    result = call(*arguments)
    assert isinstance(result.exception, WorldValuesBenchError), result.output
    assert result.stdout == ""
    assert "\n" not in str(result.exception)
    return str(result.exception)


def usage_error(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 2
    return " ".join(result.stderr.split())


def test_a_person_made_up_is_asked_by_the_papers_prompt(paper: Dataset) -> None:
    settings = ("--set", "B_COUNTRY=China", "--set", "H_URBRURAL=1", "--set", "Q275=3")
    shown = printed(paper.folder, "--item", "Q3", "--preset", "gpt-3.5-turbo", *settings)
    preset = load_preset("gpt-3.5-turbo")
    persona = persona_of({"B_COUNTRY": 156, "H_URBRURAL": 1, "Q275": 3}, CODEBOOK, preset.attribute_questions)
    assert shown == render_prompt(load_template("paper-figure-8"), persona, CODEBOOK.item("Q3"))
    assert "In what country was the interview conducted?\n   Answer: China\n" in shown


def test_a_respondent_is_shown_without_what_is_missing(paper: Dataset) -> None:
    people = paper.respondents(["respondent_id", "B_COUNTRY", "H_URBRURAL", "Q275"])
    row = people.filter(pl.col("Q275") < 0, pl.col("H_URBRURAL") > 0).row(0, named=True)
    shown = printed(paper.folder, "--item", "Q3", "--respondent", row["respondent_id"])
    assert f"   Answer: {CODEBOOK.attribute('B_COUNTRY').label_of(row['B_COUNTRY'])}\n" in shown
    assert shown.count("   Answer: ") == 2
    assert CODEBOOK.attribute("Q275").question not in shown


def test_attributes_and_style_are_chosen(paper: Dataset) -> None:
    row = paper.respondents().row(0, named=True)
    who = ("--item", "Q1", "--respondent", row["respondent_id"])
    n_known = sum(row[name] >= 0 for name in CODEBOOK.attribute_ids)
    assert printed(paper.folder, *who, "--attributes", "all").count("   Answer: ") == n_known
    bare = printed(paper.folder, *who, "--attributes", "none")
    assert bare == printed(paper.folder, "--item", "Q1", "--attributes", "none")
    shown = printed(paper.folder, *who, "--attributes", "continent,B_COUNTRY", "--style", "prose")
    country = CODEBOOK.attribute("B_COUNTRY").label_of(row["B_COUNTRY"])
    assert f"Country: {country}.\n" in shown
    assert "\nContinent: " in shown


def test_the_attributes_set_are_those_shown_in_their_order(paper: Dataset) -> None:
    settings = ("--item", "Q1", "--style", "prose", "--set", "Q260=Male", "--set", "continent=2")
    assert "\nSex: Male. Continent: Asia.\n" in printed(paper.folder, *settings)
    reordered = printed(paper.folder, *settings, "--attributes", "continent,Q260,Q275")
    assert "\nContinent: Asia. Sex: Male.\n" in reordered
    message = refusal(paper.folder, *settings, "--attributes", "continent,Q275")
    assert message == "Q260 is set but not shown; add it to --attributes."


def test_a_preset_without_demographics_needs_and_shows_nobody(paper: Dataset) -> None:
    shown = printed(paper.folder, "--item", "Q3", "--preset", "alpaca-7b-no-demographics")
    respondent_id = paper.respondents(["respondent_id"]).item(0, 0)
    who = ("--respondent", respondent_id)
    assert printed(paper.folder, "--item", "Q3", "--preset", "alpaca-7b-no-demographics", *who) == shown


def test_a_template_of_ones_own_replaces_the_presets(paper: Dataset, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("{# name: mine #}\n{{ persona }}|{{ question }}\nRating:")
    template = ("--template", tmp_path / "mine.txt")
    shown = printed(paper.folder, "--item", "Q1", *template, "--set", "Q260=1", "--style", "prose")
    assert shown == f"Sex: Male.|{CODEBOOK.item('Q1').question}\nRating:"
    (tmp_path / "mine.txt").write_text("{# name: mine #}\n{{ persona }} {{ nation }}")
    assert "mine.txt: there is no 'nation'" in refusal(paper.folder, "--item", "Q1", *template, "--set", "Q260=1")


def test_the_wordings_are_the_datasets_own(survey_csv: Path, tmp_path: Path) -> None:
    catalogue = catalogue_of(CODEBOOK)
    catalogue["Q1"]["question"] = "Is family important?"
    catalogue["Q260"]["question"] = "Woman or man?"
    (tmp_path / "words.json").write_text(json.dumps(catalogue))
    dataset = build_dataset(survey_csv, tmp_path / "d", wordings=tmp_path / "words.json")
    shown = printed(dataset.folder, "--item", "Q1", "--set", "Q260=2")
    assert "Is family important?" in shown
    assert "1. Question: Woman or man?\n   Answer: Female" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--item", "Q999", "--set", "Q275=3"), "There is no item 'Q999'"),
        (("--item", "Q1", "--respondent", "7"), "there is no respondent 7."),
        (("--item", "Q1", "--set", "sex=1"), "There is no attribute 'sex'"),
        (("--item", "Q1", "--set", "Q275=12"), "Q275 has no code or label '12'"),
        (("--item", "Q1", "--preset", "gpt-4"), "There is no preset 'gpt-4'; there are default"),
        (("--item", "Q1", "--attributes", "sex", "--set", "Q275=3"), "There is no attribute 'sex'"),
        (("--item", "Q1", "--template", "none.txt"), "none.txt: there is no such file"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(paper: Dataset, arguments: tuple[str, ...], message: str) -> None:
    assert message in refusal(paper.folder, *arguments)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "none", "--item", "Q1", "--attributes", "none")


def test_a_wrong_call_says_what_is_missing(paper: Dataset) -> None:
    assert "--respondent or --set, not both" in usage_error(
        paper.folder, "--item", "Q1", "--respondent", "1", "--set", "Q275=3"
    )
    assert "The template default describes a person; give --respondent ID, --set" in usage_error(
        paper.folder, "--item", "Q1"
    )
