"""The same model asked one by one and by files, over real HTTP: the same bodies, the same answers."""

import json
from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest

from tests.elicitation.runs import small_plan
from tests.support.mock_server import mock_server
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._run import begin_run
from worldvaluesbench.asking.batch._export import batch_model_of, export_batch
from worldvaluesbench.asking.batch._import import import_batch
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.models.hosted._hosted import HostedModel


def served(paths: Iterable[Path], base_url: str) -> list[str]:
    """What a batch service makes of request files: each line sent to its url, each response a line."""
    host = urlsplit(base_url)
    connection = HTTPConnection(host.hostname or "", host.port)
    lines = []
    for line in (json.loads(text) for path in paths for text in path.read_text(encoding="utf-8").splitlines()):
        connection.request(line["method"], line["url"], json.dumps(line["body"]), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = {"status_code": response.status, "body": json.loads(response.read())}
        lines.append(json.dumps({"custom_id": line["custom_id"], "response": body, "error": None}) + "\n")
    connection.close()
    return lines


@pytest.mark.parametrize(
    ("endpoint", "given"),
    [
        ("chat", {"method": "greedy"}),
        ("chat", {"method": "sampled", "n": 3, "seed": 4}),
        ("chat", {"method": "verbalised"}),
        ("chat", {"method": "token_probs", "labels": "letters", "orders": 2}),
        ("completions", {"method": "option_likelihood"}),
    ],
)
def test_a_batch_brings_the_answers_that_asking_brings(
    endpoint: Any, given: dict[str, Any], paper: Dataset, tmp_path: Path
) -> None:
    plan = small_plan(paper, tmp_path, 8, **given)
    with mock_server() as server:
        model = HostedModel("mock-good", base_url=server.base_url, endpoint=endpoint)
        asked = begin_run(plan, model, tmp_path / "asked")
        assert ask(asked, model).is_finished
        sent = begin_run(plan, model, tmp_path / "sent")
        written = export_batch(sent, tmp_path / "out", batch_model_of(sent))
        (tmp_path / "results").write_text("".join(served(written.paths, server.base_url)), encoding="utf-8")
    assert import_batch(sent, [tmp_path / "results"]).is_finished
    one_by_one, by_files = (pl.read_parquet(run.folder / "answers.parquet") for run in (asked, sent))
    assert by_files.drop("probabilities").equals(one_by_one.drop("probabilities"), null_equal=True)
    shares = [table["probabilities"].explode(empty_as_null=False) for table in (by_files, one_by_one)]
    assert shares[0].to_list() == pytest.approx(shares[1].to_list(), nan_ok=True)


def test_what_a_batch_left_is_asked_one_by_one(paper: Dataset, tmp_path: Path) -> None:
    plan = small_plan(paper, tmp_path)
    with mock_server() as server:
        model = HostedModel("mock-good", base_url=server.base_url)
        run = begin_run(plan, model, tmp_path / "run")
        written = export_batch(run, tmp_path / "out", batch_model_of(run))
        lines = served(written.paths, server.base_url)
        (tmp_path / "results").write_text("".join(lines[5:]), encoding="utf-8")
        assert import_batch(run, [tmp_path / "results"]).n_missing == 5
        before = server.stats()["requests"]
        assert ask(run, model).is_finished
        assert server.stats()["requests"] == before + 5
