"""Commands that make datasets and probe sets: `wvb build`, `wvb export`, `wvb probe`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import polars as pl

from worldvaluesbench._io import OwnFile, new_file
from worldvaluesbench.benchmark import (
    EVERYONE,
    SPLITS,
    Dataset,
    ProbeSet,
    build_dataset,
    build_probe,
    export_tsv,
    load_dataset,
    verify_samples,
    what_corrected_changes,
)
from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import PATH, command, dataset_folder, force, option, out, survey_file
from worldvaluesbench.survey import level_label

MAX_CELLS_SHOWN = 100
SPLIT_NAMES = (EVERYONE, *SPLITS)


@command()
@survey_file
@out("The dataset folder to make.")
@option(
    "--edition",
    type=click.Choice(["paper", "corrected"]),
    default="paper",
    show_default=True,
    help="The published benchmark row for row, or with what it lost put back.",
)
@option("--wordings", type=PATH, help="A catalogue (question_metadata.json) whose wordings replace ours.")
@option("--strict", is_flag=True, help="Refuse a file with codes that the codebook does not list.")
@force
def build(file: Path, out: Path, edition: str, wordings: Path | None, strict: bool, force: bool) -> None:
    """Turn a survey file into a dataset: ratings, attributes, splits.

    FILE is csv, sav, dta, parquet or arrow; plain, zip or gz. Prints Table 1 of the paper for it.
    """
    dataset = build_dataset(file, out, edition=edition, wordings=wordings, strict=strict, force=force)
    show_dataset(dataset)


def show_dataset(dataset: Dataset) -> None:
    """Print Table 1 for a dataset, what was left out of it, and what the other edition would change."""
    manifest = dataset.manifest
    show.say_synthetic(dataset.is_invented)
    rows = [(count["split"], count["n_respondents"], count["n_examples"]) for count in manifest["counts"]]
    show.table(
        ("split", "respondents", "examples"), rows, title=f"{manifest['source']['name']}, edition {dataset.edition}"
    )
    show.say(f"{manifest['n_countries']} countries, {manifest['n_items']} items. Dataset: {dataset.folder}")
    for note in _notes(dataset):
        show.say(note)


def _notes(dataset: Dataset) -> Iterable[str]:
    manifest = dataset.manifest
    dropped = manifest["dropped"]
    yield from manifest["notes"]
    if manifest["absent_items"]:
        yield f"Items not in the file: {', '.join(manifest['absent_items'])}"
    if manifest["absent_attributes"]:
        yield f"Attributes not in the file: {', '.join(manifest['absent_attributes'])}"
    if manifest["unlisted"]:
        codes = ", ".join(f"{code['column']}={code['code']} ({code['n']:,}x)" for code in manifest["unlisted"])
        yield f"Codes that the codebook does not list, counted as missing: {codes}"
    if dropped["shared_id"]:
        yield f"Left out: {dropped['shared_id']:,} rows that share one id (Uruguay), as in the paper."
    if dropped["country_not_in_version_5"]:
        n = dropped["country_not_in_version_5"]
        yield f"Left out: {n:,} respondents in countries that file version 5 lacks (India, Uzbekistan)."
    if dataset.edition == "paper" and manifest["file_version"] != "5.0":
        yield (
            f"The published splits can be repeated from file version 5.0 alone; from this one "
            f"({manifest['file_version'] or 'version not stated'}) the same rules draw other respondents."
        )
    if dataset.edition == "paper":
        yield what_corrected_changes(dataset)


FORMATS = ("tsv", "examples")


@command()
@dataset_folder
@out("The folder to make; with --format examples, the .parquet file.")
@option(
    "--format",
    type=click.Choice(FORMATS),
    default="tsv",
    show_default=True,
    help="tsv: the published layout by split. examples: one row for each respondent and item.",
)
@option("--split", type=click.Choice(SPLIT_NAMES), help="Which respondents (examples). Default: full.")
@option("--attributes", help="Attributes to add as columns of codes (examples): B_COUNTRY,Q275.")
@option(
    "--labels",
    type=click.Choice(["ours", "published"]),
    help="Attributes in our words, or in the codebook's own texts that published code expects (tsv). Default: ours.",
)
@force
def export(data: Path, out: Path, format: str, force: bool, **given: Any) -> None:
    """Write a dataset in the published layout, or its examples as one table."""
    unused = ("split", "attributes") if format == "tsv" else ("labels",)
    for name in unused:
        if given[name] is not None:
            raise click.UsageError(f"--{name} is not an option of --format {format}.")
    if format == "examples" and out.suffix != ".parquet":
        raise click.UsageError(f"--out is {out}; expected the name of a .parquet file.")
    dataset = load_dataset(data)
    if format == "examples":
        n = write_examples(dataset, out, given["split"] or EVERYONE, given["attributes"] or "", force=force)
        show.say(f"{n:,} examples of {given['split'] or EVERYONE} written to {out}")
    else:
        export_tsv(dataset, out, labels=given["labels"] or "ours", force=force)
        show.say(f"Published layout of {data} written to {out}")
    show.say_synthetic(dataset.is_invented)
    if not dataset.is_invented:
        show.say("It holds respondents' answers, which the survey's terms do not allow you to pass on.")


def write_examples(dataset: Dataset, out: Path, split: str, attributes: str, *, force: bool) -> int:
    """Write the examples of a split in long form (respondent, item, response) and return how many there are."""
    wanted = [name.strip() for name in attributes.split(",") if name.strip()]
    with new_file(out, force=force, own=OwnFile("table of examples", _is_examples)) as path:
        dataset.examples(split, attribute_ids=wanted).sink_parquet(path)
    return int(pl.scan_parquet(out, glob=False).select(pl.len()).collect().item())


def _is_examples(path: Path) -> bool:
    try:
        columns = set(pl.read_parquet_schema(path))
        # an earlier version called the response a rating
        return {"respondent_id", "item_id"} <= columns and bool(columns & {"response", "rating"})
    except (OSError, pl.exceptions.PolarsError):
        return False


def show_verification(dataset: Dataset, samples: Path) -> None:
    """Print whether the respondents of a samples file are in the test split, in the right groups; exit 1 if not."""
    found = verify_samples(dataset, samples)
    show.say_synthetic(dataset.is_invented)
    show.table(("difference", "rows"), list(found.differing.items()), title=f"{samples.name} against {dataset.folder}")
    for name, rows in found.first_rows.items():
        show.say(f"{name}, the first of {found.differing[name]:,}:")
        for row in rows:
            show.say(f"  {row}")
    show.say(f"{found.n_rows:,} rows, {found.n_respondents:,} respondents.")
    if found.is_own_draw:
        show.say("Row for row what `wvb probe --spec paper36` draws from this dataset.")
    if not found.is_sound:
        show.say("Some rows differ: the file is of another survey version, edition or split.")
        raise click.exceptions.Exit(1)
    show.say("Every respondent is in the test split and in the right group.")


@command()
@dataset_folder
@out("The probe folder to make.")
@option("--spec", default="paper36", show_default=True, help="A packaged probe (paper36) or a TOML file.")
@force
def probe(data: Path, out: Path, spec: str, force: bool) -> None:
    """Draw a probe set: a few respondents for each item from each cell."""
    dataset = load_dataset(data)
    drawn = build_probe(dataset, spec, out, force=force)
    show.say_synthetic(dataset.is_invented)
    show_probe(drawn, dataset)
    show.say(f"Probe set: {out}")


def show_probe(drawn: ProbeSet, dataset: Dataset) -> None:
    """Print the cells of a probe set: candidates, drawn and skipped, summed up over items."""
    spec = drawn.spec
    cells = drawn.cells.group_by(spec.cross, maintain_order=True).agg(
        fewest=pl.col("n_candidates").min(),
        most=pl.col("n_candidates").max(),
        drawn=pl.col("n_drawn").sum(),
        skipped=(pl.col("n_drawn") == 0).sum(),
    )
    rows = [
        (
            *(level_label(name, row[name], dataset.codebook) for name in spec.cross),
            row["fewest"],
            row["most"],
            row["drawn"],
            row["skipped"],
        )
        for row in cells.head(MAX_CELLS_SHOWN).iter_rows(named=True)
    ]
    columns = (*spec.cross, "fewest candidates", "most candidates", "drawn", "items skipped")
    show.table(columns, rows, title=f"{spec.name}, edition {drawn.edition}", left=len(spec.cross))
    if cells.height > len(rows):
        show.say(f"... and {cells.height - len(rows):,} more cells; all are in cells.parquet.")
    show.say(
        f"{drawn.examples.height:,} examples: {len(spec.item_ids)} items, {spec.per_cell} of each cell with "
        f"at least {spec.minimum}, {drawn.examples['respondent_id'].n_unique():,} respondents, split {spec.split}."
    )
