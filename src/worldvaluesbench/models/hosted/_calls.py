"""Calls: a body is sent until it is answered, within the pace that is set and the patience that is left."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from worldvaluesbench.errors import LogprobError, ModelError
from worldvaluesbench.models import MOST_NAMES, model_named, token_counts
from worldvaluesbench.models.hosted._dialect import Body, Dialect
from worldvaluesbench.models.hosted._endpoint import Endpoint
from worldvaluesbench.models.hosted._outcomes import Answered, Failed, Filtered, Outcome, Refused, sentence, server_says
from worldvaluesbench.models.hosted._pace import RateLimiter, RetryPolicy
from worldvaluesbench.models.hosted._trial import form_of, greeting_of, is_failing, try_out

MOST_FAILURES = 20
"""So many requests in a row that failed for good mean that the endpoint is down."""

RETRIES_BEFORE_TRIAL = 2
"""Most failures are over by then, and a trial costs calls."""

T = TypeVar("T")
Read = Callable[[Mapping[str, Any]], T]


@dataclass
class Calls:
    """The calls of one session with an endpoint, and what they have shown of it.

    `gives_logprobs`: log-probabilities were asked for and came, and can be some.
    """

    endpoint: Endpoint
    dialect: Dialect
    limiter: RateLimiter
    policy: RetryPolicy
    concurrency: int
    gives_logprobs: bool = False
    stopped: ModelError | None = None
    is_withdrawn: bool = False
    counts_one: bool = False
    """Whether the endpoint was seen to count the tokens of one completion where it gave several."""
    _was_reached: bool = False
    _n_failed: int = 0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.heard = asyncio.Event()
        self.echoed = asyncio.Event()
        self.is_first_echo = True
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(self.concurrency)
        self._trial = asyncio.Lock()
        self._taken: set[Hashable] = set()
        self._names: dict[str, bool] = {}  # those that the endpoint gave the model, and whether they were taken

    async def settle(self, build: Callable[[], Body], read: Read[T]) -> T | Filtered | Failed | Refused:
        """Send what `build` makes until it is answered, filtered or has failed for good; `read` reads the answer.

        `build` is called anew for every try, for the dialect may have learned. Refused: the body asked for several
        prompts in one call, and the endpoint takes one.

        Raises ModelError where no call can succeed.
        """
        settled = await self._attempt(build, read, 1)
        if not self._is_tried_again(settled):
            return _told(settled, 1)
        first = [settled]

        async def again() -> T | Filtered | Failed | Refused:
            return first.pop() if first else await self._attempt(build, read, retrying.statistics["attempt_number"])

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.policy.retries + 1),
            wait=self._delay,
            retry=retry_if_result(self._is_tried_again),
            sleep=self._sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        return _told(await retrying(again), int(retrying.statistics["attempt_number"]))

    async def _attempt(self, build: Callable[[], Body], read: Read[T], number: int) -> T | Filtered | Failed | Refused:
        """Send a body; again at once, differently, where the endpoint taught how it wants it."""
        while True:
            body = build()
            outcome, sent = await self._once(body), body
            is_new = is_failing(outcome) and not self._is_taken(body)
            if is_new and self._is_to_be_tried(outcome, body, number - 1):
                async with self._trial:
                    if build() != body:
                        continue  # another call has found out what to do in the meantime
                    outcome, sent = await try_out(self._once, body, outcome, self._is_taken)
                    is_new = False
                    await self._check_answers(body, outcome)
            if isinstance(outcome, Refused):
                if build() == body:  # else another call has taught what to do in the meantime
                    self.dialect.learn(outcome, sent)
                if isinstance(body.get("prompt"), list) and not self.dialect.takes_lists:
                    return outcome
                if build() == body:
                    raise ModelError(f"{self.endpoint.place}: {sentence(outcome)}")
                continue
            if not is_new:  # the first call alone finds out how calls are put
                self.heard.set()
            return _read(outcome, read) if isinstance(outcome, Answered) else outcome

    def _is_tried_again(self, settled: object) -> bool:
        return isinstance(settled, Failed) and not settled.is_final and not self._is_over and self.policy.retries > 0

    def _delay(self, state: RetryCallState) -> float:
        failed = state.outcome.result() if state.outcome is not None else None
        return self.policy.delay(state, failed.retry_after if isinstance(failed, Failed) else None)

    async def _check_answers(self, body: Body, outcome: Outcome) -> None:
        """Raise ModelError where an endpoint that never answered does not answer a mere greeting either."""
        if not isinstance(outcome, Failed) or not outcome.is_answer or self._taken:
            return
        await self._once(greeting_of(body))
        if not self._taken:
            raise ModelError(
                f"{self.endpoint.place}: {outcome.told}, whatever it is sent; check --base-url (most end in /v1), "
                f"--model and the server.{server_says(outcome.said)}"
            )

    def take_names(self) -> tuple[str, ...]:
        """The names that the endpoint gave the model, as far as they were not taken before."""
        names = tuple(name for name, is_taken in self._names.items() if not is_taken)
        self._names |= dict.fromkeys(names, True)
        return names

    def stop(self, error: ModelError) -> None:
        """Begin no further call; the first error is the one that is told."""
        self.stopped = self.stopped or error
        self._stop.set()
        self._wake.set()
        self.heard.set()

    def withdraw(self) -> None:
        """Begin no further call, and no further try of one; those on their way are waited for."""
        self.is_withdrawn = True
        self._wake.set()
        self.heard.set()

    async def until_stopped(self) -> ModelError:
        """Wait for a stop; the error that is to be told."""
        await self._stop.wait()
        assert self.stopped is not None
        return self.stopped

    def count(self, failure: str | None) -> None:
        """Count a request that is done; too many failures in a row stop the session."""
        self._n_failed = 0 if failure is None else self._n_failed + 1
        if self._n_failed >= MOST_FAILURES:
            self.stop(
                ModelError(
                    f"{self.endpoint.place}: {self._n_failed} requests in a row failed, the last with {failure}; it "
                    f"seems to be down. What was answered is kept: go on when it is up."
                )
            )

    @property
    def _is_over(self) -> bool:
        return self.stopped is not None or self.is_withdrawn

    async def _once(self, body: Body) -> Outcome:
        estimate = 0.0
        if self.limiter.is_limited and not self._is_over:
            estimate = self._estimate(body)
            await self._until_over(self.limiter.acquire(estimate))
        async with self._slots:
            if self._is_over:
                return Failed("the session was stopped", is_passing=True)
            outcome = await self.endpoint.call(body)
        if isinstance(outcome, Failed) and outcome.is_unreached and not self._was_reached:
            raise ModelError(
                f"{self.endpoint.place}: cannot be reached ({outcome.told}); check --base-url, and whether the server "
                f"is up."
            )
        self._was_reached = True
        if isinstance(outcome, Answered):
            self._taken.add(form_of(body))
            name = model_named(outcome.body)
            if name is not None and len(self._names) < MOST_NAMES:
                self._names.setdefault(name, False)
            if self.limiter.is_limited:
                self._settle_pace(estimate, outcome, body)
        return outcome

    def _is_taken(self, body: Body) -> bool:
        return form_of(body) in self._taken

    def _is_to_be_tried(self, outcome: Outcome, body: Body, n_tries: int) -> bool:
        """Whether it is time to find out why a body of a new form fails."""
        if isinstance(outcome, Refused):
            return not isinstance(body.get("prompt"), list)  # else one prompt alone comes first
        return n_tries >= min(RETRIES_BEFORE_TRIAL, self.policy.retries) and not self._trial.locked()

    async def _sleep(self, seconds: float) -> None:
        await self._until_over(asyncio.sleep(seconds))

    async def _until_over(self, awaited: Coroutine[Any, Any, None]) -> None:
        """Wait, but not beyond a stop or withdrawal."""
        waits = [asyncio.ensure_future(awaited), asyncio.ensure_future(self._wake.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _estimate(self, body: Body) -> float:
        prompts = body.get("prompt") or [message["content"] for message in body.get("messages", ())]
        texts = [prompts] if isinstance(prompts, str) else prompts
        n = body.get("n", 1) * (len(texts) if "prompt" in body else 1)
        limit = body.get("max_tokens", body.get("max_completion_tokens"))
        return self.limiter.estimate(sum(map(len, texts)), n, limit)

    def _settle_pace(self, estimate: float, outcome: Answered, body: Body) -> None:
        prompt, completion = token_counts(outcome.body)
        if prompt is None or completion is None:
            return
        self.limiter.learn(completion, body.get("n", 1))
        self.limiter.settle(estimate, prompt + completion)


async def all_of(awaited: Sequence[Awaitable[T]]) -> list[T]:
    """All results, each waited for, so that what was paid for arrives even where one of them raises; then it does."""
    results = await asyncio.gather(*awaited, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def sum_known(numbers: Sequence[int | None]) -> int | None:
    """The sum of token counts; None where one of them is not known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _told(settled: T | Filtered | Failed | Refused, n_attempts: int) -> T | Filtered | Failed | Refused:
    """A failure that says how often it was tried; anything else as it is."""
    if not isinstance(settled, Failed):
        return settled
    tries = f"after {n_attempts} {'attempt' if n_attempts == 1 else 'attempts'}"
    return replace(settled, told=f"{settled.told} {tries}" + (f' ("{settled.said}")' if settled.said else ""))


def _read(answered: Answered, read: Read[T]) -> T | Failed:
    try:
        return read(answered.body)
    except LogprobError:  # the same again however often it is asked for
        raise
    except (ModelError, ArithmeticError, LookupError, TypeError, ValueError):  # whatever a stranger may send
        return Failed("a reply that is no completion")
