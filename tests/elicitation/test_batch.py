"""A run asked by files: what is exported, what comes back in any order and state, and what is never paid for twice."""

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from tests.elicitation.runs import digit_of, small_plan
from worldvaluesbench._io._folder import check_files
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._journal import open_journal, read_journal
from worldvaluesbench.asking._run import Run, begin_run, load_run
from worldvaluesbench.asking.batch._export import BatchLimits, BatchModel, batch_model_of, export_batch, parse_custom_id
from worldvaluesbench.asking.batch._import import BatchImport, import_batch
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli._batch import batch
from worldvaluesbench.errors import FolderError, ModelError, RunError
from worldvaluesbench.models._bodies import Endpoint, chat_body
from worldvaluesbench.models._model import FunctionModel

MODEL = BatchModel("some-model")
OTHER: Any = "audio"
Line = dict[str, Any]
Service = Callable[[Line], Line]


@pytest.fixture
def run(paper: Dataset, tmp_path: Path) -> Run:
    """A run of 20 examples of each of two items, three completions of each prompt."""
    return begin(paper, tmp_path, method="sampled", n=3)


def begin(paper: Dataset, folder: Path, model: BatchModel = MODEL, name: str = "run", **given: Any) -> Run:
    return begin_run(small_plan(paper, folder, **given), model, folder / name)


def lines_of(paths: Iterable[Path]) -> list[Line]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def asked_again(run: Run, folder: Path, **limits: int) -> list[Line]:
    """What an export of the run holds now."""
    model = batch_model_of(run)
    return lines_of(export_batch(run, folder, model, limits=BatchLimits(**limits), force=True).paths)


