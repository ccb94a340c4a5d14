"""The answers table of a run: every completion at its examples, the last readable attempt, and nothing made up."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import wasserstein_distance

from worldvaluesbench.asking._disagreement import order_disagreement
from worldvaluesbench.asking._journal import open_journal
from worldvaluesbench.asking._state import make_answers, write_answers
from worldvaluesbench.errors import RunError
from worldvaluesbench.prompts._options import choices_of
from worldvaluesbench.prompts._request import Completion, Reply, Request, TokenChoice
from worldvaluesbench.prompts._settings import Settings, make_settings
from worldvaluesbench.prompts._template import Method
from worldvaluesbench.runs._folder import ANSWER_COLUMNS, ANSWERS, describe_run
from worldvaluesbench.survey._codebook import load_codebook

CODEBOOK = load_codebook()
Example = tuple[str, int, int, int, int | None]
"""Item, respondent, order, row of the request, sample (None: all samples of the request)."""


def make_run(folder: Path, settings: Settings, requests: Sequence[Request], examples: Iterable[Example]) -> Path:
    """A run folder as it is before anything was asked."""
    folder.mkdir(exist_ok=True)
    n_completions = sum(request.n for request in requests)
    counts = (0, len(requests), n_completions)
    content = describe_run("run", {"model": "by-hand"}, {}, None, settings.describe(), counts)
    (folder / "run.json").write_text(json.dumps({"kind": "run", **content, "files": {}}))
    rows = [(request.request_id, request.item_id, request.order, request.n, request.prompt) for request in requests]
    schema = {"request_id": pl.String, "item_id": pl.String, "order": pl.UInt8, "n": pl.UInt16, "prompt": pl.String}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "requests.parquet")
    columns: dict[str, Any] = {
        "item_id": pl.Enum(CODEBOOK.item_ids),
        "respondent_id": pl.Int64,
        "order": pl.UInt8,
        "request": pl.UInt32,
        "sample": pl.Int16,
    }
    pl.DataFrame(list(examples), schema=columns, orient="row").write_parquet(folder / "examples.parquet")
    return folder


def request_of(settings: Settings, request_id: str, item_id: str = "Q1", order: int = 0, n: int = 1) -> Request:
    symbols = tuple(choice.symbol for choice in choices_of(CODEBOOK.item(item_id), settings.labels, order))
    return Request(request_id, item_id, order, f"Prompt {request_id}?", settings.method, symbols, settings.sampling, n)


def journal(folder: Path, *replies: Reply) -> None:
    with open_journal(folder) as opened:
        for reply in replies:
            opened.write(reply)


def said(request: Request, *texts: str) -> Reply:
    return Reply(request, tuple(Completion(text, "stop") for text in texts))


def test_a_request_is_read_once_and_stands_at_all_its_examples(tmp_path: Path) -> None:
    settings = make_settings()
    first, second = request_of(settings, "aa"), request_of(settings, "bb", "Q48")
    examples = [("Q48", 7, 0, 1, None), ("Q1", 7, 0, 0, None), ("Q1", 5, 0, 0, None)]
    run = make_run(tmp_path, settings, [first, second], examples)
    journal(run, said(second, "I cannot answer that."), said(first, '{"explanation": "So.", "answer": 3}'))
    table = make_answers(run)
    assert table.schema == pl.Schema({"item_id": pl.Enum(CODEBOOK.item_ids), **ANSWER_COLUMNS})
    shown = table.select(
        "item_id", "respondent_id", "sample", "rating", "coverage", "n", "attempt", "unparsed", "request_id"
    )
    assert shown.rows() == [
        ("Q48", 7, 0, None, None, 1, 0, "refusal", "bb"),
        ("Q1", 7, 0, 3, 1.0, 1, 0, None, "aa"),
        ("Q1", 5, 0, 3, 1.0, 1, 0, None, "aa"),
    ]
    assert table["probabilities"].null_count() == 3


def test_an_example_without_a_reply_has_no_row(tmp_path: Path) -> None:
    settings = make_settings(method="sampled", n=3)
    requests = [request_of(settings, "aa", n=3), request_of(settings, "bb", n=3)]
    run = make_run(tmp_path, settings, requests, [("Q1", 1, 0, 0, None), ("Q1", 2, 0, 1, None)])
    assert make_answers(run).is_empty()
    journal(run, said(requests[0], "1", "2"))
    table = make_answers(run)
    assert table.select("respondent_id", "sample", "rating").rows() == [(1, 0, 1), (1, 1, 2)]


def test_where_nobody_is_shown_each_example_has_its_own_sample(tmp_path: Path) -> None:
    settings = make_settings("gpt-3.5-turbo-no-demographics")
    request = request_of(settings, "aa", n=2)
    examples: list[Example] = [("Q1", 10 + j, 0, 0, j % 2) for j in range(3)]
    run = make_run(tmp_path, settings, [request], examples)
    journal(run, said(replace(request, n=1, first_sample=1), "4"))
    assert make_answers(run).select("respondent_id", "sample", "rating").rows() == [(11, 1, 4)]
    journal(run, said(replace(request, n=1), "1"))
    table = make_answers(run)
    assert table.select("respondent_id", "sample", "rating").rows() == [(10, 0, 1), (11, 1, 4), (12, 0, 1)]


def test_items_asked_in_the_same_words_share_a_request(tmp_path: Path) -> None:
    settings = make_settings()
    run = make_run(tmp_path, settings, [request_of(settings, "aa")], [("Q1", 1, 0, 0, None), ("Q2", 1, 0, 0, None)])
    journal(run, said(request_of(settings, "aa"), "2"))
    assert make_answers(run).select("item_id", "rating").rows() == [("Q1", 2), ("Q2", 2)]


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([(0, "?"), (1, "2"), (2, "?")], (2, 3, 1, None)),
        ([(0, "?"), (1, "7")], (None, 2, 1, "off_scale")),
        ([(0, "3"), (1, "2")], (2, 2, 1, None)),
        ([(1, "2"), (0, "3")], (2, 2, 1, None)),
        ([(0, "3"), (0, "4")], (3, 1, 0, None)),
    ],
)
def test_the_last_attempt_that_could_be_read_counts(
    tmp_path: Path, attempts: list[tuple[int, str]], expected: tuple[object, ...]
) -> None:
    settings = make_settings(retry_unparsed=2)
    request = request_of(settings, "aa")
    run = make_run(tmp_path, settings, [request], [("Q1", 1, 0, 0, None)])
    journal(run, *(said(replace(request, attempt=attempt), text) for attempt, text in attempts))
    assert make_answers(run).select("rating", "n", "attempt", "unparsed").rows() == [expected]


def test_orders_are_read_back_to_the_same_scale(tmp_path: Path) -> None:
    settings = make_settings(labels="letters", orders=2)
    requests = [request_of(settings, "aa"), request_of(settings, "bb", order=1)]
    run = make_run(tmp_path, settings, requests, [("Q1", 1, order, order, None) for order in (0, 1)])
    journal(run, *(said(request, '{"answer": "A"}') for request in requests))
    assert make_answers(run).select("order", "rating").rows() == [(0, 1), (1, 4)]


@pytest.mark.parametrize("method", ["token_probs", "option_likelihood", "verbalised"])
def test_distributions_stand_in_the_order_of_the_scale_and_sum_to_one(tmp_path: Path, method: Method) -> None:
    settings = make_settings(method=method, labels="letters", orders=2)
    request = request_of(settings, "aa", order=1)  # A is 4
    shares = {"A": 0.1, "B": 0.2, "C": 0.3, "D": 0.3}
    logprobs = {symbol: math.log(share) for symbol, share in shares.items()}
    stated = json.dumps({symbol: 100 * share / 0.9 for symbol, share in shares.items()})
    reply = {
        "token_probs": Reply(request, tokens=(TokenChoice("C", logprobs),)),
        "option_likelihood": Reply(request, option_logprobs=tuple(logprobs.values())),
        "verbalised": said(request, stated),
    }[method]
    run = make_run(tmp_path, settings, [request], [("Q1", 1, 1, 0, None)])
    journal(run, reply)
    (row,) = make_answers(run).rows(named=True)
    assert (row["rating"], row["unparsed"], row["sample"]) == (None, None, 0)
    assert np.allclose(row["probabilities"], [3 / 9, 3 / 9, 2 / 9, 1 / 9])
    assert math.isclose(row["coverage"], 1.0 if method == "verbalised" else 0.9)


def test_the_table_is_written_whole_and_may_be_made_again(tmp_path: Path) -> None:
    settings = make_settings()
    request = request_of(settings, "aa")
    run = make_run(tmp_path, settings, [request], [("Q1", 1, 0, 0, None)])
    assert pl.read_parquet(write_answers(run)).is_empty()
    journal(run, said(request, "2"))
    assert write_answers(run) == run / ANSWERS
    assert pl.read_parquet(run / ANSWERS).equals(make_answers(run))
    assert not list(run.glob(".*"))


def test_what_is_no_run_or_another_runs_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"no run.json, so this is not a run folder; expected a folder made by `wvb ask`"
    ):
        make_answers(tmp_path)
    (tmp_path / "run.json").write_text('{"kind": "run", "model": {}, "dataset": null, "settings": null}')
    with pytest.raises(RunError, match="holds answers that a baseline made or that were imported"):
        make_answers(tmp_path)
    (tmp_path / "run.json").write_text('{"kind"')
    with pytest.raises(RunError, match="cannot be read as JSON"):
        make_answers(tmp_path)
    run = make_run(tmp_path, make_settings(), [request_of(make_settings(), "aa")], [])
    journal(run, said(request_of(make_settings(), "zz"), "2"))
    with pytest.raises(RunError, match="holds a completion of request zz, sample 0, which this run does not ask"):
        make_answers(run)
    (run / "requests.parquet").unlink()
    with pytest.raises(RunError, match=r"requests.parquet: cannot be read \(No such file"):
        make_answers(run)


# how far orders disagree


def table_of(rows: Iterable[tuple[object, ...]]) -> pl.DataFrame:
    """Rows of item, respondent, order, sample, and a rating, a distribution, or None."""
    records = [
        {
            "item_id": item_id,
            "respondent_id": respondent_id,
            "order": order,
            "sample": sample,
            "rating": answer if isinstance(answer, int) else None,
            "probabilities": answer if isinstance(answer, list) else None,
            "unparsed": "no_number" if answer is None else None,
        }
        for item_id, respondent_id, order, sample, answer in rows
    ]
    return pl.DataFrame(records, schema_overrides={"probabilities": pl.List(pl.Float64), "rating": pl.Int8})


def test_orders_that_give_the_same_shares_to_other_people_disagree_in_positions_alone() -> None:
    answers = table_of([("Q1", 1, 0, 0, 1), ("Q1", 2, 0, 0, 4), ("Q1", 1, 1, 0, 4), ("Q1", 2, 1, 0, 1)])
    assert order_disagreement(answers).rows() == [("Q1", 2, 2, 0.0, 1.0), ("all", 2, 2, 0.0, 1.0)]


def test_a_model_that_always_takes_the_first_option_disagrees_with_itself_wholly() -> None:
    answers = table_of([("Q1", person, order, 0, 4 if order else 1) for person in range(3) for order in (0, 1)])
    assert order_disagreement(answers).row(0) == ("Q1", 2, 3, 1.0, 1.0)


def test_an_example_counts_where_every_order_could_be_read() -> None:
    of_q1 = [("Q1", 1, 0, 0, 1), ("Q1", 1, 1, 0, 2), ("Q1", 2, 0, 0, 4), ("Q1", 2, 1, 0, None)]
    answers = table_of([*of_q1, ("Q2", 1, 0, 0, 3), ("Q3", 1, 0, 0, 1), ("Q3", 1, 1, 0, None)])
    third = pytest.approx(1 / 3)
    assert order_disagreement(answers).rows() == [
        ("Q1", 2, 1, third, third),
        ("Q2", 1, 1, None, None),
        ("Q3", 2, 0, None, None),
        ("all", 2, 2, third, third),
    ]


def test_disagreement_equals_that_computed_pair_by_pair() -> None:
    rng = np.random.default_rng(4)
    shares = rng.dirichlet([1] * 10, size=(5, 3))
    ratings = rng.integers(1, 5, size=(6, 4, 2))
    rows: list[tuple[object, ...]] = [("Q106", i, o, 0, shares[i, o].tolist()) for i in range(5) for o in range(3)]
    rows += [("Q1", i, o, s, int(ratings[i, o, s])) for i in range(6) for o in range(4) for s in range(2)]
    found = {row["item_id"]: row for row in order_disagreement(table_of(rows)).to_dicts()}
    ten, four = np.arange(10) / 9, (ratings - 1) / 3
    w1 = [
        wasserstein_distance(ten, ten, shares[:, a].mean(axis=0), shares[:, b].mean(axis=0))
        for a, b in combinations(range(3), 2)
    ]
    positions = [np.abs((shares[:, a] - shares[:, b]) @ ten).mean() for a, b in combinations(range(3), 2)]
    assert found["Q106"]["w1"] == pytest.approx(np.mean(w1))
    assert found["Q106"]["position"] == pytest.approx(np.mean(positions))
    pairs = list(combinations(range(4), 2))
    w1 = [wasserstein_distance(four[:, a].ravel(), four[:, b].ravel()) for a, b in pairs]
    means = four.mean(axis=2)
    assert found["Q1"]["w1"] == pytest.approx(np.mean(w1))
    assert found["Q1"]["position"] == pytest.approx(
        np.mean([np.abs(means[:, a] - means[:, b]).mean() for a, b in pairs])
    )
    assert found["all"]["w1"] == pytest.approx((found["Q1"]["w1"] + found["Q106"]["w1"]) / 2)
    assert found["all"]["n_examples"] == 11


def test_no_answers_disagree_nowhere() -> None:
    assert order_disagreement(table_of([("Q1", 1, 0, 0, 1)]).clear()).is_empty()


def test_every_column_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in ("item_id", *ANSWER_COLUMNS))
