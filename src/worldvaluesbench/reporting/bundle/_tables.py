"""What may stand in the tables of a bundle: every column, type, word and count, held against what is known.

Nothing in them is free text: an item is one of the codebook, a group one of its labels, a source one of the receipt's.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from worldvaluesbench.errors import WorldValuesBenchError
from worldvaluesbench.reporting.bundle._zip import PARQUET, TABLES, load_schemas, table_path
from worldvaluesbench.reporting.disclosure import Group, group_of, round_numbers, small_remainders
from worldvaluesbench.runs import OUTCOMES
from worldvaluesbench.scoring.sources import (
    BASELINES,
    EVERYONE,
    KINDS,
    MAJORITY,
    ORACLE,
    UNIFORM,
    Pair,
    pairs_of,
    read_sort,
)
from worldvaluesbench.survey import Codebook, group_label, load_codebook, load_derived_attributes, parse_groupings

SAFE_MIN_N = 10
"""Cells with fewer people than these are never shared."""

RESPONDENT_COLUMNS = re.compile(r"respondent|participant|d_interview|person_id|^id$|^raw$|^request_id$", re.IGNORECASE)
"""Names of columns that are about single people."""

PARQUET_METADATA = {"ARROW:schema"}

NOT_IN_KEYS = {"reference", "edition", "weight", "kind", "left_out", "best", "worst", "differs_in"}
"""Columns of text that tell no rows apart; all others do, with these numbers."""
NUMBERS_IN_KEYS = {"threshold", "rating"}

NEVER_EMPTY = ("scores", "counts")

_UNREADABLE = (Exception, pl.exceptions.PanicException)
"""A damaged file makes polars fail in any way."""

Tables = Mapping[str, pl.DataFrame]


def read_tables(files: Mapping[str, bytes]) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """The tables among the files of a bundle that have the columns they should, and what is wrong with the others."""
    tables, problems = {}, []
    for path, content in files.items():
        name = path.removeprefix(TABLES).removesuffix(PARQUET)
        if path != table_path(name):
            continue
        if name not in load_schemas():
            problems.append(f"{path} is no table of a bundle; take it out.")
            continue
        found = list(_wrong_columns(path, content, load_schemas()[name]))
        problems += found
        if not found:
            try:
                tables[name] = pl.read_parquet(io.BytesIO(content))
            except _UNREADABLE as error:
                problems.append(_unreadable(path, error))
    return tables, problems


def _wrong_columns(path: str, content: bytes, expected: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a table before any row of it is read."""
    try:
        metadata = pl.read_parquet_metadata(io.BytesIO(content))
        schema = pl.read_parquet_schema(io.BytesIO(content))
    except _UNREADABLE as error:
        yield _unreadable(path, error)
        return
    if set(metadata) - PARQUET_METADATA:
        yield f"{path} has metadata of its own, which no table of a bundle has; write it again without."
    nested = [column for column, dtype in schema.items() if dtype.is_nested()]
    if nested:
        # resamples of respondents, or rows of them, would stand in such columns
        yield f"{path} has lists in its column {plain(nested[0])}, which no table of a bundle has; take it out."
        return
    for column in schema:
        if column not in expected and RESPONDENT_COLUMNS.search(column):
            yield f"{path} has the column {plain(column)}, which is about single people."
        elif column not in expected:
            yield f"{path} has the column {plain(column)}, which no bundle has; take it out."
    for column, dtype in expected.items():
        if column not in schema:
            yield f"{path} lacks the column {column}; get the bundle again."
        elif str(schema[column]) != dtype:
            yield f"{path}: {column} is of type {str(schema[column])[:40]}, expected {dtype}; get the bundle again."
    if set(schema) == set(expected) and list(schema) != list(expected):
        yield f"{path}: its columns stand in another order than in any bundle; get the bundle again."


