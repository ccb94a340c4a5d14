"""Which prompt templates of somebody else are rendered: those that fill in names and list options, as ours do.

A template is a program. One that came with a bundle must not keep a machine busy, so loops within loops,
sums, calls and everything else that could make much of little is refused.
"""

import jinja2
from jinja2 import nodes

MAX_LETTERS = 10_000
LISTS = ("options", "facts")
FILTERS = frozenset(("map", "join", "first", "last", "lower", "upper", "title", "capitalize", "trim", "length"))

_PLAIN = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Concat,
    nodes.Compare,
    nodes.Operand,
    nodes.Not,
    nodes.And,
    nodes.Or,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Tuple,
)


def is_safe(text: str) -> bool:
    """Whether a template does no more than fill in names and list options.

    >>> is_safe("{{ question }}{% for symbol, label in options %}{{ symbol }}{% endfor %}")
    True
    >>> is_safe("{% for a in range(9) %}{{ a }}{% endfor %}"), is_safe("{{ 'a' * 9 }}")
    (False, False)
    """
    if len(text) > MAX_LETTERS:
        return False
    try:
        return _is_plain(jinja2.Environment(autoescape=True).parse(text), is_in_loop=False)
    except (jinja2.TemplateSyntaxError, RecursionError):
        return False


def _maps_plainly(node: nodes.Filter) -> bool:
    """Whether a map applies one of the filters, which it names, and nothing else."""
    names = [one.value if isinstance(one, nodes.Const) else None for one in node.args]
    return len(names) == 1 and names[0] in FILTERS - {"map"} and not node.kwargs


def _is_plain(node: nodes.Node, *, is_in_loop: bool) -> bool:
    if isinstance(node, nodes.For):
        is_list = isinstance(node.iter, nodes.Name) and node.iter.name in LISTS
        if is_in_loop or not is_list or node.recursive:
            return False
        is_in_loop = True
    elif isinstance(node, nodes.Filter):
        if node.name not in FILTERS or (node.name == "map" and not _maps_plainly(node)):
            return False
    elif not isinstance(node, _PLAIN):
        return False
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return False
    return all(_is_plain(child, is_in_loop=is_in_loop) for child in node.iter_child_nodes())
