"""The tables of a report, each as HTML, from the tables of a comparison."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from markupsafe import Markup

from worldvaluesbench.reporting.figures import NAMES
from worldvaluesbench.reporting.tables._board import board_of, own_means
from worldvaluesbench.reporting.tables._html import Column, render_table
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.stats import interval_text
from worldvaluesbench.survey import grouping_name
from worldvaluesbench.tables import distance_text, p_text, poll_text, rank_text

MAX_PAIRS = 60


class ReportTables:
    """The tables of one comparison, made when they are asked for."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def leaderboard(self) -> Markup:
        """Every source by rank, then the baselines."""
        rows = [
            {
                "answers": NAMES.get(row["answers"], row["answers"]),
                "rank": rank_text(row),
                "mean": number(row["mean"]),
                "corrected": distance_text(row["corrected"], row["low"], row["high"]),
                "bias": number(row["bias_left"]),
                "floor": number(row["noise_floor"]),
                "skill": None if row["skill"] is None else f"{row['skill']:.2f}",
                "poll": None if row["rank"] is None else poll_text(row),
                **_attained(row),
                "n_items": row["n_items"],
            }
            for row in board_of(self.comparison).iter_rows(named=True)
        ]
        columns = [
            Column("Answered by", "answers", is_text=True),
            Column("Rank (CI)", "rank"),
            Column("Mean W1", "mean"),
            Column("Bias-corrected [CI]", "corrected"),
            Column("Bias left, at most", "bias"),
            Column("Noise floor", "floor"),
            Column("Skill", "skill"),
            Column("Worth a poll of", "poll"),
            Column("W1 ≤ 0.1", "attained_0_1"),
            Column("W1 ≤ 0.2", "attained_0_2"),
            Column("Items", "n_items"),
        ]
        return _table("Leaderboard: mean distance over items, everybody pooled", columns, rows)

    def own_means(self) -> Markup:
        """Every source over its own items and examples, where those are not what is ranked."""
        rows = [
            {
                "answers": row["answers"],
                "mean": number(row["mean"]),
                "corrected": distance_text(row["corrected"], row["low"], row["high"]),
                "n_items": row["n_items"],
                "n_examples": f"{row['n_examples']:,}",
            }
            for row in own_means(self.comparison).iter_rows(named=True)
        ]
        columns = [
            Column("Answered by", "answers", is_text=True),
            Column("Mean W1", "mean"),
            Column("Bias-corrected [CI]", "corrected"),
            Column("Items", "n_items"),
            Column("Examples", "n_examples"),
        ]
        return _table("Each source over its own items and examples (not ranked)", columns, rows)

    def pairs(self) -> Markup:
        """Paired differences of all sources, pooled."""
        pooled = self.comparison.tables["pairs"].filter(pl.col("grouping") == EVERYONE)
        rows = [
            {"first": f"{row['first']} − {row['second']}", **_difference(row)}
            for row in pooled.head(MAX_PAIRS).iter_rows(named=True)
        ]
        columns = [Column("Pair", "first", is_text=True), *_DIFFERENCE]
        return _table("Differences of mean distance, pair by pair", columns, rows)

    def demographics(self) -> Markup:
        """With less without demographics, by model and group."""
        rows = [
            {"model": row["model"], "group": _group(row), **_difference(row)}
            for row in self.comparison.tables["demographics"].drop_nulls("difference").iter_rows(named=True)
        ]
        columns = [Column("Model", "model", is_text=True), Column("Group", "group", is_text=True), *_DIFFERENCE]
        return _table("Δ W1 (with − without demographics); negative = demographics help", columns, rows)

    def disparity(self) -> Markup:
        """The gap between the worst and the best group of every source and grouping."""
        rows = [
            {
                "answers": row["answers"],
                "grouping": grouping_name(row["grouping"]),
                "worst": row["worst"],
                "best": row["best"],
                "gap": interval_text(row["gap"], row["gap_low"], row["gap_high"]),
                "chance": number(row["gap_by_chance"]),
                "p": p_text(row["p"]),
                "spread": interval_text(row["spread"], row["spread_low"], row["spread_high"]),
                "n": f"{row['n_groups']} / {row['n_items']}",
            }
            for row in self.comparison.tables["disparity"].iter_rows(named=True)
        ]
        columns = [
            Column("Answers", "answers", is_text=True),
            Column("Grouping", "grouping", is_text=True),
            Column("Worst group", "worst", is_text=True),
            Column("Best group", "best", is_text=True),
            Column("Gap [CI]", "gap"),
            Column("Gap by chance", "chance"),
            Column("p", "p"),
            Column("Spread [CI]", "spread"),
            Column("Groups / items", "n"),
        ]
        return _table(
            "Group disparities: gaps between groups over the items that all groups of the source have", columns, rows
        )

    def countries(self, answers: str) -> Markup:
        """Mean distance of one source by country, nearest first."""
        found = self.comparison.tables["countries"].filter(answered_by=answers).sort("mean_corrected", nulls_last=True)
        rows = [
            {
                "name": row["name"],
                "mean": number(row["mean"]),
                "corrected": distance_text(row["mean_corrected"], row["mean_low"], row["mean_high"]),
                "floor": number(row["noise_floor"]),
                "n": f"{row['n_effective']:,.0f}",
                "n_items": row["n_items"],
            }
            for row in found.iter_rows(named=True)
        ]
        columns = [
            Column("Country", "name", is_text=True),
            Column("Mean W1", "mean"),
            Column("Bias-corrected [CI]", "corrected"),
            Column("Noise floor", "floor"),
            Column("Effective n of an item", "n"),
            Column("Items", "n_items"),
        ]
        return _table(f"{answers} by country", columns, rows)

    def persons(self) -> Markup:
        """How well single persons are met."""
        pooled = self.comparison.tables["individuals_summary"]
        if pooled.is_empty():
            return Markup("")
        rows = [
            {
                "name": NAMES.get(row["answered_by"], row["answered_by"]),
                **{
                    key: interval_text(row[key], row[f"{key}_low"], row[f"{key}_high"])
                    for key in ("accuracy", "absolute_error", "log_loss")
                },
                "n": f"{row['n']:,}",
            }
            for row in _once(pooled.filter(pl.col("grouping") == EVERYONE)).iter_rows(named=True)
        ]
        columns = [
            Column("Answered by", "name", is_text=True),
            Column("Accuracy [CI]", "accuracy"),
            Column("Absolute error [CI]", "absolute_error"),
            Column("Log loss [CI]", "log_loss"),
            Column("Examples", "n"),
        ]
        return _table("Single persons: was this person's response met?", columns, rows)

    def collapse(self) -> Markup:
        """How varied the answers of every source are, pooled."""
        pooled = self.comparison.tables["collapse_summary"].filter(pl.col("grouping") == EVERYONE)
        rows = [
            {
                "answers": row["answers"],
                "n_items": row["n_items"],
                "entropy": number(row["entropy_ratio"]),
                "variance": number(row["variance_ratio"]),
                "modes": f"{row['modal_share_answers']:.0%} / {row['modal_share_humans']:.0%}",
                "points": f"{row['n_points_used_answers']:.1f} / {row['n_points_used_humans']:.1f}",
            }
            for row in pooled.drop_nulls("modal_share_answers").iter_rows(named=True)
        ]
        columns = [
            Column("Answers", "answers", is_text=True),
            Column("Items", "n_items"),
            Column("Entropy, answers by humans", "entropy"),
            Column("Variance, answers by humans", "variance"),
            Column("Most frequent point, answers / humans", "modes"),
            Column("Points used, answers / humans", "points"),
        ]
        return _table("How varied the answers are: medians (ratios) and means over items", columns, rows)

    def outcomes(self) -> Markup:
        """What became of the rows of every source."""
        outcomes: Mapping[str, Mapping[str, Any]] = self.comparison.receipt["outcomes"]
        rows = []
        for name, counts in outcomes.items():
            left_out = {key: n for key, n in counts.items() if key not in ("n_rows", "valid") and n}
            reasons = ", ".join(f"{key} {n:,}" for key, n in left_out.items()) or "none"
            # few respondents without a response are not counted, nor is what gives their number away
            n_rows = counts["n_rows"]
            share = counts["valid"] / n_rows if n_rows else None
            valid = None if share is None else f"{share:.1%}"
            shown = f"{counts['valid']:,} valid" if n_rows is None else f"{n_rows:,}"
            rows.append({"name": name, "rows": shown, "valid": valid, "reasons": reasons})
        columns = [
            Column("Answers", "name", is_text=True),
            Column("Rows", "rows"),
            Column("Count", "valid"),
            Column("Left out, by reason", "reasons", is_text=True),
        ]
        return _table("What became of the answers", columns, rows)

    def sources(self) -> Markup:
        """How every source was asked."""
        rows = [_source(answers) for answers in self.comparison.receipt["answers"]]
        columns = [
            Column("Answers", "name", is_text=True),
            Column("Model", "model", is_text=True),
            Column("Method", "method", is_text=True),
            Column("Shown of the person", "shown", is_text=True),
            Column("Temperature", "temperature"),
            Column("Template", "template", is_text=True),
            Column("Requests", "requests"),
            Column("Tokens in / out", "tokens"),
            Column("Settings", "fingerprint", is_text=True),
            Column("SHA-256 of the answers", "sha256", is_text=True),
        ]
        return _table("How each was asked", columns, rows)


