"""The answer in words: what stands at the top of a report, from the numbers of a comparison alone."""

import polars as pl

from worldvaluesbench.scoring.baselines import UNIFORM
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.groups import EVERYONE


def headline(comparison: Comparison) -> str:
    """The title of a report."""
    n = len(comparison.names)
    return comparison.names[0] if n == 1 else f"{n} sources of answers against people"


def summary_sentences(comparison: Comparison) -> list[str]:
    """What the comparison says, in plain sentences: who is nearest, how sure that is, and beside what."""
    board = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE).sort("corrected", nulls_last=True)
    if board.is_empty():
        return ["Too few people were answered for to say how near anybody is."]
    best = board.row(0, named=True)
    lines = [
        f"{best['answers']} is nearest to people: mean Wasserstein-1 over {best['n_items']} items "
        f"{best['corrected']:.3f} [{best['low']:.3f}, {best['high']:.3f}], freed of what chance adds "
        f"(0: as people, 1: opposite)."
        if board.height > 1
        else f"{best['answers']} has a mean Wasserstein-1 over {best['n_items']} items of {best['corrected']:.3f} "
        f"[{best['low']:.3f}, {best['high']:.3f}], freed of what chance adds (0: as people, 1: opposite)."
    ]
    lines += _not_told_apart(board)
    lines += _beside_baselines(comparison, best["answers"])
    lines += _demographics(comparison)
    return lines


def _not_told_apart(board: pl.DataFrame) -> list[str]:
    tied = board.filter((pl.col("rank_low") == 1) & (pl.col("rank") > 1))["answers"].to_list()
    return [f"Not clearly farther: {', '.join(tied)}."] if tied else []


def _beside_baselines(comparison: Comparison, best: str) -> list[str]:
    summary = comparison.tables["summary"].filter((pl.col("grouping") == EVERYONE) & (pl.col("answers") == best))
    own = summary.filter(answered_by=best).row(0, named=True)
    uniform = summary.filter(answered_by=UNIFORM)["mean"].to_list()
    floor = own["noise_floor"]
    lines = [f"Two samples of people as large as these would be {floor:.3f} apart by chance."]
    if uniform and uniform[0] is not None:
        way = "nearer" if own["mean"] < uniform[0] else "farther"
        lines.append(f"Giving every answer equally often would be at {uniform[0]:.3f}: {best} is {way} than that.")
    return lines


def _demographics(comparison: Comparison) -> list[str]:
    pooled = comparison.tables["demographics"].filter(pl.col("grouping") == EVERYONE)
    lines = []
    for row in pooled.iter_rows(named=True):
        ends = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        if row["p_holm"] >= 0.05:
            lines.append(f"Telling {row['model']} who is answered for makes no clear difference ({ends}).")
        else:
            way = "nearer to" if row["difference"] < 0 else "farther from"
            lines.append(f"Telling {row['model']} who is answered for brings it {way} people ({ends}).")
    return lines
