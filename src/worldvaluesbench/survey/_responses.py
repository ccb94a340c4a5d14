"""Responses and attributes: the codes of a survey file turned into ratings, valid codes and missing reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey._codebook import Attribute, Codebook, Item
from worldvaluesbench.survey._outcomes import outcome_codes
from worldvaluesbench.survey.reader import Microdata, code_in_file


@dataclass(frozen=True, slots=True)
class UnlistedCode:
    """A code that the file holds and the codebook does not list: it is counted, and missing.

    Column and code are the file's own: `Q7P=2` where an inverted file holds a code that its edition does not have.
    """

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
    responses, unlisted_items = _code_columns(microdata, codebook.items, codebook)
    attributes, unlisted_attributes = _code_columns(microdata, codebook.attributes, codebook)
    unlisted = (*unlisted_attributes, *unlisted_items)
    if strict and unlisted:
        some = ", ".join(str(code) for code in unlisted[:5])
        raise SurveyFileError(
            f"{microdata.source.name}: {len(unlisted)} codes are not in the codebook: {some}"
            f"{', ...' if len(unlisted) > 5 else ''}; leave out --strict to count them as missing."
        )
    return Coded(responses, attributes, unlisted)


def unlisted_codes(
    microdata: Microdata, name: str, found: Mapping[int, int], codebook: Codebook
) -> tuple[UnlistedCode, ...]:
    """The codes `found` (code -> how often) in one of our columns, as the file has them, in their order."""
    column = microdata.columns[name]
    if name not in microdata.inverted:
        return tuple(UnlistedCode(column, code, n) for code, n in sorted(found.items()))
    inverted = codebook.inverted[microdata.inverted[name]]
    in_file = [(code_in_file(code, inverted), n) for code, n in found.items()]
    return tuple(UnlistedCode(column, code, n) for code, n in sorted(in_file))


def _code_columns(
    microdata: Microdata, entries: Sequence[Item] | Sequence[Attribute], codebook: Codebook
) -> tuple[pl.DataFrame, list[UnlistedCode]]:
    columns: list[pl.Series] = []
    unlisted: list[UnlistedCode] = []
    frame = microdata.frame
    not_asked = codebook.missing_code("not_asked")
    for entry in entries:
        name = entry.item_id if isinstance(entry, Item) else entry.attribute_id
        dtype: type[np.int8] | type[np.int32] = np.int8 if isinstance(entry, Item) else np.int32
        if name not in frame.columns:
            columns.append(pl.Series(name, np.full(frame.height, not_asked, dtype=dtype)))
            continue
        codes, found = outcome_codes(frame[name], entry, codebook)
        columns.append(pl.Series(name, codes))
        unlisted += unlisted_codes(microdata, name, found, codebook)
    return pl.DataFrame(columns), unlisted
