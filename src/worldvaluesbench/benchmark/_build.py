"""Building a dataset: a survey file, an edition and a codebook in; a dataset folder out."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from worldvaluesbench._io import check_destination, file_facts, new_folder, write_json, write_manifest
from worldvaluesbench.benchmark._dataset import CATALOGUE, RESPONDENTS, RESPONSES, Dataset, load_dataset
from worldvaluesbench.benchmark._edition import Edition, load_edition
from worldvaluesbench.benchmark._identity import identity_of
from worldvaluesbench.benchmark._respondents import Kept, build_respondents, keep_respondents
from worldvaluesbench.benchmark._split import SPLITS
from worldvaluesbench.survey import (
    CLUSTER_COLUMNS,
    COUNTRY_COLUMN,
    WEIGHT_COLUMNS,
    Attribute,
    Codebook,
    Coded,
    Item,
    catalogue_of,
    code_responses,
    load_codebook,
    read_wordings,
)
from worldvaluesbench.survey.reader import Microdata, read_microdata


@dataclass(frozen=True, slots=True)
class SplitCount:
    """How many respondents a split has, and how many examples (responses with a rating) they make."""

    split: str
    n_respondents: int
    n_examples: int


def build_dataset(
    file: Path | str,
    out: Path | str,
    *,
    edition: str = "paper",
    wordings: Path | str | None = None,
    force: bool = False,
    strict: bool = False,
) -> Dataset:
    """Turn a survey file into a dataset folder, and open it.

    The folder appears whole or not at all; two builds of one file are equal byte for byte.

    `file` is a survey file in any shape that `read_microdata` reads. Edition `paper` repeats the published
    benchmark, `corrected` mends what it lost (docs/editions.md). `wordings` is a catalogue in the published shape
    whose wordings replace ours. `force` replaces an earlier dataset; `strict` refuses a file with codes that the
    codebook does not list.

    Raises SurveyFileError, CodebookError, DatasetError or FolderError where the file, the catalogue, the rows or the
    destination are not as needed.
    """
    rules, out = load_edition(edition), Path(out)
    check_destination(out, "dataset", force=force)
    codebook = load_codebook() if wordings is None else read_wordings(Path(wordings))
    microdata = read_microdata(Path(file), codebook)
    coded = code_responses(microdata, codebook, strict=strict)
    kept = keep_respondents(microdata, coded, rules, codebook)
    respondents = build_respondents(microdata, coded, kept, rules)
    responses = coded.responses[kept.rows].insert_column(0, respondents["respondent_id"])
    content = _describe(microdata, coded, kept, rules, respondents)
    content["identity"] = identity_of(rules.name, respondents, responses, codebook)
    content["wordings"] = None if wordings is None else {"name": Path(wordings).name, **file_facts(Path(wordings))}
    with new_folder(out, "dataset", force=force) as staging:
        respondents.write_parquet(staging / RESPONDENTS)
        responses.write_parquet(staging / RESPONSES, compression_level=1)
        _write_codebook(staging, codebook)
        content["counts"] = [asdict(count) for count in count_splits(respondents, responses)]
        write_manifest(staging, "dataset", content)
    return load_dataset(out)


def count_splits(respondents: pl.DataFrame, responses: pl.DataFrame) -> tuple[SplitCount, ...]:
    """Table 1 of the paper: respondents and examples by split, then in all."""
    answered = sum((column >= 0).cast(pl.Int32) for column in responses.drop("respondent_id"))
    assert isinstance(answered, pl.Series)
    counts = []
    for split in SPLITS:
        chosen = respondents["split"] == split
        counts.append(SplitCount(split, int(chosen.sum()), int(answered.filter(chosen).sum())))
    total = SplitCount("total", sum(c.n_respondents for c in counts), sum(c.n_examples for c in counts))
    return (*counts, total)


def what_corrected_changes(dataset: Dataset) -> str:
    """One line: what edition `corrected` would change for the file this dataset was built from."""
    dropped = dataset.manifest["dropped"]
    lost = dataset.manifest["without_education_level"]
    shared, newer = dropped["shared_id"], dropped["country_not_in_version_5"]
    return (
        f"Edition corrected would keep {shared + newer:,} more respondents ({shared:,} under the shared Uruguayan id, "
        f"{newer:,} in countries that version 5 lacks), give {lost:,} master's graduates an education level, and "
        f"split by a hash of the respondent id instead of by row order."
    )


def _write_codebook(folder: Path, codebook: Codebook) -> None:
    write_json(folder / CATALOGUE, catalogue_of(codebook))
    write_json(folder / "items.json", [_item_json(item) for item in codebook.items])
    write_json(folder / "attributes.json", [_attribute_json(attribute) for attribute in codebook.attributes])


def _item_json(item: Item) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "topic": item.topic,
        "name": item.name,
        "stem": item.stem,
        "question": item.question,
        "low": item.scale.low,
        "high": item.scale.high,
        "labels": list(item.labels),
        "is_in_paper_probe": item.is_in_paper_probe,
    }


def _attribute_json(attribute: Attribute) -> dict[str, Any]:
    return {
        "attribute_id": attribute.attribute_id,
        "name": attribute.name,
        "kind": attribute.kind,
        "question": attribute.question,
        "choices": {str(code): label for code, label in attribute.choices.items()},
    }


def _country_notes(countries: pl.Series) -> list[str]:
    unknown = int((countries < 0).sum())
    return [f"Respondents without a listed country, and so without a continent: {unknown:,}."] if unknown else []


def _describe(
    microdata: Microdata, coded: Coded, kept: Kept, edition: Edition, respondents: pl.DataFrame
) -> dict[str, Any]:
    countries = respondents[COUNTRY_COLUMN]
    education = respondents["Q275"]
    return {
        "edition": edition.name,
        "survey": "World Values Survey wave 7",
        "source": asdict(microdata.source),
        "file_version": microdata.version,
        "is_invented": microdata.is_invented,
        "is_inverted": microdata.is_inverted,
        "n_rows_in_file": microdata.frame.height,
        "n_respondents": respondents.height,
        "n_countries": countries.filter(countries >= 0).n_unique(),
        "n_items": len(coded.responses.columns) - len(microdata.absent_items),
        "absent_items": list(microdata.absent_items),
        "absent_attributes": list(microdata.absent_attributes),
        "dropped": kept.n_dropped,
        "renamed": kept.n_renamed,
        "without_education_level": int(education.is_in(list(edition.education_without_level)).sum()),
        "unlisted": [asdict(code) for code in coded.unlisted],
        "weights": [name for name in WEIGHT_COLUMNS if name in respondents.columns],
        "clusters": [name for name in CLUSTER_COLUMNS if name in respondents.columns],
        "notes": [*microdata.notes, *_country_notes(countries)],
    }
