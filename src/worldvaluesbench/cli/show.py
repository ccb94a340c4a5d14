"""What the terminal shows: one console, tables, bars. No command prints by any other way."""

import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worldvaluesbench._io import printable

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
GAP = 2
INVENTED_MARK = "These people are INVENTED (wvb synthetic); no number here says anything about the world."


def console() -> Console:
    """Standard output: words wrapped in a terminal, lines left whole and tables as wide as need be elsewhere."""
    is_terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else 250)


def say(text: str) -> None:
    """A paragraph of plain text on standard output, markup left alone, controls of terminals as escapes."""
    console().print(printable(text, keep="\n"), markup=False)


def warn(text: str) -> None:
    """One line on standard error, whatever is in it."""
    click.echo(f"wvb: {printable(text)}", err=True)


def say_invented(is_invented: bool) -> None:
    """Mark what follows or precedes as made from invented people."""
    if is_invented:
        console().print(INVENTED_MARK, style="bold yellow")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", left: int = 1) -> None:
    """Print a table; the first `left` columns stand left-aligned, the others right.

    Where the terminal is too narrow, the right columns are printed in several tables below one another, each with the
    left ones before them: no number is ever broken.
    """
    texts = [[printable(cell_text(cell)) for cell in row] for row in rows]
    columns, title = [printable(name, keep="\n") for name in columns], printable(title, keep="\n")
    # a heading may have two lines
    lines = [[line for text in column for line in text.split("\n")] for column in zip(columns, *texts, strict=True)]
    widths = [max(map(len, column)) for column in lines]
    if title:
        console().print(title, style="bold", markup=False)
    for shown in _fitting(widths, left, console().width):
        _print_columns([columns[k] for k in shown], [[row[k] for k in shown] for row in texts], left)


def _fitting(widths: Sequence[int], left: int, room: int) -> list[list[int]]:
    """Which columns to show together: the left ones, then as many others as fit, at least one at a time."""
    always = list(range(left))
    parts: list[list[int]] = [always]
    for column in range(left, len(widths)):
        together = [*parts[-1], column]
        if len(parts[-1]) > left and sum(widths[k] + GAP for k in together) - GAP > room:
            together = [*always, column]
            parts.append(together)
        parts[-1] = together
    return parts


def _print_columns(columns: Sequence[str], texts: Sequence[Sequence[str]], left: int) -> None:
    # Text objects, for a name such as gpt[temp=1] is no markup
    shown = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for index, name in enumerate(columns):
        is_left = index < left
        shown.add_column(Text(name, style="bold"), justify="left" if is_left else "right", overflow="fold")
        shown.columns[-1].no_wrap = not is_left
    for row in texts:
        shown.add_row(*map(Text, row))
    console().print(shown, soft_wrap=False)


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
    """One block a scale point, as high as its share, the highest full.

    >>> spark([0.5, 0.25, 0.0])
    '█▅▁'
    """
    values = list(shares)
    top = max(values, default=0.0) or 1.0
    return "".join(LEVELS[round(value / top * (len(LEVELS) - 1))] for value in values)
