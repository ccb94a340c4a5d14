"""An outcome: what a code of the survey file becomes, a rating or valid code, or the reason why there is none."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.survey._codebook import Attribute, Codebook, Item
from worldvaluesbench.survey.reader import AMBIGUOUS_CODE

# Up to this many codes wide, a table with an entry for every code is faster than a search.
_WIDEST_TABLE = 1 << 17


def outcome_codes(
    codes: pl.Series, entry: Item | Attribute, codebook: Codebook
) -> tuple[NDArray[np.int8] | NDArray[np.int32], dict[int, int]]:
    """The outcomes of one column of a survey file, and how often each code occurs that the codebook does not list.

    `codes` is Int32 with nulls for blank cells. An item's outcomes are Int8: the rating, or the negative code of a
    missing reason. An attribute's are Int32: the code, or that of a missing reason. Blank is `not_available`, a
    documented missing code its reason, AMBIGUOUS_CODE `ambiguous`, a listed choice without a place on the scale
    `not_ordinal`, and whatever the codebook does not list `unlisted`.
    """
    known = valid_outcomes(entry, codebook)
    unlisted = codebook.missing_code("unlisted")
    blank = codebook.missing_code("not_available")  # in survey files that code means the same
    filled = (codes.fill_null(blank) if codes.null_count() else codes).to_numpy()
    outcomes: NDArray[np.int8] | NDArray[np.int32]
    if isinstance(entry, Item):
        outcomes = _by_table(filled, known, unlisted).astype(np.int8)
    else:
        is_narrow = max(known) - min(known) <= _WIDEST_TABLE
        outcomes = (_by_table if is_narrow else _by_search)(filled, known, unlisted)
        if entry.is_free:
            outcomes = np.where((filled >= entry.low) & (filled <= entry.high), filled, outcomes)
    is_unlisted = outcomes == unlisted
    if not is_unlisted.any():
        return outcomes, {}
    found, n = np.unique(filled[is_unlisted], return_counts=True)
    return outcomes, dict(zip(found.tolist(), n.tolist(), strict=True))


def valid_outcomes(entry: Item | Attribute, codebook: Codebook) -> dict[int, int]:
    """Every code that the codebook lists for an item or attribute, and the documented missing codes -> its outcome.

    The numbers of a free-valued attribute (year, date, age, count) are not enumerated.
    """
    outcomes = {code: missing.code for missing in codebook.missing_reasons for code in missing.file_codes}
    outcomes[AMBIGUOUS_CODE] = codebook.missing_code("ambiguous")
    if isinstance(entry, Attribute):
        return outcomes | {code: code for code in entry.choices}
    not_ordinal = codebook.missing_code("not_ordinal")
    for choice in entry.choices:
        rating = entry.rating_of(choice.code)
        outcomes[choice.code] = not_ordinal if rating is None else rating
    return outcomes


def _by_table(codes: NDArray[np.int32], known: Mapping[int, int], otherwise: int) -> NDArray[np.int32]:
    low, high = min(known), max(known)
    # one more entry at either end takes all that lies beyond; 64 bits, as the difference must not wrap around
    table = np.full(high - low + 3, otherwise, dtype=np.int32)
    table[np.fromiter(known, dtype=np.int64) - (low - 1)] = np.fromiter(known.values(), dtype=np.int32)
    return table.take(np.subtract(codes, low - 1, dtype=np.int64), mode="clip")


def _by_search(codes: NDArray[np.int32], known: Mapping[int, int], otherwise: int) -> NDArray[np.int32]:
    listed = np.array(sorted(known), dtype=np.int32)
    outcomes = np.array([known[code] for code in listed.tolist()], dtype=np.int32)
    position = np.searchsorted(listed, codes).clip(max=len(listed) - 1)
    return np.where(listed[position] == codes, outcomes[position], np.int32(otherwise))
