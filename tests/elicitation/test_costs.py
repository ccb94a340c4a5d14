"""Costs: what asking takes, counted before it is asked, and said to be an estimate where it is one."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.elicitation.runs import small_plan
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.planning import _costs as costs_module
from worldvaluesbench.planning._costs import estimate_costs, load_tokenizer


def words(text: str) -> int:
    return len(text.split())


def test_tokens_are_counted_by_a_tokenizer_where_there_is_one(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path, method="sampled", n=4)
    found = estimate_costs(plan, count_tokens=words)
    requests = list(plan.requests())
    assert found.prompt_tokens == sum(words(request.prompt) for request in requests)
    assert (found.n_examples, found.n_requests, found.n_completions) == (40, len(requests), 4 * len(requests))
    assert not found.is_estimate
    assert found.has_tokenizer
    assert (found.cost, found.most_cost, found.seconds) == (None, None, None)


@pytest.mark.parametrize("count", [None, lambda text: None])
def test_without_a_tokenizer_four_characters_are_a_token(paper: Dataset, tmp_path: Path, count: Any) -> None:
    plan = small_plan(paper, tmp_path)
    found = estimate_costs(plan, count_tokens=count)
    assert found.prompt_tokens == round(sum(len(request.prompt) for request in plan.requests()) / 4)
    assert found.is_estimate
    assert not found.has_tokenizer


def test_a_large_plan_is_estimated_from_some_of_its_prompts(
    paper: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small_plan(paper, tmp_path, 60)
    exact = estimate_costs(plan, count_tokens=words)
    monkeypatch.setattr(costs_module, "MAX_COUNTED", 30)
    found = estimate_costs(plan, count_tokens=words)
    assert (found.n_counted, found.is_estimate) == (30, True)
    assert found.prompt_tokens == pytest.approx(exact.prompt_tokens, rel=0.1)


@pytest.mark.parametrize(
    ("given", "each", "most"),
    [
        ({}, 60, 512),
        ({"max_tokens": 20}, 20, 20),
        ({"method": "sampled", "n": 3}, 60, 512),
        ({"method": "token_probs"}, 3, 3),
        ({"preset": "gpt-3.5-turbo"}, 60, 256),
    ],
)
def test_completions_have_an_assumed_length_and_a_limit(
    paper: Dataset, tmp_path: Path, given: dict[str, Any], each: int, most: int
) -> None:
    plan = small_plan(paper, tmp_path, **given)
    found = estimate_costs(plan)
    assert found.tokens_each == each
    assert found.completion_tokens == each * plan.n_completions
    assert found.most_completion_tokens == most * plan.n_completions


def test_shares_are_as_long_as_the_scale(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path, method="verbalised")
    n_points = {"Q1": 4, "Q48": 10}
    assumed = sum(12 * n_points[request.item_id] for request in plan.requests())
    assert estimate_costs(plan).completion_tokens == assumed


def test_option_likelihood_sends_the_prompt_once_for_each_option(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path, method="option_likelihood")
    found = estimate_costs(plan, count_tokens=words)
    sent = [words(request.prompt) + 1 for request in plan.requests() for _ in request.options]
    assert found.prompt_tokens == sum(sent)
    assert found.completion_tokens == found.most_completion_tokens == len(sent)


def test_money_and_time_follow_from_prices_and_a_rate(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path)
    found = estimate_costs(plan, count_tokens=words, price_in=0.5, price_out=2.0, rate=4.0)
    assert found.cost == pytest.approx((found.prompt_tokens * 0.5 + 60 * plan.n_requests * 2.0) / 1e6)
    assert found.most_cost == pytest.approx((found.prompt_tokens * 0.5 + 512 * plan.n_requests * 2.0) / 1e6)
    assert found.seconds == plan.n_requests / 4
    assert estimate_costs(plan, price_in=0.0, price_out=0.0).cost == 0.0
    assert estimate_costs(plan, price_in=0.5).cost is None


def test_without_a_limit_there_is_no_most(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path)
    endless = replace(plan, settings=replace(plan.settings, max_tokens=None))
    found = estimate_costs(endless, price_in=1.0, price_out=1.0)
    assert (found.most_completion_tokens, found.most_cost) == (None, None)
    assert found.cost is not None


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_a_rate_of_nothing_is_refused(paper: Dataset, tmp_path: Path, rate: float) -> None:
    with pytest.raises(RunError, match="expected a number of requests a second above 0"):
        estimate_costs(small_plan(paper, tmp_path), rate=rate)


def test_a_tokenizer_is_read_from_its_file_or_a_model_folder(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[unknown]": 0, "a": 1, "b": 2}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[unknown]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        assert load_tokenizer(path)("a b a b c") == 5


def test_a_tokenizer_that_is_absent_or_damaged_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        load_tokenizer(tmp_path)
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"is no tokenizer \(") as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_without_the_tokenizers_package_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="needs the package tokenizers; install it"):
        load_tokenizer(tmp_path)
