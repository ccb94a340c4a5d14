"""A session with an endpoint: each request becomes one call, or several, and what they bring becomes its reply."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from worldvaluesbench.errors import LogprobError, ModelError
from worldvaluesbench.models import NO_LOGPROBS, counted_for_all, read_response
from worldvaluesbench.models.hosted._calls import Calls, all_of, sum_known
from worldvaluesbench.models.hosted._echo import NO_ECHO_ADVICE, ask_options
from worldvaluesbench.models.hosted._outcomes import NO_LOGPROBS_ADVICE, Failed, Filtered
from worldvaluesbench.prompts import Completion, Reply, Request


@dataclass(frozen=True)
class Session:
    """A session: its calls, and how many seconds a request may take with all its tries (None: no limit)."""

    calls: Calls
    deadline: float | None = None

    async def reply(self, request: Request) -> list[Reply]:
        """The reply to a request; none where the session was stopped, or all withdrawn, before anything came.

        Several where samples in between are missing. What cannot heal stops the session: `calls.stopped` holds the
        error. What had come by then is a reply.
        """
        parts: list[Reply] = []
        failure = None
        try:
            if self.deadline is None:
                failure = await self._ask(request, parts)
            else:
                async with asyncio.timeout(self.deadline):
                    failure = await self._ask(request, parts)
        except TimeoutError:
            failure = f"no reply within the deadline of {self.deadline:g} s"
        except LogprobError as error:
            failure = str(error).rstrip(".")
            if not self.calls.gives_logprobs:  # else an odd one among good ones, which stops nothing
                advice = NO_LOGPROBS_ADVICE if request.method == "token_probs" else NO_ECHO_ADVICE
                self.calls.stop(ModelError(f"{self.calls.endpoint.place}: {failure}; {advice}."))
        except ModelError as error:
            self.calls.stop(error)
        if parts:
            self.calls.gives_logprobs |= any(part.tokens or part.option_logprobs for part in parts)
            self.calls.count(None)
            names = self.calls.take_names()
            joined = _joined(request, parts, failure)
            return [replace(joined[0], named=names), *joined[1:]] if names and joined else joined
        if self.calls.stopped is not None or self.calls.is_withdrawn:
            return []
        self.calls.count(failure)
        return [Reply(request, failure=failure)]

    async def _ask(self, request: Request, parts: list[Reply]) -> str | None:
        """Put what comes into `parts`, as it comes; why something is missing from them."""
        if request.method == "option_likelihood":
            found = await ask_options(self.calls, request)
            if isinstance(found, Failed):
                return found.told
            parts.append(found)
            return None
        if request.n == 1:
            return await self._ask_part(request, parts)
        while pieces := _missing(request, parts, self.calls.dialect.most_completions):
            failures = await all_of([self._ask_part(piece, parts) for piece in pieces])
            failure = next((failure for failure in failures if failure is not None), None)
            if failure is not None:
                return failure
        return None

    async def _ask_part(self, request: Request, parts: list[Reply]) -> str | None:
        calls = self.calls
        settled = await calls.settle(lambda: calls.dialect.body_of(request), lambda body: read_response(body, request))
        if isinstance(settled, Filtered):
            settled = _filtered(request)
        if not isinstance(settled, Reply):
            return settled.told
        if settled.failure == NO_LOGPROBS:  # which no other try can mend
            kind = "chat" if calls.dialect.endpoint == "chat" else "plain completion"
            raise LogprobError(f"its {kind} endpoint gives no log-probabilities of alternative tokens")
        if request.n > 1:
            calls.dialect.came(request.n, len(settled.completions))
        settled = counted_for_all(settled)
        if len(settled.completions) > 1:
            calls.counts_one |= settled.completion_tokens is None
            settled = replace(settled, completion_tokens=None) if calls.counts_one else settled
        parts.append(settled)
        return None


def _filtered(request: Request) -> Reply:
    """What a filter leaves: no text, and no probabilities."""
    if request.method == "token_probs":
        return Reply(request)
    return Reply(request, (Completion("", "content_filter"),) * request.n)


def _missing(request: Request, parts: Sequence[Reply], most: int) -> list[Request]:
    """The samples that are in no part, as requests for at most so many that follow one another."""
    there = {part.request.first_sample + place for part in parts for place in range(len(part.completions))}
    pieces: list[Request] = []
    for sample in range(request.first_sample, request.first_sample + request.n):
        last = pieces[-1] if pieces else None
        if sample in there:
            continue
        if last is not None and last.n < most and last.first_sample + last.n == sample:
            pieces[-1] = replace(last, n=last.n + 1)
        else:
            pieces.append(replace(request, n=1, first_sample=sample))
    return pieces


def _joined(request: Request, parts: Sequence[Reply], failure: str | None) -> list[Reply]:
    """The parts of a reply in the order of their samples, as one as far as those follow one another.

    Each sample keeps its number, for its seed goes by it: else what is missing would be asked for with seeds that have
    brought an answer already.
    """
    if len(parts) == 1 and parts[0].request is request:
        return list(parts)
    joined: list[Reply] = []
    end = request.first_sample + request.n
    for part in sorted(parts, key=lambda part: part.request.first_sample):
        start = part.request.first_sample
        if joined and joined[-1].request.first_sample + len(joined[-1].completions) == start:
            joined[-1] = _together(joined[-1], part)
        else:
            joined.append(replace(part, request=replace(request, first_sample=start, n=end - start)))
    if joined[0].request.first_sample > request.first_sample:  # what was set aside for the request is set free
        joined.append(Reply(request, failure=failure or "the session was stopped"))
    return joined


def _together(one: Reply, two: Reply) -> Reply:
    return replace(
        one,
        completions=one.completions + two.completions,
        prompt_tokens=sum_known([one.prompt_tokens, two.prompt_tokens]),
        completion_tokens=sum_known([one.completion_tokens, two.completion_tokens]),
    )
