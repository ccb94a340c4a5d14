"""Returned: what an OpenAI-compatible endpoint sends back for a body of `bodies`, read into a reply."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from worldvaluesbench.elicitation.request import Completion, Reply, Request, TokenChoice
from worldvaluesbench.errors import ModelError

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

    Raises ModelError where the body is no completion.
    """
    choices = choices_in(body)
    counts = token_counts(body)
    if request.method != "token_probs":
        return Reply(request, tuple(map(_completion, choices[: request.n])), (), (), *counts)
    tokens = _tokens(choices[0].get("logprobs"))
    if tokens is None and not any(_completion(choice).text for choice in choices):
        return Reply(request, (), (), (), *counts)
    if tokens is None or (tokens and all(len(token.top) < 2 for token in tokens)):  # the one said alone
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


def _tokens(logprobs: object) -> tuple[TokenChoice, ...] | None:
    """The tokens of a choice in either shape of log-probabilities; None where there are none."""
    if not isinstance(logprobs, Mapping):
        return None
    content = logprobs.get("content")
    try:
        if isinstance(content, list):
            return tuple(_chat_token(entry) for entry in content)
        tokens, tops = _lists(logprobs, "tokens", "top_logprobs")
        values = logprobs.get("token_logprobs") or [None] * len(tokens)
        triples = zip(tokens, values, tops, strict=True)
        return tuple(_plain_token(*triple) for triple in triples) if tokens else None
    except (TypeError, ValueError, KeyError, AttributeError):
        raise ModelError("its log-probabilities are damaged; expected those of a completion.") from None


def _chat_token(entry: Mapping[str, Any]) -> TokenChoice:
    top = {str(entry["token"]): float(entry["logprob"])} if "logprob" in entry else {}
    for other in entry.get("top_logprobs") or ():
        top.setdefault(str(other["token"]), float(other["logprob"]))
    return TokenChoice(str(entry["token"]), top)


def _plain_token(token: object, value: object, top: Mapping[str, float] | None) -> TokenChoice:
    own = {str(token): float(value)} if isinstance(value, int | float) else {}
    return TokenChoice(str(token), own | {str(name): float(logprob) for name, logprob in (top or {}).items()})


def _lists(logprobs: object, *names: str) -> list[list[Any]]:
    found = [logprobs.get(name) if isinstance(logprobs, Mapping) else None for name in names]
    return [value if isinstance(value, list) else [] for value in found]


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
    is_count = isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MOST_TOKENS
    return found if is_count else None  # type: ignore[return-value]
