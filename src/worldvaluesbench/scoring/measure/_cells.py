"""The scores of one source by the groups of one grouping, as tables: a row for each cell, a row for each group."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from worldvaluesbench.runs import OUTCOMES
from worldvaluesbench.scoring import How
from worldvaluesbench.scoring.measure._bootstrap import Design
from worldvaluesbench.scoring.measure._individuals import Judged, judge_answers, no_person_tables, person_tables
from worldvaluesbench.scoring.measure._intervals import Intervals, Sampling, find_intervals
from worldvaluesbench.scoring.measure._pairing import Panel, count_clusters, with_refusals
from worldvaluesbench.scoring.measure._shares import distributions_of
from worldvaluesbench.scoring.measure._summary import ANSWERS, SET_COLUMNS, SetIntervals, attain, summarise
from worldvaluesbench.scoring.measure._tally import Counts, Tally, answer_distances, floors_of, tally_panel
from worldvaluesbench.scoring.sources import (
    MAJORITY,
    MAJORITY_POOLED,
    UNIFORM,
    WORLD,
    Answers,
    Groups,
    Humans,
    Reference,
    Rows,
    majority_distances,
    pooled_majority_distances,
    uniform_distances,
    world_distances,
)
from worldvaluesbench.stats import (
    DISTANCES,
    MAX_POINTS,
    Array,
    Items,
    Mask,
    distance_bounds,
    distance_with_refusals,
    majority_shares,
    shares_of,
    skill,
    uniform_shares,
)

BOUNDS = ("best", "worst")
"""What missing answers could have made, known also of a cell in which too few are left."""

LEVEL = 0.95
"""The level of intervals where nothing is resampled."""


@dataclass(frozen=True)
class Source:
    """One source of answers, sorted and compared with the humans; `design`: how its respondents are resampled."""

    answers: Answers
    rows: Rows
    humans: Humans
    panel: Panel
    reference: Reference
    design: Design

    @cached_property
    def judged(self) -> Judged:
        """How well single persons are met, whatever they are grouped by."""
        return judge_answers(self.panel)


@dataclass(frozen=True)
class Beside:
    """What was found beside a source for one grouping, and holds for every source of the same people.

    `is_shown`: which cells have a number. `sets`: intervals, those of baselines among them.
    """

    source: Source
    is_shown: Mask
    sets: SetIntervals

    def holds_for(self, source: Source, is_shown: Mask) -> bool:
        """Whether another source is of the same people, drawn alike, with numbers in the same cells."""
        is_alike = self.source.design.is_same(source.design)
        return is_alike and np.array_equal(self.is_shown, is_shown) and self.source.panel.has_same_people(source.panel)


@dataclass(frozen=True)
class Part:
    """The tables of one source and grouping, by name; `beside`: what need not be found again for others."""

    tables: Mapping[str, pl.DataFrame]
    beside: Beside | None = None


def score_groups(source: Source, groups: Groups, how: How, *, beside: Beside | None = None) -> Part:
    """Score a source by the groups of one grouping: those that any of its respondents is in.

    `beside`: what was found for another source and the same grouping.
    """
    tally = tally_panel(source.panel, groups.member, len(groups.labels))
    least = how.least_n(is_stated=source.panel.is_stated)
    n_people = np.minimum(*_numbers(source.panel, tally, how))
    is_shown = np.asarray(n_people >= least)
    intervals = None
    if how.resampling is not None:
        panel = with_refusals(source.panel) if how.has_refusals else source.panel
        if beside is not None and not beside.holds_for(source, is_shown):
            beside = None
        known = None if beside is None else beside.sets
        items = Items.of([item.topic for item in source.humans.items], how.item_sampling)
        sampling = Sampling(how.resampling, source.design, items)
        intervals = find_intervals(panel, groups.member, sampling, is_shown, known)
        beside = beside or Beside(source, is_shown, intervals.sets)
        # who is alone in a cell, and a cluster that is, does not say how sure one can be
        is_sure = n_people > 1
        if source.design.cluster is not None:
            n_groups, n_items = is_shown.shape
            is_sure &= count_clusters(panel.humans, groups.member, n_groups, n_items, source.design.cluster) > 1
        intervals = replace(intervals, cells=intervals.cells.where(is_sure))
    keys, is_row = cell_keys(source, groups), find_rows(source, groups)
    counted = keys.hstack(count_columns(source, tally, groups)).with_columns(is_too_small=~is_shown.ravel())
    values = _values(source, tally, how, intervals)
    numbers = number_columns(values, is_shown)
    bounds = number_columns(
        {name: values[name] for name in BOUNDS}, is_shown | _are_bounded(source.panel, tally, least)
    )
    scores = counted.hstack(numbers.with_columns(bounds)).filter(is_row)
    sets = {} if intervals is None else intervals.sets
    level = LEVEL if how.resampling is None else how.resampling.level
    persons, persons_summary = _persons(source, groups, level, is_shown, is_row)
    place, shares = distributions_of(
        tally, is_shown & is_row.to_numpy().reshape(is_shown.shape), source.humans.low, level
    )
    return Part(
        {
            "scores": scores,
            "summary": summarise(scores, groups, sets),
            "attainment": attain(scores, groups, sets),
            "distances": keys.hstack(number_columns(other_distances(tally, intervals), is_shown)).filter(is_row),
            "distributions": keys[place].drop("topic").hstack(shares),
            "individuals": persons,
            "individuals_summary": persons_summary,
        },
        beside,
    )


def _numbers(panel: Panel, tally: Tally, how: How) -> tuple[Counts, Counts]:
    """How many humans, and how many people answered for, a cell is made of; with refusals those who refused as well."""
    if not how.has_refusals:
        return tally.n_responses, tally.n_examples
    n_given = tally.n_examples + tally.n_missing
    n_humans = (n_given if panel.is_paired else tally.n_responses) + tally.n_refusals
    return n_humans, n_humans if panel.is_paired else n_given


def _values(source: Source, tally: Tally, how: How, intervals: Intervals | None) -> dict[str, Array]:
    """The numbers of every cell, shape (groups, items), whether or not it is too small; in the order of the table."""
    everybody = tally_panel(source.panel, None, 1)
    distance = answer_distances(tally)
    baselines = baseline_distances(source.panel, tally, everybody)
    if how.has_refusals:
        distance = _refusal_distances(source.panel, tally)
        baselines = _refusing_baselines(source.panel, tally, everybody)
    none = np.full_like(distance, np.nan)
    best, worst = missing_bounds(source.panel, tally)
    return {
        "distance": distance,
        "low": none if intervals is None else intervals.cells.low,
        "high": none if intervals is None else intervals.cells.high,
        "corrected": none if intervals is None else intervals.cells.corrected,
        "noise_floor": floors_of(tally, is_stated=source.panel.is_stated),
        "design_effect": none if intervals is None or not _has_design(source) else intervals.cells.design_effect,
        "best": best,
        "worst": worst,
        **baselines,
        "skill_uniform": skill(distance, baselines[UNIFORM]),
        "skill_marginal": skill(distance, baselines[WORLD]),
    }


def missing_bounds(panel: Panel, tally: Tally) -> tuple[Array, Array]:
    """The smallest and largest distance that missing answers could have made, against all people answered for."""
    return distance_bounds(_all_humans(panel, tally), tally.answers, tally.missing, tally.n_points)


def _are_bounded(panel: Panel, tally: Tally, least: int) -> Mask:
    """Which cells have enough people, those without an answer counted, to say what missing answers could have made."""
    n_answers = tally.n_examples + tally.n_missing
    n_humans = n_answers if panel.is_paired else tally.n_responses
    return np.asarray(np.minimum(n_humans, n_answers) >= max(least, 1))


def _has_design(source: Source) -> bool:
    """Whether respondents are sampled otherwise than each alone with the same weight: by strata, clusters, weights."""
    has_strata = source.design.stratum is not None or source.design.cluster is not None
    return source.panel.marginals is None and (has_strata or source.humans.weights is not None)


def _all_humans(panel: Panel, tally: Tally) -> Counts:
    """The humans, those among them who were answered for with nothing that can be read."""
    return tally.humans + tally.missing_humans if panel.is_paired else tally.humans


def baseline_distances(panel: Panel, tally: Tally, everybody: Tally) -> dict[str, Array]:
    """Distances of the baselines from the humans; shapes (groups, items)."""
    humans, n_points = tally.humans, tally.n_points
    none = np.full(tally.n_responses.shape, np.nan)
    return {
        UNIFORM: uniform_distances(humans, n_points),
        MAJORITY: majority_distances(humans, n_points),
        MAJORITY_POOLED: pooled_majority_distances(humans, everybody.humans[0], n_points),
        WORLD: none if panel.world is None else world_distances(humans, panel.world, n_points),
    }


def _refusal_distances(panel: Panel, tally: Tally) -> Array:
    """Distances where refusals, of humans and of answers, are a category of their own."""
    answers, missing = tally.answers + tally.for_refusers, tally.missing + tally.missing_for_refusers
    return distance_with_refusals(_all_humans(panel, tally), tally.refusals, answers, missing, tally.n_points)


def _refusing_baselines(panel: Panel, tally: Tally, everybody: Tally) -> dict[str, Array]:
    """The same of the baselines, which do not refuse themselves."""
    humans, n_points = _all_humans(panel, tally), tally.n_points
    shares = {
        UNIFORM: uniform_shares(n_points, MAX_POINTS),
        MAJORITY: majority_shares(shares_of(humans)),
        MAJORITY_POOLED: majority_shares(shares_of(_all_humans(panel, everybody)[0])),
        WORLD: np.full(humans.shape, np.nan) if panel.world is None else shares_of(panel.world),
    }
    return {name: distance_with_refusals(humans, tally.refusals, of, 0, n_points) for name, of in shares.items()}


def other_distances(tally: Tally, intervals: Intervals | None) -> dict[str, Array]:
    """The other distances, each under its own name, with their intervals."""
    humans, answers = shares_of(tally.humans), shares_of(tally.answers)
    shape = tally.n_responses.shape
    found: dict[str, Array] = {}
    for name, measure in DISTANCES.items():
        values, low, high = (np.full(shape, np.nan) for _ in range(3))
        for n in np.unique(tally.n_points).tolist():
            items = np.flatnonzero(tally.n_points == n)
            sides = (np.moveaxis(side[:, items, :n], -1, 0) for side in (humans, answers))
            values[:, items] = measure(*sides)
        if intervals is not None and intervals.cells.others:
            low, high = intervals.cells.others[name]
        found |= {name: values, f"{name}_low": low, f"{name}_high": high}
    return found


def _persons(
    source: Source, groups: Groups, level: float, is_shown: Mask, is_row: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How well single persons are met: by cell, and by group over its items. Against the world nobody is known."""
    keys = cell_keys(source, groups)
    sets = keys[:: len(source.humans.items)].select(name for name in SET_COLUMNS if name != "answered_by")
    parts: list[tuple[pl.DataFrame, ...]] = []
    if source.panel.marginals is None:
        for name, cells, of_groups in person_tables(source.panel, source.judged, groups.member, is_shown, level):
            answered_by = pl.lit(source.answers.name if name == ANSWERS else name).alias("answered_by")
            rows = keys.with_columns(answered_by).hstack(cells).filter(is_row)
            parts.append((rows, sets.with_columns(answered_by).hstack(of_groups).filter(pl.col("n_items") > 0)))
    if not parts:
        return no_persons(keys)
    together, over_items = (pl.concat([part[k] for part in parts]) for k in (0, 1))
    return together, over_items


