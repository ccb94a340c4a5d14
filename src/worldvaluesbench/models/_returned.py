"""Returned: what an OpenAI-compatible endpoint sends back for a body of `bodies`, read into a reply."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from worldvaluesbench.errors import LogprobError, ModelError
from worldvaluesbench.prompts import Completion, Reply, Request, TokenChoice, log_sum

MOST_NAMES = 20
"""No more names of the model are kept: some proxies give every reply another one."""

MAX_TOKENS_KEPT = 3
"""How many of the first generated tokens a reply of `token_probs` keeps."""

NO_LOGPROBS = "no_logprobs"
"""The failure of a response without the log-probabilities that were asked for."""

FILTERED = "content_filter"
"""The code of a prompt that a filter of the service stopped, whatever the service calls it."""

MOST_TOKENS = 100_000_000
"""No reply has more tokens; a count above it is a fault."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{1,59}")
_WORD = re.compile(r"[^\s0-9!-/:-@\[-`{-~]+(?:'[^\s0-9!-/:-@\[-`{-~]+)*|[0-9]+")
"""A word or a number: at least a token."""

_FILTERS = frozenset({FILTERED, "content_policy_violation", "invalid_prompt", "moderation_blocked"})


def read_response(body: Mapping[str, Any], request: Request) -> Reply:
    """The reply in the body of a chat or plain completion; that of `option_likelihood` is read by `models.echo`.

    Samples count up from the request's first, in the order of their index. A response without the log-probabilities
    of alternatives that were asked for is a failure, `NO_LOGPROBS`; where nothing was said at all (a filter), there is
    nothing in the reply.

    Raises ModelError where the body is no completion; LogprobError where what it has as log-probabilities is damaged or
    cannot be any.
    """
    choices = choices_in(body)
    counts = token_counts(body)
    if request.method != "token_probs":
        return Reply(request, tuple(map(_completion, choices[: request.n])), (), (), *counts)
    tokens = tokens_in(choices[0])
    if not tokens and not any(_completion(choice).text for choice in choices):
        return Reply(request, (), (), (), *counts)
    if all(len(token.top) < 2 for token in tokens):  # none, or the one said alone
        return Reply(request, failure=NO_LOGPROBS)
    return Reply(request, (), tokens[:MAX_TOKENS_KEPT], (), *counts)


def choices_in(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The choices of a body in the order of their index.

    Raises ModelError where it has none.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, Mapping) for choice in choices):
        raise ModelError("the response has no choices; expected a chat completion or a completion.")
    places = [choice.get("index") for choice in choices]
    if not all(isinstance(place, int) for place in places):
        return choices
    return sorted(choices, key=lambda choice: int(choice["index"]))


def error_code(body: object) -> str | None:
    """The code of an error body, or its type, where it is one word; never its message, which may hold a prompt."""
    error = body.get("error", body) if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return None
    if _is_of_a_filter(error):
        return FILTERED
    found = (error.get(name) for name in ("code", "type"))
    return next((name for name in found if isinstance(name, str) and _CODE.fullmatch(name)), None)


def _is_of_a_filter(error: Mapping[str, Any]) -> bool:
    inner = error.get("innererror")
    inner_code = inner.get("code") if isinstance(inner, Mapping) else None
    return error.get("code") in _FILTERS or inner_code == "ResponsibleAIPolicyViolation"


def _completion(choice: Mapping[str, Any]) -> Completion:
    finish = choice.get("finish_reason")
    message = choice.get("message", choice)
    if not isinstance(message, Mapping):
        raise ModelError("a choice has no message; expected a chat completion or a completion.")
    # a structured answer that is declined stands under `refusal`, with no content
    texts = (_text(message.get(name)) for name in ("content", "text", "refusal"))
    text = next((text for text in texts if text), "")
    return Completion(text, finish if isinstance(finish, str) and _CODE.fullmatch(finish) else None)


def _text(content: object) -> str:
    """A content as text: that of its parts, where it has parts, without their reasoning; of an object, its JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content if not _is_thought(part)]
        return "".join(part for part in parts if isinstance(part, str))
    if content is None or isinstance(content, bool):
        return ""
    return json.dumps(content, ensure_ascii=False)  # a structured answer that the server has read already


def _is_thought(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type", "text") not in ("text", "output_text")


def tokens_in(choice: Mapping[str, Any]) -> tuple[TokenChoice, ...]:
    """The tokens of a choice in either shape of log-probabilities; none where there are none.

    An alternative without a value is not listed, and alternatives of one text are one: their probabilities are summed.

    Raises LogprobError where they are damaged or cannot be log-probabilities.
    """
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, Mapping):
        return ()
    content = logprobs.get("content")
    try:
        if isinstance(content, list):
            return tuple(_token(entry["token"], entry.get("logprob"), entry.get("top_logprobs")) for entry in content)
        tokens = logprobs.get("tokens") or []
        values = logprobs.get("token_logprobs") or [None] * len(tokens)
        tops = logprobs.get("top_logprobs") or [None] * len(tokens)
        return tuple(_token(*triple) for triple in zip(tokens, values, tops, strict=True))
    except (TypeError, ValueError, KeyError, AttributeError):
        raise LogprobError("its log-probabilities are damaged; expected those of a completion.") from None


def _token(token: object, own: float | None, tops: Any) -> TokenChoice:
    """A token with its alternatives: by text, or a list of tokens or of texts."""
    if isinstance(tops, list):
        pairs = [
            pair for part in tops for pair in ([(part["token"], part["logprob"])] if "token" in part else part.items())
        ]
    else:
        pairs = list(tops.items()) if tops else []
    top: dict[str, float] = {}
    for text, logprob in pairs:
        if logprob is not None:
            top[str(text)] = log_sum(top.get(str(text), -math.inf), float(logprob))
    if own is not None:
        # most often it is among them; of two tokens that read alike some servers list the less likely one
        top[str(token)] = max(float(own), top.get(str(token), -math.inf))
    return TokenChoice(str(token), top)


def token_counts(body: Mapping[str, Any], n_prompts: int = 1) -> tuple[int | None, int | None]:
    """Prompt and completion tokens that a response says were paid for; None where it does not, or they cannot be.

    Where fewer tokens were generated than there were prompts in a list, the counts are those of a part of the list.
    """
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return None, None
    prompt, completion = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    is_of_all = completion is None or completion == 0 or completion >= n_prompts
    return (prompt or None, completion) if is_of_all else (None, None)


def counted_for_all(reply: Reply) -> Reply:
    """A reply whose completion tokens are unknown where they are too few for all its completions.

    Some servers (llama.cpp) count the tokens of the first of several choices alone. No tokenizer joins words, so fewer
    tokens than the texts have words are not the tokens of all of them.
    """
    texts = [completion.text for completion in reply.completions]
    fewest = sum(len(_WORD.findall(text)) for text in texts) if len(texts) > 1 else int(any(texts))
    is_short = reply.completion_tokens is not None and reply.completion_tokens < fewest
    return replace(reply, completion_tokens=None) if is_short else reply


def _count(found: object) -> int | None:
    """A token count; None where it is none."""
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if 0 <= found <= MOST_TOKENS else None
