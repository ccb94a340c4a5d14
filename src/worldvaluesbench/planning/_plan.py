"""A plan: the distinct requests that answer a set of examples, each asked once however many examples share it.

Respondents with the same persona share the request for an item. They are counted on arrays of the dataset's size,
for any number of examples, and prompts are rendered only as they are needed: a persona once for all its items,
an item once for all personas where the template only prints the persona.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from hashlib import blake2b
from itertools import count, islice
from pathlib import Path

import jinja2
import numpy as np
import polars as pl
from jinja2 import nodes
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from worldvaluesbench.errors import FolderError, PromptError
from worldvaluesbench.parsing import answer_schema
from worldvaluesbench.planning._examples import ExampleSet
from worldvaluesbench.prompts import (
    TEXT_METHODS,
    AnswerOption,
    Fact,
    Persona,
    Request,
    Settings,
    choices_of,
    persona_of,
    render_persona,
    render_prompt,
    request_id_of,
    shown_options,
)
from worldvaluesbench.runs import EXAMPLES, REQUESTS
from worldvaluesbench.survey import Codebook, Item

REQUESTS_AT_ONCE, EXAMPLES_AT_ONCE = 10_000, 250_000
"""Rows of a row group: what is held in memory at a time."""

MAX_NAMED = 5

_MARK = "\0persona\0"
# these nodes return one of their operands, or test whether one is empty: the persona is printed unchanged
_PLAIN = (nodes.Template, nodes.If, nodes.Output, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not)

_REQUEST_SCHEMA = pl.Schema(
    {"request_id": pl.String, "item_id": pl.String, "order": pl.UInt8, "n": pl.UInt16, "prompt": pl.String}
)


@dataclass(frozen=True, slots=True)
class Form:
    """An item in one order of its answer options.

    `request` makes a request from its id, prompt and number of completions. `parts` is the prompt cut at the persona,
    and the prompt without persona; None where the template does more with a persona than print it.
    """

    item: Item
    settings: Settings
    options: tuple[AnswerOption, ...]
    request: Callable[[str, str, int], Request]
    parts: tuple[list[str], str] | None

    def prompt(self, persona: Persona, persona_text: str) -> str:
        """The prompt for a persona, given with its rendered text."""
        if self.parts is not None:
            around, without_persona = self.parts
            return persona_text.join(around) if persona_text else without_persona
        shown = shown_options(self.options)
        return render_prompt(self.settings.template, persona, self.item, options=shown, persona_text=persona_text)


@dataclass(frozen=True, slots=True)
class Question:
    """An item in all its option orders, and all items that are asked in the same words."""

    item_ids: tuple[str, ...]
    forms: tuple[Form, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """The distinct requests for a set of examples, in a fixed order: persona by persona, then item, then option order.

    `personas` are the distinct personas and `number_of` is the persona of each row of the dataset's tables (-1: not
    asked). `questions` are the items as they are asked; `is_asked`, shape (personas, questions), says which persona is
    asked which question, and `n_each`, shape (questions,), for how many completions.
    """

    examples: ExampleSet
    settings: Settings
    personas: Sequence[Persona] = field(repr=False)
    number_of: NDArray[np.int32] = field(repr=False)
    questions: tuple[Question, ...] = field(repr=False)
    is_asked: NDArray[np.bool_] = field(repr=False)
    n_each: NDArray[np.int64] = field(repr=False)

    @property
    def n_examples(self) -> int:
        """The number of examples."""
        return self.examples.n

    @property
    def n_requests(self) -> int:
        """The number of distinct requests."""
        return int(self.n_by_question.sum())

    @property
    def n_completions(self) -> int:
        """The number of completions, without retries."""
        return int(self.n_by_question @ self.n_each)

    @property
    def n_orders(self) -> NDArray[np.int64]:
        """The number of option orders of each question, shape (questions,)."""
        return np.array([len(question.forms) for question in self.questions], dtype=np.int64)

    @property
    def n_by_question(self) -> NDArray[np.int64]:
        """The number of requests of each question, shape (questions,)."""
        n_personas: NDArray[np.int64] = np.count_nonzero(self.is_asked, axis=0).astype(np.int64)
        return n_personas * self.n_orders

    @property
    def n_by_persona(self) -> NDArray[np.int64]:
        """The number of requests of each persona, shape (personas,)."""
        totals = np.zeros(len(self.personas), dtype=np.int64)
        for column, n_orders in enumerate(self.n_orders.tolist()):
            totals += self.is_asked[:, column] * n_orders
        return totals

    @property
    def note(self) -> str | None:
        """One sentence where items are asked in fewer option orders than the settings say, else None."""
        wanted = self.settings.orders
        fewer = [question for question in self.questions if len(question.forms) < wanted]
        if not fewer:
            return None
        item_ids = [item_id for question in fewer for item_id in question.item_ids]
        found = sorted({len(question.forms) for question in fewer})
        named = ", ".join(item_ids[:MAX_NAMED]) + (", …" if len(item_ids) > MAX_NAMED else "")
        return (
            f"orders is {wanted}, but {len(item_ids)} of {len(self.examples.item_ids)} items are asked in "
            f"{' or '.join(map(str, found))}: their scales have no more balanced orders ({named})."
        )

    def requests(self) -> Iterator[Request]:
        """All requests in their order, each rendered when it is taken."""
        for number in range(len(self.personas)):
            yield from self._requests(number, self._forms(number))

    def some_requests(self, n: int) -> Iterator[Request]:
        """`n` requests at even distances in their order; all of them where there are no more."""
        if n >= self.n_requests:
            yield from self.requests()
            return
        ends = np.cumsum(self.n_by_persona)
        rows = (2 * np.arange(n) + 1) * self.n_requests // (2 * n)
        for row, number in zip(rows.tolist(), np.searchsorted(ends, rows, side="right").tolist(), strict=True):
            forms = self._forms(number)
            yield from self._requests(number, [forms[row - int(ends[number])]])

    def _forms(self, number: int) -> list[tuple[Form, int]]:
        """Every form in which a persona is asked, with its number of completions."""
        columns = np.flatnonzero(self.is_asked[number]).tolist()
        return [(form, int(self.n_each[column])) for column in columns for form in self.questions[column].forms]

    def _requests(self, number: int, forms: Sequence[tuple[Form, int]]) -> Iterator[Request]:
        persona, asked = self.personas[number], self.settings.asked
        text = _text_of(persona, self.settings)
        for form, n in forms:
            prompt = form.prompt(persona, text)
            yield form.request(request_id_of(prompt, asked), prompt, n)


def build_plan(examples: ExampleSet, settings: Settings) -> Plan:
    """Collapse examples to distinct requests.

    Respondents with the same persona share the request for an item and all its completions. Where no persona is shown,
    all respondents share it; `sampled` then asks for at most as many completions as there are respondents, and each
    respondent has one of them.

    Raises PromptError where the template asks for different answers in the same words, or a respondent has a code that
    the codebook does not list.
    """
    codebook = examples.dataset.codebook
    personas, number_of = _personas_of(examples, settings)
    questions = _questions_of([codebook.item(item_id) for item_id in examples.item_ids], settings, personas[0])
    if settings.uses_persona:
        personas, number_of = _merged(personas, number_of, questions[0].forms[0])
    is_asked = np.zeros((len(personas), len(questions)), dtype=np.bool_)
    n_each = np.full(len(questions), settings.n, dtype=np.int64)
    for column, question in enumerate(questions):
        for item_id in question.item_ids:
            is_asked[number_of[examples.rows_of(item_id)], column] = True
        if not settings.uses_persona:
            n_each[column] = min(settings.n, sum(examples.counts[item_id] for item_id in question.item_ids))
    return Plan(examples, settings, personas, number_of, questions, is_asked, n_each)


def item_prompts(items: Sequence[Item], settings: Settings, persona: Persona) -> dict[str, str]:
    """The prompt of each item for one persona, in the first option order, by item.

    Raises PromptError where the template asks for different answers in the same words.
    """
    text = _text_of(persona, settings)
    questions = _questions_of(items, settings, persona)
    return {item_id: asked.forms[0].prompt(persona, text) for asked in questions for item_id in asked.item_ids}


def write_plan(plan: Plan, folder: Path | str) -> None:
    """Write a plan into a folder, as a stream: `requests.parquet` and `examples.parquet`.

    Requests have one row each, in the plan's order. Examples have one row for each option order, with the row of their
    request and their `sample` (null: all samples of the request).

    Raises PromptError where the template renders two requests with the same prompt, FolderError where the disk fails.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.empty(plan.n_requests, dtype=np.uint64)
    _write(folder / REQUESTS, _request_frames(plan, ids), _REQUEST_SCHEMA, REQUESTS_AT_ONCE)
    ids.sort()
    if bool((ids[1:] == ids[:-1]).any()):
        (folder / REQUESTS).unlink()
        raise PromptError(
            f"The template {plan.settings.template.name} renders different personas the same for some items only; "
            f"expected one that shows the same of a persona for every item."
        )
    numbers = {"respondent_id": pl.Int64, "order": pl.UInt8, "request": pl.UInt32, "sample": pl.Int16}
    schema = pl.Schema([("item_id", pl.Enum(plan.examples.dataset.codebook.item_ids)), *numbers.items()])
    _write(folder / EXAMPLES, _example_frames(plan, schema), schema, EXAMPLES_AT_ONCE)


