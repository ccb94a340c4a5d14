"""The report in a real browser: it opens from disk, asks for nothing, can be worked with, read by all, and printed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.reporting.browser import open_page, start_browser
from tests.reporting.conftest import renamed
from worldvaluesbench.reporting.figures._forest import plot_forest
from worldvaluesbench.reporting.figures._save import save_figure
from worldvaluesbench.reporting.page._page import write_report
from worldvaluesbench.scoring.compare._comparison import Comparison

A4 = 718
"""Pixels between margins of 1 cm."""

READY = "document.documentElement.dataset.explorer === 'ready'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def report(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(comparison, tmp_path_factory.mktemp("report") / "report")


def open_report(page: Page, report: Path, fragment: str = "") -> None:
    page.goto(f"{report.resolve().as_uri()}{fragment}")
    page.wait_for_function(READY)


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[tuple[Page, list[str], list[str]]]:
    with open_page(browser) as (page, said, asked):
        open_report(page, report)
        yield page, said, asked


def test_it_says_nothing_in_the_console_and_asks_the_network_for_nothing(
    opened: tuple[Page, list[str], list[str]], report: Path
) -> None:
    _, said, asked = opened
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.resolve().as_uri()]


def test_the_explorer_changes_its_picture_and_its_link(
    opened: tuple[Page, list[str], list[str]], comparison: Comparison
) -> None:
    page = opened[0]
    before = page.inner_text("#x-panels")
    page.select_option("#x-item", label="Q57 Trust in most people")
    page.select_option("#x-by", label="urban or rural")
    # one respondent lacks a settlement, and would be what the other groups leave of everybody: Rural is not shown
    assert page.locator("#x-group option").all_inner_texts() == ["Urban"]
    page.select_option("#x-group", label="Urban")
    after = page.inner_text("#x-panels")
    assert after != before
    assert page.evaluate("location.hash") == "#explore?item=Q57&by=H_URBRURAL&group=Urban"
    row = comparison.tables["scores"].filter(item_id="Q57", group="Urban", answers="other").row(0, named=True)
    shown = page.locator(".panel", has_text="other").inner_text()
    assert f"W1 {row['distance']:.3f}" in shown
    assert f"n = {row['n_responses']:,}" in shown
    page.uncheck("#x-source-0")
    assert page.locator(".panel").count() == 2
    assert page.evaluate("location.hash").endswith("&answers=model%2Bdemographics&answers=other")


def test_a_deep_link_opens_what_it_says(browser: Browser, report: Path, comparison: Comparison) -> None:
    with open_page(browser) as (page, said, _):
        open_report(page, report, "#explore?item=Q106&by=B_COUNTRY&group=Germany&answers=other")
        assert page.locator("#x-item option:checked").inner_text().startswith("Q106")
        assert page.locator("#x-group option:checked").inner_text() == "Germany"
        assert page.locator(".panel h4").all_inner_texts() == ["other"]
        rows = comparison.tables["distributions"].filter(item_id="Q106", group="Germany", answers="other")
        shown = [text.split("\n")[-1] for text in page.locator(".panel .row").all_inner_texts()]
        assert shown == [f"{share * 100:.0f}%" for share in rows["given"].to_list()]
        assert said == []


def test_a_link_that_asks_for_what_is_not_here_says_so_and_is_corrected(browser: Browser, report: Path) -> None:
    with open_page(browser) as (page, said, _):
        open_report(page, report, "#explore?item=Q9999&by=continent&group=Mars&answers=nobody&answers=other")
        note = page.locator("#x-note")
        assert note.inner_text() == "The link asks for Q9999, continent, Mars, nobody, which is not here."
        assert page.evaluate("location.hash") == "#explore?item=Q1&by=all&group=all&answers=other"
        page.select_option("#x-item", label="Q57 Trust in most people")
        assert not note.is_visible()
        page.evaluate("location.hash = '#explore?item=Q46&by=all&group=all'")
        page.wait_for_function("document.querySelectorAll('.panel').length === 3")
        assert not note.is_visible(), "without answers in a link all are shown"
        assert said == []


def test_the_explorer_says_that_people_are_invented(opened: tuple[Page, list[str], list[str]]) -> None:
    assert opened[0].locator("#explore .invented-mark").inner_text() == "INVENTED PEOPLE"


def test_numbers_of_the_heat_map_can_be_read_in_the_dark(browser: Browser, report: Path) -> None:
    with open_page(browser, is_dark=True) as (page, _, _):
        open_report(page, report)
        fills = page.eval_on_selector_all(
            "#figure-heatmap text",
            "all => all.filter(one => /^0\\.\\d\\d$/.test(one.textContent)).map(one => getComputedStyle(one).fill)",
        )
        assert set(fills) == {"rgb(16, 18, 22)", "rgb(254, 254, 254)"}


def test_too_few_people_make_a_page_that_says_so_without_errors(
    browser: Browser, too_few: Comparison, tmp_path: Path
) -> None:
    with open_page(browser) as (page, said, _):
        open_report(page, write_report(too_few, tmp_path / "report"))
        assert "no item with enough people" in page.inner_text("#x-panels")
        assert said == []


def test_names_of_eighty_letters_do_not_widen_a_narrow_page(
    browser: Browser, long_names: Comparison, tmp_path: Path
) -> None:
    with open_page(browser, width=390) as (page, _, _):
        open_report(page, write_report(long_names, tmp_path / "report"))
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_is_folded_is_printed(browser: Browser, report: Path) -> None:
    closed = "document.querySelectorAll('details:not([open])').length"
    with open_page(browser) as (page, _, _):
        open_report(page, report)
        before = page.evaluate(closed)
        assert before > 0
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(closed) == 0
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(closed) == before


def test_a_figure_as_a_page_is_accessible(browser: Browser, comparison: Comparison, tmp_path: Path) -> None:
    name = "</script><b>"
    save_figure(plot_forest(renamed(comparison, {"other": name})), tmp_path / "forest.html")
    with open_page(browser) as (page, said, _):
        page.goto((tmp_path / "forest.html").as_uri())
        page.wait_for_selector("summary[aria-label]", state="attached")
        assert name in page.inner_text("#vega-chart")
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
        assert [line for line in said if line.startswith("error")] == []


def test_the_keyboard_alone_reaches_the_explorer(browser: Browser, report: Path) -> None:
    with open_page(browser) as (page, _, _):
        open_report(page, report)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the answer"
        page.focus("#x-item")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("location.hash").startswith("#explore?item=Q46")


def test_it_is_dark_where_the_reader_wants_it_dark_and_light_again_by_the_button(
    browser: Browser, report: Path
) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    with open_page(browser, is_dark=True) as (page, _, _):
        open_report(page, report)
        assert page.evaluate(colour) == "rgb(21, 23, 27)"
        page.click("#theme")
        assert page.evaluate(colour) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [380, 1100], ids=["narrow", "wide"])
def test_an_accessibility_checker_finds_nothing_serious(
    browser: Browser, report: Path, width: int, is_dark: bool
) -> None:
    with open_page(browser, width=width, is_dark=is_dark) as (page, _, _):
        open_report(page, report)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = Axe().run(page).response["violations"]
        grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert grave == []


def test_on_a_narrow_screen_nothing_sticks_out(browser: Browser, report: Path) -> None:
    with open_page(browser, width=380) as (page, _, _):
        open_report(page, report)
        assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_the_leaderboard_is_seen_whole_on_a_usual_screen_and_on_paper(browser: Browser, report: Path) -> None:
    width = """() => {
      const box = [...document.querySelectorAll('.scroll')].find((one) => one.innerText.startsWith('Leaderboard'));
      return [box.querySelectorAll('thead th').length, box.scrollWidth - box.clientWidth];
    }"""
    with open_page(browser, width=1280) as (page, _, _):
        open_report(page, report)
        n_columns, hidden = page.evaluate(width)
        assert n_columns > 9
        assert hidden <= 0
        page.set_viewport_size({"width": A4, "height": 1000})
        page.emulate_media(media="print")
        assert page.evaluate(width)[1] <= 0


def test_it_prints(browser: Browser, report: Path, tmp_path: Path) -> None:
    with open_page(browser) as (page, _, _):
        open_report(page, report)
        page.pdf(path=tmp_path / "report.pdf", format="A4")
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
        page.emulate_media(media="print")
        assert not page.is_visible("#explorer-form")
        assert page.is_visible("#x-panels")
