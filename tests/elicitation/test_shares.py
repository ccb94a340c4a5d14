"""Stated shares: read wherever they stand, repaired only within the tolerance, never filled in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.parsing._rating import Unparsed
from worldvaluesbench.parsing._shares import TOLERANCE, Distribution, parse_shares
from worldvaluesbench.prompts._options import LABELS, AnswerOption, Labels, choices_of
from worldvaluesbench.runs._reasons import UNPARSED_REASONS
from worldvaluesbench.survey._codebook import load_codebook

FOUR = load_codebook().item("Q1")

DRESSES = [
    '{{"{0}": 40, "{1}": 30, "{2}": 20, "{3}": 10}}',
    '{{"{0}": "40%", "{1}": "30 %", "{2}": "20", "{3}": 10.0}}',
    '{{"{0}": 0.4, "{1}": 0.3, "{2}": 0.2, "{3}": 0.1}}',
    '```json\n{{\n  "{0}": 40,\n  "{1}": 30,\n  "{2}": 20,\n  "{3}": 10,\n}}\n```\nI hope this helps {{you}}!',
    "Sure, here it is:\n{{'{0}': 40%, '{1}': 30%, '{2}': 20%, '{3}': 10%}}",
    '{{"explanation": "Most do.", "distribution": {{"{0}": 40, "{1}": 30, "{2}": 20, "{3}": 10}}, "total": 100}}',
    '{{"{0}": 40, "{1}": 30, "{2}": 20, "{3}": 10, "total": 100, "reasoning": "4 in 10"}}',
    '<think>{{"{0}": 10, "{1}": 20, "{2}": 30, "{3}": 40}}?</think>{{"{0}": 40, "{1}": 30, "{2}": 20, "{3}": 10}}',
    '{{"{0}": ..., "{1}": ..., "{2}": ..., "{3}": ...}}\n{{"{0}": 40, "{1}": 30, "{2}": 20, "{3}": 10}}',
    'First {{"{0}": 10, "{1}": 20, "{2}": 30, "{3}": 40}}, no: {{"{0}": 40, "{1}": 30, "{2}": 20, "{3}": 10}}',
    "{0}: 40%\n{1}: 30%\n{2}: 20%\n{3}: 10%",
    "The shares:\n- **{0}**: 40 %\n- **{1}**: 30 %\n* {2} – 20%\n* {3} = ~10 percent\n\nTotal: 100%",
    "| {0} | 40% |\n| {1} | 30% |\n| {2} | 20% |\n| {3} | 10% |",
    "“{0}”: 40\n“{1}”: 30\n“{2}”: 20\n“{3}”: 10",
    '{{"{0}": 40, "{1}": 30, "{2}": 20, "{3}": 10, "Don\'t know": 0}}',
    '{{"Option {0}": 40, "option {1}": 30, "{2}.": 20, "({3})": 10}}',
]


def reason_of(text: str, choices: tuple[AnswerOption, ...] | None = None, finish_reason: str | None = "stop") -> str:
    reading = parse_shares(text, choices or choices_of(FOUR), finish_reason=finish_reason)
    assert isinstance(reading, Unparsed), reading
    return reading.reason


def near(reading: object, expected: tuple[float, ...]) -> bool:
    assert isinstance(reading, Distribution), reading
    return all(math.isclose(*pair) for pair in zip(reading.probabilities, expected, strict=True))


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("dress", DRESSES)
def test_shares_are_read_in_whatever_dress(dress: str, labels: Labels) -> None:
    for order, expected in ((0, (0.4, 0.3, 0.2, 0.1)), (1, (0.1, 0.2, 0.3, 0.4))):
        choices = choices_of(FOUR, labels, order)
        text = dress.format(*(choice.symbol for choice in choices))
        reading = parse_shares(text, choices, finish_reason="stop")
        assert near(reading, expected)
        assert isinstance(reading, Distribution)
        assert math.isclose(reading.coverage, 1.0)


@pytest.mark.parametrize("key", ["{0} = {1}", "{0}. {1}", "{0} ({1})", "{1}", "{0}) {1}", "{0} - {1}"])
@pytest.mark.parametrize(
    "form", ['{{"{0}": {4}, "{1}": {5}, "{2}": {6}, "{3}": {7}}}', "{0}: {4}%\n{1}: {5}%\n{2}: {6}%\n{3}: {7}%"]
)
def test_an_option_goes_by_its_symbol_its_label_or_both(key: str, form: str) -> None:
    for labels in ("digits", "letters"):
        choices = choices_of(FOUR, labels, 3)
        named = [key.format(choice.symbol, choice.label) for choice in choices]
        stated = [{1: 40, 2: 30, 3: 20, 4: 10}[choice.rating] for choice in choices]
        assert near(parse_shares(form.format(*named, *stated), choices), (0.4, 0.3, 0.2, 0.1))


def test_ten_options_are_told_apart() -> None:
    shares = (1, 2, 3, 4, 5, 6, 7, 8, 9, 55)
    choices = choices_of(load_codebook().item("Q106"))
    text = ", ".join(f'"{rating}": {share}' for rating, share in enumerate(shares, 1))
    assert near(parse_shares(f"{{{text}}}", choices), tuple(share / 100 for share in shares))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("<think>1: 40%</think>", "empty"),
        ("I'm sorry, but I can't answer that.", "refusal"),
        ("Most people find family very important.", "no_shares"),
        ("3", "no_shares"),
        ('{"explanation": "So.", "answer": 3}', "no_shares"),
        ('{"1": ..., "2": ..., "3": ..., "4": ...}', "no_shares"),
        ('{"a": 40, "b": 60}', "no_shares"),
        ('{"1": 60, "2": 40}', "missing_options"),
        ("1: 60%\n2: 40%", "missing_options"),
        ('{"1": 40, "2": 30, "3": 20, "4": 5, "5": 5}', "unknown_options"),
        ('{"1": 40, "2": 30, "3": 20, "4": 5, "Don\'t know": 5}', "unknown_options"),
        ('{"1": 40, "2": 30, "3": 20, "4": 10, "1": 45}', "several_shares"),
        ('{"1": 40, "2": 30, "3": 20, "4": 10, "Very important": 45}', "several_shares"),
        ('{"1": 110, "2": -10, "3": 0, "4": 0}', "not_a_share"),
        ('{"1": 40, "2": null, "3": 30, "4": 30}', "not_a_share"),
        ('{"1": "40-50%", "2": 30, "3": 20, "4": 0}', "not_a_share"),
        ('{"1": 40, "2": 30, "3": 20, "4": 5}', "bad_sum"),
        ('{"1": 40, "2": 30, "3": 20, "4": 20}', "bad_sum"),
        ('{"1": 0, "2": 0, "3": 0, "4": 0}', "bad_sum"),
        ('{"1": 0.4, "2": 0.3, "3": 0.2, "4": 0.05}', "bad_sum"),
        ('{"1": "0.4%", "2": "0.3%", "3": "0.2%", "4": "0.1%"}', "bad_sum"),
    ],
)
def test_what_is_no_distribution_says_why(text: str, reason: str) -> None:
    assert reason_of(text) == reason


@pytest.mark.parametrize("text", ['{"1": 40, "2": 30, "3": 2', '{"1": 40, "2": 30', "1: 40%\n2: 30%\n3:"])
def test_shares_that_break_off_are_truncated(text: str) -> None:
    assert reason_of(text, finish_reason="length") == "truncated"
    assert reason_of(text, finish_reason=None) == ("truncated" if "{" in text else "missing_options")
    assert reason_of('{"1": 40, "2": 30, "3": 20, "4": 10}', finish_reason="content_filter") == "filtered"
    whole = parse_shares('{"1": 40, "2": 30, "3": 20, "4": 10} And', choices_of(FOUR), finish_reason="length")
    assert near(whole, (0.4, 0.3, 0.2, 0.1))


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any), st.floats(-0.05, 0.05), st.booleans())
def test_a_sum_is_repaired_within_the_tolerance_alone(counts: list[int], off: float, is_percent: bool) -> None:
    whole = (100 if is_percent else 1) * (1 + off)
    shares = [f"{count / sum(counts) * whole:.9f}" for count in counts]
    total = sum(map(float, shares)) / (100 if is_percent else 1)
    reading = parse_shares(
        ", ".join(f'"{n}": {share}' for n, share in enumerate(shares, 1)).join("{}"), choices_of(FOUR)
    )
    if abs(total - 1) < TOLERANCE - 1e-6:
        assert isinstance(reading, Distribution)
        assert math.isclose(sum(reading.probabilities), 1)
        assert all(abs(p - n / sum(counts)) < 1e-6 for p, n in zip(reading.probabilities, counts, strict=True))
        assert math.isclose(reading.coverage, min(1, total))
    elif abs(total - 1) > TOLERANCE + 1e-6:
        assert isinstance(reading, Unparsed)
        assert reading.reason == "bad_sum"


CRUMBS = ["{", "}", '"1"', '"4"', "1", "2", ":", ": ", ",", "40", "40%", "0.5", "-", "\n", "|", "Very important",
          "null", "'", '"', "...", "total", "<think>", "</think>", " ", "[", "]"]  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(CRUMBS), max_size=40).map("".join), st.sampled_from(LABELS))
def test_any_text_is_a_distribution_or_unparsed(text: str, labels: Labels) -> None:
    reading = parse_shares(text, choices_of(FOUR, labels))
    if isinstance(reading, Distribution):
        assert math.isclose(sum(reading.probabilities), 1)
        assert len(reading.probabilities) == 4
    else:
        assert reading.reason in UNPARSED_REASONS
        assert len(reading.text) <= 80


@pytest.mark.parametrize(
    "piece", ["{", "}", '"1": 40,', "1: 40%\n", "1: ", '{"1": ', "a - ", "'", "[[", "**", '{"1": 1}', "| "]
)
def test_a_long_text_of_any_pattern_is_read_to_its_end(piece: str) -> None:
    # a step that starts over at every piece would not come back from here in minutes
    assert isinstance(parse_shares(piece * (60_000 // len(piece)), choices_of(FOUR)), Unparsed)
