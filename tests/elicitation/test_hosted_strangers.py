"""What servers do beside the API: they fail on parameters, miscount, flood, and send back what they got."""

import base64
import gzip
import json
import signal
import threading
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import quote

import pytest

from tests.elicitation.runs import small_plan
from tests.elicitation.scripted import PROMPT, Response, chat, model_at, refusal, reply_to, request_of, scripted
from tests.support.mock_server import MockOptions, MockServer, mock_server
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._budget import Budget
from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.asking._outcome import Progress
from worldvaluesbench.asking._run import begin_run, load_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models._said import said_of
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.hosted._pace import HostedOptions
from worldvaluesbench.models.hosted._trial import steps_of
from worldvaluesbench.prompts._request import Reply, Request, Sampling
from worldvaluesbench.prompts._template import METHODS, Method

KEY = "sk-0123/456+789=abcdef"
QUESTION = "How important is family? 1 = Very important, 2 = Rather important, 3 = Not very important\nAnswer:"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def hosted(server: MockServer, **given: Any) -> HostedModel:
    endpoint = given.pop("endpoint", "chat")
    return HostedModel("mock-good", base_url=server.base_url, endpoint=endpoint, options=HostedOptions(**given))


def asked_by(method: Method, **given: Any) -> Request:
    """A request with everything that its method can send."""
    n, temperature = (3, 0.7) if method == "sampled" else (1, 0.0)
    return request_of(method, prompt=QUESTION, n=n, sampling=Sampling(temperature, 32, ("zzz",), seed=1), **given)


def answer_of(options: MockOptions, request: Request, endpoint: str) -> tuple[Reply, int]:
    with mock_server(options) as server:
        (reply,) = hosted(server, endpoint=endpoint, initial_backoff=0).replies([request])
        return reply, server.stats()["requests"]


# A server that fails on a parameter


SENT: dict[str, set[str]] = {
    "greedy": {"temperature", "stop", "seed"},
    "sampled": {"temperature", "stop", "seed", "n"},
    "token_probs": {"temperature", "stop", "seed", "logprobs", "top_logprobs"},
    "option_likelihood": {"temperature", "logprobs", "echo", "lists"},
    "verbalised": {"temperature", "stop", "seed"},
}
AVOIDED = {"n", "lists"}
"""What can be put otherwise without another result."""


@pytest.mark.parametrize("status", [500, 501, 503, 400])
@pytest.mark.parametrize(("method", "fault"), [(method, fault) for method in METHODS for fault in sorted(SENT[method])])
def test_by_every_method_a_server_that_fails_on_a_parameter_is_asked_otherwise_or_refused_with_its_own_reason(
    method: Method, fault: str, status: int
) -> None:
    endpoint = "completions" if method == "option_likelihood" else "chat"
    options = MockOptions(fails_on=frozenset([fault]), fails_with=status)
    if fault in AVOIDED:
        (there, _), (here, n) = (answer_of(one, asked_by(method), endpoint) for one in (MockOptions(), options))
        assert (here.completions, here.option_logprobs) == (there.completions, there.option_logprobs)
        assert n <= 20
        return
    with mock_server(options) as server:
        with pytest.raises(ModelError) as raised:
            list(hosted(server, endpoint=endpoint, initial_backoff=0).replies([asked_by(method)] * 30))
        assert server.stats()["requests"] <= 20
    told = str(raised.value)
    assert f"HTTP {status}" in told
    assert "takes no " in told
    assert f'The server says: "{fault} is not supported' in told
    assert "seems to be down" not in told
    assert "\n" not in told


def test_structured_output_on_which_a_server_fails_is_named() -> None:
    request = asked_by("greedy", schema={"type": "object"})
    with (
        mock_server(MockOptions(fails_on=frozenset(["response_format"]))) as server,
        pytest.raises(ModelError, match=r"HTTP 500 .*takes no response_format .*ask without --structured"),
    ):
        list(hosted(server, initial_backoff=0).replies([request]))


def test_a_server_that_fails_on_many_alternatives_is_asked_for_fewer() -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        if body.get("top_logprobs", 0) > 5:
            return refusal(500, message="index out of range")
        tops = [{"token": str(i), "logprob": -float(i)} for i in range(1, 1 + body.get("top_logprobs", 0))]
        response = chat("1")
        response.body["choices"][0]["logprobs"] = {"content": [{"token": "1", "logprob": -1.0, "top_logprobs": tops}]}
        return response

    with scripted(script) as server:
        reply = reply_to(server.base_url, asked_by("token_probs"))
    assert len(reply.tokens[0].top) == 5
    assert server.bodies[-1]["top_logprobs"] == 5


