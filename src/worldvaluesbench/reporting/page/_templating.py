"""Templates of pages and cards: files of this package, rendered with everything named that they name."""

from collections.abc import Mapping
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

_FOLDER = files("worldvaluesbench") / "reporting" / "templates"


def render_page(name: str, values: Mapping[str, object]) -> str:
    """A template of HTML: whatever is no markup already is escaped."""
    return _environment(is_html=True).from_string(read_template(name)).render(values)


def render_text(name: str, values: Mapping[str, object]) -> str:
    """A template of plain text."""
    return _environment(is_html=False).from_string(read_template(name)).render(values)


def script_safe(script: str) -> str:
    r"""JSON, or a script that is little else, as it may stand within a script element: nothing in it ends that.

    >>> print(script_safe('["<!--<script>"]'))
    ["\u003c!--\u003cscript\u003e"]
    """
    return script.translate(_IN_SCRIPTS)


_IN_SCRIPTS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def read_template(name: str) -> str:
    """The text of a packaged template."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def _environment(*, is_html: bool) -> Environment:
    return Environment(autoescape=is_html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
