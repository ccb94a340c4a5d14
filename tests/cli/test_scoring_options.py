"""`wvb score` and `wvb compare`: every option reaches the numbers; what is wrong is said and leaves nothing behind."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.cli.test_commands import Capture, refusal, run
from tests.scoring.people import make_dataset, write_answers
from tests.scoring.run_folders import Row, make_run
from worldvaluesbench.benchmark._dataset import Dataset

N_PEOPLE = 40
RESPONSES = [1, 2, 3, 4, 4] * 8


@pytest.fixture
def people(tmp_path: Path) -> Dataset:
    """Forty people in a city or not, with weights; three quarters of them in the test split."""
    return make_dataset(
        tmp_path / "people",
        {"Q1": RESPONSES, "Q111": [1, 2] * 20},
        {"H_URBRURAL": [1, 2] * 20, "continent": [1, 1, 2, 2] * 10},
        weights={"W_WEIGHT": [0.5, 1.5, 1.0, 2.0] * 10, "S018": [1.0, 1.0, 2.0, 2.0, 3.0] * 8},
        splits=["test", "test", "test", "train"] * 10,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Answers for the first thirty people: 2, but nothing that can be read for every fifth, and one off the scale."""
    rows = [("Q1", 101 + k, "pass" if k % 5 == 0 else 2) for k in range(30)]
    return write_answers(tmp_path / "model.tsv", [*rows[:-1], ("Q1", 130, 7)])


