"""The packaged tables row for row: against the facts where those are at hand, and against values written out here."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest

from worldvaluesbench.survey.attributes import derive_attribute, load_derived_attributes
from worldvaluesbench.survey.codebook import load_codebook, read_table

FACTS = Path(__file__).parents[2].parent / "shared" / "facts"
CODEBOOK = load_codebook()

with_facts = pytest.mark.skipif(not FACTS.is_dir(), reason="needs ../shared/facts")

CONTINENTS = {
    "Africa": "EGY ETH KEN LBY MAR NGA TUN ZWE",
    "Asia": "BGD CHN HKG IDN IND IRN IRQ JOR JPN KAZ KGZ KOR LBN MAC MDV MMR MNG MYS PAK PHL SGP THA TJK TUR TWN UZB "
    "VNM",
    "Europe": "AND ARM CYP CZE DEU GBR GRC NIR NLD ROU RUS SRB SVK UKR",
    "North America": "CAN GTM MEX NIC PRI USA",
    "Oceania": "AUS NZL",
    "South America": "ARG BOL BRA CHL COL ECU PER URY VEN",
}

BOUNDS = {
    "A_YEAR": ("year", 2017, 2024),
    "J_INTDATE": ("date", 20170101, 20241231),
    "Q261": ("year", 1900, 2010),
    "Q262": ("age", 0, 120),
    "Q270": ("count", 1, 99),
    "Q274": ("count", 0, 99),
}

# Towns and ethnic groups, whose labels begin with the country ("AD: Canillo") in the survey's codebook, not in ours.
PREFIXED = ("N_TOWN", "Q290")


def facts(name: str, renamed: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    for row in csv.DictReader((FACTS / f"{name}.csv").read_text(encoding="utf-8").splitlines()):
        yield {(renamed or {}).get(column, column): cell for column, cell in row.items()}


@with_facts
@pytest.mark.parametrize(
    ("table", "renamed"),
    [("inverted", {}), ("recodes", {}), ("marginals_v5", {}), ("countries", {"codebook_label": "name"})],
)
def test_a_table_is_that_of_the_facts_row_for_row(table: str, renamed: Mapping[str, str]) -> None:
    assert list(read_table(table)) == list(facts(table, renamed))


def test_every_country_is_in_its_continent() -> None:
    assert {country.alpha3: country.continent for country in CODEBOOK.countries} == {
        alpha3: continent for continent, countries in CONTINENTS.items() for alpha3 in countries.split()
    }


def test_an_inverted_column_is_its_standard_one_from_the_other_end() -> None:
    codes_on_neither_end = {"Q119P": {0: 0}, "Q254P": {5: 5}}  # hard to say; not of this nation
    for column, codes in CODEBOOK.inverted.items():
        apart = codes_on_neither_end.get(column, {})
        assert apart.items() <= codes.items()
        turned = {code: standard for code, standard in codes.items() if code not in apart and standard is not None}
        standards = [turned[code] for code in sorted(turned)]
        assert standards == sorted(set(standards), reverse=True), column
        assert len(standards) >= 2, column


def test_every_code_of_education_has_the_level_of_the_paper() -> None:
    codes = pl.Series("Q275", range(9), dtype=pl.Int32)
    levels = derive_attribute(load_derived_attributes()["education_level"], codes, missing=-5)
    assert levels.to_list() == [1, 1, 2, 3, 3, 3, 4, 4, 4]
    assert load_derived_attributes()["education_level"].level_of.keys() == set(range(9))


def test_every_age_has_its_band() -> None:
    ages = pl.Series("Q262", range(121), dtype=pl.Int32)
    bands = derive_attribute(load_derived_attributes()["age_band"], ages, missing=-5)
    below_25, of_ten_years, from_65 = [1] * 25, [band for band in (2, 3, 4, 5) for _ in range(10)], [6] * 56
    assert bands.to_list() == below_25 + of_ten_years + from_65
    assert load_derived_attributes()["age_band"].level_of.keys() == set(range(121))


def test_every_number_that_means_itself_has_its_bounds() -> None:
    free = [attribute for attribute in CODEBOOK.attributes if attribute.is_free]
    assert {entry.attribute_id: (entry.kind, entry.low, entry.high) for entry in free} == BOUNDS


@with_facts
def test_a_label_of_an_attribute_is_the_codebooks_or_its_change_is_written_down() -> None:
    theirs = {(row["item_id"], int(row["code"])): row["codebook_label"] for row in facts("choices")}
    theirs |= {("B_COUNTRY", int(row["code"])): row["codebook_label"] for row in facts("countries")}
    noted = {(row["item_id"], int(row["code"])) for row in read_table("label_changes")}
    for attribute in CODEBOOK.attributes:
        for code, label in attribute.choices.items():
            key = attribute.attribute_id, code
            kept = re.sub(r"^[A-Z]{2,3}: ", "", theirs[key]) if attribute.attribute_id in PREFIXED else theirs[key]
            assert (label == kept) != (key in noted), (key, theirs[key], label)


@with_facts
def test_a_change_that_is_written_down_is_the_one_that_was_made() -> None:
    theirs = {(row["item_id"], int(row["code"])): row["codebook_label"] for row in facts("choices")}
    ours = {(item.item_id, choice.code): choice.label for item in CODEBOOK.items for choice in item.choices}
    ours |= {
        (entry.attribute_id, code): label for entry in CODEBOOK.attributes for code, label in entry.choices.items()
    }
    changes = list(read_table("label_changes"))
    assert len({(row["item_id"], row["code"]) for row in changes}) == len(changes)
    for row in changes:
        key = row["item_id"], int(row["code"])
        assert (row["codebook_label"], row["our_label"]) == (theirs[key], ours[key])
        assert row["why"]
