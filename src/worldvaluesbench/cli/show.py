"""What the terminal shows: one console, tables, bars. No command prints by any other way."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
INVENTED_MARK = "These people are INVENTED (wvb synthetic); no number here says anything about the world."


def console() -> Console:
    """Standard output: words wrapped in a terminal, lines left whole and tables as wide as need be elsewhere."""
    is_terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else 250)


def say(text: str) -> None:
    """A paragraph of plain text on standard output, markup left alone."""
    console().print(text, markup=False)


def say_invented(is_invented: bool) -> None:
    """Mark what follows or precedes as made from invented people."""
    if is_invented:
        console().print(INVENTED_MARK, style="bold yellow")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", left: int = 1) -> None:
    """Print a table; the first `left` columns stand left-aligned, the others right."""
    # Text objects, for a name such as gpt[temp=1] is no markup; folding keeps every word on a narrow terminal
    shown = Table(title=Text(title) if title else None, title_justify="left", box=None, pad_edge=False)
    for index, name in enumerate(columns):
        header = Text(name, style="bold")
        shown.add_column(header, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell_text(cell)) for cell in row))
    console().print(shown, soft_wrap=False)


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
