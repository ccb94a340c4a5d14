"""The stand-in models read the question from the prompt alone; the mock server of the package serves them over HTTP."""

import http.client
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.elicitation.mock_prompts import SOMEBODY, choices, prompt_of
from tests.elicitation.replies import read_reply
from tests.support.mock_server import mock_server as faulty_server
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models._bodies import Endpoint
from worldvaluesbench.models.hosted._hosted import HostedModel
from worldvaluesbench.models.standin._opinions import Question, is_answer, opinion_of, read_prompt
from worldvaluesbench.models.standin._server import draw_option, mock_server
from worldvaluesbench.parsing._readout import Rating
from worldvaluesbench.parsing._shares import Distribution
from worldvaluesbench.prompts._options import LABELS, Labels, option_orders
from worldvaluesbench.prompts._request import Request, Sampling
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.prompts._template import Method, template_names
from worldvaluesbench.stats._distribution import wasserstein
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey._marginals import load_marginals

CODEBOOK = load_codebook()
PAPER = [name for name in template_names() if name.startswith("paper")]
EVERY_SHAPE = ["Q1", "Q7", "Q46", "Q48", "Q56", "Q106", "Q119", "Q216"]


def case_of(prompt: str) -> tuple[Question, tuple[str, ...]]:
    case = read_prompt(prompt)
    assert case is not None
    return case


def shares(model: str, item_id: str, codes: dict[str, int] | None, order: int = 0) -> dict[int, float]:
    """What a stand-in thinks, by rating."""
    case = case_of(prompt_of(item_id, codes=codes, order=order))
    return dict(zip(case[0].ratings.values(), opinion_of(model, *case, 0), strict=True))


@pytest.mark.parametrize("labels", LABELS)
def test_every_items_options_are_read_as_they_are_shown(labels: Labels) -> None:
    for item, order in itertools.product(CODEBOOK.items, (0, 1, 3)):
        if order >= len(option_orders(item.scale.n_points, 4)):
            continue
        question, _ = case_of(prompt_of(item.item_id, labels=labels, order=order))
        assert question.item == item
        assert list(question.ratings.items()) == [(c.symbol, c.rating) for c in choices(item.item_id, labels, order)]
        assert [is_answer(key) for key, _ in question.keys] == [False, True]


@pytest.mark.parametrize(("template", "form"), [("symbol", "symbol"), ("shares", "shares")])
@pytest.mark.parametrize("labels", LABELS)
def test_the_form_of_the_answer_is_read_too(template: str, form: str, labels: Labels) -> None:
    for item_id in EVERY_SHAPE:
        question, _ = case_of(prompt_of(item_id, template, labels=labels, order=1))
        assert (question.wants_shares, bool(question.keys)) == (form == "shares", form == "shares")
        assert list(question.ratings.values()) == [choice.rating for choice in choices(item_id, labels, 1)]


@pytest.mark.parametrize("template", PAPER)
def test_the_papers_prompts_are_read(template: str) -> None:
    for item_id in EVERY_SHAPE:
        question, facts = case_of(prompt_of(item_id, template))
        assert question.item is not None
        assert question.item.item_id == item_id
        assert list(question.ratings.values()) == list(question.item.scale.ratings)
        assert [key for key, _ in question.keys] == ["thoughtful explanation", "answer as a score"]
        assert len(facts) == (0 if template in ("paper-figure-9", "paper-figure-10") else 3)


def test_a_question_of_ones_own_is_answered_on_the_scale_that_it_names() -> None:
    question, facts = case_of("How happy are you, on a scale of 0 to 6?\nAnswer:")
    assert question.item is None
    assert list(question.ratings.values()) == list(range(7))
    assert opinion_of("mock-good", question, facts, 0) == pytest.approx([1 / 7] * 7)


def test_options_of_a_question_of_ones_own_are_read_from_their_lines() -> None:
    question, _ = case_of("Tea or coffee?\nA = Tea\nB = Coffee\nReply with A or B. Answer:")
    assert (question.ratings, question.keys) == ({"A": 1, "B": 2}, ())


def test_what_is_no_question_has_no_options() -> None:
    assert read_prompt("Good morning!") is None


