"""Coverage: how much of the probability was on the options, which answers have too little, and what is said of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, Context
from typing import Any

import polars as pl

from worldvaluesbench.distribution import MIN_COVERAGE
from worldvaluesbench.scoring.answers import Answers
from worldvaluesbench.scoring.reasons import UNPARSED

REASON = "low_coverage"

JUDGED = (None, "token_probs")
"""The methods (None: not known) whose answers a low coverage leaves out. Likelihoods of options are compared with one
another, and those of long ones are small as such; the coverage of stated shares is their sum."""

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

    Counted are answers, however many respondents share one: `n_answers` with a distribution, `n_certain` of them with a
    probability of exactly 1, `n_low` with less coverage than the least, of which the lowest, median and highest are
    said, rounded down; and `n_nothing` that were read as `low_coverage` without a distribution.
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
    low = (given if _is_judged(answers) else given.clear()).filter(_is_low(least))["coverage"].sort()
    ends = [None] * 3 if low.is_empty() else [_rounded_down(low[place]) for place in (0, low.len() // 2, -1)]
    return {
        "n_answers": given.height,
        "n_certain": given.filter(pl.col("probabilities").list.max() == 1).height,
        "n_low": low.len(),
        **dict(zip(("lowest", "median", "highest"), ends, strict=True)),
        "n_nothing": n_nothing,
    }


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
        half = "" if found["median"] == found["lowest"] else f", half of them at {found['median']:g}"
        yield (
            f"{found['n_low']:,} of {n:,} answers have a coverage below {least:g} ({found['lowest']:g} to "
            f"{found['highest']:g}) and are left out: all would count at --min-coverage {found['lowest']:g}{half}."
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

    >>> _rounded_down(0.3889), _rounded_down(0.5), _rounded_down(0.000129)
    (0.38, 0.5, 0.00012)
    """
    return float(Context(prec=2, rounding=ROUND_DOWN).create_decimal_from_float(coverage))