def test_a_server_that_fails_on_several_parameters_is_told_of_each_in_turn() -> None:
    with mock_server(MockOptions(fails_on=frozenset(["n", "seed"]))) as server:
        with pytest.raises(ModelError, match="takes no seed"):
            list(hosted(server, initial_backoff=0).replies([asked_by("sampled")]))
        (reply,) = hosted(server, initial_backoff=0).replies([request_of("sampled", prompt=QUESTION, n=3)])
    assert len(reply.completions) == 3


def test_a_limit_that_is_named_in_a_500_is_sent_under_its_other_name() -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        said = "litellm: Unsupported parameter 'max_tokens', use 'max_completion_tokens' instead."
        return refusal(500, message=said) if "max_tokens" in body else chat("2")

    with scripted(script) as server:
        assert reply_to(server.base_url).completions[0].text == "2"
    assert server.bodies[-1]["max_completion_tokens"] == 16


@pytest.mark.parametrize("n_faults", range(1, 7))
@pytest.mark.parametrize("method", ["sampled", "token_probs"])
def test_a_failure_that_passes_is_no_refusal(method: Method, n_faults: int) -> None:
    with mock_server() as honest:

        def script(body: dict[str, Any], number: int) -> Response:
            return refusal(503, message="logprobs are off") if number < n_faults else answers(honest, body)

        with scripted(script) as server:
            model = HostedModel("mock-good", base_url=server.base_url, options=HostedOptions(initial_backoff=0))
            (reply,) = model.replies([asked_by(method)])
    assert reply.failure is None
    assert reply.completions or reply.tokens
    assert server.bodies[-1] == server.bodies[0]


def test_an_outage_in_the_middle_of_a_trial_is_no_refusal() -> None:
    with mock_server() as honest:

        def script(body: dict[str, Any], number: int) -> Response:
            return answers(honest, body) if number == 3 or number > 10 else refusal(500)

        with scripted(script) as server:
            model = HostedModel("mock-good", base_url=server.base_url, options=HostedOptions(initial_backoff=0))
            (reply,) = model.replies([asked_by("token_probs")])
    assert len(reply.tokens) > 0
    assert "logprobs" not in server.bodies[3]


def test_a_server_that_fails_at_every_other_call_is_asked_until_it_answers() -> None:
    with mock_server() as honest:

        def script(body: dict[str, Any], number: int) -> Response:
            return refusal(500) if number % 2 == 0 else answers(honest, body)

        with scripted(script) as server:
            model = HostedModel("mock-good", base_url=server.base_url, options=HostedOptions(initial_backoff=0))
            replies = list(model.replies([asked_by("token_probs")] * 20))
    assert all(reply.tokens for reply in replies)


def answers(server: MockServer, body: dict[str, Any]) -> Response:
    """What a mock server answers to a body."""
    address = f"{server.base_url}/{'chat/' if 'messages' in body else ''}completions"
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode())) as response:
        return Response(json.loads(response.read()))


def test_a_server_that_is_down_is_no_refusal_of_a_parameter_and_its_reason_is_told() -> None:
    with scripted(lambda body, number: refusal(503, message="Loading model")) as server:
        reply = reply_to(server.base_url, asked_by("token_probs"), retries=4)
    assert reply.failure == 'HTTP 503 (some_error) after 5 attempts ("Loading model")'


def test_a_server_that_names_a_time_to_wait_is_not_tried_out() -> None:
    wait = Response({"error": {"message": "seed"}}, 503, {"Retry-After": "0"})
    with scripted(lambda body, number: wait if number < 4 else chat("2", "2", "2")) as server:
        assert reply_to(server.base_url, asked_by("sampled")).failure is None
    assert all(body == server.bodies[0] for body in server.bodies)


