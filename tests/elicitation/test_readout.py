"""Readouts: token probabilities, option likelihoods, stated shares and ratings, against numbers worked by hand."""

import doctest
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.elicitation.replies import read_reply
from worldvaluesbench.parsing._probabilities import MAX_UNRESOLVED, read_likelihoods, read_tokens
from worldvaluesbench.parsing._rating import Unparsed, parse_rating
from worldvaluesbench.parsing._readout import Rating, answer_schema, read_completion
from worldvaluesbench.parsing._shares import Distribution
from worldvaluesbench.prompts._options import AnswerOption, Labels, choices_of
from worldvaluesbench.prompts._request import Completion, Reply, Request, TokenChoice
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.prompts._template import METHODS, Method
from worldvaluesbench.runs._reasons import DISTRIBUTION_REASONS, UNPARSED_REASONS
from worldvaluesbench.stats._distribution import MIN_COVERAGE
from worldvaluesbench.stats._scale import Scale
from worldvaluesbench.survey._codebook import load_codebook

ROOT = Path(__file__).parents[2]
CODEBOOK = load_codebook()
FOUR, TEN = CODEBOOK.item("Q1"), CODEBOOK.item("Q106")


def at(token: str, probabilities: Mapping[str, float]) -> TokenChoice:
    """A generated token, with probabilities in place of their logarithms."""
    return TokenChoice(token, {name: math.log(share) for name, share in probabilities.items()})


def shares_of(reading: object) -> list[float]:
    assert isinstance(reading, Distribution), reading
    assert math.isclose(sum(reading.probabilities), 1.0)
    return [round(share, 9) for share in reading.probabilities]


def coverage_of(reading: object) -> float:
    assert isinstance(reading, Distribution), reading
    return round(reading.coverage, 9)


def reason_of(reading: object) -> str:
    assert isinstance(reading, Unparsed), reading
    return reading.reason


# token probabilities


def test_spellings_of_an_option_are_summed_and_the_rest_is_not_covered() -> None:
    tokens = [
        at("2", {"2": 0.4, " 2": 0.1, "\n2": 0.05, "2.": 0.05, '"2': 0.02, "▁2": 0.03, "Ġ2": 0.05, "3": 0.1, "I": 0.2})
    ]
    reading = read_tokens(tokens, choices_of(FOUR))
    assert coverage_of(reading) == 0.8
    assert shares_of(reading) == [0, 0.875, 0.125, 0]


def test_an_option_that_is_not_among_the_tokens_has_nothing_and_is_not_filled() -> None:
    reading = read_tokens([at("1", {"1": 0.6})], choices_of(FOUR))
    assert (shares_of(reading), coverage_of(reading)) == ([1, 0, 0, 0], 0.6)


