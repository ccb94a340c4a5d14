"""Attacks on what is shared: whoever has a bundle or a report, and knows how it was made, gets no respondent out of it.

The attacker knows everything but the responses: the code, the seed, who is in which group. What must not be computed is
anything about one to nine respondents: small cells, and those who lack a level of a grouping.
"""

import base64
import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting._bundle import check_bundle, read_bundle, write_bundle
from worldvaluesbench.reporting.disclosure._suppress import protect
from worldvaluesbench.reporting.page._page import build_report
from worldvaluesbench.scoring._config import How
from worldvaluesbench.scoring.compare._compare import compare_answers
from worldvaluesbench.scoring.compare._comparison import Comparison
from worldvaluesbench.scoring.sources._answers import read_answers
from worldvaluesbench.scoring.sources._reference import respondents_reference
from worldvaluesbench.stats._estimate import Resampling, draw_multiplicities
from worldvaluesbench.survey._attributes import load_derived_attributes, parse_groupings

LEAST = 10
ITEMS = ("Q1", "Q46", "Q57")
N_PEOPLE = 160
GROUPINGS = (
    "H_URBRURAL,Q260",
    "continent*H_URBRURAL",
    "continent,H_URBRURAL,continent*H_URBRURAL",
    "B_COUNTRY,continent,Q260*H_URBRURAL",
    "education_level,Q275",
    "education_level*Q260,Q275*Q260,Q260",
    "B_COUNTRY*Q260*H_URBRURAL,B_COUNTRY,Q260*H_URBRURAL",
)
OTHERS = (20999, 32999)
"""Codes of two groups of Q290 with the same label."""

Who = NDArray[np.int64]


