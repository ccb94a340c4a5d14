"""A plan: the distinct requests that answer a set of examples, each asked once however many examples share it.

Examples are alike where the same is shown of their respondents and the same item is asked. They are counted on arrays
of the dataset's size, whatever the number of examples, and prompts are rendered only as they are asked for.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count, islice
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from worldvaluesbench.errors import FolderError, PromptError
from worldvaluesbench.planning._examples import ExampleSet
from worldvaluesbench.planning._personas import Personas, merge_personas, number_personas
from worldvaluesbench.planning._questions import Form, Question, Shown, form_of, questions_of, render_question, show
from worldvaluesbench.prompts import Request, Settings, request_id_of
from worldvaluesbench.runs import EXAMPLES, REQUESTS
from worldvaluesbench.survey import Codebook

REQUESTS_AT_ONCE, EXAMPLES_AT_ONCE = 10_000, 250_000
"""Rows of a row group: what is held in memory at a time."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The distinct requests for a set of examples, in a fixed order: persona by persona, then item, then order.

    `questions` are the items as they are asked; `is_asked`, shape (personas, questions), says who is asked what, and
    `n_each`, shape (questions,), for how many completions.
    """

    examples: ExampleSet
    settings: Settings
    personas: Personas = field(repr=False)
    questions: tuple[Question, ...] = field(repr=False)
    is_asked: NDArray[np.bool_] = field(repr=False)
    n_each: NDArray[np.int64] = field(repr=False)

    @property
    def n_examples(self) -> int:
        """How many examples are answered."""
        return self.examples.n

    @property
    def n_requests(self) -> int:
        """How many distinct requests are made."""
        return int(self.n_by_question.sum())

    @property
    def n_completions(self) -> int:
        """How many completions are wanted, retries apart."""
        return int(self.n_by_question @ self.n_each)

    @property
    def n_orders(self) -> NDArray[np.int64]:
        """In how many orders of its options each question is asked, shape (questions,)."""
        return np.array([len(question.forms) for question in self.questions], dtype=np.int64)

    @property
    def n_by_question(self) -> NDArray[np.int64]:
        """How many requests ask each question, shape (questions,)."""
        n_asked: NDArray[np.int64] = np.count_nonzero(self.is_asked, axis=0).astype(np.int64)
        return n_asked * self.n_orders

    @property
    def n_by_persona(self) -> NDArray[np.int64]:
        """How many requests show each persona, shape (personas,)."""
        totals = np.zeros(self.personas.n, dtype=np.int64)
        for column, n_orders in enumerate(self.n_orders.tolist()):
            totals += self.is_asked[:, column] * n_orders
        return totals

    def requests(self) -> Iterator[Request]:
        """All requests in their order, each rendered when it is taken."""
        asked = self.settings.asked
        for number in range(self.personas.n):
            shown = show(self.personas.persona(number), self.settings)
            for column in np.flatnonzero(self.is_asked[number]).tolist():
                for order in range(len(self.questions[column].forms)):
                    yield self._request(shown, column, order, asked)

    def some_requests(self, n: int) -> Iterator[Request]:
        """`n` requests at even distances in their order; all of them where there are no more."""
        if n >= self.n_requests:
            yield from self.requests()
            return
        asked = self.settings.asked
        ends = np.cumsum(self.n_by_persona)
        rows = (2 * np.arange(n) + 1) * self.n_requests // (2 * n)
        numbers = np.searchsorted(ends, rows, side="right")
        for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
            before = row - int(ends[number - 1]) if number else row
            shown = show(self.personas.persona(number), self.settings)
            yield self._request(shown, *self._place(number, before), asked)

    def _place(self, number: int, before: int) -> tuple[int, int]:
        """Question and order of a persona's request, with `before` others of the same persona before it."""
        columns = np.flatnonzero(self.is_asked[number])
        ends = np.cumsum(self.n_orders[columns])
        place = int(np.searchsorted(ends, before, side="right"))
        return int(columns[place]), before - (int(ends[place - 1]) if place else 0)

    def _request(self, shown: Shown, column: int, order: int, asked: str) -> Request:
        question = self.questions[column]
        prompt = render_question(self.settings, shown, question, order)
        return question.forms[order].request(request_id_of(prompt, asked), prompt, int(self.n_each[column]))


