"""An inspection: what a survey file holds, before anything is built from it."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from worldvaluesbench.survey._codebook import Attribute, Codebook, Item, load_codebook
from worldvaluesbench.survey._columns import COUNTRY_COLUMN, ID_COLUMN, WEIGHT_COLUMNS
from worldvaluesbench.survey._outcomes import outcome_codes
from worldvaluesbench.survey._responses import UnlistedCode, unlisted_codes
from worldvaluesbench.survey.reader import AMBIGUOUS_CODE, Microdata, Source

UNLISTED_COUNTRY = "unlisted"


@dataclass(frozen=True, slots=True)
class CountryRows:
    """The rows of one country; its name is "unlisted" where the codebook has no such country, code None if blank."""

    code: int | None
    name: str
    n: int


@dataclass(frozen=True, slots=True)
class WeightColumn:
    """A weight of the file: its sum, and for how many rows it is missing or zero."""

    name: str
    total: float
    n_missing: int
    n_zero: int


@dataclass(frozen=True)
class Inspection:
    """What a survey file holds.

    `countries` are in order of their codes; `duplicate_ids` are (id, rows), most rows first; `unlisted` are the codes
    that the codebook does not list, which become missing; `ambiguous` those of inverted columns that cannot be turned
    back. `missing_responses` counts the missing cells of all items by reason, `missing_attributes` those of each
    attribute that has some.
    """

    source: Source
    version: str | None
    is_inverted: bool
    is_invented: bool
    n_rows: int
    countries: tuple[CountryRows, ...]
    items: tuple[str, ...]
    absent_items: tuple[str, ...]
    attributes: tuple[str, ...]
    absent_attributes: tuple[str, ...]
    duplicate_ids: tuple[tuple[int, int], ...]
    unlisted: tuple[UnlistedCode, ...]
    ambiguous: tuple[UnlistedCode, ...]
    n_responses: int
    missing_responses: dict[str, int]
    missing_attributes: dict[str, dict[str, int]]
    weights: tuple[WeightColumn, ...]
    notes: tuple[str, ...]

    @property
    def n_countries(self) -> int:
        """How many countries of the codebook the file holds; blank and unlisted codes are none."""
        return sum(country.name != UNLISTED_COUNTRY for country in self.countries)


def inspect_microdata(microdata: Microdata, codebook: Codebook | None = None) -> Inspection:
    """Count what a survey file holds: rows, countries, items, missing reasons, unlisted codes, weights."""
    codebook = codebook or load_codebook()
    frame = microdata.frame
    items = [item for item in codebook.items if item.item_id in frame.columns]
    attributes = [attribute for attribute in codebook.attributes if attribute.attribute_id in frame.columns]
    by_item = {item.item_id: _count_outcomes(microdata, item.item_id, item, codebook) for item in items}
    by_attribute = {
        entry.attribute_id: _count_outcomes(microdata, entry.attribute_id, entry, codebook) for entry in attributes
    }
    missing = sum((found.missing for found in by_item.values()), Counter[str]())
    both = by_attribute | by_item
    return Inspection(
        source=microdata.source,
        version=microdata.version,
        is_inverted=microdata.is_inverted,
        is_invented=microdata.is_invented,
        n_rows=frame.height,
        countries=_count_countries(frame[COUNTRY_COLUMN], codebook),
        items=tuple(by_item),
        absent_items=microdata.absent_items,
        attributes=tuple(by_attribute),
        absent_attributes=microdata.absent_attributes,
        duplicate_ids=_duplicate_ids(frame[ID_COLUMN]),
        unlisted=tuple(code for found in both.values() for code in found.unlisted),
        ambiguous=tuple(code for found in both.values() for code in found.ambiguous),
        n_responses=len(items) * frame.height - missing.total(),
        missing_responses=_in_order(missing, codebook),
        missing_attributes={
            name: _in_order(found.missing, codebook) for name, found in by_attribute.items() if found.missing
        },
        weights=tuple(_weigh(frame[name]) for name in WEIGHT_COLUMNS if name in frame.columns),
        notes=microdata.notes,
    )


@dataclass(frozen=True, slots=True)
class _ColumnCounts:
    missing: Counter[str]
    unlisted: tuple[UnlistedCode, ...]
    ambiguous: tuple[UnlistedCode, ...]


def _count_outcomes(microdata: Microdata, name: str, entry: Item | Attribute, codebook: Codebook) -> _ColumnCounts:
    outcomes, unlisted = outcome_codes(microdata.frame[name], entry, codebook)
    found = np.bincount(-outcomes[outcomes < 0].astype(np.int64), minlength=1)
    reasons = {missing.code: missing.reason for missing in codebook.missing_reasons}
    missing = Counter({reasons[-code]: n for code, n in enumerate(found.tolist()) if n})
    ambiguous = {AMBIGUOUS_CODE: missing["ambiguous"]} if missing["ambiguous"] else {}
    return _ColumnCounts(
        missing=missing,
        unlisted=unlisted_codes(microdata, name, unlisted, codebook),
        ambiguous=unlisted_codes(microdata, name, ambiguous, codebook),
    )


def _in_order(missing: Counter[str], codebook: Codebook) -> dict[str, int]:
    return {entry.reason: missing[entry.reason] for entry in codebook.missing_reasons if missing[entry.reason]}


def _count_countries(codes: pl.Series, codebook: Codebook) -> tuple[CountryRows, ...]:
    names = {country.code: country.name for country in codebook.countries}
    counts = Counter(codes.to_list())
    return tuple(
        CountryRows(code, names.get(code, UNLISTED_COUNTRY), n)
        for code, n in sorted(counts.items(), key=lambda pair: (pair[0] is None, pair[0] or 0))
    )


def _duplicate_ids(ids: pl.Series) -> tuple[tuple[int, int], ...]:
    repeated = ids.filter(ids.is_duplicated())
    return tuple(Counter(repeated.to_list()).most_common())


def _weigh(weights: pl.Series) -> WeightColumn:
    return WeightColumn(
        name=weights.name,
        total=float(weights.sum()),
        n_missing=weights.null_count(),
        n_zero=int((weights == 0).sum()),
    )