def answered(line: Line, text: str | None = None) -> Line:
    """The result of a line: as many completions as it asks for, each a digit that its prompt decides."""
    body = line["body"]
    said = text if text is not None else str(digit_of(body["messages"][0]["content"]))
    choices = [
        {"index": place, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        for place in range(body.get("n", 1))
    ]
    response = {"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 2}}
    return result(line, 200, response)


def result(line: Line, status: int, body: Mapping[str, Any], error: object = None) -> Line:
    return {"custom_id": line["custom_id"], "response": {"status_code": status, "body": body}, "error": error}


def refused(line: Line, code: str) -> Line:
    return result(line, 400, {"error": {"code": code, "message": str(line)}})


def results(folder: Path, lines: Iterable[Line], name: str = "results.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def samples_of(run: Run) -> list[tuple[str, int, int]]:
    return [(line.request_id, line.sample, line.attempt) for line in read_journal(run.folder)]


def counts(done: BatchImport) -> tuple[int, int, int, int]:
    return done.n_new, done.n_known, done.n_unknown, done.n_missing


def test_every_missing_completion_is_asked_for_once(run: Run, tmp_path: Path) -> None:
    written = export_batch(run, tmp_path / "out", MODEL)
    lines = lines_of(written.paths)
    assert (written.n_lines, written.n_completions) == (run.n_requests, run.n_completions)
    ids = [line["custom_id"] for line in lines]
    assert len(set(ids)) == len(ids) == run.n_requests
    assert max(map(len, ids)) <= 64
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    by_id = {request.request_id: request for request in run.requests()}
    for line in lines:
        named = parse_custom_id(line["custom_id"])
        assert named is not None
        assert str(named) == line["custom_id"]
        assert line["body"] == chat_body(by_id[named.request_id], "some-model")
    assert check_files(tmp_path / "out", "batch")["n_completions"] == run.n_completions


def test_a_run_asked_by_files_equals_one_asked_one_by_one(run: Run, paper: Dataset, tmp_path: Path) -> None:
    lines = asked_again(run, tmp_path / "out")
    done = import_batch(run, [results(tmp_path, map(answered, lines))])
    assert done.is_finished
    assert counts(done) == (run.n_completions, 0, 0, 0)
    model = FunctionModel("some-model", complete=lambda prompt, sampling: str(digit_of(prompt)))
    other = begin_run(small_plan(paper, tmp_path, method="sampled", n=3), model, tmp_path / "other")
    assert ask(other, model).is_finished
    theirs, ours = (pl.read_parquet(folder / "answers.parquet") for folder in (other.folder, run.folder))
    assert ours.equals(theirs, null_equal=True)
    manifest = check_files(run.folder, "run")
    assert manifest["prompt_tokens"] == 10 * run.n_requests
    assert manifest["completion_tokens"] == 2 * run.n_requests


def test_results_count_once_in_any_order_and_however_often_they_come(run: Run, tmp_path: Path) -> None:
    whole = [answered(line) for line in asked_again(run, tmp_path / "out")]
    random.Random(1).shuffle(whole)
    half = len(whole) // 2
    first, second = results(tmp_path, whole[:half], "1"), results(tmp_path, whole[half - 3 :] + whole[:5], "2")
    assert counts(import_batch(run, [first])) == (3 * half, 0, 0, run.n_completions - 3 * half)
    assert counts(import_batch(run, [first])) == (0, 3 * half, 0, run.n_completions - 3 * half)
    left = run.n_completions - 3 * half
    assert counts(import_batch(run, [first, second, second])) == (left, 3 * half + 24 + left + 24, 0, 0)
    assert len(samples_of(run)) == len(set(samples_of(run))) == run.n_completions
    assert counts(import_batch(load_run(run.folder), [second])) == (0, left + 24, 0, 0)


def test_what_failed_is_counted_by_code_and_exported_again(run: Run, tmp_path: Path) -> None:
    lines = asked_again(run, tmp_path / "out")
    expired = {"custom_id": lines[2]["custom_id"], "response": None, "error": {"code": "batch_expired"}}
    output = results(tmp_path, [answered(line) for line in lines[3:]], "output")
    errors = results(
        tmp_path, [refused(lines[0], "server_error"), refused(lines[1], "server_error"), expired], "errors"
    )
    done = import_batch(run, [errors, output])
    assert done.failed == {"server_error": 2, "batch_expired": 1}
    assert (done.n_missing, done.n_requests_missing, done.is_finished) == (9, 3, False)
    again = asked_again(run, tmp_path / "again")
    assert again == lines[:3]
    # an old error file beside the results of its second try fails nothing
    done = import_batch(run, [results(tmp_path, map(answered, again), "second"), errors])
    assert (done.failed, done.is_finished) == ({}, True)


def test_fewer_completions_than_asked_for_leave_the_others_missing(run: Run, tmp_path: Path) -> None:
    lines = asked_again(run, tmp_path / "out")
    short = [answered(line) for line in lines]
    for line in short[:2]:
        del line["response"]["body"]["choices"][1:]
    assert import_batch(run, [results(tmp_path, short)]).n_missing == 4
    again = asked_again(run, tmp_path / "again")
    assert [line["body"]["n"] for line in again] == [2, 2]
    assert [line["custom_id"][:26] for line in again] == [line["custom_id"][:26] for line in lines[:2]]
    # the whole line once more fills what is missing, and no more
    done = import_batch(run, [results(tmp_path, map(answered, lines))])
    assert counts(done) == (4, run.n_completions - 4, 0, 0)


def test_lines_of_other_runs_and_of_nothing_are_passed_over(run: Run, paper: Dataset, tmp_path: Path) -> None:
    # the same prompts asked of another model: its answers are not this model's
    other = begin(paper, tmp_path, BatchModel("another"), "other", method="sampled", n=3)
    foreign = [answered(line) for line in asked_again(other, tmp_path / "theirs")]
    ours = asked_again(run, tmp_path / "out")[0]
    ids = ("", "request-1", ours["custom_id"][:-1] + "9", ours["custom_id"].replace("-s0-n3", "-o0"))
    foreign += [answered(ours | {"custom_id": custom_id}) for custom_id in ids]
    done = import_batch(run, [results(tmp_path, foreign)])
    assert counts(done) == (0, 0, len(foreign), run.n_completions)


def test_nothing_of_a_malformed_file_is_journalled(run: Run, tmp_path: Path) -> None:
    lines = [answered(line) for line in asked_again(run, tmp_path / "out")]
    good, bad = results(tmp_path, lines[:3], "good"), results(tmp_path, lines[3:], "bad")
    bad.write_text(bad.read_text(encoding="utf-8") + "{\n{}\n", encoding="utf-8")
    with pytest.raises(RunError, match=rf"bad line {len(lines) - 2}: is not a JSON object"):
        import_batch(run, [good, bad])
    assert len(samples_of(run)) == 9
    lines[5]["response"]["body"]["choices"] = None
    with pytest.raises(RunError, match=r"worse line 6: the response has no choices"):
        import_batch(run, [results(tmp_path, lines, "worse")])
    assert len(samples_of(run)) == 9


def test_a_torn_download_is_told_and_the_rest_of_it_kept(run: Run, tmp_path: Path) -> None:
    path = results(tmp_path, map(answered, asked_again(run, tmp_path / "out")))
    path.write_bytes(path.read_bytes()[:-30])
    done = import_batch(run, [path])
    assert done.torn == ("results.jsonl",)
    assert (done.n_new, done.n_missing) == (run.n_completions - 3, 3)


def test_a_filtered_prompt_is_an_outcome_not_a_failure(run: Run, tmp_path: Path) -> None:
    first, *rest = asked_again(run, tmp_path / "out")
    done = import_batch(run, [results(tmp_path, [refused(first, "content_filter"), *map(answered, rest)])])
    assert (done.unparsed, done.failed, done.is_finished) == ({"filtered": 3}, {}, True)


def test_unparsed_samples_are_exported_again_as_often_as_the_settings_say(paper: Dataset, tmp_path: Path) -> None:
    run = begin(paper, tmp_path, method="sampled", n=3, retry_unparsed=1)
    first, *rest = asked_again(run, tmp_path / "out")
    done = import_batch(run, [results(tmp_path, [answered(first, "no idea"), *map(answered, rest)])])
    assert (done.n_missing, done.unparsed, done.is_finished) == (3, {"no_number": 3}, False)
    (again,) = asked_again(run, tmp_path / "again")
    assert again["custom_id"] == first["custom_id"].replace("-a0-", "-a1-")
    assert import_batch(run, [results(tmp_path, [answered(again, "none")])]).is_finished
    assert {attempt for _, _, attempt in samples_of(run)} == {0, 1}


def test_files_are_split_by_count_and_by_size(run: Run, tmp_path: Path) -> None:
    whole = asked_again(run, tmp_path / "whole")
    by_count = export_batch(run, tmp_path / "count", MODEL, limits=BatchLimits(max_requests=7)).paths
    sizes = [len(lines_of([path])) for path in by_count]
    assert sizes == [7] * (run.n_requests // 7) + [run.n_requests % 7] * (run.n_requests % 7 > 0)
    most = 5_000
    by_size = export_batch(run, tmp_path / "size", MODEL, limits=BatchLimits(max_bytes=most)).paths
    assert max(path.stat().st_size for path in by_size) <= most
    assert len(by_size) > 2
    assert lines_of(by_count) == lines_of(by_size) == whole
    assert [path.name for path in by_size[:2]] == ["requests-0001.jsonl", "requests-0002.jsonl"]


def test_completions_can_be_asked_for_one_a_line(run: Run, tmp_path: Path) -> None:
    lines = asked_again(run, tmp_path / "out", max_n=1)
    assert len(lines) == run.n_completions
    assert not any("n" in line["body"] for line in lines)
    assert import_batch(run, [results(tmp_path, map(answered, lines))]).is_finished


def test_option_likelihood_asks_each_option_and_keeps_a_requests_lines_together(paper: Dataset, tmp_path: Path) -> None:
    model = BatchModel("some-model", "completions")
    run = begin(paper, tmp_path, model, method="option_likelihood")
    written = export_batch(run, tmp_path / "out", model, limits=BatchLimits(max_requests=17))
    of_files = [{line["custom_id"][:25] for line in lines_of([path])} for path in written.paths]
    assert sum(map(len, of_files)) == len(set().union(*of_files)) == run.n_requests
    lines = lines_of(written.paths)
    n_options = sum(len(request.options) for request in run.requests())
    assert (len(lines), written.n_completions) == (n_options, run.n_requests)
    mixed = [likely(line) for line in lines]
    random.Random(2).shuffle(mixed)
    broken, *whole = mixed
    done = import_batch(run, [results(tmp_path, whole, "1"), results(tmp_path, [refused(broken, "server_error")], "2")])
    assert (done.failed, done.n_missing) == ({"server_error": 1}, 1)
    assert import_batch(run, [results(tmp_path, mixed, "3")]).is_finished
    table = pl.read_parquet(run.folder / "answers.parquet")
    shares = table.filter(pl.col("item_id") == "Q48")["probabilities"].to_list()
    assert shares
    assert all(given == pytest.approx([0.1] * 10) for given in shares)


def likely(line: Line) -> Line:
    """The result of an echo: 2 to 9 have probability 0.1; 0.2 begins with 1, and half of that goes on to 10."""
    body = line["body"]
    prompt, option = body["prompt"].rsplit(" ", 1)
    tokens = ["<s>", prompt, f" {option[0]}", *option[1:], "!"]
    values = [None, -50.0, *map(math.log, [0.2 if option[0] == "1" else 0.1, 0.5][: len(option)]), -50.0]
    logprobs = {"tokens": tokens, "token_logprobs": values, "text_offset": [0] * len(tokens)}
    choice = {"index": 0, "text": body["prompt"] + "!", "logprobs": logprobs, "finish_reason": "length"}
    return result(line, 200, {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 1}})


def test_token_probabilities_come_back_by_either_endpoint(paper: Dataset, tmp_path: Path) -> None:
    tables = []
    endpoints: list[tuple[Endpoint, Service]] = [("chat", probable_chat), ("completions", probable_text)]
    for endpoint, service in endpoints:
        model = BatchModel("some-model", endpoint)
        run = begin(paper, tmp_path, model, endpoint, method="token_probs")
        lines = asked_again(run, tmp_path / "out")
        assert import_batch(run, [results(tmp_path, map(service, lines))]).is_finished
        tables.append(pl.read_parquet(run.folder / "answers.parquet").drop("request_id"))
    assert tables[0].equals(tables[1], null_equal=True)
    first = tables[0].filter(pl.col("item_id") == "Q1").row(0, named=True)
    assert first["probabilities"] == pytest.approx([0.5, 0.25, 0.25, 0.0], abs=1e-6)


TOP = {"1": -0.6931471805599453, "2": -1.3862943611198906, "3": -1.3862943611198906}


def probable_chat(line: Line) -> Line:
    tops = [{"token": token, "logprob": logprob} for token, logprob in TOP.items()]
    entry = {"token": "1", "logprob": TOP["1"], "top_logprobs": tops}
    choice = {"index": 0, "message": {"content": "1"}, "logprobs": {"content": [entry]}, "finish_reason": "stop"}
    return result(line, 200, {"choices": [choice]})


def probable_text(line: Line) -> Line:
    logprobs = {"tokens": ["1"], "token_logprobs": [TOP["1"]], "top_logprobs": [TOP], "text_offset": [0]}
    return result(line, 200, {"choices": [{"index": 0, "text": "1", "logprobs": logprobs}]})


def test_a_response_without_log_probabilities_is_told_and_still_missing(paper: Dataset, tmp_path: Path) -> None:
    run = begin(paper, tmp_path, method="token_probs")
    lines = asked_again(run, tmp_path / "out")
    done = import_batch(run, [results(tmp_path, map(answered, lines))])
    assert done.failed == {"no_logprobs": len(lines)}
    assert done.n_missing == run.n_requests


def test_a_filtered_answer_of_token_probs_is_unparsed_and_not_missing_for_ever(paper: Dataset, tmp_path: Path) -> None:
    run = begin(paper, tmp_path, method="token_probs")
    choice = {"index": 0, "message": {"content": None}, "logprobs": None, "finish_reason": "content_filter"}
    lines = asked_again(run, tmp_path / "out")
    filtered = [result(line, 200, {"choices": [choice]}) for line in lines]
    done = import_batch(run, [results(tmp_path, filtered)])
    assert done.is_finished
    assert done.unparsed == {"no_probabilities": len(lines)}


def test_the_one_token_that_was_said_is_no_distribution(paper: Dataset, tmp_path: Path) -> None:
    run = begin(paper, tmp_path, method="token_probs")
    entry = {"token": "1", "logprob": TOP["1"], "top_logprobs": []}
    choice = {"index": 0, "message": {"content": "1"}, "logprobs": {"content": [entry]}, "finish_reason": "stop"}
    lines = asked_again(run, tmp_path / "out")
    done = import_batch(run, [results(tmp_path, [result(line, 200, {"choices": [choice]}) for line in lines])])
    assert done.failed == {"no_logprobs": len(lines)}


def test_option_likelihood_is_not_exported_to_chat(paper: Dataset, tmp_path: Path) -> None:
    run = begin(paper, tmp_path, method="option_likelihood")
    with pytest.raises(ModelError, match="needs an endpoint that echoes prompts"):
        export_batch(run, tmp_path / "out", MODEL)
    assert not (tmp_path / "out").exists()


def test_an_export_is_whole_or_absent_and_replaces_only_its_like(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"One request needs 1 lines and [\d,]+ bytes, but a file may have"):
        export_batch(run, tmp_path / "out", MODEL, limits=BatchLimits(max_bytes=300))
    assert not (tmp_path / "out").exists()
    export_batch(run, tmp_path / "out", MODEL)
    with pytest.raises(FolderError, match="is not empty"):
        export_batch(run, tmp_path / "out", MODEL)
    import_batch(run, [results(tmp_path, map(answered, asked_again(run, tmp_path / "out")))])
    before = {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()}
    with pytest.raises(RunError, match="nothing is missing, so there is nothing to export"):
        export_batch(run, tmp_path / "out", MODEL, force=True)
    assert {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()} == before


def test_neither_goes_on_while_another_process_asks(run: Run, tmp_path: Path) -> None:
    path = results(tmp_path, map(answered, asked_again(run, tmp_path / "out")))
    with open_journal(run.folder):
        with pytest.raises(RunError, match="another process is writing to this run"):
            export_batch(run, tmp_path / "again", MODEL)
        with pytest.raises(RunError, match="another process is writing to this run"):
            import_batch(run, [path])


def test_a_model_of_another_kind_is_not_exported(paper: Dataset, tmp_path: Path) -> None:
    model = FunctionModel("mine", complete=lambda prompt, sampling: "1")
    run = begin_run(small_plan(paper, tmp_path), model, tmp_path / "run")
    with pytest.raises(ModelError, match="was begun with a model of kind function"):
        batch_model_of(run)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BatchModel(" "), "needs the model's name"),
        (lambda: BatchModel("m", OTHER), "There is no endpoint 'audio'; there are chat, completions"),
        (lambda: BatchLimits(max_n=0), "A limit of a batch is 0; expected 1 or more"),
    ],
)
def test_models_and_limits_that_cannot_be_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises((ModelError, RunError), match=message):
        make()


