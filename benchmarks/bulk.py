"""Wasserstein-1 of many pairs of distributions, in one call and by SciPy one by one. Prints both times as JSON."""

import json
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from worldvaluesbench.stats._distribution import shares_of, wasserstein

PAIRS = 239 * 63
POSITIONS = np.linspace(0, 1, 10)


def seconds(call: Callable[[], object], *, n_runs: int) -> float:
    taken = []
    for _ in range(n_runs):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken)


if __name__ == "__main__":
    humans, answers = np.random.default_rng(0).integers(1, 100, (2, PAIRS, 10))

    def one_by_one() -> list[float]:
        return [float(wasserstein_distance(POSITIONS, POSITIONS, *pair)) for pair in zip(humans, answers, strict=True)]

    def in_bulk() -> NDArray[np.float64]:
        return wasserstein(shares_of(humans), shares_of(answers))

    assert np.allclose(one_by_one(), in_bulk(), atol=1e-12)
    print(json.dumps([seconds(one_by_one, n_runs=3), seconds(in_bulk, n_runs=20)]))
