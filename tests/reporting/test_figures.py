"""Figures: what they say is in the tables, they can be read on paper, and everybody can tell their colours apart."""

import math
import re
from pathlib import Path

import pytest

from tests.reporting.conftest import NAMES
from worldvaluesbench.errors import AnswersError, FolderError
from worldvaluesbench.folder import read_manifest
from worldvaluesbench.reporting.figure_set import figure_jobs, write_figures
from worldvaluesbench.reporting.figures.attainment import plot_attainment
from worldvaluesbench.reporting.figures.demographics import plot_demographics
from worldvaluesbench.reporting.figures.distributions import plot_distributions
from worldvaluesbench.reporting.figures.forest import plot_forest
from worldvaluesbench.reporting.figures.heatmap import plot_groups
from worldvaluesbench.reporting.figures.world import load_land, load_places, plot_map
from worldvaluesbench.reporting.save import render_figure, save_figure
from worldvaluesbench.reporting.theme import INVENTED, PAGE, PALETTE, SMALLEST, look_of
from worldvaluesbench.scoring.comparison import Comparison
from worldvaluesbench.scoring.kinds import Sort
from worldvaluesbench.survey.codebook import load_codebook

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


def test_there_is_a_figure_of_everything(drawings: dict[str, str]) -> None:
    assert set(ALL) == set(drawings)


@pytest.mark.parametrize("name", ALL)
def test_no_text_is_too_small_and_no_figure_wider_than_a_page(drawings: dict[str, str], name: str) -> None:
    drawing = drawings[name]
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)', drawing)]
    assert min(sizes) >= SMALLEST
    width = re.search(r'<svg[^>]* width="([\d.]+)"', drawing)
    assert width is not None
    assert float(width[1]) <= PAGE + 25


@pytest.mark.parametrize("name", ALL)
def test_every_figure_says_who_the_humans_are_and_that_they_are_invented(drawings: dict[str, str], name: str) -> None:
    drawing = drawings[name]
    assert INVENTED in drawing
    assert "the respondents answered for, edition paper" in drawing


@pytest.mark.parametrize("name", ["forest", "attainment", "demographics", "disparity-H_URBRURAL"])
def test_intervals_are_named_where_they_are_drawn(drawings: dict[str, str], name: str) -> None:
    assert "95% intervals (debiased), 200 resamples of respondents" in drawings[name]


def test_a_figure_draws_the_numbers_of_the_tables(comparison: Comparison) -> None:
    spec = plot_forest(comparison).to_dict()
    drawn = {row["name"]: row for data in spec["datasets"].values() for row in data if "name" in row}
    summary = {row["answered_by"]: row for row in comparison.tables["summary"].filter(grouping="all").to_dicts()}
    for name in NAMES:
        for key, column in (("mean", "mean"), ("low", "mean_low"), ("high", "mean_high"), ("middle", "mean_corrected")):
            assert drawn[name][key] == summary[name][column]


def test_an_item_is_drawn_with_its_labels_in_words(comparison: Comparison) -> None:
    drawing = str(render_figure(plot_distributions(comparison, "Q57"), "svg"))
    for label in ("1 Most people can be trusted", "2 Need to be very careful", "with demographics"):
        assert label in drawing


def test_sources_of_one_family_share_a_colour_and_differ_in_their_dashes(comparison: Comparison) -> None:
    look = look_of(comparison.sorts)
    assert look.colours["model"] == look.colours["model+demographics"] != look.colours["other"]
    assert look.dashes["model"] != look.dashes["model+demographics"]
    fewer = {name: comparison.sorts[name] for name in ("model", "other")}
    assert look_of(fewer).colours["other"] == look.colours["other"], "the same in every figure of the same families"


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("paper", ["#ffffff", "#15171b"])
@pytest.mark.parametrize("colour", PALETTE)
def test_every_colour_stands_out_on_white_and_on_black(colour: str, paper: str) -> None:
    assert contrast(colour, paper) >= 3


def linear(colour: str) -> list[float]:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def seen_without(cone: str, colour: str) -> list[float]:
    """A colour in linear light as it is seen without red or green cones (Viénot, Brettel and Mollon, 1999)."""
    red, green, blue = linear(colour)
    if cone == "none":
        return [red, green, blue]
    weights = {"green": (0.29275, 0.70725, -0.02234), "red": (0.11238, 0.88762, 0.00401)}[cone]
    yellow = weights[0] * red + weights[1] * green
    return [yellow, yellow, max(weights[2] * red - weights[2] * green + blue, 0.0)]


def lab(light: list[float]) -> tuple[float, float, float]:
    red, green, blue = light
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("cone", ["none", "green", "red"])
def test_the_first_colours_differ_for_every_eye(cone: str) -> None:
    seen = [lab(seen_without(cone, colour)) for colour in PALETTE[:5]]
    for place, one in enumerate(seen):
        for other in seen[:place]:
            assert math.dist(one, other) > 10, "ten units are several times what can just be told apart"


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
        assert feature["properties"]["value"] == numbers.get(feature["id"])
    assert "SGP" in str(render_figure(chart, "svg"))


def test_figures_are_written_in_every_format(comparison: Comparison, tmp_path: Path) -> None:
    chart = plot_forest(comparison)
    starts = {"html": b"<!doctype html>", "png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}
    for ending, start in starts.items():
        save_figure(chart, tmp_path / f"forest.{ending}")
        assert (tmp_path / f"forest.{ending}").read_bytes().lower().startswith(start.lower())
    html = (tmp_path / "forest.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link)[^>]+(src|href)=", html), "all is inside"
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


def test_what_a_comparison_lacks_is_said_in_a_line(comparison: Comparison) -> None:
    with pytest.raises(AnswersError, match="has no grouping 'Q260', it has H_URBRURAL, B_COUNTRY"):
        plot_attainment(comparison, "Q260")
    with pytest.raises(AnswersError, match="has no answers 'nobody'; it has model, model"):
        plot_groups(comparison, "nobody", "H_URBRURAL")
    one = {"kind": "without", "family": "other"}
    with pytest.raises(AnswersError, match="No model was asked both"):
        plot_demographics(Comparison({**comparison.receipt, "sorts": {"other": one}}, {}))
