"""The hosted model: what it sends, how it puts replies together, and how it ends."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from tests.elicitation.scripted import (
    PROMPT,
    Response,
    Scripted,
    chat,
    model_at,
    refusal,
    reply_to,
    request_of,
    scripted,
)
from tests.support.mock_server import MockOptions, mock_server
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models._bodies import seed_of
from worldvaluesbench.models._model import Model
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.hosted._pace import HostedOptions
from worldvaluesbench.prompts._request import Completion, Reply, Request, Sampling


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def echoing() -> Iterator[Scripted]:
    """A server that says what it was sent, as often as it was asked to."""
    with scripted(lambda body, number: chat(*[f"{body.get('seed')}"] * body.get("n", 1))) as server:
        yield server


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wvb-endpoint"]


def numbered(n: int) -> list[Request]:
    return [replace(request_of(prompt=f"{PROMPT} {i}"), request_id=f"{i}") for i in range(n)]


def test_a_chat_request_is_one_message_with_what_is_set_and_nothing_else(echoing: Scripted) -> None:
    request = request_of(sampling=Sampling(0.7, 16, ("\n\n",), seed=5))
    reply = reply_to(echoing.base_url, request)
    assert reply.completions == (Completion(f"{seed_of(request)}", "stop"),)
    assert (reply.prompt_tokens, reply.completion_tokens) == (10, 1)
    assert echoing.paths == ["/v1/chat/completions"]
    assert echoing.bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": PROMPT}],
            "temperature": 0.7,
            "max_tokens": 16,
            "stop": ["\n\n"],
            "seed": seed_of(request),
        }
    ]


def test_a_temperature_of_none_is_not_sent(echoing: Scripted) -> None:
    reply_to(echoing.base_url, request_of(sampling=Sampling(None)))
    assert echoing.bodies[0].keys() == {"model", "messages"}


def test_a_plain_completion_continues_the_prompt() -> None:
    body = {"choices": [{"index": 0, "text": " 2", "finish_reason": "length"}]}
    with scripted(lambda sent, number: Response(body)) as server:
        reply = reply_to(server.base_url, endpoint="completions")
    assert reply.completions == (Completion(" 2", "length"),)
    assert server.paths == ["/v1/completions"]
    assert server.bodies[0]["prompt"] == PROMPT


def test_a_schema_is_sent_as_strict_structured_output(echoing: Scripted) -> None:
    reply_to(echoing.base_url, request_of(schema={"type": "object"}))
    sent = echoing.bodies[0]["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is True
    assert sent["json_schema"]["schema"] == {"type": "object"}


def test_many_completions_are_asked_for_in_calls_of_128_with_seeds_of_their_own(echoing: Scripted) -> None:
    request = request_of("sampled", n=300, first_sample=7, sampling=Sampling(0.7, seed=100))
    reply = reply_to(echoing.base_url, request)
    assert reply.request == request
    first = seed_of(request) or 0
    called = [(first, 128), (first + 128, 128), (first + 256, 44)]
    assert sorted((body["seed"], body["n"]) for body in echoing.bodies) == called
    assert [completion.text for completion in reply.completions] == [f"{seed}" for seed, n in called for _ in range(n)]
    assert (reply.prompt_tokens, reply.completion_tokens) == (30, 300)


def test_a_server_that_ignores_n_is_asked_for_each_completion_with_a_seed_of_its_own() -> None:
    with scripted(lambda body, number: chat(str(body["seed"]))) as server:
        request = request_of("sampled", n=5, sampling=Sampling(0.7, seed=0))
        reply = reply_to(server.base_url, request)
    seeds = [seed_of(replace(request, first_sample=sample)) for sample in range(5)]
    assert [completion.text for completion in reply.completions] == [f"{seed}" for seed in seeds]


@pytest.mark.parametrize(("lost", "stretches"), [(2, [(2, 2), (5, 2)]), (0, [(3, 4), (2, 0)])])
def test_samples_beside_one_that_failed_keep_their_numbers(lost: int, stretches: list[tuple[int, int]]) -> None:
    request = request_of("sampled", n=5, first_sample=2, sampling=Sampling(0.7, seed=0))
    seeds = [seed_of(replace(request, first_sample=sample)) for sample in range(2, 7)]

    def script(body: dict[str, Any], number: int) -> Response:
        return refusal(500) if body["seed"] == seeds[lost] else chat(str(body["seed"]))

    before = replace(request, request_id="before", n=2)  # by which it is learned that one completion comes a call
    with scripted(script) as server:
        _, *replies = list(model_at(server.base_url, retries=0, concurrency=1).replies([before, request]))
    assert [(reply.request.first_sample, len(reply.completions)) for reply in replies] == stretches
    for reply in replies:
        wanted = seeds[reply.request.first_sample - 2 :]
        assert all(completion.text == str(seed) for completion, seed in zip(reply.completions, wanted, strict=False))


def test_a_server_that_refuses_n_is_asked_for_fewer_in_a_call() -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        return chat(*["2"] * body.get("n", 1)) if body.get("n", 1) <= 8 else refusal(400, message="'n' is at most 8")

    with scripted(script) as server:
        reply = reply_to(server.base_url, request_of("sampled", n=20))
    assert len(reply.completions) == 20


def test_what_came_of_many_completions_is_kept_where_others_failed() -> None:
    with scripted(lambda body, number: chat("2") if number < 3 else refusal(500)) as server:
        reply = reply_to(server.base_url, request_of("sampled", n=5), retries=0)
    assert len(reply.completions) == 3
    assert reply.failure is None


def test_requests_are_taken_as_there_is_room_and_all_are_answered() -> None:
    taken = 0

    def counted() -> Iterator[Request]:
        nonlocal taken
        for request in numbered(200):
            taken += 1
            yield request

    with scripted(lambda body, number: chat("2")) as server:
        n = 0
        for _ in model_at(server.base_url, concurrency=4).replies(counted()):
            assert taken <= n + 8
            n += 1
    assert n == 200


def test_no_more_calls_are_in_flight_than_allowed() -> None:
    with scripted(lambda body, number: chat(*["2"] * body.get("n", 1)), latency=0.01) as server:
        requests = [replace(request, method="sampled", n=200) for request in numbered(6)]
        assert len(list(model_at(server.base_url, concurrency=3).replies(requests))) == 6
    assert len(server.bodies) == 12
    assert server.most_in_flight <= 3


def test_it_can_be_asked_within_a_running_event_loop(echoing: Scripted) -> None:
    async def main() -> int:
        return len(list(model_at(echoing.base_url).replies(numbered(3))))

    assert asyncio.run(main()) == 3


def test_no_requests_means_no_replies_and_no_thread() -> None:
    assert list(model_at("http://127.0.0.1:1/v1").replies([])) == []
    assert not threads()


def test_closing_the_replies_cancels_what_is_in_flight(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(lambda body, number: chat("2"), slow_after=5) as server:
        replies = model_at(server.base_url, concurrency=8).replies(numbered(50))
        assert len(list(islice(replies, 5))) == 5
        replies.close()  # type: ignore[attr-defined]
    assert not threads()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_replies_that_came_are_given_before_an_interrupt_is_raised(echoing: Scripted) -> None:
    def interrupted() -> Iterator[Request]:
        yield from numbered(3)
        raise KeyboardInterrupt

    replies = model_at(echoing.base_url, concurrency=1).replies(interrupted())
    seen: list[Reply] = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(replies)
    assert len(seen) <= 3
    assert not threads()


def test_when_requests_end_early_what_is_in_flight_is_still_given() -> None:
    is_stopped = False

    def stopping() -> Iterator[Request]:
        for request in numbered(100):
            if is_stopped:
                return
            yield request

    n_taken = 0
    with mock_server(MockOptions(latency=0.01)) as server:
        model = HostedModel("mock-good", base_url=server.base_url, options=HostedOptions(concurrency=8))
        for _ in model.replies(stopping()):
            is_stopped = True
            n_taken += 1
    assert n_taken == server.stats()["answered"]


def test_its_description_and_messages_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret")
    model: Model = HostedModel("m", base_url="http://127.0.0.1:1/v1/", key_env="SECRET_KEY")
    assert model.describe() == {
        "backend": "hosted",
        "model": "m",
        "base_url": "http://127.0.0.1:1/v1",
        "endpoint": "chat",
    }
    assert "sk-very-secret" not in repr(model)
    with pytest.raises(ModelError) as raised:
        list(model.replies([request_of()]))
    assert "sk-very-secret" not in str(raised.value)
    assert PROMPT not in str(raised.value)


def test_the_key_goes_into_the_header_and_no_log_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret\n")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    with scripted(lambda body, number: chat("2") if number else refusal(500, message=PROMPT)) as server:
        model = HostedModel(
            "m", base_url=server.base_url, key_env="SECRET_KEY", options=HostedOptions(initial_backoff=0)
        )
        list(model.replies([request_of()]))
    assert [headers["authorization"] for headers in server.headers] == ["Bearer sk-very-secret"] * 2
    assert "idempotency-key" not in server.headers[0]
    assert "secret" not in caplog.text
    assert "Peru" not in caplog.text


def test_a_server_at_home_gets_a_placeholder_for_a_key(echoing: Scripted) -> None:
    reply_to(echoing.base_url)
    assert echoing.headers[0]["authorization"] == "Bearer none"


def test_a_proxy_may_have_a_version_in_its_address(echoing: Scripted) -> None:
    assert reply_to(echoing.base_url + "?api-version=2024-10-21").failure is None
    assert echoing.paths == ["/v1/chat/completions?api-version=2024-10-21"]


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        ("localhost:8000/v1", "is not an address"),
        ("http://:80:80/v1", "is not an address"),
        ("https://user:secret@host/v1", "holds a user or password"),
        ("https://host/v1?key=secret", "holds a query other than api-version"),
    ],
)
def test_an_address_that_cannot_be_one_or_holds_a_key_is_refused(base_url: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as raised:
        HostedModel("m", base_url=base_url)
    assert "secret" not in str(raised.value)


def test_openai_itself_is_not_called_without_a_key() -> None:
    with pytest.raises(
        ModelError, match=r"m at https://api\.openai\.com/v1: an API key is required; set the environment variable"
    ):
        next(HostedModel("m").replies([request_of()]))


def test_a_key_that_no_header_can_hold_is_refused_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "export KEY=secret")
    with pytest.raises(ModelError, match="OPENAI_API_KEY holds blanks or characters") as raised:
        next(model_at("http://127.0.0.1:1/v1").replies([request_of()]))
    assert "secret" not in str(raised.value)


def test_chat_cannot_answer_by_option_likelihood() -> None:
    model = model_at("http://127.0.0.1:1/v1")
    assert "option_likelihood" not in model.methods
    with pytest.raises(ModelError, match="--endpoint completions"):
        next(model.replies([request_of("option_likelihood")]))


@pytest.mark.parametrize(
    "given", [{"concurrency": 0}, {"retries": -1}, {"timeout": 0}, {"requests_per_minute": 0}, {"deadline": -1}]
)
def test_options_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="expected"):
        HostedOptions(**given)
