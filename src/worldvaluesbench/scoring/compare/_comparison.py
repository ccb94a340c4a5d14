"""A comparison as a result: tables, and the folder that holds them. docs/compare.md explains every column.

It holds aggregates alone, so that it can be shown and shared: no respondent, no row that is about one.
"""

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import polars as pl

from worldvaluesbench._io import (
    MANIFEST,
    check_files,
    check_fits,
    find_twice,
    manifest_of,
    name_problem,
    new_folder,
    printable,
    quoted,
    reason_of,
    write_json,
    write_manifest,
)
from worldvaluesbench.errors import FolderError, WorldValuesBenchError
from worldvaluesbench.runs import OUTCOMES
from worldvaluesbench.scoring import write_tables
from worldvaluesbench.scoring.compare._compared import COMPARED, COMPARED_SCHEMA, COVARIANCES, COVARIANCES_SCHEMA
from worldvaluesbench.scoring.compare._contrasts import SCHEMAS
from worldvaluesbench.scoring.measure import GROUPINGS, GROUPINGS_SCHEMA
from worldvaluesbench.scoring.sources import EVERYONE, Sort, read_sort
from worldvaluesbench.stats import Resampling
from worldvaluesbench.survey import parse_groupings
from worldvaluesbench.tables import rank_text, render_leaderboard, render_table_2

if TYPE_CHECKING:
    import pandas

KIND = "comparison"
DOCUMENT = "comparison.json"
IN_DOCUMENT = (
    "leaderboard", "pairs", "demographics", "disparity", "table_2", "countries", "collapse_summary",
    "determination_summary", "structure", "summary", "individuals_summary",
)  # fmt: skip
"""The tables whose rows are in the JSON document too; the others are large."""

_WHOLE_TABLE = pl.Config(
    apply_on_context_enter=True,
    tbl_rows=-1,
    tbl_cols=-1,
    fmt_str_lengths=100,
    tbl_hide_dataframe_shape=True,
    tbl_hide_column_data_types=True,
)

