"""The commands that show: `wvb figures`, `wvb tables`, `wvb report`, `wvb bundle`."""

from pathlib import Path
from typing import Any

import click

from worldvaluesbench._io import check_destination
from worldvaluesbench.cli import options, show
from worldvaluesbench.cli.comparing import comparison_of, comparison_options

published = click.option(
    "--with-published", is_flag=True, help="Put the columns of the paper's Table 2 beside, marked as published."
)


@click.command()
@comparison_options
@click.option(
    "--format",
    "formats",
    default="svg",
    show_default=True,
    help="html, png, svg, pdf; several separated by commas.",
)
@click.option(
    "--items", default=None, help="Whose distributions are drawn: Q1,Q106. Default: the nearest and farthest."
)
@options.out("The folder of figures to make.")
@options.force
def figures(files: tuple[Path, ...], out: Path, formats: str, items: str | None, force: bool, **given: Any) -> None:
    """Draw every figure of a comparison of runs, files of answers, comparison folders or bundles."""
    from worldvaluesbench.reporting.figures import FORMATS, KIND, write_figures

    wanted = [name for name in FORMATS if name in formats.replace(" ", "").split(",")]
    unknown = set(formats.replace(" ", "").split(",")) - set(FORMATS)
    if unknown:
        raise click.UsageError(f"There is no format {sorted(unknown)[0]!r}; there are {', '.join(FORMATS)}.")
    check_destination(out, KIND, force=force)
    comparison = comparison_of(files, given)
    item_ids = None if items is None else [item.strip() for item in items.split(",")]
    names = write_figures(comparison, out, formats=wanted, item_ids=item_ids, force=force)
    show.say_invented(comparison.is_invented)
    show.say(f"{show.counted(len(names), 'figure')}: {', '.join(names)}\nFigures: {out}")


@click.command()
@comparison_options
@published
@options.out("The folder of tables to make.")
@options.force
def tables(files: tuple[Path, ...], out: Path, with_published: bool, force: bool, **given: Any) -> None:
    """Write Table 2, the leaderboard and, with --data, Table 1 of the paper, as HTML and LaTeX."""
    from worldvaluesbench.reporting.tables import KIND, write_table_set

    check_destination(out, KIND, force=force)
    comparison = comparison_of(files, given, used=["data"])
    names = write_table_set(comparison, out, given["data"], with_published=with_published, force=force)
    show.say_invented(comparison.is_invented)
    show.say(f"{', '.join(names)}\nTables: {out}")


@click.command()
@comparison_options
@published
@options.out("The folder of the report to make.")
@options.force
def report(files: tuple[Path, ...], out: Path, with_published: bool, force: bool, **given: Any) -> None:
    """Write one page that says it all: who is near, where, how varied, how it was made, and an explorer of items.

    FILES are runs, files of answers, comparison folders or bundles. The page is one file and opens without a network.
    """
    from worldvaluesbench.reporting.page import KIND, write_report
    from worldvaluesbench.reporting.tables import load_published

    check_destination(out, KIND, force=force)
    comparison = comparison_of(files, given)
    page = write_report(comparison, out, published=load_published() if with_published else None, force=force)
    show.say_invented(comparison.is_invented)
    show.say(f"Report: {page} ({page.stat().st_size / 1e6:.1f} MB)")


_SOUND = (
    "whole. Every cell has at least 10 respondents, and fewer are not left when one is taken from another; "
    "no respondent ids, no resamples. Other bundles of the same data are not looked at (docs/report.md)."
)


@click.command()
@comparison_options
@click.option("--out", type=options.PATH, help="The bundle to make, a .zip.")
@options.force
def bundle(files: tuple[Path, ...], out: Path | None, force: bool, **given: Any) -> None:
    """Pack aggregates, report, card and checksums into one zip that is made to be shared: it holds no microdata.

    `wvb bundle check FILE.zip` says whether a bundle is whole and holds aggregates of at least ten respondents alone.
    """
    from worldvaluesbench.reporting.bundle import check_bundle, check_bundle_destination, write_bundle

    if files[0] == Path("check"):
        if len(files) != 2 or out is not None:
            raise click.UsageError("Expected one bundle: wvb bundle check FILE.zip.")
        problems = check_bundle(files[1])
        for problem in problems:
            show.warn(f"{files[1]}: {problem}")
        if problems:
            raise click.exceptions.Exit(1)
        show.say(f"{files[1]}: {_SOUND}")
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    check_bundle_destination(out, force=force)
    comparison = comparison_of(files, given, is_shared=True)
    write_bundle(comparison, out, force=force)
    show.say_invented(comparison.is_invented)
    show.say(f"Bundle: {out} ({out.stat().st_size / 1e6:.1f} MB)")
