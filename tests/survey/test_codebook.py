"""The codebook holds together, and says what the facts say."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from worldvaluesbench.errors import CodebookError
from worldvaluesbench.stats._scale import Scale
from worldvaluesbench.survey._codebook import Choice, Codebook, Item, check_codebook, load_codebook

FACTS = Path(__file__).parents[2].parent / "shared" / "facts"
CODEBOOK = load_codebook()

# Languages have the same codes at home and in the interview; real files have codes that only the other table lists.
LISTED_WITH = {"S_INTLANGUAGE": ("Q272",), "Q272": ("S_INTLANGUAGE",)}

with_facts = pytest.mark.skipif(not FACTS.is_dir(), reason="needs ../shared/facts")


def facts(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader((FACTS / f"{name}.csv").read_text(encoding="utf-8").splitlines())


def test_totals() -> None:
    assert len(CODEBOOK.items) == 239
    assert len(CODEBOOK.attributes) == 42
    assert len(CODEBOOK.topics) == 12
    assert len(CODEBOOK.countries) == 66
    assert sum(country.is_in_version_5 for country in CODEBOOK.countries) == 64
    assert sum(item.is_in_paper_probe for item in CODEBOOK.items) == 36
    assert sum(item.scale == Scale(1, 10) for item in CODEBOOK.items) == 50
    assert len(CODEBOOK.inverted) == 164


def test_every_topic_has_three_probe_items_which_are_its_first() -> None:
    for topic in CODEBOOK.topics:
        flags = [item.is_in_paper_probe for item in CODEBOOK.items if item.topic == topic]
        assert flags == [True] * 3 + [False] * (len(flags) - 3)


@pytest.mark.parametrize("item", CODEBOOK.items, ids=lambda item: item.item_id)
def test_the_label_of_a_recoded_code_is_the_label_of_its_raw_code(item: Item) -> None:
    # the published codebook joined raw labels to recoded responses: wrong words for Q56 and Q119
    assert len(item.labels) == item.scale.n_points
    for choice in item.choices:
        rating = item.rating_of(choice.code)
        if rating is None:
            continue
        shares_its_point = sum(item.rating_of(other.code) == rating for other in item.choices) > 1
        if not shares_its_point or choice.code == rating:
            assert item.label_of(rating) == choice.label


def test_q56_and_q119_have_their_words_in_the_recoded_order() -> None:
    assert CODEBOOK.item("Q56").labels == ("Better off", "About the same", "Worse off")
    assert CODEBOOK.item("Q119").labels == ("Strongly agree", "Agree", "Hard to say", "Disagree", "Strongly disagree")
    assert CODEBOOK.item("Q241").label_of(1) == "Not an essential characteristic of democracy"
    assert CODEBOOK.item("Q121").label_of(1) == "Very bad"


@pytest.mark.parametrize("item", CODEBOOK.items, ids=lambda item: item.item_id)
def test_a_question_names_its_scale_and_both_ends(item: Item) -> None:
    low, high = item.scale.low, item.scale.high
    question = item.question.casefold()
    assert question.startswith(f"on a scale of {low} to {high}, where {low} means '{item.labels[0]}'".casefold())
    assert f"{high} means '{item.labels[-1]}'".casefold() in question
    assert question.endswith("?")
    named = [int(point) for point in re.findall(r"(\d+) means '", item.question)]
    assert named in (list(item.scale.ratings), [low, high])
    for point in named:
        assert f"{point} means '{item.label_of(point)}'".casefold() in question


@pytest.mark.parametrize("item_id", ["Q56", "Q119", *(f"Q{n}" for n in (*range(122, 131), 171, 172, 173))])
def test_a_question_names_every_point_where_the_middle_is_not_obvious(item_id: str) -> None:
    item = CODEBOOK.item(item_id)
    assert item.question.count(" means '") == item.scale.n_points


def test_batteries_share_a_stem_and_differ_in_the_question() -> None:
    stems = [item.stem for item in CODEBOOK.items if item.stem]
    assert all(stems.count(stem) > 1 for stem in set(stems))


@with_facts
def test_items_and_scales_are_those_of_the_facts() -> None:
    values = [row for row in facts("items") if row["role"] == "value"]
    assert [(row["item_id"], row["topic"]) for row in values] == [(i.item_id, i.topic) for i in CODEBOOK.items]
    assert [(int(row["low"]), int(row["high"])) for row in values] == [
        (i.scale.low, i.scale.high) for i in CODEBOOK.items
    ]
    attributes = [row["item_id"] for row in facts("items") if row["role"] == "attribute"]
    assert attributes == list(CODEBOOK.attribute_ids)


@with_facts
def test_every_code_of_the_facts_is_listed_and_no_other() -> None:
    codes: dict[str, set[int]] = {}
    for row in facts("choices"):
        codes.setdefault(row["item_id"], set()).add(int(row["code"]))
    for item in CODEBOOK.items:
        assert {choice.code for choice in item.choices} == {code for code in codes[item.item_id] if code >= 0}
    for attribute in CODEBOOK.attributes:
        if attribute.attribute_id == "B_COUNTRY":
            assert set(attribute.choices) == {int(row["code"]) for row in facts("countries")}
        elif not attribute.is_free:
            listed = {code for code in codes[attribute.attribute_id] if code >= 0}
            for other in LISTED_WITH.get(attribute.attribute_id, ()):
                listed |= {code for code in codes[other] if code >= 0}
            if attribute.attribute_id in ("Q266", "Q267", "Q268"):
                listed.add(462)  # the Maldives, which B_COUNTRY lists
            assert set(attribute.choices) == listed


@with_facts
def test_every_label_that_differs_from_the_codebook_is_written_down() -> None:
    theirs = {(row["item_id"], int(row["code"])): row["codebook_label"] for row in facts("choices")}
    changes = Path(__file__).parents[2] / "src" / "worldvaluesbench" / "data" / "wvs7" / "label_changes.csv"
    noted = {(row["item_id"], int(row["code"])) for row in csv.DictReader(changes.read_text("utf-8").splitlines())}
    for item in CODEBOOK.items:
        for choice in item.choices:
            key = item.item_id, choice.code
            assert (choice.label == theirs[key]) != (key in noted), key


def test_unknown_ids_and_codes_are_refused_in_one_line() -> None:
    with pytest.raises(CodebookError, match="There is no item 'Q999'"):
        CODEBOOK.item("Q999")
    with pytest.raises(CodebookError, match="There is no attribute 'sex'"):
        CODEBOOK.attribute("sex")
    with pytest.raises(CodebookError, match="Q1: 5 is not on its scale"):
        CODEBOOK.item("Q1").label_of(5)
    with pytest.raises(CodebookError, match="Q275: the codebook lists no code 9"):
        CODEBOOK.attribute("Q275").label_of(9)


def test_free_values_are_their_own_labels() -> None:
    assert CODEBOOK.attribute("Q262").label_of(44) == "44"
    assert CODEBOOK.attribute("J_INTDATE").label_of(20181130) == "2018-11-30"
    assert CODEBOOK.attribute("J_INTDATE").label_of(20181199) == "2018-11"
    assert CODEBOOK.attribute("J_INTDATE").label_of(20179999) == "2017"


def changed(codebook: Codebook, item_id: str, item: Item) -> Codebook:
    return replace(codebook, items=tuple(item if old.item_id == item_id else old for old in codebook.items))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: replace(item, item_id="Q2"), "item_id 'Q2' occurs twice"),
        (lambda item: replace(item, topic="Other"), "has 13 topics, expected 12"),
        (lambda item: replace(item, is_in_paper_probe=False), "35 items in the paper's probe"),
        (lambda item: replace(item, scale=Scale(1, 5)), "Q1: its codes become"),
        (lambda item: replace(item, recodes={9: 1}), "Q1 recodes codes"),
        (lambda item: replace(item, choices=(*item.choices, Choice(1, "x"))), "Q1 lists a code twice"),
        (lambda item: replace(item, question=""), "Q1: a label, its name or its question is empty"),
    ],
)
def test_a_codebook_that_contradicts_itself_is_refused(change: object, message: str) -> None:
    assert callable(change)
    item = CODEBOOK.item("Q1")
    with pytest.raises(CodebookError, match=re.escape(message)):
        check_codebook(changed(CODEBOOK, "Q1", change(item)))
