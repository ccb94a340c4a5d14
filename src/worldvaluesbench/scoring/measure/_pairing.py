"""A panel: one source of answers held against people, person by person, so that people can be drawn again.

Both sides are entries: a person, an item, a point of its scale, and the weight that is put there. Whoever has a survey
weight brings it to both sides, for the answers given for a person stand for as many people as the person does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worldvaluesbench.benchmark import check_weights
from worldvaluesbench.runs import OUTCOMES, VALID
from worldvaluesbench.scoring.measure._repeats import is_first, number_people
from worldvaluesbench.scoring.measure._sides import Side, find_sides, share_answers
from worldvaluesbench.scoring.sources import Humans, Reference, Rows
from worldvaluesbench.stats import MAX_POINTS, Array, Ints, Mask

REFUSALS = (-1, -2)
"""The missing reasons of a response that are a refusal to answer: don't know, and no answer."""

COUNTED_AT_ONCE = 2**17
"""Entries are counted so many at a time, or as many as there are bins."""

_NOT_OF_ANSWERS = ("unknown_item", "unknown_id", "other_split", "no_response", "duplicate")


@dataclass(frozen=True)
class Entries:
    """Entries of shape (entries,): person and item by their places, the point from 0, the weight put there.

    `weight` None: each entry weighs 1. `is_row`: which entries begin a row of the source, for a row with a
    distribution has several; None: each one does. `completion`: a number for each completion that several respondents
    share, -1 for those of one respondent alone, and for distributions, which are no random draws; None: all are.
    """

    person: Ints
    item: Ints
    point: Ints
    weight: Array | None = None
    is_row: Mask | None = None
    completion: Ints | None = None

    @property
    def size(self) -> int:
        """How many there are."""
        return self.person.size

    @property
    def weights(self) -> Array:
        """The weight of each."""
        return np.ones(self.size) if self.weight is None else self.weight

    def select(self, kept: Mask) -> "Entries":
        """Those that are kept."""
        return self if kept.all() else self.take(kept)

    def take(self, which: Mask | Ints) -> "Entries":
        """Those of a mask, or at these places, in this order."""
        weight = None if self.weight is None else self.weight[which]
        is_row = None if self.is_row is None else self.is_row[which]
        completion = None if self.completion is None else self.completion[which]
        return Entries(self.person[which], self.item[which], self.point[which], weight, is_row, completion)


_NONE = np.empty(0, dtype=np.int64)
NOBODY = Entries(_NONE, _NONE, _NONE)
"""No entries."""


@dataclass(frozen=True)
class Panel:
    """Both sides, and those whose answer is missing.

    `examples`: those with an answer that counts, once each, with the point of the person's own response (0 against the
    world). `missing`: examples that nothing could be read for, alike. `human_refusals` and `missing` are what a refusal
    category counts; `for_refusers` and `missing_for_refusers` are the answers that were given for people who refused to
    respond themselves, and those of these examples that nothing could be read for. `marginals`, shape (items, 10),
    stand for the humans where there are no persons; `world`, of the same shape, is a baseline where there are.
    `n_people`: how many persons places run over; those from `n_known` on (None: nobody) have no id, and so are nobody
    of another panel. `is_paired`: the humans are those of `examples`. `is_stated`: all answers are distributions.
    `has_refusals`: scales have one point more, for refusals (`with_refusals`). `key`: a keyed hash of the responses of
    the whole dataset, as whole numbers, from which the random numbers of resampling are made; it is never written.
    """

    n_points: Ints
    n_people: int
    humans: Entries
    answers: Entries
    examples: Entries
    missing: Entries
    human_refusals: Entries
    for_refusers: Entries = NOBODY
    missing_for_refusers: Entries = NOBODY
    marginals: Ints | None = None
    world: Ints | None = None
    n_known: int | None = None
    is_paired: bool = True
    is_stated: bool = False
    has_refusals: bool = False
    key: tuple[int, ...] = field(default=(), repr=False)

    def has_same_people(self, other: "Panel") -> bool:
        """Whether both are of the same examples and held against the same humans."""
        pairs = (self.humans, other.humans), (self.examples, other.examples)
        return all(
            np.array_equal(getattr(first, name), getattr(second, name))
            for first, second in pairs
            for name in ("person", "item", "point", "weights")
        )

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return self.n_points.size


