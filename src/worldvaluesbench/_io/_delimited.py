"""Delimited text: the separator of a header, and the fields of a line."""

import csv
from collections.abc import Collection, Iterable


def split_line(line: str, separator: str) -> list[str]:
    """The fields of a line without its end, quotes removed; none where it cannot be split.

    >>> split_line('a;"b;c"', ";")
    ['a', 'b;c']
    """
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a carriage return within it
        return []


def split_header(line: str, separators: Iterable[str], known: Collection[str] = ()) -> tuple[str, list[str]]:
    """The separator of a header and the names that it finds, as written.

    It is the one that finds the most `known` names (in lower case; blanks around names do not count), of those the one
    that finds the most names, of those the first.

    >>> split_header("QUESTION_ID;SCORE, of 10;ID", ",;", {"question_id", "id"})
    (';', ['QUESTION_ID', 'SCORE, of 10', 'ID'])
    """
    split = {separator: split_line(line, separator) for separator in separators}
    wanted = frozenset(known)
    separator = max(
        split, key=lambda one: (len(wanted & {name.strip().lower() for name in split[one]}), len(split[one]))
    )
    return separator, split[separator]
