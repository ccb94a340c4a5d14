"""Verifying a dataset against a samples file in the published shape: are these people where they should be?"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.benchmark._probe import PUBLISHED_NAMES, draw_probe, published_samples
from worldvaluesbench.benchmark._spec import read_spec
from worldvaluesbench.errors import ProbeError, WorldValuesBenchError
from worldvaluesbench.survey import level_label

N_SHOWN = 3
EXAMPLE_SCHEMA = {"respondent_id": pl.Int64, "item_id": pl.String, "response": pl.Int8}
COLUMNS = ("Question", *PUBLISHED_NAMES.values(), "D_INTERVIEW")


@dataclass(frozen=True, slots=True)
class Verification:
    """What a samples file says, held against a dataset: rows, people, and rows that differ, by how.

    `differing` counts rows by difference: the person is unknown, in another split, of another continent,
    settlement or education level, has no response to the item, or is given twice for it; the item is unknown.
    `first_rows` are the first row numbers (the header is row 1) of each difference, with what the file and the dataset
    say. `is_own_draw`: the samples are, row for row, what `wvb probe --spec paper36` draws from this dataset.
    """

    n_rows: int
    n_respondents: int
    differing: dict[str, int]
    first_rows: dict[str, tuple[str, ...]]
    is_own_draw: bool

    @property
    def is_sound(self) -> bool:
        """Whether nothing differs."""
        return not any(self.differing.values())


def verify_samples(dataset: Dataset, path: Path | str) -> Verification:
    """Hold a samples file in the published shape against a dataset's test split.

    Raises ProbeError where the file is no samples file.
    """
    samples = read_samples(Path(path))
    joined = _with_people(samples, dataset).with_columns(has_response=_has_response(dataset, samples))
    differences = _differences(dataset)
    counts = joined.select(condition.sum().alias(name) for name, condition in differences.items()).row(0, named=True)
    return Verification(
        n_rows=samples.height,
        n_respondents=samples["D_INTERVIEW"].n_unique(),
        differing=counts,
        first_rows={
            name: tuple(map(_describe_row, joined.filter(differences[name]).head(N_SHOWN).to_dicts()))
            for name, n in counts.items()
            if n
        },
        is_own_draw=_is_own_draw(dataset, samples),
    )


def _with_people(samples: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The samples, each with its row number and what the dataset says of the person, labels under attribute ids."""
    people = dataset.respondents(["respondent_id", "split", *PUBLISHED_NAMES])
    for attribute_id in PUBLISHED_NAMES:
        codes = people[attribute_id].unique().to_list()
        labels = {code: level_label(attribute_id, code, dataset.codebook) for code in codes if code >= 0}
        people = people.with_columns(
            pl.col(attribute_id).replace_strict(labels, default=None, return_dtype=pl.String).alias(attribute_id)
        )
    numbered = samples.with_row_index("row", offset=2)
    return numbered.join(people, left_on="D_INTERVIEW", right_on="respondent_id", how="left", maintain_order="left")


def _differences(dataset: Dataset) -> dict[str, pl.Expr]:
    """Every kind of difference, and which rows of the joined samples have it."""
    is_known = pl.col("split").is_not_null()
    is_item = pl.col("Question").is_in(list(dataset.codebook.item_ids))
    return {
        "unknown_respondent": ~is_known,
        "not_in_test_split": is_known & (pl.col("split") != "test"),
        **{
            f"other_{attribute_id}": is_known & pl.col(attribute_id).ne_missing(pl.col(name))
            for attribute_id, name in PUBLISHED_NAMES.items()
        },
        "unknown_item": ~is_item,
        "no_response": is_known & is_item & ~pl.col("has_response"),
        "given_twice": ~pl.struct("Question", "D_INTERVIEW").is_first_distinct(),
    }


def _has_response(dataset: Dataset, samples: pl.DataFrame) -> pl.Series:
    item_ids = [item_id for item_id in samples["Question"].unique().to_list() if item_id in dataset.codebook.item_ids]
    long = dataset.examples("full", item_ids) if item_ids else pl.LazyFrame(schema=EXAMPLE_SCHEMA)
    given = long.select(
        pl.col("item_id").cast(pl.String).alias("Question"), D_INTERVIEW="respondent_id", has_response=pl.lit(True)
    ).collect()
    joined = samples.join(given, on=["Question", "D_INTERVIEW"], how="left", maintain_order="left")
    return joined["has_response"].fill_null(False)


def _describe_row(row: dict[str, object]) -> str:
    theirs = ", ".join(str(row[name]) for name in PUBLISHED_NAMES.values())
    ours = ", ".join(str(row[key] or "missing") for key in PUBLISHED_NAMES)
    where = f"row {row['row']}: {row['Question']}, {row['D_INTERVIEW']}"
    if row["split"] is None:
        return f"{where} ({theirs}); the dataset has no such person"
    return f"{where} ({theirs}); the dataset says {ours}, split {row['split']}"


def read_samples(path: Path) -> pl.DataFrame:
    """A samples file in the published shape: Question, Continent, Urban / Rural, Education, D_INTERVIEW.

    Raises ProbeError where it is none.
    """
    if not path.is_file():
        raise ProbeError(f"{path}: there is no such file; expected a samples file in the published shape (tsv).")
    try:
        samples = pl.read_csv(path, separator="\t", infer_schema=False, glob=False)
        samples = samples.select(COLUMNS)
    except (pl.exceptions.PolarsError, OSError):
        raise ProbeError(
            f"{path.name}: is no samples file; expected tab-separated text with the columns {', '.join(COLUMNS)}."
        ) from None
    ids = samples["D_INTERVIEW"].cast(pl.Int64, strict=False)
    if ids.null_count():
        row = int(ids.is_null().arg_max() or 0)
        raise ProbeError(
            f"{path.name}: row {row + 2} has {samples['D_INTERVIEW'][row]!r} for D_INTERVIEW; expected a respondent id."
        )
    samples = samples.with_columns(ids)
    if not samples.height:
        raise ProbeError(f"{path.name}: has no rows; expected one row an example.")
    return samples


def _is_own_draw(dataset: Dataset, samples: pl.DataFrame) -> bool:
    try:
        own = published_samples(draw_probe(dataset, read_spec("paper36", dataset.codebook)), dataset)
    except WorldValuesBenchError:
        return False
    return own.select(COLUMNS).equals(samples)
