"""Questions: the items of a plan as they are asked, each in all its orders, and the requests that ask them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from worldvaluesbench.errors import PromptError
from worldvaluesbench.parsing import answer_schema
from worldvaluesbench.planning._pieces import Pieces, pieces_of
from worldvaluesbench.prompts import (
    TEXT_METHODS,
    Method,
    Persona,
    Request,
    Sampling,
    Settings,
    ShownChoice,
    choices_of,
    render_persona,
    render_prompt,
    shown_options,
)
from worldvaluesbench.survey import Item


@dataclass(frozen=True, slots=True)
class Form:
    """An item in one order of its options: what all requests that ask it in this order have in common."""

    item: Item
    order: int
    choices: tuple[ShownChoice, ...]
    method: Method
    options: tuple[str, ...]
    sampling: Sampling
    schema: Mapping[str, object] | None

    def request(self, request_id: str, prompt: str, n: int) -> Request:
        """The request with this id and prompt, for `n` completions."""
        return Request(
            request_id,
            self.item.item_id,
            self.order,
            prompt,
            self.method,
            self.options,
            self.sampling,
            n,
            schema=self.schema,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """An item as it is asked, form by form in their order, and all items that are asked in the same words.

    `pieces`: the prompt of each form, cut where the persona stands; None where it cannot be.
    """

    item_ids: tuple[str, ...]
    forms: tuple[Form, ...]
    pieces: tuple[Pieces | None, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A persona and the text that shows it, rendered once for all questions."""

    persona: Persona
    text: str


def show(persona: Persona, settings: Settings) -> Shown:
    """A persona as these settings show it."""
    return Shown(persona, render_persona(persona, settings.style) if settings.uses_persona else "")


def form_of(settings: Settings, item: Item, order: int) -> Form:
    """An item as these settings ask it in this order.

    Raises PromptError where the item has no such order.
    """
    choices = choices_of(item, settings.labels, order)
    options = tuple(choice.symbol for choice in choices)
    is_structured = settings.is_structured and settings.method in TEXT_METHODS
    schema = answer_schema(choices, settings.method) if is_structured else None
    return Form(item, order, choices, settings.method, options, settings.sampling, schema)


def render_question(settings: Settings, shown: Shown, question: Question, order: int) -> str:
    """The prompt that asks a question in one of its orders."""
    pieces = question.pieces[order]
    if pieces is not None:
        return pieces.prompt(shown.text)
    form = question.forms[order]
    return render_prompt(
        settings.template,
        shown.persona,
        form.item,
        style=settings.style,
        options=shown_options(form.choices),
        persona_text=shown.text,
    )


def questions_of(items: Sequence[Item], settings: Settings, shown: Shown) -> tuple[Question, ...]:
    """The questions that ask these items, in their order; items that are asked in the same words are one.

    The words are compared as they stand beside one persona.

    Raises PromptError where a template asks alike what is answered differently.
    """
    questions: list[Question] = []
    first_with: dict[str, tuple[int, Form]] = {}
    for item in items:
        question = _question_of(item, settings)
        place = len(questions)
        for form in question.forms:
            prompt = render_question(settings, shown, question, form.order)
            found, same = first_with.setdefault(prompt, (len(questions), form))
            if same.order != form.order or _meaning(same) != _meaning(form):
                raise PromptError(_told_apart(settings, same, form))
            place = min(place, found)
        if place == len(questions):
            questions.append(question)
        else:
            known = questions[place]
            questions[place] = replace(known, item_ids=(*known.item_ids, item.item_id))
    return tuple(questions)


def _question_of(item: Item, settings: Settings) -> Question:
    orders = range(settings.n_orders_of(item.scale.n_points))
    forms = tuple(form_of(settings, item, order) for order in orders)
    pieces = tuple(pieces_of(settings.template, item, shown_options(form.choices)) for form in forms)
    return Question((item.item_id,), forms, pieces)


def _meaning(form: Form) -> dict[str, int]:
    return {choice.symbol: choice.rating for choice in form.choices}


def _told_apart(settings: Settings, one: Form, other: Form) -> str:
    if one.item is other.item:
        what = f"shows the options of {one.item.item_id} alike in orders {one.order} and {other.order}"
    else:
        what = f"asks {one.item.item_id} and {other.item.item_id} in the same words, which are answered differently"
    return f"The template {settings.template.name} {what}; expected one that shows the question and its options."
