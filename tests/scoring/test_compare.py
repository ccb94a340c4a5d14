"""Comparing: over what all sources answer, with the numbers that scoring just that gives, and tables by plain loops."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import AnswersError
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring._score import score_answers
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.compare._paired import holm
from worldvaluesbench.scoring.sources._answers import Answers, read_answers
from worldvaluesbench.scoring.sources._reference import ReferenceName, respondents_reference, world_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

ITEMS = ("Q1", "Q48", "Q57", "Q111")
N_PEOPLE = 120
HOW = How(min_n=10, resampling=Resampling(n=120, seed=2))
BY = "H_URBRURAL,continent"
Key = tuple[str, int]


def scale_of(item_id: str) -> tuple[int, int]:
    scale = load_codebook().item(item_id).scale
    return scale.low, scale.n_points


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A hundred and twenty people of three continents, the third with eight of them; two thirds in the test split."""
    rng = np.random.default_rng(51)
    responses = {}
    for item_id in ITEMS:
        low, n_points = scale_of(item_id)
        ratings = rng.integers(low, low + n_points, N_PEOPLE)
        responses[item_id] = np.where(rng.random(N_PEOPLE) < 0.1, -1, ratings).tolist()
    attributes = {
        "H_URBRURAL": rng.choice([1, 2, -5], N_PEOPLE, p=[0.5, 0.45, 0.05]).tolist(),
        "continent": [1, 2] * 56 + [3] * 8,
    }
    weights = {"W_WEIGHT": rng.uniform(0.3, 3, N_PEOPLE).tolist(), "S018": rng.uniform(0.5, 1.5, N_PEOPLE).tolist()}
    return make_dataset(
        tmp_path_factory.mktemp("people") / "dataset",
        responses,
        attributes,
        weights=weights,
        splits=(["test", "test", "train"] * N_PEOPLE)[:N_PEOPLE],
    )


@pytest.fixture(scope="module")
def rows() -> Mapping[str, Sequence[Row]]:
    """What four sources say, each to nine of ten examples: three of ratings, one of two samples or probabilities."""
    rng = np.random.default_rng(52)
    found = dict[str, Sequence[Row]]()
    for place, name in enumerate(("a", "a+demographics", "b", "c")):
        asked = [(item_id, 101 + k) for item_id in ITEMS for k in range(N_PEOPLE) if rng.random() < 0.9]
        of_source = []
        for item_id, key in asked:
            low, n_points = scale_of(item_id)
            leaning = min(int(rng.integers(n_points)), int(rng.integers(n_points)) + place)
            if name != "c":
                of_source.append(Row(item_id, key, low + leaning))
            elif rng.random() < 0.5:
                of_source.append(Row(item_id, key, probabilities=rng.dirichlet(np.ones(n_points)).tolist()))
            else:
                of_source += [Row(item_id, key, low + int(rng.integers(n_points)), sample=s) for s in range(2)]
        found[name] = of_source
    return found