def scored(capsys: Capture, *arguments: object) -> dict[str, Any]:
    """The document that `wvb score --json` prints."""
    assert run("score", *arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert isinstance(document, dict)
    return document


def first(document: Mapping[str, Any]) -> dict[str, Any]:
    """The first row of its scores."""
    row = document["scores"][0]
    assert isinstance(row, dict)
    return row


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_way_to_treat_missing_answers_gives_its_own_distance(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    found = {}
    for how in ("leave-out", "as-published", "refusal"):
        document = scored(capsys, file, "--data", people.folder, "--unparsed", how, "--out", tmp_path / how)
        found[how] = first(document)
        assert document["settings"]["as_published"] == (how == "as-published")
        assert document["settings"]["has_refusals"] == (how == "refusal")
        assert (document["settings"]["resampling"] is None) == (how == "as-published")
    assert {row["n_missing"] for row in found.values()} == {7}
    assert {(row["best"], row["worst"]) for row in found.values()} == {
        (found["leave-out"]["best"], found["leave-out"]["worst"])
    }
    # of the 30 people six said each of 1, 2, 3, and twelve 4; left out are those who said 1 and the last, who said 4
    left_out = (abs(0 - 0) + abs(6 - 23) + abs(12 - 23)) / 23 / 3
    published = ((6 + abs(12 - 23 / 24 * 30) + abs(18 - 23 / 24 * 30)) / 30 + 3 / 24) / 3
    # seven of those who said 4 are moved to a refusal, at 1 each, and the others to 2
    refusals = 7 / 30 + (6 * 1 + 6 * 1 + 5 * 2) / 30 / 3
    assert found["leave-out"]["distance"] == pytest.approx(left_out)
    assert found["as-published"]["distance"] == pytest.approx(published)
    assert found["refusal"]["distance"] == pytest.approx(refusals)


def test_each_weight_is_in_the_score_and_changes_it(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    distances = {}
    for weight in ("none", "W_WEIGHT", "S018", "product"):
        document = scored(capsys, file, "--data", people.folder, "--weight", weight, "--out", tmp_path / weight)
        assert document["reference"]["weight"] == first(document)["weight"] == weight
        distances[weight] = first(document)["distance"]
    assert len(set(distances.values())) == 4
    assert first(document)["n_effective"] < first(document)["n_responses"]


def test_each_reference_has_its_own_humans(capsys: Capture, people: Dataset, file: Path, tmp_path: Path) -> None:
    numbers = {}
    for whom in ("probe", "split", "all", "world"):
        data = () if whom == "world" else ("--data", people.folder)
        document = scored(capsys, file, *data, "--reference", whom, "--out", tmp_path / whom)
        assert document["reference"]["name"] == first(document)["reference"] == whom
        numbers[whom] = first(document)["n_responses"]
        others = document["outcomes"]["model"]["other_split"]
        assert others == (sum(k % 4 == 3 for k in range(30)) if whom == "split" else 0)
    assert (numbers["probe"], numbers["split"], numbers["all"]) == (23, 30, 40)
    assert numbers["world"] > 90_000


def test_a_cell_that_is_too_small_is_shown_as_such(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    arguments = (file, "--data", people.folder, "--by", "H_URBRURAL", "--resamples", 50)
    assert run("score", *arguments, "--min-n", 12, "--out", tmp_path / "few") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Too small for a number, with fewer than 12 humans or respondents answered for (12 where" in shown
    assert ": 1 of 3 cells." in shown
    table = pl.read_parquet(tmp_path / "few" / "scores.parquet")
    assert table.select("n_responses", "is_too_small").rows() == [(23, False), (12, False), (11, True)]
    assert table["distance"].is_null().to_list() == [False, False, True]
    assert run("score", *arguments, "--min-n", 24, "--out", tmp_path / "none") == 0
    assert "n too small" in capsys.readouterr().out


@pytest.mark.parametrize("interval", ["debiased", "percentile"])
def test_intervals_are_made_as_asked_for(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path, interval: str
) -> None:
    arguments = (file, "--data", people.folder, "--ci-method", interval, "--resamples", 60, "--confidence-level", 0.9)
    document = scored(capsys, *arguments, "--seed", 5, "--out", tmp_path / "a")
    made = {"n": 60, "seed": 5, "level": 0.9, "method": interval}
    assert document["settings"]["resampling"] == made
    again = scored(capsys, *arguments, "--seed", 5, "--out", tmp_path / "b")
    other = scored(capsys, *arguments, "--seed", 6, "--out", tmp_path / "c")
    assert again["scores"] == document["scores"]
    assert first(other)["distance"] == first(document)["distance"]
    assert (first(other)["low"], first(other)["high"]) != (first(document)["low"], first(document)["high"])


def test_without_resamples_there_is_a_distance_and_no_interval(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    document = scored(capsys, file, "--data", people.folder, "--resamples", 0, "--out", tmp_path / "s")
    row = first(document)
    assert [row[name] for name in ("low", "high", "corrected")] == [None] * 3
    assert row["distance"] is not None
    assert document["settings"]["resampling"] is None


def test_strata_make_intervals_narrower_where_people_differ_by_them(
    capsys: Capture, people: Dataset, tmp_path: Path
) -> None:
    """Q111 is said in turns, as people live in a city and in the country; the answer is right for the first."""
    file = write_answers(tmp_path / "m.tsv", [("Q111", 101 + k, 1) for k in range(N_PEOPLE)])
    widths = []
    for strata in ((), ("--strata", "H_URBRURAL")):
        document = scored(capsys, file, "--data", people.folder, *strata, "--out", tmp_path / f"s{len(strata)}")
        assert document["settings"]["strata"] == (strata[1] if strata else None)
        widths.append(first(document)["high"] - first(document)["low"])
    assert widths[0] > 0.2
    assert widths[1] == pytest.approx(0, abs=1e-5)


WRONG_CALLS = [
    (("--reference", "split"), "Expected --data DIR, or --reference world"),
    (("--data", "people", "--reference", "world"), "Both --data and --reference world are given; expected one"),
    (("--reference", "world", "--weight", "S018"), "unweighted counts; --weight needs --data"),
    (("--data", "people", "--weight", "heavy"), "'heavy' is not one of"),
    (("--data", "people", "--reference", "everybody"), "'everybody' is not one of"),
    (("--data", "people", "--min-n", "0"), "0 is not in the range"),
    (("--data", "people", "--confidence-level", "1"), "1.0 is not in the range"),
    (("--data", "people", "--seed", "-1"), "-1 is not in the range"),
    (("--data", "people", "--ci-method", "normal"), "'normal' is not one of"),
    (("--data", "people", "--cluster", "town"), "'town' is not one of"),
    (("--data", "people", "--strata", "H_URBRURAL,continent"), "--strata is one grouping; cross its attributes with *"),
]
REFUSED = [
    (("--data", "people", "--strata", "shoe_size"), "shoe_size"),
    (("--data", "people", "--by", "shoe_size"), "shoe_size"),
    (("--reference", "world", "--strata", "H_URBRURAL"), "Strata by H_URBRURAL need respondents"),
    (("--reference", "world", "--by", "continent"), "Groups by continent need respondents"),
    (("--data", "nowhere"), "there is no such folder"),
    (
        ("--data", "light", "--weight", "W_WEIGHT"),
        "23 of 30 respondents who are used have a missing or zero weight",
    ),
    (("--data", "light", "--weight", "product"), "S018"),
]
SCORE_ALONE = [
    (
        ("--data", "people", "--strata", "H_URBRURAL", "--resamples", "0"),
        "is an option of the bootstrap, and --resamples is 0",
    ),
    (("--data", "people", "--unparsed", "ignore"), "'ignore' is not one of"),
    *(
        (
            ("--data", "people", option, value, "--unparsed", "as-published"),
            f"{option} is an option of the bootstrap, and the published",
        )
        for option, value in (
            ("--strata", "H_URBRURAL"),
            ("--resamples", "1000"),
            ("--ci-method", "percentile"),
            ("--confidence-level", "0.9"),
            ("--seed", "0"),
            ("--item-sampling", "fixed"),
        )
    ),
]
COMPARE_ALONE = [
    (("--data", "people", "--resamples", "0"), "0 is not in the range 2<=x<=100000"),
    (("--data", "people", "--resamples", "1"), "1 is not in the range 2<=x<=100000"),
    (("--data", "people", "--unparsed", "refusal"), "No such option"),
]


@pytest.fixture
def place(people: Dataset, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dataset, one whose weights are missing for most, and a file of answers; and nothing else."""
    weights: dict[str, list[float | None]] = {"W_WEIGHT": [1.0] * 7 + [None] * 33}
    make_dataset(tmp_path / "light", {"Q1": RESPONSES}, weights=weights)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        *(("score", *wrong) for wrong in [*WRONG_CALLS, *SCORE_ALONE]),
        *(("compare", *wrong) for wrong in [*WRONG_CALLS, *COMPARE_ALONE]),
    ],
)
def test_a_wrong_call_exits_with_2_and_leaves_nothing(
    capsys: Capture, place: Path, command: str, arguments: tuple[str, ...], message: str
) -> None:
    before = names_in(place)
    assert run(command, "model.tsv", *arguments, "--out", "out") == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith(f"wvb {command}: ")
    assert said.endswith(f"; see wvb {command} --help.\n")
    assert said.count("\n") == 1
    assert names_in(place) == before


@pytest.mark.parametrize("command", ["score", "compare"])
@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_cannot_be_scored_is_said_in_one_line_and_leaves_nothing(
    capsys: Capture, place: Path, command: str, arguments: tuple[str, ...], message: str
) -> None:
    before = names_in(place)
    assert message in refusal(capsys, command, "model.tsv", *arguments, "--out", "out")
    assert names_in(place) == before


def test_an_earlier_result_survives_an_error_with_force(capsys: Capture, place: Path) -> None:
    for command in ("score", "compare"):
        assert run(command, "model.tsv", "--data", "people", "--resamples", 20, "--out", command) == 0
        capsys.readouterr()
        before = {path.name: path.read_bytes() for path in (place / command).iterdir()}
        assert "give --force to replace" in refusal(capsys, command, "model.tsv", "--data", "people", "--out", command)
        refusal(capsys, command, "model.tsv", "--data", "light", "--weight", "W_WEIGHT", "--out", command, "--force")
        assert {path.name: path.read_bytes() for path in (place / command).iterdir()} == before
        assert run(command, "model.tsv", "--data", "people", "--resamples", 20, "--out", command, "--force") == 0
        capsys.readouterr()


def test_compare_prints_ranks_differences_disparity_and_collapse(
    capsys: Capture, people: Dataset, tmp_path: Path
) -> None:
    files = [
        write_answers(tmp_path / f"{name}.tsv", [("Q1", 101 + k, 1 + (k * step) % 4) for k in range(N_PEOPLE)])
        for name, step in (("gpt", 0), ("gpt+demographics", 1), ("other", 2))
    ]
    arguments = (*files, "--data", people.folder, "--resamples", 100, "--out", tmp_path / "compared")
    assert run("compare", *arguments) == 0
    shown = capsys.readouterr().out
    for text in (
        "SYNTHETIC",
        "Compared over the 40 examples that all sources answer.",
        "Leaderboard (ranks and sizes of polls with confidence intervals)",
        "Paired differences of mean W1",
        "Not tested as a persona effect: gpt and gpt+demographics",
        "Group disparities",
        "How varied the answers are",
        "Comparison:",
    ):
        assert text in shown
    groupings = pl.read_parquet(tmp_path / "compared" / "leaderboard.parquet")["grouping"].unique(maintain_order=True)
    assert groupings.to_list() == ["all", "H_URBRURAL", "continent"], "unless one says otherwise"
    assert run("compare", *arguments, "--by", "", "--force", "--json") == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document == json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert document["settings"]["groupings"] == []
    assert {row["grouping"] for row in document["leaderboard"]} == {"all"}
    assert document["n_common"] == 40


def test_compare_takes_runs_that_are_not_finished_only_if_asked_to(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    rows = [Row("Q1", 101 + k, 3) for k in range(25)]
    begun = make_run(tmp_path / "begun", rows, people, is_finished=False)
    arguments = (begun, file, "--data", people.folder, "--resamples", 20)
    message = refusal(capsys, "compare", *arguments, "--out", tmp_path / "c")
    assert "the run is not finished" in message
    assert not (tmp_path / "c").exists()


def test_compare_refuses_what_has_nothing_in_common_or_one_name(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    late = write_answers(tmp_path / "late.tsv", [("Q1", 101 + k, 1) for k in range(30, 40)])
    arguments = ("--data", people.folder, "--out", tmp_path / "c")
    assert "No example is answered by all of model, late" in refusal(capsys, "compare", file, late, *arguments)
    twin = write_answers(tmp_path / "model.csv", [("Q1", 101, 1)], ",")
    assert "Two files of answers are called 'model'" in refusal(capsys, "compare", file, twin, *arguments)
    named = write_answers(tmp_path / "majority.tsv", [("Q1", 101, 1)])
    assert "'majority' is the name of a baseline" in refusal(capsys, "compare", named, *arguments)
    assert not (tmp_path / "c").exists()


def test_compare_says_whom_answers_are_compared_with(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    assert run("compare", file, "--reference", "world", "--resamples", 20, "--out", tmp_path / "w") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "the world marginals (all interviews of file version 5.0 pooled, unweighted: a country counts by" in shown
    options = ("--data", people.folder, "--reference", "all", "--weight", "product", "--resamples", 20)
    assert run("compare", file, *options, "--out", tmp_path / "a") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "everyone of the dataset, edition paper, weighted by product (every country counts as 1,000 inter" in shown


def test_compare_says_so_where_too_little_is_in_common(
    capsys: Capture, people: Dataset, file: Path, tmp_path: Path
) -> None:
    late = write_answers(tmp_path / "late.tsv", [("Q1", 101 + k, 1) for k in range(26, 40)])
    arguments = (file, late, "--data", people.folder, "--resamples", 20)
    assert run("compare", *arguments, "--out", tmp_path / "c") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Compared over the 3 examples that all sources answer." in shown
    assert "No item has 10 respondents that all sources answer for; see --min-n" in shown
    assert run("compare", *arguments, "--min-n", 3, "--out", tmp_path / "d") == 0
    assert "Leaderboard" in capsys.readouterr().out


def test_a_folder_of_another_kind_is_called_by_its_kind(capsys: Capture, place: Path) -> None:
    given = ("model.tsv", "--data", "people", "--resamples", 20, "--out", "out")
    assert run("score", *given) == 0
    capsys.readouterr()
    said = refusal(capsys, "compare", *given, "--force")
    assert "out: is a scores folder, and --force replaces only an earlier comparison folder" in said


def test_sources_of_different_people_share_no_columns(capsys: Capture, people: Dataset, tmp_path: Path) -> None:
    halves = [range(20), range(20, 40)]
    files = [write_answers(tmp_path / f"n{k}.tsv", [("Q1", 101 + n, 2) for n in half]) for k, half in enumerate(halves)]
    same = write_answers(tmp_path / "same.tsv", [("Q1", 101 + n, 3) for n in halves[0]])
    assert run("score", files[0], same, "--data", people.folder, "--out", tmp_path / "same") == 0
    shown = capsys.readouterr().out
    assert "beside" not in shown
    assert re.search(r"item +humans +n0 +same +noise floor +uniform +majority", shown)
    people_of_uneven = write_answers(tmp_path / "n1.tsv", [("Q1", 101 + n, 2) for n in range(20, 33)])
    assert run("score", files[0], people_of_uneven, "--data", people.folder, "--out", tmp_path / "other") == 0
    shown = capsys.readouterr().out
    assert re.search(r"item +n0 +n1 *\n", shown)
    assert (
        "Sources answer for different respondents: n, noise floors and baselines of each are in scores.parquet."
        in shown
    )
    assert "uniform (for n0)" in shown
    assert "uniform (for n1)" in shown


def test_a_corrected_value_below_0_is_shown_as_0_and_kept_in_the_files(
    capsys: Capture, people: Dataset, tmp_path: Path
) -> None:
    # as often as people say it, but for other people: nearer than chance allows
    file = write_answers(tmp_path / "near.tsv", [("Q1", 101 + n, code) for n, code in enumerate(reversed(RESPONSES))])
    for command in ("score", "compare"):
        assert run(command, file, "--data", people.folder, "--out", tmp_path / command) == 0
        shown = capsys.readouterr().out
        assert "0.000 [0.000, " in shown
        assert "-0.0" not in shown
    assert pl.read_parquet(tmp_path / "score" / "summary.parquet")["mean_corrected"][0] < 0
    assert pl.read_parquet(tmp_path / "compare" / "leaderboard.parquet")["corrected"][0] < 0
