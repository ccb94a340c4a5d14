"""What figures share: rows of a comparison as a chart takes them, names and labels in words."""

import textwrap
from collections.abc import Sequence
from statistics import median

import altair as alt
import polars as pl

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.scoring.sources import EVERYONE
from worldvaluesbench.survey import Item, load_codebook

OVERALL = "everybody"


class NothingToDraw(AnswersError):
    """A figure for which a comparison has no numbers."""


def check_rows(table: pl.DataFrame, comparison: Comparison, what: str) -> None:
    """Raise NothingToDraw for a table without rows; `what` would have been drawn."""
    if table.is_empty():
        least = comparison.receipt["settings"]["min_n"]
        raise NothingToDraw(
            f"There are too few people to draw {what}: no item has {least} of them with answers; see --min-n."
        )


def check_any(comparison: Comparison) -> None:
    """Raise NothingToDraw where no source has a number for any item."""
    check_rows(comparison.tables["scores"].drop_nulls("distance"), comparison, "any figure")


def floor_at_0(table: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """A table whose corrected distances are as people read them: none is below 0."""
    return table.with_columns(pl.col(*columns).clip(lower_bound=0.0))


def span(column: pl.Series) -> str:
    """The smallest and the largest of whole numbers, in words; one where they are alike.

    >>> span(pl.Series([1, 12, 3])), span(pl.Series([1234]))
    ('1 to 12', '1,234')
    """
    numbers = [int(number) for number in column.drop_nulls().to_list()] or [0]
    low, high = min(numbers), max(numbers)
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "item"), counted(12, "country", "countries")
    ('1 item', '12 countries')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def spanned(column: pl.Series, noun: str) -> str:
    """The smallest and the largest of whole numbers, with their noun.

    >>> spanned(pl.Series([1, 1]), "item"), spanned(pl.Series([1, 12]), "item")
    ('1 item', '1 to 12 items')
    """
    found = span(column)
    return f"{found} {noun if found == '1' else noun + 's'}"


def values_of(table: pl.DataFrame) -> alt.InlineData:
    """The rows of a table, within the chart itself: a figure is one file and reads no other."""
    return alt.InlineData(values=table.to_dicts())


def check_grouping(comparison: Comparison, grouping: str | None) -> None:
    """Raise AnswersError for a grouping that the comparison does not have."""
    if grouping is not None and grouping not in comparison.groupings:
        have = ", ".join(comparison.groupings) or "none but everybody pooled"
        raise AnswersError(
            f"The comparison has no grouping {grouping!r}, it has {have}; compare again with --by {grouping}."
        )


def check_source(comparison: Comparison, name: str) -> None:
    """Raise AnswersError for a source that the comparison does not have."""
    if name not in comparison.names:
        raise AnswersError(f"The comparison has no answers {name!r}; it has {', '.join(comparison.names)}.")


def groups_of(table: pl.DataFrame, grouping: str | None) -> pl.DataFrame:
    """The pooled rows, and those of a grouping, with the name of each group in `panel`."""
    wanted = [EVERYONE] if grouping is None else [EVERYONE, grouping]
    panel = pl.when(pl.col("grouping") == EVERYONE).then(pl.lit(OVERALL)).otherwise("group")
    return table.filter(pl.col("grouping").is_in(wanted)).with_columns(panel=panel)


def item_labels(item: Item) -> list[str]:
    """The scale points of an item in words, lowest first, each with its rating; the rating alone without a word."""
    labels = [""] * item.scale.n_points
    if len(item.labels) == item.scale.n_points:
        labels = list(item.labels)
    pairs = zip(item.scale.ratings, labels, strict=True)
    return [f"{rating} {'' if label == str(rating) else label}".strip() for rating, label in pairs]


def item_name(item_id: str) -> str:
    """An item with its short name: `Q57 Most people can be trusted`."""
    return f"{item_id} {load_codebook().item(item_id).name}"


def wrap_lines(text: str, width: int, n_lines: int = 2) -> str:
    r"""Text in at most so many lines of at most so many letters.

    >>> wrap_lines("There should be larger income differences", 24)
    'There should be larger\nincome differences'
    """
    return "\n".join(textwrap.wrap(text, width, max_lines=n_lines, placeholder="…"))


def upper_first(text: str) -> str:
    """Text as the beginning of a sentence, the rest as it is.

    >>> upper_first("solid: GPT")
    'Solid: GPT'
    """
    return text[:1].upper() + text[1:]


def largest(column: pl.Series) -> float:
    """The largest number of a column; 0 where there is none."""
    return max((float(number) for number in column.drop_nulls().to_list()), default=0.0)


def middle(column: pl.Series) -> float:
    """The median of a column of numbers; 0 where there is none."""
    numbers = column.drop_nulls().to_list()
    return float(median(numbers)) if numbers else 0.0


def in_order(values: Sequence[str]) -> list[str]:
    """Each value once, in the order in which they are met."""
    return list(dict.fromkeys(values))