def test_a_trial_adds_one_thing_at_a_time_and_ends_with_the_whole_body() -> None:
    body = {"model": "m", "messages": [1], "n": 9, "seed": 4, "logprobs": True, "top_logprobs": 20, "max_tokens": 300}
    names, steps = zip(*steps_of(body), strict=True)
    assert steps[0] == {"model": "m", "messages": [1], "max_tokens": 16}
    assert steps[-1] == body
    assert list(names[1:]) == ["seed", "n", "n", "logprobs", "top_logprobs", "max_tokens"]


# What a server says


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("logprobs is not supported for models with logits_all=False", None),
        ("n > 1 is not supported", None),
        ("Model\x1b[31m is\n loading\u202e", "Model [31m is loading"),
        ({"odd": 1}, ""),
        (PROMPT, ""),
        (f"Invalid input: {PROMPT}", ""),
        ("it fails where Peruvians' family values are asked about", "it fails where … values are asked about"),
        (quote(PROMPT), ""),
        ("see request req_011CSHoEeqs5C35K2UUqR7Fy", "see request …"),
        ("x" * 5000, "x" * 199 + "…"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_of_a_message_is_repeated_what_is_printable_short_and_not_of_the_prompt(message: Any, said: str | None) -> None:
    for sent in ({"prompt": PROMPT}, {"prompt": ["x", PROMPT]}, {"messages": [{"content": PROMPT}]}):
        assert said_of({"message": message}, sent) == (message if said is None else said)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "the engine is gone"}},
        {"error": "the engine is gone"},
        {"message": "the engine is gone"},
        {"detail": "the engine is gone"},
        {"detail": [{"msg": "the engine is gone", "input": PROMPT}]},
        {"errors": [{"message": "the engine is gone"}]},
        [{"error": {"message": "the engine is gone"}}],
        b"the engine is gone",
    ],
    ids=str,
)
def test_the_reason_is_found_in_whatever_shape_an_error_has(body: Any) -> None:
    with scripted(lambda sent, number: Response(body, 403)) as server, pytest.raises(ModelError) as raised:
        reply_to(server.base_url)
    assert str(raised.value).endswith('The server says: "the engine is gone"')


# The key


@pytest.mark.parametrize(
    "fault",
    [
        refusal(400, None, "Invalid API key"),
        refusal(400, None, "Incorrect api-key provided: sk-01*******def."),
        refusal(403, None, "invalid authentication credentials"),
        refusal(500, "auth_error", "no"),
        refusal(500, None, "AuthenticationError: Incorrect API key provided"),
        Response({"error": {"message": "Authentication Error, Invalid proxy server token passed", "code": "400"}}, 400),
        Response([{"error": {"code": 400, "message": "no", "details": [{"reason": "API_KEY_INVALID"}]}}], 400),
        Response({"error": {"code": "401", "message": "no"}}, 200),
        Response(b"Invalid API key", 400),
    ],
    ids=lambda fault: str(fault.body)[:60],
)
def test_a_wrong_key_at_a_proxy_is_named_first(fault: Response, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda body, number: fault) as server:
        with pytest.raises(
            ModelError, match=r"HTTP \d+: the key in the environment variable OPENAI_API_KEY is refused"
        ):
            reply_to(server.base_url)
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(
            ModelError, match=r"HTTP \d+: an API key is required; set the environment variable OPENAI_API_KEY"
        ):
            reply_to(server.base_url)
    assert len(server.bodies) == 2


def test_a_mock_server_can_refuse_a_key_as_proxies_do() -> None:
    with (
        mock_server(MockOptions(key="another", key_status=400)) as server,
        pytest.raises(ModelError, match="HTTP 400: the key in the environment variable OPENAI_API_KEY is refused"),
    ):
        list(hosted(server).replies([request_of()]))


def test_an_authentication_service_that_is_down_for_now_is_no_wrong_key() -> None:
    with scripted(lambda _, k: chat("2") if k else refusal(503, None, "authentication is unavailable")) as server:
        assert reply_to(server.base_url).completions[0].text == "2"


@pytest.mark.parametrize("message", ["tokens: 5000 is too many", "authority is no role", "the monkey is not available"])
def test_another_refusal_is_not_blamed_on_the_key(message: str) -> None:
    with scripted(lambda body, number: refusal(400, None, message)) as server, pytest.raises(ModelError) as raised:
        reply_to(server.base_url)
    assert "environment variable" not in str(raised.value)


BASIC = base64.b64encode(f"user:{KEY}".encode()).decode()