def build_plan(examples: ExampleSet, settings: Settings) -> Plan:
    """Collapse examples to distinct requests.

    Where a persona is shown, respondents who are shown alike share the request for an item and all its completions.
    Where nobody is shown, all respondents share it; `sampled` then asks for at most as many completions as there are
    respondents, and each respondent has one of them.

    Raises PromptError where the template asks alike what is answered differently, or a respondent has a code that the
    codebook does not list.
    """
    dataset = examples.dataset
    personas = number_personas(dataset, _concerned(examples), settings)
    items = [dataset.codebook.item(item_id) for item_id in examples.item_ids]
    questions = questions_of(items, settings, show(personas.persona(0), settings))
    if settings.uses_persona:
        personas = merge_personas(
            personas, lambda persona: render_question(settings, show(persona, settings), questions[0], 0)
        )
    is_asked = np.zeros((personas.n, len(questions)), dtype=np.bool_)
    n_examples = np.zeros(len(questions), dtype=np.int64)
    for column, question in enumerate(questions):
        for item_id in question.item_ids:
            is_asked[personas.number_of[examples.rows_of(item_id)], column] = True
            n_examples[column] += examples.counts[item_id]
    n_each = np.full(len(questions), settings.n, dtype=np.int64)
    if not settings.uses_persona:
        n_each = np.minimum(n_each, n_examples)
    return Plan(examples, settings, personas, questions, is_asked, n_each)


def write_plan(plan: Plan, folder: Path) -> None:
    """Write a plan into a folder, as a stream: `requests.parquet` and `examples.parquet`.

    Requests have one row each, in the plan's order. Examples have one row for each order they are asked in, with the
    row of their request and the `sample` that is theirs (null: all samples are).

    Raises PromptError where the template renders two requests alike, FolderError where the disk fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.empty(plan.n_requests, dtype=np.uint64)
    _write(folder / REQUESTS, _request_frames(plan, ids), _REQUEST_SCHEMA, REQUESTS_AT_ONCE)
    ids.sort()
    if bool((ids[1:] == ids[:-1]).any()):
        (folder / REQUESTS).unlink()
        raise PromptError(
            f"The template {plan.settings.template.name} shows some people alike for some items only; expected one "
            f"that shows the same of a person for every item."
        )
    schema = _example_schema(plan.examples.dataset.codebook)
    _write(folder / EXAMPLES, _example_frames(plan, schema), schema, EXAMPLES_AT_ONCE)


def read_requests(folder: Path, settings: Settings, codebook: Codebook) -> Iterator[Request]:
    """The requests of a run folder in their order, exactly as they were planned, some thousands in memory at a time.

    Raises FolderError where they cannot be read.
    """
    path = folder / REQUESTS

    @cache
    def form(item_id: str, order: int) -> Form:
        return form_of(settings, codebook.item(item_id), order)

    for first in count(0, REQUESTS_AT_ONCE):
        try:
            frame = pl.scan_parquet(path, glob=False).slice(first, REQUESTS_AT_ONCE).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise FolderError(f"{path}: cannot be read ({_first_line(error)}); begin the run again.") from None
        for request_id, item_id, order, n, prompt in frame.select(_REQUEST_SCHEMA.names()).iter_rows():
            yield form(item_id, order).request(request_id, prompt, n)
        if frame.height < REQUESTS_AT_ONCE:
            return


def _concerned(examples: ExampleSet) -> NDArray[np.bool_]:
    """Which rows of the dataset's tables any example is of."""
    concerned = np.zeros(examples.dataset.respondents(["respondent_id"]).height, dtype=np.bool_)
    for item_id in examples.item_ids:
        concerned[examples.rows_of(item_id)] = True
    return concerned


_REQUEST_SCHEMA = pl.Schema(
    {"request_id": pl.String, "item_id": pl.String, "order": pl.UInt8, "n": pl.UInt16, "prompt": pl.String}
)


def _example_schema(codebook: Codebook) -> pl.Schema:
    numbers = {"respondent_id": pl.Int64, "order": pl.UInt8, "request": pl.UInt32, "sample": pl.Int16}
    return pl.Schema([("item_id", pl.Enum(codebook.item_ids)), *numbers.items()])


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
                    "request": (next_row[plan.personas.number_of[rows]] + order).astype(np.uint32),
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