MAX_LABEL = 1000
"""No text in a table has more characters."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Several sources of answers compared. It prints, and shows in a notebook, as its leaderboard.

    `tables`, by the name of their file. Over the examples that all sources answer: `leaderboard`, `pairs`,
    `demographics` (with against without), `disparity` and its `group_means`, `compared` and `covariances`, from which
    these are made, `collapse`, `collapse_summary`, `determination`, `determination_summary`, `structure`. Over each
    source's own: those of its scores (`groupings` among them), `table_2` of the paper, `countries` for a map. `receipt`
    says how it was made: what a manifest of scores says, and `sorts` (of each source), `n_common` (examples that all
    answer), `examples_sha256` (which these are).
    """

    receipt: Mapping[str, Any]
    tables: Mapping[str, pl.DataFrame] = field(repr=False)

    @property
    def is_invented(self) -> bool:
        """Whether the survey, or the survey that a run was made for, is synthetic."""
        return bool(self.receipt["is_invented"])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sources, in the order in which they were given."""
        return tuple(self.receipt["sorts"])

    @property
    def sorts(self) -> dict[str, Sort]:
        """The kind of each source, and how it is known."""
        return {name: read_sort(one) for name, one in self.receipt["sorts"].items()}

    @property
    def n_common(self) -> int | None:
        """How many examples all sources answer; None where they were compared apart, over different ones."""
        n = self.receipt["n_common"]
        return None if n is None else int(n)

    @property
    def groupings(self) -> tuple[str, ...]:
        """The groupings of respondents, beside the whole sample."""
        return tuple(self.receipt["settings"]["groupings"])

    def to_pandas(self) -> dict[str, "pandas.DataFrame"]:
        """All tables as pandas frames, by name.

        Raises WorldValuesBenchError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise WorldValuesBenchError(
                "to_pandas() needs pandas; pip install 'worldvaluesbench[pandas]', or use `tables` (polars)."
            ) from None
        return {
            name: pandas.DataFrame({column.name: column.to_numpy() for column in table})
            for name, table in self.tables.items()
        }

    def __repr__(self) -> str:
        with _WHOLE_TABLE:
            return f"{self._caption()}\n{self._board()}"

    def _repr_html_(self) -> str:
        board = self._board()
        cells = [[html.escape(str(cell)) for cell in row] for row in (board.columns, *board.rows())]
        head, *rows = ("<tr><td>" + "</td><td>".join(row) + "</td></tr>" for row in cells)
        caption = html.escape(self._caption())
        return f"<table><caption>{caption}</caption><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"

    def _caption(self) -> str:
        level = f"{self.receipt['settings']['resampling']['level']:.0%}"
        survey = "synthetic survey, " if self.is_invented else ""
        reference = self.receipt["reference"]["name"]
        return f"Comparison ({survey}reference {reference}): bias-corrected mean W1 [{level} confidence interval]"

    def _board(self) -> pl.DataFrame:
        """The leaderboard as it is shown: rank, source, mean W1 with its confidence interval, items, examples."""
        pooled = self.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE).sort("rank", maintain_order=True)
        rows = [
            {
                "rank": rank_text(row),
                "source": row["answers"],
                "kind": row["kind"],
                "W1": f"{max(row['corrected'], 0.0):.3f} [{row['low']:.3f}, {row['high']:.3f}]",
                "items": row["n_items"],
                "examples": row["n_examples"],
            }
            for row in pooled.drop_nulls(["corrected", "low", "high"]).iter_rows(named=True)
        ]
        return pl.DataFrame(rows)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON document: how it was made, and the rows of the tables named in `IN_DOCUMENT`."""
    tables = {name: comparison.tables[name].to_dicts() for name in IN_DOCUMENT if name in comparison.tables}
    return manifest_of(KIND, comparison.receipt) | tables


def write_comparison(comparison: Comparison, folder: Path | str, *, force: bool = False) -> None:
    """Write a comparison to a new folder: its tables, JSON, LaTeX, and the manifest last.

    Raises FolderError where the folder is occupied or cannot be written.
    """
    pooled = comparison.tables["leaderboard"].filter(pl.col("grouping") == EVERYONE)
    latex = {
        "table_2.tex": render_table_2(comparison.tables["table_2"], is_invented=comparison.is_invented),
        "leaderboard.tex": render_leaderboard(pooled, is_invented=comparison.is_invented),
    }
    with new_folder(Path(folder), KIND, force=force) as staging:
        write_tables(comparison.tables, staging)
        write_json(staging / DOCUMENT, comparison_document(comparison))
        for name, text in latex.items():
            (staging / name).write_text(text, encoding="utf-8")
        write_manifest(staging, KIND, comparison.receipt)


def load_comparison(folder: Path | str) -> Comparison:
    """Open a comparison folder made by `wvb compare`.

    Raises FolderError where it is absent, unfinished or damaged.
    """
    folder = Path(folder)
    manifest = check_files(folder, KIND)
    files = manifest.pop("files")
    problem = receipt_problem(manifest)
    if problem:
        raise FolderError(f"{folder / MANIFEST}: {problem}; compare again.")
    try:
        tables = {
            name.removesuffix(".parquet"): _read_table(folder / name)
            for name in files
            if name.endswith(".parquet") and "/" not in name
        }
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise FolderError(f"{folder}: cannot be read ({reason_of(error)}); make it again.") from None
    needed = {**SCHEMAS, COMPARED: COMPARED_SCHEMA, COVARIANCES: COVARIANCES_SCHEMA, GROUPINGS: GROUPINGS_SCHEMA}
    for name, columns in needed.items():
        if name not in tables or set(tables[name].columns) != set(columns):
            raise FolderError(
                f"{folder}: {name} has other columns than this version makes (it was made by worldvaluesbench "
                f"{manifest['worldvaluesbench']}); compare again."
            )
    receipt = {key: value for key, value in manifest.items() if key not in ("kind", "worldvaluesbench")}
    return Comparison(receipt, tables)


def _read_table(path: Path) -> pl.DataFrame:
    """A table of a comparison. Raises ValueError where it would not fit into memory, or a text is not a label."""
    content = path.read_bytes()
    check_fits(content)
    table = pl.read_parquet(content)
    for texts in table.select(pl.col(pl.String)):
        odd = next((one for one in texts.unique().drop_nulls() if len(one) > MAX_LABEL or printable(one) != one), None)
        if odd is not None:
            raise ValueError(f"{path.name} holds {quoted(odd)}, which is not a label")
    return table


_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("kind", "worldvaluesbench"), (str,)),
    **dict.fromkeys(("reference", "settings", "outcomes", "sorts"), (dict,)),
    "is_invented": (bool,),
    "answers": (list,),
    "n_common": (int, NoneType),
    "examples_sha256": (str, list),
    **dict.fromkeys(("reference.name", "reference.weight", "settings.item_sampling"), (str,)),
    **dict.fromkeys(("reference.edition", "reference.file_version"), (str, NoneType)),
    **dict.fromkeys(("reference.is_invented", "settings.as_published", "settings.has_refusals"), (bool,)),
    **dict.fromkeys(("reference.n_respondents", "settings.min_n", "settings.min_n_stated"), (int,)),
    **dict.fromkeys(("settings.strata", "settings.cluster"), (str, NoneType)),
    "settings.groupings": (list,),
    "settings.resampling": (dict,),
    **dict.fromkeys(("answers.name", "answers.kind", "answers.file", "answers.sha256"), (str,)),
    "answers.size": (int,),
    "answers.answer_column": (str, NoneType),
    "answers.run": (dict, NoneType),
    **dict.fromkeys(("sorts.kind", "sorts.kind_from", "sorts.family"), (str,)),
    **dict.fromkeys(("sorts.model", "sorts.method", "sorts.partner"), (str, NoneType)),
    "sorts.conditions": (dict, NoneType),
    **{f"outcomes.{name}": (int,) for name in OUTCOMES},
    **dict.fromkeys(("outcomes.n_rows", "outcomes.no_response"), (int, NoneType)),
}
"""The keys of a receipt and of its parts, with the types of their values; those of the receipt itself come first."""


def receipt_problem(receipt: Mapping[str, Any]) -> str | None:
    """The first fault of a comparison's receipt; None for a sound one."""
    return next(_problems(receipt), None)


