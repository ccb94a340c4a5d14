"""A baseline is a run: its folder, who is refused, which options, what is kept of a fit."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.baselines.made import TEST, TRAIN, VALID, answers_of
from worldvaluesbench._io._folder import check_files
from worldvaluesbench.asking._run import load_run
from worldvaluesbench.baselines._build import build_baseline, build_baselines
from worldvaluesbench.baselines._options import BASELINES, BaselineName, BaselineOptions
from worldvaluesbench.benchmark._dataset import Dataset, load_dataset
from worldvaluesbench.errors import DatasetError, FolderError, RunError
from worldvaluesbench.planning._examples import read_examples, split_examples
from worldvaluesbench.runs._folder import ANSWER_COLUMNS
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.survey._attributes import Grouping

ITEMS = ["Q1", "Q48"]
CHEAP: tuple[BaselineName, ...] = ("marginal", "cell", "human")


@pytest.fixture(scope="module")
def made(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of every baseline that needs no library."""
    out = tmp_path_factory.mktemp("made")
    for name in CHEAP:
        build_baseline(name, split_examples(paper, TEST, ITEMS), out / name)
    return out


@pytest.mark.parametrize("name", CHEAP)
def test_the_folder_is_a_whole_run_that_says_who_answered(made: Path, paper: Dataset, name: str) -> None:
    manifest = check_files(made / name, "run")
    content = json.loads((made / name / "run.json").read_text(encoding="utf-8"))
    assert content["settings"] is None
    assert content["model"]["backend"] == "baseline"
    assert content["model"]["model"] == content["name"] == name
    assert content["model"]["made_from"] == ([TRAIN, VALID] if name == "human" else [TRAIN])
    assert content["dataset"] == paper.receipt
    assert content["is_invented"] is True
    assert content["examples"]["split"] == TEST
    n = split_examples(paper, TEST, ITEMS).n
    assert manifest["n_answers"] == manifest["n_examples"] == content["examples"]["n"] == n
    assert manifest["items_left_out"] == []
    assert str(made) not in (made / name / "manifest.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CHEAP)
def test_its_table_is_that_of_every_run_with_a_row_an_example(made: Path, paper: Dataset, name: str) -> None:
    table = pl.read_parquet(made / name / "answers.parquet")
    assert dict(table.schema) == {"item_id": pl.Enum(paper.codebook.item_ids), **ANSWER_COLUMNS}
    people = paper.examples(TEST, ITEMS).select("item_id", "respondent_id").collect()
    assert sorted(table.select("item_id", "respondent_id").rows()) == sorted(people.rows())
    given = "rating" if name == "human" else "probabilities"
    assert table[given].null_count() == 0
    if given == "probabilities":
        assert table["probabilities"].list.sum().is_between(1 - 1e-12, 1 + 1e-12).all()
    examples = pl.read_parquet(made / name / "examples.parquet")
    assert examples["request"].null_count() == examples.height == table.height


@pytest.mark.parametrize("as_published", [False, True])
def test_all_are_scored_as_runs(made: Path, paper: Dataset, as_published: bool) -> None:
    answers = [read_answers(made / name) for name in CHEAP]
    scores = score_answers(answers, respondents_reference(paper), as_published=as_published)
    pooled = scores.summary.filter(pl.col("grouping") == "all")
    mean = dict(pooled.select("answered_by", "mean").unique().rows())
    assert max(mean[name] for name in CHEAP) < mean["uniform"]
    assert answers[0].describe()["run"]["model"] == "marginal"
    assert answers[0].describe()["run"]["method"] is None


def test_a_run_of_a_baseline_cannot_be_gone_on_with(made: Path) -> None:
    with pytest.raises(RunError, match="holds answers that a baseline made or that were imported"):
        load_run(made / "cell")


@pytest.mark.parametrize("name", BASELINES)
def test_people_that_a_baseline_is_made_from_are_refused(paper: Dataset, tmp_path: Path, name: BaselineName) -> None:
    examples = split_examples(paper, TRAIN, ["Q1"])
    with pytest.raises(DatasetError, match=rf"^{name}: [\d,]+ of the [\d,]+ respondents asked about are in train"):
        build_baseline(name, examples, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_such_person_among_others_is_enough_to_refuse(paper: Dataset, tmp_path: Path) -> None:
    rows = pl.concat([paper.examples(split, ["Q1"]).collect().head(n) for split, n in ((TEST, 5), (TRAIN, 1))])
    rows.select("item_id", "respondent_id").write_csv(tmp_path / "mine.csv")
    with pytest.raises(DatasetError, match="cell: 1 of the 6 respondents asked about are in train, which it is made"):
        build_baseline("cell", read_examples(paper, tmp_path / "mine.csv"), tmp_path / "run")


def test_valid_people_are_answered_for_by_what_is_fitted_on_train_and_not_by_human(
    paper: Dataset, tmp_path: Path
) -> None:
    examples = split_examples(paper, VALID, ["Q1"])
    assert build_baseline("cell", examples, tmp_path / "cell")["n_answers"] == examples.n
    with pytest.raises(DatasetError, match=r"in train and valid, which it is made from, .* respondents of test"):
        build_baseline("human", examples, tmp_path / "human")


def test_the_world_knows_nobody_and_lacks_an_item(paper: Dataset, tmp_path: Path) -> None:
    options = BaselineOptions(source="world")
    manifest = build_baseline("marginal", split_examples(paper, TRAIN, ["Q1"]), tmp_path / "1", options=options)
    assert manifest["model"]["made_from"] == "world"
    both = split_examples(paper, TEST, ["Q1", "Q234A"])
    manifest = build_baseline("marginal", both, tmp_path / "2", options=options)
    assert manifest["items_left_out"] == ["Q234A"]
    assert manifest["examples"]["item_ids"] == ["Q1"]
    assert manifest["n_examples"] + manifest["examples"]["n_left_out"] == both.n
    with pytest.raises(DatasetError, match="Q234A has no world marginals; take those of the train split"):
        build_baseline("marginal", split_examples(paper, TEST, ["Q234A"]), tmp_path / "3", options=options)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("cell", {"seed": 1}, "cell: has no use for the option seed; leave it out"),
        ("marginal", {"groups": Grouping(("Q260",))}, "marginal: has no use for the option groups"),
        ("human", {"fit": Path("fit")}, "human: has no use for the option fit"),
        ("trees", {"source": "world"}, "trees: has no use for the option source"),
        ("mean", {}, "There is no baseline 'mean'; there are marginal, cell, trees, human."),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    paper: Dataset, tmp_path: Path, name: BaselineName, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        build_baseline(name, split_examples(paper, TEST, ["Q1"]), tmp_path / "run", options=BaselineOptions(**given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "moon"}, "There are no marginals of 'moon'; there are those of train and world."),
        ({"seed": -1}, "The seed is -1; expected 0 or more."),
        ({"threads": 0}, "threads is 0; expected at least 1."),
        ({"called": " "}, "The run's name is empty"),
        ({"source": "world", "weight": "S018"}, "they take no weight and nothing is fitted"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        BaselineOptions(**given)


def test_a_run_may_have_a_name_of_its_own(paper: Dataset, tmp_path: Path) -> None:
    options = BaselineOptions(called="cell-by-sex", groups=Grouping(("B_COUNTRY", "Q260")))
    manifest = build_baseline("cell", split_examples(paper, TEST, ["Q1"]), tmp_path / "run", options=options)
    assert manifest["name"] == read_answers(tmp_path / "run").name == "cell-by-sex"
    assert manifest["model"]["groups"] == ["continent", "B_COUNTRY", "B_COUNTRY*Q260"]
    with pytest.raises(RunError, match="Several baselines cannot all be called 'cell-by-sex'"):
        build_baselines(split_examples(paper, TEST, ["Q1"]), tmp_path / "runs", options=options)


def test_an_earlier_run_is_replaced_with_force_only(paper: Dataset, tmp_path: Path) -> None:
    examples = split_examples(paper, TEST, ["Q1"])
    build_baseline("marginal", examples, tmp_path / "run")
    with pytest.raises(FolderError, match="is not empty"):
        build_baseline("cell", examples, tmp_path / "run")
    assert build_baseline("cell", examples, tmp_path / "run", force=True)["name"] == "cell"


def test_nothing_is_made_where_one_of_all_cannot_be(paper: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^human: "):
        build_baselines(split_examples(paper, VALID, ["Q1"]), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


FITTED = [("marginal", {}), ("cell", {"groups": "continent*Q260"}), ("trees", {"attributes": ("B_COUNTRY", "Q262")})]


@pytest.mark.parametrize(("name", "options"), FITTED)
def test_a_kept_fit_answers_as_the_first_time(
    paper: Dataset, tmp_path: Path, name: BaselineName, options: dict[str, Any]
) -> None:
    if name == "trees":
        pytest.importorskip("lightgbm")
    plain = answers_of(paper, tmp_path / "plain", name, ITEMS, **options)
    first = answers_of(paper, tmp_path / "first", name, ITEMS, **options, fit=tmp_path / "fit")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "fit").iterdir()}
    again = answers_of(paper, tmp_path / "again", name, ITEMS, **options, fit=tmp_path / "fit")
    fewer = answers_of(paper, tmp_path / "fewer", name, ITEMS[1:], **options, fit=tmp_path / "fit")
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "fit").iterdir()}
    assert plain.equals(first)
    assert first.equals(again)
    assert fewer.equals(first.filter(item_id=ITEMS[1]))
    manifest = check_files(tmp_path / "fit", "fit")
    assert (manifest["baseline"], manifest["item_ids"]) == (name, ITEMS)
    assert manifest["dataset"] == paper.receipt


def test_a_fit_of_something_else_is_refused(paper: Dataset, corrected: Dataset, tmp_path: Path) -> None:
    fit = tmp_path / "fit"
    answers_of(paper, tmp_path / "run", "cell", ["Q1"], fit=fit)
    refused = [
        (paper, "cell", ["Q1"], {"groups": "continent"}, r"holds another fit \(settings.groups: \['continent', 'B_"),
        (paper, "marginal", ["Q1"], {}, r"holds another fit \(baseline: 'cell' before, 'marginal' now"),
        (corrected, "cell", ["Q1"], {}, r"holds another fit \(dataset: edition paper, not corrected"),
        (paper, "cell", ["Q1", "Q2"], {}, r"was fitted without 1 of the 2 items that are asked, the first of them Q2"),
    ]
    for dataset, name, items, options, message in refused:
        with pytest.raises(RunError, match=message):
            answers_of(dataset, tmp_path / "again", name, items, **options, fit=fit)  # type: ignore[arg-type]


def test_a_folder_that_is_no_fit_is_left_alone(paper: Dataset, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(RunError, match="mine: holds no fit; choose an absent or empty folder"):
        answers_of(paper, tmp_path / "run", "cell", fit=tmp_path / "mine")
    with pytest.raises(FolderError, match="this is a dataset folder, expected a fit folder"):
        answers_of(paper, tmp_path / "run", "cell", fit=paper.folder)


def test_a_changed_fit_is_refused(paper: Dataset, tmp_path: Path) -> None:
    answers_of(paper, tmp_path / "run", "marginal", fit=tmp_path / "fit")
    with (tmp_path / "fit" / "distributions.parquet").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(FolderError, match="is absent or was changed since it was made; make the fit folder again"):
        answers_of(paper, tmp_path / "again", "marginal", fit=tmp_path / "fit")


def test_the_same_dataset_elsewhere_gives_the_same_answers(paper: Dataset, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in paper.folder.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    here = answers_of(paper, tmp_path / "1", "cell", ITEMS)
    assert here.equals(answers_of(load_dataset(moved), tmp_path / "2", "cell", ITEMS))
