"""A trial: which part of a body makes an endpoint fail.

Many servers answer HTTP 500, or hang up, where they do not know a parameter or a list of prompts. A body of a form that
an endpoint has taken before fails for a passing reason; one of a form that it never took is tried without whatever can
be left out, then with ever more of it, until a parameter is found with which it fails and without which it answers.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from worldvaluesbench.models.hosted._outcomes import Answered, Failed, Outcome, Refused

FEW_TOKENS = 16
"""No more tokens are asked for before the last step, for they are paid for."""

GREETING = "Hello"

FEWEST = 2
"""What is counted is tried with so many first: an endpoint may take few and not many."""

LIMITS = ("max_tokens", "max_completion_tokens")

_COUNTS = ("n", "logprobs", "top_logprobs")
_ADDED = ("temperature", "stop", "seed", "n", "response_format", "logprobs", "top_logprobs", "echo", "prompt", *LIMITS)
"""The order in which parameters are added: log-probabilities before the echo that says them of the prompt."""

Body = Mapping[str, Any]
Send = Callable[[Body], Awaitable[Outcome]]


def form_of(body: Body) -> Hashable:
    """What bodies share that an endpoint takes or does not take alike: all but the prompt, the seed and the limit."""
    free = {"model", "messages", "seed", *LIMITS}
    return frozenset((name, None if name in free else _plain(name, value)) for name, value in body.items())


def is_failing(outcome: Outcome) -> bool:
    """Whether the body may be why nothing came."""
    if isinstance(outcome, Failed):
        return not (outcome.is_passing or outcome.is_unreached or outcome.is_final)
    return isinstance(outcome, Refused) and outcome.is_vague


async def try_out(send: Send, body: Body, outcome: Outcome, is_taken: Callable[[Body], bool]) -> tuple[Outcome, Body]:
    """What is to be made of a body that failed, and the body which that is about.

    A refusal names the parameter that was found, and comes with the smallest body that was refused for it. `is_taken`
    says whether the endpoint has answered a body of this form before.
    """
    (_, bare), *steps = steps_of(body)
    found = await send(bare) if steps else None
    if not isinstance(found, Answered):
        return _limited(outcome, found) or outcome, body
    before = bare
    for name, step in steps:
        if step == body or not is_taken(step):
            found = await _sent(send, before, step)
            if isinstance(found, Refused):
                return replace(found, parameter=found.parameter or name, is_vague=False), step
            if not isinstance(found, Answered):
                return outcome, body
        before = step
    return found, body


def greeting_of(body: Body) -> Body:
    """A bare body of the same kind with a word in place of its prompt, which every model can answer."""
    bare = dict(next(steps_of(body))[1])
    return bare | ({"prompt": GREETING} if "prompt" in bare else {"messages": [{"role": "user", "content": GREETING}]})


def steps_of(body: Body) -> Iterator[tuple[str, Body]]:
    """Ever more of a body, from its bare prompt to all of it, each with the parameter that was added last."""
    built = {name: body[name] for name in ("model", "messages") if name in body}
    if "prompt" in body:
        built["prompt"] = body["prompt"] if isinstance(body["prompt"], str) else body["prompt"][0]
    built |= {name: min(body[name], FEW_TOKENS) for name in LIMITS if name in body}
    yield "", dict(built)
    others = [name for name in body if name not in built and name not in _ADDED]
    for name in (*others, *(name for name in _ADDED if name in body)):
        few = {name: min(body[name], FEWEST) if name in _COUNTS and type(body[name]) is int else body[name]}
        if name == "logprobs" and "top_logprobs" in body:  # some servers fail where the first comes without the second
            few["top_logprobs"] = min(body["top_logprobs"], FEWEST)
        for more in (few, {name: body[name]}):
            if not built.items() >= more.items():
                built |= more
                yield name, dict(built)


async def _sent(send: Send, before: Body, step: Body) -> Outcome:
    """What comes of a body; a refusal where it fails again after the one before it was answered."""
    found = await send(step)
    if not isinstance(found, Failed) or not is_failing(found) or not isinstance(await send(before), Answered):
        return found
    found = await send(step)
    return Refused(found.told, None, found.said) if isinstance(found, Failed) and is_failing(found) else found


def _limited(outcome: Outcome, bare: Outcome | None) -> Refused | None:
    """The refusal of a limit's name, which no body can be sent without; None where nothing speaks for it."""
    for found in (bare, outcome):
        is_named = isinstance(found, Failed | Refused) and is_failing(found) and found.parameter in LIMITS
        if not is_named:
            return None
    assert isinstance(outcome, Failed | Refused)
    return Refused(outcome.told, outcome.parameter, outcome.said)


def _plain(name: str, value: object) -> str:
    return str(type(value)) if name == "prompt" else repr(value)
