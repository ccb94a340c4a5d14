"""What a hosted model does when calls fail, for now or for good, and what it says then."""

import gzip
import json
import socket
from dataclasses import replace
from typing import Any

import pytest

from tests.elicitation.scripted import PROMPT, Response, chat, model_at, refusal, reply_to, request_of, scripted
from tests.support.mock_server import MockOptions, mock_server
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.hosted._pace import HostedOptions
from worldvaluesbench.models.hosted._trial import GREETING
from worldvaluesbench.prompts._request import Completion, Reply, Sampling

GOOD = chat("2")
NO_TEMPERATURE = "Unsupported value: 'temperature' does not support 0 with this model."
TOO_LONG = "This model's maximum context length is 64 tokens, you requested 90 (74 in the messages, 16 of max_tokens)."


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "fault",
    [
        refusal(408),
        refusal(409),
        refusal(429, "rate_limit_exceeded"),
        refusal(500),
        refusal(503),
        Response(b'{"choices": [', is_cut=True),
        Response(b"", is_cut=True),
        Response(b"<html>busy</html>"),
        Response(b"[]"),
        Response({"id": "x"}),
        Response({"choices": []}),
        Response({"choices": ["2"]}),
        Response({"choices": [{"index": 0, "message": None}]}),
        Response({"error": {"code": 502, "message": "the provider is down"}}),
        Response({"error": {"message": PROMPT}}),
        chat("2", finish="error"),
    ],
    ids=lambda fault: str(fault.body)[:30],
)
def test_a_call_that_failed_for_now_is_made_again(fault: Response) -> None:
    with scripted(lambda body, number: fault if number < 2 else GOOD) as server:
        reply = reply_to(server.base_url)
    assert [completion.text for completion in reply.completions] == ["2"]
    assert len(server.bodies) == 3
    assert server.bodies[0] == server.bodies[2]


def test_after_all_tries_the_reply_says_what_the_last_one_came_to() -> None:
    with scripted(lambda body, number: GOOD if greets(body) else refusal(500, "server_error", PROMPT)) as server:
        reply = reply_to(server.base_url, retries=3)
    assert reply.failure == "HTTP 500 (server_error) after 4 attempts"
    assert reply.completions == ()


def greets(body: dict[str, Any]) -> bool:
    return bool(body["messages"][0]["content"] == GREETING)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (refusal(500, message="CUDA out of memory"), r'HTTP 500.*The server says: "CUDA out of memory"'),
        (Response(b"<html>"), "a reply that is no JSON object"),
        (Response({}), "a reply without choices"),
    ],
)
def test_an_endpoint_that_does_not_answer_a_greeting_is_refused_at_once(fault: Response, told: str) -> None:
    with scripted(lambda body, number: fault) as server, pytest.raises(ModelError, match=f"{told}") as raised:
        list(model_at(server.base_url).replies([request_of()] * 100))
    assert "check --base-url" in str(raised.value)
    assert len(server.bodies) <= 5


def test_a_server_that_is_starting_is_waited_for() -> None:
    with scripted(lambda body, number: refusal(503) if number < 6 else GOOD) as server:
        reply = reply_to(server.base_url)
    assert reply.failure is None


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Response(b'{"choices": [', is_cut=True), "a reply that was cut off after 1 attempt"),
        (Response(b"no"), "a reply that is no JSON object after 1 attempt"),
        (Response({}), "a reply without choices after 1 attempt"),
        (refusal(503, f"{PROMPT}"), "HTTP 503 (some_error) after 1 attempt"),
        (refusal(503, "Peru"), "HTTP 503 after 1 attempt"),
    ],
)
def test_a_failure_is_told_in_our_words_and_holds_nothing_of_the_prompt(fault: Response, told: str) -> None:
    with scripted(lambda body, number: GOOD if greets(body) else fault) as server:
        failure = reply_to(server.base_url, retries=0).failure
    assert failure is not None
    assert "Peru" not in failure
    assert failure == told or failure.startswith("HTTP 503")


def test_a_call_that_takes_too_long_has_failed_for_now() -> None:
    with scripted(lambda body, number: GOOD, slow_after=0) as server:
        reply = reply_to(server.base_url, timeout=0.05, retries=1)
    assert reply.failure == "no reply within 0.05 s after 2 attempts"


def test_a_request_that_takes_longer_than_its_deadline_has_failed() -> None:
    with scripted(lambda body, number: refusal(500) if number < 2 else GOOD, slow_after=2) as server:
        reply = reply_to(server.base_url, deadline=0.3)
    assert reply.failure == "no reply within the deadline of 0.3 s"


