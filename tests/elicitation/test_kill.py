"""A run whose process is killed at any moment loses nothing that was journalled, and asks for nothing twice.

`benchmarks/kill_and_resume.py` does the same a hundred times over HTTP.
"""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.elicitation.runs import small_plan, steady_model
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.asking._run import Run, begin_run
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.runs._folder import JOURNAL

N_KILLS = 5

ASKING = """
import os, sys, time
from pathlib import Path
from worldvaluesbench.asking._ask import ask
from worldvaluesbench.models._model import FunctionModel
from worldvaluesbench.prompts._request import request_id_of
from worldvaluesbench.asking._run import load_run

run = load_run(Path(sys.argv[1]))
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def complete(prompt, sampling):
    time.sleep(0.003)
    os.write(log, (request_id_of(prompt, run.settings.asked) + "\\n").encode())
    return str(1 + sum(prompt.encode()) % 4)

ask(run, FunctionModel("steady", complete=complete))
"""
"""What the killed processes run: ask the run, and write down which requests are answered."""


def begun(dataset: Dataset, folder: Path, name: str) -> Run:
    plan = small_plan(dataset, folder, 80, method="sampled", n=2, temperature=1.0)
    return begin_run(plan, steady_model(), folder / name)


def test_a_run_killed_at_random_moments_asks_for_nothing_twice(paper: Dataset, tmp_path: Path) -> None:
    whole, run = begun(paper, tmp_path, "whole"), begun(paper, tmp_path, "killed")
    ask(whole, steady_model())
    chance, log, n_killed = random.Random(3), tmp_path / "answered.txt", 0
    kept = b""
    while not run.is_finished:
        process = subprocess.Popen([sys.executable, "-c", ASKING, str(run.folder), str(log)])
        if n_killed < N_KILLS:
            wait_for_growth(run.folder / JOURNAL, len(kept), process)
            time.sleep(chance.uniform(0, 0.08))
            process.kill()
            n_killed += 1
        assert process.wait() in (0, -signal.SIGKILL)
        journal = (run.folder / JOURNAL).read_bytes()
        assert journal.startswith(kept), "what was journalled stays"
        assert len(journal) > len(kept)
        kept = journal[: journal.rfind(b"\n") + 1]
    assert n_killed == N_KILLS
    lines = Counter((line.request_id, line.sample) for line in read_journal(run.folder))
    assert set(lines.values()) == {1}
    assert len(lines) == run.n_completions
    answered = Counter(log.read_text().split())
    # a kill loses at most the reply that was under way: its two completions were answered and not journalled
    assert answered.total() <= run.n_completions + 2 * N_KILLS
    assert sum(count > 2 for count in answered.values()) <= N_KILLS
    same = [(folder / "answers.parquet").read_bytes() for folder in (whole.folder, run.folder)]
    assert same[0] == same[1]


def wait_for_growth(journal: Path, size: int, process: "subprocess.Popen[bytes]") -> None:
    while journal.stat().st_size <= size and process.poll() is None:
        time.sleep(0.002)


def test_a_process_told_to_end_ends_by_itself_with_what_it_was_answered(paper: Dataset, tmp_path: Path) -> None:
    run = begun(paper, tmp_path, "run")
    process = subprocess.Popen([sys.executable, "-c", ASKING, str(run.folder), str(tmp_path / "log")])
    wait_for_growth(run.folder / JOURNAL, 0, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not run.is_finished
    n_journalled = len(list(read_journal(run.folder)))
    assert n_journalled == len((tmp_path / "log").read_text().split())
    assert 0 < n_journalled < run.n_completions
