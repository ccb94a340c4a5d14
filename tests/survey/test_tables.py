"""The packaged tables row for row: against the facts where those are at hand, and against values written out here."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest

from worldvaluesbench.survey._attributes import derive_attribute, load_derived_attributes
from worldvaluesbench.survey._codebook import load_codebook, read_table
from worldvaluesbench.survey._labels import country_of_code, load_codebook_labels

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

# Attributes whose codes are of one list: languages, countries of birth (and of the interview), degrees, occupations.
LISTS = (
    ("S_INTLANGUAGE", "Q272"),
    ("Q266", "Q267", "Q268"),
    ("Q275", "Q276", "Q277", "Q278"),
    ("Q279", "Q280"),
    ("Q281", "Q282", "Q283"),
)
SAME_CODES = {attribute_id: same for same in LISTS for attribute_id in same}
SAME_CODES |= {attribute_id: (*SAME_CODES[attribute_id], "B_COUNTRY") for attribute_id in ("Q266", "Q267", "Q268")}
NORTHERN_IRELAND = 909  # births there are counted under the United Kingdom


def facts(name: str, renamed: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    for row in csv.DictReader((FACTS / f"{name}.csv").read_text(encoding="utf-8").splitlines()):
        yield {(renamed or {}).get(column, column): cell for column, cell in row.items()}


@with_facts
@pytest.mark.parametrize(
    ("table", "renamed"),
    [("inverted", {}), ("recodes", {}), ("marginals_v5", {}), ("countries", {"codebook_label": "name"})],
)
def test_a_table_is_that_of_the_facts_row_for_row(table: str, renamed: Mapping[str, str]) -> None:
    rows = [{key: cell for key, cell in row.items() if key != "alpha2"} for row in read_table(table)]
    assert rows == list(facts(table, renamed))


def test_a_code_that_one_table_of_a_list_knows_is_known_to_all_of_them() -> None:
    choices = {entry.attribute_id: dict(entry.choices) for entry in CODEBOOK.attributes}
    for same in LISTS:
        for other in same[1:]:
            assert choices[same[0]] == choices[other], (same[0], other)
    assert choices["B_COUNTRY"].keys() - choices["Q266"].keys() == {NORTHERN_IRELAND}
    assert (choices["Q266"][462], choices["Q272"][1190]) == ("Maldives", "Dutch (Flemish)")


def test_every_code_of_the_other_tables_is_one_of_the_codebook() -> None:
    known = {item.item_id: {choice.code for choice in item.choices} for item in CODEBOOK.items}
    known |= {entry.attribute_id: set(entry.choices) for entry in CODEBOOK.attributes if not entry.is_free}
    missing = {int(row["file_code"]) for row in read_table("missing") if row["file_code"]}
    for table, key in (("marginals_v5", "item_id"), ("label_changes", "item_id"), ("codebook_labels", "attribute_id")):
        rows = [row for row in read_table(table) if row[key] in known and row["code"] != "missing"]
        assert rows
        for row in rows:
            assert int(row["code"]) in known[row[key]] | missing, (table, row)
    for column, codes in CODEBOOK.inverted.items():
        if column.removesuffix("P") in known:
            assert set(codes.values()) - {None} <= known[column.removesuffix("P")] | missing
    prefixed = {(row["attribute_id"], int(row["country"])) for row in read_table("label_prefixes")}
    assert prefixed == {(name, country_of_code(code)) for name in PREFIXED for code in known[name]}


def test_iso_letters_are_those_of_one_country_each() -> None:
    letters = [country.alpha2 for country in CODEBOOK.countries if country.alpha2]
    assert len(set(letters)) == len(letters) == 65
    by_letters = {country.alpha2: country.alpha3 for country in CODEBOOK.countries}
    assert [by_letters[two] for two in ("AD", "CL", "CN", "DE", "GB", "KR", "RS", "UA")] == [
        "AND", "CHL", "CHN", "DEU", "GBR", "KOR", "SRB", "UKR",
    ]  # fmt: skip


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
    listed = [
        (entry.attribute_id, code, label) for entry in CODEBOOK.attributes for code, label in entry.choices.items()
    ]
    for attribute_id, code, label in listed:
        key = attribute_id, code
        if key not in theirs:  # known from the table of the same codes
            others = [entry for entry in CODEBOOK.attributes if entry.attribute_id in SAME_CODES[attribute_id]]
            assert label in {other.choices.get(code) for other in others}
        else:
            kept = re.sub(r"^[A-Z]{2,3}: ", "", theirs[key]) if attribute_id in PREFIXED else theirs[key]
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


@with_facts
def test_the_codebooks_labels_are_those_of_the_facts() -> None:
    labels = load_codebook_labels()
    for row in facts("choices"):
        item_id, code = row["item_id"], int(row["code"])
        if item_id == "B_COUNTRY" and code not in CODEBOOK.attribute(item_id).choices:
            continue  # countries of other surveys
        if not (row["codebook_label"] == row["code"] and code not in labels[item_id]):
            in_item = item_id in CODEBOOK.item_ids and code < 0
            assert in_item or labels[item_id][code] == row["codebook_label"], row