_DIFFERENCE = (
    Column("Difference [CI]", "difference"),
    Column("p", "p"),
    Column("p (Holm)", "p_holm"),
    Column("Squared p (Holm)", "squared_p_holm"),
    Column("Items", "n_items"),
)


def number(value: float | None) -> str | None:
    """A number with three decimals.

    >>> number(0.1234), number(None)
    ('0.123', None)
    """
    return None if value is None else f"{value:.3f}"


def _difference(row: Mapping[str, Any]) -> dict[str, Any]:
    ends = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    return {"difference": ends, "p": p_text(row["p"]), "p_holm": p_text(row["p_holm"])} | {
        "squared_p_holm": p_text(row["squared_p_holm"]),
        "n_items": row["n_items"],
    }


def _group(row: Mapping[str, Any]) -> str:
    return "everybody" if row["grouping"] == EVERYONE else str(row["group"])


def _attained(row: Mapping[str, Any]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for key in ("attained_0_1", "attained_0_2"):
        low, high = row[f"{key}_low"], row[f"{key}_high"]
        ends = "" if low is None or high is None else f" [{low:.0%}, {high:.0%}]"
        found[key] = None if row[key] is None else f"{row[key]:.0%}{ends}"
    return found


def _once(table: pl.DataFrame) -> pl.DataFrame:
    """Each source, then each baseline of the first one."""
    is_own = pl.col("answered_by") == pl.col("answers")
    first = table["answers"][0]
    return pl.concat([table.filter(is_own), table.filter(~is_own & (pl.col("answers") == first))])


def _source(answers: Mapping[str, Any]) -> dict[str, Any]:
    run = answers["run"] or {}
    about = run.get("about") or {}
    settings = about.get("settings") or {}
    return {
        "name": answers["name"],
        "model": run.get("model") or "a file",
        "method": run.get("method"),
        "shown": ", ".join(settings["attributes"]) or "nobody" if "attributes" in settings else None,
        "temperature": settings.get("temperature"),
        "template": (settings.get("template") or {}).get("name"),
        "requests": f"{about['n_requests']:,}" if about.get("n_requests") else None,
        "tokens": _tokens(about),
        "fingerprint": run.get("fingerprint"),
        "sha256": answers["sha256"][:16] + "…",
    }


def _tokens(about: Mapping[str, Any]) -> str | None:
    """Tokens sent and received, and of how many completions they are where usage was not reported for all."""
    sent, received, n_without = (about.get(key) for key in ("prompt_tokens", "completion_tokens", "n_without_usage"))
    if not sent or received is None:
        return "not reported" if n_without else None
    missing = f" (not reported for {n_without:,} of {about.get('n_received') or 0:,} completions)" if n_without else ""
    return f"{sent:,} / {received:,}{missing}"


def _table(caption: str, columns: list[Column], rows: list[dict[str, Any]]) -> Markup:
    if not rows:
        return Markup("")
    return Markup(render_table(caption, columns, rows))
