"""Processes of `wvb ask` killed at random moments, a hundred times, and every run gone on with to its end.

Run as `python -m benchmarks.kill_and_resume [KILLS] [SEED]`. Each run asks a mock server over HTTP and is killed with
SIGKILL until a process lives to the end of it; then the next run begins. It fails unless, every time,

- what was journalled before a kill is there after it, byte by byte, and nothing is journalled twice,
- the server was asked for nothing that was journalled: a killed process asked for no more than what it journalled and
  what was in flight, the process that finished a run for exactly what was missing,
- the answers are those of a run that nobody disturbed.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from tests.support.mock_server import MockOptions, MockServer, mock_server

from worldvaluesbench._io._folder import MANIFEST
from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.asking._run import load_run
from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.models.hosted._background import AHEAD
from worldvaluesbench.runs._folder import ANSWERS, JOURNAL, RUN
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

ITEMS = ("Q1", "Q48", "Q164", "Q240")
N_EACH = 250
CONCURRENCY = 8
LATENCY = 0.008
IN_FLIGHT = max(CONCURRENCY + 1, int(AHEAD * CONCURRENCY))
"""Requests that a hosted model has taken and whose replies have not been journalled, at most."""


@dataclass
class Tally:
    """What happened so far: kills, by how far the process had come, and sessions that ended a run."""

    n_kills: int = 0
    n_runs: int = 0
    where: Counter[str] = field(default_factory=Counter)
    n_lost: int = 0


def main(n_kills: int = 100, seed: int = 0) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary, mock_server(MockOptions(latency=LATENCY)) as server:
        folder = Path(temporary)
        prepare(folder)
        start = time.perf_counter()
        process = begin_asking(folder, "whole", server)
        assert process.wait() == 0
        life = time.perf_counter() - start
        print(f"undisturbed: {load_run(folder / 'whole').n_completions:,} completions, {life:.1f} s")
        tally = Tally()
        while tally.n_kills < n_kills:
            name = f"run{tally.n_runs}"
            disturb(folder, name, server, tally, n_kills, lambda: chance.uniform(0, life))
            check_same(folder / "whole", folder / name)
            print(f"{tally.n_kills} kills, {tally.n_runs} runs", flush=True)
    places = ", ".join(f"{n} {where}" for where, n in tally.where.most_common())
    print(f"{tally.n_kills} kills ({places}) in {tally.n_runs} runs: all completions kept, none asked again.")
    print(f"In flight when killed, and so answered without being journalled: {tally.n_lost} completions.")


def prepare(folder: Path) -> None:
    write_synthetic(folder / "survey.csv", 4_000, seed=1)
    dataset = build_dataset(folder / "survey.csv", folder / "data")
    examples = dataset.examples("full", ITEMS).select(pl.col("item_id").cast(pl.String), "respondent_id").collect()
    examples.group_by("item_id", maintain_order=True).head(N_EACH).write_csv(folder / "examples.csv")


def begin_asking(folder: Path, name: str, server: MockServer) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "worldvaluesbench", "ask", str(folder / "data"), "--out", str(folder / name)]
    command += ["--examples", str(folder / "examples.csv"), "--model", "mock-good", "--base-url", server.base_url]
    command += ["--attributes", "all", "--concurrency", str(CONCURRENCY)]  # every person has a prompt of their own
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | {"OPENAI_API_KEY": "none"})


def disturb(
    folder: Path, name: str, server: MockServer, tally: Tally, n_kills: int, moment: Callable[[], float]
) -> None:
    """Ask a run, killing its processes until one lives to the end of it or there were kills enough."""
    journal, kept = folder / name / JOURNAL, b""
    while not (folder / name / MANIFEST).exists():
        asked_before = n_asked(server)
        process = begin_asking(folder, name, server)
        is_killed = False
        if tally.n_kills < n_kills:
            is_killed = kill_after(process, moment())
        code = process.wait()
        assert code == (-signal.SIGKILL if is_killed else 0), f"ended with {code}: {said_last(folder)}"
        whole = journal.read_bytes() if journal.exists() else b""
        assert whole.startswith(kept), "a journalled completion was lost"
        gained = whole[: whole.rfind(b"\n") + 1].count(b"\n") - kept.count(b"\n")
        n_lost = n_asked(server) - asked_before - gained
        if is_killed:
            assert 0 <= n_lost <= IN_FLIGHT, f"{n_lost} completions were asked for and not journalled"
            tally.n_kills += 1
            tally.n_lost += n_lost
            tally.where[place_of(folder / name, gained)] += 1
        else:
            assert n_lost == 0, f"{n_lost} completions were asked for again"
        kept = whole[: whole.rfind(b"\n") + 1]
    tally.n_runs += 1


def kill_after(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Kill a process after so many seconds; whether it was still alive then."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait() == -signal.SIGKILL
    return False


def place_of(run: Path, gained: int) -> str:
    """How far a process had come when it was killed."""
    if (run / MANIFEST).exists():
        return "after the end"
    if gained:
        return "while asking"
    return "before its first completion" if (run / RUN).exists() else "before the run was begun"


def n_asked(server: MockServer) -> int:
    """Requests that reached the server, each for one completion, once those on their way have been counted."""
    time.sleep(3 * LATENCY)
    return server.stats()["requests"]


def check_same(whole: Path, run: Path) -> None:
    lines = Counter((line.request_id, line.sample, line.attempt) for line in read_journal(run))
    assert set(lines.values()) == {1}, "a completion was journalled twice"
    assert len(lines) == load_run(run).n_completions
    assert pl.read_parquet(whole / ANSWERS).equals(pl.read_parquet(run / ANSWERS)), "the answers differ"


def said_last(folder: Path) -> str:
    return (folder / "said.txt").read_text(errors="replace")[-300:]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