def no_persons(keys: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables of single persons, with these keys and without a row."""
    none = pl.lit(None, dtype=pl.String).alias("answered_by")
    sets = keys.clear().select(name for name in SET_COLUMNS if name != "answered_by")
    of_cells, of_groups = no_person_tables()
    return keys.clear().with_columns(none).hstack(of_cells), sets.with_columns(none).hstack(of_groups)


def number_columns(values: Mapping[str, Array], is_shown: Mask) -> pl.DataFrame:
    """Numbers as columns, group by group and item by item; null where a cell is too small."""
    return pl.DataFrame(
        {name: pl.Series(np.where(is_shown, found, np.nan).ravel()).fill_nan(None) for name, found in values.items()}
    )


def cell_keys(source: Source, groups: Groups) -> pl.DataFrame:
    """What tells each row from the others."""
    items, reference = source.humans.items, source.reference
    group, item = np.divmod(np.arange(len(groups.labels) * len(items)), len(items))
    return pl.DataFrame(
        {
            "item_id": pl.Series([known.item_id for known in items]).gather(item),
            "topic": pl.Series([known.topic for known in items]).gather(item),
            "grouping": pl.repeat(groups.grouping, item.size, eager=True),
            "group": pl.Series(groups.labels, dtype=pl.String).gather(group),
            "group_codes": pl.Series(groups.codes, dtype=pl.String).gather(group),
        }
    ).select(
        pl.lit(source.answers.name).alias("answers"),
        pl.lit(reference.name).alias("reference"),
        pl.lit(reference.edition, dtype=pl.String).alias("edition"),
        pl.lit(reference.weight).alias("weight"),
        pl.all(),
    )


def find_rows(source: Source, groups: Groups) -> pl.Series:
    """Which cells have a row: items that the source names, groups that any of its respondents is in."""
    its_own = set(source.answers.item_ids)
    named = [item.item_id in its_own for item in source.humans.items]
    is_met = groups.are_met_by(source.rows.respondent)
    return pl.Series((is_met[:, None] & np.array(named)[None]).ravel())


def count_columns(source: Source, tally: Tally, groups: Groups) -> pl.DataFrame:
    """How many there are in each cell: humans, answers, examples without an answer, and why."""
    asked = tally.n_examples + tally.n_missing
    coverage = np.divide(tally.n_examples, asked, out=np.full(asked.shape, np.nan), where=asked > 0)
    return pl.DataFrame(
        {
            "n_responses": tally.n_responses.ravel().astype(np.int64),
            "n_effective": pl.Series(tally.n_effective.ravel()).fill_nan(None),
            "n_answers": tally.n_answers.ravel().astype(np.int64),
            "n_examples": tally.n_examples.ravel().astype(np.int64),
            "n_missing": tally.n_missing.ravel().astype(np.int64),
            "coverage": pl.Series(coverage.ravel()).fill_nan(None),
            "left_out": _left_out(source, groups),
        }
    )


def _left_out(source: Source, groups: Groups) -> pl.Series:
    """The rows of each cell that are left out, by reason, in words: `refusal 3, off_scale 1`; null for none."""
    n_items = len(source.humans.items)
    n_cells = len(groups.labels) * n_items
    words: list[str | None] = [None] * n_cells
    rows = np.flatnonzero(~source.rows.is_valid)
    group = groups.of_respondents(source.rows.respondent[rows])
    item = source.rows.item[rows].astype(np.int64)
    cell = item if group is None else group * n_items + item
    is_known = (item >= 0) & (np.True_ if group is None else group >= 0)
    pairs, n = np.unique((cell * len(OUTCOMES) + source.rows.outcome[rows])[is_known], return_counts=True)
    for pair, count in zip(pairs.tolist(), n.tolist(), strict=True):
        place, reason = divmod(pair, len(OUTCOMES))
        before = words[place]
        words[place] = f"{OUTCOMES[reason]} {count}" if before is None else f"{before}, {OUTCOMES[reason]} {count}"
    return pl.Series("left_out", words, dtype=pl.String)
