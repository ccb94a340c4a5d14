"""Forged bundles: whatever somebody puts into one beside aggregates is refused, though its checksums are right."""

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from worldvaluesbench.errors import BundleError
from worldvaluesbench.reporting.bundle._file import check_bundle, read_bundle
from worldvaluesbench.reporting.bundle._receipt import receipt_problems
from worldvaluesbench.reporting.bundle._safe_template import is_safe
from worldvaluesbench.reporting.bundle._texts import id_in
from worldvaluesbench.reporting.bundle._zip import is_bundle
from worldvaluesbench.survey._codebook import load_codebook

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


def test_a_copy_with_nothing_changed_is_sound(files: Files, tmp_path: Path) -> None:
    assert check_bundle(forge(tmp_path / "copy.zip", files)) == []


# what a zip can hide


def _with_comment(path: Path, files: Files) -> None:
    with zipfile.ZipFile(forge(path, files), "a") as archive:
        archive.comment = PEOPLE.encode()


def _with_bytes_before(path: Path, files: Files) -> None:
    path.write_bytes(PEOPLE.encode() + forge(path, files).read_bytes())


def _with_a_name_twice(path: Path, files: Files) -> None:
    forge(path, files)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("README.md"), PEOPLE)


def _with_a_folder(path: Path, files: Files) -> None:
    with zipfile.ZipFile(forge(path, files), "a") as archive:
        archive.writestr(zipfile.ZipInfo("people/"), PEOPLE)


def _with_a_link(path: Path, files: Files) -> None:
    link = zipfile.ZipInfo("README.md")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(forge(path, {name: files[name] for name in files if name != "README.md"}), "a") as archive:
        archive.writestr(link, "/etc/passwd")


def _with_extra_fields(path: Path, files: Files) -> None:
    entry = zipfile.ZipInfo("people.csv")
    entry.extra = struct.pack("<HH", 0x9999, 8) + b"76070001"
    with zipfile.ZipFile(forge(path, files), "a") as archive:
        archive.writestr(entry, "")


def _with_many_files(path: Path, files: Files) -> None:
    with zipfile.ZipFile(forge(path, files), "a") as archive:
        for n in range(100):
            archive.writestr(zipfile.ZipInfo(f"{n}"), "")


def _with_a_flag(place: int, value: int) -> Callable[[Path, Files], None]:
    """Set a byte in every entry of the central directory (its place) and in every local header (two before)."""

    def forged(path: Path, files: Files) -> None:
        content = bytearray(forge(path, files).read_bytes())
        for mark, offset in ((b"PK\x01\x02", place), (b"PK\x03\x04", place - 2)):
            for found in re.finditer(mark, bytes(content)):
                content[found.start() + offset] = value
        path.write_bytes(content)

    return forged


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
        (_with_comment, "it has a comment"),
        (_with_bytes_before, "bytes before '.*' that belong to no file"),
        (_with_a_name_twice, "'README.md' stands in it twice"),
        (_with_a_folder, "'people/' is no plain file"),
        (_with_a_link, "'README.md' is no plain file"),
        (_with_extra_fields, "'people.csv' has a comment or extra fields"),
        (_with_many_files, "files, more than any bundle"),
        (_with_a_flag(8, 1), "is encrypted"),
        (_with_a_flag(10, 97), "is packed in a way that is neither stored nor deflated"),
        (_with_a_bomb, "'report.html' unpacks to more than 200 times its size"),
        (_with_a_great_bomb, "it unpacks to more than 256 MB"),
        (_with_half_of_it, "cannot be read as a zip"),
    ],
)
def test_a_zip_that_could_hide_something_is_refused(
    files: Files, tmp_path: Path, forged: Callable[[Path, Files], None], message: str
) -> None:
    path = tmp_path / "forged.zip"
    forged(path, files)
    assert re.search(message, refusal(path))


