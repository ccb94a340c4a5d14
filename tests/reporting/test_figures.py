"""Figures: what they say is in the tables, they can be read on paper, and everybody can tell their colours apart."""

import json
import math
import re
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.reporting.conftest import NAMES, renamed
from worldvaluesbench._io._folder import read_manifest
from worldvaluesbench.errors import AnswersError, FolderError
from worldvaluesbench.reporting.figures._attainment import plot_attainment
from worldvaluesbench.reporting.figures._data import item_labels, wrap_lines
from worldvaluesbench.reporting.figures._demographics import plot_demographics
from worldvaluesbench.reporting.figures._disparity import plot_disparity
from worldvaluesbench.reporting.figures._distributions import MOST_LINES, WIDTH_OF_LABEL, plot_distributions
from worldvaluesbench.reporting.figures._diversity import plot_collapse
from worldvaluesbench.reporting.figures._figure_set import MAX_FIGURE_GROUPS, figure_jobs, file_name, write_figures
from worldvaluesbench.reporting.figures._forest import plot_forest
from worldvaluesbench.reporting.figures._heatmap import plot_groups, plot_heatmap
from worldvaluesbench.reporting.figures._save import render_figure, save_figure
from worldvaluesbench.reporting.figures._theme import (
    INVENTED,
    ON_DARK,
    ON_PALE,
    PAGE,
    PALETTE,
    PEOPLE,
    SMALLEST,
    look_of,
)
from worldvaluesbench.reporting.figures._world import load_land, load_places, plot_map
from worldvaluesbench.reporting.page._page import INKS
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._kinds import Sort
from worldvaluesbench.survey._codebook import load_codebook

Light = NDArray[np.float64]

ALL = (
    "forest",
    "attainment",
    "heatmap",
    "demographics",
    "collapse",
    "item-Q1",
    "item-Q46",
    "item-Q57",
    "item-Q106",
    "disparity-H_URBRURAL",
    "attainment-H_URBRURAL",
    "demographics-H_URBRURAL",
    *(f"groups-H_URBRURAL-{name}" for name in NAMES),
    "disparity-B_COUNTRY",
    *(f"map-{name}" for name in NAMES),
)


@pytest.fixture(scope="module")
def drawings(comparison: Comparison) -> dict[str, str]:
    """Every figure as SVG."""
    return {name: str(render_figure(plot(), "svg")) for name, plot in figure_jobs(comparison)}


def width_of(drawing: str) -> float:
    found = re.search(r'<svg[^>]* width="([\d.]+)"', drawing)
    assert found is not None
    return float(found[1])


def words_of(drawing: str) -> str:
    """All text of a drawing, its lines joined."""
    return " ".join(re.findall(r">([^<>]+)</", drawing))


def test_there_is_a_figure_of_everything(drawings: dict[str, str]) -> None:
    assert set(ALL) == set(drawings)


@pytest.mark.parametrize("name", ALL)
def test_no_text_is_too_small_and_no_figure_wider_than_a_page(drawings: dict[str, str], name: str) -> None:
    drawing = drawings[name]
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)', drawing)]
    assert min(sizes) >= SMALLEST
    assert width_of(drawing) <= PAGE


@pytest.mark.parametrize("name", ALL)
def test_every_figure_says_who_the_humans_are_and_that_they_are_invented(drawings: dict[str, str], name: str) -> None:
    drawing = drawings[name]
    assert INVENTED in drawing
    assert "the respondents answered for, edition paper" in drawing


@pytest.mark.parametrize("name", ["forest", "attainment", "demographics", "disparity-H_URBRURAL"])
def test_intervals_are_named_where_they_are_drawn(drawings: dict[str, str], name: str) -> None:
    note = (
        "95% confidence intervals (bias-corrected; 200 bootstrap resamples of respondents; "
        "items sampled within topics)."
    )
    assert note in words_of(drawings[name])


