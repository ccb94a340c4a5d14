"""The options of commands that ask: one that would do nothing is refused before anything is read or sent."""

from pathlib import Path

import pytest

from tests.cli.test_commands import Capture, run


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--local", "--rpm", "60"), "--rpm is of an endpoint, and --local asks none."),
        (("--local", "--base-url", "http://localhost:8000/v1"), "--base-url is of an endpoint"),
        (("--device", "cpu"), "--device is of local weights; give --local to run them."),
    ],
)
def test_an_option_of_the_other_kind_of_model_is_refused(
    capsys: Capture, tmp_path: Path, given: tuple[str, ...], message: str
) -> None:
    assert run("ask", tmp_path, "--split", "test", "--out", tmp_path / "run", "--model", "m", *given) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
