"""Bundles that were changed: a column list, words, counts and sizes are checked, though the checksums are right."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from worldvaluesbench.errors import BundleError
from worldvaluesbench.prompts._template import load_template
from worldvaluesbench.reporting._bundle import check_bundle, is_bundle, read_bundle
from worldvaluesbench.reporting.disclosure._suppress import suppress
from worldvaluesbench.reporting.page._page import build_report
from worldvaluesbench.scoring.compare._comparison import Comparison

Files = dict[str, bytes]
PEOPLE = "respondent_id,Q1,Q2\n" + "".join(f"7607{n:04},1,2\n" for n in range(50))


@pytest.fixture(scope="module")
def files(bundle: Path) -> Files:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def forge(path: Path, files: Files, *, are_summed: bool = True) -> Path:
    """A bundle of these files, its checksums made to fit."""
    if are_summed:
        sums = [f"{hashlib.sha256(files[one]).hexdigest()}  {one}\n" for one in sorted(files) if one != "SHA256SUMS"]
        files = files | {"SHA256SUMS": "".join(sums).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def parquet(table: pl.DataFrame, **options: Any) -> bytes:
    stream = io.BytesIO()
    table.write_parquet(stream, **options)
    return stream.getvalue()


def refusal(path: Path) -> str:
    """What `read_bundle` says of a bundle, in one line; `check_bundle` refuses it as well."""
    with pytest.raises(BundleError) as found:
        read_bundle(path)
    with pytest.raises(BundleError):
        raise BundleError(check_bundle(path)[0])
    assert "\n" not in str(found.value)
    return str(found.value)


def refusal_of_reading(path: Path) -> str:
    with pytest.raises(BundleError) as found:
        read_bundle(path)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_a_copy_with_nothing_changed_is_sound(files: Files, tmp_path: Path) -> None:
    assert check_bundle(forge(tmp_path / "copy.zip", files)) == []


def _with_a_name_twice(path: Path, files: Files) -> None:
    forge(path, files)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("README.md"), PEOPLE)


def _with_many_files(path: Path, files: Files) -> None:
    with zipfile.ZipFile(forge(path, files), "a") as archive:
        for n in range(100):
            archive.writestr(zipfile.ZipInfo(f"{n}"), "")


def _with_a_bomb(path: Path, files: Files) -> None:
    forge(path, files | {"report.html": bytes(40 << 20)})


def _with_a_great_bomb(path: Path, files: Files) -> None:
    forge(path, files | {"tables/scores.parquet": bytes(300 << 20)})


def _with_half_of_it(path: Path, files: Files) -> None:
    content = bytearray(forge(path, files).read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("forged", "message"),
    [
        (_with_a_name_twice, "it holds a file twice"),
        (_with_many_files, "more than any bundle"),
        (_with_a_bomb, "unpacks to more than 200 times its size"),
        (_with_a_great_bomb, "unpacks to more than 256 MB"),
        (_with_half_of_it, "cannot be read as a zip"),
    ],
)
def test_a_zip_that_is_damaged_or_too_large_is_refused(
    files: Files, tmp_path: Path, forged: Callable[[Path, Files], None], message: str
) -> None:
    path = tmp_path / "forged.zip"
    forged(path, files)
    with pytest.raises(BundleError, match=message):
        check_bundle(path)
    assert message in refusal_of_reading(path)


def test_whether_a_damaged_zip_is_a_bundle_is_no_error(files: Files, tmp_path: Path) -> None:
    path = forge(tmp_path / "damaged.zip", files)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02")] = 0
    path.write_bytes(content)
    assert not is_bundle(path)
    assert "cannot be read as a zip" in refusal_of_reading(path)


def table(files: Files, name: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(files[f"tables/{name}.parquet"]))


def _first(column: str, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Another value in the first row of a column."""
    return lambda found: found.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(value, found[column].dtype)).otherwise(column).alias(column)
    )


