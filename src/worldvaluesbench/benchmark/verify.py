"""Verifying a dataset against a samples file in the published shape: are these people where they should be?"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from worldvaluesbench.benchmark.dataset import Dataset
from worldvaluesbench.benchmark.probe import PUBLISHED_NAMES, draw_probe, published_samples
from worldvaluesbench.benchmark.spec import read_spec
from worldvaluesbench.errors import ProbeError, WorldValuesBenchError
from worldvaluesbench.survey.attributes import level_label

COLUMNS = ("Question", *PUBLISHED_NAMES.values(), "D_INTERVIEW")


@dataclass(frozen=True, slots=True)
class Verification:
    """What a samples file says, held against a dataset: rows, people, and rows that differ, by how.

    `differing` counts rows by difference: the person is unknown, in another split, of another continent,
    settlement or education level, or has no response to the item; the item is unknown. `is_own_draw` says whether
    the samples are, row for row, what `wvb probe --spec paper36` draws from this dataset.
    """

    n_rows: int
    n_respondents: int
    differing: dict[str, int]
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
    people = dataset.respondents(["respondent_id", "split", *PUBLISHED_NAMES])
    for attribute_id in PUBLISHED_NAMES:
        codes = people[attribute_id].unique().to_list()
        labels = {code: level_label(attribute_id, code, dataset.codebook) for code in codes if code >= 0}
        people = people.with_columns(
            pl.col(attribute_id).replace_strict(labels, default=None, return_dtype=pl.String).alias(attribute_id)
        )
    joined = samples.join(people, left_on="D_INTERVIEW", right_on="respondent_id", how="left", maintain_order="left")
    is_known = pl.col("split").is_not_null()
    differing = {
        "unknown_respondent": ~is_known,
        "not_in_test_split": is_known & (pl.col("split") != "test"),
        **{
            f"other_{attribute_id}": is_known & pl.col(attribute_id).ne_missing(pl.col(name))
            for attribute_id, name in PUBLISHED_NAMES.items()
        },
    }
    counts = joined.select(condition.sum().alias(name) for name, condition in differing.items()).row(0, named=True)
    return Verification(
        n_rows=samples.height,
        n_respondents=samples["D_INTERVIEW"].n_unique(),
        differing={**counts, **_responses_lacking(dataset, samples)},
        is_own_draw=_is_own_draw(dataset, samples),
    )


def read_samples(path: Path) -> pl.DataFrame:
    """A samples file in the published shape: Question, Continent, Urban / Rural, Education, D_INTERVIEW.

    Raises ProbeError where it is none.
    """
    if not path.is_file():
        raise ProbeError(f"{path}: there is no such file; expected a samples file in the published shape (tsv).")
    try:
        samples = pl.read_csv(path, separator="\t", infer_schema=False)
        samples = samples.select(COLUMNS).with_columns(pl.col("D_INTERVIEW").cast(pl.Int64))
    except (pl.exceptions.PolarsError, OSError):
        raise ProbeError(
            f"{path.name}: is no samples file; expected tab-separated text with the columns {', '.join(COLUMNS)}."
        ) from None
    if not samples.height:
        raise ProbeError(f"{path.name}: has no rows; expected one row an example.")
    return samples


def _responses_lacking(dataset: Dataset, samples: pl.DataFrame) -> dict[str, int]:
    item_ids = [item for item in samples["Question"].unique().to_list() if item in dataset.codebook.item_ids]
    responses = dataset.responses(item_ids)
    lacking = 0
    for item_id in item_ids:
        missing = responses.filter(pl.col(item_id) < 0)["respondent_id"]
        asked = samples.filter(pl.col("Question") == item_id)["D_INTERVIEW"]
        lacking += int(asked.is_in(missing.implode()).sum())
    unknown = int((~samples["Question"].is_in(item_ids)).sum())
    return {"no_response": lacking, "unknown_item": unknown}


def _is_own_draw(dataset: Dataset, samples: pl.DataFrame) -> bool:
    try:
        own = published_samples(draw_probe(dataset, read_spec("paper36", dataset.codebook)), dataset)
    except WorldValuesBenchError:
        return False
    return own.select(COLUMNS).equals(samples)
