"""The commands over comparisons: figures, tables, report, bundle, and items drawn in the terminal."""

import json
import re
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.test_commands import Capture, refusal, run
from tests.scoring.people import make_dataset, write_answers
from tests.test_docs import blocks
from worldvaluesbench.benchmark._dataset import Dataset

DOCS = Path(__file__).parents[2] / "docs"
PEOPLE = range(101, 161)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A folder with sixty people, `wvs`, and what two models answered for them, with and without demographics."""
    monkeypatch.chdir(tmp_path)
    dataset = make_dataset(
        tmp_path / "wvs",
        {"Q1": [1, 1, 2, 3, 1, 4] * 10, "Q57": [1, 2, 2, 2, 2, 1] * 10, "Q106": [1, 5, 10, 7, 8, 3] * 10},
        {"H_URBRURAL": [1, 2] * 30, "continent": [1, 1, 2, 2, 3, 3] * 10, "B_COUNTRY": [8, 20, 156, 156, 36, 36] * 10},
    )
    for place, name in enumerate(("mock-good", "mock-good+demographics", "mock-poor")):
        rows = [(item, person, 1 + (person + place) % 2) for item in ("Q1", "Q57", "Q106") for person in PEOPLE]
        write_answers(tmp_path / f"{name}.tsv", rows)
    return dataset


def compare(*arguments: str, out: str = "comparison") -> str:
    """Compare sources with the respondents of `wvs`, in the folder whose name is returned."""
    assert run("compare", *arguments, "--data", "wvs", "--resamples", "20", "--out", out) == 0
    return out


def test_the_commands_of_the_page_on_reports_run(workplace: Dataset, tmp_path: Path, capsys: Capture) -> None:
    text = (DOCS / "report.md").read_text(encoding="utf-8")
    for line in "".join(blocks(text, "sh")).splitlines():
        words = [f"{word}.tsv" if word.startswith("mock-") else word for word in shlex.split(line)[1:]]
        if "others.zip" in words and not Path("others.zip").exists():
            assert run("bundle", compare("mock-poor.tsv", out="others"), "--out", "others.zip") == 0
        assert run(*words) == 0, line
    for made in ("report/report.html", "figures/forest.pdf", "tables/table_2.tex", "models.zip"):
        assert (tmp_path / made).stat().st_size > 500
    shown = " ".join(capsys.readouterr().out.split())
    assert "models.zip: whole. Every cell has at least 10 respondents, and fewer are not left when" in shown
    assert "Report: report/report.html" in shown


def test_a_comparison_folder_and_its_bundle_give_the_same_figures(workplace: Dataset, tmp_path: Path) -> None:
    compare("mock-good.tsv", "mock-poor.tsv", "--by", "H_URBRURAL")
    assert run("bundle", "comparison", "--out", "shared.zip") == 0
    for name, source in (("of-folder", "comparison"), ("of-bundle", "shared.zip")):
        assert run("figures", source, "--out", name) == 0
    drawn = [{path.name: path.read_text() for path in Path(n).glob("*.svg")} for n in ("of-folder", "of-bundle")]
    assert drawn[0] == drawn[1]
    assert {"forest.svg", "attainment.svg", "disparity-H_URBRURAL.svg"} <= set(drawn[0])


def test_bundles_stand_beside_runs_in_a_comparison(workplace: Dataset, capsys: Capture) -> None:
    judged = ("--data", "wvs", "--by", "H_URBRURAL", "--resamples", "50")
    both = ("mock-good.tsv", "mock-good+demographics.tsv")
    assert run("compare", *both, *judged, "--out", "both") == 0
    assert run("bundle", "both", "--out", "shared.zip") == 0
    assert run("compare", "shared.zip", "mock-poor.tsv", *judged, "--out", "together", "--json") == 0
    together = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert run("compare", *sorted(map(str, Path().glob("*.tsv"))), *judged, "--out", "at-once", "--json") == 0
    at_once = json.loads(capsys.readouterr().out.splitlines()[-1])
    pairs = [
        {frozenset((row["first"], row["second"])): row for row in one["pairs"] if row["grouping"] == "all"}
        for one in (together, at_once)
    ]
    assert pairs[0].keys() == pairs[1].keys()
    assert len(pairs[0]) == 3
    for pair, row in pairs[0].items():
        same = pairs[1][pair]
        assert abs(row["difference"]) == pytest.approx(abs(same["difference"]), abs=2e-6)
        widths = [one["high"] - one["low"] for one in (row, same)]
        if "mock-poor" in pair:
            assert widths[0] >= widths[1] - 2e-6, "how they move together is not known"
        else:
            assert widths[0] == pytest.approx(widths[1], abs=1e-5)
    means = [{row["answers"]: row["corrected"] for row in one["leaderboard"]} for one in (together, at_once)]
    assert means[0] == pytest.approx(means[1], abs=2e-6)


def test_an_options_pair_is_tested_in_a_comparison_that_is_made_already(workplace: Dataset, capsys: Capture) -> None:
    judged = ("--data", "wvs", "--by", "", "--resamples", "50")
    assert run("compare", *sorted(map(str, Path().glob("*.tsv"))), *judged, "--out", "made") == 0
    pair = "mock-good,mock-good+demographics"
    assert f"Not tested as a persona effect: {pair.replace(',', ' and ')}" in capsys.readouterr().out
    assert run("compare", "made", "--pair", pair, "--out", "paired", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out.splitlines()[-1])["demographics"]
    assert (row["without"], row["with"], row["differs_in"]) == (*pair.split(","), None)
    assert row["low"] <= row["difference"] <= row["high"]


def test_an_item_is_drawn_in_the_terminal(workplace: Dataset, capsys: Capture) -> None:
    assert run("items", "Q57", "--data", "wvs", "--by", "continent") == 0
    shown = capsys.readouterr().out
    assert "Most people can be trusted" in shown
    assert re.search(r"Africa \(20\) +Asia \(20\)|Asia \(20\)", shown)
    assert "50%" in shown
    assert "100%" in shown
    compare("mock-good.tsv", "mock-poor.tsv", "--by", "H_URBRURAL")
    capsys.readouterr()
    assert run("items", "q57", "--comparison", "comparison", "--by", "H_URBRURAL") == 0
    shown = capsys.readouterr().out
    assert shown.count("mock-good W1 ") == 2, "urban and rural"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("figures", "comparison", "--items", "Q2"), "Q2"),
        (("figures", "comparison", "--items", "Q999"), "Q999"),
        (("bundle", "small"), "10"),
        (("compare", "wvs", "--data", "wvs"), "wvs: "),
        (("compare", "none.tsv", "--data", "wvs"), "none.tsv"),
        (("items", "Q999", "--data", "wvs"), "Q999"),
        (("items", "Q2", "--comparison", "comparison"), "Q2: there is no distribution"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line_and_leaves_nothing(
    workplace: Dataset, tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], message: str
) -> None:
    compare("mock-good.tsv")
    compare("mock-good.tsv", "--min-n", "5", out="small")
    capsys.readouterr()
    before = sorted(tmp_path.iterdir())
    out = () if arguments[0] == "items" else ("--out", "out.zip" if arguments[0] == "bundle" else "out")
    assert message in refusal(capsys, *arguments, *out)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["figures", "tables", "report", "bundle"])
def test_runs_and_answer_files_are_compared_first(workplace: Dataset, capsys: Capture, command: str) -> None:
    assert run(command, "mock-good.tsv", "--out", "out.zip") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"wvb {command}: mock-good.tsv is neither a comparison folder nor a bundle" in said
    assert "wvb compare mock-good.tsv --data DIR --out DIR" in said
    assert not Path("out.zip").exists()


def test_a_format_that_there_is_not_is_a_wrong_call(workplace: Dataset, capsys: Capture) -> None:
    assert run("figures", "comparison", "--format", "svg,gif", "--out", "figures") == 2
    assert "There is no format 'gif'; there are" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["figures", "tables", "report"])
def test_what_is_there_is_kept_unless_forced(workplace: Dataset, capsys: Capture, command: str) -> None:
    given = (command, compare("mock-good.tsv"), "--out", "out")
    assert run(*given) == 0
    capsys.readouterr()
    assert "out" in refusal(capsys, *given)
    assert run(*given, "--force") == 0
    (Path("out") / "thesis.docx").touch()
    capsys.readouterr()
    assert "thesis.docx" in refusal(capsys, *given, "--force")


def test_manifests_are_as_documented(workplace: Dataset) -> None:
    text = (DOCS / "formats.md").read_text(encoding="utf-8").split("## Figures, tables, report")[1].split("\n## ")[0]
    named = set(
        re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `")))
    )
    met = set()
    compare("mock-good.tsv")
    for command in ("figures", "tables", "report"):
        assert run(command, "comparison", "--out", command) == 0
        met |= set(json.loads(Path(command, "manifest.json").read_text()))
    assert met == named


MADE = [
    ("--data", "wvs"),
    ("--reference", "all"),
    ("--weight", "S018"),
    ("--by", "H_URBRURAL"),
    ("--partial",),
    ("--answer-column", "answer"),
    ("--resamples", "7"),
    ("--ci-method", "percentile"),
    ("--confidence-level", "0.5"),
    ("--item-sampling", "fixed"),
    ("--strata", "H_URBRURAL"),
    ("--cluster", "I_PSU"),
    ("--seed", "0"),
    ("--min-n", "50"),
]


def test_options_without_effect_on_comparisons_are_refused(workplace: Dataset, tmp_path: Path, capsys: Capture) -> None:
    compare("mock-good.tsv", "mock-poor.tsv", "--by", "H_URBRURAL")
    before = sorted(tmp_path.iterdir())
    for option in MADE:
        capsys.readouterr()
        assert run("compare", "comparison", *option, "--out", "out") == 2, option
        said = capsys.readouterr().err
        assert said.startswith(f"wvb compare: {option[0]} has no effect on comparisons that are already made")
        assert said.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_cells_of_few_respondents_are_warned_of(workplace: Dataset, capsys: Capture) -> None:
    warning = "wvb: Cells of fewer than 10 respondents are shown: not to be shared.\n"
    judged = ("mock-good.tsv", "--data", "wvs", "--resamples", "20", "--min-n", "9")
    for command in ("score", "compare"):
        assert run(command, *judged, "--out", command) == 0
        assert capsys.readouterr().err == warning
    for command in ("figures", "tables", "report"):
        assert run(command, "compare", "--out", command) == 0
        assert capsys.readouterr().err == warning
    assert run("score", *judged[:-1], "10", "--out", "ten") == 0
    assert capsys.readouterr().err == ""


def test_bundles_that_are_damaged_are_said_so_in_a_line(workplace: Dataset, tmp_path: Path, capsys: Capture) -> None:
    Path("half.zip").write_bytes(b"PK\x03\x04 and no more")
    for command in (("compare", "half.zip"), ("report", "half.zip"), ("bundle", "check", "half.zip")):
        out = () if command[0] == "bundle" else ("--out", "out")
        assert "half.zip: cannot be read as a zip" in refusal(capsys, *command, *out)


def test_a_bundle_takes_the_place_of_no_survey(workplace: Dataset, capsys: Capture) -> None:
    Path("survey.zip").write_text("people")
    said = refusal(capsys, "bundle", compare("mock-good.tsv"), "--out", "survey.zip", "--force")
    assert "survey.zip: is no bundle of `wvb`, so --force does not replace it" in said
    assert Path("survey.zip").read_text() == "people"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Q57", "--by", "continent"), "--by needs --data DIR, or a comparison"),
        (("Q57", "--weight", "S018"), "--weight needs --data DIR, or a comparison"),
        (("Q57", "--comparison", "comparison", "--weight", "S018"), "--weight has no effect on a comparison"),
        (("Q57", "--comparison", "comparison", "--data", "wvs"), "one of --data and --comparison"),
        (("--data", "wvs"), "Expected items to draw"),
    ],
)
def test_what_would_have_no_effect_is_a_wrong_call(
    workplace: Dataset, capsys: Capture, arguments: tuple[str, ...], message: str
) -> None:
    assert run("items", *arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_groups_that_are_not_shown_are_counted(workplace: Dataset, tmp_path: Path, capsys: Capture) -> None:
    write_answers(tmp_path / "some.tsv", [("Q57", person, 1) for person in PEOPLE[:45]])
    judged = ("--data", "wvs", "--by", "continent,H_URBRURAL", "--resamples", "20", "--min-n", "15")
    assert run("compare", "some.tsv", *judged, "--out", "comparison") == 0
    capsys.readouterr()
    assert run("items", "Q57", "--comparison", "comparison", "--by", "continent") == 0
    assert "Not shown, with fewer than 15 respondents: 1 group." in capsys.readouterr().out
    assert run("items", "Q57", "--comparison", "comparison", "--by", "H_URBRURAL") == 0
    assert "Not shown" not in capsys.readouterr().out
    said = refusal(capsys, "items", "Q57", "--comparison", "comparison", "--by", "B_COUNTRY")
    assert "The comparison has no grouping 'B_COUNTRY'; it has continent, H_URBRURAL." in said


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_labels_and_bars_fit_the_terminal(
    workplace: Dataset, capsys: Capture, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    assert run("compare", *sorted(map(str, Path().glob("*.tsv"))), "--data", "wvs", "--out", "comparison") == 0
    capsys.readouterr()
    monkeypatch.setattr("worldvaluesbench.cli._terminal.console", lambda: Console(width=columns, highlight=False))
    assert run("items", "Q106", "--comparison", "comparison") == 0
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= columns
    labels = [line for line in shown if re.match(r"(1|10) +[A-Z]", line)]
    assert labels
    for label in labels:
        assert re.match(r"1 +Incomes s|10 +There shou", label), label
    assert all("%" in label for label in labels)
    assert any("W1 0." in line for line in shown)