def read_requests(folder: Path | str, settings: Settings, codebook: Codebook) -> Iterator[Request]:
    """The requests of a run folder in their order, exactly as they were planned, some thousands in memory at a time.

    Raises FolderError where they cannot be read.
    """
    path = Path(folder) / REQUESTS

    @cache
    def request(item_id: str, order: int) -> Callable[[str, str, int], Request]:
        return _requests_for(settings, codebook.item(item_id), order)[1]

    for first in count(0, REQUESTS_AT_ONCE):
        try:
            frame = pl.scan_parquet(path, glob=False).slice(first, REQUESTS_AT_ONCE).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise FolderError(f"{path}: cannot be read ({_first_line(error)}); begin the run again.") from None
        for request_id, item_id, order, n, prompt in frame.select(_REQUEST_SCHEMA.names()).iter_rows():
            yield request(item_id, order)(request_id, prompt, n)
        if frame.height < REQUESTS_AT_ONCE:
            return


def _requests_for(
    settings: Settings, item: Item, order: int
) -> tuple[tuple[AnswerOption, ...], Callable[[str, str, int], Request]]:
    """The answer options of an item in this order, and what makes its requests from id, prompt and number."""
    options = choices_of(item, settings.labels, order)
    symbols, method, sampling = tuple(option.symbol for option in options), settings.method, settings.sampling
    is_structured = settings.is_structured and method in TEXT_METHODS
    schema = answer_schema(options, method) if is_structured else None

    def request(request_id: str, prompt: str, n: int) -> Request:
        return Request(request_id, item.item_id, order, prompt, method, symbols, sampling, n, schema=schema)

    return options, request


