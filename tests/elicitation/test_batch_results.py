"""Result files and response bodies: what is read of them, what is said of damaged ones, and what is never repeated."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from worldvaluesbench.asking.batch._import import Result, read_results
from worldvaluesbench.errors import ModelError, RunError
from worldvaluesbench.models._bodies import chat_body, completion_body, echo_body, seed_of
from worldvaluesbench.models._returned import NO_LOGPROBS, error_code, read_response
from worldvaluesbench.prompts._request import Completion, Reply, Request, Sampling

SECRET = "a person from Chile"


def request_of(method: Any = "sampled", n: int = 1, sampling: Sampling | None = None, **others: Any) -> Request:
    return Request("0" * 16, "Q1", 0, SECRET, method, ("1", "2", "10"), sampling or Sampling(0.7), n, **others)


def ok(custom_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": "r", "custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None}


def chat(*texts: str | None, finish: str = "stop") -> dict[str, Any]:
    choices = [
        {"index": place, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        for place, text in enumerate(texts)
    ]
    return {"choices": choices, "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def lines(path: Path, *results: Mapping[str, Any] | str) -> Path:
    texts = [result if isinstance(result, str) else json.dumps(result) + "\n" for result in results]
    path.write_text("".join(texts), encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RunError) as caught:
        list(read_results(path))
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_a_result_is_its_id_and_its_body(tmp_path: Path) -> None:
    path = lines(tmp_path / "out.jsonl", ok("a", chat("1")), "\n", ok("b", chat("2")))
    assert list(read_results(path)) == [Result(1, "a", chat("1"), None), Result(3, "b", chat("2"), None)]


def failed(status: int, body: object, error: object = None) -> dict[str, Any]:
    return {"response": {"status_code": status, "body": body}, "error": error}


FILTERED = {"error": {"code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (failed(429, {"error": {"code": "rate_limit_exceeded"}}), "rate_limit_exceeded"),
        (failed(500, {"error": {"message": SECRET, "type": "server_error"}}), "server_error"),
        (failed(503, None), "http_503"),
        (failed(400, {"error": {"code": SECRET, "type": SECRET}}), "http_400"),
        (failed(400, SECRET), "http_400"),
        (failed(400, None, {"object": "error", "type": "BadRequest"}), "BadRequest"),
        (failed(400, FILTERED), "content_filter"),
        ({"response": None, "error": {"code": "batch_expired", "message": SECRET}}, "batch_expired"),
        ({"response": None, "error": SECRET}, "no_response"),
    ],
)
def test_a_failure_is_known_by_its_code_and_never_by_its_message(
    line: Mapping[str, Any], code: str, tmp_path: Path
) -> None:
    (result,) = read_results(lines(tmp_path / "errors.jsonl", {"custom_id": "a", **line}))
    assert result == Result(1, "a", None, code)


def test_gzip_is_found_out_by_its_bytes(tmp_path: Path) -> None:
    plain = lines(tmp_path / "plain.jsonl", ok("a", chat("1")), ok("b", chat("2")))
    (tmp_path / "packed").write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_results(tmp_path / "packed")) == list(read_results(plain))


def test_a_download_that_breaks_off_ends_with_none(tmp_path: Path) -> None:
    whole = lines(tmp_path / "out.jsonl", ok("a", chat("1")), ok("b", chat("2"))).read_bytes()
    for cut in (len(whole) - 2, len(whole) - 40, whole.index(b"\n") + 2):
        (tmp_path / "cut.jsonl").write_bytes(whole[:cut])
        first, torn = read_results(tmp_path / "cut.jsonl")
        assert first is not None
        assert (first.custom_id, torn) == ("a", None)
    (tmp_path / "cut.jsonl").write_bytes(whole[:-1])
    assert [result.custom_id for result in read_results(tmp_path / "cut.jsonl") if result] == ["a", "b"]


def test_a_gzip_that_breaks_off_ends_with_none(tmp_path: Path) -> None:
    text = "".join(json.dumps(ok(f"{place}", chat(f"{place * 7919}"))) + "\n" for place in range(2_000))
    packed = gzip.compress(text.encode())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    *whole, torn = read_results(tmp_path / "cut.gz")
    assert torn is None
    assert len(whole) > 100
    assert all(whole)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{\n", "line 2: is not a JSON object; expected a result"),
        ("[1]\n", "line 2: is not a JSON object"),
        ('{"response": null}\n', "line 2: has no custom_id; expected the result of a line"),
        ('{"custom_id": 4}\n', "line 2: has no custom_id"),
        ('{"custom_id": "a"}\n', "line 2: has neither a response nor an error"),
        ('{"custom_id": "a", "response": {"status_code": 200}}\n', "line 2: its response has no body"),
        ('{"custom_id": "a", "method": "POST", "body": {}}\n', "line 2: is a request, not a result; give the files"),
    ],
)
def test_a_malformed_line_is_named_with_its_file_and_number(bad: str, message: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "out.jsonl", ok("a", chat(SECRET)), bad, ok("b", chat("2")))
    assert f"out.jsonl {message}" in refusal(path)


def test_files_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "absent.jsonl")
    assert "cannot be read (Is a directory)" in refusal(tmp_path)
    packed = bytearray(gzip.compress(json.dumps(ok("a", chat("1"))).encode() + b"\n"))
    packed[-8] ^= 0xFF  # the checksum of its content
    (tmp_path / "bad.gz").write_bytes(packed)
    assert "is damaged inside its gzip" in refusal(tmp_path / "bad.gz")


def test_completions_are_numbered_by_their_index_and_no_more_than_were_asked_for() -> None:
    body = chat("first", "second", "third")
    body["choices"].reverse()
    request = request_of(n=2)
    done = Completion("first", "stop"), Completion("second", "stop")
    assert read_response(body, request) == Reply(request, done, (), (), 7, 3)


def test_a_choice_without_content_is_empty_or_its_refusal() -> None:
    assert read_response(chat(None), request_of()).completions[0].text == ""
    body = chat(None)
    body["choices"][0]["message"]["refusal"] = "I will not."
    assert read_response(body, request_of()).completions[0].text == "I will not."
    plain = {"choices": [{"index": 0, "text": " 4", "finish_reason": "length"}]}
    assert read_response(plain, request_of()) == Reply(request_of(), (Completion(" 4", "length"),))


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": ["x"]}, {"choices": [{"message": "x"}]}])
def test_a_body_that_is_no_completion_is_refused(body: Mapping[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"expected a chat completion or a completion\.$"):
        read_response(body, request_of())


def test_token_log_probabilities_are_read_in_both_shapes() -> None:
    tops = [{"token": " 4", "logprob": -0.5}, {"token": "4", "logprob": -1.5}]
    entry = {"token": " 4", "logprob": -0.5, "bytes": None, "top_logprobs": tops}
    chat_choice = {"index": 0, "message": {"content": " 4"}, "logprobs": {"content": [entry] * 5}}
    plain_logprobs = {
        "tokens": [" 4"] * 5,
        "token_logprobs": [-0.5] * 5,
        "top_logprobs": [{" 4": -0.5, "4": -1.5}] * 5,
        "text_offset": [0, 2, 4, 6, 8],
    }
    plain_choice = {"index": 0, "text": " 4", "logprobs": plain_logprobs}
    request = request_of("token_probs")
    replies = [read_response({"choices": [choice]}, request) for choice in (chat_choice, plain_choice)]
    assert replies[0] == replies[1]
    assert [token.token for token in replies[0].tokens] == [" 4"] * 3
    assert dict(replies[0].tokens[0].top) == {" 4": -0.5, "4": -1.5}


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"tokens": []}])
def test_a_response_without_log_probabilities_is_a_failure(logprobs: object) -> None:
    body = {"choices": [{"index": 0, "message": {"content": "4"}, "logprobs": logprobs}]}
    assert read_response(body, request_of("token_probs")).failure == NO_LOGPROBS


def test_an_error_code_is_one_short_word() -> None:
    assert error_code({"error": {"code": "x" * 61, "type": "invalid_request_error"}}) == "invalid_request_error"
    assert error_code({"code": "context_length_exceeded"}) == "context_length_exceeded"
    assert error_code({"error": {"code": 400}}) is None
    assert error_code(SECRET) is None


def test_a_body_sends_what_is_set_and_nothing_else() -> None:
    bare = request_of(sampling=Sampling(None))
    assert chat_body(bare, "m") == {"model": "m", "messages": [{"role": "user", "content": SECRET}]}
    full = request_of(n=4, sampling=Sampling(0.0, 50, ("\n\n",), 3), first_sample=8, schema={"type": "object"})
    drawn = {"temperature": 0.0, "max_tokens": 50, "stop": ["\n\n"], "seed": seed_of(full), "n": 4}
    held = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}}}
    assert completion_body(full, "m") == {"model": "m", "prompt": SECRET, **drawn, "response_format": held}
    reasoning = chat_body(full, "m", is_reasoning=True)
    assert (reasoning["max_completion_tokens"], reasoning["temperature"]) == (50, 0.0)
    assert "max_tokens" not in reasoning


def test_log_probabilities_are_asked_for_in_the_words_of_each_endpoint() -> None:
    request = request_of("token_probs", sampling=Sampling(0.0, 3))
    asked = chat_body(request, "m", top_logprobs=5)
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 5)
    assert completion_body(request, "m", top_logprobs=5)["logprobs"] == 5
    echo = echo_body(request_of("option_likelihood"), "m", 2)
    assert (echo["prompt"], echo["echo"], echo["max_tokens"]) == (f"{SECRET} 10", True, 1)


def test_no_two_samples_or_attempts_share_a_seed() -> None:
    sampling = Sampling(0.7, seed=5)
    requests = [
        request_of(sampling=sampling, first_sample=sample, attempt=attempt)
        for sample in range(230)
        for attempt in range(3)
    ]
    assert len({seed_of(request) for request in requests}) == len(requests)
    assert seed_of(request_of()) is None


def test_a_line_without_an_end_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(bytes(64 * 2**20)))
    assert "has a line of more than 16 MiB; expected a result of a batch in each line" in refusal(path)


@pytest.mark.parametrize("status", ["\x1b[31m", None, {}, 10**40])
def test_an_odd_status_is_told_as_one_word(status: object, tmp_path: Path) -> None:
    path = lines(tmp_path / "out.jsonl", {"custom_id": "a", "response": {"status_code": status, "body": None}})
    (result,) = read_results(path)
    assert result is not None
    assert result.failure is not None
    assert result.failure.isprintable()
    assert len(result.failure) <= 20
