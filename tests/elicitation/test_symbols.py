"""Letters and words: an answer names an option or it does not; nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldvaluesbench.parsing._rating import Unparsed, read_answer
from worldvaluesbench.parsing._symbols import reader_of
from worldvaluesbench.prompts._options import AnswerOption, Labels, choices_of
from worldvaluesbench.runs._reasons import COMPLETION_REASONS
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()
LETTERS = choices_of(CODEBOOK.item("Q1"), "letters")
WORDS = choices_of(CODEBOOK.item("Q1"), "words")


def outcome(text: str, choices: tuple[AnswerOption, ...], finish_reason: str | None = "stop") -> int | str:
    reading = read_answer(text, reader_of(choices), finish_reason)
    return reading.reason if isinstance(reading, Unparsed) else reading


@pytest.mark.parametrize(
    "text",
    [
        "B", "b", " B.\n", "(B)", "**B**", "B)", "[B]", "`B`", "B = Rather important", "B. Rather important",
        "B (Rather important)", "B — rather important", "B: Rather important.", "Rather important", "RATHER IMPORTANT",
        '"Rather  important."', "Answer: B", "The answer is B.", "The answer is (B) Rather important.", "Option B",
        "I would choose option B.", "Person X would most likely choose: **B**", "Most likely B", "B\n\nBecause family.",
        "B, because family matters to people in China.", "Let me think. It could be A. Final answer: B",
        "The person likely answered “Rather important”.", '{"explanation": "A or C?", "answer": "B"}',
        '{"explanation": "A person.", "answer": B}', "{'answer': 'B = Rather important',}",
        '```json\n{"answer": "rather important"}\n```', "<think>A? Or C.</think>B", "A person said so.\n\nB",
        "A = Very important\nB = Rather important\nC = Not very important\nD = Not at all important\n\nAnswer: B",
    ],
)  # fmt: skip
def test_a_letter_is_read_however_it_is_dressed(text: str) -> None:
    assert outcome(text, LETTERS) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("<think>B?</think>", "empty"),
        ("2", "no_number"),
        ("Answer: 2", "no_number"),
        ("A person in China would say family is very important.", "no_number"),
        ("The answer is A lot of things.", "no_number"),
        ("I would say A person values family.", "no_number"),
        ("I believe so.", "no_number"),
        ("a person like this", "no_number"),
        ("It depends.", "no_number"),
        ("important", "no_number"),
        ('{"answer": null}', "no_number"),
        ("A or B", "several_numbers"),
        ("B/C", "several_numbers"),
        ("A, B", "several_numbers"),
        ("Answer: B or C", "several_numbers"),
        ("The answer is A. The answer is B.", "several_numbers"),
        ("B = Very important", "several_numbers"),
        ("A. Very important\nB. Rather important\nC. Not very important\nD. Not at all important", "several_numbers"),
        ("E", "off_scale"),
        ("The answer is F.", "off_scale"),
        ("I'm sorry, but I can't answer that.", "refusal"),
        ("As an AI, I have no family.", "refusal"),
    ],
)
def test_what_names_no_letter_is_not_guessed(text: str, reason: str) -> None:
    assert outcome(text, LETTERS) == reason


def test_in_another_order_a_letter_is_what_was_shown_beside_it() -> None:
    for order in range(8):
        for choice in choices_of(CODEBOOK.item("Q1"), "letters", order):
            shown = choices_of(CODEBOOK.item("Q1"), "letters", order)
            assert outcome(choice.symbol, shown) == choice.rating
            assert outcome(f"{choice.symbol} = {choice.label}", shown) == choice.rating
            assert CODEBOOK.item("Q1").label_of(choice.rating) == choice.label


def test_every_option_of_every_item_is_read_as_itself() -> None:
    for item in CODEBOOK.items:
        letters, words = choices_of(item, "letters"), choices_of(item, "words")
        assert [outcome(choice.symbol, letters) for choice in letters] == list(item.scale.ratings)
        if words[0].symbol != str(words[0].rating):
            for dressed in (
                "{}",
                "{}.",
                '"{}"',
                '{{"explanation": "So.", "answer": "{}"}}',
                "The answer is: {}.",
                "**{}**",
            ):
                read = [outcome(dressed.format(choice.symbol), words) for choice in words]
                assert read == list(item.scale.ratings), item.item_id


@pytest.mark.parametrize(
    ("item_id", "text", "expected"),
    [
        ("Q1", "Not at all important", 4),
        ("Q1", "not at all  important!", 4),
        ("Q1", "Important", "no_number"),
        ("Q1", "Quite important", "no_number"),
        ("Q1", "I would say Not very important, as they are young.", 3),
        ("Q1", "Very important or Rather important", "several_numbers"),
        ("Q1", "Family is very important to this person.", "no_number"),
        ("Q1", "1", "no_number"),
        ("Q7", "Not important", "no_number"),
        ("Q7", "Very important", "no_number"),
        ("Q7", "The answer is Not important.", "no_number"),
        ("Q7", "Important", 1),
        ("Q27", "Agree", 2),
        ("Q27", "Disagree", 3),
        ("Q27", "Strongly agree", 1),
        ("Q27", "Agree strongly", "no_number"),
        ("Q27", "I agree that this is so.", "no_number"),
        ("Q27", "Agree or disagree", "several_numbers"),
        ("Q43", "Don’t mind", 2),
        ("Q43", "Dont mind", 2),
        ("Q171", "Never, practically never", 7),
        ("Q171", "Never practically never.", 7),
        ("Q171", "More than once a week", 1),
        ("Q171", "Never", "no_number"),
        ("Q149", "Freedom, but also equality", "no_number"),
    ],
)
def test_words_are_read_whole_and_the_longest_counts(item_id: str, text: str, expected: int | str) -> None:
    assert outcome(text, choices_of(CODEBOOK.item(item_id), "words")) == expected


@pytest.mark.parametrize("frame", ["{}", "**{}**", '{{"answer": "{}"}}', "{} because of family", "Answer: {}"])
@pytest.mark.parametrize("beside", ["{} (%s)", "{} [%s]", "%s. {}", "{} = %s"])
def test_a_number_beside_words_is_theirs_or_another_answer(frame: str, beside: str) -> None:
    answer = frame.format(beside.format("Rather important"))
    assert outcome(answer % 2, WORDS) == 2
    assert outcome(answer % 3, WORDS) == "several_numbers"


def test_a_text_that_breaks_off_may_have_meant_a_longer_label() -> None:
    choices = AnswerOption("A lot", "", 1), AnswerOption("A lot less", "", 2), AnswerOption("None", "", 3)
    assert outcome("A lot", choices, "stop") == 1
    assert outcome("A lot", choices, "length") == "truncated"
    assert outcome("None", choices, "length") == 3
    assert outcome("A person wh", LETTERS, "length") == "truncated"
    assert outcome('{"explanation": "A person wh', LETTERS, None) == "truncated"
    assert outcome("B", LETTERS, "content_filter") == "filtered"


CRUMBS = ["A", "B", "E", "a", "I", "or", "Rather important", "important", "Not", "not at all important", ".", ",", ": ",
          '"answer": ', "{", "}", "\n", " ", "Answer: ", "The answer is ", "Option ", "(", ")", "**", "“", "<think>",
          "</think>", "I would say ", "Final answer: "]  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(CRUMBS), max_size=25).map("".join), st.sampled_from(["letters", "words"]))
def test_any_text_is_a_rating_of_a_choice_or_unparsed(text: str, labels: Labels) -> None:
    found = outcome(text, choices_of(CODEBOOK.item("Q1"), labels), None)
    assert found in (1, 2, 3, 4) or found in COMPLETION_REASONS


@pytest.mark.parametrize(
    "piece", ["A", "B ", "A or ", "answer: ", "I would say ", "(", "Not very ", "B = ", "a\n", "**"]
)
def test_a_long_text_of_any_pattern_is_read_to_its_end(piece: str) -> None:
    for choices in (LETTERS, WORDS):
        # a step that starts over at every piece would not come back from here in minutes
        assert outcome(piece * (60_000 // len(piece)), choices) in (1, 2, "no_number", "several_numbers", "off_scale")
