"""Outcomes of a call to an endpoint: an answer, a filter's refusal, a failure for now, or a refusal of what was asked.

What cannot heal is a ModelError. Servers quote prompts in their error messages, so these are read but never repeated:
what is told is the status and, where it looks like one, the server's code for the error.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worldvaluesbench.elicitation.models.pace import named_rest
from worldvaluesbench.elicitation.models.returned import FILTERED, error_code
from worldvaluesbench.errors import ModelError

LONGEST_NAMED_REST = 900.0
"""A server that asks to wait longer than so many seconds stops the run: its limit is one of hours or days."""

PARAMETERS = (
    "max_completion_tokens", "max_tokens", "temperature", "top_logprobs", "logprobs", "response_format", "seed", "stop",
    "echo", "chat_template_kwargs", "n",
)  # fmt: skip
"""What a server may refuse, the longer of two names that contain one another first."""

_SPENT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|maximum context|prompt is too long|too many (?:input )?tokens", re.IGNORECASE
)
_N = re.compile(
    r"['\"`]n['\"`]|(?<![\w'])n (?:must|should|is|>|=)|(?<!\w)n[>=]|completion choice|multiple (?:completions|choices)"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """The body of a completion, with at least one choice."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filtered:
    """A filter of the endpoint let the prompt not pass."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing came, for now; `told` says why, `rest` how many seconds the server asks to wait.

    `is_unreached`: there was no connection.
    """

    told: str
    rest: float | None = None
    is_unreached: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not take the call as it is; `parameter` is what it does not take, where that can be told."""

    told: str
    parameter: str | None


Outcome = Answered | Filtered | Failed | Refused


def judge(status: int, headers: Mapping[str, str], body: object, sent: Mapping[str, Any]) -> Outcome:
    """What became of a call, by the response; `body` is its JSON, None where it has none.

    Raises ModelError, with the end of a line that begins with the endpoint, where no call can succeed.
    """
    if 200 <= status < 300:
        return _judge_success(headers, body, sent)
    code = _code(body, sent)
    told = f"HTTP {status}" + (f" ({code})" if code else "")
    if code == FILTERED or _is_moderated(body):
        return Filtered()
    if code in _SPENT or status == 402:
        raise ModelError(f"{told}: the account has no credit left; what was answered is kept, go on when it has.")
    if status in (408, 409, 425, 429) or (status >= 500 and status not in (501, 505)):
        return _failed(told, headers)
    if status in (404, 405) or 300 <= status < 400:
        raise ModelError(f"{told}: {_ADVICE.get(status, _REDIRECTED)}")
    if code == "context_length_exceeded" or status == 413 or _TOO_LONG.search(_message(body)):
        raise ModelError(
            f"{told}: a prompt with its completion is longer than the model takes; show fewer attributes, lower "
            f"--max-tokens or choose another model."
        )
    return Refused(told, _parameter(body, sent))


def sentence(refused: Refused) -> str:
    """What is told where a call cannot be made otherwise: the parameter that is refused and what to do."""
    name = refused.parameter
    if name is None:
        return f"{refused.told}: the call is refused; check the model's name, --endpoint and the key's rights."
    return f"{refused.told}: takes no {name} as it was sent; {_INSTEAD.get(name, 'ask without it')}."


NO_LOGPROBS_ADVICE = "choose the method sampled, verbalised or, on plain completions that echo, option_likelihood"

_REDIRECTED = "it sends elsewhere, and prompts go to the named endpoint only; give the final address as --base-url."
_ADVICE = {
    404: "no such model, or no such address; check --model, --endpoint and --base-url (most end in /v1).",
    405: "no such address; check --base-url (most end in /v1) and --endpoint.",
}
_INSTEAD = {
    "temperature": "give another --temperature, or --no-temperature for models that take none",
    "max_tokens": "give another --max-tokens",
    "max_completion_tokens": "give another --max-tokens",
    "response_format": "ask without --structured",
    "seed": "ask without --seed",
    "stop": "choose a preset without stop",
    "logprobs": NO_LOGPROBS_ADVICE,
    "top_logprobs": NO_LOGPROBS_ADVICE,
    "echo": "choose another method than option_likelihood",
    "chat_template_kwargs": "ask without --chat-template-kwargs",
}


def _judge_success(headers: Mapping[str, str], body: object, sent: Mapping[str, Any]) -> Outcome:
    if not isinstance(body, Mapping):
        return Failed("a reply that is no JSON object")
    choices = body.get("choices")
    if isinstance(choices, list) and choices and all(isinstance(choice, Mapping) for choice in choices):
        is_broken = any(choice.get("finish_reason") == "error" for choice in choices)
        return Failed("a completion that broke off with an error") if is_broken else Answered(body)
    error = body.get("error")
    status = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(status, int) and 400 <= status < 600:  # a proxy tells its provider's error this way
        return judge(status, headers, body, sent)
    return Failed("a reply without choices" if error is None else "an error inside a reply")


def _failed(told: str, headers: Mapping[str, str]) -> Failed:
    rest = named_rest(headers)
    if rest is not None and rest > LONGEST_NAMED_REST:
        raise ModelError(f"{told}: the server asks to wait {rest / 60:,.0f} minutes; go on with this run then.")
    return Failed(told, rest)


def _code(body: object, sent: Mapping[str, Any]) -> str | None:
    """The server's code for an error, where it looks like one and is no word of what was sent."""
    code = error_code(body)
    if code is None or code == FILTERED:
        return code
    if len(code) < 3:
        return None
    prompts = sent.get("prompt") or [message["content"] for message in sent.get("messages", ())]
    return None if code in "".join(prompts) else code


def _error(body: object) -> Mapping[str, Any]:
    error = body.get("error", body) if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {"message": error}


def _message(body: object) -> str:
    error = _error(body)
    found = (error.get(name) for name in ("message", "detail"))
    return " ".join(str(text) for text in found if text)[:2000]


def _is_moderated(body: object) -> bool:
    metadata = _error(body).get("metadata")
    return isinstance(metadata, Mapping) and "flagged_input" in metadata


def _parameter(body: object, sent: Mapping[str, Any]) -> str | None:
    """The sent parameter that an error is about: as it says, else the one that its message names."""
    named = _error(body).get("param")
    if isinstance(named, str) and named.split(".")[0] in sent:
        return named.split(".")[0]
    message = _message(body)
    for name in PARAMETERS:
        if name in sent and (_N.search(message) if name == "n" else re.search(rf"(?<!\w){name}(?!\w)", message)):
            return name
    if "response_format" in sent and re.search(r"json_schema|guided|structured|grammar", message):
        return "response_format"
    return None