def test_a_figure_draws_the_numbers_of_the_tables(comparison: Comparison) -> None:
    spec = plot_forest(comparison).to_dict()
    drawn = {row["name"]: row for data in spec["datasets"].values() for row in data if "name" in row}
    board = {row["answers"]: row for row in comparison.tables["leaderboard"].filter(grouping="all").to_dicts()}
    for name in NAMES:
        for key, column in (("mean", "mean"), ("low", "low"), ("high", "high"), ("middle", "corrected")):
            value = board[name][column]
            assert drawn[name][key] == (max(value, 0) if key == "middle" else value), "below 0 is shown as 0"


def test_an_item_is_drawn_with_its_labels_in_words(comparison: Comparison) -> None:
    drawing = str(render_figure(plot_distributions(comparison, "Q57"), "svg"))
    for label in ("1 Most people can be trusted", "2 Need to be very careful", "with demographics"):
        assert label in drawing


@pytest.mark.parametrize("item_id", load_codebook().item_ids)
def test_the_ends_of_every_scale_are_told_apart_in_three_lines(item_id: str) -> None:
    labels = [wrap_lines(label, WIDTH_OF_LABEL, MOST_LINES) for label in item_labels(load_codebook().item(item_id))]
    assert len({label.split(" ", 1)[-1] for label in labels}) == len(labels)


def test_sources_of_one_family_share_a_colour_and_differ_in_their_dashes(comparison: Comparison) -> None:
    look = look_of(comparison.sorts)
    assert look.colours["model"] == look.colours["model+demographics"] != look.colours["other"]
    assert look.dashes["model"] != look.dashes["model+demographics"]
    fewer = {name: comparison.sorts[name] for name in ("model", "other")}
    assert look_of(fewer).colours["other"] == look.colours["other"], "the same in every figure of the same families"


def test_a_model_has_its_colour_whether_baselines_are_there_or_not(comparison: Comparison) -> None:
    alone = look_of(comparison.sorts)
    people = {name: Sort("baseline", name) for name in ("cell", "human", "marginal", "trees", "another")}
    beside = look_of(people | comparison.sorts)
    assert {name: beside.colours[name] for name in NAMES} == {name: alone.colours[name] for name in NAMES}
    assert {name: beside.colours[name] for name in PEOPLE} == PEOPLE
    assert look_of({"human": people["human"]}).colours["human"] == PEOPLE["human"]


def linear(colour: str) -> Light:
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("paper", ["#ffffff", "#15171b"])
@pytest.mark.parametrize("colour", [*PALETTE, *PEOPLE.values()])
def test_every_colour_stands_out_on_white_and_on_black(colour: str, paper: str) -> None:
    assert contrast(colour, paper) >= 3


def test_numbers_on_coloured_cells_do_not_change_with_the_page(drawings: dict[str, str]) -> None:
    assert not {ON_PALE, ON_DARK} & set(INKS)
    numbers = re.findall(r'fill="([^"]+)"[^>]*>0\.\d\d<|>0\.\d\d</text>', drawings["heatmap"])
    assert set(numbers) <= {ON_PALE, ON_DARK}
    assert numbers


