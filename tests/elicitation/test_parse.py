"""A completion reads as its author meant it, or says why it cannot be read."""

import json
from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.errors import ScaleError
from worldvaluesbench.parsing._rating import EXCERPT, Unparsed, parse_rating
from worldvaluesbench.runs._reasons import COMPLETION_REASONS
from worldvaluesbench.stats._scale import Scale

CORPUS = [
    json.loads(line) for line in (Path(__file__).parent / "completions.jsonl").read_text(encoding="utf-8").splitlines()
]
FINISH_REASONS = (None, "stop", "length", "content_filter")
LABELS = ("Very important", "Rather important", "Not very important", "Not at all important")

scales = st.builds(lambda low, steps: Scale(low, low + steps), st.integers(-5, 5), st.integers(1, 12))
crumbs = st.sampled_from(
    ["{", "}", '"', "'", "answer", '"answer as a score"', ":", ",", " ", "\n", "1", "4", "10", ".", "-", "/", "<think>",
     "</think>", "I would say ", "Final answer: ", "or", "½", "٣", "\0", "1. ", "2. ", "\\", "As an AI ",
     "on a scale of "]
)  # fmt: skip
texts = st.text() | st.lists(crumbs, max_size=30).map("".join)


def outcome(case: dict[str, Any]) -> int | str:
    reading = parse_rating(
        case["completion"],
        Scale(*case["scale"]),
        labels=case.get("labels", ()),
        finish_reason=case.get("finish_reason"),
    )
    return reading if isinstance(reading, int) else reading.reason


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: f"{case['kind']}: {ascii(case['completion'])[:50]}")
def test_a_completion_of_the_corpus_reads_as_meant(case: dict[str, Any]) -> None:
    assert outcome(case) == case["expected"]


def test_the_corpus_is_large_and_holds_every_reason_several_times() -> None:
    counts = Counter(case["expected"] if isinstance(case["expected"], str) else "rating" for case in CORPUS)
    assert len(CORPUS) >= 170
    assert set(counts) == {"rating", *COMPLETION_REASONS}
    assert min(counts.values()) >= 3


def test_a_rating_off_the_scale_is_said_as_written() -> None:
    assert parse_rating("7", Scale(1, 4)) == Unparsed("off_scale", "7")


@pytest.mark.parametrize(
    ("completion", "finish_reason", "text"),
    [
        ("2 or 3", "stop", "2, 3"),
        ("I say 3,5", "stop", "3,5"),
        ('{"answer as a score": null}', "stop", "null"),
        ("Hard to say. " * 20, "stop", ("Hard to say. " * 20)[:EXCERPT]),
        ("x" * 100 + "the end", "length", "x" * (EXCERPT - 7) + "the end"),
    ],
)
def test_an_unparsed_completion_shows_what_stood_in_the_way(completion: str, finish_reason: str, text: str) -> None:
    reading = parse_rating(completion, Scale(1, 4), finish_reason=finish_reason)
    assert isinstance(reading, Unparsed)
    assert reading.text == text


@given(texts, scales, st.sampled_from(FINISH_REASONS))
def test_any_text_is_a_rating_on_the_scale_or_unparsed(text: str, scale: Scale, finish_reason: str | None) -> None:
    reading = parse_rating(text, scale, finish_reason=finish_reason)
    if isinstance(reading, Unparsed):
        assert reading.reason in COMPLETION_REASONS
        assert len(reading.text) <= EXCERPT
    else:
        assert reading in scale


@given(texts, st.sampled_from(FINISH_REASONS))
def test_labels_do_not_change_what_can_come_back(text: str, finish_reason: str | None) -> None:
    reading = parse_rating(text, Scale(1, 4), labels=LABELS, finish_reason=finish_reason)
    assert isinstance(reading, Unparsed) or reading in Scale(1, 4)


@given(scales, st.data(), st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), max_size=40))
def test_a_well_formed_object_gives_its_score_whatever_its_explanation(
    scale: Scale, data: st.DataObject, explanation: str
) -> None:
    rating = data.draw(st.sampled_from(list(scale.ratings)))
    completion = json.dumps({"thoughtful explanation": explanation, "answer as a score": rating}, ensure_ascii=False)
    assert parse_rating(completion, scale) == rating


@pytest.mark.parametrize(("rating", "label"), list(enumerate(LABELS, start=1)))
def test_a_label_alone_is_its_rating(rating: int, label: str) -> None:
    assert parse_rating(f" {label.upper()}.", Scale(1, 4), labels=LABELS) == rating


def test_labels_shared_by_two_points_say_nothing() -> None:
    reading = parse_rating("Middle", Scale(1, 4), labels=("Low", "Middle", "Middle", "High"))
    assert reading == Unparsed("no_number", "Middle")


def test_labels_come_for_every_point_or_not_at_all() -> None:
    with pytest.raises(ScaleError, match=r"The scale 1\.\.4 has 4 points, but 2 labels came; give one for each\."):
        parse_rating("3", Scale(1, 4), labels=("low", "high"))


@pytest.mark.parametrize("digit", ["3", "３", "٣", "۳", "३", "๓"])
def test_the_digits_of_every_script_are_digits(digit: str) -> None:
    assert parse_rating(digit, Scale(1, 4)) == 3


@pytest.mark.parametrize(
    "piece",
    ["{", '{"a": "', '"answer": ', '"answer as a score": x\n', "'", "1 ", "1 2 ", "1", "1.", "answer: ", "<think>",
     "</think>", " ", "\n", "\n\t", "1\n", "1. a\n", "I would say 3 kg ", "</s>", "\nhuman: ", "1-4 ", "i ", "4½",
     "a|"],
)  # fmt: skip
def test_a_long_text_of_any_pattern_is_read_to_its_end(piece: str) -> None:
    # a step that starts over at every piece would not come back from here in minutes
    reading = parse_rating(piece * (100_000 // len(piece)), Scale(1, 4), labels=LABELS, finish_reason="stop")
    assert isinstance(reading, int) == (piece == "1\n")


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="'tired' is no unparsed reason; expected one of empty, no_number"):
        Unparsed("tired", "")


def test_an_unparsed_record_does_not_change() -> None:
    record = Unparsed("empty", "")
    with pytest.raises(FrozenInstanceError):
        record.reason = "refusal"  # type: ignore[misc]


def test_every_unparsed_reason_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "completions.md").read_text(encoding="utf-8")
    assert all(f"| `{reason}` |" in documented for reason in COMPLETION_REASONS)
