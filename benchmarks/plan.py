"""Plan every example of a dataset's split, write the plan and read it back; print what each step took, as JSON.

Run as `python -m benchmarks.plan DATASET [SPLIT] [ATTRIBUTES]`, in a process of its own, for peaks of
memory only grow. ATTRIBUTES: as for `wvb plan`; the paper's three where none are given.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from worldvaluesbench.benchmark._dataset import load_dataset
from worldvaluesbench.planning._costs import estimate_costs
from worldvaluesbench.planning._examples import split_examples
from worldvaluesbench.planning._plan import Plan, build_plan, read_requests, write_plan
from worldvaluesbench.prompts._persona import parse_attributes
from worldvaluesbench.prompts._settings import make_settings

# writing every prompt of a larger plan would need tens of GB
MAX_WRITTEN = 500_000


def main(folder: Path, split: str, attributes: str | None) -> dict[str, Any]:
    dataset = load_dataset(folder)
    shown = None if attributes is None else parse_attributes(attributes, dataset.codebook)
    found: dict[str, Any] = {"split": split, "start_gb": peak_gb()}
    start = time.perf_counter()
    plan = build_plan(split_examples(dataset, split), make_settings(attributes=shown))
    costs = estimate_costs(plan, price_in=1.0, price_out=1.0, rate=1.0)
    found |= {"n_examples": plan.n_examples, "n_requests": plan.n_requests, "n_counted": costs.n_counted}
    found |= {"plan_seconds": time.perf_counter() - start, "plan_gb": peak_gb()}
    found["plan_examples_per_second"] = round(plan.n_examples / found["plan_seconds"])
    return found | (write_and_read(plan) if plan.n_requests <= MAX_WRITTEN else {})


def write_and_read(plan: Plan) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        write_plan(plan, Path(name))
        written = time.perf_counter()
        size = sum(path.stat().st_size for path in Path(name).iterdir())
        written_gb = peak_gb()
        n = sum(1 for _ in read_requests(Path(name), plan.settings, plan.examples.dataset.codebook))
        assert n == plan.n_requests
        times = {"write_seconds": written - start, "read_seconds": time.perf_counter() - written}
    return {**times, "write_gb": written_gb, "read_gb": peak_gb(), "written_mb": size / 1e6}


def peak_gb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    split = sys.argv[2] if len(sys.argv) > 2 else "test"
    print(json.dumps(main(Path(sys.argv[1]), split, sys.argv[3] if len(sys.argv) > 3 else None), indent=2))
