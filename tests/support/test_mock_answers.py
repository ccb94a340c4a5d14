"""What the mock server answers: texts, log-probabilities, echoed prompts and shares say one and the same."""

import json
import math
from collections import Counter
from typing import Any

import pytest

from tests.elicitation.mock_prompts import choices, prompt_of
from tests.elicitation.replies import read_reply
from tests.support.mock_server import Faults, MockOptions
from tests.support.mock_server.answers import Answering
from tests.support.mock_server.requests import Asked, read_chat, read_completion
from tests.support.mock_server.tokens import OTHER, Tokenizer
from tests.support.mock_server.words import NONSENSE, REFUSALS
from worldvaluesbench.models._bodies import chat_body, completion_body
from worldvaluesbench.models._returned import read_response
from worldvaluesbench.models.standin._opinions import opinion_of, read_prompt
from worldvaluesbench.parsing._rating import Unparsed, parse_rating
from worldvaluesbench.parsing._readout import Rating, Reading, answer_schema
from worldvaluesbench.parsing._shares import Distribution
from worldvaluesbench.prompts._options import LABELS, Labels
from worldvaluesbench.prompts._request import Request, Sampling
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.prompts._template import Method
from worldvaluesbench.stats._distribution import MIN_COVERAGE
from worldvaluesbench.stats._scale import Scale
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()


def answer(asked: Asked, **options: Any) -> dict[str, Any]:
    """The body that a server with these options gives back."""
    chosen = MockOptions(**options)
    counts: Counter[str] = Counter()
    return Answering(chosen, Faults(chosen), counts).answer(asked)


def texts(body: dict[str, Any]) -> list[str]:
    return [choice["message"]["content"] if "message" in choice else choice["text"] for choice in body["choices"]]


def thought(prompt: str, model: str = "mock-good") -> dict[int, float]:
    """What a stand-in thinks, by rating."""
    case = read_prompt(prompt)
    assert case is not None
    return dict(zip(case[0].ratings.values(), opinion_of(model, *case, 0), strict=True))


def echoed(prompt: str, option: str, **options: Any) -> tuple[list[str], list[float]]:
    """The tokens of an option behind a prompt, and their log-probabilities."""
    text = f"{prompt} {option}"
    body = answer(Asked("mock-good", (text,), is_chat=False, max_tokens=1, top=1, echo=True), **options)
    found = body["choices"][0]["logprobs"]
    assert text == "".join(found["tokens"][:-1])
    assert found["token_logprobs"][0] is None
    assert found["text_offset"] == [len("".join(found["tokens"][:place])) for place in range(len(found["tokens"]))]
    start = next(place for place, offset in enumerate(found["text_offset"]) if offset >= len(prompt))
    return found["tokens"][start:-1], found["token_logprobs"][start:-1]


@pytest.mark.parametrize("template", ["default", "paper-figure-5", "paper-figure-8", "paper-figure-10", "symbol"])
@pytest.mark.parametrize("is_chat", [True, False])
def test_samples_follow_the_opinion_in_every_form(template: str, is_chat: bool) -> None:
    prompt = prompt_of("Q48", template)
    body = answer(
        Asked("mock-good", (prompt,), is_chat=is_chat, n=3000, temperature=0.7, max_tokens=256, stop=("\n\n",))
    )
    ratings = Counter(parse_rating(text, Scale(1, 10), finish_reason="stop") for text in texts(body))
    for rating, share in thought(prompt).items():
        assert ratings[rating] / 3000 == pytest.approx(share, abs=0.035)


def read(item_id: str, method: Method, labels: Labels = "digits", *, is_chat: bool, **options: Any) -> Reading:
    """What our own readers read in an answer to the second order of an item's options."""
    settings = make_settings(method=method, labels=labels, orders=2)
    prompt = prompt_of(item_id, settings.template.name, labels=labels, order=1)
    symbols = tuple(choice.symbol for choice in choices(item_id, labels, 1))
    request = Request("id", item_id, 1, prompt, method, symbols, Sampling(0.0, settings.max_tokens))
    body = chat_body(request, "mock-good") if is_chat else completion_body(request, "mock-good")
    asked = read_chat(body, MockOptions()) if is_chat else read_completion(body, MockOptions())
    [reading] = read_reply(read_response(answer(asked, **options), request), CODEBOOK.item(item_id), settings)
    return reading


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("method", ["greedy", "verbalised", "token_probs"])
@pytest.mark.parametrize("is_chat", [True, False])
def test_what_our_own_readers_read_is_the_opinion(labels: Labels, method: Method, is_chat: bool) -> None:
    for item_id in ("Q1", "Q48", "Q7", "Q216"):
        expected = thought(prompt_of(item_id))
        reading = read(item_id, method, labels, is_chat=is_chat)
        if method == "greedy":
            assert reading == Rating(max(expected, key=expected.__getitem__))
        else:
            assert isinstance(reading, Distribution), reading
            assert reading.probabilities == pytest.approx([expected[rating] for rating in sorted(expected)], abs=0.01)


