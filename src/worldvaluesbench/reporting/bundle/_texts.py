"""What may stand in the texts of a bundle: a receipt of a comparison, its card, its page, and no respondent's id.

The card is made again from the tables and must be the same; of the page, whatever a browser acts on and the data of the
explorer. What this version cannot make again, for another one made it, it does not vouch for.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

from worldvaluesbench._version import __version__
from worldvaluesbench.reporting.bundle._tables import plain
from worldvaluesbench.reporting.bundle._zip import CARD, MANIFEST, PAGE
from worldvaluesbench.scoring.compare import Comparison
from worldvaluesbench.survey import load_codebook

MAX_TABLE_LINES = 20
"""No text of a bundle has more lines than these that are numbers between commas or the like."""

MAX_UNPACKED = 2**27
"""What is packed into the page is not unpacked beyond this."""

NEVER_IN_A_PAGE = frozenset(
    ("applet", "audio", "base", "embed", "frame", "frameset", "iframe", "img", "image", "object", "source", "video")
)
ADDRESSES = frozenset(("href", "src", "xlink:href", "action", "formaction", "data", "poster", "srcset", "background"))

_ROW = re.compile(r"[ \t]*\"?-?[\d.]+\"?(?:[ \t]*[,;|\t][ \t]*\"?-?[\d.]*\"?){2,}[ \t]*")
_URL = re.compile(r"url\(\s*['\"]?(?!#)|@import", re.IGNORECASE)


def text_problems(name: str, content: bytes) -> Iterator[str]:
    """Ids of respondents, and tables, in any text of a bundle."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield f"{name} is no UTF-8 text; get the bundle again."
        return
    if name != MANIFEST and (found := id_in(text)):
        yield f"{name} holds {found}, which looks like the id of a respondent; take it out."
    n_rows = sum(1 for line in text.splitlines() if _ROW.fullmatch(line[:10_000]))
    if n_rows > MAX_TABLE_LINES:
        yield f"{name} holds a table of {n_rows:,} lines, which no bundle does; take it out."


def id_in(text: str) -> str | None:
    """What looks like a respondent's id in a text; None for nothing.

    An id is the code of a country, 07 for the wave, and four digits; all of Uruguay have 858069901.

    >>> id_in("76070012 is one, 343942 is none"), id_in("0.76070012")
    ('76070012', None)
    """
    found = _id_pattern().search(text)
    return None if found is None else found[0]


def _id_pattern() -> re.Pattern[str]:
    countries = "|".join(str(country.code) for country in load_codebook().countries)
    # re keeps what it compiled
    return re.compile(rf"(?<![\w.#])(?:{countries})(?:07\d{{4}}|069901)(?![\w]|\.\d)")


def made_again_problems(files: Mapping[str, bytes], comparison: Comparison) -> Iterator[str]:
    """Where card and page are not what the tables make of them."""
    made_by = json.loads(files[MANIFEST])["worldvaluesbench"]
    if made_by != __version__:
        yield f"was made by worldvaluesbench {made_by!s:.20}, and this is {__version__}; check it with that version."
        return
    # only here, for comparing must not wait for what draws
    from worldvaluesbench.reporting.page import render_card

    if files[CARD].decode() != render_card(comparison):
        yield f"{CARD} is not the card of these tables; get the bundle again."
    yield from _page_problems(files[PAGE].decode(), comparison)


def _page_problems(text: str, comparison: Comparison) -> Iterator[str]:
    """What in a page is not what a report of these tables is; its drawings may differ, and hold nothing that acts."""
    from worldvaluesbench.reporting.page import build_report

    page = _Page()
    page.feed(text)
    page.close()
    if page.problems:
        yield f"{PAGE} {page.problems[0]}; get the bundle again."
    elif _without_drawings(text) != _without_drawings(build_report(comparison)):
        yield f"{PAGE} is not the report of these tables; get the bundle again."


def _without_drawings(text: str) -> str | None:
    """A page without its figures, which fonts may change, and the versions that drew them; of what is packed a hash.

    None where that fails.
    """
    try:
        text = _LIBRARIES.sub("", _FIGURE.sub("<figure>", text))
        return _PACKED.sub(lambda found: found[1] + _unpacked(found[2]), text)
    except (ValueError, zlib.error):
        return None


_FIGURE = re.compile(
    r"<figure id=\"[^\"<>]*\"><div class=\"scroll\" tabindex=\"0\"><svg .*?</svg></div></figure>", re.DOTALL
)
_LIBRARIES = re.compile(r"<span class=\"libraries\">[\w.+, -]*</span>")
_PACKED = re.compile(r"(<script type=\"text/plain\" id=\"x-(?:cells|prompts)\">)([^<]*)")


def _unpacked(text: str) -> str:
    """The hash of what `explorer.pack` packed. Raises ValueError or zlib.error where it is nothing of the kind."""
    deflated = zlib.decompressobj()
    content = deflated.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED)
    if not deflated.eof or deflated.unused_data:
        raise ValueError("more than it says, or less")
    return hashlib.sha256(content).hexdigest()


class _Page(HTMLParser):
    """What a page holds that a browser acts on, and no report has."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at a tag and its attributes."""
        if tag in NEVER_IN_A_PAGE:
            self.problems.append(f"has the element {plain(tag)}")
        for name, value in attrs:
            address = (value or "").strip()
            if name.startswith("on"):
                self.problems.append(f"has the attribute {plain(name)}, which acts")
            elif name in ADDRESSES and not (address.startswith("#") or address == "data:,"):
                self.problems.append(f"leads to {plain(address)!r}")
            elif _URL.search(address):
                self.problems.append(f"draws with {plain(address)!r}")

    def handle_comment(self, data: str) -> None:  # noqa: ARG002 - so the parser calls it
        """A report has no comments."""
        self.problems.append("has a comment")