@dataclass(frozen=True)
class Known:
    """What the words in the tables of a bundle may be, from its receipt and the codebook.

    `words`: by column, and `table.column` where that differs. `constant`: columns that say the same in every row.
    """

    words: Mapping[str, Sequence[str]]
    constant: Mapping[str, str | None]
    groupings: Sequence[str]
    codebook: Codebook
    families: Sequence[Pair]

    @classmethod
    def of(cls, receipt: Mapping[str, Any]) -> "Known":
        """What a receipt, already checked, and the codebook allow."""
        codebook = load_codebook()
        names = list(receipt["sorts"])
        both = [*names, *BASELINES]
        topics = list(codebook.topics)
        words = {
            **dict.fromkeys(("answers", "first", "second", "without", "with"), names),
            "answered_by": both,
            "table_2.answers": [*names, UNIFORM, MAJORITY],
            "item_id": codebook.item_ids,
            "topic": topics,
            "kind": [*KINDS, ORACLE],
            "pairs": ("all", "inside", "across", "topic"),
            "alpha3": [country.alpha3 for country in codebook.countries],
            "name": [country.name for country in codebook.countries],
            "continent": [country.continent for country in codebook.countries],
        }
        reference = receipt["reference"]
        constant = {"reference": reference["name"], "edition": reference["edition"], "weight": reference["weight"]}
        families = pairs_of({name: read_sort(sort) for name, sort in receipt["sorts"].items()})
        return cls(words, constant, receipt["settings"]["groupings"], codebook, families)


