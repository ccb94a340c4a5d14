"""A comparison of three sources over invented people, made once: what all that is shown is drawn from."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.reporting._bundle import write_bundle
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings

ITEMS = ("Q1", "Q46", "Q57", "Q106")
GROUPINGS = "H_URBRURAL,B_COUNTRY"
MIN_N = 30
"""Some countries have fewer people than these, and some cities."""

NAMES = ("model", "model+demographics", "other")
PAIR = ("model", "model+demographics")


@pytest.fixture(scope="session")
def answer_files(paper: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three files of answers for everybody: near people, nearer, and always the same."""
    folder = tmp_path_factory.mktemp("answers")
    examples = paper.examples("full", ITEMS).collect().with_columns(pl.col("item_id").cast(pl.String))
    rng = np.random.default_rng(0)
    examples = examples.rename({"response": "rating"})
    shuffled = examples.with_columns(pl.col("rating").shuffle(seed=1).over("item_id"))
    is_kept = pl.Series(rng.random(examples.height) < 0.5)
    made = {
        "model": shuffled.with_columns(rating=pl.when(is_kept).then("rating").otherwise(1)),
        "model+demographics": shuffled,
        "other": examples.with_columns(rating=pl.lit(2)),
    }
    paths = []
    for name in NAMES:
        paths.append(folder / f"{name}.tsv")
        made[name].select(QUESTION_ID="item_id", PARTICIPANT_ID="respondent_id", SCORE="rating").write_csv(
            paths[-1], separator="\t"
        )
    return paths


@pytest.fixture(scope="session")
def comparison(paper: Dataset, answer_files: list[Path]) -> Comparison:
    return compare_answers(
        [read_answers(path) for path in answer_files],
        respondents_reference(paper),
        groupings=parse_groupings(GROUPINGS),
        how=How(min_n=MIN_N, resampling=Resampling(n=200)),
        pairs=[PAIR],
    )


@pytest.fixture(scope="session")
def too_few(paper: Dataset, answer_files: list[Path]) -> Comparison:
    """A comparison none of whose cells has enough people."""
    return compare_answers(
        [read_answers(path) for path in answer_files],
        respondents_reference(paper),
        groupings=parse_groupings("H_URBRURAL"),
        how=How(min_n=1_000_000, resampling=Resampling(n=50)),
        pairs=[PAIR],
    )


def renamed(comparison: Comparison, names: Mapping[str, str]) -> Comparison:
    """A comparison whose sources have other names, as if they had been compared under these."""
    columns = ("answers", "answered_by", "first", "second")
    tables = {
        key: table.with_columns(pl.col(column).replace(names) for column in columns if column in table.columns)
        for key, table in comparison.tables.items()
    }
    receipt = json.loads(json.dumps(dict(comparison.receipt)))
    for key in ("sorts", "outcomes"):
        receipt[key] = {names.get(name, name): value for name, value in receipt[key].items()}
    for name, sort in receipt["sorts"].items():
        sort["family"] = name.removesuffix("+demographics")
        sort["partner"] = names.get(sort["partner"], sort["partner"])
    for answers in receipt["answers"]:
        answers["name"] = names.get(answers["name"], answers["name"])
    return Comparison(receipt, tables)


LONG = "a-very-long-organisation-name/of-a-model-whose-name-goes-on-for-all-of-eighty-letters"


@pytest.fixture(scope="session")
def long_names(comparison: Comparison) -> Comparison:
    """The comparison, its sources under names of more than eighty letters that differ at their ends alone."""
    ends = {"model": "", "model+demographics": "+demographics", "other": "-2"}
    return renamed(comparison, {name: LONG + end for name, end in ends.items()})


@pytest.fixture(scope="session")
def bundle(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison as a bundle."""
    path = tmp_path_factory.mktemp("shared") / "models.zip"
    write_bundle(comparison, path)
    return path
