"""Whatever people, answers and options come together: no NaN, no warning, and numbers in their order."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import make_dataset
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import Reference, respondents_reference, world_reference
from worldvaluesbench.stats._estimate import METHODS, Resampling
from worldvaluesbench.stats._item_sampling import ITEM_SAMPLING
from worldvaluesbench.survey._attributes import Grouping, parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

ITEMS = ("Q1", "Q48", "Q57", "Q111", "Q234A")


def some_people(rng: np.random.Generator, folder: Path) -> Dataset:
    """From three to sixty people; of some items nobody responded, or hardly anybody."""
    n = int(rng.choice([3, 8, 30, 60]))
    responses = {}
    for item_id in rng.permutation(ITEMS)[: rng.integers(1, 5)].tolist():
        scale = load_codebook().item(item_id).scale
        given = rng.integers(scale.low, scale.high + 1, n)
        is_missing = rng.random(n) < rng.choice([0, 0.2, 0.9, 1])
        responses[item_id] = np.where(is_missing, rng.choice([-1, -2, -4, -5], n), given).tolist()
    return make_dataset(
        folder / "people",
        responses,
        {"H_URBRURAL": rng.choice([1, 2, -5], n).tolist(), "continent": rng.choice([1, 2, 3], n).tolist()},
        weights={name: rng.gamma(1, size=n).tolist() for name in ("W_WEIGHT", "S018")},
        splits=rng.choice(["train", "valid", "test"], n).tolist(),
    )


def some_row(rng: np.random.Generator, item_id: str, key: int, order: int, sample: int) -> Row | None:
    """A rating, probabilities with a zero among them, a refusal, or nothing."""
    scale, kind = load_codebook().item(item_id).scale, rng.random()
    if kind < 0.3:
        return Row(item_id, key, int(rng.integers(scale.low, scale.high + 1)), order=order, sample=sample)
    if kind < 0.5:
        shares = rng.dirichlet(np.ones(scale.n_points))
        shares[rng.integers(scale.n_points)] = 0
        return Row(item_id, key, probabilities=shares.tolist(), order=order, sample=sample)
    return Row(item_id, key, unparsed="refusal", order=order, sample=sample) if kind < 0.8 else None


def some_runs(rng: np.random.Generator, folder: Path, people: Dataset) -> list[Answers]:
    """From one to three runs, each without some of the items and people, in two orders with two samples.

    In every other run a request is answered for all respondents of the same remainder, as without demographics.
    """
    frame = people.responses()
    keys, item_ids = frame["respondent_id"].to_list(), frame.columns[1:]
    runs = []
    for number in range(rng.integers(1, 4)):
        asked = [(item, key) for item in item_ids if rng.random() < 0.8 for key in keys if rng.random() < 0.8]
        slots = itertools.product(asked, range(2), range(2))
        rows = [row for example, *slot in slots if (row := some_row(rng, *example, *slot)) is not None]
        rows = rows or [Row(item_ids[0], keys[0], unparsed="refusal")]
        if rng.random() < 0.5:
            n_prompts = int(rng.integers(1, 5))
            rows = [
                row._replace(request_id=f"{row.item_id}-{row.respondent_id % n_prompts}-{row.order}") for row in rows
            ]
        runs.append(read_answers(make_run(folder / f"run{number}", rows, people)))
    return runs


def some_options(rng: np.random.Generator, people: Dataset) -> tuple[Reference, tuple[Grouping, ...], How]:
    method = METHODS[rng.integers(len(METHODS))]
    how = How(
        min_n=int(rng.choice([1, 2, 5, 10])),
        resampling=Resampling(int(rng.choice([2, 5, 40])), int(rng.integers(9)), method=method),
        has_refusals=bool(rng.random() < 0.4),
        item_sampling=ITEM_SAMPLING[rng.integers(len(ITEM_SAMPLING))],
        min_n_stated=int(rng.choice([1, 5, 30])),
    )
    whom: Any = rng.choice(["probe", "split", "all", "world"])
    if whom == "world":
        return world_reference(), (), how
    weight: Any = rng.choice(["none", "W_WEIGHT", "product"])
    groupings = parse_groupings(str(rng.choice(["H_URBRURAL", "continent*H_URBRURAL"])))
    strata = groupings[0] if rng.random() < 0.5 else None
    return respondents_reference(people, str(whom), str(weight)), groupings, replace(how, strata=strata)  # type: ignore[arg-type]


def check_finite(tables: Mapping[str, pl.DataFrame]) -> None:
    for name, table in tables.items():
        for column in table.iter_columns():
            if column.dtype.is_float():
                assert column.drop_nulls().is_finite().all(), (name, column.name)


def check_order(table: pl.DataFrame, names: Sequence[str]) -> None:
    """Each column is at most as large as the next, but for rounding."""
    known = table.select(names).drop_nulls()
    for low, high in itertools.pairwise(names):
        assert (known[low] <= known[high] + 1e-9).all(), (low, high)


@pytest.mark.parametrize("seed", [*range(16), 29])
def test_numbers_are_numbers_and_in_their_order(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([97, seed])
    people = some_people(rng, tmp_path)
    runs, (reference, groupings, how) = some_runs(rng, tmp_path, people), some_options(rng, people)
    scores = score_answers(runs, reference, groupings=groupings, how=how)
    check_finite(scores.tables)
    is_small = scores.table["is_too_small"]
    assert (scores.table["distance"].is_null() == is_small).all()
    if how.resampling is not None and how.resampling.method == "debiased":
        shown = scores.table.with_columns(shown=pl.col("corrected").clip(0))
        check_order(shown, ("low", "shown", "high"))
        means = scores.summary.with_columns(shown=pl.col("mean_corrected").clip(0))
        check_order(means, ("mean_low", "shown", "mean_high"))
    for names in (("low", "high"), ("best", "worst")):
        check_order(scores.table.with_columns(zero=0.0, one=1.0), ("zero", *names, "one"))
    own = scores.summary.filter(pl.col("answered_by") == pl.col("answers"), pl.col("n_items") > 0)
    assert own["mean_low"].null_count() == 0
    check_order(own, ("mean_low", "mean_high"))
    for measure in ("accuracy", "expected_accuracy", "absolute_error"):
        check_order(scores.tables["individuals"], (f"{measure}_low", measure, f"{measure}_high"))
    plain = replace(how, has_refusals=False)
    check_finite(score_answers(runs, reference, groupings=groupings, as_published=True, how=plain).tables)
    if reference.name == "split" and len({split_of(run, people) for run in runs}) > 1:
        with pytest.raises(AnswersError, match="the sources answer for several"):
            compare_answers(runs, reference, groupings=groupings, how=plain)
    elif have_something_in_common(runs, people, reference):
        check_comparison(runs, reference, groupings, plain)
    else:
        with pytest.raises(AnswersError, match="No example is answered by all of"):
            compare_answers(runs, reference, groupings=groupings, how=plain)


def split_of(run: Answers, people: Dataset) -> str:
    """The split that most rows of a run are for; of several the first."""
    of: dict[int, str] = dict(people.respondents(["respondent_id", "split"]).rows())
    times = Counter(of[key] for key in run.frame["respondent_id"].to_list())
    return str(min(times, key=lambda split: (-times[split], ["train", "valid", "test"].index(split))))


def have_something_in_common(runs: Sequence[Answers], people: Dataset, reference: Reference) -> bool:
    """Whether all runs have an answer for one person and item with a response; against the world Q234A has none."""
    responses = {row["respondent_id"]: row for row in people.responses().to_dicts()}
    splits = dict(people.respondents(["respondent_id", "split"]).rows())
    answered = []
    for run in runs:
        rows = run.frame.filter(pl.col("unparsed").is_null()).select(pl.col("item_id").cast(pl.String), "respondent_id")
        found = set(rows.rows())
        if reference.name == "split":
            own = split_of(run, people)
            found = {row for row in found if splits[row[1]] == own}
        answered.append(found)
    if reference.name == "world":
        return any(item_id != "Q234A" for item_id, _ in set.intersection(*answered))
    return any(responses[key][item_id] >= 0 for item_id, key in set.intersection(*answered))


def check_comparison(runs: Sequence[Answers], reference: Reference, groupings: Sequence[Grouping], how: How) -> None:
    compared = compare_answers(runs, reference, groupings=groupings, how=how)
    check_finite(compared.tables)
    check_order(compared.tables["leaderboard"], ("rank_low", "rank", "rank_high"))
    check_order(compared.tables["pairs"], ("low", "difference", "high"))
    pairs = compared.tables["pairs"].with_columns(zero=0.0, one=1.0)
    check_order(pairs, ("zero", "p", "p_holm", "one"))
    check_order(pairs, ("zero", "squared_p", "squared_p_holm", "one"))
    check_order(pairs, ("squared_low", "squared_difference", "squared_high"))
    assert compared.tables["leaderboard"].select("low", "high").null_count().row(0) == (0, 0)