def _text_of(persona: Persona, settings: Settings) -> str:
    return render_persona(persona, settings.style) if settings.uses_persona else ""


def _questions_of(items: Sequence[Item], settings: Settings, persona: Persona) -> tuple[Question, ...]:
    """The questions that ask these items; items with the same prompts (for this persona) are one question."""
    text = _text_of(persona, settings)
    questions: list[Question] = []
    first_with: dict[str, tuple[int, int, Item, dict[str, int]]] = {}
    for item in items:
        orders = range(settings.n_orders_of(item.scale.n_points))
        question = Question((item.item_id,), tuple(_form_of(settings, item, order) for order in orders))
        place = len(questions)
        for order, form in enumerate(question.forms):
            ratings = {option.symbol: option.rating for option in form.options}
            own = (len(questions), order, item, ratings)
            found = first_with.setdefault(form.prompt(persona, text), own)
            if found[1] != order or found[3] != ratings:
                raise PromptError(_asked_the_same(settings, found[2], item, (found[1], order)))
            place = min(place, found[0])
        if place == len(questions):
            questions.append(question)
        else:
            known = questions[place]
            questions[place] = replace(known, item_ids=(*known.item_ids, item.item_id))
    return tuple(questions)


def _asked_the_same(settings: Settings, one: Item, other: Item, orders: tuple[int, int]) -> str:
    if one is other:
        what = f"shows the options of {one.item_id} the same in orders {orders[0]} and {orders[1]}"
    else:
        what = f"asks {one.item_id} and {other.item_id} in the same words, which are answered differently"
    return f"The template {settings.template.name} {what}; expected one that shows the question and its options."