def test_a_run_with_faults_in_a_tenth_of_the_replies_completes() -> None:
    options = MockOptions(too_many=0.03, errors=0.03, hang_ups=0.02, broken=0.02)
    requests = [replace(request_of(prompt=f"{PROMPT} {i}"), request_id=f"{i}") for i in range(300)]
    with mock_server(options) as server:
        model = HostedModel("mock-good", base_url=server.base_url, options=HostedOptions(initial_backoff=0.001))
        replies = list(model.replies(requests))
        stats = server.stats()
    assert sorted(reply.request.request_id for reply in replies) == sorted(request.request_id for request in requests)
    assert all(len(reply.completions) == 1 and reply.failure is None for reply in replies)
    faults = sum(stats[kind] for kind in ("too_many", "errors", "hang_ups", "broken"))
    assert faults > 0
    assert stats["requests"] == 300 + faults


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            refusal(401, "invalid_api_key", "Incorrect API key: none"),
            "HTTP 401: an API key is required; set .* OPENAI_API_KEY",
        ),
        (refusal(404, "model_not_found"), r"HTTP 404 \(model_not_found\): no such model, or no such address"),
        (refusal(405), "HTTP 405 .*no such address; check --base-url"),
        (refusal(402), "HTTP 402 .*no credit left"),
        (refusal(429, "insufficient_quota"), r"HTTP 429 \(insufficient_quota\): the account has no credit left"),
        (refusal(403, "unsupported_country"), r"HTTP 403 \(unsupported_country\): the call is refused"),
        (refusal(400, "context_length_exceeded", TOO_LONG), "longer than the model takes; show fewer attributes"),
        (refusal(400, None, TOO_LONG), "longer than the model takes; show fewer attributes"),
        (refusal(400, "unsupported_value", NO_TEMPERATURE, "temperature"), "takes no temperature .*--temperature none"),
        (refusal(400, "unsupported_value", NO_TEMPERATURE), "takes no temperature .*--temperature none"),
        (refusal(422, None, "seed: extra fields not permitted"), "takes no seed .*ask without --seed"),
        (refusal(400, None, "guided decoding is off"), "takes no response_format .*ask without --structured"),
        (Response(b"", 307, {"Location": "http://127.0.0.1:1/"}), "HTTP 307: it sends elsewhere"),
        (Response({}, 429, {"Retry-After": "86400"}), "asks to wait 1,440 minutes; resume this run then"),
    ],
    ids=lambda value: None if isinstance(value, Response) else value[:25],
)
def test_what_cannot_heal_stops_at_once_with_one_line(fault: Response, said: str) -> None:
    request = request_of(sampling=Sampling(0.0, 16, seed=1), schema={"type": "object"})
    with scripted(lambda body, number: fault) as server:
        with pytest.raises(ModelError, match=said) as raised:
            reply_to(server.base_url, request, retries=0, concurrency=1)
        assert str(raised.value).startswith(f"m at {server.base_url}: ")
    assert len(server.bodies) == 1
    assert "\n" not in str(raised.value)
    assert "Peru" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_refused_key_is_named_by_its_variable_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with (
        scripted(lambda body, number: refusal(401, "sk-very-secret", "sk-very-secret is wrong")) as server,
        pytest.raises(ModelError, match="the key in the environment variable OPENAI_API_KEY is refused") as raised,
    ):
        reply_to(server.base_url)
    assert "secret" not in str(raised.value)


def test_what_came_before_an_error_that_cannot_heal_is_given_first() -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        return GOOD if number < 30 else refusal(401)

    seen: list[Reply] = []
    with scripted(script) as server:
        replies = model_at(server.base_url, concurrency=4).replies(request_of() for _ in range(100))
        with pytest.raises(ModelError, match="HTTP 401"):
            seen.extend(replies)
    assert len(seen) == 30


def test_only_the_first_call_meets_a_refused_key() -> None:
    with (
        scripted(lambda body, number: refusal(401), latency=0.02) as server,
        pytest.raises(ModelError, match="HTTP 401"),
    ):
        list(model_at(server.base_url, concurrency=32).replies(request_of() for _ in range(100)))
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Response(b"", 307, {"Location": "http://127.0.0.1:1/"}), "HTTP 307: it sends elsewhere"),
        (refusal(401), "HTTP 401: an API key is required"),
    ],
    ids=["redirect", "key"],
)
def test_what_cannot_heal_is_told_of_a_later_call_as_of_the_first(fault: Response, said: str) -> None:
    seen: list[Reply] = []
    with scripted(lambda body, number: GOOD if number < 2 else fault) as server:
        replies = model_at(server.base_url, concurrency=1).replies(request_of() for _ in range(9))
        with pytest.raises(ModelError, match=said):
            seen.extend(replies)
    assert len(seen) == 2
    assert len(server.bodies) == 3


