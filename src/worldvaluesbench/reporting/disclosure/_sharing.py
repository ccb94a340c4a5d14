"""What may be shared: the columns of each table, the smallest cell, and numbers that are rounded.

Numbers exact to the last bit could serve to verify a guess at single responses.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import polars as pl

from worldvaluesbench.reporting.disclosure._complement import small_remainders
from worldvaluesbench.reporting.disclosure._partition import Group, group_of

SAFE_MIN_N = 10
"""Cells with fewer respondents are never shared."""

DECIMALS, DIGITS = 6, 4
"""Numbers are rounded to so many decimals, those below 0.001 to so many significant digits."""


def round_numbers(table: pl.DataFrame) -> pl.DataFrame:
    """The table with all floating point numbers rounded to `DECIMALS` decimals; small ones keep `DIGITS` digits."""
    rounded = [
        pl.when(pl.col(name).abs() < 10 ** (DIGITS - 1 - DECIMALS))
        .then(pl.col(name).round_sig_figs(DIGITS))
        .otherwise(pl.col(name).round(DECIMALS))
        .alias(name)
        for name, dtype in table.schema.items()
        if dtype.is_float()
    ]
    return table.with_columns(rounded)


@cache
def load_shared_columns() -> Mapping[str, Mapping[str, str]]:
    """The tables that may be shared, and the types of their columns: `data/shared_columns.csv`."""
    text = (files("worldvaluesbench") / "data" / "shared_columns.csv").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(text.splitlines()):
        found.setdefault(row["table"], {})[row["column"]] = row["dtype"]
    return found


def few_remain(scores: pl.DataFrame, edition: str | None) -> str | None:
    """The first item with a cell of too few respondents when the finer cells shown are subtracted; None for none."""
    shown = scores.filter(pl.col("n_responses").is_not_null() & ~pl.col("is_too_small"))
    done: set[frozenset[tuple[Group, int]]] = set()
    for column in ("n_responses", "n_examples"):
        for (_, item_id), cells in shown.group_by("answers", "item_id", maintain_order=True):
            rows = cells.select("grouping", "group_codes", column).iter_rows()
            counts = {group_of(grouping, codes): n for grouping, codes, n in rows}
            key = frozenset(counts.items())
            if key not in done and small_remainders(counts, SAFE_MIN_N, edition):
                return str(item_id)
            done.add(key)
    return None