def test_bytes_after_the_end_of_what_is_packed_are_refused(files: Files, tmp_path: Path) -> None:
    path = forge(tmp_path / "after.zip", files)
    path.write_bytes(path.read_bytes() + PEOPLE.encode())
    assert "bytes after its files" in refusal(path) or "cannot be read as a zip" in refusal(path)


def test_whether_a_damaged_zip_is_a_bundle_is_no_error(files: Files, tmp_path: Path) -> None:
    path = forge(tmp_path / "damaged.zip", files)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02")] = 0
    path.write_bytes(content)
    assert not is_bundle(path)
    assert "cannot be read as a zip" in refusal(path)


# what tables can hide


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


def _a_gap(found: pl.DataFrame, **values: object) -> pl.DataFrame:
    """One row of a gap between groups."""
    return pl.DataFrame([{"grouping": "H_URBRURAL", "answers": "model"} | values], schema=found.schema)


@pytest.mark.parametrize(
    ("name", "forged", "message"),
    [
        ("scores", lambda found: found.drop("distance"), "lacks the column distance"),
        (
            "scores",
            lambda found: found.cast({"n_responses": pl.String}),
            "n_responses is of type String, expected Int64",
        ),
        ("scores", lambda found: found.select(reversed(found.columns)), "stand in another order"),
        ("scores", lambda found: found.clear(), "scores.parquet has no rows"),
        ("scores", _first("n_responses", 9), "has numbers of 1 cells with fewer than 10 people"),
        ("scores", _all(n_responses=None), "with fewer than 10 people"),
        ("scores", _all(is_too_small=True), "has numbers of cells that are said to be too small"),
        ("scores", _first("group", "76070001"), "has the group '76070001' of 'all', which the codebook lacks"),
        ("scores", _first("item_id", "Q999"), "has 'Q999' in item_id"),
        ("scores", _first("topic", "Religious Values"), "has an item under a topic that is not its own"),
        ("scores", _first("answers", PEOPLE), "has 'respondent_id,Q1,Q2"),
        ("scores", _first("edition", "76070001"), "has '76070001' in edition"),
        ("scores", _first("left_out", PEOPLE), "in left_out"),
        ("scores", lambda found: pl.concat([found, found.head(1)]), "has two rows of the same answers, item_id"),
        ("distributions", _first("group", "76070001"), "has the group '76070001', which this comparison has not"),
        ("distributions", _first("grouping", "Q260"), "has the grouping 'Q260', which this comparison has not"),
        ("distributions", _first("humans", 0.9999), "has distributions that are none"),
        ("distributions", _first("rating", 9), "has distributions that are none"),
        ("individuals", _first("n", 1), "has numbers of 1 cells with fewer than 10 people"),
        ("individuals_summary", _first("answered_by", "me"), "has 'me' in answered_by"),
        ("leaderboard", _first("n_examples", 1), "has numbers of 1 cells with fewer than 10 people"),
        ("leaderboard", _first("kind", "76070001"), "has '76070001' in kind"),
        (
            "leaderboard",
            lambda found: found.with_columns(mean=pl.concat_list("mean", "mean")),
            "has lists in its column mean, which no table of a bundle has",
        ),
        ("summary", lambda found: found.with_columns(pl.col("mean") + 1e-9), "has numbers with more decimals"),
        ("table_2", _first("n_responses", 3), "has numbers of 1 cells with fewer than 10 people"),
        ("demographics", _first("model", "76070001"), "has '76070001' in model"),
        ("disparity", lambda found: _a_gap(found, worst="76070001"), "has the group '76070001', which this comparison"),
        ("countries", _first("name", "76070001"), "has '76070001' in name"),
    ],
)
def test_a_table_that_holds_anything_else_is_refused(
    files: Files, tmp_path: Path, name: str, forged: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    path = forge(tmp_path / "forged.zip", files | {f"tables/{name}.parquet": parquet(forged(table(files, name)))})
    assert any(message in problem for problem in check_bundle(path)), check_bundle(path)
    refusal(path)


def test_distributions_of_cells_that_are_not_shown_are_refused(files: Files, tmp_path: Path) -> None:
    scores = table(files, "scores")
    small = scores.filter("is_too_small").row(0, named=True)
    shown = table(files, "distributions")
    keys = {name: pl.lit(small[name], shown[name].dtype) for name in ("answers", "grouping", "group", "group_codes")}
    first = shown.filter(item_id=small["item_id"], answers=shown["answers"][0], grouping="all").with_columns(**keys)
    path = forge(tmp_path / "small.zip", files | {"tables/distributions.parquet": parquet(pl.concat([shown, first]))})
    assert f"has {first.height} rows with numbers whose scores are not in the bundle" in refusal(path)


def test_metadata_of_a_table_and_tables_that_are_absent_are_refused(files: Files, tmp_path: Path) -> None:
    content = parquet(table(files, "pairs"), metadata={"people": PEOPLE})
    assert "has metadata of its own" in refusal(forge(tmp_path / "m.zip", files | {"tables/pairs.parquet": content}))
    fewer = {name: content for name, content in files.items() if name != "tables/leaderboard.parquet"}
    assert "tables/leaderboard.parquet is missing" in refusal(forge(tmp_path / "fewer.zip", fewer))


# what texts can hide


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


def test_what_is_said_of_coverage_and_what_earlier_versions_do_not_say_is_sound(files: Files) -> None:
    receipt = json.loads(files["bundle.json"])
    assert list(receipt_problems(json.dumps(_with_coverage(receipt, COVERAGE)).encode())) == []
    del receipt["settings"]["min_coverage"], receipt["answers"][0]["coverage"]
    assert list(receipt_problems(json.dumps(receipt).encode())) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b"{not json", "is no JSON object"),
        (lambda _: b"{}", "lacks kind"),
        (lambda _: b"[]", "is no JSON object"),
        (lambda _: b"[" * 100_000, "is no JSON object"),
        (lambda said: said | {"people": PEOPLE}, "says 'people', which no comparison says"),
        (lambda said: said | {"answers": 3}, "lacks answers, or it is not as in any comparison"),
        (lambda said: said | {"settings": said["settings"] | {"min_n": 1}}, "cells of 1 people and more are shown"),
        (lambda said: said | {"settings": said["settings"] | {"groupings": ["me"]}}, "There is no attribute 'me'"),
        (lambda said: said | {"settings": said["settings"] | {"resampling": {"n": 3}}}, "lacks settings.resampling"),
        (
            lambda said: _resampled(said, n="3"),
            "has settings that cannot be (The number of resamples is a whole number",
        ),
        (lambda said: _resampled(said, method="mine"), "has settings that cannot be (There is no interval 'mine'"),
        (lambda said: _with_run(said, settings={"attributes": 3}), "lacks answers.run.about"),
        (lambda said: _with_run(said, n_requests="many"), "lacks answers.run.about"),
        (lambda said: said | {"settings": said["settings"] | {"min_coverage": 2}}, "lacks settings.min_coverage"),
        (lambda said: _with_coverage(said, 3), "lacks answers.coverage"),
        (lambda said: _with_coverage(said, COVERAGE | {"n_answers": "76070001"}), "lacks answers.coverage"),
        (lambda said: _with_coverage(said, COVERAGE | {"lowest": 1.5}), "lacks answers.coverage"),
        (lambda said: _with_coverage(said, COVERAGE | {"lowest": None}), "lacks answers.coverage"),
        (lambda said: said | {"sorts": {}}, "names other answers in one place than in another"),
        (lambda said: said | {"worldvaluesbench": "76070001"}, "holds 76070001 in worldvaluesbench"),
        (lambda said: said | {"worldvaluesbench": "x" * 30_000}, "has 30,000 letters in worldvaluesbench"),
        (lambda said: said | {"examples_sha256": list(range(2000))}, "has 2,000 entries in examples_sha256"),
    ],
)
def test_a_receipt_that_is_none_is_refused(files: Files, tmp_path: Path, change: Any, message: str) -> None:
    said = change(json.loads(files["bundle.json"]))
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    assert message in refusal(forge(tmp_path / "said.zip", files | {"bundle.json": content}))


