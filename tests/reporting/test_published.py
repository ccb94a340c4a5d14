"""The published answers, shown: figures 3 and 4, Table 2 beside the paper's, and the page that tells of them."""

import re
from pathlib import Path

import pytest

from tests.scoring.test_published_answers import FILES, OUTPUTS, TABLE_2
from worldvaluesbench.reporting.figures._figure_set import write_figures
from worldvaluesbench.reporting.tables._published import load_published
from worldvaluesbench.reporting.tables._writing import write_table_set
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import world_reference
from worldvaluesbench.stats._estimate import Resampling

PAIRS = [(name, f"{name}_with_demographics") for name in FILES.values() if not name.endswith("_with_demographics")]

PAGE = Path(__file__).parents[2] / "docs" / "published.md"

pytestmark = pytest.mark.skipif(
    not OUTPUTS.is_dir() or not TABLE_2.is_file(), reason="the published answers are not beside this checkout"
)


@pytest.fixture(scope="module")
def of_world() -> Comparison:
    answers = [read_answers(OUTPUTS / f"{name}.tsv") for name in FILES.values()]
    return compare_answers(answers, world_reference(), how=How(resampling=Resampling()), pairs=PAIRS)


def test_the_packaged_table_2_is_the_papers() -> None:
    header, *lines = TABLE_2.read_text(encoding="utf-8").splitlines()
    names = header.split(",")
    rows = {line.split(",")[0]: dict(zip(names, line.split(","), strict=True)) for line in lines}
    published = load_published()
    assert set(FILES) < set(published)
    for name, column in published.items():
        assert column == {item_id: float(row[name]) for item_id, row in rows.items()}


def test_figures_3_and_4_are_drawn_of_all_eight_files(of_world: Comparison, tmp_path: Path) -> None:
    names = write_figures(of_world, tmp_path / "figures", formats=["svg"], item_ids=["Q1", "Q106"])
    assert {"attainment", "item-Q1", "item-Q106", "demographics"} <= set(names)
    figure_3 = (tmp_path / "figures" / "attainment.svg").read_text()
    assert all(name in figure_3 for name in (*FILES.values(), "uniform", "majority"))
    figure_4 = (tmp_path / "figures" / "item-Q1.svg").read_text()
    shown = re.findall(r"share: ([\d.]+)%; label: 1 Very important; answers: ([\w.-]+)", figure_4)
    shares = {name: float(share) for share, name in shown}
    assert shares["gpt-3.5_with_demographics"] == pytest.approx(89.6, abs=1), "the bar of Figure 4"
    assert shares["alpaca"] < 1


def test_table_2_stands_beside_the_papers(of_world: Comparison, tmp_path: Path) -> None:
    write_table_set(of_world, tmp_path / "tables", with_published=True)
    text = (tmp_path / "tables" / "table_2.html").read_text()
    row = re.search(r"<tr><th[^>]*>Q1\b.*?</tr>", text, flags=re.DOTALL)
    assert row
    values = [float(value) for value in re.findall(r">(\d\.\d\d)<", row[0])]
    assert len(values) == 2 * len(load_published()), "ours, then the paper's"
    assert len(load_published()) == 10


def test_the_page_says_what_comes_out(of_world: Comparison) -> None:
    text = PAGE.read_text(encoding="utf-8")
    summary = of_world.tables["summary"].filter(grouping="all")
    for name, file in {**FILES, "uniform": "uniform", "majority": "majority"}.items():
        row = summary.filter(answered_by=file).row(0, named=True)
        ends = f"{row['mean_low']:.3f} to {row['mean_high']:.3f}"
        assert f"| {name} | {row['mean']:.3f} | {ends} |" in text
    pairs = of_world.tables["demographics"].filter(grouping="all")
    for row in pairs.iter_rows(named=True):
        low, high = sorted((abs(row["low"]), abs(row["high"])))
        assert f"{abs(row['difference']):.3f} [{low:.3f}, {high:.3f}]" in text
    assert f"Over the {of_world.n_common:,} examples" in text