def _form_of(settings: Settings, item: Item, order: int) -> Form:
    options, request = _requests_for(settings, item, order)
    parts = None
    if _only_prints_persona(settings.template.text):
        render = partial(render_prompt, settings.template, item=item, options=shown_options(options))
        marked = render(Persona((Fact("", "", "", ""),)), persona_text=_MARK)
        parts = marked.split(_MARK), render(Persona(), persona_text="")
    return Form(item, settings, options, request, parts)


@lru_cache(maxsize=16)
def _only_prints_persona(text: str) -> bool:
    """Whether a template does nothing with a persona but print `persona` unchanged and test whether it is empty."""
    return all(is_plain and name == "persona" for name, is_plain in _uses(jinja2.Environment().parse(text)))


def _uses(node: nodes.Node, *, is_plain: bool = True) -> Iterator[tuple[str, bool]]:
    """Every use of `persona` or `facts`: its name, and whether it is printed or tested unchanged.

    Loops, macros, filters, assignments and the like may do anything with what is printed within them.
    """
    is_plain = is_plain and isinstance(node, _PLAIN)
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Name) and child.name in ("persona", "facts"):
            yield child.name, is_plain
        else:
            yield from _uses(child, is_plain=is_plain)


def _personas_of(examples: ExampleSet, settings: Settings) -> tuple[list[Persona], NDArray[np.int32]]:
    """The distinct personas, sorted by their codes (first attribute first), and the persona of each dataset row.

    Respondents with the same facts have one persona: codes of one label are one fact, and missing codes are none,
    for any reason.
    """
    dataset = examples.dataset
    attribute_ids = settings.attributes if settings.uses_persona else ()
    table = dataset.respondents(["respondent_id", *attribute_ids])
    is_asked = np.zeros(table.height, dtype=np.bool_)
    for item_id in examples.item_ids:
        is_asked[examples.rows_of(item_id)] = True
    respondents = table.filter(pl.Series(is_asked))
    numbers = np.zeros(respondents.height, dtype=np.int64)
    shown: list[tuple[list[Fact | None], NDArray[np.int64]]] = []
    for attribute_id in attribute_ids:
        codes, places = np.unique(np.maximum(respondents[attribute_id].to_numpy(), -1), return_inverse=True)
        known = [
            persona_of({attribute_id: code}, dataset.codebook, settings.attribute_questions) for code in codes.tolist()
        ]
        fact_of = [persona.facts[0] if persona.facts else None for persona in known]
        facts = {fact: number for number, fact in enumerate(dict.fromkeys(fact_of))}
        parts = np.array([facts[fact] for fact in fact_of], dtype=np.int64)[places]
        shown.append((list(facts), parts))
        # dense after each attribute, so that the product never overflows
        numbers = np.unique(numbers * len(facts) + parts, return_inverse=True)[1]
    _, firsts = np.unique(numbers, return_index=True)
    columns = [[facts[part] for part in parts[firsts].tolist()] for facts, parts in shown]
    rows = zip(*columns, strict=True) if columns else [()]
    personas = [Persona(tuple(fact for fact in row if fact is not None)) for row in rows]
    number_of = np.full(is_asked.size, -1, dtype=np.int32)
    number_of[is_asked] = numbers
    return personas, number_of