def _problems(receipt: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"says {quoted(key)}, which no comparison says" for key in receipt if key not in _TYPES)
    for name, types in _TYPES.items():
        part, _, key = name.rpartition(".")
        found = receipt.get(part, receipt)
        for one in found if part == "answers" else found.values() if part in ("sorts", "outcomes") else [found]:
            if not isinstance(one, Mapping) or type(one.get(key, ...)) not in types:
                yield f"lacks {name}, or it is not as in any comparison"
    settings = receipt["settings"]
    if set(settings["resampling"]) != {field.name for field in fields(Resampling)}:
        yield "lacks settings.resampling, or it is not as in any comparison"
    if settings["as_published"] or settings["has_refusals"]:
        yield "says that answers were scored in a way in which none are compared"
    try:
        Resampling(**settings["resampling"])
        for name in (*settings["groupings"], *filter(None, [settings["strata"]])):
            if [grouping.name for grouping in parse_groupings(name)] != [name]:
                yield f"says {quoted(name)}, which is not a grouping"
    except (TypeError, AttributeError, WorldValuesBenchError) as error:
        yield f"has settings that cannot be ({printable(str(error)[:120])})"
    names = [one["name"] for one in receipt["answers"]]
    is_same = all(set(receipt[key]) == set(names) for key in ("sorts", "outcomes"))
    if not names or find_twice(names) is not None or not is_same:
        yield "names other answers in one place than in another"
    for name, sort in receipt["sorts"].items():
        named = {"name": name, "family": sort["family"], "model's name": sort["model"], "partner": sort["partner"]}
        for what, text in named.items():
            if text is not None and (problem := name_problem(text, is_model=what != "name")):
                yield f"has the {what} {quoted(text)}, which {problem}"
