"""Echo: how likely an option is behind a prompt, read from the log-probabilities of a text that a server gives back.

The rule. A server is sent the prompt with a blank and the option behind it, and says into which tokens it divides that
text. The option's tokens are those at the end of the text that together say the option, and any blank token before
them. Their log-probabilities are summed. Texts are compared without blanks, for some servers drop them (or write ▁ or
Ġ), and from the end, for some put a token before every text that shifts all places. Where a token holds the end of
the prompt as well as the begin of the option, what the server says is about another question, and nothing is read.

An option whose tokens begin another option's ("1" before "10" where digits are split) is meant to end there: what goes
on to the other is taken off it.

Some servers give an echo whose values stand one place off its tokens, or are of something else (llama-cpp-python, where
no token is put before a text), and nothing in it shows that. So before the first prompt of a session a short one is
echoed, and a plain call asks what may follow it: a token that is told both ways must be as likely by both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from worldvaluesbench.errors import LogprobError, ModelError
from worldvaluesbench.models import choices_in, token_counts, tokens_in
from worldvaluesbench.models.hosted._calls import Calls, all_of, sum_known
from worldvaluesbench.models.hosted._outcomes import Failed, Filtered, Refused
from worldvaluesbench.prompts import Reply, Request, Sampling, TokenChoice, apart, check_logprobs, check_place

TRIAL = "Is two more than one?\n1 = Yes\n2 = No\nAnswer:"
"""A short prompt with the answer "1": some servers take seconds to echo a long one."""

_NO_BLANKS = str.maketrans("", "", " \t\r\n▁ĠĊ")
_NO_LISTS = Refused("several prompts in one call", None)

NO_ECHO_ADVICE = "choose token_probs, sampled or verbalised"

FARTHEST = 0.5
"""So far apart the same log-probability may be in two calls: 16-bit logits of 16 to 32 stand an eighth apart."""

LEAST = -10.0
"""What is less likely is not compared: rounding is most of it."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The tokens of an option and the natural log-probability of each; `before`: that of the prompt's last token."""

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    before: float | None = None

    @property
    def logprob(self) -> float:
        """That of all of them."""
        return math.fsum(self.logprobs)


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
    if not calls.is_first_echo:
        await calls.echoed.wait()  # what is not believed is not paid for
        return await _ask(calls, request)
    calls.is_first_echo = False
    try:
        return await _ask(calls, request)
    finally:
        calls.echoed.set()


async def _ask(calls: Calls, request: Request) -> Reply | Failed:
    if not calls.gives_logprobs:
        failed = await _try_echo(calls, replace(request, prompt=TRIAL, options=("1",)))
        if failed is not None:
            return failed
    each = await _scores(calls, request)
    scores = [one for one in each if isinstance(one, _Scores)]
    if len(scores) < len(each):
        return next((one for one in each if isinstance(one, Failed)), Reply(request))
    return Reply(
        request,
        option_logprobs=option_logprobs([one for score in scores for one in score.scored]),
        prompt_tokens=sum_known([score.prompt_tokens for score in scores]),
        completion_tokens=sum_known([score.completion_tokens for score in scores]),
    )


async def _scores(calls: Calls, request: Request) -> list[_Scores | Filtered | Failed | Refused]:
    """How likely the options are, in one call or in one each."""
    n = len(request.options)
    found = await _score(calls, request, range(n)) if calls.dialect.takes_lists else _NO_LISTS
    if not isinstance(found, Refused):
        return [found]
    return await all_of([_score(calls, request, range(place, place + 1)) for place in range(n)])


async def _try_echo(calls: Calls, request: Request) -> Failed | None:
    """Compare the first token of an echoed option with what a plain call says of it; Failed: nothing came, for now.

    Where the plain call does not list it, what it lists is echoed behind the prompt as well, and compared.

    Raises LogprobError where they differ, or nothing can be compared.
    """
    echoed = await _score(calls, request, range(1))
    if not isinstance(echoed, _Scores):
        return echoed if isinstance(echoed, Failed) else Failed("the trial of an echo was refused")
    # at temperature 0 some servers say of the likeliest token that it is certain
    plain = replace(request, method="token_probs", sampling=Sampling(1.0, 1))
    found = await calls.settle(lambda: calls.dialect.body_of(plain), lambda body: tokens_in(choices_in(body)[0]))
    if not isinstance(found, tuple):
        return found if isinstance(found, Failed) else Failed("a plain call for the prompt of an echo was refused")
    (first,) = found[:1] or (TokenChoice("", {}),)
    wanted = {text: logprob for text, logprob in first.top.items() if logprob > LEAST}
    told = [(one.tokens[0], one.logprobs[0]) for one in echoed.scored if one.tokens[0] in wanted]
    for text in sorted(wanted, key=lambda text: -wanted[text])[:3] if not told else ():
        behind = await _echoed_behind(calls, request, text)
        if isinstance(behind, Failed):
            return behind
        told += behind
    if not told:
        raise LogprobError("gives an echo that cannot be held against a plain call, for that has no log-probabilities")
    for text, logprob in told:
        more = wanted[text] - logprob
        # of two tokens that read alike some servers list the less likely one, but not where it was generated
        if more > FARTHEST or (text == first.token and more < -FARTHEST):
            raise LogprobError(
                f"its echo says {logprob:.4g} of a token for which a plain call says {wanted[text]:.4g}; expected the "
                f"same log-probability, so values of the echo stand at other tokens than their own."
            )
    return None


