"""All numbers of a row are over the same examples: a plain count in pandas and SciPy says over which.

Three sources differ in coverage: `full` answers everything, `patchy` lacks an item, some respondents and single
answers, `stated` gives probabilities and lacks other respondents. One country is too small for a source of
probabilities.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binom, wasserstein_distance

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.scoring._config import MIN_N, MIN_N_STATED, How
from worldvaluesbench.scoring.compare._compare import compare_answers, merge_comparisons
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.measure._summary import _mean_of_all
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings

POINTS = {"Q1": 4, "Q2": 4, "Q3": 4, "Q46": 4, "Q111": 2}
N_PEOPLE = 170
COUNTRIES = [76] * 80 + [276] * 70 + [356] * 20
SOURCES = ("full", "patchy", "stated")
LEAST = {"full": MIN_N, "patchy": MIN_N, "stated": MIN_N_STATED}
HOW = How(resampling=Resampling(n=500))
GROUPS = ("all", "76", "276", "356")


class World(NamedTuple):
    """The comparison, and what it was made from: responses, and answers as shares, a row for each example."""

    comparison: Comparison
    apart: Comparison
    reference: str
    responses: pd.DataFrame
    answers: dict[str, pd.DataFrame]

    def table(self, name: str) -> pd.DataFrame:
        table = self.comparison.tables[name]
        found = pd.DataFrame(table.to_dict(as_series=False))
        if "group" in found and "group_codes" not in found:
            names = {"Brazil": "76", "Germany": "276", "India": "356", "all": "all"}
            return found.assign(code=found["group"].map(names))
        return found.assign(code=found["group_codes"].fillna("all")) if "group_codes" in found else found

    @property
    def common(self) -> pd.MultiIndex:
        """The examples that all sources answer."""
        first, *others = (frame.set_index(["item", "person"]).index for frame in self.answers.values())
        for other in others:
            first = first.intersection(other)
        return first

    def humans(self, examples: pd.DataFrame) -> pd.DataFrame:
        """The responses that a source with these examples is compared with."""
        if self.reference == "all":
            return self.responses
        return self.responses.merge(examples[["item", "person"]])


@pytest.fixture(scope="module", params=["probe", "all"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    rng, folder = np.random.default_rng(11), tmp_path_factory.mktemp(f"over_{request.param}")
    columns = {item: rng.integers(1, n + 1, N_PEOPLE) for item, n in POINTS.items()}
    columns["Q2"][::9] = -1
    columns["Q46"] = np.clip(columns["Q1"] + rng.integers(0, 2, N_PEOPLE), 1, 4)
    ids = np.arange(101, 101 + N_PEOPLE)
    dataset = make_dataset(
        folder / "people", {item: found.tolist() for item, found in columns.items()}, {"B_COUNTRY": COUNTRIES}
    )
    ratings = {
        name: [(item, person, int(rng.integers(1, n + 1))) for item, n in POINTS.items() for person in ids]
        for name in ("full", "patchy")
    }
    is_lacking = [item == "Q3" or person < 113 for item, person, _ in ratings["patchy"]]
    ratings["patchy"] = [row for row, lacks in zip(ratings["patchy"], is_lacking, strict=True) if not lacks]
    # off the scale, which is no answer
    ratings["patchy"][::7] = [(item, person, 9) for item, person, _ in ratings["patchy"][::7]]
    stated = [
        (item, int(person), rng.dirichlet(np.ones(n)).tolist())
        for item, n in POINTS.items()
        for person in ids
        if not (item == "Q1" and 130 < person < 145)
    ]
    files = [write_answers(folder / f"{name}.tsv", rows) for name, rows in ratings.items()]
    run = make_run(folder / "stated", [Row(item, person, None, shares) for item, person, shares in stated], dataset)
    sources = [*(read_answers(file) for file in files), read_answers(run)]
    reference = respondents_reference(dataset, request.param)
    by = parse_groupings("B_COUNTRY")
    comparison = compare_answers(sources, reference, groupings=by, how=HOW)
    parts = [compare_answers(some, reference, groupings=by, how=HOW) for some in (sources[:2], sources[2:])]
    responses = pd.concat(
        pd.DataFrame({"item": item, "person": ids, "response": found, "country": list(map(str, COUNTRIES))})
        for item, found in columns.items()
    ).query("response > 0")
    shares = {
        name: [(item, person, np.eye(POINTS[item])[rating - 1]) for item, person, rating in rows if rating <= 4]
        for name, rows in ratings.items()
    } | {"stated": [(item, person, np.array(found) / sum(found)) for item, person, found in stated]}
    answers = {
        name: pd.DataFrame(rows, columns=["item", "person", "shares"]).merge(responses) for name, rows in shares.items()
    }
    return World(comparison, merge_comparisons(parts), request.param, responses, answers)


class Cell(NamedTuple):
    item: str
    humans: np.ndarray
    answers: pd.DataFrame
    distance: float
    uniform: float

    @property
    def given(self) -> np.ndarray:
        return np.asarray(np.stack(self.answers["shares"]).mean(axis=0))


def cell_of(item: str, humans: pd.DataFrame, answers: pd.DataFrame) -> Cell:
    place = np.arange(POINTS[item]) / (POINTS[item] - 1)
    counts = np.bincount(humans["response"] - 1, minlength=place.size)
    given = np.stack(answers["shares"]).sum(axis=0)
    far = [wasserstein_distance(place, place, counts, weights) for weights in (given, np.ones(place.size))]
    return Cell(item, counts, answers, *far)


def cells(world: World, source: str, code: str, *, only_common: bool, least: int) -> dict[str, Cell]:
    """The cells of a group with enough humans and examples, by item, counted one by one."""
    examples = world.answers[source]
    humans = world.humans(examples)
    if only_common:
        examples = examples[examples.set_index(["item", "person"]).index.isin(world.common)]
        humans = world.humans(examples)
    found = {}
    for item in POINTS:
        sides = [side[(side["item"] == item) & side["country"].isin([code]) | (side["item"] == item) & (code == "all")]
                 for side in (humans, examples)]  # fmt: skip
        if min(map(len, sides)) >= least:
            found[item] = cell_of(item, *sides)
    return found


def own(world: World, source: str, code: str) -> dict[str, Cell]:
    return cells(world, source, code, only_common=False, least=LEAST[source])


def common(world: World, source: str, code: str) -> dict[str, Cell]:
    return cells(world, source, code, only_common=True, least=MIN_N_STATED)


def everything() -> Iterator[tuple[str, str]]:
    return ((source, code) for source in SOURCES for code in GROUPS)


def mean(found: dict[str, Cell], name: str) -> float:
    return float(np.mean([getattr(cell, name) for cell in found.values()]))


def floor(counts: np.ndarray) -> float:
    """The expected distance of two samples as large as this one."""
    n = int(counts.sum())
    f = np.cumsum(counts)[:-1] / n
    p = 0.5 - np.sqrt(0.25 - np.minimum(f * (1 - f) * n / (n - 1), 0.25))
    g = binom.cdf(np.arange(n)[:, None], n, p)
    return float((2 / n * g * (1 - g)).sum() / f.size)


def test_the_sources_differ_in_coverage_and_the_world_has_cells_of_every_kind(world: World) -> None:
    assert "Q3" not in own(world, "patchy", "all")
    assert "Q3" in own(world, "full", "all")
    assert own(world, "full", "356")
    assert not common(world, "full", "356")
    assert world.comparison.n_common == len(world.common)
    assert len(world.common) < min(map(len, world.answers.values()))


def test_scores_are_over_each_sources_own_examples(world: World) -> None:
    table = world.table("scores")
    for source, code in everything():
        rows = table[(table["answers"] == source) & (table["code"] == code) & ~table["is_too_small"]]
        cells_of = own(world, source, code)
        assert rows["item_id"].tolist() == list(cells_of)
        for row, cell in zip(rows.itertuples(), cells_of.values(), strict=True):
            assert (row.n_responses, row.n_examples, row.n_answers) == (
                cell.humans.sum(), len(cell.answers), len(cell.answers),
            )  # fmt: skip
            assert row.distance == pytest.approx(cell.distance)
            assert row.uniform == pytest.approx(cell.uniform)
            if world.reference == "probe" and source != "stated":
                assert row.noise_floor == pytest.approx(floor(cell.humans), abs=1e-5)


def test_what_is_over_items_is_over_the_items_with_a_distance(world: World) -> None:
    for source, code in everything():
        cells_of = own(world, source, code)
        for name in ("summary", "attainment", "individuals_summary"):
            table = world.table(name)
            rows = table[(table["answers"] == source) & (table["code"] == code) & (table["answered_by"] == source)]
            assert set(rows["n_items"]) == {len(cells_of)} or not cells_of
        if not cells_of:
            continue
        row = world.table("summary").query(f"answers == '{source}' and code == '{code}'").set_index("answered_by")
        for name, number in ((source, "distance"), ("uniform", "uniform")):
            assert row.loc[name, "mean"] == pytest.approx(mean(cells_of, number))
            assert row.loc[name, "n_effective"] == np.mean([cell.humans.sum() for cell in cells_of.values()])
        shares = world.table("attainment").query(
            f"answers == answered_by == '{source}' and code == '{code}' and 0.19 < threshold < 0.21"
        )
        assert shares["share"].item() == np.mean([cell.distance <= 0.2 for cell in cells_of.values()])


def test_distributions_are_of_both_sides_of_the_same_cells(world: World) -> None:
    table = world.table("distributions").set_index(["answers", "code", "item_id"])
    for source, code in everything():
        for item, cell in own(world, source, code).items():
            rows = table.loc[(source, code, item)]
            assert rows["humans"].tolist() == pytest.approx(cell.humans / cell.humans.sum())
            assert rows["given"].tolist() == pytest.approx(cell.given)


def test_individual_figures_are_of_the_examples_answered_whatever_the_reference(world: World) -> None:
    table = world.table("individuals").query("answers == answered_by").set_index(["answers", "code", "item_id"])
    over_items = world.table("individuals_summary").query("answers == answered_by").set_index(["answers", "code"])
    for source, code in everything():
        hits, n = [], 0
        for item, cell in own(world, source, code).items():
            row = table.loc[(source, code, item)]
            hits.append(
                np.mean([s[r - 1] for s, r in zip(*cell.answers[["shares", "response"]].T.values, strict=True)])
            )
            n += len(cell.answers)
            assert row["n"] == len(cell.answers)
            assert row["expected_accuracy"] == pytest.approx(hits[-1])
        if not hits:
            continue
        assert over_items.loc[(source, code), "n"] == n
        assert over_items.loc[(source, code), "expected_accuracy"] == pytest.approx(np.mean(hits))


def test_compared_items_are_over_the_common_examples_in_common_cells(world: World) -> None:
    table = world.table("compared")
    for source, code in everything():
        rows = table[(table["answers"] == source) & (table["code"] == code)]
        cells_of = common(world, source, code)
        assert rows["item_id"].tolist() == list(cells_of)
        for row, cell in zip(rows.itertuples(), cells_of.values(), strict=True):
            assert row.n_examples == len(cell.answers)
            assert row.distance == pytest.approx(cell.distance)
            assert row.uniform == pytest.approx(cell.uniform)
            if world.reference == "probe":
                assert row.squared == pytest.approx(squared(cell), abs=2e-3)
                if source != "stated":
                    assert row.noise_floor == pytest.approx(floor(cell.humans), abs=1e-5)


def squared(cell: Cell) -> float:
    """The squared Cramér distance without bias, respondent by respondent."""
    step = np.arange(POINTS[cell.item] - 1)
    apart = (cell.answers["response"].to_numpy()[:, None] - 1 <= step) - np.cumsum(
        np.stack(cell.answers["shares"]), axis=1
    )[:, :-1]
    return float((apart.mean(axis=0) ** 2 - apart.var(axis=0, ddof=1) / len(apart)).mean())


@pytest.mark.parametrize("is_merged", [False, True], ids=["compared together", "merged"])
def test_the_leaderboard_is_over_what_its_n_items_and_n_examples_say(world: World, *, is_merged: bool) -> None:
    comparison = world.apart if is_merged else world.comparison
    board, compared = (comparison.tables[name].fill_null("all") for name in ("leaderboard", "compared"))
    assert set(board["group_codes"]) == {"all", "76", "276"}
    for row in board.iter_rows(named=True):
        source, code = row["answers"], row["group_codes"]
        items = set(common(world, "full", code))
        if not is_merged:
            cells_of = common(world, source, code)
            assert row["n_examples"] == sum(len(cell.answers) for cell in cells_of.values())
            assert row["mean"] == pytest.approx(mean(cells_of, "distance"))
            assert row["uniform"] == pytest.approx(mean(cells_of, "uniform"))
        behind = compared.filter(pl.col("item_id").is_in(items), answers=source, group_codes=code)
        assert row["n_items"] == behind.height == len(items)
        assert row["n_examples"] == behind["n_examples"].sum()
        for name, column in (("mean", "distance"), ("corrected", "corrected"), ("noise_floor", "noise_floor")):
            assert row[name] == pytest.approx(behind[column].mean())


@pytest.mark.parametrize("is_merged", [False, True], ids=["compared together", "merged"])
def test_differences_are_over_the_items_of_the_leaderboard(world: World, *, is_merged: bool) -> None:
    comparison = world.apart if is_merged else world.comparison
    board = pd.DataFrame(comparison.tables["leaderboard"].to_dicts()).set_index(["group", "answers"])
    compared = comparison.tables["compared"].fill_null("all")
    for row in comparison.tables["pairs"].iter_rows(named=True):
        two = [board.loc[(row["group"], row[side])] for side in ("first", "second")]
        assert {row["n_items"]} == {one["n_items"] for one in two}
        assert row["difference"] == pytest.approx(max(two[0]["corrected"], 0) - max(two[1]["corrected"], 0), abs=1e-6)
        items = common(world, "full", row["group_codes"] or "all")
        behind = compared.filter(pl.col("item_id").is_in(list(items)), group=row["group"])
        of_items = [behind.filter(answers=row[side])["squared"].to_numpy() for side in ("first", "second")]
        assert row["squared_difference"] == pytest.approx(of_items[0].mean() - of_items[1].mean(), abs=1e-9)


def test_covariances_are_over_the_items_of_the_leaderboard(world: World) -> None:
    compared = world.table("compared")
    for row in world.table("covariances").itertuples():
        rows = compared[(compared["answers"] == row.first) & (compared["code"] == row.code)]
        assert row.n_items == len(rows)
        if row.first == row.second:
            assert row.same_item_covariance == pytest.approx(rows["variance"].mean(), rel=1e-3)


def test_groups_are_compared_over_the_items_that_all_of_them_have(world: World) -> None:
    kept = ("76", "276")
    items = set.intersection(*(set(common(world, "full", code)) for code in kept))
    disparity = world.table("disparity")
    assert set(disparity["n_items"]) == {len(items)}
    assert set(disparity["n_groups"]) == {2}
    for row in world.table("group_means").itertuples():
        cells_of = common(world, row.answers, row.code)
        assert row.code in kept
        assert row.n_items == len(items)
        assert row.mean == pytest.approx(np.mean([cells_of[item].distance for item in items]))


def test_response_diversity_is_over_the_cells_of_the_leaderboard(world: World) -> None:
    table, over_items = world.table("collapse"), world.table("collapse_summary")
    for source, code in everything():
        rows = table[(table["answers"] == source) & (table["code"] == code)]
        cells_of = common(world, source, code)
        assert rows["item_id"].tolist() == list(cells_of)
        for row, cell in zip(rows.itertuples(), cells_of.values(), strict=True):
            assert row.modal_share_humans == pytest.approx(cell.humans.max() / cell.humans.sum())
            assert row.modal_share_answers == pytest.approx(cell.given.max())
        summary = over_items[(over_items["answers"] == source) & (over_items["code"] == code)]
        assert summary["n_items"].tolist() == ([len(cells_of)] if cells_of else [])


def test_variance_between_groups_is_over_common_cells(world: World) -> None:
    table = world.table("determination").set_index(["answers", "item_id"])
    for source in SOURCES:
        for item in POINTS:
            groups = [common(world, source, code).get(item) for code in GROUPS[1:]]
            counts = np.array([cell.humans for cell in groups if cell is not None])
            if len(counts) < 2:
                continue
            place = np.repeat(np.arange(POINTS[item])[None], len(counts), axis=0).ravel()
            total = np.average((place - np.average(place, weights=counts.ravel())) ** 2, weights=counts.ravel())
            inside = np.concatenate([np.repeat(np.arange(POINTS[item]) - np.average(np.arange(POINTS[item]), weights=c),
                                               c) for c in counts])  # fmt: skip
            assert table.loc[(source, item), "n_groups"] == len(counts)
            assert table.loc[(source, item), "eta_squared_humans"] == pytest.approx(1 - (inside**2).mean() / total)


def test_structure_is_over_the_respondents_of_common_examples(world: World) -> None:
    is_common = world.responses.set_index(["item", "person"]).index.isin(world.common)
    wide = world.responses[is_common].pivot(index="person", columns="item", values="response")
    above = wide.corr(min_periods=30).where(np.triu(np.ones((wide.shape[1],) * 2, dtype=bool), k=1)).stack().dropna()
    for row in world.table("structure").query("pairs == 'all'").itertuples():
        assert row.n_compared == len(above)
        assert row.mean_abs_humans == pytest.approx(above.abs().mean())


def test_table_2_and_the_map_are_over_each_sources_own_examples(world: World) -> None:
    table, countries = world.table("table_2"), world.table("countries")
    for source in SOURCES:
        rows = table[(table["answers"] == source) & table["distance"].notna()]
        cells_of = own(world, source, "all")
        assert rows["item_id"].tolist() == list(cells_of)
        assert rows["distance"].tolist() == pytest.approx([cell.distance for cell in cells_of.values()])
        assert rows["n_responses"].tolist() == [cell.humans.sum() for cell in cells_of.values()]
        for row in countries.query(f"answers == answered_by == '{source}'").itertuples():
            found = own(world, source, str(row.country))
            assert row.n_items == len(found)
            assert row.mean == pytest.approx(mean(found, "distance"))
    for row in table[table["answers"] == "uniform"].itertuples():
        cell = own(world, "full", "all")[row.item_id]
        assert (row.n_responses, row.distance) == (cell.humans.sum(), pytest.approx(cell.uniform))


def test_a_mean_beside_others_is_over_the_same_items_or_there_is_none() -> None:
    table = pl.DataFrame(
        {"set": ["a", "a", "b", "b"], "distance": [0.1, 0.3, 0.1, None], "noise_floor": [0.05, None, 0.07, None]}
    )
    found = table.group_by("set", maintain_order=True).agg(_mean_of_all("noise_floor"))
    assert found["noise_floor"].to_list() == [None, 0.07], "an item without a distance is in none of the means"
