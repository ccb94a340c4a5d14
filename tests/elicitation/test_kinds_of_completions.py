"""Texts of every kind that models write: none is read as a rating that a careful reader would not give it."""

import json
from pathlib import Path
from typing import Any

import pytest

from worldvaluesbench.parsing._rating import parse_rating, read_answer
from worldvaluesbench.parsing._readout import read_completion
from worldvaluesbench.parsing._shares import Distribution, parse_shares
from worldvaluesbench.parsing._symbols import reader_of
from worldvaluesbench.parsing._text import LONGEST, after_reasoning, asked_key, first_turn, kind_of, read_entries
from worldvaluesbench.prompts._options import choices_of
from worldvaluesbench.prompts._request import Completion
from worldvaluesbench.prompts._template import load_template
from worldvaluesbench.runs._reasons import COMPLETION_REASONS, UNPARSED_REASONS
from worldvaluesbench.stats._scale import Scale
from worldvaluesbench.survey._codebook import load_codebook

FOUR = load_codebook().item("Q1")
GROUPS = json.loads((Path(__file__).parent / "kinds_of_completions.json").read_text(encoding="utf-8"))
CASES = [{**group, "text": text} for group in GROUPS for text in group["texts"]]
SHARED = Path(__file__).parents[2] / ".." / "shared" / "cases" / "answers" / "completions.json"


def outcome(text: str, scale: list[int], shown: str, asked: str | None = None, finish: str | None = None) -> int | str:
    if shown in ("letters", "words"):
        reading = read_answer(text, reader_of(choices_of(FOUR, shown), asked), finish)  # type: ignore[arg-type]
    else:
        labels = FOUR.labels if shown == "digits with labels" else ()
        reading = parse_rating(text, Scale(*scale), labels=labels, finish_reason=finish, asked=asked)
    return reading if isinstance(reading, int) else reading.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['shown']}: {ascii(case['text'])[:60]}")
def test_a_text_reads_as_a_careful_reader_reads_it(case: dict[str, Any]) -> None:
    read = outcome(case["text"], case["scale"], case["shown"], case.get("asked"))
    if case["expected"] == "unparsed":
        assert isinstance(read, str)
    else:
        assert read == case["expected"]


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared cases are not beside this checkout")
def test_the_shared_cases_read_as_they_should() -> None:
    for case in json.loads(SHARED.read_text(encoding="utf-8")):
        text, _, named = case["text"].partition(" (labels: ")
        shown = named.rstrip(")") or ("digits with labels" if case["scale"] == [1, 4] else "digits")
        right = {"B": 2, "2 or several_numbers": "several_numbers"}.get(case["right"], case["right"])
        assert outcome(text, case["scale"], shown, finish=case["finish_reason"]) == right, text


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ("default", "answer"),
        ("paper-figure-5", "answer as a score"),
        ("paper-figure-10", "answer as a score"),
        ("symbol", None),
    ],
)
def test_the_key_that_a_template_asks_for_is_known(template: str, asked: str | None) -> None:
    assert asked_key(load_template(template).text) == asked


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ('{"respuesta": ..., "explicación": "..."}', "respuesta"),
        ('{"vastaus": ...}', "vastaus"),
        ('Say {"why": "...", "level": 1}.', "level"),
        ('{"confidence": ...}', "confidence"),
        ("Answer:", None),
    ],
)
def test_the_key_of_a_template_of_ones_own_is_known(template: str, asked: str | None) -> None:
    assert asked_key(template) == asked


def test_the_asked_key_counts_before_all_others_in_whatever_order() -> None:
    choices = choices_of(FOUR)
    for text in ('{"answer": 4, "confidence": 2}', '{"confidence": 2, "answer": 4}', '{"Confidence": "2", "score": 3}'):
        readings = [
            read_completion(Completion(text), choices, FOUR.scale, "greedy", asked) for asked in ("confidence", None)
        ]
        assert getattr(readings[0], "rating", None) == 2
        assert getattr(readings[1], "rating", None) in (3, 4)


def test_a_label_under_the_asked_key_that_another_number_denies_is_two_answers() -> None:
    text = '{"answer": "Rather important", "score": 3}'
    assert outcome(text, [1, 4], "digits with labels", "answer") == "several_numbers"
    assert outcome(text.replace("3", "2"), [1, 4], "digits with labels", "answer") == 2


