"""Whatever happens while a command writes, killed, no room, no permission, a second writer, a wrong clock: its result
is the one from before, the new one, or none; and the next command works and clears what was left."""

import contextlib
import ctypes
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from tests.cli.test_commands import run
from tests.scoring.people import make_dataset, write_answers
from worldvaluesbench._io._folder import check_files, kind_of
from worldvaluesbench.reporting._bundle import check_bundle

JUDGED = ("--data", "wvs", "--resamples", "20")
COMMANDS = {
    "score": ("score", "a.tsv", "b.tsv", *JUDGED),
    "compare": ("compare", "a.tsv", "b.tsv", *JUDGED, "--by", ""),
    "baseline": ("baseline", "marginal", "wvs", "--split", "test", "--items", "Q57"),
    "tables": ("tables", "comparison"),
    "figures": ("figures", "comparison", "--items", "Q57"),
    "report": ("report", "comparison"),
    "bundle": ("bundle", "comparison"),
}
"""The commands that write a result of their own; those that draw take a comparison that is made already."""

WITH_ANSWERS = ("score", "compare")
N_PEOPLE = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People, two files of answers for them, and a comparison of both; other results are made in copies of it."""
    folder = tmp_path_factory.mktemp("made")
    make_dataset(
        folder / "wvs", {"Q57": [1, 2, 2, 2, 2, 1] * 20}, {"H_URBRURAL": [1, 2] * 60, "B_COUNTRY": [20] * 120},
        splits=["train"] * N_PEOPLE + ["test"] * N_PEOPLE,
    )  # fmt: skip
    for place, name in enumerate("ab"):
        people = range(101 + N_PEOPLE, 101 + 2 * N_PEOPLE)
        write_answers(folder / f"{name}.tsv", [("Q57", person, 1 + (person + place) % 2) for person in people])
    with contextlib.chdir(folder):
        assert run(*COMMANDS["compare"], "--out", "comparison") == 0
    return folder


@pytest.fixture
def workplace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def out_of(command: str) -> Path:
    return Path("results", "out.zip" if command == "bundle" else "out")


def line_of(command: str, *more: str) -> list[str]:
    arguments = (*COMMANDS[command], "--out", str(out_of(command)), *more)
    return [sys.executable, "-m", "worldvaluesbench", *arguments]


def content_of(out: Path) -> dict[str, bytes] | None:
    """What a result holds, after looking whether it is whole; None where there is none."""
    if not out.exists():
        return None
    if out.suffix == ".zip":
        assert check_bundle(out) == []
        return {"zip": out.read_bytes()}
    kind = kind_of(out)
    assert kind is not None
    check_files(out, kind)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def make(command: str, *more: str) -> dict[str, bytes]:
    done = subprocess.run(line_of(command, *more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    content = content_of(out_of(command))
    assert content is not None
    return content


def make_another(command: str) -> dict[str, bytes]:
    """An earlier result of the same kind, told from the new one by what it is of."""
    another = {
        "score": ("a.tsv", *JUDGED, "--seed", "1"), "compare": ("a.tsv", *JUDGED, "--by", ""),
        "baseline": (*COMMANDS["baseline"][1:], "--name", "other"),
    }.get(command)  # fmt: skip
    if another is None:
        run("compare", "b.tsv", *JUDGED, "--by", "", "--out", "one")
        another = ("one", *COMMANDS[command][2:])
    assert run(command, *another, "--out", out_of(command)) == 0
    content = content_of(out_of(command))
    assert content is not None
    return content


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line with which a command refused."""
    lines = [line for line in done.stderr.splitlines() if "items fitted" not in line]
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("wvb: ")
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_moment_it_leaves_the_old_result_or_the_new(workplace: Path, command: str) -> None:
    old = make_another(command)
    chance = random.Random(command)
    contents = [old]
    for moment in ("writing", "writing", "any", "writing", "any"):
        process = subprocess.Popen(
            line_of(command, "--force"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )  # the moment of the kill is what is tested
        while moment == "writing" and process.poll() is None and not list(workplace.glob(".out*.unfinished.*")):
            time.sleep(0.001)
        time.sleep(chance.choice((0.0, 0.005, 0.02, 0.05, 0.3)) if moment == "writing" else chance.uniform(0.5, 3))
        process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
        content = content_of(out_of(command))
        assert content is not None
        contents.append(content)
    new = make(command, "--force")
    assert new != old
    assert all(content in (old, new) for content in contents)
    assert [path.name for path in workplace.iterdir()] == [out_of(command).name], "the next one clears what was left"


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_where_nothing_was_it_leaves_nothing_or_all(workplace: Path, command: str) -> None:
    process = subprocess.Popen(line_of(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(workplace.glob(".out*.unfinished.*")):
        time.sleep(0.001)
    process.kill()
    process.wait()
    content = content_of(out_of(command))
    new = make(command, *(() if content is None else ("--force",)))
    assert content in (None, new)
    assert [path.name for path in workplace.iterdir()] == [out_of(command).name]


def with_room(n_bytes: int) -> Callable[[], None]:
    """What makes a process one on a disk where no file can be longer: as where it is full, a part still fits."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


@pytest.mark.parametrize("room", [0, 2000])
@pytest.mark.parametrize("command", COMMANDS)
def test_where_the_disk_is_full_it_says_so_in_a_line_and_the_old_result_stays(
    workplace: Path, command: str, room: int
) -> None:
    old = make_another(command)
    assert max(map(len, old.values())) > room
    done = subprocess.run(
        line_of(command, "--force"), capture_output=True, text=True, check=False, preexec_fn=with_room(room)
    )
    assert "File too large" in refused(done)
    assert "nothing was changed" in refused(done)
    assert content_of(out_of(command)) == old
    assert [path.name for path in workplace.iterdir()] == [out_of(command).name]


def without_privileges() -> None:
    """What makes a process of root one for which permissions hold."""
    if os.geteuid() == 0:
        drop, overrides = 24, (1, 2)  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        for capability in overrides:
            if ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0) != 0:
                raise OSError


def permissions_hold(folder: Path) -> bool:
    folder.chmod(0o555)
    try:
        subprocess.run(["touch", folder / "x"], check=True, capture_output=True, preexec_fn=without_privileges)
    except (subprocess.CalledProcessError, subprocess.SubprocessError):
        pass
    finally:
        folder.chmod(0o755)
    if not (folder / "x").exists():
        return True
    (folder / "x").unlink()
    return False


@pytest.mark.parametrize("has_old", [True, False])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_read_only_is_said_in_a_line(workplace: Path, command: str, has_old: bool) -> None:
    if not permissions_hold(workplace):
        pytest.skip("permissions do not bind this user")
    old = make_another(command) if has_old else None
    workplace.chmod(0o555)
    try:
        done = subprocess.run(
            line_of(command, "--force"), capture_output=True, text=True, check=False, preexec_fn=without_privileges
        )
    finally:
        workplace.chmod(0o755)
    assert f"cannot be written, for {workplace} is read-only; choose another place." in refused(done)
    assert content_of(out_of(command)) == old


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_place_of_the_folder_above_is_said_in_a_line(workplace: Path, command: str) -> None:
    workplace.rmdir()
    workplace.write_text("a file")
    done = subprocess.run(line_of(command), capture_output=True, text=True, check=False)
    assert "cannot be written" in refused(done)
    assert workplace.read_text() == "a file"


def outcomes_of_two(lines: Sequence[Sequence[str]]) -> list["subprocess.CompletedProcess[str]"]:
    """Two commands that are run at once."""
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for line in lines]
    return [subprocess.CompletedProcess(one.args, one.returncode, *said) for one in both if (said := one.communicate())]


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["new", "force"])
@pytest.mark.parametrize("command", COMMANDS)
def test_of_two_writers_none_spoils_what_the_other_made(workplace: Path, command: str, force: tuple[str, ...]) -> None:
    if force:
        make_another(command)
    done = outcomes_of_two([line_of(command, *force)] * 2)
    codes = sorted(one.returncode for one in done)
    assert codes == [0, 0] if force else codes in ([0, 0], [0, 1]), [one.stderr for one in done]
    for one in done:
        if one.returncode:
            assert "give --force to replace it" in refused(one) or "nothing was changed" in refused(one)
    content = content_of(out_of(command))
    assert content == make(command, "--force")
    assert [path.name for path in workplace.iterdir()] == [out_of(command).name]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_clock_says_changes_nothing(workplace: Path, made: Path, command: str) -> None:
    """Files of the year 2100, as a clock that was moved back finds them, and files of 1970."""
    contents = []
    for when in (4_102_444_800, 0):
        leftover = workplace / f".{out_of(command).name}.unfinished.abc"
        leftover.mkdir()
        for path in (leftover, *made.rglob("*"), *workplace.rglob("*")):
            os.utime(path, (when, when))
        contents.append(make(command, "--force"))
        assert [path.name for path in workplace.iterdir()] == [out_of(command).name]
    assert contents[0] == contents[1]


def test_answers_of_a_damaged_table_are_refused_in_a_line(workplace: Path) -> None:
    table = pl.DataFrame({"QUESTION_ID": ["Q57"] * 60, "PARTICIPANT_ID": range(161, 221), "SCORE": [1] * 60})
    table.write_parquet("whole.parquet")
    content = Path("whole.parquet").read_bytes()
    chance = random.Random(5)
    for name, damaged in (
        *((f"cut-{n}", content[:n]) for n in (4, 12, len(content) // 2, len(content) - 9)),
        *((f"flipped-{n}", flipped(content, n)) for n in chance.sample(range(len(content)), 40)),
    ):
        Path("odd.parquet").write_bytes(damaged)
        code = run("score", "odd.parquet", *JUDGED, "--out", "results/out", "--force")
        assert code in (0, 1), name


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
