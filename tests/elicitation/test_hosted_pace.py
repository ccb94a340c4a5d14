"""The pace of calls and the rests between tries, by a clock that the test moves."""

import random

import pytest

from tests.elicitation.scripted import chat, model_at, request_of, scripted
from worldvaluesbench.models.hosted._pace import LONGEST_REST, Bucket, Pace, Patience, named_rest


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_spaced_by_their_rate_after_a_second_of_it() -> None:
    bucket = Bucket(120, Clock())
    assert [bucket.take(1) for _ in range(5)] == [0, 0, 0.5, 1.0, 1.5]


def test_a_pause_saves_up_one_second_at_most() -> None:
    clock = Clock()
    bucket = Bucket(120, clock)
    bucket.take(2)
    clock.now += 3600
    assert [bucket.take(1) for _ in range(3)] == [0, 0, 0.5]


def test_in_any_minute_no_more_calls_begin_than_allowed_and_a_second_of_them() -> None:
    clock = Clock()
    bucket = Bucket(90, clock)
    starts = []
    for _ in range(400):
        starts.append(clock.now + bucket.take(1))
        clock.now += 0.01
    busiest = max(sum(start <= other < start + 60 for other in starts) for start in starts)
    assert busiest <= 90 + 2


def test_an_amount_larger_than_the_bucket_waits_for_a_full_one_and_is_owed_in_full() -> None:
    clock = Clock()
    bucket = Bucket(600, clock)
    assert bucket.take(50) == 0
    assert bucket.take(1) == pytest.approx(4.1)


def test_tokens_that_were_not_used_are_given_back() -> None:
    clock = Clock()
    pace = Pace(tokens_per_minute=600, clock=clock)
    assert pace.take(100) == 0
    pace.settle(100, 10)
    assert pace.take(10) == pytest.approx(1.0)


def test_the_estimate_learns_how_long_completions_are() -> None:
    pace = Pace()
    assert pace.estimate(400, 2, 50) == 200
    pace.learn(20, 2)
    assert pace.estimate(400, 2, 50) == 120


def test_rests_double_and_are_drawn_in_full() -> None:
    patience = Patience(first=0.5, rng=random.Random(1))
    for n_tries, longest in [(1, 0.5), (2, 1), (4, 4), (20, LONGEST_REST)]:
        rests = [patience.rest(n_tries) for _ in range(500)]
        assert min(rests) < 0.05 * longest
        assert 0.95 * longest < max(rests) <= longest


def test_a_rest_that_the_server_names_is_kept_in_full() -> None:
    patience = Patience(first=0.5, rng=random.Random(1))
    rests = [patience.rest(1, 20.0) for _ in range(100)]
    assert min(rests) >= 20
    assert len(set(rests)) > 1


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
def test_the_rest_that_headers_name(headers: dict[str, str], seconds: float | None) -> None:
    assert named_rest(headers, now=60.0) == seconds


def test_a_limited_model_answers_everything() -> None:
    with scripted(lambda body, number: chat("2")) as server:
        model = model_at(server.base_url, requests_per_minute=60_000, tokens_per_minute=6_000_000)
        assert len(list(model.replies(request_of() for _ in range(20)))) == 20