def _all(**values: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda found: found.with_columns(
        pl.lit(value, found[name].dtype).alias(name) for name, value in values.items()
    )


@pytest.mark.parametrize(
    ("name", "forged", "message"),
    [
        ("scores", lambda found: found.drop("distance"), "distance is missing, expected Float64"),
        ("scores", lambda found: found.cast({"n_responses": pl.String}), "n_responses is 'String', expected Int64"),
        ("scores", lambda found: found.clear(), "scores.parquet has no rows"),
        ("scores", _first("n_responses", 9), "1 cells have numbers and fewer than 10 respondents"),
        ("scores", _all(n_responses=None), "fewer than 10 respondents"),
        ("scores", _all(is_too_small=True), "fewer than 10 respondents"),
        ("scores", _first("item_id", "Q999"), "has 'Q999' in item_id"),
        ("scores", _first("answers", PEOPLE), "has 'respondent_id,Q1,Q2"),
        ("distributions", _first("grouping", "Q260"), "has 'Q260' in grouping, which this comparison has not"),
        ("individuals", _first("n", 1), "1 cells have numbers and fewer than 10 respondents"),
        ("leaderboard", _first("n_examples", 1), "1 cells have numbers and fewer than 10 respondents"),
        (
            "leaderboard",
            lambda found: found.with_columns(mean=pl.concat_list("mean", "mean")),
            "mean is 'List(Float64)'",
        ),
        ("table_2", _first("n_responses", 3), "1 cells have numbers and fewer than 10 respondents"),
    ],
)
def test_a_table_that_holds_anything_else_is_refused(
    files: Files, tmp_path: Path, name: str, forged: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    path = forge(tmp_path / "forged.zip", files | {f"tables/{name}.parquet": parquet(forged(table(files, name)))})
    assert any(message in problem for problem in check_bundle(path)), check_bundle(path)
    refusal(path)


def _resampled(said: dict[str, Any], **changed: object) -> dict[str, Any]:
    return said | {"settings": said["settings"] | {"resampling": said["settings"]["resampling"] | changed}}


def _with_run(said: dict[str, Any], **about: object) -> dict[str, Any]:
    run = {"model": None, "method": None, "about": about}
    return said | {"answers": [said["answers"][0] | {"run": run}, *said["answers"][1:]]}


COVERAGE = {
    **dict.fromkeys(("n_answers", "n_certain", "n_low", "n_nothing"), 4),
    **dict.fromkeys(("lowest", "median", "highest", "median_of_low", "highest_of_low"), 0.4),
}


def _with_coverage(said: dict[str, Any], coverage: object) -> dict[str, Any]:
    return said | {"answers": [said["answers"][0] | {"coverage": coverage}, *said["answers"][1:]]}


def test_what_is_said_of_coverage_and_what_earlier_versions_do_not_say_is_sound(files: Files, tmp_path: Path) -> None:
    receipt = json.loads(files["bundle.json"])
    for place in range(2):
        said = json.dumps(_with_coverage(receipt, COVERAGE) if place else receipt).encode()
        assert check_bundle(forge(tmp_path / f"{place}.zip", files | {"bundle.json": said})) == []
        receipt["settings"].pop("min_coverage", None)
        receipt["answers"][0].pop("coverage", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b"{not json", "cannot be read as JSON"),
        (lambda _: b"{}", "lacks kind"),
        (lambda _: b"[]", "is not a JSON object"),
        (lambda _: b"[" * 100_000, "cannot be read as JSON"),
        (lambda said: said | {"people": PEOPLE}, "says 'people', which no comparison says"),
        (lambda said: said | {"answers": 3}, "lacks answers, or it is not as in any comparison"),
        (
            lambda said: said | {"settings": said["settings"] | {"min_n": 1}},
            "has a minimum n of 1; cells below 10 are never shared",
        ),
        (lambda said: said | {"settings": said["settings"] | {"groupings": ["me"]}}, "There is no attribute 'me'"),
        (lambda said: said | {"settings": said["settings"] | {"resampling": {"n": 3}}}, "lacks settings.resampling"),
        (
            lambda said: _resampled(said, n="3"),
            "has settings that cannot be (The number of resamples is a whole number",
        ),
        (lambda said: _resampled(said, method="mine"), "has settings that cannot be (There is no interval 'mine'"),
        (lambda said: said | {"sorts": {}}, "names other answers in one place than in another"),
    ],
)
def test_a_receipt_that_is_none_is_refused(files: Files, tmp_path: Path, change: Any, message: str) -> None:
    said = change(json.loads(files["bundle.json"]))
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    assert message in refusal(forge(tmp_path / "said.zip", files | {"bundle.json": content}))


@pytest.mark.parametrize("name", ["README.md", "report.html"])
def test_page_and_card_come_from_the_tables_and_never_from_the_bundle(
    files: Files, tmp_path: Path, comparison: Comparison, name: str
) -> None:
    path = forge(tmp_path / "text.zip", files | {name: b"<script>all is well</script>"})
    assert check_bundle(path) == []
    page = build_report(read_bundle(path))
    assert "all is well" not in page
    assert page == build_report(suppress(comparison))
    assert check_bundle(forge(tmp_path / "changed.zip", files | {name: b"x"}, are_summed=False))[0].startswith(
        f"'{name}'"
    )


def test_the_prompt_template_of_a_stranger_is_never_rendered(files: Files, tmp_path: Path) -> None:
    receipt = json.loads(files["bundle.json"])
    mine = _with_run(receipt, settings={"template": {"name": "mine", "text": "{{ question }} and more"}}, n_requests=3)
    read = read_bundle(forge(tmp_path / "mine.zip", files | {"bundle.json": json.dumps(mine).encode()}))
    assert read.receipt["answers"][0]["run"]["about"] == {"n_requests": 3}
    ours = {"template": {"name": "default", "text": load_template("default").text}}
    mine = _with_run(receipt, settings=ours)
    read = read_bundle(forge(tmp_path / "ours.zip", files | {"bundle.json": json.dumps(mine).encode()}))
    assert read.receipt["answers"][0]["run"]["about"] == {"settings": ours}


def test_a_bundle_of_another_version_is_read(files: Files, tmp_path: Path) -> None:
    said = json.loads(files["bundle.json"]) | {"worldvaluesbench": "0.0.9"}
    path = forge(tmp_path / "old.zip", files | {"bundle.json": json.dumps(said).encode()})
    assert read_bundle(path).names
    assert check_bundle(path) == []