def test_a_template_that_could_run_long_is_refused(files: Files) -> None:
    receipt = json.loads(files["bundle.json"])
    endless = "{{ question }}" + "{% for a in options %}{% for b in options %}{{ a }}{% endfor %}{% endfor %}"
    receipt = _with_run(receipt, settings={"template": {"name": "mine", "text": endless}})
    assert "has a prompt template of model that does more" in next(receipt_problems(json.dumps(receipt).encode()))


def test_our_own_templates_are_rendered_and_programs_are_not() -> None:
    folder = Path(__file__).parents[2] / "src" / "worldvaluesbench" / "data" / "prompts"
    own = sorted(folder.glob("*.jinja"))
    assert own
    assert all(is_safe(path.read_text(encoding="utf-8").partition("\n")[2]) for path in own)
    for text in (
        "{% for a in range(10**9) %}{{ a }}{% endfor %}",
        "{{ question * 10**9 }}",
        "{{ question.__class__ }}",
        "{{ question | center(10000000000) }}",
        "{{ options | map('center', 1000000000) | join }}",
        "{{ options | map('first', x=1) | join }}",
        "{% set a = question ~ question %}",
        "{% macro f() %}{% endmacro %}",
        "{% if",
        "x" * 20_000,
    ):
        assert not is_safe(text), text


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("README.md", lambda _: PEOPLE, "holds 76070000, which looks like the id of a respondent"),
        ("README.md", lambda _: "1,2,3\n" * 21, "holds a table of 21 lines"),
        ("README.md", lambda text: text + "And more.", "is not the card of these tables"),
        ("SHA256SUMS", lambda text: text + PEOPLE, "holds more than checksums"),
        ("report.html", lambda text: text + "<!-- a -->", "has a comment"),
        ("report.html", lambda text: text + "<script>fetch('x')</script>", "is not the report of these tables"),
        (
            "report.html",
            lambda text: text.replace("<main", '<img src="https://example.org"><main'),
            "has the element img",
        ),
        ("report.html", lambda text: text.replace("<main", '<main onclick="a()"', 1), "has the attribute onclick"),
        ("report.html", lambda text: text.replace('href="#how"', 'href="https://example.org"'), "leads to"),
        ("report.html", lambda text: text.replace('fill="', 'fill="url(https://example.org)', 1), "draws with"),
        ("report.html", lambda text: text.replace('id="x-cells">', 'id="x-cells">AAAA'), "is not the report of these"),
        ("report.html", lambda text: text.replace("</h1>", "!</h1>"), "is not the report of these tables"),
    ],
)
def test_a_text_that_says_anything_else_is_refused(
    files: Files, tmp_path: Path, name: str, change: Callable[[str], str], message: str
) -> None:
    content = change(files[name].decode()).encode()
    path = forge(tmp_path / "text.zip", files | {name: content}, are_summed=name != "SHA256SUMS")
    assert message in check_bundle(path)[0]


def test_a_bundle_of_another_version_is_read_but_not_vouched_for(files: Files, tmp_path: Path) -> None:
    said = json.loads(files["bundle.json"]) | {"worldvaluesbench": "0.0.9"}
    path = forge(tmp_path / "old.zip", files | {"bundle.json": json.dumps(said).encode()})
    assert read_bundle(path).names
    assert check_bundle(path)[0].startswith("was made by worldvaluesbench 0.0.9, and this is ")


def test_ids_are_told_from_other_numbers() -> None:
    for country in load_codebook().countries:
        assert id_in(f"somebody, {country.code}070012,") == f"{country.code}070012"
    assert id_in("858069901") == "858069901"
    for text in ("M343942,20.5", "0.76070012", "76070012.5", "a76070012", "20444177", "1,234,567", "7607001"):
        assert id_in(text) is None, text
