"""Who stands where: sources and baselines over the same people and items, for headline, leaderboard and forest."""

import polars as pl

from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE, MAJORITY, UNIFORM, WORLD

BASELINES = (UNIFORM, MAJORITY, WORLD)
ATTAINED = tuple(f"attained_0_{tenth}{end}" for tenth in (1, 2) for end in ("", "_low", "_high"))


def board_of(comparison: Comparison) -> pl.DataFrame:
    """A row for each source, over the examples that all of them answer, then one for each baseline over the same.

    Everybody pooled. Baselines are those beside a source that answered no other examples; where there is none, there
    are no baselines, for theirs would be of other people. The share of items within 0.1 and 0.2 is null for a source
    that has other items as well.
    """
    board = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
    summary = comparison.tables["summary"].filter(pl.col("grouping") == EVERYONE)
    own = summary.filter(pl.col("answered_by") == pl.col("answers")).select(
        "answers", "n_effective", *ATTAINED, own_items="n_items"
    )
    sources = board.join(own, on="answers", how="left", maintain_order="left")
    has_items = pl.col("own_items") == pl.col("n_items")
    sources = sources.with_columns(pl.when(has_items).then(pl.col(name)).alias(name) for name in ATTAINED)
    whole = sources.filter(has_items).join(_examples(comparison), on="answers", how="left", maintain_order="left")
    if comparison.receipt["reference"]["name"] == "probe":
        whole = whole.filter(pl.col("own_examples") == pl.col("n_examples"))
    beside = summary.filter(
        pl.col("answers").is_in(whole["answers"].to_list()[:1]) & pl.col("answered_by").is_in(BASELINES)
    ).select(
        "n_items", "n_effective", "mean", *ATTAINED,
        answers="answered_by", corrected="mean_corrected", low="mean_low", high="mean_high",
    )  # fmt: skip
    baselines = beside.filter(pl.col("mean").is_not_null())
    return pl.concat([sources.drop("own_items").sort("corrected", nulls_last=True), baselines], how="diagonal_relaxed")


def own_means(comparison: Comparison) -> pl.DataFrame:
    """A row for each source over its own items and examples, pooled; none where the leaderboard is over these.

    Means over other items are other means, so they are shown and not ranked.
    """
    board = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
    summary = comparison.tables["summary"].filter(
        (pl.col("grouping") == EVERYONE) & (pl.col("answered_by") == pl.col("answers")) & (pl.col("n_items") > 0)
    )
    own = summary.join(_examples(comparison), on="answers", how="left", maintain_order="left").select(
        "answers", "n_items", "mean", n_examples="own_examples", corrected="mean_corrected", low="mean_low",
        high="mean_high",
    )  # fmt: skip
    ranked = board.select("answers", ranked_items="n_items", ranked_examples="n_examples")
    both = own.join(ranked, on="answers", how="left", maintain_order="left")
    is_same = (pl.col("n_items") == pl.col("ranked_items")) & (pl.col("n_examples") == pl.col("ranked_examples"))
    return own if both.filter(~is_same.fill_null(False)).height else own.clear()


def _examples(comparison: Comparison) -> pl.DataFrame:
    """How many examples each source answered, everybody pooled, in cells that have a number."""
    pooled = comparison.tables["scores"].filter((pl.col("grouping") == EVERYONE) & ~pl.col("is_too_small"))
    return pooled.group_by("answers").agg(own_examples=pl.col("n_examples").sum())