async def _echoed_behind(calls: Calls, request: Request, text: str) -> list[tuple[str, float]] | Failed:
    """A text, and how likely an echo says it is behind the prompt; nothing where it is not told as one token."""
    body = {**calls.dialect.echo_of(request, range(1)), "prompt": request.prompt + text}
    found = await calls.settle(lambda: body, lambda body: body)
    if not isinstance(found, Mapping):
        return found if isinstance(found, Failed) else []
    pairs = list(zip(*_echoed(choices_in(found)[0]), strict=True))
    # the last is generated, where the server generates one
    return [(token, value) for token, value in (*pairs[-2:-1], *pairs[-1:]) if token == text and value is not None][:1]


def read_option(choice: Mapping[str, Any], option: str, n_generated: int | None = None) -> Scored:
    """The tokens of an option at the end of an echoed text, and their log-probability.

    `n_generated`: how many tokens the server made behind the text; None: it does not say, and there is at most one.

    Raises ModelError, with the end of a line, where the text was not given back or is divided otherwise.
    """
    tokens, values = _echoed(choice)
    wanted = option.translate(_NO_BLANKS)
    for n_behind in (1, 0) if n_generated is None else (n_generated, 0):  # some do not list what they generate
        end = len(tokens) - n_behind
        start = _start_of(wanted, tokens[:end]) if end > 0 else None
        if start is not None:
            found = [value for value in values[start:end] if value is not None]
            if len(found) < end - start:
                raise ModelError("gives no log-probabilities of a prompt, which option_likelihood needs.")
            return Scored(tuple(tokens[start:end]), tuple(found), values[start - 1] if start else None)
    raise ModelError(
        "divides a prompt with an option behind it into tokens that lie across both, or gives back another text; "
        "choose a template that ends otherwise, other --labels, or the method token_probs."
    )


def option_logprobs(scored: Sequence[Scored]) -> tuple[float, ...]:
    """The log-probabilities of the options of a request as answers, from the echo of each.

    Raises LogprobError where they cannot be any, or the prompt that they share is not as likely in all.
    """
    before = [one.before for one in scored if one.before is not None]
    if before and max(before) - min(before) > FARTHEST and max(before) > LEAST:
        raise LogprobError(
            f"the last token of a prompt has the log-probability {max(before):.4g} before one option and "
            f"{min(before):.4g} before another; expected the same: values stand at other tokens than their own."
        )
    check_place({one.tokens[0]: one.logprobs[0] for one in scored}.values())
    return tuple(apart([(one.tokens, one.logprob) for one in scored]))


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
    except LogprobError:
        raise
    except ModelError as error:
        raise ModelError(f"{calls.endpoint.place}: {error}") from None
    return _Scores(tuple(scored), prompt, completion)


def _echoed(choice: Mapping[str, Any]) -> tuple[list[str], list[float | None]]:
    logprobs = choice.get("logprobs")
    content = logprobs if isinstance(logprobs, Mapping) else {}
    tokens, values = content.get("tokens"), content.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values) or len(tokens) < 2:
        raise ModelError(
            "does not give back the log-probabilities of a prompt (echo), which option_likelihood needs; choose "
            "token_probs, sampled or verbalised."
        )
    told = [value for value in values if value is not None]
    if not all(isinstance(value, int | float) for value in told):
        raise LogprobError("its log-probabilities are damaged; expected those of a completion.")
    check_logprobs(told)
    if len(told) > 3 and len(set(told[:-1])) == 1:  # the last may be generated
        raise LogprobError(
            f"gives every token of a prompt the log-probability {told[0]:g}; expected how likely each of them is."
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
