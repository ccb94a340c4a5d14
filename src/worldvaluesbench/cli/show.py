"""What the terminal shows: one console, tables, bars. No command prints by any other way."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
INVENTED_MARK = "These people are INVENTED (wvb synthetic); no number here says anything about the world."


def console() -> Console:
    """Standard output; wide enough for every table where it is not a terminal."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 250)


def say(text: str) -> None:
    """One line of plain text on standard output, markup left alone."""
    console().print(text, markup=False)


def say_invented(is_invented: bool) -> None:
    """Mark what follows or precedes as made from invented people."""
    if is_invented:
        console().print(INVENTED_MARK, style="bold yellow")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", left: int = 1) -> None:
    """Print a table; the first `left` columns stand left-aligned, the others right."""
    # no_wrap would cut labels on a narrow terminal; folding keeps every word
    shown = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        shown.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(cell_text(cell) for cell in row))
    console().print(shown, markup=False, soft_wrap=False)


def cell_text(cell: object) -> str:
    """A cell as text: whole numbers with thousands separators, other numbers with three decimals, None as a dash."""
    if cell is None:
        return "–"
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell).replace("[", r"\[")
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
