"""Output in the terminal: text, tables, bars and progress. No command prints in any other way."""

import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worldvaluesbench._io import printable

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
GAP = 2
SYNTHETIC_MARK = "SYNTHETIC respondents (wvb synthetic); no number here says anything about the world."

EVERY_SECONDS = 30.0
EVERY_SHARE = 0.1
"""Outside a terminal, progress is written after so many seconds or this share, whichever comes first."""


def console() -> Console:
    """Standard output: wrapped at words in a terminal; elsewhere lines stay whole and tables are as wide as needed."""
    is_terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else 250)


def say(text: str) -> None:
    """Print plain text on standard output; markup is left alone, terminal controls become escapes."""
    console().print(printable(text, keep="\n"), markup=False)


def warn(text: str) -> None:
    """Print a message on standard error, wrapped at words in a terminal and one line elsewhere."""
    click.echo(fitted(f"wvb: {printable(text)}"), err=True)


def fitted(text: str) -> str:
    """A message wrapped at words to the width of the terminal that standard error is; unchanged elsewhere."""
    if not sys.stderr.isatty():
        return text
    width = Console(stderr=True).width
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def say_synthetic(is_synthetic: bool) -> None:
    """Mark output that was made from synthetic respondents."""
    if is_synthetic:
        console().print(SYNTHETIC_MARK, style="bold yellow")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", left: int = 1) -> None:
    """Print a table; the first `left` columns are left-aligned, the others right-aligned.

    In a terminal that is too narrow, the right columns continue in further tables below, each with the left columns
    repeated: no number is ever broken.
    """
    texts = [[printable(cell_text(cell)) for cell in row] for row in rows]
    columns, title = [printable(name, keep="\n") for name in columns], printable(title, keep="\n")
    lines = [[line for text in column for line in text.split("\n")] for column in zip(columns, *texts, strict=True)]
    widths = [max(map(len, column)) for column in lines]
    if title:
        console().print(title, style="bold", markup=False)
    for shown in _fitting(widths, left, console().width):
        # Text objects, because a name such as gpt[temp=1] is not markup
        part = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for k in shown:
            is_left = k < left
            part.add_column(Text(columns[k], style="bold"), justify="left" if is_left else "right", overflow="fold")
            part.columns[-1].no_wrap = not is_left
        for row in texts:
            part.add_row(*(Text(row[k]) for k in shown))
        console().print(part, soft_wrap=False)


def _fitting(widths: Sequence[int], left: int, room: int) -> list[list[int]]:
    """Which columns to print together: the left ones, then as many others as fit, at least one at a time."""
    always = list(range(left))
    parts: list[list[int]] = [always]
    for column in range(left, len(widths)):
        together = [*parts[-1], column]
        if len(parts[-1]) > left and sum(widths[k] + GAP for k in together) - GAP > room:
            together = [*always, column]
            parts.append(together)
        parts[-1] = together
    return parts


def counted(n: int, what: str) -> str:
    """A count with its noun: 1 item, 2 items."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def cell_text(cell: object) -> str:
    """A cell as text: whole numbers with thousands separators, other numbers with three decimals, None as a dash."""
    if cell is None:
        return "–"
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.3f}"


def bar(share: float, width: int = 30) -> str:
    """A horizontal bar as long as `share` of `width` characters, in eighths of a character.

    >>> bar(0.5, 3)
    '█▌'
    """
    whole, eighth = divmod(round(share * width * 8), 8)
    return "█" * whole + EIGHTHS[eighth].strip()


def spark(shares: Iterable[float]) -> str:
    """One block for each scale point; the most frequent is full.

    >>> spark([0.5, 0.25, 0.0])
    '█▅▁'
    """
    values = list(shares)
    top = max(values, default=0.0) or 1.0
    return "".join(LEVELS[round(value / top * (len(LEVELS) - 1))] for value in values)


def duration(seconds: float) -> str:
    """A time span in its two largest units.

    >>> duration(42), duration(200), duration(7500)
    ('42 s', '3 min 20 s', '2 h 05 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


Shown = Callable[[str, int, int | None, str | None], None]
"""What shows progress: a description, how many of how many are done, and a notice to print above it, if any."""


@contextmanager
def progress_bar() -> Iterator[Shown]:
    """What shows progress on standard error: a bar in a terminal, from the first progress on; a few lines elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn

    shown = Console(stderr=True, highlight=False)
    with Progress(BarColumn(bar_width=24), TextColumn("{task.description}", markup=False), console=shown) as progress:
        task = progress.add_task("", total=None, visible=False)

        def show(text: str, done: int, total: int | None, notice: str | None) -> None:
            if notice:
                shown.print(printable(notice), markup=False)
            progress.update(task, description=text, completed=done, total=total, visible=True)

        yield show


class _Lines:
    """Progress as plain lines, few of them: for log files and continuous integration."""

    def __init__(self) -> None:
        self._share, self._at = 0.0, time.monotonic()

    def __call__(self, text: str, done: int, total: int | None, notice: str | None) -> None:
        if notice:
            print(printable(notice), file=sys.stderr, flush=True)
        share, now = done / max(total or 0, 1), time.monotonic()
        if share < self._share:  # a new run
            self._share, self._at = 0.0, now
        is_end = done == total and self._share < 1
        if not is_end and share < self._share + EVERY_SHARE and now < self._at + EVERY_SECONDS:
            return
        self._share, self._at = share, now
        print(text, file=sys.stderr, flush=True)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, total) that shows the progress of `what`, such as "items fitted", on standard error."""
    start = time.monotonic()
    with progress_bar() as show:

        def watch(n_done: int, n: int) -> None:
            seconds = time.monotonic() - start
            left = f", {duration(seconds / n_done * (n - n_done))} left" if 0 < n_done < n else ""
            show(f"{n_done:,} of {n:,} {what}, {duration(seconds)}{left}", n_done, n, None)

        yield watch
