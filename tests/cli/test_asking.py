"""The options of commands that ask: one that would do nothing is refused before anything is read or sent."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import Capture, run
from tests.elicitation.scripted import Response, scripted
from worldvaluesbench.asking._journal import open_journal
from worldvaluesbench.asking._run import load_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.prompts._request import Completion, Reply


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--local", "--rpm", "60"), "--rpm is of an endpoint, and --local asks none; see"),
        (("--local", "--base-url", "http://localhost:8000/v1"), "--base-url is of an endpoint"),
        (("--device", "cpu"), "--device is of local weights; give --local to run them; see"),
        (("--prompt-format", "plain"), "--prompt-format is of local weights; give --local to run them; see"),
        (("--chat-template-kwargs", "enable_thinking=false"), "expected a JSON object such as"),
        (("--chat-template-kwargs", '["enable_thinking"]'), "expected a JSON object such as"),
        (("--chat-template-kwargs", '{"depth": NaN}'), "expected a JSON object such as"),
        (("--chat-template-kwargs", '{"depth": 1e999}'), "expected a JSON object such as"),
        (("--chat-template-kwargs", '{"depth": "\\ud800"}'), "expected a JSON object such as"),
        (("--chat-template-kwargs", "[" * 100_000), "expected a JSON object such as"),
    ],
)
def test_an_option_of_the_other_kind_of_model_is_refused(
    capsys: Capture, tmp_path: Path, given: tuple[str, ...], message: str
) -> None:
    assert run("ask", tmp_path, "--split", "test", "--out", tmp_path / "run", "--model", "m", *given) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (("--begin-only", "--budget", "5", "--price-in", "1"), 2, "--begin-only sends nothing, so it has no --bud"),
        (("--base-url", ""), 1, "The base URL is not an address"),
        (("--stop", ""), 1, "A stop is an empty text"),
        (("--seed", "-1"), 1, "The seed is -1; expected 0 to"),
        (("--attributes", "none", "--style", "prose"), 1, "The style is prose, but no persona is shown"),
        (("--method", "option_likelihood"), 1, "cannot answer by option_likelihood, only by greedy"),
        (
            ("--endpoint", "completions", "--chat-template-kwargs", '{"a": 1}'),
            1,
            "Plain completions go through no chat",
        ),
        (
            ("--local", "--prompt-format", "plain", "--chat-template-kwargs", '{"a": 1}'),
            1,
            "Plain prompts go through no chat",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_printed_or_made(
    capsys: Capture, tmp_path: Path, paper: Dataset, given: tuple[str, ...], code: int, message: str
) -> None:
    assert run("ask", paper.folder, "--split", "test", "--out", tmp_path / "run", "--model", "m", *given) == code
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert not (tmp_path / "run").exists()


def test_a_run_without_answers_is_begun_anew_and_one_with_answers_is_refused_before_the_plan_is_printed(
    capsys: Capture, tmp_path: Path, paper: Dataset
) -> None:
    folder = tmp_path / "run"
    command = ("ask", paper.folder, "--split", "test", "--items", "Q1", "--out", folder, "--begin-only")
    assert run(*command, "--model", "mistyped") == 0
    assert "begun anew" not in capsys.readouterr().out
    assert run(*command, "--model", "right") == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "begun anew" in line]
    assert len(told) == 1
    assert "model.model: 'mistyped' before, 'right' now" in told[0]
    request = next(load_run(folder).requests())
    with open_journal(folder) as journal:
        journal.write(Reply(request, (Completion("1", "stop"),)))
    assert run(*command, "--model", "other") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "holds a run with other settings; go on with those" in said.err
    assert "model.model: 'right' before, 'other' now" in said.err


@pytest.mark.parametrize(
    ("reported", "said"),
    [
        (lambda number: True, None),
        (
            lambda number: number > 0,
            r"cost at most [0-9.]+, .*No usage reported for 1 of 10 completions: the cost takes",
        ),
        (lambda number: False, r"cost at most [0-9.]+, .*No usage reported for 10 of 10 completions: the cost takes"),
    ],
)
def test_a_cost_without_usage_is_shown_as_the_bound_it_is(
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    paper: Dataset,
    reported: Callable[[int], bool],
    said: str | None,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rows = paper.examples("test", ["Q1"]).select("item_id", "respondent_id").head(10).collect()
    rows.write_csv(tmp_path / "examples.csv")

    def script(body: dict[str, Any], number: int) -> Response:
        usage = {"usage": {"prompt_tokens": 10, "completion_tokens": 1}} if reported(number) else {}
        choice = {"index": 0, "message": {"role": "assistant", "content": "2"}, "finish_reason": "stop"}
        return Response({"choices": [choice], **usage})

    with scripted(script) as server:
        command = (
            "ask",
            paper.folder,
            "--examples",
            tmp_path / "examples.csv",
            "--out",
            tmp_path / "run",
            "--model",
            "m",
        )
        shown = ("--attributes", "B_COUNTRY,Q260,Q262,Q275,Q279,Q288")
        prices = ("--price-in", "1", "--price-out", "2", "--base-url", server.base_url)
        assert run(*command, *shown, *prices) == 0
    out = capsys.readouterr()
    told = " ".join(out.out.split())
    if said is None:
        assert re.search(r"cost 0\.[0-9]+, ", told)
        assert "No usage" not in told
        assert "at most" not in out.err
    else:
        assert re.search(said, told), told
        assert re.search("spent at most", out.err)


def test_ctrl_c_anywhere_ends_with_130_and_one_line(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("worldvaluesbench.cli._ask.load_dataset", interrupted)
    assert run("ask", tmp_path, "--split", "test", "--out", tmp_path / "run", "--model", "m") == 130
    assert capsys.readouterr().err.strip() == "wvb: interrupted."
