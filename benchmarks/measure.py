"""How long a command takes as a whole process, on how many cores, and how much memory it needs."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians of several runs: wall-clock and processor seconds; the largest peak memory in GB (0: not measured)."""

    seconds: float
    peak_gb: float
    cpu_seconds: float = 0.0


def time_command(command: Sequence[str], *, n_runs: int, before: Callable[[], None] = lambda: None) -> Timing:
    """Run a command several times, calling `before` ahead of each; stop where it fails."""
    seconds, peaks, cpu = [], [], []
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
        cpu.append(usage.ru_utime + usage.ru_stime)
    return Timing(median(seconds), max(peaks), median(cpu))
