"""World marginals: how many people of file version 5 gave each response, unweighted. Real aggregates, no download."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.stats import MAX_POINTS
from worldvaluesbench.survey._codebook import Codebook, load_codebook, read_table

WHICH_WORLD = "all interviews of file version 5.0 pooled, unweighted: a country counts by its number of interviews"
"""What the world of the world marginals is, in words."""

N_INTERVIEWS = 94_278
"""Interviews in file version 5; the counts of every variable sum to it."""

Counts = NDArray[np.int64]
RawCounts = Mapping[int | None, int]


@dataclass(frozen=True)
class Marginals:
    """The counts of every variable that has any: all items but Q234A, and the attributes that are no free numbers.

    `raw` holds, per variable, raw code -> people, where None pools all missing reasons.
    """

    codebook: Codebook
    raw: Mapping[str, RawCounts]

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The items that have marginals, in questionnaire order."""
        return tuple(item_id for item_id in self.codebook.item_ids if item_id in self.raw)

    def raw_counts(self, variable: str) -> dict[int | None, int]:
        """People per raw code of an item, attribute or other column; None is missing.

        Raises CodebookError where the variable has no marginals.
        """
        try:
            return dict(self.raw[variable])
        except KeyError:
            raise CodebookError(
                f"{variable} has no world marginals; {len(self.raw)} variables of file version 5 have them."
            ) from None

    def counts(self, item_id: str) -> Counts:
        """People per scale point of an item after recoding, lowest point first, shape (points,).

        Codes that have no place on the scale are left out, as missing responses are.

        Raises CodebookError for an unknown item and for one without marginals.
        """
        item = self.codebook.item(item_id)
        counts = np.zeros(item.scale.n_points, dtype=np.int64)
        for code, n in self.raw_counts(item_id).items():
            rating = None if code is None else item.rating_of(code)
            if rating is not None:
                counts[rating - item.scale.low] += n
        return counts

    def n(self, item_id: str) -> int:
        """How many people gave a response that is on the item's scale."""
        return int(self.counts(item_id).sum())

    def as_array(self, item_ids: Iterable[str] | None = None, width: int = MAX_POINTS) -> Counts:
        """Counts of many items, shape (items, width), padded with zeros; by default of all `item_ids`.

        Raises CodebookError for an item without marginals, or with more than `width` scale points.
        """
        ids = self.item_ids if item_ids is None else tuple(item_ids)
        table = np.zeros((len(ids), width), dtype=np.int64)
        for row, item_id in zip(table, ids, strict=True):
            counts = self.counts(item_id)
            if counts.size > width:
                raise CodebookError(f"{item_id} has {counts.size} scale points, which do not fit a width of {width}.")
            row[: counts.size] = counts
        return table


def load_marginals(codebook: Codebook | None = None) -> Marginals:
    """The packaged world marginals of file version 5, checked against the codebook.

    Raises CodebookError where they contradict the codebook or do not sum to 94,278.
    """
    marginals = Marginals(codebook or load_codebook(), _load_raw())
    check_marginals(marginals)
    return marginals


def check_marginals(marginals: Marginals) -> None:
    """Check that every variable counts all interviews, and every item only codes that its choices list.

    Raises CodebookError with the first contradiction found.
    """
    for variable, counts in marginals.raw.items():
        if sum(counts.values()) != N_INTERVIEWS:
            raise CodebookError(
                f"marginals_v5.csv: {variable} sums to {sum(counts.values())}, expected {N_INTERVIEWS} interviews."
            )
    for item_id in marginals.item_ids:
        listed = {choice.code for choice in marginals.codebook.item(item_id).choices}
        unlisted = sorted(code for code in marginals.raw[item_id] if code is not None and code not in listed)
        if unlisted:
            raise CodebookError(f"marginals_v5.csv: {item_id} counts codes {unlisted} that choices.csv does not list.")


@cache
def _load_raw() -> Mapping[str, RawCounts]:
    raw: dict[str, dict[int | None, int]] = {}
    for row in read_table("marginals_v5"):
        counts = raw.setdefault(row["item_id"], {})
        code = None if row["code"] == "missing" else int(row["code"])
        if code in counts:
            raise CodebookError(f"marginals_v5.csv: {row['item_id']} counts code {row['code']} twice.")
        counts[code] = int(row["n"])
    return MappingProxyType({variable: MappingProxyType(counts) for variable, counts in raw.items()})