def build_panel(rows: Rows, humans: Humans, reference: Reference, ids: pl.Series) -> Panel:
    """Hold the sorted rows of a source against the humans of a reference; `ids` are those that its rows give people.

    Raises DatasetError where somebody who is compared has no survey weight.
    """
    sides = find_sides(rows)
    person, n_people = people_of(ids, rows, humans)
    speaking = entries_of(sides.humans, person, rows)
    human_refusals, for_refusers, missing_for_refusers = _refusals_answered_for(rows, person, humans)
    panel = Panel(
        n_points=humans.n_points,
        n_people=n_people,
        humans=speaking,
        answers=_with_completions(entries_of(sides.answers, person, rows), sides.answers, person, rows),
        examples=speaking,
        missing=_missing(rows, person),
        human_refusals=human_refusals,
        for_refusers=for_refusers,
        missing_for_refusers=missing_for_refusers,
        marginals=humans.marginals,
        world=None if humans.marginals is not None else humans.world,
        n_known=None if humans.known_ids is None else humans.known_ids.len(),
        is_paired=reference.name == "probe",
        is_stated=rows.askings is not None and bool(rows.askings.is_spread[rows.is_valid].all()),
        key=_key_of(reference),
    )
    if reference.name in ("split", "all"):
        panel = _with_respondents(panel, rows, humans)
    return panel if humans.weights is None else _weighted(panel, humans.weights, reference)


def common_panels(panels: Sequence[Panel]) -> list[Panel]:
    """The panels with those examples alone that all of them have an answer to; they must be of the same people.

    Where the humans are not those answered for, they are those that all panels have: respondents of the same split.
    """
    n_people = max(panel.n_people for panel in panels)
    examples = _common([panel.examples for panel in panels], panels[0].n_items, n_people)
    examples[:, min(n_people if panel.n_known is None else panel.n_known for panel in panels) :] = False
    humans = None
    if panels[0].marginals is None and not panels[0].is_paired:
        humans = _common([panel.humans for panel in panels], panels[0].n_items, n_people)
    return [_restrict(panel, examples, humans) for panel in panels]


def _common(sides: Sequence[Entries], n_items: int, n_people: int) -> Mask:
    """Which examples all of these have, shape (items, people)."""
    common = np.ones((n_items, n_people), dtype=bool)
    for entries in sides:
        its_own = np.zeros_like(common)
        its_own[entries.item, entries.person] = True
        common &= its_own
    return common


def _restrict(panel: Panel, examples: Mask, humans: Mask | None) -> Panel:
    """The panel with these examples, and these humans (None: those of the examples, or as they are)."""

    def keep(entries: Entries, which: Mask) -> Entries:
        return entries.select(which[entries.item, entries.person])

    kept = keep(panel.examples, examples)
    side = panel.humans if humans is None else keep(panel.humans, humans)
    return replace(
        panel,
        humans=kept if panel.humans is panel.examples else side,
        answers=keep(panel.answers, examples),
        examples=kept,
        missing=keep(panel.missing, examples),
        n_people=examples.shape[1],
    )


def with_refusals(panel: Panel) -> Panel:
    """The panel with a point more on each scale, on which human refusals and missing answers stand."""
    humans = [panel.humans, _moved(panel.human_refusals, panel.n_points)]
    if panel.is_paired:
        humans.append(panel.missing)
    answers = [panel.answers, panel.for_refusers]
    answers += [_moved(missing, panel.n_points) for missing in (panel.missing, panel.missing_for_refusers)]
    return replace(
        panel,
        n_points=panel.n_points + 1,
        humans=_joined(humans),
        answers=_joined(answers),
        marginals=None if panel.marginals is None else np.pad(panel.marginals, ((0, 0), (0, 1))),
        world=None,
        has_refusals=True,
    )


def count_entries(entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int) -> Array | Ints:
    """Sums of weight (numbers of entries where there are none) by group, item and point, shape (groups, items, 10).

    `member`: the group of each person, -1 in none; None: everybody is in the one group.
    """
    n_bins = n_groups * n_items * MAX_POINTS
    if entries.weight is not None or entries.size <= n_bins:
        counts = _count_points(entries, member, n_groups, n_items)
    else:
        # sums of whole numbers are the same part by part, and small arrays stay in the cache
        at_once = max(COUNTED_AT_ONCE, n_bins)
        parts = [slice(start, start + at_once) for start in range(0, entries.size, at_once)]
        some = (Entries(entries.person[part], entries.item[part], entries.point[part]) for part in parts)
        counts = np.sum([_count_points(one, member, n_groups, n_items) for one in some], axis=0)
    return counts[:n_bins].reshape(n_groups, n_items, MAX_POINTS)


