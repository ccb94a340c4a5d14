"""The mock server over real HTTP: OpenAI's shapes, its errors word by word, and every fault counted."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from tests.elicitation.mock_prompts import choices, prompt_of
from tests.support.mock_server import (
    COMPLETION_FAULTS,
    FEATURES,
    REQUEST_FAULTS,
    Faults,
    MockOptions,
    MockServer,
    Pace,
    mock_server,
)
from worldvaluesbench.errors import ModelError
from worldvaluesbench.parsing._readout import answer_schema

PROMPT = prompt_of("Q1")


def send(
    server: MockServer, path: str, body: Mapping[str, Any] | bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the response to a POST, or without a body to a GET."""
    place = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(str(place.hostname), int(place.port or 0), timeout=10)
    try:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, content, headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def chat(server: MockServer, prompt: str = PROMPT, **given: Any) -> tuple[int, dict[str, str], bytes]:
    message = {"role": "user", "content": prompt}
    return send(server, "/v1/chat/completions", {"model": "mock-good", "messages": [message]} | given)


def plain(server: MockServer, prompt: object = PROMPT, **given: Any) -> tuple[int, dict[str, str], bytes]:
    return send(server, "/v1/completions", {"model": "mock-good", "prompt": prompt} | given)


def error_of(reply: tuple[int, dict[str, str], bytes]) -> tuple[int, str | None, str | None]:
    """Status, code and parameter of an error."""
    error = json.loads(reply[2])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return reply[0], error["code"], error["param"]


def test_the_official_client_reads_every_answer() -> None:
    with mock_server() as server, openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        answered = client.chat.completions.create(
            model="mock-good",
            messages=[{"role": "user", "content": prompt_of("Q1", "symbol")}],
            n=3,
            logprobs=True,
            top_logprobs=5,
            max_tokens=3,
        )
        continued = client.completions.create(
            model="mock-poor", prompt=prompt_of("Q1", "symbol") + " 2", echo=True, logprobs=1, max_tokens=0
        )
        names = [model.id for model in client.models.list()]
        named = client.models.retrieve("mock-first").id
    assert [choice.index for choice in answered.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answered.choices} <= {"1", "2", "3", "4"}
    logprobs = answered.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert logprobs.content[0].token == answered.choices[0].message.content
    assert answered.usage is not None
    assert answered.usage.total_tokens == answered.usage.prompt_tokens + answered.usage.completion_tokens
    echoed = continued.choices[0].logprobs
    assert echoed is not None
    assert echoed.tokens is not None
    assert echoed.tokens[-1] == " 2"
    assert (names, named) == (["mock-good", "mock-poor", "mock-first"], "mock-first")


def test_the_official_client_reads_structured_answers() -> None:
    schema = dict(answer_schema(choices("Q1")))
    with mock_server() as server, openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        answered = client.chat.completions.create(
            model="mock-good",
            messages=[{"role": "user", "content": PROMPT}],
            response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        )
    given = json.loads(answered.choices[0].message.content or "")
    assert set(given) == {"explanation", "answer"}


def test_the_official_client_over_aiohttp_gets_through_every_fault() -> None:
    async def ask_all(base_url: str) -> int:
        async with (
            openai.DefaultAioHttpClient() as transport,
            openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=20, http_client=transport) as client,
        ):
            calls = (
                client.chat.completions.create(model="mock-good", messages=[{"role": "user", "content": PROMPT}])
                for _ in range(60)
            )
            return sum(len(answered.choices) for answered in await asyncio.gather(*calls))

    faults: dict[str, Any] = {"too_many": 0.1, "errors": 0.03}
    with mock_server(MockOptions(seed=1, **faults)) as server:
        assert asyncio.run(ask_all(server.base_url)) == 60
        stats = server.stats()
    assert stats["answered"] == stats["completions"] == 60
    assert stats["requests"] == 60 + stats["too_many"] + stats["errors"]
    assert min(stats["too_many"], stats["errors"]) > 0


def test_an_injected_429_says_how_long_to_wait() -> None:
    with mock_server(MockOptions(too_many=1, retry_after=1.5)) as server:
        reply = chat(server)
    assert error_of(reply) == (429, "rate_limit_exceeded", None)
    assert (reply[1]["retry-after"], reply[1]["retry-after-ms"]) == ("1.5", "1500")


def test_a_hang_up_comes_in_the_middle_of_the_body() -> None:
    with mock_server(MockOptions(hang_ups=1)) as server:
        with pytest.raises(http.client.IncompleteRead) as hung_up:
            chat(server)
        stats = server.stats()
    assert hung_up.value.partial.startswith(b'{"id"')
    assert (stats["hang_ups"], stats["answered"], stats["completions"]) == (1, 0, 0)


def test_broken_bodies_and_errors_of_the_server() -> None:
    with mock_server(MockOptions(broken=1)) as server:
        status, _, content = chat(server)
        assert status == 200
        with pytest.raises(ValueError):
            json.loads(content)
    with mock_server(MockOptions(errors=1)) as server:
        assert error_of(chat(server)) == (500, None, None)


def test_every_request_and_every_fault_is_counted() -> None:
    shares: dict[str, Any] = dict.fromkeys((*REQUEST_FAULTS, *COMPLETION_FAULTS), 0.15)
    with mock_server(MockOptions(seed=2, **shares)) as server:
        told: dict[object, int] = {}
        for _ in range(60):
            try:
                status, _, content = chat(server, n=4)
            except http.client.IncompleteRead:
                status, content = 0, b""
            kind: object = "broken" if status == 200 and not content.endswith(b"}") else status
            told[kind] = told.get(kind, 0) + 1
        stats = json.loads(send(server, "/stats")[2])
        assert stats == server.stats()
    counted = {429: "too_many", 500: "errors", 0: "hang_ups", "broken": "broken", 200: "answered"}
    assert told == {kind: stats[name] for kind, name in counted.items()}
    assert stats["requests"] == 60
    assert stats["completions"] == 4 * stats["answered"]
    assert min(stats[kind] for kind in COMPLETION_FAULTS) > 0
    assert stats["distinct_prompts"] == 1


