"""Outcomes of a call to an endpoint: an answer, a filter's refusal, a failure for now, or a refusal of what was asked.

What cannot heal is a ModelError. What is told is the status, the server's code for the error, where it looks like one,
and of its message what `said` lets pass, for servers quote prompts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import environ
from typing import Any, TypeGuard

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import FILTERED, error_code, message_of, prompts_in, said_of
from worldvaluesbench.models.hosted._pace import retry_after

LONGEST_RETRY_AFTER = 900.0
"""A server that asks to wait longer than so many seconds stops the run: its limit is one of hours or days."""

PARAMETERS = (
    "max_completion_tokens", "max_tokens", "temperature", "top_logprobs", "logprobs", "response_format", "seed", "stop",
    "echo", "chat_template_kwargs", "n",
)  # fmt: skip
"""What a server may refuse, the longer of two names that contain one another first."""

_SPENT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
_KEY_CODES = {
    "api_key_invalid", "auth_error", "authentication_error", "authenticationerror", "invalid_api_key",
    "invalid_authentication", "token_not_found_in_db", "unauthenticated", "unauthorized",
}  # fmt: skip
_KEY_SAID = re.compile(
    r"api[ _-]?key|authenticat|unauthori[sz]ed|credential|bearer|(?:access|proxy server|auth\w*) token", re.IGNORECASE
)
_KEY_WRONG = re.compile(
    r"(?:invalid|incorrect|wrong|expired|missing) api[ _-]?key|"
    r"api[ _-]?key (?:is )?(?:not valid|invalid|expired|missing)",
    re.IGNORECASE,
)
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
    """Nothing came, for now; `told` says why, `said` what the server says, `retry_after` how long it asks to wait.

    `is_unreached`: there was no connection. `is_passing`: the body has nothing to do with it. `is_final`: another try
    would bring the same. `is_answer`: a server that is up answered so, and not one that is starting or is gone.
    `parameter`: what the server names in its message, which need not be why.
    """

    told: str
    retry_after: float | None = None
    is_unreached: bool = False
    is_passing: bool = False
    is_final: bool = False
    is_answer: bool = False
    said: str = ""
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not take the call as it is; `parameter` is what it does not take, where that can be told.

    `is_vague`: what the server says leaves open whether another form of the call would be taken.
    """

    told: str
    parameter: str | None
    said: str = ""
    is_vague: bool = False


Outcome = Answered | Filtered | Failed | Refused


def judge(status: int, headers: Mapping[str, str], body: object, sent: Mapping[str, Any]) -> Outcome:
    """What became of a call, by the response; `body` is its JSON, or its text, None where it has neither.

    Raises KeyRefused where the key is at fault, ModelError, with the end of a line that begins with the endpoint,
    where no call can succeed.
    """
    if 200 <= status < 300:
        return _judge_success(headers, body, sent)
    error, code = _error(body), _code(body, sent)
    told, said = f"HTTP {status}" + (f" ({code})" if code else ""), said_of(error, sent)
    parameter = _parameter(body, sent)
    if code == FILTERED or _is_moderated(body):
        return Filtered()
    if _is_about_the_key(status, error, said, parameter):
        raise KeyRefused(f"HTTP {status}")
    if code in _SPENT or status == 402:
        raise ModelError(
            f"{told}: the account has no credit left; what was answered is kept, go on when it has.{server_says(said)}"
        )
    if status in (408, 409, 425, 429) or (status >= 500 and status not in (501, 505)):
        failed = Failed(told, is_passing=status < 500 or status == 504, said=said, parameter=parameter)
        return _failed(replace(failed, is_answer=status not in (502, 503)), headers)
    if status in (404, 405) or 300 <= status < 400:
        raise ModelError(f"{told}: {_ADVICE.get(status, _REDIRECTED)}{server_says(said)}")
    if code == "context_length_exceeded" or status == 413 or _TOO_LONG.search(message_of(error)):
        raise ModelError(
            f"{told}: a prompt with its completion is longer than the model takes; show fewer attributes, lower "
            f"--max-tokens or choose another model.{server_says(said)}"
        )
    return Refused(told, parameter, said, is_vague=parameter is None and status in (400, 422, 501))


def sentence(refused: Refused) -> str:
    """What is told where a call cannot be made otherwise: the parameter that is refused and what to do."""
    name, said = refused.parameter, server_says(refused.said)
    if name is None:
        return f"{refused.told}: the call is refused; check the model's name, --endpoint and the key's rights.{said}"
    return f"{refused.told}: takes no {name} as it was sent; {_INSTEAD.get(name, 'ask without it')}.{said}"