def call(*arguments: object) -> str:
    done = CliRunner().invoke(batch, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_commands_say_what_was_written_what_came_and_what_is_missing(run: Run, tmp_path: Path) -> None:
    shown = call("export", run.folder, "--out", tmp_path / "out", "--max-requests", 10)
    assert f"{run.n_completions:,} completions wanted, {run.n_requests} lines in" in shown
    assert "requests-0001.jsonl" in shown
    lines = lines_of(sorted((tmp_path / "out").glob("*.jsonl")))
    path = results(tmp_path, [refused(lines[0], "server_error"), *map(answered, lines[1:])])
    shown = call("import", run.folder, path)
    assert f"{run.n_completions - 3} completions journalled." in shown
    assert "server_error" in shown
    assert "Still missing: 3 completions of 1 request." in shown
    prompt = lines[0]["body"]["messages"][0]["content"]
    assert all(line not in shown for line in prompt.splitlines() if len(line) > 10)
    shown = call("import", run.folder, results(tmp_path, [answered(lines[0])], "second"))
    assert "Nothing is missing." in shown
    assert "SYNTHETIC" in shown


def test_ids_that_are_not_ours_are_none() -> None:
    ours = "0a1b2c3d-0123456789abcdef-a0-s16-n4"
    named = parse_custom_id(ours)
    assert named is not None
    assert (named.first_sample, named.n, named.option) == (16, 4, None)
    option = parse_custom_id("0a1b2c3d-0123456789abcdef-a2-o9")
    assert option is not None
    assert (option.attempt, option.option) == (2, 9)
    bad: Sequence[str] = (ours + " ", ours.upper(), "x" + ours, ours[:-1], ours.replace("s16", "s-1"), "")
    assert not any(map(parse_custom_id, bad))


def test_the_model_that_a_service_names_is_kept_and_told(run: Run, tmp_path: Path) -> None:
    def named(line: Line) -> Line:
        done = answered(line)
        return done | {
            "response": {**done["response"], "body": {**done["response"]["body"], "model": "some-model-0806"}}
        }

    lines = asked_again(run, tmp_path / "out")
    done = import_batch(run, [results(tmp_path, map(named, lines[:5]))])
    assert done.notice == "The server names the model some-model-0806; some-model was asked for."
    assert import_batch(run, [results(tmp_path, map(named, lines))]).notice is None
    assert check_files(run.folder, "run")["named_models"] == ["some-model-0806"]
