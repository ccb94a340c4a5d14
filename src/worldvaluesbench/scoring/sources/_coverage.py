"""Coverage: how much of the probability was on the options, which answers have too little, and what is said of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, Context
from typing import Any

import polars as pl

from worldvaluesbench.runs import UNPARSED
from worldvaluesbench.scoring.sources._answers import Answers
from worldvaluesbench.stats import MIN_COVERAGE

REASON = "low_coverage"

JUDGED = (None, "token_probs")
"""The methods (None: not known) whose answers a low coverage leaves out. Likelihoods of options are compared with one
another, and those of long ones are small as such; the coverage of stated shares is their sum."""

ROUNDING = 1e-6

NEARLY_ALL = 0.9
"""From this share of answers with a probability of exactly 1 on the server is suspected, and not the model."""


def at_coverage(answers: Answers, least: float) -> Answers:
    """The answers with those of less coverage than the least as what could not be read: `low_coverage`."""
    is_low = _is_low(least)
    if not _is_judged(answers) or not answers.frame.select(is_low.any()).item():
        return answers
    reason = pl.lit(REASON, dtype=pl.Enum(UNPARSED))
    frame = answers.frame.with_columns(
        unparsed=pl.when(is_low).then(reason).otherwise("unparsed"),
        probabilities=pl.when(~is_low).then("probabilities"),
    )
    return replace(answers, frame=frame)


def describe_coverage(answers: Answers, least: float) -> dict[str, Any] | None:
    """What a receipt says of the coverage of a run's distributions; None where it has none and never had.

    Counted are answers, however many respondents share one: `n_answers` with a distribution, the `lowest`, `median` and
    `highest` coverage of all, rounded down; `n_certain` with a probability of exactly 1; `n_low` with less coverage
    than the least, and the median and highest of those; and `n_nothing` read as `low_coverage` without a distribution.
    """
    frame = answers.frame
    if answers.run is None or answers.run.backend == "baseline" or "coverage" not in frame.columns:
        return None
    told = frame.filter(pl.col("probabilities").is_not_null() | (pl.col("unparsed") == REASON))
    has_request = pl.col("request").is_not_null()
    asked = told.filter(has_request).unique(["item_id", "order", "sample", "request"])
    once = pl.concat([asked, told.filter(~has_request)])
    given = once.filter(pl.col("probabilities").is_not_null())
    n_nothing = once.filter(pl.col("unparsed") == REASON).height
    if given.is_empty() and not n_nothing:
        return None
    # where something else was listed, the others are absent and not impossible
    is_certain = (pl.col("probabilities").list.max() == 1) & (pl.col("coverage").fill_null(1.0) >= 1 - ROUNDING)
    known = given["coverage"].drop_nulls().sort()
    low = known.filter(known < least) if _is_judged(answers) else known.clear()
    return {
        "n_answers": given.height,
        **dict(zip(("lowest", "median", "highest"), _ends(known), strict=True)),
        "n_certain": given.filter(is_certain).height,
        "n_low": low.len(),
        **dict(zip(("median_of_low", "highest_of_low"), _ends(low)[1:], strict=True)),
        "n_nothing": n_nothing,
    }


def _ends(coverages: pl.Series) -> list[float | None]:
    """The lowest, the one in the middle and the highest of sorted coverages."""
    places = (0, coverages.len() // 2, -1)
    return [None if coverages.is_empty() else _rounded_down(coverages[place]) for place in places]


def coverage_sentences(receipt: Mapping[str, Any]) -> list[str]:
    """What is to be said of the coverage of all sources of a receipt: a sentence for what is low, or too certain."""
    least = receipt["settings"].get("min_coverage", MIN_COVERAGE)
    return [
        f"{one['name']}: {sentence}"
        for one in receipt["answers"]
        if one.get("coverage") is not None
        for sentence in _sentences(one["coverage"], least, (one["run"] or {}).get("method"))
    ]


def sentences_of(answers: Sequence[Answers], least: float) -> list[str]:
    """The same of answers that were not scored yet."""
    described = [one.describe() | {"coverage": describe_coverage(one, least)} for one in answers]
    return coverage_sentences({"settings": {"min_coverage": least}, "answers": described})


def _sentences(found: Mapping[str, Any], least: float, method: str | None) -> Iterator[str]:
    n = found["n_answers"]
    if found["n_low"]:
        lowest = f"{found['lowest']:g}"
        half = f", half of them at {found['median_of_low']:g}" if found["median_of_low"] > found["lowest"] else ""
        yield (
            f"{found['n_low']:,} of {n:,} answers have a coverage below {least:g} ({lowest} to "
            f"{found['highest_of_low']:g}) and are left out: all would count at --min-coverage {lowest}{half}."
        )
    if found["n_nothing"]:
        yield (
            f"{found['n_nothing']:,} answers have no distribution to count at any --min-coverage: nothing was on the "
            f"options, or an earlier version read them, which kept none (docs/methods.md says how to read them again)."
        )
    if method != "verbalised" and n and found["n_certain"] >= NEARLY_ALL * n:
        yield (
            f"{found['n_certain']:,} of {n:,} answers have a probability of exactly 1 on one option, so the server "
            f"seems to report log-probabilities after sampling, where temperature 0 leaves one token, and not the "
            f"model's own: have it report them before sampling, give --temperature 1, or ask by --method sampled."
        )


def _is_judged(answers: Answers) -> bool:
    return answers.run is not None and answers.run.method in JUDGED and "coverage" in answers.frame.columns


def _is_low(least: float) -> pl.Expr:
    return (pl.col("probabilities").is_not_null() & (pl.col("coverage") < least)).fill_null(False)


def _rounded_down(coverage: float) -> float:
    """Two digits of a number, never more than it: a threshold that it passes.

    >>> _rounded_down(0.3889), _rounded_down(0.61), _rounded_down(0.000129)
    (0.38, 0.61, 0.00012)
    """
    return float(Context(prec=2, rounding=ROUND_DOWN).create_decimal(repr(coverage)))