@pytest.mark.parametrize("form", [KEY, quote(KEY, safe=""), quote(KEY, safe="").lower()], ids=["plain", "url", "low"])
@pytest.mark.parametrize(("sign", "escaped"), [("", ""), ("/", "\\/"), ("k", "\\u006b")], ids=["plain", "slash", "hex"])
def test_the_key_is_taken_out_of_whatever_comes_back(
    form: str, sign: str, escaped: str, paper: Dataset, tmp_path: Path
) -> None:
    body = chat(f"my key is {form}, Basic {BASIC}", finish=form, model=f"model-{form}").body
    text = json.dumps(body)
    raw = text.replace(sign, escaped) if sign else text
    with scripted(lambda sent, number: Response(raw.encode())) as server:
        model = model_at(server.base_url)
        run = begin_run(small_plan(paper, tmp_path, 5), model, tmp_path / "run")
        ask(run, model)
    for path in run.folder.iterdir():
        content = path.read_bytes()
        for secret in (KEY, quote(KEY, safe=""), BASIC[8:-4]):
            assert secret.encode() not in content
    assert all("my key is [key]" in str(line.text) for line in read_journal(run.folder))
    assert load_run(run.folder).description["named_models"] == ["model-[key]"]


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_no_error_repeats_the_key(status: int) -> None:
    fault = Response({"error": {"code": KEY, "message": f"You sent Bearer {KEY} and Basic {BASIC}: bad", "param": KEY}})
    with scripted(lambda body, number: replace(fault, status=status)) as server:
        try:
            told = str(reply_to(server.base_url, retries=1).failure)
        except ModelError as error:
            told = str(error)
    assert KEY not in told
    assert BASIC[8:-4] not in told


