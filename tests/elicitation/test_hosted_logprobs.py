"""Log-probabilities from a hosted model: the alternatives of tokens, and the likelihood of options by echo."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.elicitation.scripted import PROMPT, Response, chat, model_at, refusal, reply_to, request_of, scripted
from tests.support.mock_server import MockOptions, mock_server
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.hosted._echo import TRIAL, Scored, read_option
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.prompts._logprobs import apart
from worldvaluesbench.prompts._request import Sampling

TOKENS = request_of("token_probs", sampling=Sampling(0.0, 3))
LIKELIHOOD = request_of("option_likelihood")
OPTIONS = {" 1": -1.5, " 2": -0.5, " 3": -2.5}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def chat_logprobs(*tokens: tuple[str, dict[str, float]]) -> Response:
    content = [
        {"token": token, "logprob": top[token], "top_logprobs": [{"token": t, "logprob": p} for t, p in top.items()]}
        for token, top in tokens
    ]
    choice = {"index": 0, "message": {"content": "2"}, "finish_reason": "stop", "logprobs": {"content": content}}
    return Response({"choices": [choice]})


def echo_of(prompts: list[str], *, begin: str = "", is_counted: bool = True) -> Response:
    """An echo by a server that divides before the option, with one generated token behind."""
    choices = [
        {
            "index": i,
            "text": prompt + "\n",
            "logprobs": {
                "tokens": [*([begin] if begin else []), prompt[:5], prompt[5:-2], prompt[-2:], "\n"],
                "token_logprobs": [*([None] if begin else []), None, -9.0, OPTIONS[prompt[-2:]], -0.1],
            },
        }
        for i, prompt in enumerate(prompts)
    ]
    usage = {"usage": {"prompt_tokens": 7 * len(prompts), "completion_tokens": len(prompts)}} if is_counted else {}
    return Response({"choices": choices[::-1]} | usage)


def echoing(body: dict[str, Any], **given: Any) -> Response:
    """An echo, or of a plain call what follows its prompt: what the echo says of it."""
    if "echo" not in body:
        return plain_logprobs(OPTIONS)
    return echo_of(body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]], **given)


def plain_logprobs(top: dict[str, float] | list[Any]) -> Response:
    logprobs = {"tokens": [" 2"], "token_logprobs": [OPTIONS[" 2"]], "top_logprobs": [top]}
    return Response({"choices": [{"index": 0, "text": " 2", "finish_reason": "length", "logprobs": logprobs}]})


def test_token_probs_asks_for_alternatives_and_keeps_those_of_the_first_tokens() -> None:
    top = {"2": -0.1, "1": -2.5}
    with scripted(lambda body, number: chat_logprobs(*[("2", top)] * 5)) as server:
        reply = reply_to(server.base_url, TOKENS)
    assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 20)
    assert [(token.token, token.top) for token in reply.tokens] == [("2", top)] * 3
    assert reply.completions == ()


def test_token_probs_of_plain_completions() -> None:
    logprobs = {"tokens": [" 2"], "token_logprobs": [-0.1], "top_logprobs": [{" 2": -0.1, " 1": -2.5}]}
    body = {"choices": [{"index": 0, "text": " 2", "finish_reason": "length", "logprobs": logprobs}]}
    with scripted(lambda sent, number: Response(body)) as server:
        reply = reply_to(server.base_url, TOKENS, endpoint="completions")
    assert server.bodies[0]["logprobs"] == 20
    assert reply.tokens[0].top == {" 2": -0.1, " 1": -2.5}


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_a_server_that_allows_fewer_alternatives_is_asked_for_fewer(endpoint: str) -> None:
    name = "top_logprobs" if endpoint == "chat" else "logprobs"

    def script(body: dict[str, Any], number: int) -> Response:
        if body[name] > 5:
            return refusal(400, message=f"{name} is at most 5")
        plain = {"tokens": ["2"], "token_logprobs": [-0.1], "top_logprobs": [{"2": -0.1, "1": -2.5}]}
        choice = {"index": 0, "text": "2", "finish_reason": "stop", "logprobs": plain}
        return chat_logprobs(("2", {"2": -0.1, "1": -2.5})) if endpoint == "chat" else Response({"choices": [choice]})

    with scripted(script) as server:
        replies = list(model_at(server.base_url, endpoint=endpoint).replies([TOKENS] * 40))
    assert all(reply.tokens for reply in replies)
    assert [body[name] for body in server.bodies[:5]] == [20, 10, 8, 5, 5]


@pytest.mark.parametrize(
    "response",
    [
        chat("2"),
        chat_logprobs(("2", {"2": -0.1})),
        refusal(400, message="logprobs is not supported"),
        refusal(403, message="You are not allowed to request logprobs from this model"),
    ],
    ids=["none", "no alternatives", "refused", "forbidden"],
)
def test_an_endpoint_without_log_probabilities_stops_at_once_with_advice(response: Response) -> None:
    with (
        scripted(lambda body, number: response) as server,
        pytest.raises(ModelError, match=r"logprobs|log-probabilities.*choose the method sampled, verbalised") as raised,
    ):
        reply_to(server.base_url, TOKENS)
    assert "choose the method sampled" in str(raised.value)
    assert len(server.bodies) <= 7


def test_a_silent_model_has_no_tokens_and_is_no_error() -> None:
    with scripted(lambda body, number: chat("", finish="content_filter")) as server:
        reply = reply_to(server.base_url, TOKENS)
    assert (reply.tokens, reply.completions, reply.failure) == ((), (), None)


def test_the_likelihood_of_all_options_is_asked_for_in_one_call() -> None:
    with scripted(lambda body, number: echoing(body)) as server:
        reply = reply_to(server.base_url, LIKELIHOOD, endpoint="completions")
    assert reply.option_logprobs == (-1.5, -0.5, -2.5)
    assert (reply.prompt_tokens, reply.completion_tokens) == (21, 3)
    trial, _, body = server.bodies
    assert trial["prompt"] == f"{TRIAL} 1"
    assert body["prompt"] == [f"{PROMPT} {symbol}" for symbol in "123"]
    assert (body["echo"], body["logprobs"], body["max_tokens"]) == (True, 1, 1)


@pytest.mark.parametrize("says", ["refusal", "one"])
def test_a_server_that_takes_one_prompt_a_call_is_asked_option_by_option(says: str) -> None:
    def script(body: dict[str, Any], number: int) -> Response:
        prompt = body["prompt"]
        if isinstance(prompt, str):
            return echoing(body)
        return refusal(422, message="a string is wanted") if says == "refusal" else echo_of(prompt[:1])

    with scripted(script) as server:
        replies = list(model_at(server.base_url, endpoint="completions", concurrency=2).replies([LIKELIHOOD] * 3))
    assert [reply.option_logprobs for reply in replies] == [(-1.5, -0.5, -2.5)] * 3
    assert len(server.bodies) <= 3 * 3 + 2 + 2


def test_a_token_before_every_text_and_absent_counts_do_not_matter() -> None:
    with scripted(lambda body, number: echoing(body, begin="<s>", is_counted=False)) as server:
        reply = reply_to(server.base_url, LIKELIHOOD, endpoint="completions")
    assert reply.option_logprobs == (-1.5, -0.5, -2.5)
    assert reply.prompt_tokens is None


@pytest.mark.parametrize(
    ("tokens", "option", "expected"),
    [
        (["Answer", ":", " 10"], "10", 4.0),
        (["Answer", ":", " 1", "0"], "10", 12.0),
        (["Answer", ":", " ", "1", "0"], "10", 28.0),  # the blank before it is a part of what follows the prompt
        (["Answer", ":", "▁", "10"], "10", 12.0),
        (["Answer", ":", "", "10"], "10", 12.0),
        (["Answer", ":", "Ġ10"], "10", 4.0),
        (["Answer", ":", " Very", " import", "ant"], "Very important", 28.0),
        (["Answer", ": ", "10"], "10", 4.0),
    ],
)
def test_the_tokens_of_an_option_are_those_that_say_it(tokens: list[str], option: str, expected: float) -> None:
    values = [-float(2**i) for i in range(len(tokens))]
    choice = {"logprobs": {"tokens": [*tokens, "\n"], "token_logprobs": [None, *values[1:], -99.0]}}
    found = {read_option(choice, option, n_generated).logprob for n_generated in (None, 1)}
    assert found == {-expected}


def test_a_server_may_count_a_generated_token_and_not_list_it() -> None:
    choice = {"logprobs": {"tokens": ["Answer", ":", " 10"], "token_logprobs": [None, -1.0, -2.0]}}
    assert read_option(choice, "10", 1).logprob == -2.0


def test_a_generated_token_that_says_the_option_again_is_not_taken_for_it() -> None:
    choice = {"logprobs": {"tokens": ["A", ":", " 1", "1"], "token_logprobs": [None, -1.0, -2.0, -4.0]}}
    assert read_option(choice, "1", None) == Scored((" 1",), (-2.0,), -1.0)
    assert read_option(choice, "11", 0) == Scored((" 1", "1"), (-2.0, -4.0), -1.0)


@pytest.mark.parametrize(
    ("logprobs", "said"),
    [
        (None, "does not give back the log-probabilities of a prompt"),
        ({"tokens": ["\n"], "token_logprobs": [-0.1]}, "does not give back the log-probabilities of a prompt"),
        ({"tokens": ["Ans", "wer: 1", "\n"], "token_logprobs": [None, -1.0, -0.1]}, "tokens that lie across both"),
        ({"tokens": ["Answer:", " 7", "\n"], "token_logprobs": [None, -1.0, -0.1]}, "gives back another text"),
        ({"tokens": ["Answer:", " 1", "\n"], "token_logprobs": [None, None, -0.1]}, "gives no log-probabilities"),
    ],
)
def test_what_cannot_be_read_from_an_echo_is_an_error_not_a_guess(logprobs: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read_option({"text": "", "logprobs": logprobs}, "1", 1)


def test_an_endpoint_that_does_not_echo_stops_at_once() -> None:
    body = {"choices": [{"index": i, "text": "\n", "logprobs": None} for i in range(3)]}
    with (
        scripted(lambda sent, number: Response(body)) as server,
        pytest.raises(ModelError, match=r"m at http.*does not give back .*\(echo\).*choose token_probs"),
    ):
        reply_to(server.base_url, LIKELIHOOD, endpoint="completions")
    assert len(server.bodies) == 1


def test_an_endpoint_that_refuses_to_echo_stops_at_once() -> None:
    with (
        scripted(lambda body, number: refusal(400, message="echo is not supported", param="echo")) as server,
        pytest.raises(ModelError, match=r"takes no echo .*another method than option_likelihood"),
    ):
        reply_to(server.base_url, LIKELIHOOD, endpoint="completions")


def test_an_option_that_begins_another_is_meant_to_end() -> None:
    one, ten, two = (("1",), math.log(0.5)), (("1", "0"), math.log(0.2)), (("2",), math.log(0.3))
    assert [math.exp(logprob) for logprob in apart([one, ten, two])] == pytest.approx([0.3, 0.2, 0.3])
    hundred = (("1", "0", "0"), math.log(0.15))
    assert [math.exp(logprob) for logprob in apart([one, ten, hundred])] == pytest.approx([0.3, 0.05, 0.15])
    assert apart([one, (("1", "0"), math.log(0.5))])[0] == -math.inf


@pytest.fixture(params=[False, True], ids=["whole numbers", "digits"])
def ten_points(request: pytest.FixtureRequest) -> Iterator[HostedModel]:
    with mock_server(MockOptions(digit_splitting=request.param)) as server:
        yield HostedModel("mock-good", base_url=server.base_url, endpoint="completions")


def test_ten_is_as_likely_whatever_the_tokens_of_the_mock_server_are(ten_points: HostedModel) -> None:
    options = tuple(str(rating) for rating in range(1, 11))
    prompt = "How important is family?\n" + "\n".join(f"{symbol} = {symbol}" for symbol in options) + "\nAnswer:"
    request = replace(LIKELIHOOD, prompt=prompt, options=options)
    (reply,) = ten_points.replies([request])
    shares = [math.exp(logprob) for logprob in reply.option_logprobs]
    assert len(shares) == 10
    assert 0 < shares[9] < 1
    assert sum(shares) <= 1 + 1e-9
