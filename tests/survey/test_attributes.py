"""Derived attributes and groupings."""

import polars as pl
import pytest

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.survey._attributes import (
    Grouping,
    derive_attribute,
    group_label,
    level_label,
    load_derived_attributes,
    parse_groupings,
)
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()


def test_education_levels_are_those_of_the_paper() -> None:
    codes = pl.Series("Q275", [0, 1, 2, 3, 4, 5, 6, 7, 8, -1, -5], dtype=pl.Int32)
    education = load_derived_attributes()["education_level"]
    assert derive_attribute(education, codes, missing=-5).to_list() == [1, 1, 2, 3, 3, 3, 4, 4, 4, -1, -5]
    lost = derive_attribute(education, codes, without_level=(7,), missing=-5)
    assert lost.to_list() == [1, 1, 2, 3, 3, 3, 4, -5, 4, -1, -5]


def test_every_country_has_its_continent() -> None:
    continent = load_derived_attributes()["continent"]
    codes = pl.Series("B_COUNTRY", [country.code for country in CODEBOOK.countries], dtype=pl.Int32)
    levels = derive_attribute(continent, codes, missing=-5)
    labels = [level_label("continent", level, CODEBOOK) for level in levels]
    assert labels == [country.continent for country in CODEBOOK.countries]


def test_age_bands_have_the_bounds_of_the_surveys_own() -> None:
    ages = pl.Series("Q262", [16, 24, 25, 34, 35, 64, 65, 103, -2], dtype=pl.Int32)
    assert derive_attribute(load_derived_attributes()["age_band"], ages, missing=-5).to_list() == [
        1, 1, 2, 2, 3, 5, 6, 6, -2
    ]  # fmt: skip


def test_groupings_are_read_as_written() -> None:
    assert parse_groupings("H_URBRURAL,continent*education_level") == (
        Grouping(("H_URBRURAL",)),
        Grouping(("continent", "education_level")),
    )
    with pytest.raises(CodebookError, match="There is no attribute 'sex'; there are continent, education_level"):
        parse_groupings("sex")
    with pytest.raises(CodebookError, match="names an attribute twice"):
        parse_groupings("Q260*Q260")


def test_levels_have_labels() -> None:
    assert level_label("Q260", 2, CODEBOOK) == "Female"
    with pytest.raises(CodebookError, match="continent has no level 7"):
        level_label("continent", 7, CODEBOOK)


def test_no_two_levels_of_an_attribute_have_the_same_name_as_groups() -> None:
    """Ten codes of Q290 are called "Caucasian white"; towns of one name lie in one country or in two."""
    codebook = load_codebook()
    for attribute in codebook.attributes:
        if not attribute.is_free:
            labels = [group_label(attribute.attribute_id, code, codebook) for code in attribute.choices]
            assert len(set(labels)) == len(labels)
    assert group_label("Q290", 76002, codebook) == "Black (Brazil)"
    twins = [group_label("N_TOWN", code, codebook) for code in (320009, 320168)]
    assert twins == ["San Pedro Sacatepéquez (320009)", "San Pedro Sacatepéquez (320168)"]
    assert group_label("Q260", 2, codebook) == level_label("Q260", 2, codebook) == "Female"
    assert level_label("Q290", 76002, codebook) == "Black", "in prompts and exports nothing stands behind it"
