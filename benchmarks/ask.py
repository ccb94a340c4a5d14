"""Requests a second against the mock server without latency: ours, the bare client, its parsed replies, bare aiohttp.

python -m benchmarks.ask [requests] [concurrency]
"""

import asyncio
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.hosted._pace import HostedOptions
from worldvaluesbench.prompts._request import Request, Sampling

N, CONCURRENCY, ROUNDS = 6_144, 64, 3
MODEL = "mock-good"
PERSONA = "In which country do you live? Answer: Peru\nAre you a woman or a man? Answer: woman\n" * 5
QUESTION = "How important is family in your life?\n1 = Very important\n2 = Rather important\n3 = Not very important"

Post = Callable[[dict[str, Any]], Awaitable[object]]


def main(n: int = N, concurrency: int = CONCURRENCY) -> None:
    start = time.perf_counter()
    import openai  # noqa: F401  so that the rates are without it

    print(f"import openai: {time.perf_counter() - start:.2f} s")
    prompts = [f"{PERSONA}How old are you? Answer: {i}\n\n{QUESTION}" for i in range(n)]
    ways = {
        "ours (HostedModel)": ours,
        "openai client, its bytes": client_bytes,
        "openai client, its objects": client_objects,
        "bare aiohttp": bare,
    }
    best = dict.fromkeys(ways, 0.0)
    with server() as base_url:
        for _ in range(ROUNDS):
            for name, way in ways.items():
                start = time.perf_counter()
                way(base_url, prompts, concurrency)
                best[name] = max(best[name], n / (time.perf_counter() - start))
    print(f"{n:,} requests, {concurrency} at a time; the best of {ROUNDS} rounds, requests a second:")
    for name, rate in best.items():
        print(f"  {name:<28}{rate:>8,.0f}")


def ours(base_url: str, prompts: list[str], concurrency: int) -> None:
    model = HostedModel(MODEL, base_url=base_url, options=HostedOptions(concurrency=concurrency))
    sampling = Sampling(max_tokens=512)
    requests = (
        Request(f"{i}", "Q1", 0, prompt, "greedy", ("1", "2", "3"), sampling) for i, prompt in enumerate(prompts)
    )
    replies = list(model.replies(requests))
    assert len(replies) == len(prompts)
    assert all(reply.failure is None for reply in replies)


def client_bytes(base_url: str, prompts: list[str], concurrency: int) -> None:
    asyncio.run(_through_client(base_url, prompts, concurrency, is_parsed=False))


def client_objects(base_url: str, prompts: list[str], concurrency: int) -> None:
    asyncio.run(_through_client(base_url, prompts, concurrency, is_parsed=True))


async def _through_client(base_url: str, prompts: list[str], concurrency: int, *, is_parsed: bool) -> None:
    import httpx2
    import openai

    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    http = openai.DefaultAioHttpClient(limits=limits)
    async with openai.AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0, http_client=http) as client:

        async def post(body: dict[str, Any]) -> object:
            if is_parsed:
                return await client.chat.completions.create(**body)
            return await client.post("/chat/completions", cast_to=httpx2.Response, body=body)

        await _ask_all(post, prompts, concurrency)


def bare(base_url: str, prompts: list[str], concurrency: int) -> None:
    asyncio.run(_through_aiohttp(base_url, prompts, concurrency))


async def _through_aiohttp(base_url: str, prompts: list[str], concurrency: int) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def post(body: dict[str, Any]) -> object:
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                return await response.json()

        await _ask_all(post, prompts, concurrency)


async def _ask_all(post: Post, prompts: list[str], concurrency: int) -> None:
    left = iter(prompts)

    async def ask_one_by_one() -> None:
        for prompt in left:
            message = {"role": "user", "content": prompt}
            await post({"model": MODEL, "messages": [message], "temperature": 0.0, "max_tokens": 512})

    await asyncio.gather(*(ask_one_by_one() for _ in range(concurrency)))


@contextmanager
def server() -> Iterator[str]:
    """A mock server in a process of its own; gives its address."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()  # else a server that failed would be waited for
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join()


def _serve(connection: Connection) -> None:
    from worldvaluesbench.models.mock._server import mock_server

    with mock_server() as running:
        connection.send(running.base_url)
        connection.recv()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
