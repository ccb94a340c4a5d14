"""An inspection counts what the twelve invented respondents hold; an outcome follows from the codebook alone."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.survey import shapes
from tests.survey.shapes import ROWS, changed, csv_text, write_text
from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey._codebook import Attribute, Item, load_codebook
from worldvaluesbench.survey._inspection import CountryRows, Inspection, inspect_microdata
from worldvaluesbench.survey._outcomes import outcome_codes
from worldvaluesbench.survey._responses import UnlistedCode, code_responses
from worldvaluesbench.survey.reader._inverted import AMBIGUOUS_CODE
from worldvaluesbench.survey.reader._microdata import read_microdata

CODEBOOK = load_codebook()

MISSING_CODES = (-99, -999, -9999, -5)
NOT_AVAILABLE, UNLISTED, NOT_ORDINAL, AMBIGUOUS = -5, -6, -7, -8


def inspected(tmp_path: Path, rows: shapes.Rows = ROWS) -> Inspection:
    return inspect_microdata(read_microdata(write_text(tmp_path / "s.csv", csv_text(rows))))


def outcome_by_hand(code: int | None, entry: Item | Attribute) -> int:
    """What one code becomes, decided case by case."""
    if code is None or code in MISSING_CODES:
        return NOT_AVAILABLE
    if code in (-1, -2, -3, -4):
        return code
    if code == AMBIGUOUS_CODE:
        return AMBIGUOUS
    if isinstance(entry, Item):
        if code not in [choice.code for choice in entry.choices]:
            return UNLISTED
        rating = entry.rating_of(code)
        return NOT_ORDINAL if rating is None else rating
    if entry.is_free:
        assert entry.low is not None
        assert entry.high is not None
        return code if entry.low <= code <= entry.high else UNLISTED
    return code if code in entry.choices else UNLISTED


ENTRIES: list[Item | Attribute] = [*CODEBOOK.items, *CODEBOOK.attributes]
CODES = st.one_of(
    st.none(),
    st.integers(-12, 30),
    st.sampled_from([AMBIGUOUS_CODE, *MISSING_CODES, -10000, -1009, 1001, 170001, 20181130, -(2**31), 2**31 - 1]),
    st.integers(-(2**31), 2**31 - 1),
)


@given(st.sampled_from(ENTRIES), st.lists(CODES, min_size=1, max_size=40))
def test_every_code_has_the_outcome_that_the_codebook_gives_it(
    entry: Item | Attribute, codes: list[int | None]
) -> None:
    outcomes, unlisted = outcome_codes(pl.Series("c", codes, dtype=pl.Int32), entry, CODEBOOK)
    by_hand = [outcome_by_hand(code, entry) for code in codes]
    assert outcomes.tolist() == by_hand
    assert unlisted == Counter(code for code, outcome in zip(codes, by_hand, strict=True) if outcome == UNLISTED)
    assert outcomes.dtype == (np.int8 if isinstance(entry, Item) else np.int32)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: getattr(entry, "item_id", None) or entry.attribute_id)
def test_every_listed_choice_is_a_rating_or_a_valid_code(entry: Item | Attribute) -> None:
    listed = [choice.code for choice in entry.choices] if isinstance(entry, Item) else list(entry.choices)
    outcomes, unlisted = outcome_codes(pl.Series("c", listed, dtype=pl.Int32), entry, CODEBOOK)
    assert unlisted == {}
    assert outcomes.tolist() == [outcome_by_hand(code, entry) for code in listed]


def test_recodes_are_applied_to_items() -> None:
    outcomes, _ = outcome_codes(pl.Series("Q56", [1, 2, 3], dtype=pl.Int32), CODEBOOK.item("Q56"), CODEBOOK)
    assert outcomes.tolist() == [1, 3, 2]
    outcomes, _ = outcome_codes(pl.Series("Q221", [1, 4], dtype=pl.Int32), CODEBOOK.item("Q221"), CODEBOOK)
    assert outcomes.tolist() == [1, NOT_ORDINAL]


def test_it_says_what_the_file_is(tmp_path: Path) -> None:
    found = inspected(tmp_path)
    assert (found.source.name, found.version, found.n_rows) == ("s.csv", "5.0", 12)
    assert not found.is_inverted
    assert not found.is_invented
    assert found.items == ("Q1", "Q2", "Q57", "Q119", "Q176", "Q199")
    assert len(found.absent_items) == 239 - 6
    assert set(found.attributes) == {"B_COUNTRY", "J_INTDATE", "N_TOWN", "Q260", "Q262", "Q275", "Q287"}
    assert len(found.absent_attributes) == 42 - 7


def test_countries_are_counted_and_an_unlisted_one_is_called_so(tmp_path: Path) -> None:
    found = inspected(tmp_path, changed(B_COUNTRY=[858, 858, 20, 20, 20, 999, -4, None, 356, 20, 20, 20]))
    assert found.countries == (
        CountryRows(-4, "unlisted", 1),
        CountryRows(20, "Andorra", 6),
        CountryRows(356, "India", 1),
        CountryRows(858, "Uruguay", 2),
        CountryRows(999, "unlisted", 1),
        CountryRows(None, "unlisted", 1),
    )
    assert found.n_countries == 3


def test_ids_that_occur_more_than_once_are_named_most_frequent_first(tmp_path: Path) -> None:
    ids = [858069901] * 4 + [1, 2, 3, 3] + [4, 5, 6, 7]
    assert inspected(tmp_path, changed(D_INTERVIEW=ids)).duplicate_ids == ((858069901, 4), (3, 2))


def test_unlisted_codes_are_named_and_documented_missing_codes_are_not(tmp_path: Path) -> None:
    rows = changed(
        Q2=[9, 9, 0, -6, -71, -3, -99, 1, 2, 3, 4, None], Q262=[121, 18, -4, *[30] * 9], N_TOWN=[5, *[20001] * 11]
    )
    found = inspected(tmp_path, rows)
    assert set(found.unlisted) == {
        UnlistedCode("N_TOWN", 5, 1),
        UnlistedCode("Q262", 121, 1),
        UnlistedCode("Q1", 77, 1),
        UnlistedCode("Q2", -71, 1),
        UnlistedCode("Q2", -6, 1),
        UnlistedCode("Q2", 0, 1),
        UnlistedCode("Q2", 9, 2),
    }
    assert found.ambiguous == ()


def test_codes_that_cannot_be_turned_back_are_apart_from_unlisted_ones(tmp_path: Path) -> None:
    found = inspected(tmp_path, {**shapes.inverted(), "Q119P": [2, 2, 3, *[1] * 9]})
    assert found.is_inverted
    assert found.ambiguous == (UnlistedCode("Q119P", 2, 2),)
    assert UnlistedCode("Q119P", 3, 1) in found.unlisted
    assert len(found.notes) == 1


def test_an_unlisted_code_of_an_inverted_file_has_the_files_own_column_and_number(tmp_path: Path) -> None:
    rows = {
        **shapes.without("N_TOWN", rows=shapes.inverted()),
        "Q7P": [2, 2, 3, -71, 1_000_000, 0, 1, -1, None, 1, 1, 1],
    }
    path = write_text(tmp_path / "s.csv", csv_text(shapes.renamed(rows, str.lower)))
    microdata = read_microdata(path)
    of_q7 = (
        UnlistedCode("q7p", -71, 1),
        UnlistedCode("q7p", 2, 2),
        UnlistedCode("q7p", 3, 1),
        UnlistedCode("q7p", 1_000_000, 1),
    )
    assert inspect_microdata(microdata).unlisted == (UnlistedCode("q1p", 77, 1), *of_q7)
    coded = code_responses(microdata, CODEBOOK)
    assert coded.unlisted == (UnlistedCode("q1p", 77, 1), *of_q7)
    assert coded.responses["Q7"].to_list() == [UNLISTED] * 5 + [2, 1, -1, NOT_AVAILABLE, 1, 1, 1]
    with pytest.raises(SurveyFileError, match=r"5 codes are not in the codebook: .*q7p=2 \(2x\), q7p=3 \(1x\)"):
        code_responses(microdata, CODEBOOK, strict=True)


def test_missing_responses_are_counted_by_reason(tmp_path: Path) -> None:
    found = inspected(tmp_path)
    cells = [cell for name in found.items for cell in ROWS[name] if not isinstance(cell, str | float)]
    names = {-1: "dont_know", -2: "no_answer", -3: "not_applicable", -4: "not_asked"}
    by_hand = Counter(names.get(cell or 0, "not_available") for cell in cells if cell is None or cell < 0)
    by_hand["unlisted"] = 1
    assert found.missing_responses == by_hand
    assert found.n_responses == len(cells) - by_hand.total()
    assert found.missing_attributes["Q260"] == {"dont_know": 1, "no_answer": 1}
    assert "B_COUNTRY" not in found.missing_attributes


def test_weights_are_added_up(tmp_path: Path) -> None:
    weights = {weight.name: weight for weight in inspected(tmp_path).weights}
    assert weights["W_WEIGHT"].total == pytest.approx(1 + 0.9460738 + 1.25 + 0.5 + 2 + 1 + 1 + 0 + 1.5 + 1 + 3.25)
    assert (weights["W_WEIGHT"].n_missing, weights["W_WEIGHT"].n_zero) == (1, 1)
    assert (weights["S018"].n_missing, weights["S018"].n_zero) == (0, 0)
    assert inspected(tmp_path, shapes.without("W_WEIGHT", "S018")).weights == ()
