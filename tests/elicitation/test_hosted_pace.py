"""The rate of requests and the delays between attempts, by a clock that the test moves."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import pytest
from tenacity import AsyncRetrying, RetryCallState

from tests.elicitation.scripted import chat, model_at, request_of, scripted
from worldvaluesbench.models.hosted._pace import LONGEST_DELAY, RateLimiter, RetryPolicy, retry_after


class Clock(asyncio.SelectorEventLoop):
    """An event loop in which time passes only when everything waits, at once up to the next timer."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now + 1e-6, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


@pytest.fixture
def clock() -> Iterator[Clock]:
    with contextlib.closing(Clock()) as loop:
        yield loop


def starts(clock: Clock, limiter: RateLimiter, amounts: Sequence[float], pause: float = 0.0) -> list[float]:
    """When requests of so many tokens may begin, asked for one after another, from the first on."""

    async def acquire_all() -> list[float]:
        begun = []
        for amount in amounts:
            await limiter.acquire(amount)
            begun.append(clock.now - 1000)
            clock.now += pause
        return begun

    return clock.run_until_complete(acquire_all())


def test_requests_are_spaced_by_their_rate_after_a_second_of_it(clock: Clock) -> None:
    assert starts(clock, RateLimiter(120), [0] * 6) == pytest.approx([0, 0, 0.5, 1.0, 1.5, 2.0])


def test_a_pause_saves_up_one_second_at_most(clock: Clock) -> None:
    limiter = RateLimiter(120)
    assert starts(clock, limiter, [0, 0], pause=1800) == [0, 1800]
    assert starts(clock, limiter, [0] * 4) == pytest.approx([3600, 3600, 3600.5, 3601])


def test_in_any_minute_no_more_requests_begin_than_allowed_and_a_second_of_them(clock: Clock) -> None:
    begun = starts(clock, RateLimiter(90), [0] * 400, pause=0.01)
    assert max(sum(start <= other < start + 60 for other in begun) for start in begun) <= 90 + 2


def test_an_amount_larger_than_a_second_of_tokens_is_waited_for_in_full(clock: Clock) -> None:
    begun = starts(clock, RateLimiter(tokens_per_minute=600), [50, 1])
    assert begun == pytest.approx([4.0, 4.1], abs=0.01)


def test_tokens_that_were_not_used_are_given_back_and_more_are_owed(clock: Clock) -> None:
    limiter = RateLimiter(tokens_per_minute=600)
    starts(clock, limiter, [10])
    limiter.settle(10, 5)
    assert starts(clock, limiter, [10]) == pytest.approx([0.5], abs=0.01)
    limiter.settle(10, 30)
    assert starts(clock, limiter, [10]) == pytest.approx([3.5], abs=0.01)


def test_the_estimate_learns_how_long_completions_are() -> None:
    limiter = RateLimiter()
    assert limiter.estimate(400, 2, 50) == 200
    limiter.learn(20, 2)
    assert limiter.estimate(400, 2, 50) == 120


def state(number: int) -> RetryCallState:
    made = RetryCallState(AsyncRetrying(), None, (), {})
    made.attempt_number = number
    return made


def test_delays_double_and_are_drawn_in_full() -> None:
    policy = RetryPolicy(first=0.5)
    for number, longest in [(1, 0.5), (2, 1), (4, 4), (20, LONGEST_DELAY)]:
        delays = [policy.delay(state(number)) for _ in range(500)]
        assert min(delays) < 0.05 * longest
        assert 0.95 * longest < max(delays) <= longest


def test_a_delay_that_the_server_names_is_kept_in_full() -> None:
    delays = [RetryPolicy(first=0.5).delay(state(1), 20.0) for _ in range(100)]
    assert min(delays) >= 20
    assert len(set(delays)) > 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0"}, 360),
        ({"x-ratelimit-reset-tokens": "20ms", "x-ratelimit-remaining-tokens": "0"}, 0.02),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s", "x-ratelimit-remaining-tokens": "0"}, 3723.5),
        ({"x-ratelimit-reset-tokens": "12", "x-ratelimit-remaining-tokens": "0"}, 12),
        ({"x-ratelimit-reset-tokens": "later", "x-ratelimit-remaining-tokens": "0"}, None),
    ],
)
def test_the_delay_that_headers_name(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=60.0) == seconds


def test_a_limited_model_answers_everything() -> None:
    with scripted(lambda body, number: chat("2")) as server:
        model = model_at(server.base_url, requests_per_minute=60_000, tokens_per_minute=6_000_000)
        assert len(list(model.replies(request_of() for _ in range(20)))) == 20