@pytest.mark.parametrize("key", ["none", "EMPTY", "1", "explanation"])
def test_what_stands_in_place_of_a_key_is_no_secret_and_stays(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with scripted(lambda body, number: chat('{"explanation": "EMPTY none", "answer": 1}')) as server:
        assert reply_to(server.base_url).completions[0].text == '{"explanation": "EMPTY none", "answer": 1}'


# The model that is named


def test_the_model_named_in_replies_is_kept_and_a_difference_told_once(paper: Dataset, tmp_path: Path) -> None:
    notices: list[str] = []

    def watch(progress: Progress) -> None:
        notices.extend(filter(None, [progress.notice]))

    plan = small_plan(paper, tmp_path, 10)
    names = ["m-2024-08-06"] * 5 + ["other"] * 100

    def script(body: dict[str, Any], number: int) -> Response:
        return chat("2", model=names[number]) if number < 9 else refusal(402)

    with scripted(script) as server:
        model = model_at(server.base_url, concurrency=1)
        run = begin_run(plan, model, tmp_path / "run")
        with pytest.raises(ModelError, match="402"):
            ask(run, model, watch=watch)
    assert load_run(run.folder).description["named_models"] == ["m-2024-08-06", "other"]
    with scripted(lambda body, number: chat("2", model="third")) as server:
        model = model_at(server.base_url)
        assert ask(load_run(run.folder), model, watch=watch).is_finished
    told = " ".join(notices)
    assert told.count("The server names the model m-2024-08-06; m was asked for.") <= 1
    assert told.count("The server names the model third now, before other: both may have answered this run.") == 1
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["named_models"] == ["m-2024-08-06", "other", "third"]


def test_an_alias_is_told_at_the_end_of_a_short_run_too(paper: Dataset, tmp_path: Path) -> None:
    notices: list[str | None] = []
    with mock_server(MockOptions(named="mock-good-0806")) as server:
        model = hosted(server)
        run = begin_run(small_plan(paper, tmp_path, 3), model, tmp_path / "run")
        ask(run, model, watch=lambda progress: notices.append(progress.notice))
    assert [note for note in notices if note] == ["The server names the model mock-good-0806; mock-good was asked for."]


@pytest.mark.parametrize(
    ("name", "kept"),
    [("\x1b]0;evil\x07m\n", ["]0;evil m"]), ("x" * 9999, ["x" * 119 + "…"]), (7, None), ("", None), ([], None)],
    ids=["control", "long", "number", "empty", "list"],
)
def test_a_name_from_a_server_is_printable_and_short(
    name: object, kept: object, paper: Dataset, tmp_path: Path
) -> None:
    with scripted(lambda body, number: chat("2", model=name)) as server:
        model = model_at(server.base_url)
        run = begin_run(small_plan(paper, tmp_path, 3), model, tmp_path / "run")
        assert ask(run, model).is_finished
    assert load_run(run.folder).description.get("named_models") == kept


def test_a_proxy_that_names_another_model_each_time_does_not_fill_the_run(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path, 40)
    for session in range(2):

        def script(body: dict[str, Any], number: int, session: int = session) -> Response:
            return chat("2", model=f"m-{session}-{number}") if session or number < 15 else refusal(402)

        with scripted(script) as server:
            model = model_at(server.base_url, concurrency=1)
            run = begin_run(plan, model, tmp_path / "run")
            with suppress(ModelError):
                ask(run, model)
    assert len(load_run(run.folder).description["named_models"]) == 20


def test_names_of_an_earlier_session_are_kept_by_a_run_that_was_opened_before_it(
    paper: Dataset, tmp_path: Path
) -> None:
    run = begin_run(small_plan(paper, tmp_path, 10), model_at("http://127.0.0.1:1/v1"), tmp_path / "run")
    for name, n_answered in (("first", 5), ("second", 100)):
        with scripted(lambda _, k, n=n_answered, name=name: chat("2", model=name) if k < n else refusal(402)) as server:  # type: ignore[misc]
            model = model_at(server.base_url, concurrency=1)
            with suppress(ModelError):
                ask(run, model)
    assert load_run(run.folder).description["named_models"] == ["first", "second"]


# Odd replies


@pytest.mark.parametrize("count", [-1, True, 1.5, "7", 10**30, None, [], {}, float("nan")], ids=repr)
def test_a_count_of_tokens_that_cannot_be_is_unknown_and_the_run_can_be_read_again(
    count: object, paper: Dataset, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": count}
    with scripted(lambda body, number: replace(chat("2"), body=chat("2").body | {"usage": usage})) as server:
        model = model_at(server.base_url)
        run = begin_run(small_plan(paper, tmp_path, 5, max_tokens=8), model, tmp_path / "run")
        outcome = ask(run, model, budget=Budget(None, 1.0, 1.0))
    assert outcome.is_finished
    assert (outcome.prompt_tokens, outcome.completion_tokens, outcome.cost_is) == (0, 0, "at most")
    assert all(line.prompt_tokens is None for line in read_journal(run.folder))


@pytest.mark.parametrize("usage", [None, [], "x", 3, {"prompt_tokens": {}}])
def test_odd_usage_is_none(usage: object) -> None:
    with scripted(lambda body, number: replace(chat("2"), body=chat("2").body | {"usage": usage})) as server:
        reply = reply_to(server.base_url)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.failure) == (None, None, None)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "The answer "}, {"type": "text", "text": "is 2"}], "The answer is 2"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "3?"}]}, {"type": "text", "text": "2"}], "2"),
        ([{"type": "reasoning", "text": "3?"}, {"type": "output_text", "text": "2"}], "2"),
        ([None, 3, {"type": "image"}], ""),
        ({"answer": 2}, '{"answer": 2}'),
        (2, "2"),
        (None, ""),
        (True, ""),
        ([], ""),
    ],
    ids=str,
)
def test_a_content_of_another_kind_is_read_as_what_it_says(content: Any, text: str) -> None:
    with scripted(lambda body, number: chat(content)) as server:
        (completion,) = reply_to(server.base_url).completions
    assert completion.text == text


@pytest.mark.parametrize("finish", [None, 3, ["stop"], "s" * 100, "stop\x1b[2J", {}], ids=repr)
def test_an_odd_finish_reason_is_none(finish: Any) -> None:
    with scripted(lambda body, number: chat("2", finish=finish)) as server:
        assert reply_to(server.base_url).completions[0].finish_reason is None


