"""The answer in words: what stands at the top of a report, from the numbers of a comparison alone."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from worldvaluesbench.reporting.figures import counted
from worldvaluesbench.reporting.tables import board_of
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE, GUESSED, UNIFORM
from worldvaluesbench.tables import distance_text, floored, has_poll, p_text, poll_text

HUMAN = "human"
"""The baseline that answers with other people's responses; its distance is the ceiling for ratings."""


def headline(comparison: Comparison) -> str:
    """The title of a report."""
    n = len(_models(comparison))
    return comparison.names[0] if n <= 1 else f"{n} sources of answers against people"


def summary_sentences(comparison: Comparison) -> list[str]:
    """What the comparison says, in plain sentences: which model is nearest, how sure that is, and beside what."""
    board = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE).sort("corrected", nulls_last=True)
    if board.is_empty():
        least = comparison.receipt["settings"]["min_n"]
        return [
            f"Too few people were answered for to say how near anybody is: no item has {least} whom all answer for."
        ]
    is_model = pl.col("answers").is_in(_models(comparison))
    models, people = board.filter(is_model), board.filter(~is_model)
    best = models.row(0, named=True)
    over = f"over {counted(best['n_items'], 'item')} {distance_text(best['corrected'], best['low'], best['high'])}"
    what = f"{over}, bias-corrected (0 = identical to humans, 1 = maximal)."
    verb = "is closest to the humans: mean" if models.height > 1 else "has a mean"
    tied = _not_farther(comparison, best["answers"], models["answers"].to_list())
    return [
        f"{best['answers']} {verb} Wasserstein-1 {what}",
        *([f"Not significantly farther (Holm-adjusted): {', '.join(tied)}."] if tied else []),
        *_worth(best),
        *_beside_people(comparison, best["answers"], people),
        *_beside_nobody(comparison, best["answers"]),
        *_demographics(comparison),
    ]


def _worth(row: Mapping[str, Any]) -> list[str]:
    """The two numbers that everybody understands: the size of a poll, and the skill score."""
    lines = []
    if has_poll(row):
        n = poll_text(row)
        lines.append(
            f"{row['answers']} is worth a poll of {n} respondents: a random sample of that size is as far off."
        )
    if row["skill"] is not None:
        lines.append(
            f"Skill score of {row['answers']}: {row['skill']:.2f} (0 = uniform answers, 1 = noise floor of its kind)."
        )
    return lines


def _models(comparison: Comparison) -> list[str]:
    """The sources that are no baselines; all, where all are."""
    sorts = comparison.sorts
    models = [name for name in comparison.names if sorts[name].kind != "baseline"]
    return models or list(comparison.names)


def _not_farther(comparison: Comparison, best: str, names: list[str]) -> list[str]:
    """Those that the pair with the best does not tell from it, though they come after it."""
    p = _p_of_pairs(comparison, best)
    return [name for name in names[1:] if p.get(name, 0.0) > _alpha(comparison)]


def _p_of_pairs(comparison: Comparison, name: str) -> dict[str, float]:
    """The p of Holm of every other source's difference from this one, everybody pooled."""
    pairs = comparison.tables["pairs"].filter(pl.col("grouping") == EVERYONE)
    of_first = pairs.filter(first=name).select("second", "p_holm").rows()
    return dict(of_first) | dict(pairs.filter(second=name).select("first", "p_holm").rows())


def _alpha(comparison: Comparison) -> float:
    return 1 - float(comparison.receipt["settings"]["resampling"]["level"])


def _beside_people(comparison: Comparison, best: str, people: pl.DataFrame) -> list[str]:
    """Where the baselines that other people make stand, and whether the best model is told from each."""
    p = _p_of_pairs(comparison, best)
    own = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE).filter(answers=best)["corrected"][0]
    parts = []
    for row in people.iter_rows(named=True):
        name = f"{row['answers']} (another person)" if row["answers"] == HUMAN else row["answers"]
        is_told = p.get(row["answers"], 1.0) <= _alpha(comparison)
        way = ("closer" if row["corrected"] < own else "farther") if is_told else "not significantly different"
        parts.append(f"{name} {floored(row['corrected']):.3f}, {way}")
    return [f"Baselines of people beside {best}: {'; '.join(parts)}."] if parts else []


def _beside_nobody(comparison: Comparison, best: str) -> list[str]:
    """How far two samples of people are apart, and where even shares stand, over the same people and items."""
    rows = {row["answers"]: row for row in board_of(comparison).iter_rows(named=True)}
    lines = []
    if rows[best]["noise_floor"] is not None:
        lines.append(
            f"Noise floor (a perfect source of its kind, with samples of this size): {rows[best]['noise_floor']:.3f}."
        )
    if UNIFORM in rows:
        uniform = _corrected(rows[UNIFORM])
        way = "better" if _corrected(rows[best]) < uniform else "worse"
        lines.append(f"Uniform baseline: {uniform:.3f} ({best} is {way}).")
    return lines


def _corrected(row: Mapping[str, Any]) -> float:
    """The corrected mean, or the mean where there is none to correct it by."""
    return float(row["mean"] if row["corrected"] is None else row["corrected"])


def _demographics(comparison: Comparison) -> list[str]:
    pooled = comparison.tables["demographics"].filter(pl.col("grouping") == EVERYONE)
    lines = [
        f"{row['without']} and {row['with']} are not tested as without and with demographics: "
        + (f"{GUESSED}." if row["differs_in"] == GUESSED else f"they differ in {row['differs_in']}.")
        for row in pooled.filter(pl.col("difference").is_null()).iter_rows(named=True)
    ]
    pooled = pooled.drop_nulls("difference")
    for row in pooled.iter_rows(named=True):
        ends = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        has_zero = row["low"] <= 0 <= row["high"]
        if row["p_holm"] > _alpha(comparison):
            # an interval of one model knows nothing of the others that were looked at
            holm = "" if has_zero else f" once corrected for the number of comparisons, Holm p {p_text(row['p_holm'])}"
            lines.append(f"Telling {row['model']} who is answered for makes no clear difference{holm} ({ends}).")
        else:
            way = "nearer to" if row["difference"] < 0 else "farther from"
            lines.append(f"Telling {row['model']} who is answered for brings it {way} people ({ends}).")
    return lines
