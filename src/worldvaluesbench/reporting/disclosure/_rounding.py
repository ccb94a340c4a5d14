"""Rounding of what is shared: numbers exact to the last bit could serve to verify a guess at single responses."""

import polars as pl

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
