"""A mock server with OpenAI's API: its answers are made up, and it fails in the ways that it is told to.

It serves chat and plain completions with `n`, seeds, log-probabilities, echo and structured output, answered by the
stand-in models of the package. It can be slow, strict and faulty in every way that a real endpoint can (`MockOptions`),
and counts what it did: `GET /stats`.
"""

import asyncio
import gzip
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.mock_server.answers import Answering
from tests.support.mock_server.options import Counts, Faults, MockOptions, Pace
from tests.support.mock_server.requests import Asked, Refusal, check_model, read_chat, read_completion
from worldvaluesbench.models.standin._server import serve

_READERS = {"/v1/chat/completions": read_chat, "/v1/completions": read_completion}


@dataclass
class _Service:
    """What a running server knows: its options, its faults, who answers, and what it counted."""

    options: MockOptions
    counts: Counts = field(default_factory=Counts)
    pace: Pace | None = None
    faults: Faults = field(init=False)
    answering: Answering = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults(self.options)
        self.answering = Answering(self.options, self.faults, self.counts.counts)
        if self.options.requests_per_minute is not None:
            self.pace = Pace(self.options.requests_per_minute)

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to any request."""
        try:
            if request.method == "GET":
                return _json(self._read_out(request))
            return await self._complete(request)
        except Refusal as refusal:
            self.counts.counts["refused"] += 1
            return _json(refusal.body, status=refusal.status)

    def _read_out(self, request: web.BaseRequest) -> dict[str, Any]:
        if request.path == "/stats":
            return self.counts.as_dict()
        self._check_key(request)
        if request.path == "/v1/models":
            return {"object": "list", "data": [_model_card(name) for name in self.options.models]}
        if request.path.startswith("/v1/models/"):
            return _model_card(check_model(request.path.removeprefix("/v1/models/"), self.options))
        raise Refusal(404, f"Invalid URL (GET {request.path[:80]})", None)

    async def _complete(self, request: web.BaseRequest) -> web.StreamResponse:
        reader = _READERS.get(request.path)
        if reader is None or request.method != "POST":
            raise Refusal(404, f"Invalid URL ({request.method} {request.path[:80]})", None)
        counts = self.counts.counts
        counts["requests"] += 1
        self._check_key(request)
        asked = reader(await _body_of(request), self.options)
        self.counts.prompts.update(map(hash, asked.prompts))
        wait = self.pace.wait(time.monotonic()) if self.pace else 0.0
        if wait:
            counts["rate_limited"] += 1
            return _too_many(wait)
        fault = self.faults.next_of_request()
        if fault:
            counts[fault] += 1
        delay = self.faults.next_wait()
        if delay:
            await asyncio.sleep(delay)
        return await self._answer(asked, fault, request)

    async def _answer(self, asked: Asked, fault: str | None, request: web.BaseRequest) -> web.StreamResponse:
        if fault == "too_many":
            return _too_many(self.options.retry_after)
        if fault == "errors":
            message = "The server had an error while processing your request."
            return _json(
                {"error": {"message": message, "type": "server_error", "param": None, "code": None}}, status=500
            )
        if fault == "broken":
            return web.Response(text='{"id": "chatcmpl-mock", "choices": [{"ind', content_type="application/json")
        if fault == "hang_ups":
            return await _hang_up(request)
        if self.options.floods:
            return _flood()
        body = self.answering.answer(asked)
        self.counts.counts["answered"] += 1
        return _json(body)

    def _check_key(self, request: web.BaseRequest) -> None:
        wanted = self.options.key
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        is_wrong = wanted is not None and not hmac.compare_digest(given.encode(), wanted.encode())
        revoked_after = self.options.revoked_after
        if is_wrong or (revoked_after is not None and self.counts.counts["requests"] > revoked_after):
            if self.options.key_status != 401:
                raise Refusal(self.options.key_status, f"Authentication Error, invalid API key: {given}", None)
            raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")


@dataclass
class MockServer:
    """A running mock server.

    `base_url` is what clients are given, ending in `/v1`.
    """

    base_url: str
    options: MockOptions
    _service: _Service = field(repr=False)

    def stats(self) -> dict[str, int]:
        """What it did so far, the same as at `/stats`: requests, completions, faults by kind."""
        return self._service.counts.as_dict()


@contextmanager
def mock_server(options: MockOptions | None = None) -> Iterator[MockServer]:
    """A mock server in a thread of this process, for as long as the block lasts.

    Raises ModelError where it cannot listen at its host and port.

    >>> with mock_server() as server:
    ...     server.base_url.startswith("http://127.0.0.1:")
    True
    """
    service = _Service(options or MockOptions())
    with serve(service.respond, service.options.host, service.options.port) as base_url:
        yield MockServer(base_url, service.options, service)


async def _body_of(request: web.BaseRequest) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "We could not parse the JSON body of your request.", None)
    return body


async def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Send headers and a part of the body they announce, then close the connection."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"id": "chatcmpl-mock", "object": "chat.completion", "choices": [{"index": 0, "mes')
    if request.transport is not None:
        request.transport.close()
    return response


def _flood() -> web.Response:
    """A body of 64 MiB, which is 64 kB as it is sent."""
    headers = {"Content-Encoding": "gzip"}
    return web.Response(body=gzip.compress(bytes(64 * 2**20), 1), headers=headers, content_type="application/json")


def _too_many(wait: float) -> web.Response:
    headers = {"Retry-After": f"{wait:.3f}".rstrip("0").rstrip("."), "retry-after-ms": f"{wait * 1000:.0f}"}
    error = {"message": "Rate limit reached.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    return _json({"error": error}, status=429, headers=headers)


def _model_card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "worldvaluesbench"}


def _json(body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    content = json.dumps(body).encode()
    return web.Response(body=content, status=status, headers=headers, content_type="application/json")