def server_says(said: str) -> str:
    """A sentence with what the server says, to stand behind another; "" where it says nothing."""
    return f' The server says: "{said}"' if said else ""


class KeyRefused(ModelError):
    """The key is refused, or one is wanted; the text is the status alone."""


def about_the_key(key_env: str) -> str:
    """What is wrong with the key in an environment variable that an endpoint refused, or that is absent."""
    if environ.get(key_env, "").strip():
        return f"the key in the environment variable {key_env} is refused; set a valid one for this model."
    return f"an API key is required; set the environment variable {key_env}, or name another with --api-key-env."


NO_LOGPROBS_ADVICE = "choose the method sampled, verbalised or, on plain completions that echo, option_likelihood"

_REDIRECTED = "it sends elsewhere, and prompts go to the named endpoint only; give the final address as --base-url."
_ADVICE = {
    404: "no such model, or no such address; check --model, --endpoint and --base-url (most end in /v1).",
    405: "no such address; check --base-url (most end in /v1) and --endpoint.",
}
_INSTEAD = {
    "temperature": "give another --temperature, or --temperature none for models that take none",
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
        return Failed("a reply that is no JSON object", is_answer=True)
    choices = body.get("choices")
    if isinstance(choices, list) and choices and all(isinstance(choice, Mapping) for choice in choices):
        is_broken = any(choice.get("finish_reason") == "error" for choice in choices)
        return Failed("a completion that broke off with an error") if is_broken else Answered(body)
    error = body.get("error")
    status = error.get("code") if isinstance(error, Mapping) else None
    if re.fullmatch("[45][0-9][0-9]", str(status)):  # a proxy tells its provider's error this way
        return judge(int(str(status)), headers, body, sent)
    if error is None:
        return Failed("a reply without choices", is_answer=True)
    return Failed("an error inside a reply", said=said_of(_error(body), sent), parameter=_parameter(body, sent))


def _failed(failed: Failed, headers: Mapping[str, str]) -> Failed:
    delay = retry_after(headers)
    if delay is not None and delay > LONGEST_RETRY_AFTER:
        raise ModelError(f"{failed.told}: the server asks to wait {delay / 60:,.0f} minutes; resume this run then.")
    return replace(failed, retry_after=delay, is_passing=failed.is_passing or delay is not None)


def _is_about_the_key(status: int, error: Mapping[str, Any], said: str, parameter: str | None) -> bool:
    """Whether an error is about the key: by its status, its codes or, where no parameter is named, its message."""
    if status == 401:
        return True
    reasons = error.get("details")
    details = [detail.get("reason") for detail in reasons if isinstance(detail, Mapping)] if _is_list(reasons) else []
    codes = (error.get("code"), error.get("type"), error.get("status"), *details)
    if any(isinstance(code, str) and code.lower() in _KEY_CODES for code in codes):
        return True
    is_said = _KEY_SAID if status in (400, 403, 407) else _KEY_WRONG  # what keeps keys may be down for now
    is_open = status not in (404, 429) and parameter is None
    return is_open and is_said.search(said) is not None


def _code(body: object, sent: Mapping[str, Any]) -> str | None:
    """The server's code for an error, where it looks like one and is no word of what was sent."""
    code = error_code(body)
    if code is None or code == FILTERED:
        return code
    if len(code) < 3:
        return None
    return None if code in "".join(prompts_in(sent)) else code


def _error(body: object) -> Mapping[str, Any]:
    """The error within a body: under `error` or `errors`, or the body itself; some servers put it into a list."""
    while _is_list(body) and body:
        body = body[0]
    inner = next((body[name] for name in ("error", "errors") if body.get(name)), body) if _is_object(body) else body
    while _is_list(inner) and inner:
        inner = inner[0]
    return inner if _is_object(inner) else {"message": inner}


def _is_list(found: object) -> TypeGuard[list[Any]]:
    return isinstance(found, list)


def _is_object(found: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(found, Mapping)


def _is_moderated(body: object) -> bool:
    metadata = _error(body).get("metadata")
    return isinstance(metadata, Mapping) and "flagged_input" in metadata


def _parameter(body: object, sent: Mapping[str, Any]) -> str | None:
    """The sent parameter that an error is about: as it says, else the one that its message names."""
    named = _error(body).get("param")
    if isinstance(named, str) and named.split(".")[0] in sent:
        return named.split(".")[0]
    message = message_of(_error(body))
    for name in PARAMETERS:
        if name in sent and (_N.search(message) if name == "n" else re.search(rf"(?<!\w){name}(?!\w)", message)):
            return name
    if "response_format" in sent and re.search(r"json_schema|guided|structured|grammar", message):
        return "response_format"
    return None
