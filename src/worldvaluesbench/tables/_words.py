"""Values as tables in the terminal, in pages and in LaTeX show them: distances, p-values, ranks and sizes of polls."""

from collections.abc import Mapping
from typing import Any, TypeVar

from worldvaluesbench.stats import interval_text

Number = TypeVar("Number", float, float | None)


def rank_text(row: Mapping[str, Any]) -> str | None:
    """A rank with its confidence interval; a tie has an equals sign.

    >>> rank_text({"rank": 1, "rank_low": 1, "rank_high": 3, "is_tied": True})
    '1= (1–3)'
    """
    if row["rank"] is None:
        return None
    return f"{row['rank']}{'=' if row['is_tied'] else ''} ({row['rank_low']}–{row['rank_high']})"


MANY = 10_000
"""More respondents than these are not told apart from still more."""


def has_poll(row: Mapping[str, Any]) -> bool:
    """Whether the size of the random sample that is as far off is known, be it without bound."""
    is_at_0 = row.get("high") == 0  # as far as nobody's poll is: without bound at both ends
    return is_at_0 or any(row[name] is not None for name in ("poll_n", "poll_n_low", "poll_n_high"))


def poll_text(row: Mapping[str, Any]) -> str:
    """The size of a random sample with the ends of its confidence interval; null is without bound.

    Where all three are null, and not because the distance is 0, the size is not known, and a dash says so.

    >>> poll_text({"poll_n": 4.2, "poll_n_low": 3.1, "poll_n_high": 9.7})
    '4 [3, 10]'
    >>> poll_text({"poll_n": None, "poll_n_low": 812.3, "poll_n_high": None})
    'over 10,000 [812, –]'
    >>> poll_text(dict.fromkeys(("poll_n", "poll_n_low", "poll_n_high")))
    '–'
    """
    if not has_poll(row):
        return "–"
    value, low, high = (_said(row[name]) for name in ("poll_n", "poll_n_low", "poll_n_high"))
    return f"{value or f'over {MANY:,}'} [{low or '–'}, {high or '–'}]"


def _said(size: float | None) -> str | None:
    return None if size is None or size > MANY else f"{size:,.0f}"


def p_text(p: float | None) -> str:
    """A p-value as people read it.

    >>> p_text(0.0421), p_text(0.00004)
    ('0.042', '<0.001')
    """
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def floored(value: Number) -> Number:
    """A corrected distance as people read it: one below 0, which chance makes of a nearly perfect one, is 0.

    >>> floored(-0.004), floored(0.1), floored(None)
    (0.0, 0.1, None)
    """
    return value if value is None else max(value, 0.0)


def distance_text(corrected: float | None, low: float | None, high: float | None) -> str | None:
    """A bias-corrected distance with its confidence interval, below 0 shown as 0; None where there is no distance.

    >>> distance_text(-0.002, 0.0, 0.004)
    '0.000 [0.000, 0.004]'
    """
    return interval_text(floored(corrected), floored(low), floored(high))
