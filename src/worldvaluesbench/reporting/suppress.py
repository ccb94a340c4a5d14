"""Suppression: what is taken out of a comparison before it is shared, so that no small group can be read from it."""

import polars as pl

from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting.bundle_file import SAFE_MIN_N
from worldvaluesbench.scoring.comparison import Comparison

COUNTS = ("n_responses", "n_effective", "n_answers", "n_examples", "n_missing", "coverage", "left_out")


def suppress(comparison: Comparison) -> Comparison:
    """The comparison without what is known of cells that are too small: not even how many people they have.

    Raises BundleError where it has numbers of cells with fewer than `SAFE_MIN_N` people.
    """
    least = int(comparison.receipt["settings"]["min_n"])
    if least < SAFE_MIN_N:
        raise BundleError(
            f"The comparison shows cells of {least} people and more; to share it, make it with --min-n {SAFE_MIN_N}."
        )
    tables = dict(comparison.tables)
    small = pl.col("is_too_small")
    tables["scores"] = tables["scores"].with_columns(pl.when(~small).then(pl.col(name)).alias(name) for name in COUNTS)
    for name in ("individuals", "individuals_summary"):
        if not tables[name].is_empty():
            tables[name] = tables[name].filter(pl.col("n") >= SAFE_MIN_N)
    return Comparison(comparison.receipt, tables)
