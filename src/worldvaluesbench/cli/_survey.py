"""Commands about the survey: `wvb items`, `wvb inspect`, `wvb synthetic`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from worldvaluesbench.cli import _terminal as show
from worldvaluesbench.cli._command import PATH, Given, command, force, is_given, option, out, survey_file, weight_option
from worldvaluesbench.errors import CodebookError
from worldvaluesbench.stats import shares_of
from worldvaluesbench.survey import (
    Codebook,
    Item,
    Marginals,
    load_codebook,
    load_derived_attributes,
    load_marginals,
)

if TYPE_CHECKING:  # each command imports what it uses alone
    from worldvaluesbench.survey import Inspection

MAX_CHOICES_SHOWN = 40
DRAW = "Distributions"


@command()
@click.argument("item_ids", nargs=-1)
@option("--topic", default="", help="Only topics whose name contains this.")
@option("--search", default="", help="Only items whose wording, name or labels contain this.")
@option("--attributes", is_flag=True, help="List the demographic attributes instead.")
@option("--data", type=PATH, section=DRAW, help="Draw the responses of a dataset.")
@option("--comparison", type=PATH, section=DRAW, help="Draw the answers in a comparison folder or bundle.")
@option("--by", section=DRAW, help="A grouping: draw each of its groups.")
@weight_option
def items(item_ids: tuple[str, ...], topic: str, search: str, attributes: bool, **given: Any) -> None:
    """Show the 239 value items: scales, labels, and how the world responded.

    With ITEM_IDS, such as Q56, these items in full, or their distributions in a dataset or comparison; attributes,
    such as Q260 or continent, too. The world is file version 5, unweighted.
    """
    if given["data"] is not None or given["comparison"] is not None:
        _draw(item_ids, given)
        return
    for name in ("by", "weight"):
        if is_given(name):
            raise click.UsageError(f"--{name} needs --data DIR, or a comparison that has it: the world has no groups.")
    codebook, marginals = load_codebook(), load_marginals()
    if item_ids:
        _show_by_id(item_ids, codebook, marginals)
        return
    if attributes:
        _list_attributes(codebook)
        return
    found = [item for item in codebook.items if _matches(item, topic, search)]
    if not found:
        raise CodebookError(
            f"No item matches topic {topic!r} and search {search!r}; the topics are {', '.join(codebook.topics)}."
        )
    for name in codebook.topics:
        members = [item for item in found if item.topic == name]
        if members:
            rows = [(item.item_id, item.name, str(item.scale), _world_spark(item, marginals)) for item in members]
            show.table(("item", "name", "scale", "world"), rows, title=f"{name}", left=4)
            show.say("")
    show.say(f"{show.counted(len(found), 'item')}. `wvb items {found[0].item_id}` shows one in full.")


@command()
@survey_file
@option("--samples", type=PATH, help="Check that the respondents of a published samples file are where they should be.")
def inspect(file: Path, samples: Path | None) -> None:
    """Describe a survey file: version, countries, items, weights, missing responses.

    FILE is csv, sav, dta, parquet or arrow; plain, zip or gz. It may also be a dataset folder: then Table 1 of the
    paper, and with --samples the check of a samples file, which exits with 1 where something differs.
    """
    if file.is_dir():
        from worldvaluesbench.benchmark import load_dataset
        from worldvaluesbench.cli._benchmark import show_dataset, show_verification

        dataset = load_dataset(file)
        if samples is None:
            show_dataset(dataset)
        else:
            show_verification(dataset, samples)
        return
    if samples is not None:
        raise click.UsageError("--samples needs a dataset folder; wvb build makes one.")
    from worldvaluesbench.survey import inspect_microdata
    from worldvaluesbench.survey.reader import read_microdata

    _show_inspection(inspect_microdata(read_microdata(file)))


@command()
@out("The file to write: .csv, .csv.gz, .zip, .sav, .dta or .parquet.")
@option("--respondents", default=94_278, show_default=True, help="How many: 100 to 2,000,000.")
@option("--seed", default=0, show_default=True, help="The same seed gives the same respondents.")
@force
def synthetic(out: Path, respondents: int, seed: int, force: bool) -> None:
    """Write a synthetic survey file with the real world marginals, for trying things out."""
    from worldvaluesbench.survey.synthetic import write_synthetic

    write_synthetic(out, respondents, seed=seed, force=force)
    show.say(f"{respondents:,} synthetic respondents written to {out}")
    show.say_synthetic(True)


def _draw(item_ids: Sequence[str], given: Given) -> None:
    """Draw the distributions of items in a dataset or in a comparison."""
    # only here: comparing takes a while to load
    from worldvaluesbench.cli._compare import open_comparison, show_respondents, show_sources

    if not item_ids or (given["data"] is not None and given["comparison"] is not None):
        raise click.UsageError("Expected items to draw, and one of --data and --comparison.")
    if given["comparison"] is not None and is_given("weight"):
        raise click.UsageError("--weight has no effect on a comparison that is already made.")
    opened = None if given["comparison"] is None else open_comparison(given["comparison"])
    for item_id in item_ids:
        item = load_codebook().item(item_id.upper() if item_id[:1] in "qQ" else item_id)
        show.say(f"{item.item_id}  {item.name}  ({item.topic})\n{item.question}")
        if opened is not None:
            show_sources(item, opened, given["by"])
        else:
            show_respondents(item, given["data"], given["by"], given["weight"])


def _matches(item: Item, topic: str, search: str) -> bool:
    text = " ".join((item.item_id, item.name, item.stem, item.question, *item.labels))
    return topic.casefold() in item.topic.casefold() and search.casefold() in text.casefold()


def _show_by_id(ids: Sequence[str], codebook: Codebook, marginals: Marginals) -> None:
    item_ids = {item_id.casefold(): item_id for item_id in codebook.item_ids}
    derived = load_derived_attributes()
    attribute_ids = {name.casefold(): name for name in (*codebook.attribute_ids, *derived)}
    for name in ids:
        if name.casefold() in item_ids:
            _show_item(codebook.item(item_ids[name.casefold()]), marginals)
        elif name.casefold() in attribute_ids:
            _show_attribute(attribute_ids[name.casefold()], codebook)
        else:
            raise CodebookError(
                f"There is no item or attribute {name!r}; `wvb items` and `wvb items --attributes` list them."
            )


def _list_attributes(codebook: Codebook) -> None:
    coded = [(entry.attribute_id, entry.name, entry.kind, len(entry.choices) or None) for entry in codebook.attributes]
    show.table(("attribute", "name", "kind", "choices"), coded, left=3)
    derived = load_derived_attributes().values()
    levels = [(entry.attribute_id, entry.source, ", ".join(entry.levels.values())) for entry in derived]
    show.say("")
    show.table(("derived", "from", "levels"), levels, left=3)


def _show_attribute(attribute_id: str, codebook: Codebook) -> None:
    derived = load_derived_attributes().get(attribute_id)
    if derived is not None:
        show.say(f"{attribute_id}  derived from {derived.source}")
        show.table(("code", "level"), list(derived.levels.items()), left=2)
        return
    attribute = codebook.attribute(attribute_id)
    show.say(f"{attribute_id}  {attribute.name}\n{attribute.question}")
    if attribute.is_free:
        show.say(f"A number that means itself ({attribute.kind}), {attribute.low} to {attribute.high}.")
        return
    rows = [(str(code), label) for code, label in attribute.choices.items()]
    show.table(("code", "label"), rows[:MAX_CHOICES_SHOWN], left=2)
    if len(rows) > MAX_CHOICES_SHOWN:
        show.say(f"... and {len(rows) - MAX_CHOICES_SHOWN:,} more; all are in attributes.json of a dataset.")


def _world_spark(item: Item, marginals: Marginals) -> str:
    if item.item_id not in marginals.item_ids:
        return ""
    return show.spark(shares_of(marginals.counts(item.item_id)).tolist())


def _show_item(item: Item, marginals: Marginals) -> None:
    has_world = item.item_id in marginals.item_ids
    show.say(f"{item.item_id}  {item.name}  ({item.topic})")
    show.say(item.question)
    counts = marginals.counts(item.item_id) if has_world else np.zeros(item.scale.n_points)
    shares = shares_of(counts).tolist() if has_world else [None] * item.scale.n_points
    rows = [
        (rating, label, "–" if share is None else f"{share:6.1%}", "" if share is None else show.bar(share))
        for rating, label, share in zip(item.scale.ratings, item.labels, shares, strict=True)
    ]
    show.table(("rating", "label", "share", "world"), rows, left=4)
    for code in (choice.code for choice in item.choices if item.rating_of(choice.code) != choice.code):
        rating = item.rating_of(code)
        becomes = "is missing: it has no place on the scale" if rating is None else f"becomes {rating}"
        show.say(f"Code {code} of the survey file {becomes}.")
    note = f"n = {marginals.n(item.item_id):,}, file version 5, unweighted" if has_world else "no world marginals"
    show.say(f"World: {note}.\n")


def _show_inspection(found: "Inspection") -> None:
    show.say_synthetic(found.is_invented)
    kind = "inverted" if found.is_inverted else "standard"
    show.say(f"{found.source.name}: {found.source.details}, {found.source.size:,} bytes")
    show.say(f"World Values Survey wave 7, file version {found.version or 'not stated'}, {kind} edition")
    show.say(f"{found.n_rows:,} rows, {found.n_countries} countries:")
    show.say(", ".join(f"{country.name} {country.n:,}" for country in found.countries))
    _show_columns("Items", found.items, found.absent_items)
    _show_columns("Attributes", found.attributes, found.absent_attributes)
    for weight in found.weights:
        show.say(f"Weight {weight.name}: sum {weight.total:,.1f}, {weight.n_missing:,} missing, {weight.n_zero:,} zero")
    if not found.weights:
        show.say("Weights: none")
    show.say(
        "Duplicate ids: "
        + (", ".join(f"{key} ({n:,} rows)" for key, n in found.duplicate_ids[:10]) or "none")
        + (f", and {len(found.duplicate_ids) - 10} more" if len(found.duplicate_ids) > 10 else "")
    )
    show.say("Codes not in the codebook: " + (", ".join(map(str, found.unlisted)) or "none"))
    for note in found.notes:
        show.say(note)
    cells = len(found.items) * found.n_rows
    rows = [("rating", found.n_responses, f"{found.n_responses / cells:.1%}")]
    rows += [(reason, n, f"{n / cells:.1%}") for reason, n in found.missing_responses.items()]
    show.table(("items", "cells", "share"), rows, title="\nResponses")
    missing = [(name, *_top_reasons(reasons)) for name, reasons in found.missing_attributes.items()]
    show.table(("attribute", "missing", "by reason"), missing, title="\nMissing attributes", left=3)


def _show_columns(what: str, present: tuple[str, ...], absent: tuple[str, ...]) -> None:
    show.say(f"{what}: {len(present)} present, {len(absent)} absent" + (f": {', '.join(absent)}" if absent else ""))


def _top_reasons(reasons: dict[str, int]) -> tuple[str, str]:
    return f"{sum(reasons.values()):,}", ", ".join(f"{reason} {n:,}" for reason, n in reasons.items())
