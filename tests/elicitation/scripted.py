"""A tiny HTTP server whose every response a test writes itself, and requests to send to it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.hosted._pace import HostedOptions
from worldvaluesbench.prompts._request import Reply, Request, Sampling
from worldvaluesbench.prompts._template import Method

PROMPT = "This person lives in Peru. How important is family? Answer:"
SYMBOLS = ("1", "2", "3")


@dataclass
class Response:
    """What is sent back: a body (bytes as they are, else JSON), a status and headers; `is_cut` ends it midway."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False


Script = Callable[[dict[str, Any], int], Response]


@dataclass
class Scripted:
    """The running server: where it is, and what it was sent."""

    base_url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0


@contextmanager
def scripted(script: Script, *, latency: float = 0, slow_after: int | None = None) -> Iterator[Scripted]:
    """A server that answers the k-th call (from 0) with what the script makes of its body and k.

    Each answer takes `latency` seconds; from call `slow_after` on there is none as long as anybody waits.
    """
    server = Scripted("")

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        number = len(server.bodies)
        body = await request.json()
        server.bodies.append(body)
        server.headers.append({name.lower(): value for name, value in request.headers.items()})
        server.paths.append(request.path_qs)
        if slow_after is not None and number >= slow_after:
            await asyncio.sleep(60)
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        await asyncio.sleep(latency)
        server.in_flight -= 1
        return await _send(script(body, number), request)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(respond, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def end() -> None:
        await runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _send(response: Response, request: web.BaseRequest) -> web.StreamResponse:
    content = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
    if not response.is_cut:
        return web.Response(body=content, status=response.status, headers=response.headers)
    stream = web.StreamResponse(headers={"Content-Length": str(len(content) + 1)})
    await stream.prepare(request)
    await stream.write(content)
    assert request.transport is not None
    request.transport.close()
    return stream


def chat(*texts: str | None, finish: str = "stop", **more: Any) -> Response:
    """A chat completion with these texts."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        for i, text in enumerate(texts)
    ]
    return Response({"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": len(texts)}, **more})


def refusal(status: int, code: str | None = None, message: str = "", param: str | None = None) -> Response:
    """An error in OpenAI's shape."""
    return Response({"error": {"message": message, "type": "some_error", "code": code, "param": param}}, status)


def request_of(method: Method = "greedy", **given: Any) -> Request:
    """A request for one completion of `PROMPT`, unless something else is given."""
    content = {"sampling": Sampling(max_tokens=16), **given}
    return Request("0123456789abcdef", "Q1", 0, content.pop("prompt", PROMPT), method, SYMBOLS, **content)


def model_at(base_url: str, **options: Any) -> HostedModel:
    """A model there, which does not rest between tries."""
    endpoint = options.pop("endpoint", "chat")
    return HostedModel("m", base_url=base_url, endpoint=endpoint, options=HostedOptions(initial_backoff=0, **options))


def reply_to(base_url: str, request: Request | None = None, **options: Any) -> Reply:
    """The reply to one request."""
    (reply,) = model_at(base_url, **options).replies([request or request_of()])
    return reply
