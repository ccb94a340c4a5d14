"""Responses and attributes: the codes of a survey file turned into ratings, valid codes and missing reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.codebook import Attribute, Codebook, Item
from worldvaluesbench.survey.microdata import Microdata
from worldvaluesbench.survey.outcomes import outcome_codes


@dataclass(frozen=True, slots=True)
class UnlistedCode:
    """A code that the file holds and the codebook does not list: it is counted, and missing."""

    column: str
    code: int
    n: int

    def __str__(self) -> str:
        return f"{self.column}={self.code} ({self.n:,}x)"


@dataclass(frozen=True)
class Coded:
    """What a survey file says, in our codes, rows in file order.

    `responses` has an Int8 column for each item of the codebook, `attributes` an Int32 column for each attribute;
    a negative value is a missing reason. Columns that the file lacks are `not_asked` throughout.
    """

    responses: pl.DataFrame
    attributes: pl.DataFrame
    unlisted: tuple[UnlistedCode, ...]


def code_responses(microdata: Microdata, codebook: Codebook, *, strict: bool = False) -> Coded:
    """Ratings, valid attribute codes and missing reasons for every row of a survey file.

    Raises SurveyFileError with `strict` where the file holds a code that the codebook does not list.
    """
    responses, unlisted_items = _code_columns(microdata.frame, codebook.items, codebook)
    attributes, unlisted_attributes = _code_columns(microdata.frame, codebook.attributes, codebook)
    unlisted = (*unlisted_attributes, *unlisted_items)
    if strict and unlisted:
        some = ", ".join(str(code) for code in unlisted[:5])
        raise SurveyFileError(
            f"{microdata.source.name}: {len(unlisted)} codes are not in the codebook: {some}"
            f"{', ...' if len(unlisted) > 5 else ''}; leave out --strict to count them as missing."
        )
    return Coded(responses, attributes, unlisted)


def _code_columns(
    frame: pl.DataFrame, entries: Sequence[Item] | Sequence[Attribute], codebook: Codebook
) -> tuple[pl.DataFrame, list[UnlistedCode]]:
    columns, unlisted = [], []
    not_asked = codebook.missing_code("not_asked")
    for entry in entries:
        name = entry.item_id if isinstance(entry, Item) else entry.attribute_id
        dtype: type[np.int8] | type[np.int32] = np.int8 if isinstance(entry, Item) else np.int32
        if name not in frame.columns:
            columns.append(pl.Series(name, np.full(frame.height, not_asked, dtype=dtype)))
            continue
        codes, found = outcome_codes(frame[name], entry, codebook)
        columns.append(pl.Series(name, codes))
        unlisted += [UnlistedCode(name, code, n) for code, n in sorted(found.items())]
    return pl.DataFrame(columns), unlisted
