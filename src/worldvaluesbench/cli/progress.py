"""How far a run is, on standard error: a bar in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from worldvaluesbench._io import printable
from worldvaluesbench.asking import CostIs, Progress

EVERY_SECONDS = 30.0
EVERY_SHARE = 0.1
"""Elsewhere than in a terminal a line is written after so many seconds or this share, whatever comes first."""

Watch = Callable[[Progress], None]


@contextmanager
def watching() -> Iterator[Watch]:
    """What to give `ask` as `watch`: it shows each progress on standard error until the block ends."""
    if sys.stderr.isatty():
        with _bar() as watch:
            yield watch
    else:
        yield _Lines()


@contextmanager
def _bar() -> Iterator[Watch]:
    console = Console(stderr=True, highlight=False)
    bar = Bar(BarColumn(bar_width=24), TextColumn("{task.description}", markup=False), console=console)
    with bar:
        task = bar.add_task("starting", total=None)

        def watch(progress: Progress) -> None:
            if progress.notice:
                console.print(printable(progress.notice), markup=False)
            bar.update(task, description=describe(progress), total=progress.n_completions, completed=progress.n_done)

        yield watch


class _Lines:
    """Plain lines, few of them: for log files and continuous integration."""

    def __init__(self) -> None:
        self._share = 0.0
        self._seconds = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.notice:
            print(printable(progress.notice), file=sys.stderr, flush=True)
        share = progress.n_done / max(progress.n_completions, 1)
        if share < self._share or progress.seconds < self._seconds:  # another run
            self._share = self._seconds = 0.0
        is_end = progress.n_done == progress.n_completions and self._share < 1
        if not is_end and share < self._share + EVERY_SHARE and progress.seconds < self._seconds + EVERY_SECONDS:
            return
        self._share, self._seconds = share, progress.seconds
        print(describe(progress), file=sys.stderr, flush=True)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """What to tell how many of how many are done: it shows so on standard error until the block ends.

    `what` is said of them: `items fitted`.
    """
    steps = _Steps(what)
    if not sys.stderr.isatty():
        yield steps.write
        return
    console = Console(stderr=True, highlight=False)
    with Bar(BarColumn(bar_width=24), TextColumn("{task.description}", markup=False), console=console) as bar:
        task = bar.add_task(what, total=None, visible=False)
        yield lambda n_done, n: bar.update(
            task, description=steps.describe(n_done, n), completed=n_done, total=n, visible=True
        )


class _Steps:
    """Steps of one piece of work: how long they take, and as plain lines, few of them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = time.monotonic()
        self._share = 0.0
        self._seconds = 0.0

    def describe(self, n_done: int, n: int) -> str:
        seconds = time.monotonic() - self._start
        left = f", {duration(seconds / n_done * (n - n_done))} left" if 0 < n_done < n else ""
        return f"{n_done:,} of {n:,} {self._what}, {duration(seconds)}{left}"

    def write(self, n_done: int, n: int) -> None:
        share, seconds = n_done / n, time.monotonic() - self._start
        if n_done < n and share < self._share + EVERY_SHARE and seconds < self._seconds + EVERY_SECONDS:
            return
        self._share, self._seconds = share, seconds
        print(self.describe(n_done, n), file=sys.stderr, flush=True)


def describe(progress: Progress) -> str:
    """One line: how many are done, how fast, the unparsed share, the spend, the time left."""
    share = progress.n_done / max(progress.n_completions, 1)
    parts = [f"{progress.n_done:,} of {progress.n_completions:,} ({share:.0%})", f"{progress.rate:,.0f}/s"]
    if progress.n_done:
        parts.append(f"unparsed {progress.n_unparsed / progress.n_done:.1%}")
    if progress.n_failed:
        parts.append(f"failed {progress.n_failed:,}")
    if progress.spend is not None:
        limit = "" if progress.budget is None else f" of {money(progress.budget)}"
        parts.append(f"spent {bounded_money(progress.spend, progress.spend_is)}{limit}")
    if progress.seconds_left is not None and progress.n_done < progress.n_completions:
        parts.append(f"{duration(progress.seconds_left)} left")
    return ", ".join(parts)


def money(amount: float) -> str:
    """An amount in the unit of the prices: two decimals, four where it is small.

    >>> money(0.0123), money(12.5)
    ('0.0123', '12.50')
    """
    return f"{amount:,.4f}" if 0 < amount < 1 else f"{amount:,.2f}"


def bounded_money(amount: float, cost_is: CostIs | None) -> str:
    """An amount with what it is, where it is a bound.

    >>> bounded_money(12.5, "at most"), bounded_money(12.5, "exact")
    ('at most 12.50', '12.50')
    """
    return money(amount) if cost_is in (None, "exact") else f"{cost_is} {money(amount)}"


def duration(seconds: float) -> str:
    """A time span in the two largest units that matter.

    >>> duration(42), duration(200), duration(7500)
    ('42 s', '3 min 20 s', '2 h 05 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