@pytest.mark.parametrize("order", range(8))
def test_letters_are_read_back_through_the_order_in_which_they_were_shown(order: int) -> None:
    choices = choices_of(FOUR, "letters", order)
    stated = {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    tokens = [at("A", {f" {choice.symbol}": stated[choice.rating] for choice in choices})]
    assert shares_of(read_tokens(tokens, choices)) == [0.1, 0.2, 0.3, 0.4]


def test_small_letters_are_no_letters_but_words_count_in_any_case() -> None:
    letters = read_tokens([at("A", {"A": 0.6, "a": 0.3, "(B": 0.1})], choices_of(FOUR, "letters"))
    assert coverage_of(letters) == 0.7
    words = read_tokens([at("No", {"No": 0.6, " no": 0.1, "Yes": 0.2, "yes": 0.1})], yes_no())
    assert shares_of(words) == [0.3, 0.7]


def yes_no() -> tuple[AnswerOption, ...]:
    return AnswerOption("Yes", "", 1), AnswerOption("No", "", 2)


def test_a_blank_or_the_word_answer_before_the_answer_is_passed_over_with_its_probability() -> None:
    for lead in (" ", "\n", "▁", "**", "Answer:", '"'):
        tokens = [at(lead, {lead: 0.5, "3": 0.25}), at("1", {"1": 0.8, "4": 0.2})]
        reading = read_tokens(tokens, choices_of(FOUR))
        assert coverage_of(reading) == 0.75
        assert shares_of(reading) == [round(0.4 / 0.75, 9), 0, round(0.25 / 0.75, 9), round(0.1 / 0.75, 9)]
    three = [at("Answer", {"Answer": 1.0}), at(":", {":": 1.0}), at(" 2", {" 2": 0.9, " 3": 0.1})]
    assert shares_of(read_tokens(three, choices_of(FOUR))) == [0, 0.9, 0.1, 0]


def test_ten_is_not_one_where_the_tokenizer_has_a_token_for_it() -> None:
    reading = read_tokens([at("1", {"1": 0.3, "10": 0.5, "7": 0.2})], choices_of(TEN))
    assert shares_of(reading) == [0.3, 0, 0, 0, 0, 0, 0.2, 0, 0, 0.5]


def test_ten_is_told_from_one_along_the_generated_digits() -> None:
    tokens = [at("1", {"1": 0.7, "7": 0.3}), at("0", {"0": 0.75, "\n": 0.1, "</s>": 0.05, ".": 0.04, "5": 0.06})]
    reading = read_tokens(tokens, choices_of(TEN))
    one, ten, fifteen = 0.7 * 0.19, 0.7 * 0.75, 0.7 * 0.06
    assert coverage_of(reading) == round(1 - fifteen, 9)
    assert shares_of(reading)[0] == round(one / (1 - fifteen), 9)
    assert shares_of(reading)[9] == round(ten / (1 - fifteen), 9)


def test_what_is_not_shown_behind_a_generated_one_is_a_one_only_if_the_zero_is_shown() -> None:
    seen = read_tokens([at("1", {"1": 1.0}), at("0", {"0": 0.6, "\n": 0.1})], choices_of(TEN))
    assert shares_of(seen)[0] == 0.4
    unseen = read_tokens([at("1", {"1": 1.0}), at("\n", {"\n": 0.6})], choices_of(TEN))
    assert reason_of(unseen) == "ambiguous"


def test_a_one_that_was_not_generated_is_not_guessed_to_be_one_or_ten() -> None:
    unclear = read_tokens([at("7", {"7": 0.9, "1": 0.02}), at("\n", {"\n": 1.0})], choices_of(TEN))
    assert unclear == Unparsed("ambiguous", "1")
    small = read_tokens([at("7", {"7": 0.9, "1": MAX_UNRESOLVED / 2}), at("\n", {"\n": 1.0})], choices_of(TEN))
    assert (shares_of(small)[6], coverage_of(small)) == (1, 0.9)
    # scales to 4 have no 10, and letters neither
    assert shares_of(read_tokens([at("4", {"4": 0.9, "1": 0.1})], choices_of(FOUR))) == [0.1, 0, 0, 0.9]


def test_a_generated_one_with_no_next_place_is_unresolved() -> None:
    assert reason_of(read_tokens([at("1", {"1": 0.9, "3": 0.1})], choices_of(TEN))) == "ambiguous"


def test_words_are_followed_until_one_is_left() -> None:
    words = choices_of(FOUR, "words")
    tokens = [
        at("Not", {"Not": 0.6, "Very": 0.3, "Rather": 0.05, "It": 0.05}),
        at(" at", {" at": 0.5, " very": 0.4, " sure": 0.1}),
        at(" all", {" all": 1.0}),
    ]
    reading = read_tokens(tokens, words)
    found = {1: 0.3, 2: 0.05, 3: 0.24, 4: 0.3}
    assert coverage_of(reading) == 0.89
    assert shares_of(reading) == [round(found[rating] / 0.89, 9) for rating in (1, 2, 3, 4)]


def test_a_shared_beginning_of_words_that_was_not_generated_is_unresolved() -> None:
    tokens = [at("Very", {"Very": 0.9, "Not": 0.1}), at(" important", {" important": 1.0})]
    assert read_tokens(tokens, choices_of(FOUR, "words")) == Unparsed("ambiguous", "not")


def test_a_short_beginning_is_a_word_of_its_own() -> None:
    choices = AnswerOption("Agree", "", 1), AnswerOption("Disagree", "", 2)
    reading = read_tokens([at("Dis", {"Dis": 0.6, "A": 0.3, "Agr": 0.1})], choices)
    # "A" may begin any sentence, so it is nobody's
    assert reason_of(reading) == "ambiguous"
    assert shares_of(read_tokens([at("Dis", {"Dis": 0.6, "Agr": 0.2})], choices)) == [0.25, 0.75]


def test_however_little_is_on_the_options_the_distribution_is_kept_with_its_coverage() -> None:
    less = read_tokens([at("I", {"I": 0.59, "1": 0.1, "2": 0.3}), at(" think", {" think": 1.0})], choices_of(FOUR))
    assert shares_of(less) == pytest.approx([0.25, 0.75, 0, 0])
    assert coverage_of(less) == pytest.approx(0.4)
    least = read_tokens([TokenChoice("I", {"I": -1e-9, "1": -690.0, "4": -690.0})], choices_of(FOUR))
    assert shares_of(least) == [0.5, 0, 0, 0.5]
    assert isinstance(least, Distribution)
    assert 0 < least.coverage < 1e-299


def test_nothing_on_the_options_is_no_distribution() -> None:
    nothing = read_tokens([at("I", {"I": 1.0}), at(" think", {" think": 1.0})], choices_of(FOUR))
    assert nothing == Unparsed("low_coverage", "I think")


@pytest.mark.parametrize(("on_7", "on_1", "is_read"), [
    (0.6, 0.9 * MAX_UNRESOLVED, True), (0.6, 1.1 * MAX_UNRESOLVED, False),
    (0.05, MAX_UNRESOLVED / 20, True), (0.05, MAX_UNRESOLVED / 5, False),
])  # fmt: skip
def test_the_less_is_on_the_options_the_less_may_be_unresolved(on_7: float, on_1: float, is_read: bool) -> None:
    """Or a hundredth of everything, which is a fifth of what is on the options, could be of any option."""
    reading = read_tokens([at("7", {"7": on_7, "1": on_1}), at("\n", {"\n": 1.0})], choices_of(TEN))
    assert isinstance(reading, Distribution) == is_read
    assert is_read or reason_of(reading) == "ambiguous"


def test_an_endpoint_that_gives_nothing_is_told_from_one_that_gives_other_tokens() -> None:
    assert reason_of(read_tokens([], choices_of(FOUR))) == "no_probabilities"
    assert reason_of(read_tokens([TokenChoice("1", {})], choices_of(FOUR))) == "no_probabilities"
    assert reason_of(read_tokens([TokenChoice("1", {"1": -math.inf})], choices_of(FOUR))) == "no_probabilities"
    assert reason_of(read_tokens([TokenChoice("1", {"1": -9999.0})], choices_of(FOUR))) == "low_coverage"
    assert coverage_of(read_tokens([TokenChoice("1", {"1": 1e-6})], choices_of(FOUR))) == 1.0


token_texts = st.sampled_from(
    ["1", "10", " 1", "0", "2", "A", "Not", " at", " all", " ", "\n", "Very", "", "Answer", ":"]
)
places = st.builds(
    lambda token, top: TokenChoice(token, {**top, token: math.log(0.3)}),
    token_texts | st.text(max_size=3),
    st.dictionaries(token_texts | st.text(max_size=3), st.floats(-50, -2.5), max_size=8),
)


@given(st.lists(places, max_size=3), st.sampled_from(["digits", "letters", "words"]), st.sampled_from([FOUR, TEN]))
def test_any_tokens_are_a_distribution_or_unparsed(tokens: list[TokenChoice], labels: Labels, item: Any) -> None:
    reading = read_tokens(tokens, choices_of(item, labels))
    if isinstance(reading, Distribution):
        assert math.isclose(sum(reading.probabilities), 1.0)
        assert min(reading.probabilities) >= 0
        assert 0 < reading.coverage <= 1
    else:
        assert reading.reason in ("ambiguous", "low_coverage", "no_probabilities")


# option likelihoods


def test_likelihoods_are_divided_by_their_sum_which_is_the_coverage() -> None:
    logprobs = [math.log(share) for share in (0.1, 0.2, 0.05, 0.05)]
    reading = read_likelihoods(logprobs, choices_of(FOUR))
    assert shares_of(reading) == [0.25, 0.5, 0.125, 0.125]
    assert coverage_of(reading) == 0.4
    # shown backwards, the same log-probabilities are of the opposite ratings
    assert shares_of(read_likelihoods(logprobs, choices_of(FOUR, "letters", 1))) == [0.125, 0.125, 0.5, 0.25]


def test_very_unlikely_words_are_compared_all_the_same() -> None:
    reading = read_likelihoods([-800.0, -800.0 - math.log(3), -math.inf, -9999.0], choices_of(FOUR, "words"))
    assert shares_of(reading) == [0.75, 0.25, 0, 0]
    assert coverage_of(reading) == 0.0


@pytest.mark.parametrize("logprobs", [[], [-1.0], [-1.0] * 5, [math.nan] * 4, [-math.inf] * 4])
def test_likelihoods_that_are_not_one_for_each_option_are_none(logprobs: list[float]) -> None:
    assert reason_of(read_likelihoods(logprobs, choices_of(FOUR))) == "no_probabilities"


# ratings and replies


def request_of(method: Method, order: int = 0, **others: Any) -> Request:
    settings = make_settings(method=method)
    return Request("ab", "Q1", order, "?", method, ("1", "2", "3", "4"), settings.sampling, **others)


def test_each_method_reads_what_its_reply_holds() -> None:
    tokens = Reply(request_of("token_probs"), tokens=(at("2", {"2": 1.0}),))
    likelihoods = Reply(request_of("option_likelihood", 1), option_logprobs=(0.0, -math.inf, -math.inf, -math.inf))
    shares = Reply(request_of("verbalised"), (Completion('{"1": 100, "2": 0, "3": 0, "4": 0}'),))
    for reply, method, expected in (
        (tokens, "token_probs", (0, 1, 0, 0)),
        (likelihoods, "option_likelihood", (0, 0, 0, 1)),
        (shares, "verbalised", (1, 0, 0, 0)),
    ):
        settings = make_settings(method=method, orders=2)  # type: ignore[arg-type]
        assert read_reply(reply, FOUR, settings) == [Distribution(expected, 1.0)]


def test_the_answer_of_a_scale_without_words_is_a_number_whatever_the_labels() -> None:
    for labels in ("digits", "words"):
        shown = choices_of(TEN, labels, 1)
        assert read_completion(Completion('{"answer": 10}'), shown, TEN.scale, "greedy") == Rating(10)
    assert read_completion(Completion("1", "length"), choices_of(TEN), TEN.scale, "greedy") == Unparsed(
        "truncated", "1"
    )


explanations = st.text(alphabet=st.sampled_from("aB 3.,'-_%é“”’:={}[<|\\/\n\t\0١½#") | st.characters(), max_size=40)


@given(explanations, st.sampled_from(["1", '"4"', "10", "0", "7", '"2', "3.5", "null"]), st.booleans())
def test_plain_json_is_read_as_all_other_text_is(explanation: str, answer: str, is_paper: bool) -> None:
    keys = ("thoughtful explanation", "answer as a score") if is_paper else ("explanation", "answer")
    text = f'{{\n  "{keys[0]}": "{explanation}",\n  "{keys[1]}": {answer}\n}}'
    for scale in (Scale(1, 4), Scale(1, 10)):
        # a character that is not seen keeps the text from the short way
        assert parse_rating(text, scale, finish_reason="stop") == parse_rating(
            f"\u200b{text}", scale, finish_reason="stop"
        )


# structured output


@pytest.mark.parametrize("method", METHODS[:2])
def test_a_structured_answer_is_read_as_the_rating_it_names(method: Method) -> None:
    for item_id in ("Q1", "Q106", "Q171"):
        item = CODEBOOK.item(item_id)
        for choices in (choices_of(item), choices_of(item, "letters", 1), choices_of(item, "words")):
            schema: Any = answer_schema(choices, method)
            assert schema["required"] == ["explanation", "answer"] == list(schema["properties"])
            assert schema["additionalProperties"] is False
            for symbol, choice in zip(schema["properties"]["answer"]["enum"], choices, strict=True):
                text = json.dumps({"explanation": "A person.", "answer": symbol})
                assert read_completion(Completion(text, "stop"), choices, item.scale, method) == Rating(choice.rating)


def test_a_structured_distribution_has_a_number_for_each_symbol() -> None:
    choices = choices_of(FOUR, "words", 1)
    schema: Any = answer_schema(choices, "verbalised")
    assert set(schema["properties"]) == {choice.symbol for choice in choices} == set(schema["required"])
    text = json.dumps(dict(zip(schema["required"], (10, 20, 30, 40), strict=True)))
    reading = read_completion(Completion(text), choices, FOUR.scale, "verbalised")
    assert shares_of(reading) == [0.4, 0.3, 0.2, 0.1]


# the documents


def test_every_reason_and_method_is_documented() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert all(f"| `{reason}` |" in text for reason in DISTRIBUTION_REASONS)
    assert all(f"`{reason}`" in text for reason in UNPARSED_REASONS)
    assert all(f"| `{method}` |" in text for method in METHODS)
    assert all(f"\n## `{method}`" in text for method in METHODS[2:])
    documented = {float(number) for number in re.findall(r"(\d+(?:\.\d+)?)%", text)}
    assert {100 * MIN_COVERAGE, 100 * MAX_UNRESOLVED} <= documented


def test_the_documented_example_runs() -> None:
    (shown,) = re.findall(r"```pycon\n(.*?)```", (ROOT / "docs" / "methods.md").read_text(encoding="utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest(shown, {}, "methods.md", None, 0)
    assert doctest.DocTestRunner().run(test) == (0, 6)