def test_a_tool_call_is_a_completion_without_text() -> None:
    message = {"content": None, "tool_calls": [{"function": {"name": "rate", "arguments": '{"answer": 1}'}}]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    with scripted(lambda body, number: Response({"choices": [choice]})) as server:
        (completion,) = reply_to(server.base_url).completions
    assert (completion.text, completion.finish_reason) == ("", "tool_calls")


@pytest.mark.parametrize("index", [None, "0", 1.0, -1, True, 10**30, [0]], ids=repr)
@pytest.mark.parametrize("method", ["greedy", "option_likelihood"])
def test_an_odd_index_spoils_nothing(method: Method, index: object) -> None:
    with mock_server() as honest:

        def script(body: dict[str, Any], number: int) -> Response:
            response = answers(honest, body)
            for choice in response.body["choices"]:
                choice["index"] = index
            return response

        with scripted(script) as server:
            model = HostedModel("mock-good", server.base_url, endpoint="completions")
            (reply,) = model.replies([asked_by(method)])
    there, _ = answer_of(MockOptions(), asked_by(method), "completions")
    assert (reply.completions, reply.option_logprobs) == (there.completions, there.option_logprobs)


# What was paid for


def test_counts_of_one_of_several_completions_are_a_bound_and_not_the_cost(paper: Dataset, tmp_path: Path) -> None:
    costs, plan = {}, small_plan(paper, tmp_path, 5, method="sampled", n=4, max_tokens=200)
    for usage in ("all", "first", "prompts", "none"):
        with mock_server(MockOptions(usage=usage)) as server:
            model = hosted(server)
            run = begin_run(plan, model, tmp_path / usage)
            outcome = ask(run, model, budget=Budget(None, 1.0, 10.0))
            assert outcome.cost is not None
            costs[usage] = outcome.cost
            again = ask(load_run(run.folder), model, budget=Budget(None, 1.0, 10.0))
        assert outcome.cost_is == again.cost_is == ("exact" if usage in ("all", "prompts") else "at most")
        assert outcome.is_finished
    assert all(cost >= costs["all"] for cost in costs.values())


def test_once_seen_to_count_one_completion_an_endpoint_is_not_believed_again() -> None:
    texts = [("I value my family very much", "So do I and all of us"), ("2", "2")]

    def script(body: dict[str, Any], number: int) -> Response:
        response = chat(*texts[min(number, 1)])
        response.body["usage"]["completion_tokens"] = 6 if number == 0 else 2
        return response

    with scripted(script) as server:
        request = request_of("sampled", n=2)
        replies = list(model_at(server.base_url, concurrency=1).replies([request, request]))
    assert [reply.completion_tokens for reply in replies] == [None, None]
    assert [reply.prompt_tokens for reply in replies] == [10, 10]


def test_counts_of_one_of_several_prompts_are_unknown() -> None:
    with mock_server(MockOptions(usage="first")) as server:
        (reply,) = hosted(server, endpoint="completions").replies([asked_by("option_likelihood")])
    assert len(reply.option_logprobs) == 3
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)


# Bodies that are too large


def inflated(n: int) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(bytes(n)) + packer.flush()


MIB = 2**20


