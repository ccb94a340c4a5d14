"""The published answers against the world reproduce Table 2 of the paper, though its humans were another sample."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring._scores import Scores
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import world_reference

SHARED = Path(__file__).parents[2] / ".." / "shared"
OUTPUTS = SHARED / "published" / "model_outputs"
TABLE_2 = SHARED / "facts" / "table2.csv"

pytestmark = pytest.mark.skipif(
    not OUTPUTS.is_dir() or not TABLE_2.is_file(), reason="the published answers are not beside this checkout"
)

FILES = {
    "alpaca-7b": "alpaca",
    "vicuna-7b-v1.5": "vicuna",
    "mixtral-8x7b-instruct": "mixtral",
    "gpt-3.5-turbo": "gpt-3.5",
    "alpaca-7b+demographics": "alpaca_with_demographics",
    "vicuna-7b-v1.5+demographics": "vicuna_with_demographics",
    "mixtral-8x7b-instruct+demographics": "mixtral_with_demographics",
    "gpt-3.5-turbo+demographics": "gpt-3.5_with_demographics",
}

# facts/README.md: mean absolute difference per item, correlation over items, this mean
AGREEMENT = {
    "uniform": (0.014, 0.986, 0.170),
    "majority": (0.022, 0.890, 0.261),
    "alpaca-7b": (0.023, 0.990, 0.322),
    "vicuna-7b-v1.5": (0.015, 0.994, 0.274),
    "mixtral-8x7b-instruct": (0.022, 0.970, 0.233),
    "gpt-3.5-turbo": (0.014, 0.991, 0.289),
    "alpaca-7b+demographics": (0.027, 0.857, 0.393),
    "vicuna-7b-v1.5+demographics": (0.015, 0.994, 0.296),
    "mixtral-8x7b-instruct+demographics": (0.017, 0.953, 0.162),
    "gpt-3.5-turbo+demographics": (0.014, 0.982, 0.138),
}

# the standard deviations over items that the paper prints below Table 2
SPREADS = dict(zip(AGREEMENT, (0.10, 0.10, 0.21, 0.16, 0.15, 0.12, 0.17, 0.16, 0.06, 0.08), strict=True))


@pytest.fixture(scope="module")
def scores() -> Scores:
    return score_answers([read_answers(OUTPUTS / f"{name}.tsv") for name in FILES.values()], world_reference())


@pytest.fixture(scope="module")
def table_2() -> dict[str, np.ndarray]:
    with TABLE_2.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {name: np.array([float(row[name]) for row in rows]) for name in AGREEMENT}


def distances_of(scores: Scores, column: str) -> np.ndarray:
    """Distances by item in questionnaire order, which is that of Table 2."""
    if column in FILES:
        return scores.table.filter(pl.col("answers") == FILES[column])["distance"].to_numpy()
    return scores.table.filter(pl.col("answers") == "alpaca")[column].to_numpy()


@pytest.mark.parametrize("column", AGREEMENT)
def test_a_column_of_table_2_is_reproduced(column: str, scores: Scores, table_2: dict[str, np.ndarray]) -> None:
    difference, correlation, mean = AGREEMENT[column]
    ours, papers = distances_of(scores, column), table_2[column]
    assert np.abs(ours - papers).mean() == pytest.approx(difference, abs=0.003)
    assert np.corrcoef(ours, papers)[0, 1] == pytest.approx(correlation, abs=0.003)
    assert ours.mean() == pytest.approx(mean, abs=0.003)


def test_table_2_lists_the_items_of_the_answers_in_our_order(scores: Scores) -> None:
    with TABLE_2.open(encoding="utf-8") as lines:
        listed = [row["item_id"] for row in csv.DictReader(lines)]
    assert scores.table.filter(pl.col("answers") == "alpaca")["item_id"].to_list() == listed


@pytest.mark.parametrize("column", AGREEMENT)
def test_the_papers_spread_divides_by_the_number_of_items(column: str, table_2: dict[str, np.ndarray]) -> None:
    """Table 2 is rounded to 0.01: the spread it prints must lie between the least and the most that its cells allow."""
    least, most = spread_bounds(table_2[column], ddof=0)
    assert least <= SPREADS[column] + 0.005
    assert most >= SPREADS[column] - 0.005


def test_the_papers_spread_of_alpaca_does_not_divide_by_one_less(table_2: dict[str, np.ndarray]) -> None:
    least, _ = spread_bounds(table_2["alpaca-7b"], ddof=1)
    assert least > SPREADS["alpaca-7b"] + 0.005


def spread_bounds(cells: np.ndarray, ddof: int) -> tuple[float, float]:
    """The least and most standard deviation of numbers that round to these cells."""
    low, high = cells - 0.005, cells + 0.005
    near = cells
    for _ in range(1000):
        near = np.clip(near.mean(), low, high)
    far = np.where(cells > cells.mean(), high, low)
    return float(near.std(ddof=ddof)), float(far.std(ddof=ddof))


# facts/README.md: ratings off the scale, and answers that are no number
OFF_SCALE = {"alpaca_with_demographics": 151, "mixtral": 82, "alpaca": 47, "vicuna": 15}
UNREADABLE = {"alpaca": 97, "vicuna_with_demographics": 88}


def test_the_known_numbers_of_bad_answers_are_found(scores: Scores) -> None:
    totals = scores.counts.group_by("answers").agg(
        pl.col("n_rows", "off_scale"), bad=pl.col("empty") + pl.col("no_number")
    )
    for row in totals.select("answers", pl.col("n_rows", "off_scale", "bad").list.sum()).to_dicts():
        name = row["answers"]
        assert row["n_rows"] == 8280
        assert row["off_scale"] == OFF_SCALE[name] if name in OFF_SCALE else row["off_scale"] <= 3
        assert row["bad"] == UNREADABLE[name] if name in UNREADABLE else row["bad"] <= 17


def test_as_published_off_scale_ratings_move_the_score_of_their_items(scores: Scores) -> None:
    answers = [read_answers(OUTPUTS / "mixtral.tsv")]
    ours, theirs = (
        score_answers(answers, world_reference(), as_published=as_published) for as_published in (False, True)
    )
    has_off_scale = ours.counts["off_scale"].to_numpy() > 0
    moved = np.abs(ours.table["distance"].to_numpy() - theirs.table["distance"].to_numpy()) > 1e-12
    assert has_off_scale.any()
    assert (moved == has_off_scale).all()
