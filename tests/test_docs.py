"""The documents are true: their commands run, every public class is in the glossary, links lead somewhere."""

import ast
import re
import runpy
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

import worldvaluesbench
from worldvaluesbench.benchmark._build import build_dataset
from worldvaluesbench.benchmark._dataset import Dataset
from worldvaluesbench.cli import COMMANDS, main
from worldvaluesbench.models.standin._server import mock_server
from worldvaluesbench.survey._codebook import load_codebook
from worldvaluesbench.survey.synthetic._synthetic import write_synthetic

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paper: Dataset) -> Path:
    """A folder with the files that the README names: a zipped survey file and a file of answers."""
    write_synthetic(tmp_path / "survey.zip", 4_000, seed=1)
    test = paper.examples("test", ["Q1", "Q48"]).collect()
    test.select(
        pl.col("item_id").cast(pl.String).alias("QUESTION_ID"), PARTICIPANT_ID="respondent_id", SCORE=pl.lit(2)
    ).write_csv(tmp_path / "answers.tsv", separator="\t")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with mock_server() as base_url:
        yield base_url


def test_the_readmes_commands_and_python_run(workplace: Path, endpoint: str) -> None:
    for line in "".join(blocks(README, "sh")).splitlines():
        words = shlex.split(line.replace("http://localhost:8000/v1", endpoint), comments=True)
        if words and words[0] == "wvb":
            with pytest.raises(SystemExit) as stopped:
                main(words[1:])
            assert not stopped.value.code, line
        elif words:
            assert words[0] == "make"
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"wvs", "probe", "scores", "published"} <= {path.name for path in workplace.iterdir()}
    for number, code in enumerate(blocks(README, "python")):
        (workplace / f"block{number}.py").write_text(code)
        runpy.run_path(f"block{number}.py")
    assert (workplace / "wvs-corrected" / "manifest.json").exists()


def test_the_python_of_the_page_on_asking_runs(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_dataset(workplace / "survey.zip", workplace / "wvs")
    (code,) = blocks((ROOT / "docs" / "asking.md").read_text(encoding="utf-8"), "python")
    (workplace / "block.py").write_text(code)
    runpy.run_path("block.py")
    n_done, unparsed = capsys.readouterr().out.split(maxsplit=1)
    assert int(n_done) > 100
    assert unparsed == "{}\n"


def test_the_readmes_first_commands_are_demo_and_test() -> None:
    first = blocks(README, "sh")[0].splitlines()
    assert [line.split("#")[0].split() for line in first] == [["make", "demo"], ["make", "test"]]


def test_the_readmes_output_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = next(block for block in blocks(README, "text") if block.startswith("$ wvb items Q56"))
    with pytest.raises(SystemExit):
        main(["items", "Q56"])
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    for line in shown.splitlines()[1:]:
        assert line.split() in printed


def test_the_glossary_names_every_public_class_and_no_other() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    classes = [name for name in dir(worldvaluesbench) if isinstance(getattr(worldvaluesbench, name), type)]
    assert not [name for name in classes if f"`{name}`" not in glossary and not name.endswith("Error")]
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    in_code = "".join(line.rsplit("|", 2)[1] for line in glossary.splitlines() if line.startswith("| "))
    named = re.findall(r"`([A-Z]\w+)`", in_code)
    assert len(named) > 40
    assert not [name for name in named if not re.search(rf"^class {name}\b|^{name} = ", source, flags=re.MULTILINE)]


def test_every_name_of_every_door_is_there() -> None:
    for stub in sorted((ROOT / "src").rglob("__init__.pyi")):
        door = import_module(".".join(stub.relative_to(ROOT / "src").parent.parts))
        names = [alias.name for node in ast.parse(stub.read_text("utf-8")).body for alias in node.names]  # type: ignore[attr-defined]
        assert names == [name for name in names if hasattr(door, name)]
        assert set(names) == set(dir(door))


def test_every_missing_reason_and_command_is_documented() -> None:
    survey_files = (ROOT / "docs" / "survey-files.md").read_text(encoding="utf-8")
    for missing in load_codebook().missing_reasons:
        assert f"`{missing.reason}`" in survey_files
        assert f"| {missing.code} |" in survey_files
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for command in (name for section in COMMANDS.values() for name in section):
        assert f"## wvb {command}\n" in reference


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_nothing_names_a_machine_or_a_registry() -> None:
    forbidden = ["/" + "work/", "/" + "root/", "index" + "-url", "find" + "-links", "file:" + "///"]
    for path in tracked_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not [word for word in forbidden if word in text], path


def test_every_public_function_and_class_says_what_it_is() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