def table_problems(tables: Tables, receipt: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with tables that have the right columns, all of them: words, groups, counts, numbers."""
    known = Known.of(receipt)
    for name in NEVER_EMPTY:
        if tables[name].is_empty():
            yield f"{table_path(name)} has no rows; get the bundle again."
    for name, table in tables.items():
        for problem in (*_odd_words(name, table, known), *_few_people(name, table)):
            yield f"{table_path(name)} {problem}"
    labels = _labels(tables["scores"])
    yield from _odd_groups(tables, labels, known)
    yield from _twice(tables, labels)
    yield from _numbers_without_a_cell(tables)
    yield from _odd_shares(tables["distributions"], known)
    yield from _few_left(tables["scores"], known)
    yield from _too_exact(tables)


def _odd_words(name: str, table: pl.DataFrame, known: Known) -> Iterator[str]:
    """Text that is none of what may stand in its column."""
    for column, dtype in table.schema.items():
        if dtype != pl.String or column in ("grouping", "group", "group_codes", "best", "worst"):
            continue
        values = table[column].unique()
        if column in known.constant:
            odd = values.filter(values.ne_missing(pl.Series([known.constant[column]], dtype=pl.String)))
        elif column == "left_out":
            odd = values.filter(~values.str.contains(f"^{_REASON}(, {_REASON})*$").fill_null(True))
        elif column == "model":
            odd = values.filter(~values.is_in([family for family, *_ in known.families]))
        elif column == "differs_in":
            told = [pair.differs_in for pair in known.families if pair.differs_in is not None]
            odd = values.filter(~values.is_in(told).fill_null(True))
        else:
            allowed = known.words.get(f"{name}.{column}", known.words.get(column, ()))
            may_lack = (name, column) in _MAY_LACK
            odd = values.filter(~values.is_in(list(allowed)).fill_null(may_lack))
        if odd.len():
            yield f"has {_shown(odd[0])} in {column}, which no bundle of these sources has."
    if {"item_id", "topic"} <= set(table.columns):
        topics = {item.item_id: item.topic for item in known.codebook.items}
        pairs = table.select("item_id", "topic").unique().rows()
        if any(topics.get(item_id) != topic for item_id, topic in pairs):
            yield "has an item under a topic that is not its own."


_REASON = f"({'|'.join(OUTCOMES)}) [0-9]{{1,9}}"
_MAY_LACK = {("counts", "item_id"), ("structure", "topic")}


def _few_people(name: str, table: pl.DataFrame) -> Iterator[str]:
    """Counts of fewer people than may be shared, and numbers without a count."""
    if name == "scores":
        numbers = [column for column, dtype in table.schema.items() if dtype.is_numeric()]
        has_number = pl.any_horizontal(pl.col(*numbers, "left_out").is_not_null())
        is_few = pl.min_horizontal("n_responses", "n_examples").fill_null(0) < SAFE_MIN_N
        lacks_one = pl.any_horizontal(pl.col("n_responses", "n_examples").is_null())
        small = table.filter(has_number & (is_few | lacks_one)).height
        if table.filter(has_number & pl.col("is_too_small").fill_null(True)).height:
            yield "has numbers of cells that are said to be too small."
    else:
        counts = [column for column in ("n", "n_examples", "n_responses") if column in table.columns]
        # an item without enough people has no count in Table 2
        instead = SAFE_MIN_N if name == "table_2" else 0
        small = table.filter(
            pl.any_horizontal(False, *(pl.col(c).fill_null(instead) < SAFE_MIN_N for c in counts))
        ).height
    if small:
        yield f"has numbers of {small:,} cells with fewer than {SAFE_MIN_N} people."


def _labels(scores: pl.DataFrame) -> pl.DataFrame:
    return scores.select("grouping", "group", "group_codes").unique(maintain_order=True)


def _odd_groups(tables: Tables, labels: pl.DataFrame, known: Known) -> Iterator[str]:
    """Groupings that were not made, groups that the codebook does not know, and groups that have no scores."""
    for grouping, group, codes in labels.iter_rows():
        if not _is_group(grouping, group, codes, known):
            what = f"the group {_shown(group)} of {_shown(grouping)}"
            yield f"{table_path('scores')} has {what}, which the codebook lacks."
            break
    for name, table in tables.items():
        if "grouping" not in table.columns:
            continue
        odd = table.filter(~pl.col("grouping").is_in([EVERYONE, *known.groupings]).fill_null(False))
        if odd.height:
            yield f"{table_path(name)} has the grouping {_shown(odd['grouping'][0])}, which {_NOT_MADE}"
        for column in ("group", "best", "worst"):
            if table.schema.get(column) != pl.String:
                continue
            on = {"grouping": "grouping", column: "group"}
            if "group_codes" in table.columns:
                on["group_codes"] = "group_codes"
            odd = table.join(labels, left_on=list(on), right_on=list(on.values()), how="anti", nulls_equal=True)
            if odd.height:
                yield f"{table_path(name)} has the group {_shown(odd[column][0])}, which {_NOT_MADE}"


_NOT_MADE = "this comparison has not; get the bundle again."


def _is_group(grouping: str | None, group: str | None, codes: str | None, known: Known) -> bool:
    """Whether the codebook knows this label of a group, which is made of these codes."""
    if grouping == EVERYONE:
        return group == EVERYONE and codes is None
    try:
        (parsed,) = parse_groupings(grouping or "", known.codebook)
        found = dict(zip(parsed.attribute_ids, map(int, (codes or "").split("·")), strict=True))
        are_in = all(_is_in_range(key, code, known.codebook) for key, code in found.items())
        label = " · ".join(group_label(key, code, known.codebook) for key, code in found.items())
    except (ValueError, WorldValuesBenchError):
        return False
    return are_in and grouping == parsed.name and label == group and codes == "·".join(map(str, found.values()))


def _is_in_range(attribute_id: str, code: int, codebook: Codebook) -> bool:
    if attribute_id in load_derived_attributes():
        return True
    attribute = codebook.attribute(attribute_id)
    return not attribute.is_free or (attribute.low or 0) <= code <= (attribute.high or 0)


def _twice(tables: Tables, labels: pl.DataFrame) -> Iterator[str]:
    """Rows that speak of the same thing: one of them would be seen, the other not."""
    has_namesakes = labels.select("grouping", "group").is_duplicated().any()
    for name, table in tables.items():
        keys = [
            column
            for column, dtype in table.schema.items()
            if column in NUMBERS_IN_KEYS or (dtype == pl.String and column not in NOT_IN_KEYS)
        ]
        if has_namesakes and "group" in keys and "group_codes" not in keys:
            continue
        if table.select(keys).is_duplicated().any():
            yield f"{table_path(name)} has two rows of the same {', '.join(keys)}; get the bundle again."


def _numbers_without_a_cell(tables: Tables) -> Iterator[str]:
    """Numbers of cells and groups whose scores are not shown."""
    scores = tables["scores"].filter(pl.col("distance").is_not_null())
    for name, sources in _SOURCES.items():
        table = tables[name]
        numbers = [c for c, dtype in table.schema.items() if dtype.is_float() and c not in NUMBERS_IN_KEYS]
        with_numbers = table.filter(pl.any_horizontal(pl.col(numbers).is_not_null()))
        if name == "countries":
            with_numbers = with_numbers.with_columns(
                grouping=pl.lit("B_COUNTRY"), group_codes=pl.col("country").cast(pl.String)
            )
        for source in sources:
            on = {source: "answers"}
            on |= {key: key for key in ("grouping", "group", "group_codes", "item_id") if key in with_numbers.columns}
            odd = with_numbers.join(scores, left_on=list(on), right_on=list(on.values()), how="anti", nulls_equal=True)
            if odd.height:
                yield f"{table_path(name)} has {odd.height:,} rows with numbers whose scores are not in the bundle."


_SOURCES = {
    **dict.fromkeys(("distances", "distributions", "collapse", "individuals"), ("answers",)),
    **dict.fromkeys(("summary", "attainment", "collapse_summary", "individuals_summary", "countries"), ("answers",)),
    **dict.fromkeys(("leaderboard", "group_means", "compared"), ("answers",)),
    **dict.fromkeys(("pairs", "covariances"), ("first", "second")),
    "demographics": ("without", "with"),
}
"""Tables of cells or groups, and their columns that name a source whose scores must be there."""


def _odd_shares(table: pl.DataFrame, known: Known) -> Iterator[str]:
    """Distributions that are none: points off the scale, shares that are no shares or do not sum to 1."""
    scales = {item.item_id: item.scale for item in known.codebook.items}
    ends = pl.DataFrame(
        [(item_id, scale.low, scale.low + scale.n_points - 1) for item_id, scale in scales.items()],
        schema={"item_id": pl.String, "first_point": pl.Int64, "last_point": pl.Int64},
        orient="row",
    )
    placed = table.join(ends, on="item_id", how="left")
    on_scale = pl.col("rating").is_between("first_point", "last_point").fill_null(False)
    shares = pl.col("humans", "given")
    are_shares = pl.all_horizontal(shares.is_between(0, 1 + _ROUNDING).fill_null(False))
    keys = ["answers", "item_id", "grouping", "group", "group_codes"]
    sums = table.group_by(keys).agg(shares.sum())
    are_whole = pl.all_horizontal((shares - 1).abs() <= _ROUNDING)
    if placed.filter(~on_scale | ~are_shares).height or sums.filter(~are_whole).height:
        yield f"{table_path('distributions')} has distributions that are none; get the bundle again."


_ROUNDING = 1e-5
"""Shares are rounded to six decimals, and there are ten of them at most."""


def _few_left(scores: pl.DataFrame, known: Known) -> Iterator[str]:
    """Cells that are shown, and of which too few respondents are left when the finer ones shown are taken away."""
    shown = scores.filter(pl.col("n_responses").is_not_null() & ~pl.col("is_too_small"))
    done: set[frozenset[tuple[Group, int]]] = set()
    for column in ("n_responses", "n_examples"):
        for (_, item_id), cells in shown.group_by("answers", "item_id", maintain_order=True):
            rows = cells.select("grouping", "group_codes", column).iter_rows()
            counts = {group_of(grouping, codes): n for grouping, codes, n in rows}
            key = frozenset(counts.items())
            if key not in done and small_remainders(counts, SAFE_MIN_N, known.constant["edition"]):
                yield (
                    f"{table_path('scores')} has cells of {item_id} from which one of fewer than {SAFE_MIN_N} "
                    "respondents can be computed; do not share it, make it again from the comparison."
                )
                return
            done.add(key)


def _too_exact(tables: Tables) -> Iterator[str]:
    """Numbers that are not rounded: they would serve to verify a guess at single responses."""
    for name, table in tables.items():
        if not table.equals(round_numbers(table)):
            yield f"{table_path(name)} has numbers with more decimals than any bundle; make it again."


def _unreadable(path: str, error: Exception) -> str:
    return f"{path} cannot be read as parquet ({' '.join(str(error).split())[:100] or type(error).__name__})."


def _shown(text: object) -> str:
    return "nothing" if text is None else repr(plain(str(text)))


def plain(text: str) -> str:
    """A word of a file, short enough for a line, with nothing in it that a terminal would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:60])
