"""Personas: labels that belong to the codes, nothing for what is missing, codes and labels as people type them."""

import re
from collections.abc import Iterable

import pytest

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import CodebookError, PromptError
from worldvaluesbench.prompts._persona import (
    DEFAULT_ATTRIBUTES,
    Fact,
    Persona,
    load_paper_questions,
    parse_attributes,
    parse_codes,
    persona_of,
    render_persona,
)
from worldvaluesbench.survey._attributes import load_derived_attributes
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()
DERIVED = load_derived_attributes()


def test_every_code_of_every_attribute_shows_its_own_label() -> None:
    n_codes = 0
    for attribute in CODEBOOK.attributes:
        codes: Iterable[int] = attribute.choices
        if attribute.is_free:
            assert attribute.low is not None
            assert attribute.high is not None
            codes = range(attribute.low, attribute.high + 1)
        if attribute.kind == "date":
            codes = [20170131, 20200229, 20181100]
        for code in codes:
            (fact,) = persona_of({attribute.attribute_id: code}, CODEBOOK).facts
            assert fact == Fact(attribute.attribute_id, attribute.name, attribute.question, fact.label)
            assert fact.label == attribute.label_of(code)
            n_codes += 1
            if not attribute.is_free:
                back = [key for key, label in attribute.choices.items() if label == fact.label]
                assert code in back
            elif attribute.kind != "date":
                assert int(fact.label) == code
    for derived in DERIVED.values():
        for level, label in derived.levels.items():
            (fact,) = persona_of({derived.attribute_id: level}, CODEBOOK).facts
            assert fact.label == label
            assert fact.question.endswith("?")
    assert n_codes > 5_000


def test_every_respondent_can_be_described_by_all_attributes(paper: Dataset) -> None:
    names = [*CODEBOOK.attribute_ids, *DERIVED]
    table = paper.respondents(names).head(500)
    for codes in table.iter_rows(named=True):
        persona = persona_of(codes, paper.codebook)
        assert [fact.attribute_id for fact in persona.facts] == [name for name in names if codes[name] >= 0]
        for text in (render_persona(persona), render_persona(persona, "prose")):
            assert "N/A" not in text
            assert not re.search(r"(Answer|[a-z]): *(-\d|$)", text, flags=re.MULTILINE)


def test_a_missing_value_leaves_its_attribute_out_and_order_is_kept() -> None:
    persona = persona_of({"Q262": 40, "Q260": -1, "continent": 2, "Q275": -5}, CODEBOOK)
    assert [(fact.name, fact.label) for fact in persona.facts] == [("Age", "40"), ("Continent", "Asia")]
    assert render_persona(persona, "prose") == "Age: 40. Continent: Asia."
    assert render_persona(persona).splitlines()[2:] == [
        "2. Question: Which continent was the interview held on?",
        "   Answer: Asia",
    ]


def test_nobody_is_described_by_nothing() -> None:
    assert persona_of({}, CODEBOOK) == Persona()
    assert render_persona(Persona()) == render_persona(Persona(), "prose") == ""


def test_a_sentence_has_one_full_stop() -> None:
    assert render_persona(Persona((Fact("N_TOWN", "Place", "Where?", "Bogota D.C."),)), "prose") == "Place: Bogota D.C."


@pytest.mark.parametrize(
    ("attribute_id", "code"), [("Q275", 77), ("Q262", 121), ("B_COUNTRY", 1), ("age_band", 9), ("J_INTDATE", 5)]
)
def test_a_code_that_is_not_listed_is_refused_and_not_repeated(attribute_id: str, code: int) -> None:
    with pytest.raises(PromptError, match=f"{attribute_id}: the codebook does not list this person's code") as refused:
        persona_of({attribute_id: code}, CODEBOOK)
    assert f" {code}" not in str(refused.value)


def test_an_unknown_attribute_is_refused_even_without_a_value() -> None:
    with pytest.raises(CodebookError, match="There is no attribute 'sex'"):
        persona_of({"sex": -1}, CODEBOOK)


def test_questions_replace_the_codebooks_wordings() -> None:
    persona = persona_of({"Q260": 1, "Q262": 30}, CODEBOOK, {"Q260": "Sex?"})
    assert [fact.question for fact in persona.facts] == ["Sex?", CODEBOOK.attribute("Q262").question]


def test_the_paper_words_the_three_attributes_that_it_shows() -> None:
    assert tuple(load_paper_questions()) == DEFAULT_ATTRIBUTES == ("B_COUNTRY", "H_URBRURAL", "Q275")


def test_attributes_are_chosen_by_name_all_or_none() -> None:
    assert parse_attributes("Q275, continent,Q260", CODEBOOK) == ("Q275", "continent", "Q260")
    assert parse_attributes("all", CODEBOOK) == CODEBOOK.attribute_ids
    assert len(parse_attributes("all", CODEBOOK)) == 42
    assert parse_attributes("none", CODEBOOK) == ()
    with pytest.raises(CodebookError, match="There is no attribute 'sex'"):
        parse_attributes("Q275,sex", CODEBOOK)
    with pytest.raises(PromptError, match="name one twice"):
        parse_attributes("Q275,Q275", CODEBOOK)


def test_a_person_is_set_by_codes_or_labels() -> None:
    settings = ["B_COUNTRY=China", "Q275 = 3", "Q262=40", "continent=Asia", "J_INTDATE=20180512"]
    expected = {"B_COUNTRY": 156, "Q275": 3, "Q262": 40, "continent": 2, "J_INTDATE": 20180512}
    assert parse_codes(settings, CODEBOOK) == expected
    assert parse_codes([], CODEBOOK) == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["Q275"], "'Q275' sets nothing; expected an attribute and its code, as in B_COUNTRY=156"),
        (["Q275="], "'Q275=' sets nothing"),
        (["sex=1"], "There is no attribute 'sex'"),
        (["Q275=12"], "Q275 has no code or label '12'; expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8."),
        (["Q275=-1"], "Q275 has no code or label '-1'"),
        (["Q262=200"], "Q262 has no code or label '200'; expected a number from 0 to 120."),
        (["Q262=" + "9" * 5000], "Q262 has no code or label"),
        (["Q262=²"], "expected a number from 0 to 120"),
        (["B_COUNTRY=Narnia"], "B_COUNTRY has no code or label 'Narnia'; `wvb items B_COUNTRY` shows its codes."),
        (["age_band=Young"], "expected one of 1, 2, 3, 4, 5, 6."),
        (["Q275=3", "Q275=4"], "Q275 is set twice"),
        (["N_TOWN=San Felipe"], "N_TOWN: 'San Felipe' is the label of "),
    ],
)
def test_a_setting_that_is_unknown_or_unclear_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises((PromptError, CodebookError)) as refused:
        parse_codes(settings, CODEBOOK)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
