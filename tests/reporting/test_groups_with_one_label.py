"""Groups whose codes share a label: figures and the page show each with its own numbers, under a name of its own."""

from pathlib import Path
from typing import Any

import pytest

from tests.reporting.browser import open_page, start_browser
from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.reporting.figures._disparity import plot_disparity
from worldvaluesbench.reporting.figures._heatmap import plot_groups
from worldvaluesbench.reporting.page._page import write_report
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling
from worldvaluesbench.survey._attributes import parse_groupings
from worldvaluesbench.survey._codebook import load_codebook

SIZES = {20999: 12, 32999: 15, 51007: 20}
"""Codes of Q290 that are all called "Other", and the respondents of each; those of the k-th all respond k."""

DISTANCES = [0, 1 / 3, 2 / 3]
"""Of answers that are always 1, on a scale of four points."""


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("others")
    codes = [code for code, n in SIZES.items() for _ in range(n)]
    ratings = [rating for rating, n in enumerate(SIZES.values(), 1) for _ in range(n)]
    assert {load_codebook().attribute("Q290").label_of(code) for code in SIZES} == {"Other"}
    dataset = make_dataset(folder / "d", {"Q1": ratings, "Q2": ratings}, {"Q290": codes})
    rows = [(item, 101 + k, 1) for item in ("Q1", "Q2") for k in range(len(codes))]
    return compare_answers(
        [read_answers(write_answers(folder / "ones.tsv", rows))],
        respondents_reference(dataset),
        groupings=parse_groupings("Q290"),
        how=How(resampling=Resampling(n=20)),
    )


def rows_of(chart: Any, key: str) -> list[dict[str, Any]]:
    """The rows of a chart's data that have this column."""
    return [row for data in chart.to_dict()["datasets"].values() for row in data if key in row]


def test_figures_draw_each_group_by_its_own_number(comparison: Comparison) -> None:
    points = {row["group"]: row["value"] for row in rows_of(plot_disparity(comparison, "Q290"), "group")}
    assert list(points.values()) == pytest.approx(DISTANCES)
    cells = rows_of(plot_groups(comparison, "ones", "Q290"), "column")
    assert len(cells) == 2 * len(SIZES), "two items"
    for cell in cells:
        assert cell["distance"] == pytest.approx(points[cell["column"]])


def test_the_page_shows_each_group_with_its_own_n(comparison: Comparison, tmp_path: Path) -> None:
    path = write_report(comparison, tmp_path / "report")
    with start_browser() as browser, open_page(browser) as (page, said, _):
        page.goto(path.resolve().as_uri())
        page.wait_for_function("document.documentElement.dataset.explorer === 'ready'")
        page.select_option("#x-by", index=1)
        names = page.locator("#x-group option").all_inner_texts()
        assert len(set(names)) == len(SIZES)
        for name, n, distance in zip(names, SIZES.values(), DISTANCES, strict=True):
            page.select_option("#x-group", label=name)
            assert f"n = {n}" in page.inner_text(".panel .w1")
            assert f"W1 {distance:.3f}" in page.inner_text(".panel .w1")
        assert said == []
