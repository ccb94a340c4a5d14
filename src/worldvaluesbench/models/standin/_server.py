"""The mock server: OpenAI's chat and plain completions over HTTP, answered by the stand-in models."""

import asyncio
import json
import math
import os
import re
import sys
import threading
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from aiohttp import web

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.standin._opinions import (
    STAND_INS,
    Question,
    is_answer,
    opinion_of,
    read_prompt,
    uniform_of,
)

EXPLANATIONS = (
    "People in this situation mostly see it this way.",
    "Given where and how this person lives, this seems the likeliest answer.",
    "Family, schooling and neighbourhood all point in this direction.",
    "This is what many people with a similar background say.",
    "The person's surroundings make such a view quite common.",
    "Others may disagree, but this fits what is known of the person.",
    "Habits and traditions of the place speak for this answer.",
    "Nothing suggests a stronger or weaker view than this.",
)
NO_QUESTION = "This is a stand-in model: it answers questions of the survey and nothing else."

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_TOKEN = re.compile(r" ?[^\W\d_]+| ?\d+| ?[^\w\s]|\s|_")
_Token = tuple[str, float, dict[str, float]]
"""A token, its log-probability, and those of the likeliest tokens at its place."""


def count_roughly(text: str) -> int:
    """About how many tokens a text has: one for four characters."""
    return (len(text) + 3) // 4


def draw_option(probabilities: Sequence[float], temperature: float, uniform: float) -> int:
    """The place of an option: the likeliest at temperature 0, else that at `uniform` in [0, 1).

    From temperature 0.5 the probabilities are used as they are; below they are sharpened.
    """
    highest = max(probabilities)
    if temperature == 0:
        return probabilities.index(highest)
    steps = list(accumulate((one / highest) ** (1 / min(1.0, temperature / 0.5)) for one in probabilities))
    return min(bisect_right(steps, uniform * steps[-1]), len(steps) - 1)


def word_answer(
    question: Question, opinion: Sequence[float], place: int, *, variant: int, lead: str
) -> tuple[str, tuple[int, int] | None]:
    """A text that gives the option at `place` in the form the question asks for, and where in it the answer is.

    `variant` chooses the explanation; `lead` is what a plain completion begins with: a blank, a line end or nothing.
    """
    symbol = list(question.ratings)[place]
    if not question.keys:
        return lead + symbol, (0, len(lead) + len(symbol))
    lead = lead.replace(" ", "\n")
    if question.wants_shares:
        return lead + json.dumps(
            dict(zip(question.ratings, percentages(opinion), strict=True)), ensure_ascii=False
        ), None
    text, gap, span = lead + "{", "\n  " if question.is_tall else "", None
    for number, (key, is_quoted) in enumerate(question.keys):
        text += ("," + (gap or " ") if number else gap) + json.dumps(key, ensure_ascii=False) + ": "
        if not is_answer(key):
            text += json.dumps(EXPLANATIONS[variant % len(EXPLANATIONS)], ensure_ascii=False)
        elif is_quoted or not symbol.isdigit():
            text += json.dumps(symbol, ensure_ascii=False)
            span = (len(text) - len(symbol) - 1, len(text) - 1)
        else:
            text += symbol
            span = (len(text) - len(symbol) - 1, len(text))
    return text + ("\n}" if question.is_tall else "}"), span


def percentages(opinion: Sequence[float]) -> list[int]:
    """The probabilities as whole percentages with sum 100: the largest remainders are rounded up."""
    whole = [int(100 * probability) for probability in opinion]
    by_rest = sorted(range(len(whole)), key=lambda place: (whole[place] - 100 * opinion[place], place))
    for place in by_rest[: 100 - sum(whole)]:
        whole[place] += 1
    return whole


def _complete(body: Mapping[str, Any], prompt: str, sample: int, seed: int) -> tuple[dict[str, Any], int]:
    """One choice of a response, without its index, and its number of tokens; `sample` numbers the random draws."""
    is_chat, temperature, read = "messages" in body, body.get("temperature", 1.0), read_prompt(prompt)
    text, span, options = NO_QUESTION, None, {}
    if read:
        opinion = opinion_of(body["model"], *read, seed)
        # a seeded draw depends on the seed alone, as on real servers
        uniform = uniform_of(seed, body["model"], sample, prompt if body.get("seed") is None else "")
        variant = len(prompt) + sample if temperature == 0 else int(uniform * 1e9)
        lead = "" if is_chat or prompt[-1:].isspace() else " "
        place = draw_option(opinion, temperature, uniform)
        text, span = word_answer(read[0], opinion, place, variant=variant, lead=lead)
        options = dict(zip(read[0].ratings, opinion, strict=True))
    stop, finish_reason = body.get("stop") or [], "stop"
    cuts = [text.find(one) for one in ([stop] if isinstance(stop, str) else stop) if one in text]
    text = text[: min(cuts, default=None)]
    limit = body.get("max_completion_tokens", body.get("max_tokens", None if is_chat else 16)) or sys.maxsize
    has_logprobs = body.get("logprobs") not in (None, False)
    tokens = _tokens(text, span if has_logprobs else None, options) if has_logprobs or len(text) >= limit else []
    if len(tokens) >= limit:
        tokens, finish_reason = tokens[:limit], "stop" if cuts else "length"
        text = "".join(token for token, _, _ in tokens)
    n_tokens = len(tokens) or count_roughly(text)
    if not is_chat:
        logprobs = {
            "tokens": [token for token, _, _ in tokens],
            "token_logprobs": [logprob for _, logprob, _ in tokens],
            "top_logprobs": [top for _, _, top in tokens],
            "text_offset": [0, *accumulate(len(token) for token, _, _ in tokens)][: len(tokens)],
        }
        return {"text": text, "logprobs": logprobs if has_logprobs else None, "finish_reason": finish_reason}, n_tokens
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    content = [
        {"token": token, "logprob": logprob, "top_logprobs": [{"token": t, "logprob": p} for t, p in top.items()]}
        for token, logprob, top in tokens
    ]
    return choice | ({"logprobs": {"content": content}} if has_logprobs else {}), n_tokens