@pytest.mark.parametrize(
    "fault",
    [
        Response(gzip.compress(bytes(20 * MIB)), 200, {"Content-Encoding": "gzip"}),
        Response(gzip.compress(bytes(20 * MIB)), 500, {"Content-Encoding": "gzip"}),
        Response(zlib.compress(bytes(64 * MIB)), 200, {"Content-Encoding": "deflate"}),
        Response(inflated(64 * MIB), 200, {"Content-Encoding": "deflate"}),
        Response(bytes(2 * MIB)),
    ],
    ids=["gzip", "gzip of an error", "zlib", "deflate", "plain"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_no_more_of_a_body_is_taken_than_was_agreed(fault: Response, is_first: bool) -> None:
    with scripted(lambda body, number: fault if is_first or number else chat("2")) as server:
        model = model_at(server.base_url, concurrency=1, most_bytes=MIB)
        *_, reply = model.replies([request_of()] * (1 if is_first else 2))
    assert reply.failure == "a reply of more than 1 MiB (--max-body) after 1 attempt"
    assert len(server.bodies) == (1 if is_first else 2)


def test_a_body_as_large_as_was_agreed_is_read() -> None:
    raw = json.dumps(chat("2").body).encode()
    packed = Response(gzip.compress(raw), 200, {"Content-Encoding": "gzip"})
    for response in (Response(raw), packed):
        with scripted(lambda body, number, response=response: response) as server:  # type: ignore[misc]
            assert reply_to(server.base_url, most_bytes=len(raw)).completions[0].text == "2"
            assert "more than" in str(reply_to(server.base_url, most_bytes=len(raw) - 1).failure)


def test_a_flood_of_the_mock_server_is_one_failure_of_each_request() -> None:
    with mock_server(MockOptions(floods=True)) as server:
        replies = list(hosted(server).replies([request_of()] * 3))
        assert [reply.failure for reply in replies] == ["a reply of more than 16 MiB (--max-body) after 1 attempt"] * 3
        assert server.stats()["requests"] == 3


TWICE_PACKED = gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)


@pytest.mark.parametrize(
    ("content", "encoding", "told"),
    [
        (b"\x0b\x02\x80{}\x03", "br", "a reply in an encoding that was not asked for"),
        (
            gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0),
            "gzip, gzip",
            "a reply in an encoding that was not asked for",
        ),
        (b"{}", "gzip", "a reply that cannot be decompressed"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_a_failure(content: bytes, encoding: str, told: str) -> None:
    with scripted(lambda body, number: Response(content, 200, {"Content-Encoding": encoding})) as server:
        assert reply_to(server.base_url).failure == f"{told} after 1 attempt"
        assert server.headers[0]["accept-encoding"] == "gzip, deflate"


def test_all_ways_to_compress_that_are_asked_for_are_read() -> None:
    raw = json.dumps(chat("2").body).encode()
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bodies = [
        (gzip.compress(raw), "gzip"),
        (gzip.compress(raw[:9]) + gzip.compress(raw[9:]), "gzip"),
        (zlib.compress(raw), "deflate"),
        (packer.compress(raw) + packer.flush(), "deflate"),
    ]
    with scripted(lambda _, k: Response(bodies[k][0], 200, {"Content-Encoding": bodies[k][1]})) as server:
        replies = list(model_at(server.base_url, concurrency=1).replies([request_of()] * 4))
    assert [reply.completions[0].text for reply in replies] == ["2"] * 4


@contextmanager
def raw_server(*sent: bytes, is_endless: bool = False, pause: float = 0.0) -> Iterator[str]:
    """A server that sends these bytes to whoever connects; the last of them for ever, with a pause between."""
    closing = threading.Event()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            try:
                self.request.recv(65536)
                for part in sent:
                    self.wfile.write(part)
                while is_endless and not closing.wait(pause):
                    self.wfile.write(sent[-1])
            except OSError:
                return

    ThreadingTCPServer.allow_reuse_address = True
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            closing.set()
            server.shutdown()
            thread.join()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def test_a_body_without_an_end_is_a_failure() -> None:
    with raw_server(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n", is_endless=True) as url:
        assert reply_to(url, retries=0).failure == "a reply of more than 16 MiB (--max-body) after 1 attempt"


@pytest.mark.parametrize(
    "sent",
    [
        OK + b"Content-Length: 1000000000000\r\n\r\n{}",
        OK + b"Content-Length: 3\r\n\r\n" + json.dumps(chat("2").body).encode(),
        OK + b"Content-Length: -5\r\n\r\n{}",
        OK + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n{}",
        b"\x00\xff\x16\x03 SSH-2.0\r\n\r\n",
        b"",
    ],
    ids=["longer", "shorter", "negative", "header", "no http", "nothing"],
)
def test_a_response_that_lies_about_itself_is_a_failure(sent: bytes) -> None:
    with raw_server(sent) as url:
        failure = reply_to(url, retries=0).failure
    assert failure is not None
    assert failure.endswith("after 1 attempt")


def test_ctrl_c_is_heard_while_a_body_drips_in(paper: Dataset, tmp_path: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt_twice(progress: Progress) -> None:
        for seconds in (0.5, 1.0) if not started else ():
            threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT)).start()
        started.append(progress)

    started: list[Progress] = []
    with raw_server(CHUNKED, b"1\r\n{\r\n", is_endless=True, pause=0.05) as url:
        model = HostedModel("m", base_url=url)
        run = begin_run(small_plan(paper, tmp_path, 5), model, tmp_path / "run")
        outcome = ask(run, model, watch=interrupt_twice)
    assert outcome.is_interrupted
    assert outcome.n_done == 0
    assert outcome.seconds < 60, "the calls alone would have two minutes"


def test_what_a_body_may_have_is_an_option_above_nothing() -> None:
    with pytest.raises(ModelError, match="most_bytes is 0; expected at least 1"):
        HostedOptions(most_bytes=0)
