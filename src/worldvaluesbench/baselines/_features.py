"""What the boosted trees see of a person: attribute codes, as numbers where they are ordered and as names where not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.baselines._people import People
from worldvaluesbench.benchmark import Dataset
from worldvaluesbench.survey import Codebook, load_derived_attributes

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "A_YEAR": "when the interview was held, which is decided by the country",
        "J_INTDATE": "when the interview was held: a number that hardly anybody shares",
        "N_TOWN": "thousands of places with a few people each: a tree would learn the sample by heart",
        "Q261": "the year of the interview less the age, which is seen as it is",
        "X003R": "made from the age, which is seen as it is",
        "education_level": "made from the education, which is seen as it is",
        "age_band": "made from the age, which is seen as it is",
    }
)
"""The attributes that trees do not see unless they are asked for by name, and why."""

ORDERED = (
    "G_TOWNSIZE", "H_SETTLEMENT", "X003R", "Q275", "Q276", "Q277", "Q278", "Q286", "Q287", "Q288",
    "education_level", "age_band",
)  # fmt: skip
"""Attributes whose codes stand in an order, beside the free numbers: education, size of place, income, class."""

RARE = 50
"""A level that fewer people of the train split have is no level of its own: all such are one, "another"."""


@dataclass(frozen=True)
class Features:
    """The attributes that are seen, in order, and for each that is a name which codes are told apart."""

    attribute_ids: tuple[str, ...]
    levels: Mapping[str, tuple[int, ...]]

    @property
    def nominal(self) -> list[int]:
        """The places of the attributes that are names."""
        return [place for place, name in enumerate(self.attribute_ids) if name in self.levels]

    def table(self) -> pl.DataFrame:
        """The levels that are told apart: `attribute_id`, `code`, and the number by which trees know it."""
        rows = [(name, code, place) for name, codes in self.levels.items() for place, code in enumerate(codes)]
        return pl.DataFrame(
            rows, schema={"attribute_id": pl.String, "code": pl.Int32, "number": pl.Int32}, orient="row"
        )

    def matrix(self, dataset: Dataset) -> NDArray[np.float32]:
        """What is seen of all respondents, shape (respondents, attributes); missing is NaN."""
        codes = dataset.respondents(list(self.attribute_ids))
        columns = [self._column(name, codes[name].to_numpy()) for name in self.attribute_ids]
        return np.stack(columns, axis=1)

    def _column(self, name: str, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        seen = codes.astype(np.float32)
        if name in self.levels:
            known = np.array(self.levels[name], dtype=np.int64)
            place = np.searchsorted(known, codes)
            is_known = np.append(known, -1)[place] == codes
            seen = np.where(is_known, place, known.size).astype(np.float32)
        seen[codes < 0] = np.nan
        return seen


def default_attributes(codebook: Codebook) -> tuple[str, ...]:
    """All attributes and derived attributes but those of `LEFT_OUT`."""
    return tuple(name for name in (*codebook.attribute_ids, *load_derived_attributes()) if name not in LEFT_OUT)


def find_features(people: People, attribute_ids: Sequence[str]) -> Features:
    """Which codes of these attributes are told apart: those that at least `RARE` of these people have."""
    dataset = people.dataset
    nominal = [name for name in attribute_ids if is_nominal(name, dataset.codebook)]
    codes = dataset.respondents(nominal)[people.rows] if nominal else pl.DataFrame()
    return Features(tuple(attribute_ids), {name: _frequent(codes[name].to_numpy()) for name in nominal})


def is_nominal(attribute_id: str, codebook: Codebook) -> bool:
    """Whether the codes of an attribute are names, in no order."""
    if attribute_id in ORDERED:
        return False
    return attribute_id in load_derived_attributes() or not codebook.attribute(attribute_id).is_free


def _frequent(codes: NDArray[np.int32]) -> tuple[int, ...]:
    found, n = np.unique(codes[codes >= 0], return_counts=True)
    return tuple(found[n >= RARE].tolist())
