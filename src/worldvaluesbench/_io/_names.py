"""Names and texts of other people: which names may enter, and how any text is shown so that nothing obeys it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from worldvaluesbench.errors import WorldValuesBenchError

MAX_NAME = 200
"""No name of a source, run, group or model has more characters."""

MAX_MARKS = 6
"""No name has more combining marks on one letter; stacked without end they cover the lines above."""

FORMULA = "=+-@\t\r"
"""What a cell of text begins with that a spreadsheet computes instead of showing it."""

KEPT_BY_DRAWINGS = frozenset(
    (
        *("constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString"),
        *("valueOf", "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
    )
)
"""What every object of JavaScript has already: Vega fails where one of these is the value of a column."""

_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls of terminals, ends of lines, directions of writing, and halves of characters that no encoding takes."""


def check_name(
    name: str,
    where: object,
    error: type[WorldValuesBenchError],
    *,
    what: str = "name",
    advice: str = "rename it",
    is_model: bool = False,
) -> None:
    """Raise an error of this type for a name that cannot be shown everywhere as it is; `where` says where it stands.

    Names of models may begin with any sign, for `@cf/...` is one.
    """
    problem = name_problem(name, is_model=is_model)
    if problem is not None:
        raise error(f"{printable(str(where))}: the {what} {quoted(name)} {problem}; {advice}.")


def name_problem(name: str, *, is_model: bool = False) -> str | None:
    """Why a name cannot be shown everywhere as it is; None where it can.

    >>> name_problem("gpt-4o+demographics"), name_problem("=1+1")
    (None, "begins with '=', as a formula in a spreadsheet does")
    """
    if len(name) > MAX_NAME:
        return f"has {len(name):,} characters, expected at most {MAX_NAME}"
    odd = next((place for place, sign in enumerate(name) if not sign.isprintable()), None)
    if odd is not None:
        return f"has the character U+{ord(name[odd]):04X} at place {odd + 1}, which cannot be seen"
    if not any(sign.isalnum() for sign in name):
        return "has no letter and no digit"
    if name != name.strip():
        return "begins or ends with a space"
    if name in KEPT_BY_DRAWINGS:
        return "is a word that figures cannot show, for JavaScript keeps it"
    if name.startswith(tuple(FORMULA)) and not is_model:
        return f"begins with {name[0]!r}, as a formula in a spreadsheet does"
    in_a_row = 0
    for sign in name:
        in_a_row = in_a_row + 1 if unicodedata.combining(sign) or unicodedata.category(sign) == "Me" else 0
        if in_a_row > MAX_MARKS:
            return f"has more than {MAX_MARKS} combining marks on one letter"
    return None


def name_key(name: str) -> str:
    """What two names share that some file system takes for one: capitals, and how accents are encoded, are put aside.

    >>> name_key("Caf\u00e9") == name_key("cafe\u0301")
    True
    """
    return unicodedata.normalize("NFC", _composed(name).casefold())


def find_twice(names: Iterable[str]) -> str | None:
    """The first name that another of them looks exactly like, however their accents are encoded; None for none."""
    names = list(names)
    counts = Counter(map(_composed, names))
    return next((name for name in names if counts[_composed(name)] > 1), None)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def printable(text: str, keep: str = "") -> str:
    r"""Text with nothing in it that a terminal obeys: controls are shown as escapes, but for those in `keep`.

    >>> print(printable("a\x1b[31mb\nc", keep="\n"))
    a\x1b[31mb
    c
    """
    return _OBEYED.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def quoted(text: str, length: int = 60) -> str:
    """A word that somebody wrote as it may stand in a message: in quotes, short, with nothing that a terminal obeys."""
    return repr(text if len(text) <= length else f"{text[:length]}...")
