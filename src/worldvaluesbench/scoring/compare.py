"""Comparing sources of answers: over the same people and items, with intervals, ranks, and whom each gets wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.estimate import Resampling
from worldvaluesbench.scoring.answers import Answers
from worldvaluesbench.scoring.askings import Mask
from worldvaluesbench.scoring.cells import Source
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.diagnostics import diagnose
from worldvaluesbench.scoring.disparity import comparable_cells, find_disparity
from worldvaluesbench.scoring.groups import POOLED, Groups, find_groups
from worldvaluesbench.scoring.how import How
from worldvaluesbench.scoring.kinds import Sort, pairs_of, sort_of
from worldvaluesbench.scoring.paired import Difference, Means, Ranks, difference_of, holm, rank_sources, resample_means
from worldvaluesbench.scoring.panel import Panel, common_panels
from worldvaluesbench.scoring.reference import Reference
from worldvaluesbench.scoring.score import check_sources, items_of, open_sources, score_sources
from worldvaluesbench.scoring.table2 import countries_table, table_2
from worldvaluesbench.scoring.tally import tally_panel
from worldvaluesbench.survey.attributes import Grouping

Rows = list[dict[str, object]]


def compare_answers(
    answers: Sequence[Answers],
    reference: Reference,
    *,
    groupings: Sequence[Grouping] = (),
    how: How | None = None,
) -> Comparison:
    """Compare files of answers and runs with one another against the humans of a reference.

    Raises what `score_answers` does, and AnswersError where no example is answered by all of them.
    """
    how = How(resampling=Resampling()) if how is None else how
    resampling = how.resampling or Resampling()
    check_sources(answers, reference)
    sources = list(open_sources(answers, reference, replace(how, resampling=resampling)))
    panels = common_panels([source.panel for source in sources])
    n_common = panels[0].examples.size
    if not n_common:
        names = ", ".join(one.name for one in answers)
        raise AnswersError(
            f"No example is answered by all of {names}; compare runs that asked the same people and items."
        )
    scores = score_sources(sources, answers, reference, groupings, how)
    sorts = {one.name: sort_of(one) for one in answers}
    all_groups = find_groups(reference, groupings, len(items_of(answers, reference)))
    parts: dict[str, list[pl.DataFrame]] = {}
    for groups in all_groups:
        compared = _Compared(sources, panels, groups, sorts, how, resampling)
        for name, table in compared.tables():
            parts.setdefault(name, []).append(table)
        for name, table in diagnose(sources, groups, how):
            parts.setdefault(name, []).append(table)
    tables = {name: pl.concat(found) for name, found in parts.items()}
    tables |= {"table_2": table_2(scores, sorts), "countries": countries_table(scores)}
    return Comparison(scores, sorts, n_common, tables)


class _Compared:
    """All sources by the groups of one grouping, over the cells that all of them have a number for."""

    def __init__(
        self,
        sources: Sequence[Source],
        panels: Sequence[Panel],
        groups: Groups,
        sorts: Mapping[str, Sort],
        how: How,
        resampling: Resampling,
    ) -> None:
        self.names = [source.answers.name for source in sources]
        self.groups, self.sorts, self.resampling = groups, sorts, resampling
        tallies = [tally_panel(panel, groups.member, len(groups.labels)) for panel in panels]
        self.is_shown: Mask = np.all(
            [(tally.n_responses >= how.min_n) & (tally.n_examples >= how.min_n) for tally in tallies], axis=0
        )
        self.n_examples = np.where(self.is_shown, tallies[0].n_examples, 0).sum(axis=1)
        self.kept_groups, self.kept_items = comparable_cells(self.is_shown)
        strata = next((source.strata for source in sources if source.strata is not None), None)
        alike = self.is_shown & self.kept_groups[:, None] & self.kept_items
        found = resample_means(panels, groups.member, strata, resampling, self.is_shown, alike)
        self.means: list[Means] = [one for one, _ in found]
        self.means_alike: list[Means] = [one for _, one in found]
        self.keys: dict[str, object] = {
            "reference": sources[0].reference.name,
            "edition": sources[0].reference.edition,
            "weight": sources[0].reference.weight,
            "grouping": groups.grouping,
        }

    def tables(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Every table with a row for each of these groups."""
        pairs = {(i, j): self._differ(i, j) for i, j in combinations(range(len(self.names)), 2)}
        p_holm = holm(np.array([found.p for found in pairs.values()]).reshape(len(pairs), len(self.groups.labels)))
        yield "leaderboard", self._frame(self._leaderboard(pairs, p_holm), _LEADERBOARD)
        yield "pairs", self._frame(self._pairs(pairs, p_holm), _PAIRS)
        yield "demographics", self._frame(self._demographics(), _DEMOGRAPHICS)
        yield "disparity", self._frame(self._disparities(), _DISPARITY)

    def _differ(self, first: int, second: int) -> Difference:
        return difference_of(self.means[first], self.means[second], self.resampling)

    def _leaderboard(self, pairs: Mapping[tuple[int, int], Difference], p_holm: np.ndarray) -> Rows:
        ranks = self._ranks(pairs, p_holm)
        rows: Rows = []
        for group in self._met():
            for place, name in enumerate(self.names):
                means = self.means[place]
                noise = np.quantile(means.noise[group], self.resampling.ends)
                rows.append(
                    self._of_group(group)
                    | {
                        "answers": name,
                        "kind": self.sorts[name].kind,
                        "n_items": int(self.is_shown[group].sum()),
                        "n_examples": int(self.n_examples[group]),
                        "mean": means.value[group],
                        "corrected": means.corrected[group],
                        "low": max(means.corrected[group] + noise[0], 0.0),
                        "high": max(means.corrected[group] + noise[1], 0.0),
                        "rank": int(ranks.rank[place, group]),
                        "rank_low": int(ranks.low[place, group]),
                        "rank_high": int(ranks.high[place, group]),
                        "share_first": ranks.share_first[place, group],
                    }
                )
        return rows

    def _ranks(self, pairs: Mapping[tuple[int, int], Difference], p_holm: np.ndarray) -> Ranks:
        n = len(self.names)
        differences, p = np.zeros((n, n, len(self.groups.labels))), np.ones((n, n, len(self.groups.labels)))
        for (i, j), of_pair in zip(pairs, p_holm, strict=True):
            differences[i, j], differences[j, i] = pairs[i, j].value, -pairs[i, j].value
            p[i, j] = p[j, i] = of_pair
        return rank_sources(self.means, np.nan_to_num(differences), np.nan_to_num(p, nan=1.0), self.resampling.level)

    def _pairs(self, pairs: Mapping[tuple[int, int], Difference], p_holm: np.ndarray) -> Rows:
        return [
            self._of_group(group)
            | {"first": self.names[i], "second": self.names[j]}
            | self._difference(found, group)
            | {"p_holm": of_pair[group]}
            for ((i, j), found), of_pair in zip(pairs.items(), p_holm, strict=True)
            for group in self._met()
        ]

    def _demographics(self) -> Rows:
        """With less without demographics of each model that was asked both ways: the question of the paper."""
        families = pairs_of(self.sorts)
        if not families:
            return []
        place = {name: number for number, name in enumerate(self.names)}
        found = [self._differ(place[shown], place[without]) for _, without, shown in families]
        p_holm = holm(np.array([one.p for one in found]))
        return [
            self._of_group(group)
            | {"model": family, "without": without, "with": shown}
            | self._difference(of_family, group)
            | {"p_holm": p[group]}
            for (family, without, shown), of_family, p in zip(families, found, p_holm, strict=True)
            for group in self._met()
        ]

    def _disparities(self) -> Rows:
        if self.groups is POOLED:
            return []
        rows: Rows = []
        for name, means in zip(self.names, self.means_alike, strict=True):
            found = find_disparity(means, self.kept_groups, self.resampling)
            if found is not None:
                content = {key: getattr(found, key) for key in found.__dataclass_fields__}
                content |= {key: self.groups.labels[content[key]] for key in ("best", "worst")}
                content |= {"n_items": int(self.kept_items.sum()), "n_groups": int(self.kept_groups.sum())}
                n_left_out = int((self.is_shown.any(axis=1) & ~self.kept_groups).sum())
                rows.append(self.keys | {"answers": name, "n_groups_left_out": n_left_out} | content)
        return rows

    def _difference(self, found: Difference, group: int) -> dict[str, object]:
        return {
            "n_items": int(self.is_shown[group].sum()),
            "difference": found.value[group],
            "low": found.low[group],
            "high": found.high[group],
            "p": found.p[group],
        }

    def _met(self) -> list[int]:
        """The groups with any number."""
        return np.flatnonzero(self.is_shown.any(axis=1)).tolist()

    def _of_group(self, group: int) -> dict[str, object]:
        return self.keys | {"group": self.groups.labels[group], "group_codes": self.groups.codes[group]}

    @staticmethod
    def _frame(rows: Rows, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=dict(schema), orient="row")


