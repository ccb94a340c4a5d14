"""Echo: how likely an option is behind a prompt, read from the log-probabilities of a text that a server gives back.

The rule. A server is sent the prompt with a blank and the option behind it, and says into which tokens it divides that
text. The option's tokens are those at the end of the text that together say the option, and any blank token before
them. Their log-probabilities are summed. Texts are compared without blanks, for some servers drop them (or write ▁ or
Ġ), and from the end, for some put a token before every text that shifts all places. Where a token holds the end of
the prompt as well as the begin of the option, what the server says is about another question, and nothing is read.

An option whose tokens begin another option's ("1" before "10" where digits are split) is meant to end there: what goes
on to the other is taken off it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worldvaluesbench.elicitation.models.calls import Calls, all_of, sum_known
from worldvaluesbench.elicitation.models.outcomes import Failed, Filtered, Refused
from worldvaluesbench.elicitation.models.returned import choices_in, token_counts
from worldvaluesbench.elicitation.request import Reply, Request
from worldvaluesbench.errors import ModelError

_NO_BLANKS = str.maketrans("", "", " \t\r\n▁ĠĊ")
_NO_LISTS = Refused("several prompts in one call", None)

Scored = tuple[tuple[str, ...], float]
"""The tokens of an option, and the natural log-probability of all of them."""


@dataclass(frozen=True, slots=True)
class _Scores:
    scored: tuple[Scored, ...]
    prompt_tokens: int | None
    completion_tokens: int | None


async def ask_options(calls: Calls, request: Request) -> Reply | Failed:
    """How likely each option of a request is; all in one call where the endpoint takes several prompts at once.

    Nothing is in the reply where a filter of the endpoint refused the prompt.

    Raises ModelError where the endpoint cannot say, or no call can succeed.
    """
    n = len(request.options)
    found = await _score(calls, request, range(n)) if calls.dialect.takes_lists else _NO_LISTS
    each = [found]
    if isinstance(found, Refused):
        each = await all_of([_score(calls, request, range(place, place + 1)) for place in range(n)])
    scores = [one for one in each if isinstance(one, _Scores)]
    if len(scores) == len(each):
        return Reply(
            request,
            option_logprobs=apart([scored for score in scores for scored in score.scored]),
            prompt_tokens=sum_known([score.prompt_tokens for score in scores]),
            completion_tokens=sum_known([score.completion_tokens for score in scores]),
        )
    return next((one for one in each if isinstance(one, Failed)), Reply(request))


def read_option(choice: Mapping[str, Any], option: str, n_generated: int | None = None) -> Scored:
    """The tokens of an option at the end of an echoed text, and their log-probability.

    `n_generated`: how many tokens the server made behind the text; None: it does not say, and there is at most one.

    Raises ModelError, with the end of a line, where the text was not given back or is divided otherwise.
    """
    tokens, values = _echoed(choice)
    wanted = option.translate(_NO_BLANKS)
    for n_behind in (1, 0) if n_generated is None else (n_generated,):
        end = len(tokens) - n_behind
        start = _start_of(wanted, tokens[:end]) if end > 0 else None
        if start is not None:
            found = values[start:end]
            if not all(isinstance(value, int | float) for value in found):
                raise ModelError("gives no log-probabilities of a prompt, which option_likelihood needs.")
            return tuple(tokens[start:end]), math.fsum(found)
    raise ModelError(
        "divides a prompt with an option behind it into tokens that lie across both, or gives back another text; "
        "choose a template that ends otherwise, other --labels, or the method token_probs."
    )


async def _score(calls: Calls, request: Request, options: range) -> _Scores | Filtered | Failed | Refused:
    """Score some options in one call. Refused: the endpoint takes one prompt a call only."""
    found = await calls.settle(lambda: calls.dialect.echo_of(request, options), lambda body: body)
    if not isinstance(found, Mapping):
        return found
    choices = choices_in(found)
    if len(choices) < len(options):
        calls.dialect.takes_lists = False
        return _NO_LISTS
    prompt, completion = token_counts(found, len(options))
    n_generated = None if completion is None or completion % len(options) else completion // len(options)
    try:
        scored = [
            read_option(choice, request.options[place], n_generated)
            for place, choice in zip(options, choices, strict=False)
        ]
    except ModelError as error:
        raise ModelError(f"{calls.endpoint.place}: {error}") from None
    return _Scores(tuple(scored), prompt, completion)


def apart(scored: Sequence[Scored]) -> tuple[float, ...]:
    """The log-probabilities of options that end where they end: without what goes on to a longer option."""
    found = []
    for tokens, logprob in scored:
        longer = {other: value for other, value in scored if len(other) > len(tokens) and _begins(tokens, other)}
        nearest = [
            value
            for other, value in longer.items()
            if not any(between != other and _begins(between, other) for between in longer)
        ]
        share = math.fsum(math.exp(value - logprob) for value in nearest) if logprob > -math.inf else 0.0
        found.append(logprob + math.log1p(-share) if share < 1 else -math.inf)
    return tuple(found)


def _begins(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    return long[: len(short)] == short


def _echoed(choice: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    logprobs = choice.get("logprobs")
    content = logprobs if isinstance(logprobs, Mapping) else {}
    tokens, values = content.get("tokens"), content.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values) or len(tokens) < 2:
        raise ModelError(
            "does not give back the log-probabilities of a prompt (echo), which option_likelihood needs; choose "
            "token_probs, sampled or verbalised."
        )
    return [str(token) for token in tokens], values


def _start_of(wanted: str, tokens: Sequence[str]) -> int | None:
    """Where the tokens at the end that say a text begin, blank ones before them included; None: they do not say it."""
    start, rest = len(tokens), wanted
    if not tokens[-1].translate(_NO_BLANKS):
        return None  # a blank at the end is generated
    while rest:
        start -= 1
        piece = tokens[start].translate(_NO_BLANKS) if start >= 0 else None
        if piece is None or not rest.endswith(piece):
            return None
        rest = rest.removesuffix(piece)
    while start > 1 and not tokens[start - 1].translate(_NO_BLANKS):
        start -= 1
    return start
