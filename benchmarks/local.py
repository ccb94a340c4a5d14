"""Time `option_likelihood` of a local model beside lm-evaluation-harness, on the same random model in one run.

Also with and without the shared beginnings. Rounds are interleaved, so that whatever else the machine does meets all
alike. Needs torch and transformers, and `lm-eval` for the comparison.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from math import exp, log
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch
from transformers.utils import logging

from benchmarks.local_parts import SHAPES, make_model, make_requests, make_tokenizer
from worldvaluesbench.models.local._model import LocalModel, LocalOptions
from worldvaluesbench.prompts._request import Request

Logprobs = dict[str, tuple[float, ...]]
Way = Callable[[Sequence[Request]], Logprobs]


def main() -> None:
    given = parse_arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    quiet: Any = logging.disable_progress_bar
    quiet()
    if given.threads:
        torch.set_num_threads(given.threads)
    kinds = {
        "three attributes, digits": make_requests(given.people, given.items),
        "three attributes, words": make_requests(given.people, given.items, labels="words"),
        "all 42 attributes, digits": make_requests(max(1, given.people // 4), given.items, attributes=None),
    }
    texts = [request.prompt for requests in kinds.values() for request in requests]
    tokenizer = make_tokenizer(texts, splits_digits=given.split_digits)
    with tempfile.TemporaryDirectory() as folder:
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        make_model(Path(folder), given.shape, tokenizer, dtype=dtype, device=device)
        ways = make_ways(folder, given)
        for name, requests in kinds.items():
            n_tokens = [len(tokenizer(request.prompt)["input_ids"]) for request in requests]
            n_options = sum(len(request.options) for request in requests)
            print(
                f"\n{name}: {len(requests)} prompts of {min(n_tokens)} to {max(n_tokens)} tokens, {n_options} options"
            )
            compare(ways, requests, given.rounds)
    place = torch.cuda.get_device_name() if device == "cuda" else f"a CPU, {torch.get_num_threads()} threads"
    print(f"Measured on {place}." + ("" if device == "cuda" else " NOT measured on a GPU: there is none here."))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=[*SHAPES], default="small")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--items", type=int, default=36)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--split-digits", action="store_true", help="a tokenizer that splits numbers into digits")
    parser.add_argument("--harness-batch", type=int, default=16, help="the harness's batch size")
    parser.add_argument("--batch-tokens", type=int, default=None, help="ours, in tokens")
    parser.add_argument("--threads", type=int, default=None, help="of the CPU, for all alike")
    return parser.parse_args()


def make_ways(folder: str, given: argparse.Namespace) -> dict[str, Way]:
    """Ours with and without shared beginnings, and the harness where it is installed."""
    ways = {
        "shared beginnings": ours(folder, share_prefix=True, batch_tokens=given.batch_tokens),
        "each prompt whole": ours(folder, share_prefix=False, batch_tokens=given.batch_tokens),
    }
    other = harness(folder, given.harness_batch)
    return ways if other is None else ways | {"lm-evaluation-harness": other}


def compare(ways: dict[str, Way], requests: Sequence[Request], n_rounds: int) -> None:
    # not timed: loads the model, warms the device
    found = {name: way(requests) for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(n_rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way(requests)
            seconds[name].append(time.perf_counter() - start)
    first = seconds["shared beginnings"]
    print(f"{'':<24}{'prompts/s, best and median':>28}{'ours is faster, best and median round':>40}")
    for name, taken in seconds.items():
        ratios = [other / own for other, own in zip(taken, first, strict=True)]
        rates = f"{len(requests) / min(taken):.1f} {len(requests) / median(taken):>8.1f}"
        print(f"{name:<24}{rates:>28}{f'{min(taken) / min(first):.2f} {median(ratios):>8.2f}':>40}")
    for name in [*ways][1:]:
        print(f"largest difference of a log-probability to {name}: {largest_difference(found, name):.1e}")


def largest_difference(found: dict[str, Logprobs], name: str) -> float:
    first = found["shared beginnings"]
    pairs = [pair for key in first for pair in zip(first[key], found[name][key], strict=True)]
    return max(abs(one - two) for one, two in pairs)


def ours(folder: str, **options: Any) -> Way:
    model = LocalModel(folder, options=LocalOptions(prompt="plain", **options))
    joins = model.encoder.n_tokens(" 10") == 1

    def ask(requests: Sequence[Request]) -> Logprobs:
        found = {reply.request.request_id: reply.option_logprobs for reply in model.replies(requests)}
        return found if joins else {key: with_longer(logprobs) for key, logprobs in found.items()}

    return ask


def with_longer(logprobs: tuple[float, ...]) -> tuple[float, ...]:
    """The harness counts "10" to "1" too where digits are split; ours keeps them apart."""
    if len(logprobs) < 10:
        return logprobs
    return (log(exp(logprobs[0]) + exp(logprobs[9])), *logprobs[1:])


def harness(folder: str, batch_size: int) -> Way | None:
    try:
        harness_models = import_module("lm_eval.models.huggingface")
    except ImportError:
        print("lm-evaluation-harness is not installed (pip install lm-eval): not compared.")
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = "bfloat16" if device == "cuda" else "float32"
    model = harness_models.HFLM(pretrained=folder, batch_size=batch_size, dtype=dtype, device=device)

    def ask(requests: Sequence[Request]) -> Logprobs:
        pairs = [(request.prompt, f" {option}") for request in requests for option in request.options]
        asked = [SimpleNamespace(args=pair) for pair in pairs]
        each = iter(model.loglikelihood(asked, disable_tqdm=True))
        return {request.request_id: tuple(next(each)[0] for _ in request.options) for request in requests}

    return ask


if __name__ == "__main__":
    main()
