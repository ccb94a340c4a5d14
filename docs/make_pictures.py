"""Make the pictures of the documents anew: figures and the report of the demonstration, and of published answers.

`python docs/make_pictures.py [--published FILE...]`: FILES are the answers that the benchmark's authors published;
without them their pictures stay as they are. Needs Chromium for pictures of the page.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vl_convert
from playwright.sync_api import sync_playwright

import worldvaluesbench as wvb
from worldvaluesbench.reporting.figures._save import renumber

IMAGES = Path(__file__).parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Make all pictures that can be made here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", nargs="*", type=Path, default=[])
    published = parser.parse_args().published
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder) / "demo"
        subprocess.run([sys.executable, "-m", "worldvaluesbench", "demo", "--out", str(demo)], check=True)
        draw_demonstration(demo)
        picture_page(demo / "results" / "report" / "report.html")
    if published:
        draw_published(published)


def draw_demonstration(demo: Path) -> None:
    """One figure of each sort, of the demonstration's comparison, and a map of its baselines."""
    comparison = wvb.load_comparison(demo / "results" / "comparison")
    save(
        {
            "forest": wvb.plot_forest(comparison),
            "attainment": wvb.plot_attainment(comparison, "H_URBRURAL"),
            "distributions": wvb.plot_distributions(comparison, "Q57"),
            "heatmap": wvb.plot_heatmap(comparison),
            "groups": wvb.plot_groups(comparison, "mock-good+demographics", "continent"),
            "demographics": wvb.plot_demographics(comparison),
            "disparity": wvb.plot_disparity(comparison, "continent"),
            "collapse": wvb.plot_collapse(comparison),
        }
    )
    answers = [wvb.read_answers(demo / "baselines" / name) for name in ("marginal", "cell")]
    people = wvb.respondents_reference(wvb.load_dataset(demo / "dataset"))
    by_country = wvb.compare_answers(answers, people, groupings=wvb.parse_groupings("B_COUNTRY"))
    save({"map": wvb.plot_map(by_country, "marginal")})


def draw_published(files: Sequence[Path]) -> None:
    """Figures 3 and 4 of the paper, from its answers and the world marginals."""
    comparison = wvb.compare_answers([wvb.read_answers(path) for path in files], wvb.world_reference())
    figures = {f"published-{item_id}": wvb.plot_distributions(comparison, item_id) for item_id in ("Q1", "Q106")}
    save({"published-attainment": wvb.plot_attainment(comparison)} | figures)


def save(figures: Mapping[str, Any]) -> None:
    """Write figures on white, for pages that are dark show them too."""
    for name, chart in figures.items():
        drawing = vl_convert.vegalite_to_svg(chart.to_dict() | {"background": "white"})
        (IMAGES / f"{name}.svg").write_text(renumber(drawing), encoding="utf-8")


def picture_page(page: Path) -> None:
    """The head of the report, and its explorer."""
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if browser is None:
        sys.exit("No Chromium: the pictures of the report stay as they are; `make browser` installs one.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": 1060, "height": 1250})
        tab.goto(f"{page.as_uri()}#explore?item=Q57&by=continent&group=Asia")
        tab.wait_for_function("document.documentElement.dataset.explorer === 'ready'")
        tab.locator("#explore").screenshot(path=IMAGES / "explorer.png")
        tab.evaluate("window.scrollTo(0, 0)")
        tab.screenshot(path=IMAGES / "report.png")
        chromium.close()


if __name__ == "__main__":
    main()