def test_a_person_is_the_same_person_in_prose_and_in_a_list() -> None:
    prompts = [prompt_of("Q48", style=style) for style in ("list", "prose")]
    one, other = (opinion_of("mock-good", *case_of(prompt), 0) for prompt in prompts)
    assert one == pytest.approx(other)


def test_the_order_of_facts_and_options_changes_nothing_for_the_good_one() -> None:
    turned = dict(reversed(list(SOMEBODY.items())))
    assert shares("mock-good", "Q48", turned, order=1) == pytest.approx(shares("mock-good", "Q48", dict(SOMEBODY)))


def test_people_differ() -> None:
    countries = [country.code for country in CODEBOOK.countries][:20]
    means = [
        sum(rating * share for rating, share in shares("mock-good", "Q48", {"B_COUNTRY": code}).items())
        for code in countries
    ]
    assert max(means) - min(means) > 1


def test_where_nobody_is_shown_the_good_one_knows_the_world() -> None:
    marginals = load_marginals()
    distances: dict[str, list[float]] = {"mock-good": [], "mock-poor": [], "mock-first": []}
    for item_id, (model, found) in itertools.product(marginals.item_ids, distances.items()):
        counts = marginals.counts(item_id)
        answered = np.array([share for _, share in sorted(shares(model, item_id, None).items())])
        found.append(float(wasserstein(counts / counts.sum(), answered)))
    means = {model: sum(found) / len(found) for model, found in distances.items()}
    assert max(distances["mock-good"]) < 0.02
    assert means["mock-good"] < means["mock-first"] < means["mock-poor"]


def test_the_first_one_prefers_what_is_listed_first() -> None:
    as_is, reversed_ = (shares("mock-first", "Q48", None, order=order) for order in (0, 1))
    assert as_is[1] > 2 * reversed_[1]
    assert reversed_[10] > 2 * as_is[10]


def test_opinions_depend_on_the_seed() -> None:
    case = case_of(prompt_of("Q48"))
    one, other = (opinion_of("mock-good", *case, seed) for seed in (0, 1))
    assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 0.01


def test_temperature_sharpens_what_is_drawn() -> None:
    opinion = opinion_of("mock-good", *case_of(prompt_of("Q48", codes=None)), 0)
    mode = max(range(10), key=opinion.__getitem__)
    uniforms = [(place + 0.5) / 4000 for place in range(4000)]

    def share_of_mode(temperature: float) -> float:
        return sum(draw_option(opinion, temperature, uniform) == mode for uniform in uniforms) / len(uniforms)

    assert share_of_mode(1.0) == pytest.approx(opinion[mode], abs=0.001)
    assert share_of_mode(0.7) == share_of_mode(1.0)
    squared = [probability**2 for probability in opinion]
    assert share_of_mode(0.25) == pytest.approx(squared[mode] / math.fsum(squared), abs=0.001)
    assert share_of_mode(0.0001) == share_of_mode(0.0) == 1


