"""A session with an endpoint: each request becomes one call, or several, and what they bring becomes its reply."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from worldvaluesbench.elicitation.models.calls import Calls, all_of, sum_known
from worldvaluesbench.elicitation.models.echo import ask_options
from worldvaluesbench.elicitation.models.outcomes import NO_LOGPROBS_ADVICE, Failed, Filtered
from worldvaluesbench.elicitation.models.returned import NO_LOGPROBS, counted_for_all, read_response
from worldvaluesbench.elicitation.request import Completion, Reply, Request
from worldvaluesbench.errors import ModelError


@dataclass(frozen=True)
class Session:
    """A session: its calls, and how many seconds a request may take with all its tries (None: no limit)."""

    calls: Calls
    deadline: float | None = None

    async def reply(self, request: Request) -> Reply | None:
        """The reply to a request; None where the session was stopped, or all withdrawn, before anything came.

        What cannot heal stops the session: `calls.stopped` holds the error. What had come by then is a reply.
        """
        parts: list[Reply] = []
        failure = None
        try:
            async with asyncio.timeout(self.deadline):
                failure = await self._ask(request, parts)
        except TimeoutError:
            failure = f"no reply within the deadline of {self.deadline:g} s"
        except ModelError as error:
            self.calls.stop(error)
        if parts:
            self.calls.count(None)
            names = self.calls.take_names()
            return replace(_joined(request, parts), named=names) if names else _joined(request, parts)
        if self.calls.stopped is not None or self.calls.is_withdrawn:
            return None
        self.calls.count(failure)
        return Reply(request, failure=failure)

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
        used: set[int] = set()
        while missing := request.n - sum(len(part.completions) for part in parts):
            pieces = self._pieces(request, missing, used)
            failures = await all_of([self._ask_part(piece, parts) for piece in pieces])
            failure = next((failure for failure in failures if failure is not None), None)
            if failure is not None:
                return failure
        return None

    def _pieces(self, request: Request, missing: int, used: set[int]) -> list[Request]:
        """The missing completions as requests that one call can bring, each begun at a sample not begun at before.

        Seeds count with samples, so the same one would bring the same completion again.
        """
        size = self.calls.dialect.most_completions
        left = [offset for offset in range(request.n) if offset not in used][:missing]
        starts = left[::size]
        used.update(starts)
        return [
            replace(request, n=min(size, missing - place * size), first_sample=request.first_sample + start)
            for place, start in enumerate(starts)
        ]

    async def _ask_part(self, request: Request, parts: list[Reply]) -> str | None:
        calls = self.calls
        settled = await calls.settle(lambda: calls.dialect.body_of(request), lambda body: read_response(body, request))
        if isinstance(settled, Filtered):
            settled = _filtered(request)
        if not isinstance(settled, Reply):
            return settled.told
        if settled.failure == NO_LOGPROBS:  # which no other try can mend
            raise ModelError(self._no_logprobs)
        if request.n > 1:
            calls.dialect.came(request.n, len(settled.completions))
        settled = counted_for_all(settled)
        if len(settled.completions) > 1:
            calls.counts_one |= settled.completion_tokens is None
            settled = replace(settled, completion_tokens=None) if calls.counts_one else settled
        parts.append(settled)
        return None

    @property
    def _no_logprobs(self) -> str:
        kind = "chat" if self.calls.dialect.endpoint == "chat" else "plain completion"
        return (
            f"{self.calls.endpoint.place}: its {kind} endpoint gives no log-probabilities of alternative tokens, which "
            f"token_probs needs; {NO_LOGPROBS_ADVICE}."
        )


def _filtered(request: Request) -> Reply:
    """What a filter leaves: no text, and no probabilities."""
    if request.method == "token_probs":
        return Reply(request)
    return Reply(request, (Completion("", "content_filter"),) * request.n)


def _joined(request: Request, parts: Sequence[Reply]) -> Reply:
    """The parts of a reply as one, in the order of their samples."""
    if len(parts) == 1:
        return replace(parts[0], request=request)
    in_order = sorted(parts, key=lambda part: part.request.first_sample)
    return Reply(
        request,
        tuple(completion for part in in_order for completion in part.completions),
        prompt_tokens=sum_known([part.prompt_tokens for part in in_order]),
        completion_tokens=sum_known([part.completion_tokens for part in in_order]),
    )
