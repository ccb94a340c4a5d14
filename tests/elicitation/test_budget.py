"""A budget is a hard stop: what is in flight is counted at its worst before it is sent."""

import random
from dataclasses import replace
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.elicitation.runs import sampling_of
from worldvaluesbench.asking._budget import FRAME_TOKENS, Budget, Spending, most_tokens
from worldvaluesbench.errors import RunError
from worldvaluesbench.prompts._request import Completion, Reply, Request
from worldvaluesbench.prompts._settings import make_settings

ASKED = Request("a", "Q1", 0, "x" * 300, "sampled", ("1", "2"), sampling_of(max_tokens=50), n=2)


def test_the_most_is_the_prompt_once_and_every_completion_at_full_length() -> None:
    assert most_tokens(ASKED) == (100 + FRAME_TOKENS, 100)


def test_a_prompt_in_another_script_counts_more() -> None:
    assert most_tokens(replace(ASKED, prompt="家族" * 100))[0] == 200 + FRAME_TOKENS


def test_a_schema_is_sent_too() -> None:
    assert most_tokens(replace(ASKED, schema={"a": 1})) == (100 + FRAME_TOKENS + len('{"a": 1}') // 3 + 1, 100)


def test_option_likelihood_sends_the_prompt_for_every_option() -> None:
    asked = replace(ASKED, method="option_likelihood", options=("1", "10"), n=1, sampling=sampling_of())
    assert most_tokens(asked) == (2 * (100 + FRAME_TOKENS) + 2, 2)


@pytest.mark.parametrize("name", ["maximum", "price_in", "price_out"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_impossible_numbers_are_refused(name: str, value: float) -> None:
    with pytest.raises(RunError, match="expected a number from 0"):
        Budget(**{"maximum": 1.0, "price_in": 1.0, "price_out": 1.0} | {name: value})


def test_a_budget_needs_prices_and_a_limit_on_completions() -> None:
    with pytest.raises(RunError, match="--price-in and --price-out"):
        Budget(1.0, price_in=1.0)
    endless = replace(make_settings(), max_tokens=None)
    with pytest.raises(RunError, match="--max-tokens"):
        Budget(1.0, 1.0, 1.0).check(endless)
    Budget(None, 1.0, 1.0).check(endless)
    Budget(1.0, 1.0, 1.0).check(make_settings(method="option_likelihood"))


def test_spend_is_counted_by_reported_tokens_else_at_its_most() -> None:
    spending = Spending(Budget(None, 2.0, 10.0))
    spending.settle(Reply(ASKED, (Completion("1"),), (), (), 1_000_000, 100_000))
    assert spending.spent == 3.0
    spending.settle(Reply(ASKED, (Completion("1"),)))
    assert spending.spent == pytest.approx(3.0 + (100 + FRAME_TOKENS) * 2e-6 + 100 * 10e-6)
    spending.settle(Reply(ASKED, failure="no answer"))
    spending.settle(Reply(ASKED, (), (), (), 1_000_000, 0, "cut off"))
    assert spending.spent == pytest.approx(5.0 + (100 + FRAME_TOKENS) * 2e-6 + 100 * 10e-6)
    assert (spending.prompt_tokens, spending.completion_tokens) == (2_000_000, 100_000)


def test_a_cost_without_usage_is_a_bound_and_says_for_how_many_completions() -> None:
    spending = Spending(Budget(None, 2.0, 10.0))
    assert spending.cost_is == "exact"
    spending.settle(Reply(ASKED, (Completion("1"),), (), (), 1_000_000, 100_000))
    spending.settle(Reply(ASKED, failure="no answer"))
    assert (spending.cost_is, spending.n_received, spending.n_without_usage) == ("exact", 1, 0)
    spending.settle(Reply(ASKED, (Completion("1"), Completion("2")), (), (), 1_000_000, None))
    assert (spending.cost_is, spending.n_received, spending.n_without_usage) == ("at most", 3, 2)
    assert spending.spent == pytest.approx(3.0 + 2.0 + 100 * 10e-6)


def test_without_a_limit_there_is_no_most_and_the_cost_is_at_least_what_is_reported() -> None:
    endless = replace(ASKED, sampling=replace(ASKED.sampling, max_tokens=None))
    spending = Spending(Budget(None, 2.0, 10.0))
    spending.settle(Reply(endless, (Completion("1"),), (), (), 1_000_000, 100_000))
    assert spending.cost_is == "exact"
    spending.settle(Reply(endless, (Completion("1"),)))
    assert (spending.cost_is, spending.spent, spending.n_without_usage) == ("at least", 3.0, 1)


def test_without_prices_tokens_are_counted_and_money_is_not() -> None:
    spending = Spending(Budget())
    assert spending.set_aside(ASKED)
    spending.settle(Reply(ASKED, (Completion("1"),), (), (), 12, 3))
    assert (spending.spent, spending.cost_is) == (None, None)
    assert (spending.prompt_tokens, spending.completion_tokens) == (12, 3)


def test_what_is_set_aside_leaves_room_again_when_it_cost_less() -> None:
    spending = Spending(Budget(250e-6, 0.0, 1.0))  # 250 completion tokens: room for two requests of 100
    first, second, third = (replace(ASKED, request_id=name) for name in "abc")
    assert spending.set_aside(first)
    assert spending.set_aside(second)
    assert not spending.set_aside(third)
    spending.settle(Reply(first, (Completion("1"),), (), (), 100, 20))
    assert spending.set_aside(third)


@given(st.integers(0, 2**32), st.integers(1, 64), st.floats(1e-6, 1e-2))
def test_the_spend_never_passes_the_maximum(seed: int, n_in_flight: int, maximum: float) -> None:
    chance = random.Random(seed)
    spending = Spending(Budget(maximum, 1.0, 4.0))
    flying: list[Request] = []
    for number in range(300):
        asked = replace(ASKED, request_id=str(number), prompt="x" * chance.randrange(900), n=chance.randrange(1, 9))
        if spending.set_aside(asked):
            flying.append(asked)
        if flying and (len(flying) > n_in_flight or chance.random() < 0.3):
            back = flying.pop(chance.randrange(len(flying)))
            sent, received = most_tokens(back)
            spending.settle(
                Reply(back, (Completion("1"),), (), (), chance.randint(0, sent), chance.randint(0, received))
            )
        assert spending.spent is not None
        assert spending.spent <= maximum
    for back in flying:
        spending.settle(Reply(back, (Completion("1"),), (), (), *most_tokens(back)))
    assert spending.spent is not None
    assert spending.spent <= maximum * (1 + 1e-9)


def test_two_threads_do_not_spend_the_same_room() -> None:
    spending = Spending(Budget(1000 * 100e-6, 0.0, 1.0))
    taken: list[bool] = []

    def take(name: str) -> None:
        taken.extend(spending.set_aside(replace(ASKED, request_id=f"{name}{number}")) for number in range(1000))

    threads = [Thread(target=take, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) in (999, 1000)
