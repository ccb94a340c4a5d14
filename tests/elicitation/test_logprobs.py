"""Log-probabilities that cannot be any are refused wherever they come from, in one line; those that can be are read."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.elicitation.mock_prompts import prompt_of
from tests.elicitation.runs import small_plan
from tests.elicitation.scripted import PROMPT, Response, model_at, refusal, reply_to, request_of, scripted
from tests.support.mock_server import MISREPORTS, Misreport, MockOptions, mock_server
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.asking._run import begin_run
from worldvaluesbench.asking.batch._export import BatchModel, export_batch
from worldvaluesbench.asking.batch._import import import_batch
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import LogprobError, ModelError, RunError
from worldvaluesbench.models._bodies import Endpoint
from worldvaluesbench.models._model import FunctionModel
from worldvaluesbench.models.hosted._echo import TRIAL
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.prompts._logprobs import apart, check_options
from worldvaluesbench.prompts._request import Reply, Sampling, TokenChoice
from worldvaluesbench.runs._folder import JOURNAL

TOKENS = request_of("token_probs", sampling=Sampling(0.0, 3))
LIKELIHOOD = request_of("option_likelihood")
TEN = tuple(str(rating) for rating in range(1, 11))
LN = math.log


def test_what_can_be_a_distribution_can_be_a_reply() -> None:
    for top in ({"1": 0.0, "2": -math.inf}, {"1": 1e-6, "2": -9999.0}, {"1": -0.69, "2": -0.69}, {}):
        assert TokenChoice("1", top).top == top
    assert Reply(LIKELIHOOD, option_logprobs=(-0.69, -1.38, -1.38)).option_logprobs[0] == -0.69


@pytest.mark.parametrize("value", [0.6, 1e-3, math.nan, math.inf, 20.9])
def test_no_log_probability_is_above_0(value: float) -> None:
    with pytest.raises(LogprobError, match=r"a log-probability is .*; expected natural logarithms"):
        TokenChoice("1", {"1": -0.1, "2": value})
    with pytest.raises(LogprobError, match=r"a log-probability is .*; expected natural logarithms"):
        Reply(LIKELIHOOD, option_logprobs=(-0.1, -9.0, value))


def test_what_excludes_one_another_sums_to_at_most_1() -> None:
    with pytest.raises(LogprobError, match=r"tokens at one place sum to 1\.05; expected at most 1"):
        TokenChoice("1", {"1": LN(0.6), "2": LN(0.45)})
    with pytest.raises(LogprobError, match=r"options of a prompt sum to 1\.05; expected at most 1"):
        check_options([LN(0.6), LN(0.45)], ("1", "2"))


def test_an_option_less_likely_than_one_that_goes_on_from_it_is_refused() -> None:
    with pytest.raises(LogprobError, match="less likely than a longer one that it begins"):
        apart([("1", LN(0.2)), ("10", LN(0.5))])
    with pytest.raises(LogprobError, match="less likely than a longer one that it begins"):
        apart([("1", -math.inf), ("10", LN(0.5))])
    assert apart([("1", -math.inf), ("10", -math.inf), ("2", 0.0)]) == [-math.inf, -math.inf, 0.0]


# over HTTP


def at_mock(base_url: str, endpoint: Endpoint) -> HostedModel:
    return HostedModel("mock-good", base_url=base_url, endpoint=endpoint)


@pytest.mark.parametrize(
    ("endpoint", "method"),
    [("chat", "token_probs"), ("completions", "token_probs"), ("completions", "option_likelihood")],
)
@pytest.mark.parametrize("kind", MISREPORTS)
def test_every_misreport_is_refused_at_once_or_read_rightly(kind: Misreport, endpoint: Endpoint, method: Any) -> None:
    request = replace(TOKENS if method == "token_probs" else LIKELIHOOD, prompt=prompt_of("Q1", "symbol"))
    request = replace(request, options=("1", "2", "3", "4"))
    with mock_server() as server:
        (right,) = at_mock(server.base_url, endpoint).replies([request])
    with mock_server(MockOptions(misreport=kind)) as server:
        found: list[Reply] = []
        told = ""
        try:
            found += at_mock(server.base_url, endpoint).replies([request] * 200)
        except ModelError as error:
            told = str(error)
        n_sent = server.stats()["requests"]
    if kind == "nulls" and method == "token_probs":
        kept = dict(sorted(right.tokens[0].top.items(), key=lambda pair: -pair[1])[:2])
        assert {reply.tokens[0].top == kept for reply in found} == {True}
    elif kind == "twice" and (endpoint == "chat" or method == "option_likelihood"):
        assert {reply.option_logprobs == right.option_logprobs for reply in found} == {True}
        for one, other in zip(found[0].tokens, right.tokens, strict=True):
            kept = {text: value for text, value in other.top.items() if value > -9}  # a list has room for 20
            assert {text: one.top[text] for text in kept} == pytest.approx(kept)
    elif kind in ("nulls", "twice") or (kind == "shifted" and method == "token_probs"):
        assert len(found) == 200
    else:
        assert found == []
        assert told.startswith(f"mock-good at {server.base_url}: ")
        assert "\n" not in told
        assert "choose" in told
        assert n_sent <= 3, "nothing is paid for before it is believed"


def choice_of(tokens: Sequence[str], values: Sequence[Any], tops: Any) -> dict[str, Any]:
    logprobs = {"tokens": list(tokens), "token_logprobs": list(values), "top_logprobs": tops}
    return {"index": 0, "text": "".join(tokens), "finish_reason": "length", "logprobs": logprobs}


def chat_of(tops: Any, own: Any = -0.5) -> Response:
    entry = {"token": "1", "logprob": own, "top_logprobs": tops}
    choice = {"index": 0, "message": {"content": "1"}, "finish_reason": "stop", "logprobs": {"content": [entry]}}
    return Response({"choices": [choice]})


def entries(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": logprob} for token, logprob in pairs]


def test_alternatives_of_one_text_are_summed_and_those_without_a_value_not_listed() -> None:
    pairs = (("1", LN(0.4)), ("2", LN(0.2)), ("1", LN(0.35)), ("3", None), ("3", LN(0.01)), ("4", None))
    wanted = {"1": 0.75, "2": 0.2, "3": 0.01}
    plain = [[{text: value} for text, value in pairs], entries(*pairs)]
    responses = [chat_of(entries(*pairs), own=LN(0.4)), chat_of(entries(*pairs), own=None)]
    responses += [Response({"choices": [choice_of(["1"], [LN(0.4)], [tops])]}) for tops in plain]
    for response in responses:
        endpoint = "chat" if "message" in response.body["choices"][0] else "completions"
        with scripted(lambda body, number, response=response: response) as server:  # type: ignore[misc]
            (token,) = reply_to(server.base_url, TOKENS, endpoint=endpoint).tokens
        assert {text: math.exp(value) for text, value in token.top.items()} == pytest.approx(wanted)


def test_the_generated_token_is_as_likely_as_it_says_where_a_list_has_another_of_its_text() -> None:
    tops = {"1": LN(0.01), "2": LN(0.2)}  # of "▁1" and "1" a server that lists texts has kept the second
    with scripted(lambda body, number: Response({"choices": [choice_of(["1"], [LN(0.7)], [tops])]})) as server:
        (token,) = reply_to(server.base_url, TOKENS, endpoint="completions").tokens
    assert token.top == pytest.approx({"1": LN(0.7), "2": LN(0.2)})


@pytest.mark.parametrize(
    "response",
    [
        chat_of(entries(("1", 0.6), ("2", 0.4)), own=0.6),
        chat_of(entries(("1", -0.1), ("2", -0.1))),
        chat_of(entries(("1", math.nan), ("2", -0.1)), own=math.nan),
        chat_of(entries(("1", "high"), ("2", "low"))),
        chat_of([["1", -0.1]]),
        chat_of("1 is likely"),
        chat_of(entries(("1", -0.1), ("2", True))),
        Response(b'{"choices": [{"message": {"content": "1"}, "logprobs": {"content": []}}]}'),
    ],
    ids=["probabilities", "above 1", "nan", "words", "pairs", "a text", "true", "no places"],
)
def test_what_cannot_be_alternatives_is_refused_at_the_first_call(response: Response) -> None:
    with (
        scripted(lambda body, number: response) as server,
        pytest.raises(ModelError, match=r"^m at http.*probabilit.*; choose the method sampled, verbalised") as told,
    ):
        list(model_at(server.base_url).replies([replace(TOKENS, request_id=str(number)) for number in range(99)]))
    assert "\n" not in str(told.value)
    assert len(server.bodies) == 1


def test_an_odd_one_among_good_ones_fails_alone() -> None:
    good, odd = chat_of(entries(("1", -0.5), ("2", -1.5))), chat_of(entries(("1", 0.5), ("2", -1.5)))
    with scripted(lambda body, number: odd if number == 5 else good) as server:
        replies = list(model_at(server.base_url, concurrency=1).replies([TOKENS] * 12))
    failures = [reply.failure for reply in replies if reply.failure is not None]
    assert [failure.split(";")[0] for failure in failures] == ["a log-probability is 0.5"]
    assert len(server.bodies) == 12, "it is not asked for again"


# what an echo says is held against a plain call

TRUE = {" 1": LN(0.5), " 2": LN(0.3), " 3": LN(0.1)}
BEFORE = [None, -4.0, -7.0, -2.0]
"""The tokens of the prompt, and how likely they are."""


def echoed(prompt: str, wrong: Callable[[list[Any]], list[Any]], true: dict[str, float] = TRUE) -> dict[str, Any]:
    """An echo of the prompt with something behind it and one generated token; `wrong` changes its values."""
    start = TRIAL if prompt.startswith(TRIAL) else PROMPT
    words, behind = [start[:5], start[5:20], start[20:-1], start[-1:]], prompt.removeprefix(start)
    values = [*BEFORE, *([true.get(behind, -12.0)] if behind else []), -0.3]
    return choice_of([*words, *([behind] if behind else []), "\n"], wrong(values), None)


def likelihoods(
    wrong: Callable[[list[Any]], list[Any]] = list, *, listed: dict[str, float] = TRUE, is_alone: bool = False
) -> tuple[Reply, list[dict[str, Any]]]:
    """What is read of a server whose echo is wrong in this way, and what it was sent."""

    def script(body: dict[str, Any], number: int) -> Response:
        if "echo" not in body:
            first = max(listed, key=lambda text: listed[text])
            return Response({"choices": [choice_of([first], [listed[first]], None if is_alone else [listed])]})
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        choices = [echoed(prompt, wrong, TRUE | listed) | {"index": i} for i, prompt in enumerate(prompts)]
        return Response({"choices": choices})

    with scripted(script) as server:
        replies = list(model_at(server.base_url, endpoint="completions", concurrency=8).replies([LIKELIHOOD] * 8))
    return replies[0], server.bodies


def test_an_echo_that_a_plain_call_bears_out_is_believed_for_the_session() -> None:
    reply, bodies = likelihoods()
    assert reply.option_logprobs == pytest.approx(tuple(TRUE.values()))
    plain = [body for body in bodies if "echo" not in body]
    assert [(body["prompt"], body["max_tokens"], body["temperature"]) for body in plain] == [(TRIAL, 1, 1.0)]
    assert len(bodies) == 8 + 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda values: [*values[1:], -0.3],
        lambda values: [None, *values[:-1]],
        lambda values: [None, *values[2:], -0.3],
        lambda values: [None, *[-1.2 - place / 9 for place in range(len(values) - 1)]],
        lambda values: [None, *[-2.0 for _ in values[1:]]],
    ],
    ids=["of the token behind", "of the token before", "of the token behind but the first", "invented", "all the same"],
)
def test_an_echo_whose_values_are_of_something_else_is_refused(wrong: Callable[[list[Any]], list[Any]]) -> None:
    with pytest.raises(ModelError, match=r"^m at http.*; choose token_probs, sampled or verbalised\.$") as told:
        likelihoods(wrong)
    assert "log-probabilit" in str(told.value) or "sum to" in str(told.value)


def test_where_no_option_is_listed_what_is_listed_is_echoed_to_compare() -> None:
    listed = {" The": LN(0.6), " It": LN(0.2)}
    reply, bodies = likelihoods(listed=listed)
    assert reply.option_logprobs == pytest.approx(tuple(TRUE.values()))
    assert {f"{TRIAL} The", f"{TRIAL} It"} <= {body["prompt"] for body in bodies if isinstance(body["prompt"], str)}
    assert likelihoods(listed={" The": LN(0.6)}, is_alone=True)[0].option_logprobs == reply.option_logprobs
    with pytest.raises(ModelError, match=r"its echo says -1\.2 of a token for which a plain call says -0\.5108"):
        likelihoods(lambda values: [*values[:-2], -1.2, -0.3], listed=listed)


def test_an_echo_that_no_plain_call_can_bear_out_is_refused() -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        if "echo" in body:
            prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
            return Response({"choices": [echoed(prompt, list) | {"index": i} for i, prompt in enumerate(prompts)]})
        return Response({"choices": [{"index": 0, "text": " 1", "logprobs": None}]})

    with scripted(script) as server, pytest.raises(ModelError, match="cannot be held against a plain call"):
        reply_to(server.base_url, LIKELIHOOD, endpoint="completions")


def test_a_plain_call_that_fails_for_now_is_no_judgement() -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        if "echo" in body:
            prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
            return Response({"choices": [echoed(prompt, list) | {"index": i} for i, prompt in enumerate(prompts)]})
        return refusal(504) if number == 1 else Response({"choices": [choice_of([" 1"], [TRUE[" 1"]], [TRUE])]})

    with scripted(script) as server:
        model = model_at(server.base_url, endpoint="completions", retries=0, concurrency=1)
        first, second = model.replies([LIKELIHOOD, LIKELIHOOD])
    assert first.failure is not None
    assert second.option_logprobs == pytest.approx(tuple(TRUE.values()))


# files


def imported(paper: Dataset, folder: Path, method: str, answer: Callable[[dict[str, Any], int], Any]) -> pl.DataFrame:
    """The answers of a run whose k-th line is answered so, by a body."""
    model = BatchModel("m", "completions")
    run = begin_run(small_plan(paper, folder, 3, method=method), model, folder / "run")
    (path,) = export_batch(run, folder / "out", model).paths
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    results = [
        {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": answer(line["body"], number)}}
        for number, line in enumerate(lines)
    ]
    (folder / "results").write_text("".join(json.dumps(result) + "\n" for result in results), encoding="utf-8")
    import_batch(run, [folder / "results"])
    return pl.read_parquet(run.folder / "answers.parquet")


def test_result_files_are_read_by_the_same_rules(paper: Dataset, tmp_path: Path) -> None:
    tops = [{"1": LN(0.4)}, {"1": LN(0.35)}, {"2": None}, {"3": LN(0.25)}]
    table = imported(
        paper, tmp_path, "token_probs", lambda body, number: {"choices": [choice_of(["1"], [LN(0.4)], [tops])]}
    )
    assert table.filter(pl.col("item_id") == "Q1")["probabilities"][0].to_list() == pytest.approx([0.75, 0, 0.25, 0])


@pytest.mark.parametrize(
    ("method", "values", "told"),
    [
        ("token_probs", [0.5, 0.4], r"results line 4: a log-probability is 0\.5"),
        ("token_probs", [-0.1, -0.1], r"results line 4: the probabilities of tokens at one place sum to 1\.81"),
        ("option_likelihood", [None, -3.0, -2.0, 0.7, -1.0], r"results line 4: a log-probability is 0\.7"),
        ("option_likelihood", [None, 2.5, -2.0, -1.6, -1.0], r"results line 4: a log-probability is 2\.5"),
        ("option_likelihood", [None, 0.0, 0.0, 0.0, 0.0], r"results line 4: gives every token .* log-probability 0;"),
        ("option_likelihood", [None, -3.0, -2.0, -0.01, -1.0], r"results line 4: the probabilities of .* sum to 1\.\d"),
        ("option_likelihood", [None, -3.0, -9.0, -1.6, -1.0], r"results line 4: the last token of a prompt has"),
    ],
)
def test_a_result_that_cannot_be_is_told_with_its_line_and_nothing_of_its_file_is_journalled(
    paper: Dataset, tmp_path: Path, method: str, values: list[Any], told: str
) -> None:
    good = [-0.9, -1.5] if method == "token_probs" else [None, -3.0, -2.0, -1.6, -1.0]

    def answer(body: dict[str, Any], number: int) -> Any:
        given = values if number == 3 else good
        if method == "token_probs":
            return {"choices": [choice_of(["1"], given[:1], [dict(zip("12", given, strict=True))])]}
        prompt, option = body["prompt"].rsplit(" ", 1)
        return {"choices": [choice_of(["<s>", prompt[:9], prompt[9:], f" {option}", "!"], given, None)]}

    with pytest.raises(RunError, match=told):
        imported(paper, tmp_path, method, answer)
    assert list(read_journal(tmp_path / "run")) == []


@pytest.mark.parametrize(
    "line",
    [
        '{"id":"a","s":0,"a":0,"tokens":[["1",{"1":0.5}]]}',
        '{"id":"a","s":0,"a":0,"tokens":[["1",{"1":-0.1,"2":-0.1}]]}',
        '{"id":"a","s":0,"a":0,"tokens":[["1",{"1":NaN}]]}',
        '{"id":"a","s":0,"a":0,"tokens":[["1",{"1":null}]]}',
        '{"id":"a","s":0,"a":0,"logprobs":[-0.1,-0.2]}',
        '{"id":"a","s":0,"a":0,"logprobs":[NaN,-3.0]}',
    ],
)
def test_a_journal_line_that_cannot_be_is_damaged(tmp_path: Path, line: str) -> None:
    good = '{"id":"a","s":0,"a":0,"logprobs":[-Infinity,-0.5]}'
    (tmp_path / JOURNAL).write_text(f"{good}\n{line}\n{good}\n", encoding="utf-8")
    with pytest.raises(RunError, match="line 2: is damaged"):
        list(read_journal(tmp_path))


# models of one's own


def shares_of(prompt: str, options: Sequence[str]) -> list[float]:
    """A model that says "10" with 0.97 and "1" alone with 0.01, whose tokenizer splits digits: 0.98 begin with "1"."""
    return [LN({"1": 0.98, "10": 0.97}.get(option, 0.0025)) for option in options]


def test_a_function_that_counts_10_as_1_too_is_refused_and_told_what_to_do(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path, 5, method="option_likelihood")
    model = FunctionModel("mine", option_logprobs=shares_of)
    run = begin_run(plan, model, tmp_path / "run")
    with pytest.raises(
        ModelError, match=r'^mine: .* sum to 1\.97; expected at most 1: "1" begins "10"; .*apart'
    ) as told:
        ask(run, model)
    assert "\n" not in str(told.value)
    assert not (run.folder / "answers.parquet").exists()


def test_a_function_that_takes_longer_options_off_is_right_for_1_and_10(paper: Dataset, tmp_path: Path) -> None:
    def own(prompt: str, options: Sequence[str]) -> list[float]:
        return apart(list(zip(map(tuple, options), shares_of(prompt, options), strict=True)))

    model = FunctionModel("mine", option_logprobs=own)
    run = begin_run(small_plan(paper, tmp_path, 5, method="option_likelihood"), model, tmp_path / "run")
    ask(run, model)
    answers = pl.read_parquet(run.folder / "answers.parquet").filter(pl.col("item_id") == "Q48")
    for probabilities, coverage in answers.select("probabilities", "coverage").iter_rows():
        assert probabilities == pytest.approx([0.01, *[0.0025] * 8, 0.97], abs=1e-9)
        assert coverage == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([0.6, 0.3, 0.1], "mine: a log-probability is 0.6"),
        ([math.nan, -1.0, -2.0], "mine: a log-probability is nan"),
        (
            [-0.1, -0.1, -0.1],
            "mine: the probabilities of the options of a prompt sum to 2.715; expected at most 1, for",
        ),
        ([-0.1, -3.0], "mine: option_logprobs gives 2 log-probabilities of 3 options."),
    ],
)
def test_what_a_function_gives_is_refused_where_it_cannot_be(given: list[float], told: str) -> None:
    model = FunctionModel("mine", option_logprobs=lambda prompt, options: given)
    with pytest.raises(ModelError) as raised:
        list(model.replies([LIKELIHOOD]))
    assert str(raised.value).startswith(told)
