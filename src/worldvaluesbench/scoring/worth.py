"""Temporary: replaced when branches are merged."""

import numpy as np

from worldvaluesbench.distribution import Array
from worldvaluesbench.scoring.noise import noise_floor


def sampling_distance(shares, n, n_points, *, n_shares=None) -> Array:  # type: ignore[no-untyped-def]
    return noise_floor(shares, 2 * np.asarray(n), n_points, n_shares=n_shares)


def poll_size(distance, shares, n_points) -> Array:  # type: ignore[no-untyped-def]
    found = []
    for d in np.atleast_1d(distance):
        if d <= 0:
            found.append(np.inf)
            continue
        low, high = 1.0, 1e7
        for _ in range(60):
            mid = (low * high) ** 0.5
            low, high = (mid, high) if np.mean(sampling_distance(shares, mid, n_points)) > d else (low, mid)
        found.append(low)
    return np.array(found)


def skill_score(distance, uniform, floor) -> Array:  # type: ignore[no-untyped-def]
    return np.where(uniform > floor, (uniform - distance) / (uniform - floor), np.nan)
