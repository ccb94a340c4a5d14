"""Answer options as a prompt shows them: in which order, and by which symbol an answer names each.

The same `AnswerOption` records decide what a prompt shows, what is requested and how an answer is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_uppercase
from typing import Literal, get_args

from worldvaluesbench.errors import PromptError
from worldvaluesbench.survey import Item

Labels = Literal["digits", "letters", "words"]
LABELS: tuple[Labels, ...] = get_args(Labels)

Options = Sequence[tuple[str, str]]
"""The answer options of a template, in the order shown: symbol (such as "1") and label, empty where it has none."""


@dataclass(frozen=True, slots=True)
class AnswerOption:
    """One scale point as a prompt shows it: the symbol that an answer gives, its label ("" without one), its rating."""

    symbol: str
    label: str
    rating: int


def choices_of(item: Item, labels: Labels = "digits", order: int = 0) -> tuple[AnswerOption, ...]:
    """The answer options of an item, in the order in which they are shown.

    `digits`: the symbol is the rating, in every order. `letters`: the first option shown is A. `words`: the symbol is
    the label; an item of which a scale point has no label of its own (most scales from 1 to 10), or two have the same,
    shows digits. `order` is a place in `option_orders`.

    Raises PromptError where the item has no such order.
    """
    orders = option_orders(item.scale.n_points, order + 1)
    if order >= len(orders):
        raise PromptError(f"{item.item_id}: there is no order {order}; its scale has {len(orders)} different ones.")
    ratings = list(item.scale.ratings)
    own_labels = ["" if label == str(rating) else label for rating, label in zip(ratings, item.labels, strict=True)]
    are_distinct = len({label.casefold() for label in own_labels}) == len(ratings)
    if labels == "words" and all(own_labels) and are_distinct:
        return tuple(AnswerOption(own_labels[point], "", ratings[point]) for point in orders[order])
    symbols = ascii_uppercase if labels == "letters" else [str(ratings[point]) for point in orders[order]]
    return tuple(
        AnswerOption(symbol, own_labels[point], ratings[point])
        for symbol, point in zip(symbols, orders[order], strict=False)
    )


def shown_options(choices: Sequence[AnswerOption]) -> Options:
    """Answer options as a template takes them: pairs of symbol and label."""
    return [(choice.symbol, choice.label) for choice in choices]


@cache
def option_orders(n_points: int, n_orders: int) -> tuple[tuple[int, ...], ...]:
    """The first `n_orders` balanced orders of the points 0 to `n_points` - 1: as is, reversed, then rotations.

    Each rotation is followed by its reverse: over an even number of orders the mean place of every point is the middle
    of the list. A scale has at most 2 x `n_points` of them (two points: 2); fewer are then returned.

    >>> option_orders(4, 4)
    ((0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 0, 3, 2))
    """
    if n_orders < 1:
        raise PromptError(f"There are no {n_orders} orders of the options; expected 1 or more.")
    forward = tuple(range(n_points))
    orders: list[tuple[int, ...]] = []
    for shift in _spread(n_points):
        rotated = forward[shift:] + forward[:shift]
        orders += [rotated, rotated[::-1]]
    return tuple(dict.fromkeys(orders))[:n_orders]


def _spread(n: int) -> list[int]:
    """0 to n - 1, each next one as far as possible from those before it, so that few rotations differ much."""
    chosen = [0]
    while len(chosen) < n:
        rest = [shift for shift in range(n) if shift not in chosen]
        chosen.append(max(rest, key=lambda shift: (min(min((shift - c) % n, (c - shift) % n) for c in chosen), -shift)))
    return chosen
