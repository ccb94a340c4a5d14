"""Attributes of respondents: the derived ones (continent, education level, age band) and groupings by any of them."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.survey._codebook import Codebook, load_codebook, read_table


@dataclass(frozen=True, slots=True)
class DerivedAttribute:
    """An attribute computed from another one: which level each code (or number) of its source belongs to.

    `levels` are codes and labels; `level_of` maps every source code that has a level.
    """

    attribute_id: str
    source: str
    levels: Mapping[int, str]
    level_of: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Grouping:
    """A rule that makes groups: one attribute, or the full cross of several.

    >>> Grouping(("continent", "H_URBRURAL")).name
    'continent*H_URBRURAL'
    """

    attribute_ids: tuple[str, ...]

    @property
    def name(self) -> str:
        """The attributes joined by `*`, as on the command line."""
        return "*".join(self.attribute_ids)


@cache
def load_derived_attributes() -> Mapping[str, DerivedAttribute]:
    """The derived attributes by id: `continent`, `education_level`, `age_band`.

    Raises CodebookError where a source code that has a valid choice is left without a level.
    """
    codebook = load_codebook()
    levels: dict[str, dict[int, str]] = {}
    for row in read_table("levels"):
        levels.setdefault(row["attribute_id"], {})[int(row["code"])] = row["label"]
    sources: dict[str, str] = {"continent": "B_COUNTRY"}
    level_of: dict[str, dict[int, int]] = {"continent": _continent_of_country(levels["continent"], codebook)}
    for row in read_table("level_ranges"):
        sources[row["attribute_id"]] = row["source"]
        codes = range(int(row["low"]), int(row["high"]) + 1)
        level_of.setdefault(row["attribute_id"], {}).update(dict.fromkeys(codes, int(row["level"])))
    for attribute_id, source in sources.items():
        _check_total(attribute_id, level_of[attribute_id], source, codebook)
    return MappingProxyType(
        {key: DerivedAttribute(key, sources[key], MappingProxyType(levels[key]), level_of[key]) for key in levels}
    )


def derive_attribute(
    derived: DerivedAttribute, source: pl.Series, *, without_level: Collection[int] = (), missing: int
) -> pl.Series:
    """The levels of a derived attribute, Int8, for the codes of its source.

    A missing source stays missing for its own reason; codes in `without_level` (the paper's lost master's
    degrees) become `missing`.
    """
    codes = source.to_numpy()
    result: NDArray[np.int8] = np.where(codes < 0, codes, missing).astype(np.int8)
    known = np.array(sorted(set(derived.level_of) - set(without_level)))
    place = np.searchsorted(known, codes).clip(max=known.size - 1)
    hit = known[place] == codes
    result[hit] = np.array([derived.level_of[code] for code in known.tolist()], dtype=np.int8)[place[hit]]
    return pl.Series(derived.attribute_id, result)


def level_label(attribute_id: str, code: int, codebook: Codebook) -> str:
    """The label of one level of an attribute or derived attribute.

    Raises CodebookError for an unknown id or code.
    """
    derived = load_derived_attributes().get(attribute_id)
    if derived is None:
        return codebook.attribute(attribute_id).label_of(code)
    if code not in derived.levels:
        raise CodebookError(f"{attribute_id} has no level {code}; there are {dict(derived.levels)}.")
    return derived.levels[code]


def group_label(attribute_id: str, code: int, codebook: Codebook) -> str:
    """The label of a level as a name of its group: no two levels of an attribute have the same one.

    Where several codes share a label, what tells them apart stands behind it: the country that the code begins with,
    or else the code.

    Raises CodebookError for an unknown id or code.

    >>> group_label("Q290", 76002, load_codebook()), group_label("Q260", 1, load_codebook())
    ('Black (Brazil)', 'Male')
    """
    return _shared_labels(attribute_id).get(code) or level_label(attribute_id, code, codebook)


@cache
def _shared_labels(attribute_id: str) -> Mapping[int, str]:
    """The group labels of those codes of an attribute whose own label is that of another code as well."""
    codebook = load_codebook()
    if attribute_id in load_derived_attributes() or codebook.attribute(attribute_id).is_free:
        return {}
    countries = {country.code: country.name for country in codebook.countries}
    labels = {
        code: codebook.attribute(attribute_id).label_of(code) for code in codebook.attribute(attribute_id).choices
    }
    times = Counter(labels.values())
    by_country = {
        code: f"{label} ({countries.get(code // 1000, code)})" for code, label in labels.items() if times[label] > 1
    }
    again = Counter([*by_country.values(), *(label for label in labels.values() if times[label] == 1)])
    return {code: label if again[label] == 1 else f"{labels[code]} ({code})" for code, label in by_country.items()}


def parse_groupings(text: str, codebook: Codebook | None = None) -> tuple[Grouping, ...]:
    """Groupings as written on the command line: separated by commas, attributes of a cross joined by `*`.

    Raises CodebookError for an unknown attribute or one that stands twice.

    >>> [grouping.name for grouping in parse_groupings("H_URBRURAL, continent*education_level")]
    ['H_URBRURAL', 'continent*education_level']
    """
    codebook = codebook or load_codebook()
    groupings = []
    for part in text.split(","):
        attribute_ids = tuple(name.strip() for name in part.split("*"))
        for attribute_id in attribute_ids:
            check_attribute_id(attribute_id, codebook)
        if len(set(attribute_ids)) != len(attribute_ids):
            raise CodebookError(f"The grouping {part.strip()!r} names an attribute twice.")
        groupings.append(Grouping(attribute_ids))
    return tuple(dict.fromkeys(groupings))


def grouping_name(grouping: str) -> str:
    """A grouping in words, its attributes by their short names.

    >>> grouping_name("continent*Q260")
    'continent and sex'
    """
    codebook, derived = load_codebook(), load_derived_attributes()
    names = [
        attribute_id.replace("_", " ") if attribute_id in derived else codebook.attribute(attribute_id).name.lower()
        for attribute_id in grouping.split("*")
    ]
    return " and ".join(names)


def check_attribute_id(attribute_id: str, codebook: Codebook) -> None:
    """Raise CodebookError unless this is an attribute or a derived attribute."""
    known = (*load_derived_attributes(), *codebook.attribute_ids)
    if attribute_id not in known:
        raise CodebookError(f"There is no attribute {attribute_id!r}; there are {', '.join(known)}.")


def _continent_of_country(levels: Mapping[int, str], codebook: Codebook) -> dict[int, int]:
    codes = {label: code for code, label in levels.items()}
    absent = sorted({country.continent for country in codebook.countries} - set(codes))
    if absent:
        raise CodebookError(f"levels.csv: no level of continent for {absent}, which countries.csv names.")
    return {country.code: codes[country.continent] for country in codebook.countries}


def _check_total(attribute_id: str, level_of: Mapping[int, int], source: str, codebook: Codebook) -> None:
    attribute = codebook.attribute(source)
    codes = range(attribute.low or 0, (attribute.high or 0) + 1) if attribute.is_free else attribute.choices
    absent = sorted(set(codes) - set(level_of))
    if absent:
        raise CodebookError(f"{attribute_id}: codes {absent[:5]} of {source} have no level; every code needs one.")
