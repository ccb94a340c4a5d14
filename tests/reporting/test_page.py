"""The report as a file: what it says is in the tables, it is small, and nobody can be read from it."""

import base64
import json
import re
import struct
import zipfile
import zlib
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.reporting.conftest import ITEMS, NAMES, renamed
from worldvaluesbench._io._folder import read_manifest
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.prompts._settings import make_settings
from worldvaluesbench.reporting._bundle import write_bundle
from worldvaluesbench.reporting.page._card import render_card
from worldvaluesbench.reporting.page._example_prompts import example_prompts
from worldvaluesbench.reporting.page._explorer import build_explorer
from worldvaluesbench.reporting.page._page import build_report, write_report
from worldvaluesbench.reporting.tables._published import load_published
from worldvaluesbench.scoring.compare._comparison import Comparison


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> str:
    return build_report(comparison)


class Headings(HTMLParser):
    """The levels of the headings of a page, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[int] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))


def test_the_answer_comes_first_then_where_then_how_then_limits(page: str) -> None:
    places = [page.index(f'<section id="{name}"') for name in ("answer", "where", "varied", "explore", "how", "limits")]
    assert places == sorted(places)


def test_headings_go_down_one_step_at_a_time(page: str) -> None:
    found = Headings()
    found.feed(page)
    assert found.levels[0] == 1
    assert found.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.levels, found.levels[1:], strict=False))


def test_every_section_says_how_to_read_it(page: str) -> None:
    for name in ("answer", "where", "varied", "explore", "how"):
        section = page.split(f'<section id="{name}"')[1].split("</section>")[0]
        assert "How to read:" in section


def test_the_leaderboard_has_the_numbers_of_the_tables(page: str, comparison: Comparison) -> None:
    table = page.split("<caption>Leaderboard: mean distance")[1].split("</table>")[0]
    for row in comparison.tables["leaderboard"].filter(grouping="all").to_dicts():
        assert row["answers"] in table
        assert f"{max(row['corrected'], 0):.3f} [{row['low']:.3f}, {row['high']:.3f}]" in table
    assert min(comparison.tables["leaderboard"]["corrected"].to_list()) < 0, "one that is shown as 0"
    assert "-0.0" not in table
    assert page.count("A corrected distance below 0 is shown as 0") == 1


def test_too_few_people_are_said_to_be_too_few(too_few: Comparison, tmp_path: Path) -> None:
    path = write_report(too_few, tmp_path / "report")
    page = path.read_text(encoding="utf-8")
    assert "Too few people were answered for to say how near anybody is: no item has 1000000" in page
    assert "<figure" not in page
    write_bundle(too_few, tmp_path / "few.zip")
    assert (tmp_path / "few.zip").exists()


def test_it_says_weights_file_version_and_libraries(page: str) -> None:
    how = page.split('<section id="how"')[1].split("</section>")[0]
    none = "None: every respondent counts alike, and so a country by its number of respondents."
    assert f"<dt>Weights</dt><dd>{none}</dd>" in how
    assert "File version 5.0." in how
    assert f"polars {version('polars')}, numpy {version('numpy')}, altair {version('altair')}" in how


def test_the_identities_of_figures_are_used_once(comparison: Comparison) -> None:
    alike = renamed(comparison, dict(zip(NAMES, ("x 1", "x-1", "X|1"), strict=True)))
    found = re.findall(r'<figure id="([^"]+)"', build_report(alike))
    assert len(set(found)) == len(found)


def test_the_card_of_invented_people_names_no_interviews(comparison: Comparison) -> None:
    card = render_card(comparison)
    assert "The people are invented; nobody was interviewed." in card
    assert "national teams" not in card
    real = render_card(Comparison({**comparison.receipt, "is_invented": False}, comparison.tables))
    assert "national teams" in real
    assert "invented" not in real


def test_invented_people_are_marked_in_the_title_the_page_and_every_figure(page: str) -> None:
    assert "<title>INVENTED PEOPLE:" in page
    assert '<p class="invented"' in page
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    assert len(figures) > 8
    assert all("INVENTED PEOPLE" in figure for figure in figures)


def test_names_of_sources_cannot_break_the_page(comparison: Comparison) -> None:
    name = '<script>alert("x")</script>'
    tables = {
        key: table.with_columns(
            *(
                table[column].replace({"other": name}).alias(column)
                for column in ("answers", "answered_by", "first", "second")
                if column in table.columns
            )
        )
        for key, table in comparison.tables.items()
    }
    receipt = json.loads(json.dumps(dict(comparison.receipt)).replace('"other"', json.dumps(name)))
    page = build_report(Comparison(receipt, tables))
    assert name not in page
    assert "&lt;script&gt;alert" in page


def test_the_page_needs_nothing_else_and_forbids_itself_to_ask(page: str) -> None:
    assert "Content-Security-Policy" in page
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)


def test_published_columns_stand_beside_and_are_marked(comparison: Comparison, tmp_path: Path) -> None:
    path = write_report(comparison, tmp_path / "report", published=load_published())
    page = path.read_text(encoding="utf-8")
    assert "As published (Table 2 of the paper)" in page
    assert page.count('class="number published"') == 10 * len(ITEMS)
    assert read_manifest(tmp_path / "report", "report")["sorts"].keys() == set(NAMES)


def unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def test_what_the_explorer_unpacks_are_the_tables(comparison: Comparison) -> None:
    explorer = build_explorer(comparison, {})
    content, at, n_cells = unpack(explorer.cells), 0, 0
    shares = comparison.tables["distributions"].partition_by("grouping", "group", "item_id", "answers", as_dict=True)
    for grouping in explorer.index["groupings"]:
        for group in grouping["groups"]:
            for item in explorer.index["items"]:
                n, first = len(item["labels"]), None
                for source in explorer.index["sources"]:
                    kind, at = content[at], at + 1
                    key = (grouping["id"], group, item["id"], source["name"])
                    assert (kind != 0) == (key in shares)
                    if kind == 0:
                        continue
                    people, *numbers = struct.unpack_from("<IHHHhH", content, at)
                    given = struct.unpack_from(f"<{n}H", content, at + 14)
                    at += 14 + 2 * n
                    if kind == 2:
                        first, at = struct.unpack_from(f"<{n}H", content, at), at + 2 * n
                    assert first is not None
                    row = (
                        comparison.tables["scores"]
                        .filter(grouping=key[0], group=key[1], item_id=key[2], answers=key[3])
                        .row(0, named=True)
                    )
                    assert people == row["n_responses"]
                    expected = [row[name] for name in ("distance", "low", "high", "corrected", "noise_floor")]
                    assert [number / 1e4 for number in numbers] == pytest.approx(expected, abs=6e-5)
                    assert [share / 1e4 for share in given] == pytest.approx(shares[key]["given"].to_list(), abs=6e-5)
                    assert [share / 1e4 for share in first] == pytest.approx(shares[key]["humans"].to_list(), abs=6e-5)
                    n_cells += 1
    assert at == len(content)
    assert n_cells == len(shares)


def test_prompts_are_examples_of_an_invented_person(paper: Dataset) -> None:
    settings = make_settings()
    found = example_prompts({"settings": settings.describe()}, ITEMS)
    assert set(found) == set(ITEMS)
    assert "Kenya" in found["Q57"]
    assert paper.codebook.item("Q57").question in found["Q57"]
    nobody = example_prompts({"settings": make_settings("default-no-demographics").describe()}, ITEMS)
    assert "Nothing else is known" in nobody["Q57"]
    assert example_prompts({"settings": None}, ITEMS) == {}
    assert example_prompts({"settings": {"preset": "of another version"}}, ITEMS) == {}


def test_no_respondent_can_be_found_in_the_page_or_the_bundle(
    page: str, comparison: Comparison, paper: Dataset, tmp_path: Path
) -> None:
    ids = [str(key) for key in paper.respondents(["respondent_id"])["respondent_id"].to_list()]
    write_bundle(comparison, tmp_path / "shared.zip")
    contents = [page.encode()]
    contents += [unpack(text) for text in re.findall(r'id="x-(?:cells|prompts)">([^<]+)<', page)]
    with zipfile.ZipFile(tmp_path / "shared.zip") as archive:
        contents += [archive.read(name) for name in archive.namelist()]
    for content in contents:
        text = content.decode("latin-1")
        numbers = set(re.findall(r"(?<![\d.a-f])\d{7,9}(?![\da-f])", text))
        assert not numbers & set(ids)
    known = {int(key) for key in ids}
    for table in comparison.tables.values():
        for column in table.iter_columns():
            if column.dtype.is_integer():
                assert not known & set(column.drop_nulls().to_list()), column.name
