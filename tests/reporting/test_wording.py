"""The answer in words: models before baselines of people, and nothing claimed that the pairs do not say."""

import polars as pl

from worldvaluesbench.reporting.board import ATTAINED
from worldvaluesbench.reporting.wording import headline, summary_sentences
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.kinds import Kind, Sort

KEYS = {"grouping": "all", "group": "all"}


def comparison_of(corrected: dict[str, float], kinds: dict[str, Kind], p: dict[tuple[str, str], float]) -> Comparison:
    """A comparison with these corrected means, kinds, and p of pairs; intervals are 0.01 to either side."""
    rows = {"corrected": list(corrected.values()), "answers": list(corrected)}
    board = pl.DataFrame(rows).with_columns(
        low=pl.col("corrected") - 0.01, high=pl.col("corrected") + 0.01, n_items=36, grouping=pl.lit("all"),
        mean=pl.col("corrected"), n_examples=360, noise_floor=0.03,
    )  # fmt: skip
    summary = pl.DataFrame(
        [
            KEYS
            | {"answers": name, "answered_by": by, "mean": corrected.get(by, 0.17), "n_items": 36, "n_effective": 10.0}
            | dict.fromkeys(("mean_corrected", "mean_low", "mean_high"), corrected.get(by, 0.17))
            | dict.fromkeys(ATTAINED, 0.5)
            for name in corrected
            for by in (name, "uniform")
        ]
    )
    pairs = [KEYS | {"first": first, "second": second, "p_holm": value} for (first, second), value in p.items()]
    schema = {"grouping": pl.String, "group": pl.String, "first": pl.String, "second": pl.String, "p_holm": pl.Float64}
    demographics = pl.DataFrame(
        schema={"grouping": pl.String, "model": pl.String, "difference": pl.Float64, "p_holm": pl.Float64}
    )
    sorts = {name: Sort(kind, name).describe() for name, kind in kinds.items()}
    receipt = {"sorts": sorts, "settings": {"resampling": {"level": 0.95}}, "reference": {"name": "probe"}}
    scores = pl.DataFrame([KEYS | {"answers": name, "is_too_small": False, "n_examples": 360} for name in corrected])
    tables = {
        "leaderboard": board, "summary": summary, "pairs": pl.DataFrame(pairs, schema=schema),
        "demographics": demographics, "scores": scores,
    }  # fmt: skip
    return Comparison(receipt, tables)


def test_the_nearest_model_stands_first_though_people_are_nearer() -> None:
    found = comparison_of(
        {"human": 0.01, "good": 0.05, "near": 0.06, "poor": 0.3},
        {"human": "baseline", "good": "without", "near": "with", "poor": "without"},
        {("human", "good"): 0.01, ("good", "near"): 0.4, ("good", "poor"): 0.01, ("near", "poor"): 0.01},
    )
    first, tied, people, chance, uniform = summary_sentences(found)
    assert first.startswith("good is nearest to people: mean Wasserstein-1 over 36 items 0.050 [0.040, 0.060]")
    assert tied == "Not clearly farther: near."
    assert people == "Baselines of people beside good: human (another person) 0.010, nearer."
    assert chance == "Two samples of people as large as these would be 0.030 apart by chance."
    assert uniform == "Giving every answer equally often would be at 0.170: good is nearer than that."
    assert headline(found) == "3 sources of answers against people"


def test_what_pairs_do_not_tell_apart_is_not_told_apart() -> None:
    found = comparison_of(
        {"good": 0.05, "cell": 0.06}, {"good": "without", "cell": "baseline"}, {("good", "cell"): 0.05001}
    )
    lines = summary_sentences(found)
    assert "Baselines of people beside good: cell 0.060, not told apart." in lines
    assert not any("nearest" in line for line in lines), "there is but one model"


def test_a_model_behind_uniform_is_said_to_be() -> None:
    found = comparison_of({"poor": 0.3}, {"poor": "without"}, {})
    assert (
        summary_sentences(found)[-1]
        == "Giving every answer equally often would be at 0.170: poor is farther than that."
    )
    assert headline(found) == "poor"


def test_where_all_are_baselines_the_nearest_of_them_stands_first() -> None:
    found = comparison_of(
        {"cell": 0.02, "marginal": 0.1}, {"cell": "baseline", "marginal": "baseline"}, {("cell", "marginal"): 0.01}
    )
    assert summary_sentences(found)[0].startswith("cell is nearest to people")


def test_a_distance_below_0_is_said_to_be_0() -> None:
    found = comparison_of({"good": -0.002}, {"good": "without"}, {})
    assert "over 36 items 0.000 [0.000, 0.008]" in summary_sentences(found)[0]


def test_a_difference_that_is_clear_but_for_the_others_looked_at_says_why() -> None:
    found = comparison_of({"good": 0.1}, {"good": "without"}, {})
    row = KEYS | {"model": "good", "difference": 0.019, "low": 0.002, "high": 0.038, "p_holm": 0.08}
    tables = {**found.tables, "demographics": pl.DataFrame([row])}
    assert summary_sentences(Comparison(found.receipt, tables))[-1] == (
        "Telling good who is answered for makes no clear difference once corrected for the number of comparisons, "
        "Holm p 0.080 (+0.019 [+0.002, +0.038])."
    )
    unclear = {**found.tables, "demographics": pl.DataFrame([row | {"low": -0.002}])}
    assert "makes no clear difference (" in summary_sentences(Comparison(found.receipt, unclear))[-1]


def test_even_shares_of_other_people_are_not_held_beside() -> None:
    """The only source answered more examples than all answer: uniform beside it is of other people."""
    found = comparison_of({"good": 0.05}, {"good": "without"}, {})
    more = found.tables["scores"].with_columns(n_examples=pl.lit(400))
    lines = summary_sentences(Comparison(found.receipt, {**found.tables, "scores": more}))
    assert not any("equally often" in line for line in lines)