_KEYS = {"reference": pl.String, "edition": pl.String, "weight": pl.String, "grouping": pl.String}
_GROUP = {**_KEYS, "group": pl.String, "group_codes": pl.String}
_VALUES = ("difference", "low", "high", "p", "p_holm")
_DIFFERENCE = {"n_items": pl.Int64, **dict.fromkeys(_VALUES, pl.Float64)}
_PAIRS = {**_GROUP, "first": pl.String, "second": pl.String, **_DIFFERENCE}
_DEMOGRAPHICS = {**_GROUP, "model": pl.String, "without": pl.String, "with": pl.String, **_DIFFERENCE}
_LEADERBOARD = {
    **_GROUP,
    "answers": pl.String,
    "kind": pl.String,
    "n_items": pl.Int64,
    "n_examples": pl.Int64,
    **dict.fromkeys(("mean", "corrected", "low", "high"), pl.Float64),
    **dict.fromkeys(("rank", "rank_low", "rank_high"), pl.Int64),
    "share_first": pl.Float64,
}
_DISPARITY = {
    **_KEYS,
    "answers": pl.String,
    **dict.fromkeys(("n_items", "n_groups", "n_groups_left_out"), pl.Int64),
    "best": pl.String,
    "worst": pl.String,
    **dict.fromkeys(("gap", "gap_low", "gap_high", "gap_by_chance", "p", "spread", "spread_as_is"), pl.Float64),
}