def test_a_rate_limit_is_kept_and_the_wait_it_tells_is_enough() -> None:
    with mock_server(MockOptions(requests_per_minute=6000)) as server:
        refused = [reply for reply in (chat(server) for _ in range(400)) if reply[0] == 429]
        assert server.stats()["rate_limited"] == len(refused)
    pace = Pace(600)
    assert [pace.wait(0.0) for _ in range(10)] == [0.0] * 10, "a second's worth at once"
    wait = pace.wait(0.0)
    assert wait == pytest.approx(0.1)
    assert pace.wait(wait) == 0
    assert pace.wait(wait + 0.05) == pytest.approx(0.05)


def test_a_key_is_asked_for_and_can_be_revoked() -> None:
    with mock_server(MockOptions(key="mock-key-1", revoked_after=2)) as server:
        assert error_of(chat(server)) == (401, "invalid_api_key", None)
        body = {"model": "mock-good", "messages": [{"role": "user", "content": PROMPT}]}
        replies = [
            send(server, "/v1/chat/completions", body, Authorization="Bearer mock-key-1")[:3:2] for _ in range(2)
        ]
        assert [status for status, _ in replies] == [200, 401]
        assert "mock-key-1" not in str(replies) + repr(server)


def test_what_cannot_heal_is_refused_as_openai_refuses_it() -> None:
    with mock_server(MockOptions(max_context=500)) as server:
        assert error_of(chat(server, model="gpt-none")) == (404, "model_not_found", "model")
        assert error_of(chat(server, PROMPT * 5)) == (400, "context_length_exceeded", "messages")
        assert error_of(plain(server, PROMPT, max_tokens=400)) == (400, "context_length_exceeded", "prompt")
        assert error_of(chat(server, temperature=3)) == (400, "invalid_value", "temperature")
        assert error_of(chat(server, n=0)) == (400, "invalid_value", "n")
        assert error_of(chat(server, logprobs=True, top_logprobs=21)) == (400, "invalid_value", "top_logprobs")
        assert error_of(chat(server, messages=[])) == (400, "missing_required_parameter", "messages")
        assert error_of(plain(server, [1, 2, 3])) == (400, "invalid_type", "prompt")
        assert error_of(chat(server, stream=True)) == (400, "unsupported_parameter", "stream")
        assert error_of(send(server, "/v1/chat/completions", b"{")) == (400, None, None)
        assert error_of(send(server, "/v1/embeddings", {}))[0] == 404
        assert error_of(send(server, "/nowhere"))[0] == 404
        stats = server.stats()
    assert (stats["refused"], stats["completions"]) == (12, 0)


def test_a_reasoning_model_wants_another_limit_and_no_temperature() -> None:
    with mock_server(MockOptions(is_reasoning=True)) as server:
        assert error_of(chat(server, max_tokens=5)) == (400, "unsupported_parameter", "max_tokens")
        assert error_of(chat(server, temperature=0)) == (400, "unsupported_value", "temperature")
        assert chat(server, max_completion_tokens=5)[0] == 200


def test_features_can_be_absent() -> None:
    with mock_server(MockOptions(without=frozenset(FEATURES))) as server:
        answered = json.loads(chat(server, n=5, logprobs=True, top_logprobs=5)[2])
        assert len(answered["choices"]) == 1
        assert "logprobs" not in answered["choices"][0]
        assert json.loads(plain(server, logprobs=5)[2])["choices"][0]["logprobs"] is None
        assert error_of(plain(server, echo=True))[0::2] == (400, "echo")
        assert error_of(plain(server, [PROMPT, PROMPT]))[0] == 400
        wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
        assert error_of(chat(server, response_format=wanted))[0::2] == (400, "response_format")
    with mock_server(MockOptions(without=frozenset({"zero_tokens"}))) as server:
        assert error_of(plain(server, echo=True, max_tokens=0))[0::2] == (400, "max_tokens")
        assert plain(server, echo=True, max_tokens=1)[0] == 200


def test_an_answer_takes_its_time() -> None:
    faults = Faults(MockOptions(latency=0.05, jitter=0.01))
    waits = [faults.next_wait() for _ in range(100)]
    assert 0.05 <= min(waits) < max(waits) <= 0.06
    assert Faults(MockOptions()).next_wait() == 0
    with mock_server(MockOptions(latency=0.001)) as server:
        assert chat(server)[0] == 200


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ModelError, match="sum to at most 1"):
        MockOptions(garbage=0.6, refusals=0.6)
    with pytest.raises(ModelError, match="seconds"):
        MockOptions(latency=-1)
    with pytest.raises(ModelError, match="requests_per_minute is 0"):
        MockOptions(requests_per_minute=0)
    with pytest.raises(ModelError, match="no_echo"):
        MockOptions(without=frozenset({"no_echo"}))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="at least one"):
        MockOptions(models=())
    assert "mock-key" not in repr(MockOptions(key="mock-key"))


def test_a_port_in_use_is_told_in_one_line() -> None:
    with mock_server() as server:
        port = urlsplit(server.base_url).port
        assert port is not None
        with (
            pytest.raises(ModelError, match=r"cannot listen there \([^\n]+\); choose another port"),
            mock_server(MockOptions(port=port)),
        ):
            pass
