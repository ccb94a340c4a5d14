"""A result folder is whole or absent, and only ours is ever replaced."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from worldvaluesbench._io import _folder as folder_module
from worldvaluesbench._io._folder import (
    MANIFEST,
    OwnFile,
    check_destination,
    check_files,
    new_file,
    new_folder,
    read_manifest,
    write_manifest,
)
from worldvaluesbench.errors import FolderError


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def make(folder: Path, text: str, *, force: bool = False) -> None:
    with new_folder(folder, "thing", force=force) as staging:
        (staging / "content.txt").write_text(text)
        write_manifest(staging, "thing", {})


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
    with pytest.raises(FolderError, match="is not empty; choose another folder or give --force to replace it"):
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
    (tmp_path / ".out.unfinished.abc123").mkdir()
    make(tmp_path / "kept", "old")
    (tmp_path / "kept").rename(tmp_path / ".out.replaced.xyz789")
    with pytest.raises(FolderError, match="is not empty"):
        make(tmp_path / "out", "new")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "content.txt").read_text() == "old"


def test_what_a_living_run_is_writing_is_left_alone(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out", "thing") as staging:
        make(tmp_path / "out", "by another run")
        assert staging.is_dir()
        (staging / "content.txt").write_text("by this run")
        write_manifest(staging, "thing", {})
        (tmp_path / "out" / "content.txt").unlink()
        (tmp_path / "out" / MANIFEST).unlink()
    assert (tmp_path / "out" / "content.txt").read_text() == "by this run"


def test_leftovers_of_another_name_are_left_alone(tmp_path: Path) -> None:
    for name in (".run1.replaced.abc", ".run[12].unfinished.abc.d", ".other.unfinished.abc"):
        (tmp_path / name).mkdir()
    make(tmp_path / "run[12]", "one")
    assert sorted(names(tmp_path)) == [
        ".other.unfinished.abc",
        ".run1.replaced.abc",
        ".run[12].unfinished.abc.d",
        "run[12]",
    ]


@pytest.mark.parametrize("exchanges", [True, False])
def test_whatever_fails_while_moving_the_old_result_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    make(tmp_path / "out", "old")
    if not exchanges:
        monkeypatch.setattr(folder_module, "_exchange", lambda first, second: False)
        make(tmp_path / "out", "older", force=True)
        assert (tmp_path / "out" / "content.txt").read_text() == "older"
    renamed = Path.rename

    def fail_at_staging(self: Path, target: Path) -> Path:
        if ".unfinished." in self.name:
            raise OSError(28, "No space left on device")
        return renamed(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_staging)
    monkeypatch.setattr(folder_module, "_exchange", lambda first, second: False)
    with pytest.raises(FolderError, match=r"writing failed \(No space left on device\); nothing was changed"):
        make(tmp_path / "out", "new", force=True)
    monkeypatch.undo()
    assert (tmp_path / "out" / "content.txt").read_text() in ("old", "older")
    assert names(tmp_path) == ["out"]


def test_a_link_to_a_folder_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    make(tmp_path / "out", "one")
    make(tmp_path / "out", "two", force=True)
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "content.txt").read_text() == "two"


def test_a_result_that_holds_more_than_it_was_made_with_is_not_replaced(tmp_path: Path) -> None:
    make(tmp_path / "out", "one")
    (tmp_path / "out" / "answers").mkdir()
    (tmp_path / "out" / "answers" / "paid.tsv").write_text("dear")
    with pytest.raises(FolderError, match=r"out: holds answers, which no thing folder of `wvb` has"):
        make(tmp_path / "out", "two", force=True)
    assert (tmp_path / "out" / "answers" / "paid.tsv").exists()


def test_a_file_that_was_changed_is_noticed_whatever_its_size(tmp_path: Path) -> None:
    make(tmp_path / "out", "one")
    assert check_files(tmp_path / "out", "thing")["files"]["content.txt"]["size"] == 3
    (tmp_path / "out" / "content.txt").write_text("two")
    with pytest.raises(FolderError, match=r"content\.txt: is absent or was changed since it was made"):
        check_files(tmp_path / "out", "thing")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no manifest.json"),
        ("{", "cannot be read as JSON"),
        ("[]", "this is a foreign folder, expected a thing folder"),
        ('{"kind": "probe"}', "this is a probe folder, expected a thing folder"),
        ('{"kind": "thing"}', "says nothing of its files"),
        ("[" * 100_000, "cannot be read as JSON"),
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


def test_force_replaces_no_file_of_another_kind(tmp_path: Path) -> None:
    own = OwnFile("note", lambda path: path.read_text().startswith("note"))
    (tmp_path / "survey.zip").write_text("people")
    with (
        pytest.raises(FolderError, match=r"survey\.zip: is no note, so --force does not replace it"),
        new_file(tmp_path / "survey.zip", force=True, own=own),
    ):
        pass
    assert (tmp_path / "survey.zip").read_text() == "people"
    (tmp_path / "own.zip").write_text("note one")
    with new_file(tmp_path / "own.zip", force=True, own=own) as path:
        path.write_text("note two")
    assert (tmp_path / "own.zip").read_text() == "note two"


def test_force_names_the_kind_of_a_folder_that_it_does_not_replace(tmp_path: Path) -> None:
    make(tmp_path / "out", "one")
    with pytest.raises(FolderError, match="is a thing folder, and --force replaces only an earlier scores folder"):
        check_destination(tmp_path / "out", "scores", force=True)


def test_the_folder_one_is_in_is_not_pulled_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "out", "one")
    monkeypatch.chdir(tmp_path / "out")
    with pytest.raises(FolderError, match="you are in this folder"):
        make(Path(), "two", force=True)
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "out" / ".." / "out", "two", force=True)
    assert (tmp_path / "out" / "content.txt").read_text() == "two"


def test_no_file_is_written_into_a_result_folder(tmp_path: Path) -> None:
    make(tmp_path / "out", "one")
    with pytest.raises(FolderError, match="would stand in a result folder"), new_file(tmp_path / "out" / "x.csv"):
        pass


def test_a_writer_that_fails_for_want_of_space_without_an_oserror_is_one_line(tmp_path: Path) -> None:
    def fail() -> None:
        with new_file(tmp_path / "out.parquet"):
            raise ValueError("No space left on device (os error 28)\nat some frame")

    with pytest.raises(FolderError, match=r"writing failed \(No space left on device \(os error 28\) at some frame\)"):
        fail()
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", ["null", "[]", '"x"'])
def test_a_manifest_without_what_is_read_of_it_is_refused_in_a_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(f'{{"kind": "probe", "files": {{}}, "spec": {content}}}')
    for part in ("spec", "dataset"):
        with pytest.raises(FolderError, match=f"says nothing of its {part}; make the probe folder again"):
            read_manifest(tmp_path, "probe", part)


def test_a_file_that_another_wrote_meanwhile_is_not_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"

    def write() -> None:
        with new_file(out) as aside:
            aside.write_text("ours")
            out.write_text("another's")

    with pytest.raises(FolderError, match="exists already"):
        write()
    assert out.read_text() == "another's"
    assert [path.name for path in tmp_path.iterdir()] == ["out.zip"]