def test_a_json_object_keeps_its_strings_whole() -> None:
    text = json.dumps({"explanation": 'They wrote "answer": 4, {"answer": 3}', "answer": 2})
    entries, prose = read_entries(f"So {text}.")
    assert [(entry.key, entry.value) for entry in entries][-1] == ("answer", "2")
    assert prose == "So " + " " * len(text) + "."
    assert outcome(text, [1, 4], "digits") == 2


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("answer as a score", "score"), ("answer_as_an_integer_score", "score"), ("finalAnswer", "answer"),
        ("response_code", "answer"), ("number", "answer"), ("number of children", "aside"), ("answer_confidence",
        "aside"),
        ("thoughtful explanation", "aside"), ("Q1", "unknown"), ("vastaus", "unknown"),
    ],
)  # fmt: skip
def test_a_key_is_known_by_its_words(key: str, kind: str) -> None:
    assert kind_of(key) == kind


def test_reasoning_that_is_not_closed_leaves_nothing() -> None:
    for opened in ("<think>", "◁think▷", "[THINK]", "<|begin_of_thought|>", "<seed:think>", "analysisOh. "):
        assert after_reasoning(f"{opened}Answer: 3") == ("", True)


def test_a_turn_ends_where_another_person_begins() -> None:
    assert first_turn("2\n\nPerson Y: 3") == "2"
    assert first_turn("Person A: 2\nPerson B: 3") == "Person A: 2\nPerson B: 3"


def test_of_a_very_long_text_both_ends_are_read() -> None:
    filling = "No number here. " * (2 * LONGEST // 16)
    assert outcome(f"Answer: 2\n{filling}", [1, 4], "digits") == 2
    assert outcome(f"{filling}\nAnswer: 2", [1, 4], "digits") == 2
    assert outcome(f"Answer: 2\n{filling}\nAnswer: 3", [1, 4], "digits") == "several_numbers"
    assert outcome(f"<think>{filling * 20}</think>2", [1, 4], "digits") == 2


@pytest.mark.parametrize(
    "piece",
    [
        "{", '{"a": "', '{"answer": ', '"answer as a score": x\n', "<answer>2</answer>", "</s>", "<|a|>",
        "\\boxed{2} ", "$1 ",
        "answer: 2 ", "1 (a) to ", "1 = a ", "I would not say ", "2 for men, ", "Very important ", "<", "①", "1: 40%, ",
    ],
)  # fmt: skip
def test_a_megabyte_of_any_pattern_is_read(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    # a step that starts over at every piece would not come back from here in hours
    for shown in ("digits with labels", "letters", "words"):
        assert outcome(text, [1, 4], shown) in (1, 2, *COMPLETION_REASONS)
    assert getattr(parse_shares(text, choices_of(FOUR)), "reason", None) in UNPARSED_REASONS


J, K = '{"1": 40, "2": 30, "3": 20, "4": 10}', '{"1": 10, "2": 20, "3": 30, "4": 40}'


@pytest.mark.parametrize(
    "text",
    [
        f"◁think▷{K}◁/think▷{J}", f"analysis{K}assistantfinal{J}", f"[/INST] {J}", f"{J}\n\nPerson 2:\n{K}",
        f"{J}\n{J}",
        f"{K}\nOn reflection, corrected:\n{J}", "1: 40%, 2: 30%, 3: 20%, 4: 10%",
        "$1$: $40\\%$\n$2$: $30\\%$\n$3$: $20\\%$\n$4$: $10\\%$",
        '{"1": "40％", "2": "30％", "3": "20％", "4": "10％"}', '{"١": 40, "٢": 30, "٣": 20, "٤": 10}',
        '{"VERY_IMPORTANT": 40, "RATHER_IMPORTANT": 30, "NOT_VERY_IMPORTANT": 20, "NOT_AT_ALL_IMPORTANT": 10}',
        '{"veryImportant": 40, "ratherImportant": 30, "notVeryImportant": 20, "notAtAllImportant": 10}',
        f"{J}\n\n1: 40% of women, as it seems.",
    ],
)  # fmt: skip
def test_shares_are_read_from_what_is_said(text: str) -> None:
    reading = parse_shares(text, choices_of(FOUR))
    assert isinstance(reading, Distribution)
    assert reading.probabilities == pytest.approx((0.4, 0.3, 0.2, 0.1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{J}\n{K}", "several_shares"), (f"[{J}, {K}]", "several_shares"), (f'{{"men": {J}, "women": {K}}}',
        "several_shares"),
        (f"Person A: {J}\nPerson B: {K}", "several_shares"), (f"{J}\n1: 10%\n2: 20%\n3: 30%\n4: 40%", "several_shares"),
        (f"<reasoning>{J}</reasoning>", "empty"), ('{"Muy importante": 40, "Poco": 60}', "no_shares"),
        ("[40, 30, 20, 10]", "no_shares"),
    ],
)  # fmt: skip
def test_shares_that_are_two_or_of_no_option_are_none(text: str, reason: str) -> None:
    assert getattr(parse_shares(text, choices_of(FOUR), finish_reason="stop"), "reason", None) == reason