@pytest.mark.parametrize("is_chat", [True, False])
def test_split_digits_are_read_right_where_the_answer_begins_with_one(is_chat: bool) -> None:
    expected = thought(prompt_of("Q177"))
    assert max(expected, key=expected.__getitem__) == 1
    reading = read("Q177", "token_probs", is_chat=is_chat, digit_splitting=True)
    assert isinstance(reading, Distribution), reading
    assert reading.probabilities == pytest.approx([expected[rating] for rating in range(1, 11)], abs=0.01)


def test_the_first_token_shows_both_spellings_and_what_is_no_answer() -> None:
    prompt = prompt_of("Q1", "symbol")
    body = answer(Asked("mock-good", (prompt,), is_chat=True, temperature=0.0, max_tokens=1, top=20))
    [token] = body["choices"][0]["logprobs"]["content"]
    shares = {entry["token"]: math.exp(entry["logprob"]) for entry in token["top_logprobs"]}
    assert math.fsum(shares.values()) == pytest.approx(1)
    for rating, share in thought(prompt).items():
        assert shares[str(rating)] + shares[f" {rating}"] == pytest.approx(share * (1 - OTHER))
        assert shares[str(rating)] > shares[f" {rating}"]
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_a_split_ten_shares_its_first_token_with_one() -> None:
    prompt = prompt_of("Q48", "symbol")
    expected = thought(prompt)
    asked = Asked("mock-good", (prompt,), is_chat=True, temperature=0.0, max_tokens=3, top=50)
    tops = [
        {
            entry["token"]: math.exp(entry["logprob"])
            for entry in body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        }
        for body in (answer(asked), answer(asked, digit_splitting=True))
    ]
    whole, split = tops
    assert whole["1"] + whole[" 1"] == pytest.approx(expected[1] * (1 - OTHER))
    assert whole["10"] + whole[" 10"] == pytest.approx(expected[10] * (1 - OTHER))
    assert split["1"] + split[" 1"] == pytest.approx((expected[1] + expected[10]) * (1 - OTHER))
    assert "10" not in split


def test_no_more_alternatives_are_shown_than_asked_for() -> None:
    for is_chat in (True, False):
        body = answer(Asked("mock-good", (prompt_of("Q48", "symbol"),), is_chat=is_chat, max_tokens=1, top=3))
        logprobs = body["choices"][0]["logprobs"]
        tops = logprobs["content"][0]["top_logprobs"] if is_chat else logprobs["top_logprobs"][0]
        assert len(tops) in ((3,) if is_chat else (3, 4)), "the token itself stands there too"


@pytest.mark.parametrize("labels", LABELS)
def test_an_echoed_option_sums_to_its_probability(labels: Labels) -> None:
    for item_id in ("Q1", "Q48", "Q7"):
        prompt = prompt_of(item_id, "symbol", labels=labels)
        expected = thought(prompt)
        for choice in choices(item_id, labels):
            tokens, logprobs = echoed(prompt, choice.symbol)
            assert "".join(tokens) == f" {choice.symbol}"
            assert math.exp(math.fsum(logprobs)) == pytest.approx(expected[choice.rating])


def test_an_echoed_one_is_also_the_begin_of_ten_where_digits_are_split() -> None:
    prompt = prompt_of("Q48", "symbol")
    expected = thought(prompt)
    one, ten = (echoed(prompt, option, digit_splitting=True) for option in ("1", "10"))
    assert (one[0], ten[0]) == ([" 1"], [" 1", "0"])
    assert math.exp(one[1][0]) == pytest.approx(expected[1] + expected[10])
    assert math.exp(math.fsum(ten[1])) == pytest.approx(expected[10])


def test_a_prompt_without_an_option_behind_it_is_echoed_too() -> None:
    body = answer(Asked("mock-good", ("Good morning!",), is_chat=False, max_tokens=0, top=0, echo=True))
    choice = body["choices"][0]
    assert choice["text"] == "Good morning!" == "".join(choice["logprobs"]["tokens"])
    assert body["usage"]["completion_tokens"] == 0


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("method", ["sampled", "verbalised"])
def test_structured_answers_fit_their_schema(labels: Labels, method: Method) -> None:
    shown = choices("Q48", labels)
    prompt = prompt_of("Q48", "shares" if method == "verbalised" else "default", labels=labels)
    schema = json.loads(json.dumps(answer_schema(shown, method)))
    body = answer(Asked("mock-good", (prompt,), is_chat=True, temperature=0.0, schema=schema))
    given = json.loads(texts(body)[0])
    assert set(given) == set(schema["properties"])
    expected = thought(prompt)
    if method == "verbalised":
        for choice in shown:
            assert given[choice.symbol] == pytest.approx(100 * expected[choice.rating], abs=1)
    else:
        mode = max(shown, key=lambda choice: expected[choice.rating])
        assert given["answer"] in schema["properties"]["answer"]["enum"]
        assert str(given["answer"]) == mode.symbol


