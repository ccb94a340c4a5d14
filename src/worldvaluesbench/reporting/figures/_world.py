"""The world: distances by country on a map that needs no tiles, small territories drawn as circles."""

import csv
import json
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import altair as alt
import polars as pl

from worldvaluesbench.errors import AnswersError
from worldvaluesbench.reporting.figures._data import (
    check_rows,
    check_source,
    counted,
    floor_at_0,
    largest,
    middle,
    spanned,
    values_of,
)
from worldvaluesbench.reporting.figures._theme import GRID, INK, PAGE, SMALLEST, Chart, finish, humans_note
from worldvaluesbench.scoring.compare import Comparison

DATA = files("worldvaluesbench") / "data" / "wvs7"
TENTHS = 10
"""Coordinates of land are whole tenths of degrees."""

SCHEME: Literal["viridis"] = "viridis"

MOVES = {
    344: {"aside": 3.5, "dx": 9, "dy": 5},
    446: {"aside": -3.5, "dx": -22, "dy": -5},
    702: {"aside": 0.0, "dx": 5, "dy": -4},
    462: {"aside": 0.0, "dx": -17, "dy": -6},
    20: {"aside": 0.0, "dx": -15, "dy": -7},
    909: {"aside": 0.0, "dx": -17, "dy": 4},
}
"""Degrees by which a circle is moved so that it hides no other, and its name so that it hides nothing."""

LEAST_SHARE = 0.5
"""Countries are drawn that have this share of the items of the country that has most."""


def plot_map(comparison: Comparison, answers: str) -> Chart:
    """Mean distance of one source by country. Countries without a number are grey; the six smallest are circles.

    Grey too are those with fewer than half as many items as the country that has most, for they would be seen beside
    others over other questions.

    Raises AnswersError where the comparison is not grouped by country, or does not have the source.
    """
    check_source(comparison, answers)
    table = comparison.tables["countries"].filter(answered_by=answers)
    if table.is_empty():
        raise AnswersError(
            "The comparison is not grouped by country, or all are too small; compare with --by B_COUNTRY."
        )
    enough = pl.col("n_items") >= LEAST_SHARE * pl.col("n_items").max()
    found = floor_at_0(table.filter(enough).with_columns(value=pl.coalesce("mean_corrected", "mean")), "value")
    check_rows(found.drop_nulls("value"), comparison, "a map")
    numbers = dict(found.select("country", "value").iter_rows())
    land = [feature | {"properties": {"value": numbers.get(feature["id"])}} for feature in load_land()]
    low = -largest(-found["value"])
    top = max(low + 0.02, largest(found["value"]))
    scale = alt.Scale(scheme=SCHEME, domain=[low, top], clamp=True, reverse=True)
    legend = _legend(low, top)
    known = alt.InlineData(values=[one for one in land if one["properties"]["value"] is not None])
    unknown = alt.InlineData(values=[one for one in land if one["properties"]["value"] is None])
    small = _small(found)
    places = values_of(small)
    layers = [
        alt.Chart(alt.sphere()).mark_geoshape(fill="transparent", stroke=GRID),
        alt.Chart(unknown).mark_geoshape(fill=GRID, stroke="white", strokeWidth=0.3),
        alt.Chart(known)
        .mark_geoshape(stroke="white", strokeWidth=0.3)
        .encode(color=alt.Color("properties.value:Q", scale=scale, legend=legend)),
        alt.Chart(places)
        .mark_circle(size=44, stroke=INK, strokeWidth=0.8, opacity=1)
        .encode(longitude="longitude:Q", latitude="latitude:Q", color=alt.Color("value:Q", scale=scale)),
        alt.Chart(places)
        .mark_text(fontSize=SMALLEST, color=INK, align="left")
        .encode(longitude="label_longitude:Q", latitude="label_latitude:Q", text="alpha3:N"),
    ]
    chart = alt.layer(*layers).project("equalEarth").properties(width=PAGE - 10, height=(PAGE - 10) * 0.5)
    notes = [humans_note(comparison), *_counts(table, found), _circles(small)]
    return finish(chart, comparison, f"How near {answers} is, country by country", notes)


def _legend(low: float, top: float) -> alt.Legend:
    """The colours with their numbers: those at the ends are within the picture."""
    return alt.Legend(
        title="mean Wasserstein-1, corrected",
        orient="bottom",
        gradientLength=200,
        values=[low, (low + top) / 2, top],
        format=".3f",
    )


def _counts(table: pl.DataFrame, found: pl.DataFrame) -> list[str]:
    """How many countries, items and people there are, and which countries are left out."""
    notes = [
        f"{counted(found.height, 'country or territory', 'countries and territories')} with "
        f"{spanned(found['n_items'], 'item')} each and a median effective n of "
        f"{middle(found['n_effective']):,.0f} for an item. Grey: no number."
    ]
    n_out = table.height - found.height
    if n_out:
        few = table.join(found, on="country", how="anti")["n_items"]
        notes.append(
            f"Grey too: {counted(n_out, 'country', 'countries')} with fewer than half of the largest number of items "
            f"({spanned(few, 'item')})."
        )
    return notes


def _circles(small: pl.DataFrame) -> str:
    """Which territories are circles, of those that are there."""
    names = [name.removesuffix(" SAR") for name in small["name"].to_list()]
    apart = " (Hong Kong and Macao drawn apart)" if {"HKG", "MAC"} <= set(small["alpha3"].to_list()) else ""
    circles = f"Circles: {', '.join(names)}{apart}."
    return f"{circles if names else ''} Noise floors are in the table.".strip()


@cache
def load_land() -> tuple[dict[str, Any], ...]:
    """The countries of the world as GeoJSON features, by ISO code: Natural Earth 1:110m, in tenths of degrees."""
    return tuple(_feature(json.loads(line)) for line in (DATA / "land.jsonl").read_text("utf-8").splitlines())


@cache
def load_places() -> pl.DataFrame:
    """A point within every country of the survey, and whether it is too small for the map."""
    rows = csv.DictReader((DATA / "places.csv").read_text("utf-8").splitlines())
    return pl.DataFrame(
        [
            {
                "country": int(row["code"]),
                "longitude": float(row["longitude"]),
                "latitude": float(row["latitude"]),
                "is_small": row["is_small"] == "1",
            }
            for row in rows
        ]
    )


def _small(found: pl.DataFrame) -> pl.DataFrame:
    """The small territories that have a number, with a place for the name of each that hides no other."""
    small = found.join(load_places().filter("is_small"), on="country", how="inner")
    moves = pl.DataFrame([{"country": code} | move for code, move in MOVES.items()])
    return small.join(moves, on="country", how="left").select(
        "alpha3",
        "name",
        "value",
        "latitude",
        longitude=pl.col("longitude") + pl.col("aside"),
        label_longitude=pl.col("longitude") + pl.col("dx"),
        label_latitude=pl.col("latitude") + pl.col("dy"),
    )


def _feature(row: dict[str, Any]) -> dict[str, Any]:
    coordinates = [[_ring(ring) for ring in polygon] for polygon in row["polygons"]]
    geometry = {"type": "MultiPolygon", "coordinates": coordinates}
    return {"type": "Feature", "id": row["code"], "geometry": geometry}


def _ring(steps: list[int]) -> list[list[float]]:
    """A ring of coordinates of its first point and the steps from each to the next."""
    x = y = 0
    ring = []
    for dx, dy in zip(steps[::2], steps[1::2], strict=True):
        x, y = x + dx, y + dy
        ring.append([x / TENTHS, y / TENTHS])
    return ring