EYES = {
    "none": np.eye(3),
    "green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
"""What linear light becomes without these cones, by Machado, Oliveira and Fernandes (2009), severity 1."""


def seen_without(cone: str, colour: str) -> Light:
    """A colour in CIE Lab as it is seen without red or green cones."""
    light = np.clip(EYES[cone] @ linear(colour), 0, 1)
    rows = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    shares = rows @ light / [0.9505, 1, 1.089]
    x, y, z = np.where(shares > 0.008856, np.cbrt(shares), 7.787 * shares + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(("cone", "least"), [("none", 30), ("green", 15), ("red", 15)])
def test_colours_differ_for_every_eye(cone: str, least: float) -> None:
    models = [seen_without(cone, colour) for colour in PALETTE]
    people = [seen_without(cone, colour) for colour in PEOPLE.values()]
    assert min(math.dist(*two) for two in combinations(models, 2)) > least
    assert min(math.dist(*two) for two in combinations(people, 2)) > 8
    assert min(math.dist(*two) for two in product(models, people)) > 8


def test_more_families_than_colours_begin_again() -> None:
    sorts = {str(number): Sort("without", f"{number:02}") for number in range(len(PALETTE) + 1)}
    look = look_of(sorts)
    assert look.colours["0"] == look.colours[str(len(PALETTE))]


def test_every_country_of_the_survey_has_a_place_and_all_but_six_have_land() -> None:
    codes = {country.code for country in load_codebook().countries}
    places = load_places()
    assert set(places["country"].to_list()) == codes
    land = {feature["id"] for feature in load_land()}
    assert codes - land == set(places.filter("is_small")["country"].to_list()) == {20, 344, 446, 462, 702, 909}


def test_the_map_shows_the_number_of_each_country_and_the_small_ones_by_name(comparison: Comparison) -> None:
    chart = plot_map(comparison, "other")
    numbers = dict(
        comparison.tables["countries"].filter(answered_by="other").select("country", "mean_corrected").rows()
    )
    features = [row for data in chart.to_dict()["datasets"].values() for row in data if row.get("type") == "Feature"]
    for feature in features:
        value = numbers.get(feature["id"])
        assert feature["properties"]["value"] == (None if value is None else max(value, 0))
    assert "SGP" in str(render_figure(chart, "svg"))


def test_figures_are_written_in_every_format(comparison: Comparison, tmp_path: Path) -> None:
    chart = plot_forest(comparison)
    starts = {"html": b"<!doctype html>", "png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}
    for ending, start in starts.items():
        save_figure(chart, tmp_path / f"forest.{ending}")
        assert (tmp_path / f"forest.{ending}").read_bytes().lower().startswith(start.lower())
    html = (tmp_path / "forest.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link)[^>]+(src|href)=", html), "all is inside"
    assert '<html lang="en">' in html
    assert "<title>INVENTED PEOPLE · How near each is to people</title>" in html
    with pytest.raises(FolderError, match=r"nowhere/forest\.svg: cannot be written .*; make its folder first"):
        save_figure(chart, tmp_path / "nowhere" / "forest.svg")
    with pytest.raises(FolderError, match=r"unknown ending; a figure is written as html, png, svg, pdf"):
        save_figure(chart, tmp_path / "forest.gif")


def test_a_folder_of_figures_has_those_of_the_items_asked_for(comparison: Comparison, tmp_path: Path) -> None:
    names = write_figures(comparison, tmp_path / "figures", item_ids=["Q57"])
    assert [name for name in names if name.startswith("item-")] == ["item-Q57"]
    assert read_manifest(tmp_path / "figures", "figures")["figures"] == names
    assert {path.name for path in (tmp_path / "figures").glob("*.svg")} == {f"{name}.svg" for name in names}
    with pytest.raises(AnswersError, match="no distribution of Q2 for all"):
        write_figures(comparison, tmp_path / "none", item_ids=["Q2"])
    assert not (tmp_path / "none").exists()


def test_names_that_are_alike_as_files_do_not_write_over_one_another(comparison: Comparison, tmp_path: Path) -> None:
    alike = renamed(comparison, dict(zip(NAMES, ("x 1", "x-1", "X|1"), strict=True)))
    names = write_figures(alike, tmp_path / "figures", item_ids=[])
    assert {"map-x-1", "map-x-1-2", "map-X-1-3"} <= set(names)
    assert len({name.casefold() for name in names}) == len(names)
    assert {path.stem for path in (tmp_path / "figures").glob("*.svg")} == set(names)


def test_no_file_name_is_too_long_for_a_system() -> None:
    assert len(file_name("é" * 300 + "+demographics").encode()) <= 255
    assert file_name("é" * 300 + "+demographics").endswith("+demographics")


def test_names_of_eighty_letters_fit_on_the_page_and_are_told_apart(long_names: Comparison) -> None:
    for name, plot in figure_jobs(long_names):
        assert width_of(str(render_figure(plot(), "svg"))) <= PAGE, name
    for chart in (plot_forest(long_names), plot_collapse(long_names), plot_heatmap(long_names)):
        shown = re.findall(r">(a-very[^<]*)</text>", str(render_figure(chart, "svg")))
        assert len(set(shown)) == len(NAMES)
        assert any(label.endswith("demographics") for label in shown)


def test_nothing_is_drawn_of_too_few_people(too_few: Comparison, tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match="too few people to draw any figure: no item has 1000000 of them"):
        write_figures(too_few, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
    for plot in (plot_forest, plot_attainment, plot_heatmap, plot_collapse, plot_demographics):
        with pytest.raises(AnswersError, match="too few people to draw"):
            plot(too_few)


def rows_of(chart: Any, key: str) -> list[dict[str, Any]]:
    """The rows of a chart's data that have this column."""
    return [row for data in chart.to_dict()["datasets"].values() for row in data if key in row]


def test_groups_are_compared_over_the_items_that_all_of_them_have(comparison: Comparison) -> None:
    chart = plot_disparity(comparison, "H_URBRURAL")
    drawn = {(row["answers"], row["group"]): row for row in rows_of(chart, "group")}
    found = comparison.tables["group_means"].filter(grouping="H_URBRURAL").to_dicts()
    n_items = {row["n_items"] for row in found}
    alike = (
        comparison.tables["compared"]
        .filter(grouping="H_URBRURAL")
        .filter(pl.col("group").n_unique().over("answers", "item_id") == pl.col("group").n_unique().over("answers"))
    )
    assert n_items == {alike["item_id"].n_unique()}
    means = alike.group_by("answers", "group").agg(pl.col("corrected").mean()).rows()
    assert {key: row["value"] for key, row in drawn.items()} == pytest.approx(
        {(name, group): max(mean, 0) for name, group, mean in means}
    )
    for row in found:
        one = drawn[row["answers"], row["group"]]
        assert (one["low"], one["high"]) == (row["low"], row["high"])
        assert one["low"] <= one["value"] <= one["high"]
    assert sum(row["has_band"] for row in drawn.values()) == len(NAMES), "one band a panel"
    gaps = {row["answers"]: row for row in comparison.tables["disparity"].filter(grouping="H_URBRURAL").to_dicts()}
    for row in drawn.values():
        raw = row["chance_high"] - row["chance_low"]
        assert raw == pytest.approx(gaps[row["answers"]]["gap_by_chance"]) or row["chance_low"] == 0
    assert f"over the same {n_items.pop()} items in all" in str(render_figure(chart, "svg"))


def many_groups(comparison: Comparison, n_sources: int, n_groups: int) -> Comparison:
    """A comparison of so many sources and groups, each like the first."""
    receipt = json.loads(json.dumps(dict(comparison.receipt)))
    names = [f"source-{number}" for number in range(n_sources)]
    receipt["sorts"] = {name: {"kind": "without", "family": name} for name in names}
    means = comparison.tables["group_means"].filter(grouping="H_URBRURAL", answers="model").head(1)
    labels = pl.DataFrame({"group": [f"a country, number {number}" for number in range(n_groups)]})
    everybody = pl.DataFrame({"answers": names})
    tables = {
        "group_means": everybody.join(means.drop("answers", "group").join(labels, how="cross"), how="cross"),
        "disparity": everybody.with_columns(
            grouping=pl.lit("H_URBRURAL"), gap_by_chance=0.1, n_groups_left_out=pl.lit(0)
        ),
        "leaderboard": everybody.with_columns(grouping=pl.lit("all"), corrected=1 - pl.int_range(pl.len()) / pl.len()),
        "scores": comparison.tables["scores"].clear(),
    }
    return Comparison(receipt, tables)


def test_many_groups_of_many_sources_fit_on_a_page_and_what_is_left_out_is_said(comparison: Comparison) -> None:
    chart = plot_disparity(many_groups(comparison, 10, 63), "H_URBRURAL")
    drawing = str(render_figure(chart, "svg"))
    height = re.search(r'<svg[^>]* height="([\d.]+)"', drawing)
    assert height is not None
    assert float(height[1]) <= 760
    assert width_of(drawing) <= PAGE
    assert "Drawn: the 4 nearest of 10 sources" in drawing
    assert {row["answers"] for row in rows_of(chart, "group")} == {f"source-{number}" for number in (6, 7, 8, 9)}
    crossed = str(render_figure(plot_disparity(many_groups(comparison, 1, 126), "H_URBRURAL"), "svg"))
    assert "Drawn: the 35 nearest and the 35 farthest of them." in crossed


def test_without_a_gap_by_chance_no_caption_speaks_of_a_band(comparison: Comparison) -> None:
    few = many_groups(comparison, 2, 3)
    bare = few.tables["disparity"].with_columns(gap_by_chance=pl.lit(None, pl.Float64))
    drawing = str(
        render_figure(plot_disparity(Comparison(few.receipt, {**few.tables, "disparity": bare}), "H_URBRURAL"), "svg")
    )
    assert "Grey:" not in drawing


def test_countries_with_few_items_are_grey_and_counted(comparison: Comparison) -> None:
    countries = comparison.tables["countries"]
    land = {feature["id"] for feature in load_land()}
    first = next(code for code in countries["country"].to_list() if code in land)
    n_items = pl.when(pl.col("country") == first).then(pl.lit(1)).otherwise("n_items").cast(pl.Int64)
    fewer = Comparison(comparison.receipt, {**comparison.tables, "countries": countries.with_columns(n_items=n_items)})
    chart = plot_map(fewer, "other")
    values = {row["id"]: row["properties"]["value"] for row in rows_of(chart, "properties")}
    assert values[first] is None
    drawing = str(render_figure(chart, "svg"))
    assert "fewer than half of the largest number of items" in drawing
    assert "(1 item)" in drawing


def test_captions_say_what_is_drawn(comparison: Comparison, drawings: dict[str, str]) -> None:
    assert "Bands: 95% confidence intervals" in drawings["attainment"]
    more = renamed(comparison, {})
    receipt = dict(more.receipt)
    receipt["sorts"] = receipt["sorts"] | {
        name: {"kind": "baseline", "family": name, "model": None, "method": None} for name in ("cell", "human")
    }
    beside = str(render_figure(plot_attainment(Comparison(receipt, more.tables)), "svg"))
    assert "No bands: with more than 4 sources" in beside
    assert "baselines of people (cell, human)" in beside
    assert "median n of an item" in drawings["collapse"]
    assert "0.5 and more" in drawings["heatmap"]


def test_panels_are_counted_by_the_groups_that_they_would_show(comparison: Comparison) -> None:
    names = {name for name, _ in figure_jobs(comparison)}
    n_own = comparison.tables["attainment"].filter(grouping="B_COUNTRY").drop_nulls("share")["group"].n_unique()
    assert n_own > MAX_FIGURE_GROUPS, "too many panels for a page"
    assert not {"attainment-B_COUNTRY", "demographics-B_COUNTRY", "groups-B_COUNTRY-other"} & names
    one = comparison.tables["leaderboard"].filter((pl.col("grouping") != "B_COUNTRY") | (pl.col("group") == "Germany"))
    few = Comparison(comparison.receipt, {**comparison.tables, "leaderboard": one})
    fewer = {name for name, _ in figure_jobs(few)}
    assert "attainment-B_COUNTRY" not in fewer, "sources of their own examples have more groups than all have together"


def test_what_a_comparison_lacks_is_said_in_a_line(comparison: Comparison) -> None:
    with pytest.raises(AnswersError, match="has no grouping 'Q260', it has H_URBRURAL, B_COUNTRY"):
        plot_attainment(comparison, "Q260")
    with pytest.raises(AnswersError, match="has no answers 'nobody'; it has model, model"):
        plot_groups(comparison, "nobody", "H_URBRURAL")
    one = {"kind": "without", "family": "other"}
    with pytest.raises(AnswersError, match="No model was asked both"):
        plot_demographics(Comparison({**comparison.receipt, "sorts": {"other": one}}, {}))
