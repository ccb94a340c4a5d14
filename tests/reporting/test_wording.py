"""The answer in words: models before baselines of people, and nothing claimed that the pairs do not say."""

from collections.abc import Mapping

import polars as pl
import pytest

from worldvaluesbench.reporting.page._wording import headline, summary_sentences
from worldvaluesbench.reporting.tables._board import ATTAINED
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.compare._contrasts import SCHEMAS
from worldvaluesbench.scoring.sources._kinds import GUESSED, Kind, Sort
from worldvaluesbench.tables._words import rank_text

KEYS = {"grouping": "all", "group": "all"}


def comparison_of(corrected: dict[str, float], kinds: dict[str, Kind], p: dict[tuple[str, str], float]) -> Comparison:
    """A comparison with these corrected means, kinds, and p of pairs; intervals are 0.01 to either side."""
    rows = {"corrected": list(corrected.values()), "answers": list(corrected)}
    board = pl.DataFrame(rows).with_columns(
        low=pl.col("corrected") - 0.01, high=pl.col("corrected") + 0.01, n_items=36, grouping=pl.lit("all"),
        mean=pl.col("corrected"), n_examples=360, noise_floor=0.03, uniform=0.17,
        skill=(0.17 - pl.col("corrected")) / (0.17 - 0.03),
        poll_n=8.0, poll_n_low=5.0, poll_n_high=12.0, rank=1, rank_low=1, rank_high=2, is_tied=False,
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
    demographics = pl.DataFrame(schema=SCHEMAS["demographics"])
    sorts = {name: Sort(kind, name).describe() for name, kind in kinds.items()}
    receipt = {"sorts": sorts, "settings": {"resampling": {"level": 0.95}}, "reference": {"name": "probe"}}
    scores = pl.DataFrame([KEYS | {"answers": name, "is_too_small": False, "n_examples": 360} for name in corrected])
    tables = {
        "leaderboard": board, "summary": summary, "pairs": pl.DataFrame(pairs, schema=schema),
        "demographics": demographics, "scores": scores,
    }  # fmt: skip
    return Comparison(receipt, tables)


def demographics_row() -> dict[str, object]:
    """A row of `demographics` for a pair that was not tested."""
    empty: dict[str, object] = dict.fromkeys(SCHEMAS["demographics"])
    return empty | KEYS | {"model": "good", "without": "good", "with": "good+d", "n_items": 36}


def with_demographics(comparison: Comparison, row: dict[str, object]) -> Comparison:
    """The comparison with this row alone in `demographics`."""
    table = pl.DataFrame([row], schema=SCHEMAS["demographics"])
    return Comparison(comparison.receipt, {**comparison.tables, "demographics": table})


def with_board(comparison: Comparison, changes: Mapping[str, object]) -> Comparison:
    """The comparison with these values in every row of its leaderboard."""
    board = comparison.tables["leaderboard"]
    changed = board.with_columns(pl.lit(value, board.schema[name]).alias(name) for name, value in changes.items())
    return Comparison(comparison.receipt, {**comparison.tables, "leaderboard": changed})


def test_the_nearest_model_stands_first_though_people_are_nearer() -> None:
    found = comparison_of(
        {"human": 0.01, "good": 0.05, "near": 0.06, "poor": 0.3},
        {"human": "baseline", "good": "without", "near": "with", "poor": "without"},
        {("human", "good"): 0.01, ("good", "near"): 0.4, ("good", "poor"): 0.01, ("near", "poor"): 0.01},
    )
    first, tied, poll, skill, people, floor, uniform = summary_sentences(found)
    assert first == (
        "good is closest to the humans: mean Wasserstein-1 over 36 items 0.050 [0.040, 0.060], bias-corrected "
        "(0 = identical to humans, 1 = maximal)."
    )
    assert tied == "Not significantly farther (Holm-adjusted): near."
    assert poll == "good is worth a poll of 8 [5, 12] respondents: a random sample of that size is as far off."
    assert skill == "Skill score of good: 0.86 (0 = uniform answers, 1 = noise floor of its kind)."
    assert people == "Baselines of people beside good: human (another person) 0.010, closer."
    assert floor == "Noise floor (a perfect source of its kind, with samples of this size): 0.030."
    assert uniform == "Uniform baseline: 0.170 (good is better)."
    assert headline(found) == "3 sources of answers against people"


def test_what_pairs_do_not_tell_apart_is_not_told_apart() -> None:
    found = comparison_of(
        {"good": 0.05, "cell": 0.06}, {"good": "without", "cell": "baseline"}, {("good", "cell"): 0.05001}
    )
    lines = summary_sentences(found)
    assert "Baselines of people beside good: cell 0.060, not significantly different." in lines
    assert not any("closest" in line for line in lines), "there is but one model"
    assert not any("Not significantly farther" in line for line in lines), "nor is another model not farther"


def test_a_model_behind_uniform_is_said_to_be() -> None:
    found = comparison_of({"poor": 0.3}, {"poor": "without"}, {})
    lines = summary_sentences(found)
    assert lines[-1] == "Uniform baseline: 0.170 (poor is worse)."
    assert "Skill score of poor: -0.93 (0 = uniform answers, 1 = noise floor of its kind)." in lines
    assert headline(found) == "poor"


def test_where_all_are_baselines_the_nearest_of_them_stands_first() -> None:
    found = comparison_of(
        {"cell": 0.02, "marginal": 0.1}, {"cell": "baseline", "marginal": "baseline"}, {("cell", "marginal"): 0.01}
    )
    assert summary_sentences(found)[0].startswith("cell is closest to the humans")


def test_a_distance_below_0_is_said_to_be_0() -> None:
    found = comparison_of({"good": -0.002}, {"good": "without"}, {})
    assert "over 36 items 0.000 [0.000, 0.008]" in summary_sentences(found)[0]


def test_a_difference_that_is_clear_but_for_the_others_looked_at_says_why() -> None:
    found = comparison_of({"good": 0.1}, {"good": "without"}, {})
    row = demographics_row() | {"difference": 0.019, "low": 0.002, "high": 0.038, "p_holm": 0.08}
    assert summary_sentences(with_demographics(found, row))[-1] == (
        "Telling good who is answered for makes no clear difference once corrected for the number of comparisons, "
        "Holm p 0.080 (+0.019 [+0.002, +0.038])."
    )
    unclear = with_demographics(found, row | {"low": -0.002})
    assert "makes no clear difference (" in summary_sentences(unclear)[-1]
    clear = with_demographics(found, row | {"p_holm": 0.01})
    assert summary_sentences(clear)[-1] == (
        "Telling good who is answered for brings it farther from people (+0.019 [+0.002, +0.038])."
    )


@pytest.mark.parametrize(
    ("differs_in", "said"),
    [
        (GUESSED, "kinds guessed from the names of files."),
        ("temperature (0 and 1)", "they differ in temperature (0 and 1)."),
    ],
)
def test_a_pair_that_is_not_tested_is_named_with_the_reason_and_no_effect(differs_in: str, said: str) -> None:
    found = comparison_of({"good": 0.1}, {"good": "without"}, {})
    lines = summary_sentences(with_demographics(found, demographics_row() | {"differs_in": differs_in}))
    assert lines[-1] == f"good and good+d are not tested as without and with demographics: {said}"
    assert not any("Telling" in line for line in lines)


@pytest.mark.parametrize("poll_n", [None, 20_000.0])
def test_a_poll_larger_than_any_that_can_be_told_apart_is_said_to_be_over_10000(poll_n: float | None) -> None:
    found = comparison_of({"good": 0.05}, {"good": "without"}, {})
    lines = summary_sentences(with_board(found, {"poll_n": poll_n, "poll_n_low": 812.3, "poll_n_high": None}))
    poll = "over 10,000 [812, –]"
    assert f"good is worth a poll of {poll} respondents: a random sample of that size is as far off." in lines


def test_a_poll_whose_size_is_not_known_is_not_spoken_of() -> None:
    found = comparison_of({"good": 0.05}, {"good": "without"}, {})
    unknown = dict.fromkeys(("poll_n", "poll_n_low", "poll_n_high"))
    assert not any("worth a poll" in line for line in summary_sentences(with_board(found, unknown)))


def test_a_skill_score_is_left_out_where_there_is_no_floor_to_reckon_it_by() -> None:
    found = comparison_of({"good": 0.05}, {"good": "without"}, {})
    lines = summary_sentences(with_board(found, {"skill": None, "noise_floor": None}))
    assert not any("Skill score" in line or "Noise floor" in line for line in lines)


def test_a_tie_is_shown_with_an_equals_sign_and_both_interval_ends() -> None:
    found = with_board(
        comparison_of({"a": 0.01, "b": 0.01}, {"a": "without", "b": "without"}, {("a", "b"): 1.0}), {"is_tied": True}
    )
    rows = found.tables["leaderboard"].to_dicts()
    assert [rank_text(row) for row in rows] == ["1= (1–2)"] * 2
    assert "Not significantly farther (Holm-adjusted): b." in summary_sentences(found)


def test_even_shares_of_other_people_are_not_held_beside() -> None:
    """The only source answered more examples than all answer: uniform beside it is of other people."""
    found = comparison_of({"good": 0.05}, {"good": "without"}, {})
    more = found.tables["scores"].with_columns(n_examples=pl.lit(400))
    lines = summary_sentences(Comparison(found.receipt, {**found.tables, "scores": more}))
    assert not any("Uniform baseline" in line for line in lines)
    assert any("Uniform baseline" in line for line in summary_sentences(found))
