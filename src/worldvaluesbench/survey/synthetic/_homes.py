"""Invented particulars whose codes depend on the country: towns, languages, births, denominations, ethnic groups."""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.survey import Codebook, country_of_code
from worldvaluesbench.survey.synthetic._respondents import People
from worldvaluesbench.survey.synthetic._responses import NO_ANSWER, NOT_ASKED, Codes

LongCodes = NDArray[np.int32]

OTHER_COUNTRY, OTHER_LANGUAGE = 9999, 9000
UNIT_SIZE, UNITS_OF_AN_INTERVIEWER = 12, 3
NORTHERN_IRELAND, GREAT_BRITAIN = 909, 826
"""Births in the one are counted under the other."""

BIRTHS = {"Q266": "Q263", "Q267": "Q264", "Q268": "Q265"}
"""Country of birth of the respondent, the mother and the father, and the column that says whether it is another."""


def draw_home_codes(
    people: People, responses: Mapping[str, Codes], rng: np.random.Generator, codebook: Codebook
) -> dict[str, LongCodes]:
    """The codes of all columns that depend on the country, each of shape (people,)."""
    home_country = np.array([place.code for place in people.places], dtype=np.int32)[people.home]
    interview = _draw_languages(people, rng)
    columns = {
        "N_REGION_WVS": home_country * 1000 + rng.integers(1, 9, people.n, dtype=np.int32),
        "N_TOWN": _draw_listed(people, codebook.attribute("N_TOWN").choices, rng),
        "Q290": _draw_listed(people, codebook.attribute("Q290").choices, rng),
        "S_INTLANGUAGE": interview,
        "Q272": _draw_home_languages(interview, codebook.attribute("Q272").choices, rng),
        "Q289CS9": _draw_denominations(responses["Q289"], codebook.attribute("Q289CS9").choices, rng),
    }
    own = np.where(home_country == NORTHERN_IRELAND, GREAT_BRITAIN, home_country).astype(np.int32)
    for column, immigrant in BIRTHS.items():
        abroad = [code for code in codebook.attribute(column).choices if code != OTHER_COUNTRY]
        columns[column] = _draw_births(own, responses[immigrant], abroad, rng)
    return columns


def cluster_columns(people: People, region: LongCodes) -> dict[str, pl.Series]:
    """Who was sampled with whom: units of neighbours within a region, each region's few interviewers.

    A unit has about a dozen respondents who live about as far out of town. Units and interviewers are numbered from 1
    in each country, so that their numbers say nothing without it. No random numbers are used.
    """
    order = np.lexsort((people.tendencies["urbanity"], region))
    sorted_region = region[order]
    starts_region = np.append(True, sorted_region[1:] != sorted_region[:-1])
    place = np.arange(people.n)
    in_region = place - np.maximum.accumulate(np.where(starts_region, place, 0))
    columns = {}
    for name, size in (("I_PSU", UNIT_SIZE), ("L_INTERVIEWER_NUMBER", UNIT_SIZE * UNITS_OF_AN_INTERVIEWER)):
        number = np.cumsum(in_region % size == 0)
        # regions of a country stand together, for their codes begin with its
        home = people.home[order]
        first = np.zeros(len(people.places), dtype=np.int64)
        first[home[::-1]] = number[::-1]
        codes = np.empty(people.n, dtype=np.int64)
        codes[order] = number - first[home] + 1
        columns[name] = pl.Series(name, codes)
    return columns


def _draw_listed(people: People, codes: Iterable[int], rng: np.random.Generator) -> LongCodes:
    """One of the codes that the codebook lists for the respondent's country; not asked where it lists none."""
    by_country: dict[int, list[int]] = {}
    for code in codes:
        by_country.setdefault(country_of_code(code), []).append(code)
    drawn = []
    for place, size in zip(people.places, people.sizes, strict=True):
        listed = np.array(by_country.get(place.code, [NOT_ASKED]), dtype=np.int32)
        # the first codes of a country are its common ones
        chosen = np.floor(listed.size * rng.random(int(size)) ** 2).astype(np.int64)
        drawn.append(listed[chosen])
    return np.concatenate(drawn)


def _draw_languages(people: People, rng: np.random.Generator) -> LongCodes:
    first = np.array([place.languages[0] for place in people.places], dtype=np.int32)
    last = np.array([place.languages[-1] for place in people.places], dtype=np.int32)
    return np.where(rng.random(people.n) < 0.8, first[people.home], last[people.home])


def _draw_home_languages(interview: LongCodes, listed: Iterable[int], rng: np.random.Generator) -> LongCodes:
    """Mostly the language of the interview, if it is listed as a language at home, else another one."""
    codes = np.array(list(listed), dtype=np.int32)
    home = np.where(np.isin(interview, codes), interview, OTHER_LANGUAGE).astype(np.int32)
    draw = rng.random(interview.size)
    other = rng.choice(codes, interview.size)
    home[draw < 0.05] = other[draw < 0.05]
    home[draw > 0.99] = NO_ANSWER
    return home


def _draw_denominations(major: Codes, listed: Iterable[int], rng: np.random.Generator) -> LongCodes:
    """A detailed denomination of the respondent's major group: both codes start alike, but 0 (none) becomes 10."""
    detailed = major.astype(np.int32)
    codes = np.array(sorted(listed), dtype=np.int32)
    groups = codes // 10_000_000 % 10
    for group in range(10):
        members = np.flatnonzero(major == group)
        detailed[members] = rng.choice(codes[groups == group], members.size)
    return detailed


def _draw_births(own: LongCodes, immigrant: Codes, abroad: list[int], rng: np.random.Generator) -> LongCodes:
    """The own country for those born in it, another for immigrants, the same missing reason for the others."""
    other = rng.choice(np.array(abroad, dtype=np.int32), own.size)
    other = np.where(other == own, OTHER_COUNTRY, other)
    missing: LongCodes = np.minimum(immigrant, 0).astype(np.int32)
    return np.where(immigrant == 1, own, np.where(immigrant == 2, other, missing)).astype(np.int32)
