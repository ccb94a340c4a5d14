"""Bodies: what is sent to an OpenAI-compatible endpoint for a request, the same one by one as in a batch."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from worldvaluesbench.errors import ModelError
from worldvaluesbench.prompts import Request

Endpoint = Literal["chat", "completions"]

URLS: Mapping[Endpoint, str] = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}

TOP_LOGPROBS = 20
"""How many alternatives of a token are asked for: the most that the widest-spread endpoints give."""

SEEDS = 2**31 - 2**17
"""How many first seeds there are, from 1: with all samples counted on from the last of them, still 31 bits.

Some services take signed 32 bits and refuse more, llama.cpp keeps the low 32 bits of what it is sent and takes the
highest of them for "none", others take -1, negative numbers or 0 for it; vLLM, SGLang and OpenAI take signed 64 bits.
"""


def chat_body(
    request: Request,
    model: str,
    *,
    top_logprobs: int = TOP_LOGPROBS,
    is_reasoning: bool = False,
    template_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of a chat completion: the prompt as the one message of a user.

    `is_reasoning`: the model takes its limit as `max_completion_tokens`. `template_kwargs`: variables for the server's
    chat template (vLLM, SGLang and llama.cpp take them).
    """
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": request.prompt}]}
    body |= _drawing(request) | describe_template(template_kwargs)
    if is_reasoning and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    if request.method == "token_probs":
        body |= {"logprobs": True, "top_logprobs": top_logprobs}
    return body


def completion_body(request: Request, model: str, *, top_logprobs: int = TOP_LOGPROBS) -> dict[str, Any]:
    """The body of a plain completion: the prompt, continued."""
    body = {"model": model, "prompt": request.prompt} | _drawing(request)
    return body | ({"logprobs": top_logprobs} if request.method == "token_probs" else {})


def echo_body(request: Request, model: str, option: int) -> dict[str, Any]:
    """The body of a plain completion that gives back the log-probabilities of the prompt with an option behind it.

    `option` is a place in `request.options`. One token is generated and thrown away: not every server generates none.
    """
    prompt = request.prompt + continuation_of(request.options[option])
    return {"model": model, "prompt": prompt, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0.0}


def describe_template(kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The variables of a chat template as they stand in a body and in a model's description; nothing without any."""
    return {"chat_template_kwargs": dict(kwargs)} if kwargs else {}


def check_endpoint(endpoint: str, kwargs: Mapping[str, Any] | None) -> None:
    """Raise ModelError where there is no such endpoint, or it has no chat template to give variables to."""
    if endpoint not in URLS:
        raise ModelError(f"There is no endpoint {endpoint!r}; there are {', '.join(URLS)}.")
    if endpoint == "completions" and kwargs:
        raise ModelError("Plain completions go through no chat template; ask without --chat-template-kwargs.")


def continuation_of(option: str) -> str:
    """An option as it continues a plain prompt, which ends without a space."""
    return f" {option}"


def seed_of(request: Request) -> int | None:
    """The seed of a request's first sample, by seed, id, attempt and sample alone; None: none is sent.

    Samples of a request count on from one hash, as vLLM and llama.cpp count from the seed of a call for several: a
    sample has the same seed whether it is asked for alone or with others. Other requests and attempts have others, or
    all respondents would be answered by the same random numbers.
    """
    if request.sampling.seed is None:
        return None
    key = f"{request.sampling.seed} {request.request_id} {request.attempt}"
    hashed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    return 1 + hashed % SEEDS + request.first_sample


def _drawing(request: Request) -> dict[str, Any]:
    """What both kinds of body say of how completions are drawn; what is not set is not sent."""
    sampling = request.sampling
    given = {
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop) or None,
        "seed": seed_of(request),
        "n": request.n if request.n > 1 else None,
        "response_format": _response_format(request),
    }
    return {name: value for name, value in given.items() if value is not None}


def _response_format(request: Request) -> dict[str, Any] | None:
    if request.schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": dict(request.schema)}}
