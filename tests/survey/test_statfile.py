"""The processes that read SPSS and Stata files: what they import, and how each end they may come to is told."""

import json
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from tests.survey import shapes
from worldvaluesbench.errors import SurveyFileError
from worldvaluesbench.survey.reader import _statworker as statworker
from worldvaluesbench.survey.reader._microdata import read_microdata
from worldvaluesbench.survey.reader._statfile import Stretch


@pytest.fixture
def sav(tmp_path: Path) -> Path:
    return shapes.write_sav(tmp_path / "s.sav")


def replace_python(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a shell script stand in for the Python that reads."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr("worldvaluesbench.survey.reader._statfile.sys.executable", str(path))


def test_nothing_is_imported_from_the_current_folder(
    sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for name in ("polars", "pyreadstat", "json", "worldvaluesbench"):
        (downloads / f"{name}.py").write_text(
            "from pathlib import Path\nPath('was_run').touch()\nraise SystemExit(1)\n"
        )
    monkeypatch.chdir(downloads)
    assert_frame_equal(read_microdata(sav).frame, shapes.expected_frame())
    assert not (downloads / "was_run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
@pytest.mark.parametrize("name", ["SEGV", "ABRT", "BUS", "ILL", "FPE"])
def test_a_crash_of_the_reader_means_a_damaged_file(
    name: str, sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C library below pyreadstat can bring its process down; what stands in for it here always does."""
    replace_python(tmp_path / "python", f"ulimit -c 0; kill -{name} $$", monkeypatch)
    with pytest.raises(SurveyFileError) as caught:
        read_microdata(sav)
    assert str(caught.value) == (
        "s.sav: cannot be read as SPSS (sav) (its reader crashed); the file is damaged, download it again."
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_a_reader_that_is_killed_says_nothing_about_the_file(
    name: str, sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_python(tmp_path / "python", f"kill -{name} $$", monkeypatch)
    with pytest.raises(SurveyFileError) as caught:
        read_microdata(sav)
    number = int(signal.Signals[f"SIG{name}"])
    assert str(caught.value) == (
        f"s.sav: its reader was killed (signal {number}), most likely for want of memory; "
        "free some memory and try again, or give the csv edition."
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there are no shell scripts")
def test_a_reader_that_fails_otherwise_is_a_bug_with_its_traceback(
    sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_python(tmp_path / "python", "echo KeyError >&2; exit 1", monkeypatch)
    with pytest.raises(RuntimeError, match=r"The reader of s\.sav failed:\nKeyError"):
        read_microdata(sav)


def test_a_reader_that_cannot_be_started_is_one_line(
    sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worldvaluesbench.survey.reader._statfile.sys.executable", str(tmp_path / "no python"))
    with pytest.raises(SurveyFileError, match=r"^s\.sav: cannot be read \(No such file or directory\); check .*$"):
        read_microdata(sav)


def test_a_temporary_folder_that_is_gone_is_one_line(
    sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(SurveyFileError, match=r"^s\.sav: cannot be read \(No such file or directory\); check .*$"):
        read_microdata(sav)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_disk_that_is_full_is_one_line_and_no_damage(sav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stretch = Stretch(str(sav), "s.sav", "sav", columns=["D_INTERVIEW", "Q1"], n_rows=12, target="/dev/full")
    statworker.main(json.dumps(asdict(stretch)))
    refusal = json.loads(capsys.readouterr().out)["refusal"]
    assert refusal.startswith("s.sav: cannot be read (No space left on device")
    assert refusal.endswith("; check its permissions and the free disk space.")


def test_a_temporary_folder_may_have_glob_signs(sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp [1]"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert_frame_equal(read_microdata(sav).frame, shapes.expected_frame())
    assert list(folder.iterdir()) == []
