"""Requests per second against an instant server: this build, an earlier build and bare aiohttp, in interleaved rounds.

Run as `python -m benchmarks.ask [REQUESTS [CONCURRENCY [COMMIT]]]`. The server gives every request the same short chat
completion, as fast as a loop can. Each round is a process of its own, which times asking alone, without its imports;
`with journal` is a whole run: plan, journal, answers table. The earlier build comes out of the history of this clone,
its client library from the package index, both into a temporary folder; where either is missing it is left out.
"""

import asyncio
import json
import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from benchmarks.earlier import EARLIER, ROOT, check_out, environment

N, CONCURRENCY, ROUNDS = 20_000, 64, 5
CLIENT = "openai[aiohttp]==3.54.0"
"""What the earlier build asks with."""

PERSONA = "In which country do you live? Answer: Peru\nAre you a woman or a man? Answer: woman\n" * 5
QUESTION = "How important is family in your life?\n1 = Very important\n2 = Rather important\n3 = Not very important"

MODEL = """
import sys, time
try:
    from worldvaluesbench.models.hosted import HostedModel, HostedOptions
    from worldvaluesbench.prompts import Request, Sampling
except ImportError:
    from worldvaluesbench.elicitation.models.hosted import HostedModel, HostedOptions
    from worldvaluesbench.elicitation.request import Request, Sampling
    import worldvaluesbench.elicitation.models.session
url, n, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = HostedModel("m", base_url=url, options=HostedOptions(concurrency=concurrency))
texts = [f"{persona}How old are you? Answer: {i}\\n\\n{question}" for i in range(n)]
requests = [Request(f"{i}", "Q1", 0, texts[i], "greedy", ("1", "2", "3"), Sampling(max_tokens=512)) for i in range(n)]
start, cpu = time.perf_counter(), time.process_time()
replies = list(model.replies(iter(requests)))
print(time.perf_counter() - start, time.process_time() - cpu)
assert len(replies) == n and all(reply.failure is None and reply.completions[0].text == "2" for reply in replies)
"""

BARE = """
import asyncio, json, sys, time
import aiohttp
url, n, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
texts = [f"{persona}How old are you? Answer: {i}\\n\\n{question}" for i in range(n)]

async def main():
    left = iter(texts)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        async def ask():
            for text in left:
                messages = [{"role": "user", "content": text}]
                body = {"model": "m", "messages": messages, "temperature": 0.0, "max_tokens": 512}
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    await response.json()
        await asyncio.gather(*(ask() for _ in range(concurrency)))

start, cpu = time.perf_counter(), time.process_time()
asyncio.run(main())
print(time.perf_counter() - start, time.process_time() - cpu)
"""


def main(n: int = N, concurrency: int = CONCURRENCY, commit: str = EARLIER) -> None:
    texts = f"persona, question = {PERSONA!r}, {QUESTION!r}\n"
    with tempfile.TemporaryDirectory() as scratch, instant_server() as url:
        ways = {"ours": (MODEL, [ROOT / "src"]), "bare aiohttp": (BARE, [])}
        earlier = check_out(commit, Path(scratch) / "earlier")
        client = Path(scratch) / "client"
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(client), CLIENT]
        if earlier is None or subprocess.run(install, check=False, capture_output=True).returncode:
            print(f"the build at {commit}: not available here")
        else:
            ways[f"at {commit}"] = (MODEL, [earlier, client])
        rates: dict[str, list[float]] = {name: [] for name in ways}
        costs: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (script, sources) in ways.items():
                paths = ":".join(map(str, sources))
                env = {**environment(Path(paths), Path(scratch)), "PYTHONPATH": paths}
                call = [sys.executable, "-P", "-c", texts + script, url, str(n), str(concurrency)]
                shown = subprocess.run(call, check=True, capture_output=True, text=True, env=env)
                seconds, cpu = map(float, shown.stdout.split())
                rates[name].append(n / seconds)
                costs[name].append(cpu / n * 1e6)
    print(f"{n:,} requests, {concurrency} at a time, requests per second, best and median of {ROUNDS} rounds:")
    for name, found in rates.items():
        of = ", ".join(
            f"{max(found) / max(other):.2f} ({median(found) / median(other):.2f}) of {what}"
            for what, other in rates.items()
            if what != name
        )
        each = f"{min(costs[name]):.0f} µs of CPU each"
        print(
            f"  {name:<16}{max(found):>9,.0f}{median(found):>9,.0f}  {each}  {of if name == 'ours' else ''}", flush=True
        )


@contextmanager
def instant_server() -> Iterator[str]:
    """A server that answers every request at once, in a process of its own; gives its base URL."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()  # else a server that failed would be waited for
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


class _Instant(asyncio.Protocol):
    """Answers each request whose body is complete; reads no more of it than its length."""

    content = json.dumps(
        {
            "id": "c", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "2"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 200, "completion_tokens": 1, "total_tokens": 201},
        }
    ).encode()  # fmt: skip
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content) + content

    def __init__(self) -> None:
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            at = head.find(b"content-length:") + 15
            length = int(head[at : head.find(b"\r\n", at) if b"\r\n" in head[at:] else end])
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length :]
            self.transport.write(self.answer)  # type: ignore[attr-defined]


def _serve(connection: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Instant, "127.0.0.1", 0)
        connection.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*(int(number) for number in given[:2]), *given[2:3])  # type: ignore[arg-type]
