"""How long a command takes as a whole process, and how much memory it needs."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Timing:
    """Median wall-clock seconds of several runs, and the largest peak memory among them in GB (0: not measured)."""

    seconds: float
    peak_gb: float


def time_command(command: Sequence[str], *, n_runs: int, before: Callable[[], None] = lambda: None) -> Timing:
    """Run a command several times, calling `before` ahead of each; stop where it fails."""
    seconds, peaks = [], []
    for _ in range(n_runs):
        before()
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - start)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
        peaks.append(usage.ru_maxrss / 1e6)
    return Timing(median(seconds), max(peaks))