def test_a_later_call_is_the_first_with_another_body() -> None:
    prompts = ["Perú", "a longer prompt", "x", "\ud800"]
    with scripted(lambda body, number: GOOD) as server:
        list(model_at(server.base_url, concurrency=1).replies(request_of(prompt=prompt) for prompt in prompts))
    assert [body["messages"][0]["content"] for body in server.bodies] == [*prompts[:3], "?"]
    lengths = [int(headers.pop("content-length")) for headers in server.headers]
    assert lengths[0] - lengths[2] == len("Perú".encode()) - len("x")
    assert server.headers[1:] == server.headers[:1] * 3


def test_a_compressed_reply_is_read_on_every_call() -> None:
    packed = gzip.compress(json.dumps(GOOD.body).encode())
    with scripted(lambda body, number: Response(packed, 200, {"Content-Encoding": "gzip"})) as server:
        replies = list(model_at(server.base_url, concurrency=1).replies(request_of() for _ in range(3)))
    assert [reply.completions[0].text for reply in replies] == ["2"] * 3


def test_a_server_that_is_not_there_stops_at_once() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else is there
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match=f"m at {url}: cannot be reached .the connection is refused.; check"):
            reply_to(url)


def test_a_server_that_went_down_stops_after_twenty_failures() -> None:
    seen: list[Reply] = []
    with scripted(lambda body, number: GOOD if number < 5 else refusal(500)) as server:
        replies = model_at(server.base_url, concurrency=1, retries=0).replies(request_of() for _ in range(100))
        with pytest.raises(ModelError, match=r"20 requests in a row failed, the last with HTTP 500 .*seems to be down"):
            seen.extend(replies)
    assert len(seen) == 25
    assert len(server.bodies) == 25


@pytest.mark.parametrize(
    "fault",
    [
        refusal(400, "content_filter", PROMPT),
        refusal(400, "invalid_prompt", PROMPT),
        Response({"error": {"code": 403, "message": PROMPT, "metadata": {"flagged_input": PROMPT}}}, 403),
        Response({"choices": [{"index": 0, "message": {"content": None}, "finish_reason": "content_filter"}]}),
    ],
    ids=["code", "prompt", "proxy", "completion"],
)
def test_what_a_filter_withholds_is_an_empty_completion(fault: Response) -> None:
    with scripted(lambda body, number: fault) as server:
        reply = reply_to(server.base_url)
    assert reply.completions == (Completion("", "content_filter"),)
    assert reply.failure is None


def test_a_refusal_is_the_text_and_reasoning_is_not() -> None:
    message = {"content": None, "refusal": "I cannot say.", "reasoning_content": "The score is 4."}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    with scripted(lambda sent, number: Response(body)) as server:
        assert reply_to(server.base_url).completions == (Completion("I cannot say.", "stop"),)


def test_a_refused_max_tokens_becomes_max_completion_tokens_for_all_calls() -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        if "max_tokens" not in body:
            return GOOD
        said = "Unsupported parameter: 'max_tokens' is not supported; use 'max_completion_tokens' instead."
        return refusal(400, "unsupported_parameter", said, "max_tokens")

    with scripted(script) as server:
        replies = list(model_at(server.base_url).replies(request_of() for _ in range(50)))
    assert all(reply.completions for reply in replies)
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None] + [16] * 50


def test_a_reasoning_model_on_the_mock_server_is_asked_without_temperature() -> None:
    with mock_server(MockOptions(is_reasoning=True)) as server:
        model = HostedModel("mock-good", base_url=server.base_url, options=HostedOptions(is_reasoning=True))
        with pytest.raises(ModelError, match="--temperature none"):
            list(model.replies([request_of()]))
        (reply,) = model.replies([request_of(sampling=Sampling(None, 16))])
    assert reply.completions
    assert server.stats()["refused"] == 1


def test_a_limit_that_is_refused_by_either_name_stops() -> None:
    with (
        scripted(lambda body, number: refusal(400, None, "max_tokens and max_completion_tokens: too large")) as server,
        pytest.raises(ModelError, match="give another --max-tokens"),
    ):
        reply_to(server.base_url)
    assert len(server.bodies) == 2