def written(rows: Mapping[str, Sequence[Row]], folder: Path, dataset: Dataset) -> list[Answers]:
    """The sources as files, and `c` as a run."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, of_source in rows.items():
        if name == "c":
            paths.append(make_run(folder / name, of_source, dataset))
        else:
            plain = [(row.item_id, row.respondent_id, row.rating) for row in of_source]
            paths.append(write_answers(folder / f"{name}.tsv", plain))
    return [read_answers(path) for path in paths]


@pytest.fixture(scope="module")
def answers(rows: Mapping[str, Sequence[Row]], people: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return written(rows, tmp_path_factory.mktemp("answers"), people)


def compared(
    answers: Sequence[Answers], people: Dataset, whom: ReferenceName = "probe", weight: Any = "none"
) -> Comparison:
    return compare_answers(answers, respondents_reference(people, whom, weight), groupings=parse_groupings(BY), how=HOW)


@pytest.fixture(scope="module")
def comparison(answers: Sequence[Answers], people: Dataset) -> Comparison:
    return compared(answers, people)


def common_examples(rows: Mapping[str, Sequence[Row]], people: Dataset) -> set[Key]:
    """What every source answers for somebody with a response."""
    wide = people.responses().to_dicts()
    has_response = {(item, row["respondent_id"]) for row in wide for item in ITEMS if row[item] >= 0}
    asked = [{(row.item_id, row.respondent_id) for row in of_source} for of_source in rows.values()]
    return has_response.intersection(*asked)


def only(rows: Mapping[str, Sequence[Row]], keys: set[Key]) -> dict[str, list[Row]]:
    return {
        name: [row for row in of_source if (row.item_id, row.respondent_id) in keys] for name, of_source in rows.items()
    }


def test_what_is_compared_is_what_all_of_them_answer(
    comparison: Comparison, rows: Mapping[str, Sequence[Row]], people: Dataset
) -> None:
    keys = common_examples(rows, people)
    assert comparison.n_common == len(keys)
    assert 0.5 * N_PEOPLE * len(ITEMS) < len(keys) < min(len(of_source) for of_source in rows.values())
    pooled = comparison.tables["leaderboard"].filter(grouping="all")
    assert pooled["n_examples"].to_list() == [len(keys)] * 4


@pytest.mark.parametrize(
    ("whom", "weight"), [("probe", "none"), ("probe", "W_WEIGHT"), ("split", "none"), ("all", "product")]
)
def test_the_leaderboard_has_the_numbers_of_scoring_just_that(
    whom: ReferenceName, weight: Any, answers: Sequence[Answers], rows: Mapping[str, Sequence[Row]], people: Dataset,
    tmp_path: Path,
) -> None:  # fmt: skip
    """The same examples, the same people drawn with the same seed: so the same means, corrections and intervals."""
    found = compared(answers, people, whom, weight).tables["leaderboard"]
    restricted = written(only(rows, common_examples(rows, people)), tmp_path / "restricted", people)
    reference = respondents_reference(people, whom, weight)
    scores = score_answers(restricted, reference, groupings=parse_groupings(BY), how=HOW)
    own = scores.summary.filter(pl.col("answered_by") == pl.col("answers"), pl.col("n_items") > 0)
    both = found.join(own, on=["answers", "grouping", "group"], suffix="_own", validate="1:1")
    assert both.height == found.height == own.height
    for row in both.to_dicts():
        assert row["n_items"] == row["n_items_own"]
        assert row["mean"] == pytest.approx(row["mean_own"], abs=1e-6)
        assert row["corrected"] == pytest.approx(row["mean_corrected"], abs=1e-6)
        assert (row["low"], row["high"]) == pytest.approx((row["mean_low"], row["mean_high"]), abs=2e-6)


def test_a_pair_is_the_difference_of_two_lines_of_the_leaderboard(comparison: Comparison) -> None:
    lines = {
        (row["grouping"], row["group"], row["answers"]): row for row in comparison.tables["leaderboard"].to_dicts()
    }
    pairs = comparison.tables["pairs"].to_dicts()
    groups = {(row["grouping"], row["group"]) for row in pairs}
    assert len(pairs) == len(groups) * 6
    for row in pairs:
        first, second = (lines[row["grouping"], row["group"], row[key]] for key in ("first", "second"))
        of_means = max(first["corrected"], 0) - max(second["corrected"], 0)
        assert row["difference"] == pytest.approx(of_means, abs=1e-9), "no distance is below 0"
        assert row["low"] < row["difference"] < row["high"]
        assert row["n_items"] == first["n_items"]
    for grouping, group in groups:
        family = [row for row in pairs if (row["grouping"], row["group"]) == (grouping, group)]
        expected = holm(np.array([row["p"] for row in family]))
        assert [row["p_holm"] for row in family] == pytest.approx(expected)
        squared = holm(np.array([row["squared_p"] for row in family]))
        assert [row["squared_p_holm"] for row in family] == pytest.approx(squared)


def test_ranks_follow_from_the_leaderboard_and_the_pairs(comparison: Comparison) -> None:
    pairs = comparison.tables["pairs"].to_dicts()
    for row in comparison.tables["leaderboard"].to_dicts():
        own = [pair for pair in pairs if (pair["grouping"], pair["group"]) == (row["grouping"], row["group"])]
        ahead = behind = clearly_ahead = clearly_behind = 0
        for pair in own:
            if row["answers"] in (pair["first"], pair["second"]):
                away = pair["difference"] * (1 if row["answers"] == pair["first"] else -1)
                ahead, behind = ahead + (away < 0), behind + (away > 0)
                clearly_ahead += away < 0 and pair["p_holm"] < 0.05
                clearly_behind += away > 0 and pair["p_holm"] < 0.05
        assert ahead + behind == 3
        assert (row["rank"], row["rank_low"], row["rank_high"]) == (1 + behind, 1 + clearly_behind, 4 - clearly_ahead)


def test_a_pair_that_is_guessed_from_names_is_named_and_not_tested(comparison: Comparison) -> None:
    found = comparison.tables["demographics"]
    assert found["differs_in"].unique().to_list() == ["kinds guessed from the names of files"]
    for name in ("difference", "low", "high", "p", "p_holm", "squared_p"):
        assert found[name].null_count() == found.height


def test_a_model_with_and_without_demographics_is_a_pair_where_the_caller_says_so(
    comparison: Comparison, answers: Sequence[Answers], people: Dataset
) -> None:
    reference = respondents_reference(people)
    given = compare_answers(answers, reference, groupings=parse_groupings(BY), how=HOW, pairs=[("a", "a+demographics")])
    found = given.tables["demographics"]
    assert found["differs_in"].null_count() == found.height
    assert found.select("model", "without", "with").unique().rows() == [("a", "a", "a+demographics")]
    pairs = comparison.tables["pairs"].filter(first="a", second="a+demographics")
    keys = ["grouping", "group"]
    both = found.join(pairs, on=keys, suffix="_of_pair", validate="1:1")
    assert both.height == found.height == pairs.height
    assert both["difference"].to_list() == pytest.approx((-both["difference_of_pair"]).to_list())
    assert both["p"].to_list() == both["p_of_pair"].to_list()
    assert found["p_holm"].to_list() == found["p"].to_list(), "one family is one claim"


def test_a_pair_of_runs_is_found_by_what_they_say_of_themselves(people: Dataset, tmp_path: Path) -> None:
    settings = [make_settings().describe() | {"attributes": shown} for shown in ([], ["Q260"])]
    keys = range(101, 131)
    runs = [
        make_run(tmp_path / name, [Row("Q1", key, rating) for key in keys], people, settings=of_run)
        for name, rating, of_run in zip(("monday", "tuesday"), (1, 2), settings, strict=True)
    ]
    tables = compare_answers([read_answers(run) for run in runs], respondents_reference(people), how=HOW).tables
    assert tables["demographics"].select("model", "without", "with").rows() == [("by-hand", "monday", "tuesday")]
    assert tables["leaderboard"]["kind"].to_list() == ["without", "with"]


def test_table_2_holds_the_distances_of_the_scores_with_marks_by_the_printed_numbers(comparison: Comparison) -> None:
    table = comparison.tables["table_2"]
    scores = comparison.tables["scores"].filter(grouping="all").to_dicts()
    distances = {(row["item_id"], row["answers"]): row["distance"] for row in scores}
    for row in scores:
        if row["answers"] == "a":
            distances |= {(row["item_id"], name): row[name] for name in ("uniform", "majority")}
    assert dict(zip(table.select("item_id", "answers").rows(), table["distance"].to_list(), strict=True)) == distances
    kinds = {"uniform": "oracle", "majority": "oracle", "a": "without", "a+demographics": "with", "b": "without"}
    kinds |= {"c": "with"}  # as its settings say
    partner = {"a": "a+demographics", "a+demographics": "a"}
    for row in table.to_dicts():
        item_id, name = row["item_id"], row["answers"]
        shown = {other: f"{distance:.2f}" for (item, other), distance in distances.items() if item == item_id}
        assert row["kind"] == kinds[name]
        assert row["is_best"] == (shown[name] == min(shown.values()))
        assert row["is_best_of_kind"] == (
            shown[name] == min(text for other, text in shown.items() if kinds[other] == kinds[name])
        )
        assert row["is_better_of_pair"] == (name in partner and shown[name] <= shown[partner[name]])


def test_table_2_goes_in_the_order_of_the_questionnaire_with_oracles_where_any_source_has_people(
    people: Dataset, tmp_path: Path
) -> None:
    keys = range(101, 131)
    asked = {"one": [("Q48", 101), *(("Q57", key) for key in keys)], "two": [(q, k) for q in ITEMS for k in keys]}
    sources = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [(*key, 1) for key in of_source]))
        for name, of_source in asked.items()
    ]
    table = compare_answers(sources, respondents_reference(people), how=HOW).tables["table_2"]
    assert table["item_id"].unique(maintain_order=True).to_list() == list(ITEMS)
    of_q48 = table.filter(item_id="Q48").select("answers", "distance", "is_best").rows()
    assert [name for name, distance, _ in of_q48 if distance is None] == ["one"]
    assert {is_best for _, distance, is_best in of_q48 if distance is None} == {False}
    assert table.select("is_best", "is_best_of_kind", "is_better_of_pair").null_count().row(0) == (0, 0, 0)


def test_marks_are_those_of_what_is_printed(tmp_path: Path) -> None:
    """Of 200 people 47 stand at the other end than the answers: 0.235, which is printed 0.23, and rounded 0.24."""
    dataset = make_dataset(tmp_path / "people", {"Q111": [1] * 200})
    sources = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [("Q111", 101 + k, 1 + (k < n)) for k in range(200)]))
        for name, n in (("near", 46), ("as-near", 47), ("far", 48))
    ]
    table = compare_answers(sources, respondents_reference(dataset), how=HOW).tables["table_2"]
    printed = {row["answers"]: f"{row['distance']:.2f}" for row in table.to_dicts()}
    assert (printed["near"], printed["as-near"], printed["far"]) == ("0.23", "0.23", "0.24")
    assert table.filter("is_best_of_kind", kind="without")["answers"].to_list() == ["near", "as-near"]


def test_every_country_has_its_code_and_continent_for_a_map(tmp_path: Path) -> None:
    countries = load_codebook().countries
    n = len(countries)
    codes = [country.code for country in countries]
    dataset = make_dataset(tmp_path / "people", {"Q1": [1, 4] * n}, {"B_COUNTRY": sorted(codes * 2)})
    file = write_answers(tmp_path / "m.tsv", [("Q1", 101 + k, 1) for k in range(2 * n)])
    found = compare_answers(
        [read_answers(file)],
        respondents_reference(dataset),
        groupings=parse_groupings("B_COUNTRY"),
        how=How(1, Resampling(n=10)),
    )
    table = found.tables["countries"]
    mine = table.filter(answered_by="m")
    assert mine.height == n == 66
    known = {country.code: (country.alpha3, country.name, country.continent) for country in countries}
    for row in mine.to_dicts():
        assert (row["alpha3"], row["name"], row["continent"]) == known[row["country"]]
    summary = found.tables["summary"].filter(grouping="B_COUNTRY", answered_by="m")
    for column in ("mean", "mean_low", "mean_high", "mean_corrected", "noise_floor", "n_items"):
        assert mine[column].to_list() == summary[column].to_list()
    assert table["answered_by"].unique().sort().to_list() == [
        "m", "majority", "majority_pooled", "uniform", "world_marginal",
    ]  # fmt: skip


def test_scores_that_are_not_by_country_make_no_map(comparison: Comparison) -> None:
    assert comparison.tables["countries"].height == 0


def test_small_groups_are_in_no_line_and_counted_where_groups_are_compared(
    comparison: Comparison, answers: Sequence[Answers], people: Dataset
) -> None:
    leaderboard = comparison.tables["leaderboard"].filter(grouping="continent")
    assert leaderboard["group_codes"].unique().sort().to_list() == ["1", "2"], "the third continent has eight people"
    disparity = comparison.tables["disparity"].filter(grouping="continent")
    assert disparity.select("n_groups", "n_groups_left_out", "n_items").unique().rows() == [(2, 0, 4)]
    how = How(min_n=6, resampling=Resampling(n=20))
    found = compare_answers(answers, respondents_reference(people), groupings=parse_groupings("continent"), how=how)
    third = found.tables["leaderboard"].filter(group_codes="3")
    if third.height and third["n_items"][0] < 4:
        assert found.tables["disparity"]["n_groups_left_out"].unique().to_list() == [1]


def test_disparity_is_that_of_the_corrected_means_of_groups(comparison: Comparison) -> None:
    lines = comparison.tables["leaderboard"]
    rows = comparison.tables["disparity"].to_dicts()
    assert len(rows) == 2 * 4
    for row in rows:
        own = lines.filter(grouping=row["grouping"], answers=row["answers"])
        assert own["n_items"].to_list() == [4, 4], "all groups have all items, so the means are over the same"
        corrected = own["corrected"].to_list()
        assert row["gap"] == pytest.approx(max(corrected) - min(corrected), abs=1e-9)
        assert row["worst"] == own["group"][int(np.argmax(corrected))]
        assert row["best"] == own["group"][int(np.argmin(corrected))]
        assert row["spread_as_is"] == pytest.approx(np.std(corrected, ddof=1), abs=1e-9)
        assert row["gap_low"] <= row["gap_high"]
        assert row["gap_by_chance"] > 0


def test_sources_are_compared_against_the_world(answers: Sequence[Answers], rows: Mapping[str, Sequence[Row]]) -> None:
    found = compare_answers(answers, world_reference(), how=HOW)
    asked = [{(row.item_id, row.respondent_id) for row in of_source} for of_source in rows.values()]
    assert found.n_common == len(set.intersection(*asked))
    leaderboard = found.tables["leaderboard"]
    assert leaderboard["reference"].unique().to_list() == ["world"]
    assert leaderboard["edition"].unique().to_list() == [None]
    assert (leaderboard["low"] < leaderboard["high"]).all()
    assert found.tables["disparity"].height == 0
    assert "structure" not in found.tables


def test_against_the_world_rows_without_an_id_are_nobody_of_another_file(tmp_path: Path) -> None:
    """Rows are not people: the third row of one file is not the third of another."""
    known = [("Q1", key, 1) for key in range(12)]
    sources = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [*known, *(("Q1", f"{name}{k}", 2) for k in range(20))]))
        for name in "ab"
    ]
    assert compare_answers(sources, world_reference(), how=HOW).n_common == 12
    strangers = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [("Q1", f"{name}{k}", 2) for k in range(20)]))
        for name in "cd"
    ]
    with pytest.raises(AnswersError, match="No example is answered by all of c, d"):
        compare_answers(strangers, world_reference(), how=HOW)


@pytest.mark.parametrize("whom", ["test", "valid"])
def test_against_a_split_a_stray_row_of_another_split_is_counted_and_changes_nothing(whom: str, tmp_path: Path) -> None:
    """The test split says 1, the other 4; one source answers for one more respondent, of the other split."""
    dataset = make_dataset(tmp_path / "d", {"Q1": [1] * 20 + [4] * 20}, splits=["test"] * 20 + ["valid"] * 20)
    own, other = (range(20), 39) if whom == "test" else (range(20, 40), 0)
    rating = {"test": 1, "valid": 4}[whom]
    rows = [("Q1", 101 + k, rating) for k in own]
    sources = [
        read_answers(write_answers(tmp_path / "plain.tsv", rows)),
        read_answers(write_answers(tmp_path / "stray.tsv", [("Q1", 101 + other, rating), *rows])),
    ]
    found = compare_answers(sources, respondents_reference(dataset, "split"), how=HOW)
    assert found.n_common == 20
    assert found.tables["leaderboard"]["mean"].to_list() == [0, 0]
    assert found.tables["pairs"].select("difference", "p").row(0) == (0, 1)
    assert found.tables["counts"].select("n_rows", "valid", "other_split").rows() == [(20, 20, 0), (21, 20, 1)]
    assert found.tables["scores"].select("n_responses", "n_answers").rows() == [(20, 20)] * 2


def test_as_published_a_stray_row_of_another_split_leaves_both_sides(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1] * 20 + [4] * 20}, splits=["test"] * 20 + ["valid"] * 20)
    rows = [("Q1", 101 + k, 1) for k in (*range(20), 39)]
    one = read_answers(write_answers(tmp_path / "stray.tsv", rows))
    scores = score_answers([one], respondents_reference(dataset, "split"), as_published=True)
    assert scores.table.select("n_responses", "n_answers", "distance").row(0) == (20, 20, 0)


def test_sources_that_answer_for_different_splits_are_refused_by_name(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", {"Q1": [1] * 40}, splits=["test"] * 15 + ["valid"] * 25)
    sources = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [("Q1", 101 + k, 1) for k in range(n)]))
        for name, n in (("short", 15), ("long", 40))
    ]
    with pytest.raises(AnswersError, match=r"answer for several: short \(test\), long \(valid\); compare those"):
        compare_answers(sources, respondents_reference(dataset, "split"), how=HOW)
    assert compare_answers(sources, respondents_reference(dataset, "all"), how=HOW).n_common == 15


def test_one_source_alone_has_a_leaderboard_and_no_pairs(answers: Sequence[Answers], people: Dataset) -> None:
    tables = compared(answers[:1], people).tables
    ranks = tables["leaderboard"].select("rank", "rank_low", "rank_high", "is_tied")
    assert ranks.unique().rows() == [(1, 1, 1, False)]
    assert (tables["pairs"].height, tables["demographics"].height) == (0, 0)
    assert tables["disparity"].height == 2


def test_the_order_of_the_sources_turns_pairs_round_and_changes_nothing_else(
    comparison: Comparison, answers: Sequence[Answers], people: Dataset
) -> None:
    turned = compared(list(reversed(answers)), people).tables
    keys = ["grouping", "group", "answers"]
    for name in ("leaderboard", "disparity"):
        order = [key for key in keys if key in turned[name].columns]
        mine, other = (tables[name].sort(order) for tables in (comparison.tables, turned))
        numbers = pl.selectors.numeric()
        values = [table.select(numbers.cast(pl.Float64)).to_numpy() for table in (mine, other)]
        assert values[0] == pytest.approx(values[1], rel=1e-4, abs=1e-6, nan_ok=True)
    pair = comparison.tables["pairs"].filter(grouping="all", first="a", second="c")
    same = turned["pairs"].filter(grouping="all", first="c", second="a")
    assert pair["difference"].item() == pytest.approx(-same["difference"].item(), abs=1e-9)


def test_sources_without_an_example_in_common_are_refused(people: Dataset, tmp_path: Path) -> None:
    sources = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [("Q1", key, 1) for key in keys]))
        for name, keys in (("early", range(101, 121)), ("late", range(121, 141)))
    ]
    with pytest.raises(AnswersError, match="No example is answered by all of early, late; compare runs that answer"):
        compare_answers(sources, respondents_reference(people), how=HOW)


def test_refusals_as_a_category_are_refused(answers: Sequence[Answers], people: Dataset) -> None:
    with pytest.raises(AnswersError, match="score them to count refusals"):
        compare_answers(answers, respondents_reference(people), how=How(has_refusals=True))


def test_too_few_examples_in_common_leave_empty_tables(people: Dataset, tmp_path: Path) -> None:
    sources = [
        read_answers(write_answers(tmp_path / f"{name}.tsv", [("Q1", key, 1) for key in keys]))
        for name, keys in (("early", range(101, 121)), ("late", range(116, 141)))
    ]
    found = compare_answers(sources, respondents_reference(people), how=HOW)
    assert found.n_common == 4
    for name in ("leaderboard", "pairs", "disparity"):
        assert found.tables[name].height == 0
    assert found.tables["scores"]["distance"].null_count() == 0, "each has enough of its own"


def test_without_a_resampling_a_comparison_makes_its_own(answers: Sequence[Answers], people: Dataset) -> None:
    found = compare_answers(answers[:2], respondents_reference(people), how=How())
    assert found.tables["pairs"]["p"].null_count() == 0
    assert found.tables["scores"]["low"].null_count() == 0
    assert found.receipt["settings"]["resampling"]["n"] == 1000


def test_no_table_holds_a_nan(comparison: Comparison) -> None:
    for table in comparison.tables.values():
        for column in table.iter_columns():
            assert not column.dtype.is_float() or not column.is_nan().any()


def test_the_same_seed_gives_the_same_comparison(
    comparison: Comparison, answers: Sequence[Answers], people: Dataset
) -> None:
    again = compared(answers, people)
    for name, table in comparison.tables.items():
        assert table.equals(again.tables[name])


def test_strata_are_those_of_the_runs_or_as_asked_for(people: Dataset, tmp_path: Path) -> None:
    """Answers that are right in the city and wrong in the country: of every draw half are right, if it is by homes."""
    homes = [1, 2] * 30
    dataset = make_dataset(tmp_path / "d", {"Q111": [1] * 60}, {"H_URBRURAL": homes})
    rows = [Row("Q111", 101 + k, home) for k, home in enumerate(homes)]
    compare: Callable[[How, Mapping[str, Any]], tuple[float, float]] = lambda how, described: (  # noqa: E731
        compare_answers(
            [read_answers(make_run(tmp_path / f"r{len(list(tmp_path.iterdir()))}", rows, dataset, **described))],
            respondents_reference(dataset),
            how=how,
        )
        .tables["leaderboard"]
        .select("low", "high")
        .row(0)
    )
    plain = How(resampling=Resampling(n=100))
    low, high = compare(plain, {})
    assert high - low > 0.2
    for how, described in (
        (How(resampling=Resampling(n=100), strata=parse_groupings("H_URBRURAL")[0]), {}),
        (plain, {"examples": {"source": "probe", "cross": ["H_URBRURAL"]}}),
    ):
        low, high = compare(how, described)
        assert (low, high) == pytest.approx((0.5, 0.5), abs=1e-5)


def test_groups_that_have_no_item_in_common_have_no_disparity(tmp_path: Path) -> None:
    """In the city all were asked Q1, in the country Q2: both have numbers, and nothing that could be compared."""
    responses = {"Q1": [1, -4] * 15, "Q2": [-4, 2] * 15}
    dataset = make_dataset(tmp_path / "d", responses, {"H_URBRURAL": [1, 2] * 15})
    rows = [(item, 101 + k, 1 + k % 4) for item in responses for k in range(30)]
    files = [write_answers(tmp_path / f"{name}.tsv", rows) for name in "ab"]
    found = compare_answers(
        [read_answers(file) for file in files],
        respondents_reference(dataset),
        groupings=parse_groupings("H_URBRURAL"),
        how=HOW,
    ).tables
    groups = found["leaderboard"].filter(grouping="H_URBRURAL")
    assert groups.select("group", "n_items").unique(maintain_order=True).rows() == [("Urban", 1), ("Rural", 1)]
    assert found["disparity"].height == 0
    assert found["group_means"].height == 0