def send(base_url: str, path: str, body: Mapping[str, Any] | bytes) -> tuple[int, Any]:
    """Status and JSON of the response to a POST."""
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=10)
    try:
        connection.request("POST", f"/v1/{path}", body if isinstance(body, bytes) else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_stand_in_says_what_the_mock_server_of_the_tests_says() -> None:
    templates = ["default", "shares", "symbol", "paper-figure-8"]
    with mock_server() as one, faulty_server() as other:
        for number, (item_id, template, labels) in enumerate(itertools.product(EVERY_SHAPE, templates, LABELS)):
            prompt = prompt_of(item_id, template, labels="digits" if template in PAPER else labels, order=0)
            body: dict[str, Any] = {"model": ["mock-good", "mock-poor", "mock-first"][number % 3], "n": 2}
            chat = body | {"messages": [{"role": "user", "content": prompt}], "temperature": 0.7, "max_tokens": 30}
            plain = body | {"prompt": prompt, "temperature": 0.0, "max_tokens": 512, "stop": ["\n\n"]}
            for path, asked in (
                ("chat/completions", chat),
                ("chat/completions", chat | {"seed": number}),
                ("completions", plain),
            ):
                (_, mine), (_, wanted) = send(one, path, asked), send(other.base_url, path, asked)
                texts = [
                    [(c.get("text", c.get("message", {}).get("content")), c["finish_reason"]) for c in each["choices"]]
                    for each in (mine, wanted)
                ]
                assert texts[0] == texts[1]
                assert mine["usage"] == wanted["usage"]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("method", ["greedy", "verbalised", "token_probs"])
@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_our_own_readers_read_the_opinion_over_http(labels: Labels, method: Method, endpoint: Endpoint) -> None:
    settings = make_settings(method=method, labels=labels)
    with mock_server() as base_url:
        model = HostedModel("mock-good", base_url, endpoint=endpoint)
        for item_id in ("Q1", "Q48", "Q7"):
            expected = shares("mock-good", item_id, dict(SOMEBODY))
            prompt = prompt_of(item_id, settings.template.name, labels=labels)
            symbols = tuple(choice.symbol for choice in choices(item_id, labels))
            sampling = Sampling(0.0, settings.max_tokens)
            [reply] = model.replies([Request("id", item_id, 0, prompt, method, symbols, sampling)])
            [reading] = read_reply(reply, CODEBOOK.item(item_id), settings)
            if method == "greedy":
                assert reading == Rating(max(expected, key=expected.__getitem__))
            else:
                assert isinstance(reading, Distribution), reading
                assert reading.probabilities == pytest.approx([expected[r] for r in sorted(expected)], abs=0.01)


def test_samples_follow_the_opinion_and_none_is_drawn_twice() -> None:
    prompt = prompt_of("Q48", "symbol", codes=None)
    expected = shares("mock-good", "Q48", None)
    with mock_server() as base_url:
        body = {"model": "mock-good", "messages": [{"role": "user", "content": prompt}], "n": 1000}
        found = [send(base_url, "chat/completions", body)[1]["choices"] for _ in range(3)]
    texts = [[choice["message"]["content"] for choice in choices] for choices in found]
    assert texts[0] != texts[1] != texts[2]
    counts = Counter(int(text) for each in texts for text in each)
    for rating, share in expected.items():
        assert counts[rating] / 3000 == pytest.approx(share, abs=0.035)


def test_what_the_stand_in_cannot_do_is_refused() -> None:
    asked = {"model": "mock-good", "prompt": prompt_of("Q1")}
    cases: list[tuple[str, dict[str, Any] | bytes, int, str]] = [
        ("completions", asked | {"model": "gpt"}, 404, "model_not_found"),
        ("completions", asked | {"echo": True}, 400, "unsupported_parameter"),
        ("completions", b"{", 400, "invalid_value"),
        ("completions", asked | {"n": "many"}, 400, "invalid_value"),
        ("completions", {"model": "mock-good"}, 400, "invalid_value"),
        ("embeddings", asked, 404, "unknown_url"),
    ]
    with mock_server() as base_url:
        for path, body, status, code in cases:
            found, error = send(base_url, path, body)
            assert (found, error["error"]["code"]) == (status, code)
            assert error["error"]["message"]


def test_a_port_in_use_is_told_in_one_line() -> None:
    with mock_server() as base_url:
        port = urlsplit(base_url).port
        assert port is not None
        with (
            pytest.raises(ModelError, match=r"cannot listen there \([^\n]+\); choose another port"),
            mock_server(port=port),
        ):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    program = "from worldvaluesbench.cli._mock import mock_server; mock_server()"
    command = [sys.executable, "-c", program, "--port", "0", "--models", "mine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        first = running.stdout.readline()
        found = re.search(r"(http://127\.0\.0\.1:(\d+))/v1 serves mine;", first)
        assert found is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(found[2]), timeout=10)
        body = {"model": "mine", "messages": [{"role": "user", "content": prompt_of("Q1")}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        assert connection.getresponse().status == 200
        os.kill(running.pid, number)
        rest, errors = running.communicate(timeout=20)
        connection.close()
    assert rest == "Mock server: stopped.\n"
    assert (running.returncode, errors) == (0, "")
