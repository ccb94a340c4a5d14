"""Respondents of an edition: who is kept, under which id, and in which split."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark._edition import Edition
from worldvaluesbench.benchmark._split import SPLITS, Split, split_by_hash, split_by_shuffle
from worldvaluesbench.errors import DatasetError
from worldvaluesbench.survey import (
    CLUSTER_COLUMNS,
    COUNTRY_COLUMN,
    ID_COLUMN,
    WEIGHT_COLUMNS,
    Codebook,
    Coded,
    derive_attribute,
    load_derived_attributes,
)
from worldvaluesbench.survey.reader import Microdata

FRESH_ID_SPAN = 10**9


@dataclass(frozen=True)
class Kept:
    """The rows of a survey file that an edition keeps, and under which ids.

    `rows` are row numbers in file order; `n_dropped` counts the left-out rows by why; `n_renamed` the rows that
    share an id with others and were given one of their own.
    """

    rows: NDArray[np.int64]
    respondent_ids: NDArray[np.int64]
    n_dropped: dict[str, int]
    n_renamed: int


def keep_respondents(microdata: Microdata, coded: Coded, edition: Edition, codebook: Codebook) -> Kept:
    """Apply an edition's rules about shared ids and countries.

    Raises DatasetError where two kept rows have one id, or no row is left.
    """
    ids = microdata.frame[ID_COLUMN].to_numpy()
    version_5 = [country.code for country in codebook.countries if country.is_in_version_5]
    countries = coded.attributes[COUNTRY_COLUMN].to_numpy()
    shared = np.isin(ids, edition.dropped_ids)
    newer = edition.only_version_5_countries & (countries >= 0) & ~np.isin(countries, version_5) & ~shared
    rows = np.flatnonzero(~shared & ~newer)
    renamed = rows[np.isin(ids[rows], edition.renamed_ids)]
    respondent_ids = ids.astype(np.int64)
    respondent_ids[renamed] = fresh_ids(coded, renamed, ids[renamed])
    kept = Kept(
        rows,
        respondent_ids[rows],
        {"shared_id": int(shared.sum()), "country_not_in_version_5": int(newer.sum())},
        renamed.size,
    )
    _check_ids(kept.respondent_ids, microdata.source.name)
    if not (countries[rows] >= 0).any():
        raise DatasetError(
            f"{microdata.source.name}: no row has a country that the codebook lists in {COUNTRY_COLUMN}; "
            f"expected codes such as 156 (`wvb inspect` shows what there is)."
        )
    return kept


def fresh_ids(coded: Coded, rows: NDArray[np.int64], old_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids for rows that share one: the country's three digits, then nine from a hash of all that the row says.

    They depend on attributes and responses alone, so they survive another row order or file format. Rows that
    say the same are told apart by their order among themselves, which changes nothing else.
    """
    content = np.hstack(
        [
            coded.attributes[rows].to_numpy().astype("<i4"),
            coded.responses[rows].to_numpy().astype("<i4"),
        ]
    )
    fresh = np.empty(rows.size, dtype=np.int64)
    taken: set[int] = set()
    for index in np.lexsort(content.T[::-1]).tolist():
        digest = hashlib.sha256(np.ascontiguousarray(content[index]).tobytes()).digest()
        prefix = int(old_ids[index]) // 1_000_000
        number = int.from_bytes(digest[:8], "big") % FRESH_ID_SPAN
        while prefix * FRESH_ID_SPAN + number in taken:
            number = (number + 1) % FRESH_ID_SPAN
        taken.add(prefix * FRESH_ID_SPAN + number)
        fresh[index] = prefix * FRESH_ID_SPAN + number
    return fresh


def build_respondents(microdata: Microdata, coded: Coded, kept: Kept, edition: Edition) -> pl.DataFrame:
    """The respondents table of an edition: id, split, place, attributes, derived attributes, weights, clusters."""
    attributes = coded.attributes[kept.rows]
    split = _split(attributes, kept, edition)
    derived = [
        derive_attribute(
            derived,
            attributes[derived.source],
            without_level=edition.education_without_level if derived.source == "Q275" else (),
            missing=NO_LEVEL,
        )
        for derived in load_derived_attributes().values()
    ]
    names = pl.Series("split", np.array(SPLITS)[split.split], dtype=pl.Enum(SPLITS))
    design = [name for name in (*WEIGHT_COLUMNS, *CLUSTER_COLUMNS) if name in microdata.frame.columns]
    return pl.DataFrame(
        [
            pl.Series("respondent_id", kept.respondent_ids),
            names,
            pl.Series("place", split.place),
            *attributes.get_columns(),
            *derived,
            *(microdata.frame[name].gather(kept.rows) for name in design),
        ]
    )


NO_LEVEL = -5
"""A listed code without a level in this edition counts as `not_available`."""


def _split(attributes: pl.DataFrame, kept: Kept, edition: Edition) -> Split:
    if edition.split == "shuffle":
        return split_by_shuffle(kept.rows.size, seed=edition.seed, train=edition.train, test=edition.test)
    return split_by_hash(
        attributes[COUNTRY_COLUMN], kept.respondent_ids, salt=edition.salt, train=edition.train, test=edition.test
    )


def _check_ids(respondent_ids: NDArray[np.int64], name: str) -> None:
    if not respondent_ids.size:
        raise DatasetError(f"{name}: no respondent is left by the rules of this edition; expected other countries.")
    ids, n = np.unique(respondent_ids, return_counts=True)
    twice: Sequence[int] = ids[n > 1].tolist()
    if twice:
        raise DatasetError(
            f"{name}: {len(twice)} values of {ID_COLUMN} occur in several rows, first {twice[0]} "
            f"({int(n[n > 1][0])} rows); each respondent has one row, so remove the copies from the file."
        )