def test_a_sample_is_known_by_its_seed_however_requests_are_cut() -> None:
    prompt = prompt_of("Q48", codes=None)

    def drawn(seed: int, n: int) -> list[str]:
        return texts(answer(Asked("mock-good", (prompt,), is_chat=True, n=n, temperature=0.7, seed=seed)))

    assert drawn(7, 20) == drawn(7, 5) + drawn(12, 15)
    assert drawn(7, 20) != drawn(8, 20)


def test_without_a_seed_no_sample_comes_twice() -> None:
    options = MockOptions()
    answering = Answering(options, Faults(options), Counter())
    asked = Asked("mock-good", (prompt_of("Q48", codes=None),), is_chat=True, n=10, temperature=1.0)
    one_by_one = [text for _ in range(3) for text in texts(answering.answer(asked))]
    at_once = texts(answer(Asked("mock-good", asked.prompts, is_chat=True, n=30, temperature=1.0)))
    assert one_by_one == at_once
    assert one_by_one[:10] != one_by_one[10:20]


def test_several_prompts_of_a_list_are_answered_in_order() -> None:
    prompts = tuple(prompt_of(item_id, "symbol") for item_id in ("Q1", "Q48"))
    body = answer(Asked("mock-good", prompts, is_chat=False, n=2, temperature=0.0, max_tokens=3))
    each = [
        texts(answer(Asked("mock-good", (prompt,), is_chat=False, temperature=0.0, max_tokens=3))) for prompt in prompts
    ]
    assert texts(body) == each[0] * 2 + each[1] * 2
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]


def test_a_completion_ends_at_its_limit_and_at_its_stop_text() -> None:
    prompt = prompt_of("Q1", "paper-figure-8")

    def last(**given: Any) -> tuple[str, str]:
        [choice] = answer(Asked("mock-good", (prompt,), is_chat=True, temperature=0.0, **given))["choices"]
        return choice["message"]["content"], choice["finish_reason"]

    whole, reason = last()
    assert reason == "stop"
    short, reason = last(max_tokens=9)
    assert (whole.startswith(short), reason, len(Tokenizer().split(short))) == (True, "length", 9)
    assert last(stop=('"answer',)) == (whole[: whole.index('"answer')], "stop")
    assert last(max_tokens=500) == (whole, "stop")


@pytest.mark.parametrize("scale", [Scale(1, 4), Scale(1, 10), Scale(0, 1)])
def test_nonsense_and_refusals_are_read_as_what_they_are(scale: Scale) -> None:
    for text in NONSENSE:
        reading = parse_rating(text, scale, finish_reason="stop")
        assert isinstance(reading, Unparsed)
        assert reading.reason == "no_number", text
    for text in REFUSALS:
        reading = parse_rating(text, scale, finish_reason="stop")
        assert isinstance(reading, Unparsed)
        assert reading.reason == "refusal", text


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("method", ["sampled", "verbalised", "token_probs"])
@pytest.mark.parametrize("fault", ["garbage", "refusals", "cut_offs", "filtered"])
def test_no_injected_fault_is_ever_read_as_an_answer(labels: Labels, method: Method, fault: str) -> None:
    settings = make_settings(method=method, labels=labels)
    for item_id in ("Q1", "Q7", "Q48", "Q216"):
        symbols = tuple(choice.symbol for choice in choices(item_id, labels))
        prompt = prompt_of(item_id, settings.template.name, labels=labels)
        request = Request("id", item_id, 0, prompt, method, symbols, Sampling(0.0, settings.max_tokens))
        for is_chat in (True, False):
            asked = Asked(
                "mock-good",
                (prompt,),
                is_chat=is_chat,
                n=1 if method == "token_probs" else 8,
                max_tokens=settings.max_tokens,
                top=20 if method == "token_probs" else None,
            )
            reply = read_response(answer(asked, **{fault: 1.0}), request)
            for reading in read_reply(reply, CODEBOOK.item(item_id), settings):
                # "I decline" may begin the ninth letter, with next to no probability
                is_kept = isinstance(reading, Distribution) and reading.coverage < MIN_COVERAGE
                assert isinstance(reading, Unparsed) or is_kept, (reading, reply)


def test_faults_come_in_their_shares_and_the_same_for_the_same_seed() -> None:
    options = MockOptions(seed=3, too_many=0.05, errors=0.02, garbage=0.04, refusals=0.06)
    one, other = Faults(options), Faults(options)
    drawn = [one.next_of_completion() for _ in range(10_000)]
    assert drawn == [other.next_of_completion() for _ in range(10_000)]
    assert Counter(drawn)["garbage"] == pytest.approx(400, abs=80)
    assert Counter(drawn)["refusals"] == pytest.approx(600, abs=100)
    requests = Counter(one.next_of_request() for _ in range(10_000))
    assert set(requests) == {None, "too_many", "errors"}
    assert requests["too_many"] == pytest.approx(500, abs=90)