def _tokens(text: str, span: tuple[int, int] | None, options: Mapping[str, float]) -> list[_Token]:
    """The tokens of a completion. An option is one token: its probability is divided between two spellings."""
    start, end = span or (len(text), len(text))
    shares: dict[str, float] = defaultdict(float, {"The": 0.012, "It": 0.006, "\n": 0.002})
    lead = " " if text[start : start + 1] == " " else ""
    for symbol, share in options.items():
        shares[lead + symbol] += share * 0.98 * 0.99
        shares[f"{'' if lead else ' '}{symbol}"] += share * 0.98 * 0.01
    by_share = sorted(shares.items(), key=lambda one: -one[1])
    top = {token: math.log(share) for token, share in by_share[:20] if share > 0}
    others = [[(token, -0.01, {token: -0.01}) for token in _TOKEN.findall(part)] for part in (text[:start], text[end:])]
    answer = [(text[start:end], math.log(shares[text[start:end]]), top)] if end > start else []
    return [*others[0], *answer, *others[1]]


@contextmanager
def serve(respond: Respond, host: str, port: int) -> Iterator[str]:
    """Serve HTTP in a thread of this process for as long as the block lasts; gives the base URL, ending in `/v1`.

    Raises ModelError where nothing can listen at this host and port.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mock-server", daemon=True)
    try:
        runner = loop.run_until_complete(_start(respond, host, port))
        thread.start()
        try:
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{runner.addresses[0][1]}/v1"
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(runner.cleanup())
    finally:
        loop.close()


async def _start(respond: Respond, host: str, port: int) -> web.ServerRunner:
    runner = web.ServerRunner(web.Server(respond, access_log=None, max_line_size=65536), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError as error:
        await runner.cleanup()
        raise ModelError(
            f"{host}:{port}: the mock server cannot listen there ({os.strerror(error.errno or 0)}); "
            f"choose another port, or 0 for any that is free."
        ) from None
    return runner


@contextmanager
def mock_server(
    host: str = "127.0.0.1", port: int = 0, *, models: Sequence[str] = STAND_INS, seed: int = 0, latency: float = 0.0
) -> Iterator[str]:
    """Serve the stand-in models in a thread of this process for as long as the block lasts; gives the base URL.

    `port` 0 takes any free one. `seed` decides all answers; each takes `latency` seconds. A model with a name of your
    own answers as `mock-good`.

    Raises ModelError where the server cannot listen at this host and port.

    >>> with mock_server() as base_url:
    ...     base_url.startswith("http://127.0.0.1:")
    True
    """
    n_drawn: Counter[tuple[str, str]] = Counter()

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST" or request.path not in ("/v1/chat/completions", "/v1/completions"):
            return _error(404, f"Invalid URL ({request.method} {request.path[:80]})", "unknown_url")
        try:
            body = json.loads(await request.read())
            if body["model"] not in models:
                return _error(404, f"The model {str(body['model'])[:80]!r} is not served here.", "model_not_found")
            if body.get("echo"):
                return _error(400, "Setting 'echo' is not supported by this server.", "unsupported_parameter")
            answered = _answer(body, n_drawn, seed)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return _error(
                400, f"A field of the request is missing or invalid ({type(error).__name__}).", "invalid_value"
            )
        await asyncio.sleep(latency)
        return web.json_response(answered)

    with serve(respond, host, port) as base_url:
        yield base_url


def _error(status: int, message: str, code: str) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def _answer(body: Mapping[str, Any], n_drawn: Counter[tuple[str, str]], seed: int) -> dict[str, Any]:
    prompt = "\n".join(message["content"] for message in body["messages"]) if "messages" in body else body["prompt"]
    n, first = body.get("n", 1), body.get("seed") or 0
    if body.get("seed") is None and body.get("temperature") != 0:
        first = n_drawn[body["model"], prompt]  # without a seed no sample of a prompt is drawn twice
        n_drawn[body["model"], prompt] += n
    choices = [_complete(body, prompt, sample, seed) for sample in range(first, first + n)]
    n_prompt, n_completion = count_roughly(prompt), sum(n_tokens for _, n_tokens in choices)
    usage = {"prompt_tokens": n_prompt, "completion_tokens": n_completion, "total_tokens": n_prompt + n_completion}
    indexed = [{"index": index} | choice for index, (choice, _) in enumerate(choices)]
    return {"id": "mock", "created": int(time.time()), "model": body["model"], "choices": indexed, "usage": usage}