def _count_points(entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int) -> Array | Ints:
    """The same in one line, perhaps with more bins after the last."""
    cell = cells_of(entries, member, n_groups, n_items)
    n_bins = (n_groups + 1) * n_items * MAX_POINTS
    return np.bincount(cell * MAX_POINTS + entries.point, weights=entries.weight, minlength=n_bins)


def count_cells(
    entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int, weight: Array | None = None
) -> Array | Ints:
    """Numbers of entries (or sums of `weight`) by group and item, shape (groups, items)."""
    cell = cells_of(entries, member, n_groups, n_items)
    n_cells = n_groups * n_items
    return np.bincount(cell, weights=weight, minlength=n_cells)[:n_cells].reshape(n_groups, n_items)


def count_clusters(
    entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int, cluster: NDArray[np.int64]
) -> Ints:
    """How many clusters the persons of each cell come from, shape (groups, items); `cluster` is that of each person."""
    width, n_cells = int(cluster.max(initial=0)) + 1, n_groups * n_items
    cell = cells_of(entries, member, n_groups, n_items).astype(np.int64)
    pairs = np.unique(cell * width + cluster[entries.person])
    return np.bincount(pairs // width, minlength=n_cells)[:n_cells].reshape(n_groups, n_items)


def cells_of(entries: Entries, member: NDArray[np.int64] | None, n_groups: int, n_items: int) -> Ints:
    """The cell of each entry: group times items plus item. Whoever is in no group is in one after the last."""
    if member is None:
        return entries.item.astype(np.int32)
    group = np.take(member, entries.person)
    return np.where(group < 0, n_groups, group) * n_items + entries.item


def people_of(ids: pl.Series, rows: Rows, humans: Humans) -> tuple[Ints, int]:
    """Each row's person as a place, and how many places there are: in the dataset, else among the ids."""
    if humans.respondent_ids is not None:
        return rows.respondent, humans.respondent_ids.len()
    person, n_people = number_people(ids, humans.known_ids)
    return person.astype(np.int32), n_people


def entries_of(side: Side, person: Ints, rows: Rows) -> Entries:
    """The entries of one side; `person`, shape (rows,), is the place of each row's person."""
    if side.row is None:
        return Entries(person, rows.item, side.point, side.weight)
    is_row = None
    if side.row.size > np.count_nonzero(side.is_in):
        is_row = is_first(side.row.astype(np.int64))
    return Entries(person[side.row], rows.item[side.row], side.point, side.weight, is_row)


def _with_completions(entries: Entries, side: Side, person: Ints, rows: Rows) -> Entries:
    """Entries of answers that know which completions several respondents share."""
    askings = rows.askings
    if askings is None or askings.request is None:
        return entries
    row = np.arange(person.size) if side.row is None else side.row
    is_rating = ~askings.is_spread[row] & (askings.request[row] >= 0)
    request, whose = askings.request[row][is_rating], person[row][is_rating].astype(np.int64)
    n_requests = int(request.max(initial=-1)) + 1
    first, last = np.full(n_requests, np.iinfo(np.int64).max), np.full(n_requests, -1)
    np.minimum.at(first, request, whose)
    np.maximum.at(last, request, whose)
    is_shared = first[request] < last[request]
    if not is_shared.any():
        return entries
    # the same respondents share the prompts of other items as well, so they are called by the first of them
    slot = askings.slot[row][is_rating]
    called = first[request] * (int(slot.max(initial=0)) + 1) + slot
    completion = np.full(row.size, -1, dtype=np.int64)
    completion[np.flatnonzero(is_rating)[is_shared]] = np.unique(called[is_shared], return_inverse=True)[1]
    return replace(entries, completion=completion)


def _key_of(reference: Reference) -> tuple[int, ...]:
    """What random numbers depend on beside the seed: the world has no responses, and needs no key."""
    if reference.dataset is None:
        return ()
    return tuple(np.frombuffer(reference.dataset.secret(), dtype="<u4").tolist())


def _missing(rows: Rows, person: Ints) -> Entries:
    """The examples of known people with a response for which no row holds an answer, each once."""
    is_of_answer = ~np.isin(OUTCOMES, (*_NOT_OF_ANSWERS, VALID))
    is_lost = is_of_answer[rows.outcome] & (rows.item >= 0) & rows.has_response
    if not is_lost.any():
        return NOBODY
    example = rows.item.astype(np.int64) * (int(person.max(initial=0)) + 1) + person
    lost = np.flatnonzero(is_lost)
    lost = lost[~np.isin(example[lost], np.unique(example[rows.is_valid]))]
    lost = lost[np.unique(example[lost], return_index=True)[1]]
    return Entries(person[lost], rows.item[lost], rows.human_point[lost])


def _refusals_answered_for(rows: Rows, person: Ints, humans: Humans) -> tuple[Entries, Entries, Entries]:
    """The examples answered for whose respondent refused to respond, the answers to them, and those without an answer.

    The point of the first and last says nothing.
    """
    if humans.responses is None:
        return NOBODY, NOBODY, NOBODY
    asked = np.flatnonzero((rows.item >= 0) & (rows.respondent >= 0) & ~rows.has_response)
    refused = asked[np.isin(humans.responses[rows.item[asked], rows.respondent[asked]], REFUSALS)]
    if not refused.size:
        return NOBODY, NOBODY, NOBODY
    example = rows.item.astype(np.int64) * humans.responses.shape[1] + rows.respondent
    # what could be read for them has no other flaw than that there is no response
    read = refused[rows.outcome[refused] == OUTCOMES.index("no_response")]
    asking = example if rows.askings is None else rows.askings.asking
    read = read[is_first(asking[read])]
    silent = refused[~np.isin(example[refused], example[read])]
    answers = share_answers(rows, np.isin(np.arange(rows.item.size), read))
    once = [which[np.unique(example[which], return_index=True)[1]] for which in (refused, silent)]
    refusals, missing = (Entries(person[which], rows.item[which], np.zeros_like(which)) for which in once)
    return refusals, entries_of(answers, person, rows), missing


def _with_respondents(panel: Panel, rows: Rows, humans: Humans) -> Panel:
    """The panel with everyone of the split answered for (of the dataset, where splits do not matter) as humans."""
    assert humans.responses is not None
    is_in = np.ones(panel.n_people, dtype=bool)
    if humans.splits is not None:
        is_in = np.equal(humans.splits, -1 if rows.split is None else rows.split)
    item, person = np.nonzero((humans.responses >= 0) & is_in)
    point = humans.responses[item, person] - humans.low[item]
    refused_item, refused = np.nonzero(np.isin(humans.responses, REFUSALS) & is_in)
    return replace(
        panel,
        humans=Entries(person.astype(np.int32), item.astype(np.int16), point.astype(np.int8)),
        human_refusals=Entries(refused.astype(np.int32), refused_item.astype(np.int16), np.zeros_like(refused)),
    )


def _moved(entries: Entries, point: Ints) -> Entries:
    """Entries on this point of their item."""
    return replace(entries, point=point[entries.item])


def _joined(parts: list[Entries]) -> Entries:
    """Entries of several kinds together; rows are not told apart any more."""
    person, item, point, weight = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("person", "item", "point", "weights")
    )
    completion = None
    if any(part.completion is not None for part in parts):
        alone = [np.full(part.size, -1) if part.completion is None else part.completion for part in parts]
        completion = np.concatenate(alone)
    return Entries(person, item, point, weight, completion=completion)


def weigh_entries(entries: Entries, weights: Array) -> Entries:
    """Entries with the weight of their persons, `weights` of shape (people,), on top of their own."""
    of_person = np.nan_to_num(weights[entries.person])
    return replace(entries, weight=of_person if entries.weight is None else of_person * entries.weight)


def _weighted(panel: Panel, weights: Array, reference: Reference) -> Panel:
    """The panel with the survey weight of each person on both sides."""
    assert reference.dataset is not None
    names = "humans", "answers", "examples", "missing", "human_refusals", "for_refusers", "missing_for_refusers"
    compared = np.unique(np.concatenate([getattr(panel, name).person for name in names[:-1]]))
    check_weights(weights[compared], reference.weight, str(reference.dataset.folder))
    weighed: dict[str, Any] = {name: weigh_entries(getattr(panel, name), weights) for name in names}
    if panel.humans is panel.examples:
        weighed["humans"] = weighed["examples"]
    return replace(panel, **weighed)
