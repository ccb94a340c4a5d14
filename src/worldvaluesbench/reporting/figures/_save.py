"""Saving figures: as a page of their own, a picture, or a drawing for print; none of them needs the network."""

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Literal, get_args

import vl_convert

from worldvaluesbench.errors import FolderError
from worldvaluesbench.reporting.figures._theme import Chart
from worldvaluesbench.reporting.page import script_safe

Format = Literal["html", "png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)

PIXELS_AN_INCH = 300

_NAME_MENU = (
    """.then(() => document.querySelectorAll("summary").forEach((one) => one.setAttribute("aria-label", "Save")))"""
)
"""What names the menu of a page of a figure, once it is there."""


_IDENTITY = re.compile(r"( id=\"|=\"url\(#)(gradient_|clip)(\d+)(?=[\")])")
"""Where a drawing names its gradients and clips: counted on through all drawings of a process."""

_TAG = re.compile("<[^>]*>")


def renumber(drawing: str, prefix: str = "") -> str:
    """A drawing whose gradients and clips are counted from 0, so that the same figure is the same file.

    With a `prefix` several of them can stand in one page.

    >>> renumber('<a id="clip7"/><b clip-path="url(#clip7)"/>', "x-")
    '<a id="x-clip0"/><b clip-path="url(#x-clip0)"/>'
    """
    numbers: dict[str, int] = {}

    def name(found: re.Match[str]) -> str:
        number = numbers.setdefault(found[2] + found[3], len(numbers))
        return f"{found[1]}{prefix}{found[2]}{number}"

    return change_tags(drawing, lambda tag: _IDENTITY.sub(name, tag))


def change_tags(drawing: str, change: Callable[[str], str]) -> str:
    """A drawing whose tags are changed, and none of the texts between them: names may look like what is changed.

    >>> change_tags('<text fill="red">"red"</text>', lambda tag: tag.replace("red", "blue"))
    '<text fill="blue">"red"</text>'
    """
    return _TAG.sub(lambda found: change(found[0]), drawing)


def save_figure(chart: Chart, path: Path | str) -> None:
    """Write a figure to a file, as its ending says: html (with all it needs inside), png (300 dpi), svg or pdf.

    Raises FolderError for another ending, and where the file cannot be written.
    """
    path = Path(path)
    ending = path.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise FolderError(f"{path}: unknown ending; a figure is written as {', '.join(FORMATS)}.")
    try:
        path.write_bytes(figure_bytes(chart, ending))
    except OSError as error:
        raise FolderError(f"{path}: cannot be written ({error.strerror}); make its folder first.") from None


def figure_bytes(chart: Chart, ending: str) -> bytes:
    """A figure as the bytes of a file of this format."""
    content = render_figure(chart, ending)
    return content.encode() if isinstance(content, str) else content


def render_figure(chart: Chart, ending: str) -> str | bytes:
    """A figure as the content of a file of this format."""
    spec = _drawable(chart.to_dict())
    if ending == "svg":
        return renumber(vl_convert.vegalite_to_svg(spec))
    if ending == "pdf":
        return vl_convert.vegalite_to_pdf(spec)
    if ending == "png":
        return vl_convert.vegalite_to_png(spec | {"background": "white"}, ppi=PIXELS_AN_INCH)
    return _readable(vl_convert.vegalite_to_html(json.dumps(spec | {"background": "white"}), bundle=True), spec)


def _drawable(spec: Any) -> Any:
    """A figure's specification without the characters at which its drawing would end the whole process."""
    if isinstance(spec, str):
        return _UNDRAWABLE.sub("\ufffd", spec)
    if isinstance(spec, dict):
        return {_drawable(key): _drawable(value) for key, value in spec.items()}
    return [_drawable(one) for one in spec] if isinstance(spec, list | tuple) else spec


_UNDRAWABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may hold."""


def words_of(spec: Mapping[str, Any]) -> tuple[str, str]:
    """The title of a figure and its notes, each as one text."""
    heading = spec["title"]
    title = heading["text"]
    return title if isinstance(title, str) else " ".join(title), " ".join(heading["subtitle"])


def _readable(page: str, spec: Mapping[str, Any]) -> str:
    """A page of a figure that says what it is in, and what of: language, title, and the name of its menu.

    Names of sources within its script cannot end the script.
    """
    title, _ = words_of(spec)
    start = page.rindex("const spec")
    script, drawn, rest = page[start:].rpartition("spec, opts)")
    page = page[:start] + script_safe(script) + drawn + _NAME_MENU + rest
    page = page.replace("<html>", '<html lang="en">', 1)
    return page.replace("<title>Chart</title>", f"<title>{escape(title)}</title>", 1)
