"""Choices: in which order they are shown and by which symbol, each with its own label and rating."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.errors import PromptError
from worldvaluesbench.prompts._options import LABELS, Labels, choices_of, option_orders, shown_options
from worldvaluesbench.prompts._persona import Persona
from worldvaluesbench.prompts._template import load_template, render_prompt
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()


@given(st.integers(2, 10), st.integers(1, 20))
def test_orders_are_different_and_each_holds_every_point(n_points: int, n_orders: int) -> None:
    orders = option_orders(n_points, n_orders)
    assert len(orders) == min(n_orders, 2 if n_points == 2 else 2 * n_points)
    assert len(set(orders)) == len(orders)
    assert all(sorted(order) == list(range(n_points)) for order in orders)
    assert orders[:2] == (tuple(range(n_points)), tuple(reversed(range(n_points))))[:n_orders]


@given(st.integers(2, 10), st.integers(1, 10))
def test_an_even_number_of_orders_puts_every_point_in_the_middle_on_average(n_points: int, half: int) -> None:
    orders = option_orders(n_points, 2 * half)
    for point in range(n_points):
        places = [order.index(point) for order in orders]
        assert sum(places) * 2 == (n_points - 1) * len(orders)


def test_all_orders_together_put_every_point_everywhere_equally_often() -> None:
    for n_points in range(2, 11):
        orders = option_orders(n_points, 2 * n_points)
        for point in range(n_points):
            places = [order.index(point) for order in orders]
            assert {places.count(place) for place in range(n_points)} == {len(orders) // n_points}


def test_more_orders_begin_with_the_fewer() -> None:
    assert option_orders(7, 14)[:5] == option_orders(7, 5)
    assert set(option_orders(3, 6)) == set(permutations(range(3)))
    with pytest.raises(PromptError, match="There are no 0 orders of the options; expected 1 or more"):
        option_orders(4, 0)


@pytest.mark.parametrize("labels", LABELS)
def test_whatever_the_order_and_symbols_a_label_stays_with_its_rating(labels: Labels) -> None:
    for item in CODEBOOK.items:
        for order in range(len(option_orders(item.scale.n_points, 6))):
            choices = choices_of(item, labels, order)
            assert sorted(choice.rating for choice in choices) == list(item.scale.ratings)
            assert len({choice.symbol.casefold() for choice in choices}) == len(choices)
            for choice in choices:
                named = choice.label or choice.symbol
                assert item.label_of(choice.rating) in (named, str(choice.rating))


def test_digits_are_ratings_and_letters_are_places() -> None:
    item = CODEBOOK.item("Q1")
    symbols = [str(rating) for rating in item.scale.ratings]
    assert shown_options(choices_of(item)) == list(zip(symbols, item.labels, strict=True))
    backwards = choices_of(item, "digits", 1)
    assert [choice.symbol for choice in backwards] == ["4", "3", "2", "1"]
    letters = choices_of(item, "letters", 1)
    assert [(choice.symbol, choice.rating) for choice in letters] == [("A", 4), ("B", 3), ("C", 2), ("D", 1)]
    assert letters[0].label == "Not at all important"


def test_words_are_shown_only_where_every_point_has_its_own() -> None:
    worded = [item.item_id for item in CODEBOOK.items if choices_of(item, "words")[0].label == ""]
    assert "Q1" in worded
    assert len(worded) == 189
    assert [choice.symbol for choice in choices_of(CODEBOOK.item("Q106"), "words")] == [str(n) for n in range(1, 11)]


def test_an_order_that_a_scale_does_not_have_is_refused() -> None:
    with pytest.raises(PromptError, match="Q149: there is no order 2; its scale has 2 different ones"):
        choices_of(CODEBOOK.item("Q149"), "letters", 2)


@pytest.mark.parametrize("template", ["symbol", "shares", "default"])
@pytest.mark.parametrize("labels", LABELS)
def test_a_prompt_shows_every_choice_once_as_it_will_be_read(template: str, labels: Labels) -> None:
    for item_id in ("Q1", "Q106", "Q43", "Q171"):
        choices = choices_of(CODEBOOK.item(item_id), labels, 1)
        prompt = render_prompt(
            load_template(template), Persona(), CODEBOOK.item(item_id), options=shown_options(choices)
        )
        lines = prompt.splitlines()
        shown = [f"{choice.symbol} = {choice.label}" if choice.label else choice.symbol for choice in choices]
        start = lines.index("The possible answers:") + 1
        assert lines[start : start + len(choices)] == shown
        assert prompt == prompt.strip()


def test_the_prompt_for_one_symbol_ends_where_the_answer_begins() -> None:
    item = CODEBOOK.item("Q171")
    prompt = render_prompt(load_template("symbol"), Persona(), item, options=shown_options(choices_of(item, "words")))
    assert prompt.endswith(" | Less often | Never, practically never\nAnswer:")


def test_the_prompt_for_shares_ends_with_the_object_to_fill_in() -> None:
    item = CODEBOOK.item("Q149")
    prompt = render_prompt(load_template("shares"), Persona(), item, options=shown_options(choices_of(item, "letters")))
    assert prompt.endswith('together they sum to 100.\n{"A": ..., "B": ...}')
