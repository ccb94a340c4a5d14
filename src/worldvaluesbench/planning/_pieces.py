"""Pieces: what a prompt says before and after the persona, so that an item is rendered once and not for each person."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import jinja2
from jinja2 import nodes

from worldvaluesbench.prompts import Fact, Options, Persona, Template, render_prompt
from worldvaluesbench.survey import Item

_MARK = "\0persona\0"
# what gives back one of its operands, or asks whether one is empty, prints and tests it as it is
_PLAIN = (nodes.Template, nodes.If, nodes.Output, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not)
_SOMEONE = Persona((Fact("", "", "", ""),))


@dataclass(frozen=True, slots=True)
class Pieces:
    """A prompt cut where the persona stands: the text `around` it, and the whole prompt where nobody is shown."""

    around: tuple[str, ...]
    alone: str

    def prompt(self, persona_text: str) -> str:
        """The prompt for a persona that is shown by this text."""
        return persona_text.join(self.around) if persona_text else self.alone


def pieces_of(template: Template, item: Item, options: Options) -> Pieces | None:
    """The pieces of an item's prompt; None where the template does more with the persona than print it.

    Raises PromptError where the template fails.
    """
    if not _only_prints_persona(template.text):
        return None
    shown = render_prompt(template, _SOMEONE, item, options=options, persona_text=_MARK)
    alone = render_prompt(template, Persona(), item, options=options, persona_text="")
    return Pieces(tuple(shown.split(_MARK)), alone)


@lru_cache(maxsize=16)
def _only_prints_persona(text: str) -> bool:
    """Whether a template has no use of a person but to print `persona` as it is, and to ask whether it is empty."""
    return all(is_plain and name == "persona" for name, is_plain in _uses(jinja2.Environment().parse(text)))


def _uses(node: nodes.Node, *, is_plain: bool = True) -> Iterator[tuple[str, bool]]:
    """Every place where `persona` or `facts` stands: its name, and whether it is printed or tested as it is.

    Loops, macros, filters, assignments and the like may do anything with what is printed within them.
    """
    is_plain = is_plain and isinstance(node, _PLAIN)
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Name) and child.name in ("persona", "facts"):
            yield child.name, is_plain
        else:
            yield from _uses(child, is_plain=is_plain)