def checksums_of(files: dict[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(files[one]).hexdigest()}  {one}\n" for one in sorted(files) if one != "SHA256SUMS")


def invent(folder: Path, seed: int) -> Dataset:
    """A survey in which some lack a level, some have no response, and masters have no level of education.

    The dataset is of edition `paper`, where code 7 of Q275 has no level.
    """
    rng = np.random.default_rng(seed)

    def levels(codes: Sequence[int], lacking: int) -> list[int]:
        found = rng.choice(codes, N_PEOPLE, p=rng.dirichlet(np.full(len(codes), 2)))
        found[rng.choice(N_PEOPLE, lacking, replace=False)] = -2
        return [int(code) for code in found]

    country = rng.choice([32, 68, 76, 36, 554], N_PEOPLE, p=[0.3, 0.3, 0.1, 0.25, 0.05])
    education = levels([1, 2, 4, 7], 4)
    people = {
        "B_COUNTRY": [int(code) for code in country],
        "continent": [load_derived_attributes()["continent"].level_of[int(code)] for code in country],
        "H_URBRURAL": levels([1, 2], int(rng.integers(1, 14))),
        "Q260": levels([1, 2], int(rng.integers(0, 4))),
        "Q275": education,
        "education_level": [
            -5 if code == 7 else load_derived_attributes()["education_level"].level_of.get(code, -2)
            for code in education
        ],
    }
    points = {item: int(n) for item, n in zip(ITEMS, (4, 4, 2), strict=True)}
    responses = {item: rng.integers(1, n + 1, N_PEOPLE) for item, n in points.items()}
    for answers in responses.values():
        answers[rng.choice(N_PEOPLE, 12, replace=False)] = -1
    return make_dataset(folder, {item: answers.tolist() for item, answers in responses.items()}, people)


def compare(dataset: Dataset, folder: Path, groupings: str, names: Sequence[str] = ("one", "two")) -> Comparison:
    """Sources that answer for everybody with the same number."""
    files = []
    for place, name in enumerate(names):
        rows = [(item, 101 + k, 1 + place % 2) for item in ITEMS for k in range(N_PEOPLE)]
        files.append(read_answers(write_answers(folder / f"{name}.tsv", rows)))
    how = How(min_n=LEAST, resampling=Resampling(n=30))
    return compare_answers(files, respondents_reference(dataset), groupings=parse_groupings(groupings), how=how)


def members_of(dataset: Dataset, grouping: str, codes: str | None, item_id: str) -> Who:
    """Who of a group has a response to an item, 1 or 0 for each respondent."""
    people = pl.read_parquet(dataset.folder / "respondents.parquet")
    has_response = pl.read_parquet(dataset.folder / "responses.parquet")[item_id] > 0
    is_in = has_response.to_numpy().astype(bool)
    if codes is not None:
        for name, code in zip(grouping.split("*"), map(int, codes.split("·")), strict=True):
            is_in &= (people[name] == code).to_numpy()
    return is_in.astype(np.int64)


def forbidden(dataset: Dataset, groupings: str, item_id: str) -> Iterator[tuple[str, Who]]:
    """Every one to nine respondents whom nobody may tell apart: small groups, and those who lack a level within one."""
    people = pl.read_parquet(dataset.folder / "respondents.parquet")
    everybody = members_of(dataset, "all", None, item_id)
    for grouping in parse_groupings(groupings):
        names = list(grouping.attribute_ids)
        has_level = everybody * (people.select(pl.all_horizontal(pl.col(names) >= 0)).to_series().to_numpy())
        for size in range(len(names) + 1):
            for some in combinations(names, size):
                levels = people.select(some).unique().rows() if some else [()]
                for row in levels:
                    within = everybody.copy()
                    for name, code in zip(some, row, strict=True):
                        within = within * (people[name] == code).to_numpy()
                    if all(code >= 0 for code in row):
                        yield f"{some} {row} without {names}", within * (1 - has_level)
                    if size == len(names) and all(code >= 0 for code in row):
                        yield f"{some} {row}", within


def can_be_computed(wanted: Who, shown: Sequence[Who]) -> bool:
    """Whether some sum of what is shown, each with a factor, is about these respondents alone."""
    system = np.array(shown, dtype=float).T
    solution = np.linalg.lstsq(system, wanted.astype(float), rcond=None)[0]
    return bool(np.abs(system @ solution - wanted).max() < 1e-6)


def found_by_subtraction(
    dataset: Dataset, groupings: str, shown: Mapping[str, set[tuple[str, str | None]]]
) -> list[str]:
    """What can be computed of one to nine respondents from the groups that are shown of each item."""
    found = []
    for item_id, groups in shown.items():
        vectors = [members_of(dataset, grouping, codes, item_id) for grouping, codes in sorted(groups, key=str)]
        for what, wanted in forbidden(dataset, groupings, item_id):
            if 0 < wanted.sum() < LEAST and can_be_computed(wanted, vectors):
                found.append(f"{item_id}: {what}, {wanted.sum()} respondents")
    return found


def shown_in_tables(comparison: Comparison) -> dict[str, set[tuple[str, str | None]]]:
    """The groups of which any table of cells shows a number, by item, whoever the source is."""
    shown: dict[str, set[tuple[str, str | None]]] = {}
    for name, number in (
        ("scores", "n_responses"),
        ("distributions", "humans"),
        ("individuals", "accuracy"),
        ("distances", "total_variation"),
    ):
        rows = comparison.tables[name].drop_nulls(number).select("item_id", "grouping", "group_codes").unique().rows()
        for item_id, grouping, codes in rows:
            shown.setdefault(item_id, set()).add((grouping, codes))
    return shown


def shown_in_page(page: str, comparison: Comparison) -> dict[str, set[tuple[str, str | None]]]:
    """The groups whose distributions are packed into the explorer of a report, by item; unpacked anew here."""
    (index_text,) = re.findall(r'<script type="application/json" id="x-index">(.*?)</script>', page, re.DOTALL)
    (packed,) = re.findall(r'id="x-cells">([^<]*)<', page)
    index, content = json.loads(index_text), zlib.decompress(base64.b64decode(packed))
    codes_of = {
        (grouping, label): codes
        for grouping, label, codes in comparison.tables["scores"]
        .select("grouping", "group", "group_codes")
        .unique()
        .rows()
    }
    shown: dict[str, set[tuple[str, str | None]]] = {}
    place = 0
    for grouping in index["groupings"]:
        for label in grouping["groups"]:
            for item in index["items"]:
                for _ in index["sources"]:
                    standing = content[place]
                    place += 1
                    if standing:
                        (n,) = struct.unpack_from("<I", content, place)
                        assert n >= LEAST
                        shown.setdefault(item["id"], set()).add((grouping["id"], codes_of[grouping["id"], label]))
                        place += 14 + 2 * len(item["labels"]) * standing
    assert place == len(content)
    return shown


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("groupings", GROUPINGS)
def test_nobody_is_left_when_groups_are_taken_from_one_another(tmp_path: Path, groupings: str, seed: int) -> None:
    dataset = invent(tmp_path / "d", seed)
    shared = protect(compare(dataset, tmp_path, groupings))
    if seed == 0:  # of others what a bundle holds, without the drawing of its report
        write_bundle(compare(dataset, tmp_path, groupings), tmp_path / "b.zip")
        shared = read_bundle(tmp_path / "b.zip")
    shown = shown_in_tables(shared)
    assert set(shown) == set(ITEMS)
    assert found_by_subtraction(dataset, groupings, shown) == []


@pytest.mark.parametrize("groupings", GROUPINGS[:4])
def test_nobody_is_left_in_the_explorer_of_a_report(tmp_path: Path, groupings: str) -> None:
    dataset = invent(tmp_path / "d", 5)
    comparison = compare(dataset, tmp_path, groupings)
    shown = shown_in_page(build_report(comparison), comparison)
    assert set(shown) == set(ITEMS)
    assert found_by_subtraction(dataset, groupings, shown) == []


def test_the_attack_by_subtraction_finds_people_in_what_is_not_protected(tmp_path: Path) -> None:
    dataset = invent(tmp_path / "d", 5)
    found = found_by_subtraction(dataset, GROUPINGS[0], shown_in_tables(compare(dataset, tmp_path, GROUPINGS[0])))
    assert any("without ['H_URBRURAL']" in one for one in found)


def test_bundles_of_the_same_examples_and_groupings_give_no_more_together(tmp_path: Path) -> None:
    """Two models are bundled apart; whoever has both bundles sees the same groups."""
    dataset = invent(tmp_path / "d", 7)
    together: dict[str, set[tuple[str, str | None]]] = {}
    for name in ("one", "two"):
        write_bundle(compare(dataset, tmp_path, GROUPINGS[2], [name]), tmp_path / f"{name}.zip")
        for item_id, groups in shown_in_tables(read_bundle(tmp_path / f"{name}.zip")).items():
            together.setdefault(item_id, set()).update(groups)
    assert found_by_subtraction(dataset, GROUPINGS[2], together) == []


def test_a_group_without_any_response_hides_nobody(tmp_path: Path) -> None:
    """Nobody of Brazil was asked; six of Bolivia are what is left of South America when the others are taken away."""
    country = [32] * 60 + [68] * 6 + [76] * 14 + [36] * 40
    q1 = [1 + k % 4 if code != 76 else -4 for k, code in enumerate(country)]
    dataset = make_dataset(tmp_path / "d", {"Q1": q1}, {"B_COUNTRY": country})
    file = read_answers(write_answers(tmp_path / "a.tsv", [("Q1", 101 + k, 1) for k in range(120)]))
    how = How(min_n=LEAST, resampling=Resampling(n=20))
    found = compare_answers([file], respondents_reference(dataset), groupings=parse_groupings("B_COUNTRY"), how=how)
    shown = protect(found).tables["scores"].filter(~pl.col("is_too_small"), grouping="B_COUNTRY")["group"].to_list()
    assert shown == ["Argentina"]


def test_groups_that_share_a_label_are_told_apart_by_code(tmp_path: Path) -> None:
    """Two groups of Q290 are called Other; one has four respondents, and the smallest other group is hidden too."""
    codes = [OTHERS[0]] * 60 + [OTHERS[1]] * 4 + [20001] * 30 + [20002] * 20
    dataset = make_dataset(tmp_path / "d", {"Q1": [1 + k % 4 for k in range(len(codes))]}, {"Q290": codes})
    file = read_answers(write_answers(tmp_path / "a.tsv", [("Q1", 101 + k, 1) for k in range(len(codes))]))
    how = How(min_n=LEAST, resampling=Resampling(n=20))
    found = compare_answers([file], respondents_reference(dataset), groupings=parse_groupings("Q290"), how=how)
    tables = protect(found).tables
    wanted = ["20001", str(OTHERS[0])]
    for name in ("scores", "distributions", "summary", "leaderboard", "individuals"):
        table = tables[name].filter(grouping="Q290")
        if name == "scores":
            table = table.filter(~pl.col("is_too_small"))
        assert sorted(table["group_codes"].unique().to_list()) == wanted, name
    numbers = tables["scores"].filter(group_codes=str(OTHERS[0]))
    assert numbers["n_responses"].to_list() == [60]


# resamples


def influence_of_each(draws: NDArray[np.float64], m: int, stratum: Who, seed: int) -> tuple[NDArray[np.float64], float]:
    """Least squares of resamples of a mean on who is in which; R2 on the last ones, left out of the fit."""
    drawn = draw_multiplicities(stratum, draws.size, rng=np.random.default_rng(seed))
    design = np.c_[(drawn.times * drawn.factor[:, None]).T / m, np.ones(draws.size)]
    n_train = int(0.85 * draws.size)
    fit = np.linalg.lstsq(design[:n_train], draws[:n_train], rcond=1e-6)[0]
    left, predicted = draws[n_train:], design[n_train:] @ fit
    r2 = 1 - ((left - predicted) ** 2).sum() / ((left - left.mean()) ** 2).sum()
    influence = np.asarray(np.linalg.lstsq(design, draws, rcond=1e-6)[0][:-1], dtype=np.float64)
    return influence, float(r2)


@pytest.mark.parametrize(("n_strata", "seed"), [(1, 0), (1, 12345), (4, 3)])
def test_resamples_with_a_known_seed_would_give_every_response_back(n_strata: int, seed: int) -> None:
    """Why none are shared: of a mean, a thousand resamples are equations enough for a hundred respondents."""
    rng = np.random.default_rng(99)
    stratum, responses = np.arange(100) % n_strata, rng.integers(1, 5, 100)
    drawn = draw_multiplicities(stratum, 1000, rng=np.random.default_rng(seed))
    draws = (drawn.times * drawn.factor[:, None]).T @ responses / 100
    influence, r2 = influence_of_each(draws, 100, stratum, seed)
    assert r2 > 0.99
    back = np.rint(influence - influence.mean() + responses.mean())
    assert (back == responses).mean() > (0.99 if n_strata == 1 else 0.2)
    assert influence_of_each(draws, 100, stratum, seed + 1)[1] < 0.2


def lists_of_numbers(found: object) -> Iterator[Sequence[float]]:
    """Every list of numbers anywhere in a JSON document."""
    if isinstance(found, Mapping):
        for one in found.values():
            yield from lists_of_numbers(one)
    elif isinstance(found, list):
        if found and all(isinstance(one, int | float) for one in found):
            yield found
        for one in found:
            yield from lists_of_numbers(one)


@pytest.mark.parametrize(("strata", "n", "seed"), [(None, 200, 0), (None, 400, 77), ("Q260", 200, 3)])
def test_no_file_that_is_shared_holds_resamples(tmp_path: Path, strata: str | None, n: int, seed: int) -> None:
    """Neither as lists nor as rows: no table has several rows of the same cell, and no page or receipt a long list."""
    dataset = invent(tmp_path / "d", 1)
    rows = [("Q1", 101 + k, 2) for k in range(N_PEOPLE)]
    found = compare_answers(
        [read_answers(write_answers(tmp_path / "a.tsv", rows))],
        respondents_reference(dataset),
        groupings=parse_groupings("Q260"),
        how=How(strata=parse_groupings(strata)[0] if strata else None, resampling=Resampling(n=n, seed=seed)),
    )
    write_bundle(found, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, content in files.items():
        if name.endswith(".parquet"):
            table = pl.read_parquet(io.BytesIO(content))
            assert not any(dtype.is_nested() or dtype == pl.Binary for dtype in table.dtypes), name
            keys = [key for key, dtype in table.schema.items() if dtype == pl.String] + ["rating", "threshold"]
            of_cell = table.group_by([key for key in keys if key in table.columns]).len()
            assert of_cell.filter(pl.col("len") > 1).is_empty(), name
        elif name.endswith(".json"):
            assert all(len(one) < 20 for one in lists_of_numbers(json.loads(content))), name


def test_a_bundle_with_resamples_is_refused_and_said_why(tmp_path: Path, bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    pl.DataFrame({"answers": ["model"], "noise": [[0.1] * 200]}).write_parquet(stream)
    files["tables/draws.parquet"] = stream.getvalue()
    files["SHA256SUMS"] = checksums_of(files).encode()
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    (problem,) = check_bundle(tmp_path / "old.zip")
    assert re.match(
        r"tables/draws\.parquet holds bootstrap resamples .* do not share this bundle, delete it, and", problem
    )
    with pytest.raises(BundleError, match="bootstrap resamples of respondents, from which the responses of single"):
        read_bundle(tmp_path / "old.zip")


def test_a_bundle_from_which_few_respondents_can_be_computed_is_refused(tmp_path: Path) -> None:
    """Somebody protects nothing and rounds the numbers: what would be left over is found by the check."""
    dataset = invent(tmp_path / "d", 5)
    found = compare(dataset, tmp_path, "H_URBRURAL")
    write_bundle(found, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    found.tables["scores"].with_columns(pl.selectors.float().round(3)).write_parquet(stream)
    files["tables/scores.parquet"] = stream.getvalue()
    files["SHA256SUMS"] = checksums_of(files).encode()
    with zipfile.ZipFile(tmp_path / "forged.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    assert any(
        "from which one of fewer than 10 respondents can be computed" in one
        for one in check_bundle(tmp_path / "forged.zip")
    )


def test_what_is_shared_is_rounded(tmp_path: Path) -> None:
    """Six decimals, or four digits of what is smaller than a thousandth."""
    dataset = invent(tmp_path / "d", 2)
    for name, table in protect(compare(dataset, tmp_path, "Q260")).tables.items():
        for column in table.select(pl.selectors.float()):
            for value in column.drop_nulls().to_list():
                assert value == pytest.approx(
                    float(f"{value:.6f}" if abs(value) >= 1e-3 else f"{value:.3e}"), abs=1e-15
                ), name
