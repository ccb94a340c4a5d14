"""The card of a bundle: what it is, what it was made from, what may be done with it. In Markdown."""

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from worldvaluesbench._version import __version__
from worldvaluesbench.reporting.figures import humans_note, interval_note
from worldvaluesbench.reporting.page._templating import render_text
from worldvaluesbench.reporting.page._wording import summary_sentences
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.tables import floored, poll_text, rank_text


def render_card(comparison: Comparison) -> str:
    """The card of a comparison."""
    board = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
    return render_text(
        "card.md.jinja",
        {
            "is_invented": comparison.is_invented,
            "sentences": map(in_markdown, summary_sentences(comparison)),
            "board": [_shown(row) for row in board.sort("corrected", nulls_last=True).to_dicts()],
            "humans": in_markdown(humans_note(comparison)),
            "interval": interval_note(comparison),
            "groupings": in_markdown(", ".join(comparison.groupings)) or "none",
            "min_n": comparison.receipt["settings"]["min_n"],
            "version": __version__,
        },
    )


def in_markdown(text: str) -> str:
    r"""Text as Markdown shows it, within a line or a cell of a table: nothing in it is a mark, a link or HTML.

    >>> print(in_markdown("a|b_[x](http://y) <b>"))
    a\|b\_\[x\]\(http\://y\) \<b\>
    """
    return _MARKS.sub(r"\\\g<0>", text)


_MARKS = re.compile(r"[\\`*_{}\[\]()<>#|~&$!@]|:(?=//)|(?<=www)\.|(?<=\d)\.(?= )")
"""What Markdown, or what GitHub adds to it, takes for more than itself within a line."""


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the leaderboard whose distances are as people read them."""
    words = {"rank_ci": rank_text(row), "poll": poll_text(row)}
    words["skill_text"] = "–" if row["skill"] is None else f"{row['skill']:.2f}"
    words["answers"] = in_markdown(row["answers"])
    return {**row, **words, **{key: floored(row[key]) for key in ("corrected", "low", "high")}}
