"""A result folder is whole or absent, and only ours is ever replaced."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from worldvaluesbench.errors import FolderError
from worldvaluesbench.folder import MANIFEST, manifest_of, new_file, new_folder, read_manifest, write_json


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def make(folder: Path, text: str, *, force: bool = False) -> None:
    with new_folder(folder, "thing", force=force) as staging:
        (staging / "content.txt").write_text(text)
        write_json(staging / MANIFEST, manifest_of("thing", {}))


def test_a_folder_appears_whole_and_alone(tmp_path: Path) -> None:
    make(tmp_path / "deep" / "out", "one")
    assert read_manifest(tmp_path / "deep" / "out", "thing")["kind"] == "thing"
    assert names(tmp_path / "deep") == ["out"]


def fail_with_half(manager: AbstractContextManager[Path], name: str) -> None:
    with manager as staging:
        (staging / name).write_text("half")
        raise RuntimeError


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail_with_half(new_folder(tmp_path / "out", "thing"), "content.txt")
    assert names(tmp_path) == []


def test_a_block_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no finished thing folder"), new_folder(tmp_path / "out", "thing"):
        pass
    assert names(tmp_path) == []


def test_an_existing_result_is_replaced_only_with_force(tmp_path: Path) -> None:
    make(tmp_path / "out", "one")
    with pytest.raises(FolderError, match="is not empty; choose another folder or give --force"):
        make(tmp_path / "out", "two")
    make(tmp_path / "out", "two", force=True)
    assert (tmp_path / "out" / "content.txt").read_text() == "two"
    assert names(tmp_path) == ["out"]


def test_a_failed_replacement_keeps_the_old_result(tmp_path: Path) -> None:
    make(tmp_path / "out", "one")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out", "thing", force=True):
        raise RuntimeError
    assert (tmp_path / "out" / "content.txt").read_text() == "one"


def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with pytest.raises(FolderError, match="--force does not replace it"):
        make(tmp_path / "out", "two", force=True)
    assert (tmp_path / "out" / "thesis.docx").exists()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    make(tmp_path / "out", "one")
    assert read_manifest(tmp_path / "out", "thing")


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FolderError, match="is a file; expected the name of a folder"):
        make(tmp_path / "out", "one")
    with pytest.raises(FolderError, match="cannot be written"):
        make(tmp_path / "out" / "below", "one")


def test_what_a_killed_run_left_is_cleared_and_what_it_was_replacing_is_put_back(tmp_path: Path) -> None:
    dead = 2**22 + 1  # beyond the largest process number
    (tmp_path / f".out.unfinished.{dead}").mkdir()
    make(tmp_path / "kept", "old")
    (tmp_path / "kept").rename(tmp_path / f".out.replaced.{dead}")
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out", "thing", force=True):
        raise RuntimeError
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "content.txt").read_text() == "old"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no manifest.json"),
        ("{", "cannot be read as JSON"),
        ("[]", "this is a foreign folder, expected a thing folder"),
        ('{"kind": "probe"}', "this is a probe folder, expected a thing folder"),
    ],
)
def test_an_unfinished_or_foreign_folder_is_not_read(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(FolderError, match=message):
        read_manifest(tmp_path, "thing")


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="there is no such folder"):
        read_manifest(tmp_path / "none", "thing")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail_with_half(new_file(tmp_path / "out.csv"), "")
    assert names(tmp_path) == []
    with new_file(tmp_path / "out.csv") as path:
        assert path.suffix == ".csv"
        path.write_text("one")
    with pytest.raises(FolderError, match="exists already"), new_file(tmp_path / "out.csv"):
        pass
    with new_file(tmp_path / "out.csv", force=True) as path:
        path.write_text("two")
    assert (tmp_path / "out.csv").read_text() == "two"
    with pytest.raises(FolderError, match="is a folder"), new_file(tmp_path):
        pass