def _merged(
    personas: list[Persona], number_of: NDArray[np.int32], form: Form
) -> tuple[list[Persona], NDArray[np.int32]]:
    """The personas with different prompts; a user's template may show only some of the facts it is given."""
    first_with: dict[bytes, Persona] = {}
    digests = []
    for persona in personas:
        prompt = form.prompt(persona, _text_of(persona, form.settings))
        digests.append(blake2b(prompt.encode(), digest_size=16).digest())
        first_with.setdefault(digests[-1], persona)
    if len(first_with) == len(personas):
        return personas, number_of
    place_of = {digest: place for place, digest in enumerate(first_with)}
    places = np.array([place_of[digest] for digest in digests], dtype=np.int32)
    return list(first_with.values()), np.where(number_of < 0, -1, places[number_of]).astype(np.int32)


def _request_frames(plan: Plan, ids: NDArray[np.uint64]) -> Iterator[pl.DataFrame]:
    """The requests as frames of a row group each; their ids are put into `ids`, as numbers."""
    requests = plan.requests()
    for first in count(0, REQUESTS_AT_ONCE):
        rows = [(r.request_id, r.item_id, r.order, r.n, r.prompt) for r in islice(requests, REQUESTS_AT_ONCE)]
        if not rows:
            return
        ids[first : first + len(rows)] = [int(row[0], 16) for row in rows]
        yield pl.DataFrame(rows, schema=_REQUEST_SCHEMA, orient="row")


def _example_frames(plan: Plan, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """The examples of one item in one order after another, each with the row of its request."""
    respondent_ids = plan.examples.dataset.respondents(["respondent_id"])["respondent_id"]
    has_own_sample = plan.settings.method == "sampled" and not plan.settings.uses_persona
    # the row of the next request of each persona, question after question
    ends = np.cumsum(plan.n_by_persona)
    next_row = ends - plan.n_by_persona
    for column, question in enumerate(plan.questions):
        n_before = 0
        for item_id in question.item_ids:
            rows = plan.examples.rows_of(item_id)
            samples = (n_before + np.arange(rows.size)) % plan.n_each[column] if has_own_sample else None
            n_before += rows.size
            for order in range(len(question.forms)):
                columns = {
                    "item_id": pl.repeat(item_id, rows.size, dtype=schema["item_id"], eager=True),
                    "respondent_id": respondent_ids[rows],
                    "order": pl.repeat(order, rows.size, dtype=pl.UInt8, eager=True),
                    "request": (next_row[plan.number_of[rows]] + order).astype(np.uint32),
                    "sample": pl.repeat(None, rows.size, eager=True) if samples is None else samples,
                }
                yield pl.DataFrame(columns, schema_overrides=schema)
        next_row += plan.is_asked[:, column] * len(question.forms)


def _write(path: Path, frames: Iterator[pl.DataFrame], schema: pl.Schema, rows_at_once: int) -> None:
    """Write frames into a parquet file one after another, without holding more than a few."""
    failures: list[Exception] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        try:
            yield from frames
        except Exception as error:
            failures.append(error)
            raise

    try:
        register_io_source(source, schema=schema).sink_parquet(path, compression="zstd", row_group_size=rows_at_once)
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if failures:  # polars may have wrapped it
            raise failures[0] from None
        if isinstance(error, OSError | pl.exceptions.PolarsError):
            raise FolderError(f"{path}: cannot be written ({_first_line(error)}); choose another place.") from None
        raise


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
