"""The rooms import only what stands before them."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "worldvaluesbench"

ORDER = [
    "version", "errors", "names", "measure", "folder", "scale", "distribution", "estimate",
    "survey", "benchmark", "elicitation", "baselines", "scoring", "reporting", "pipeline", "demo", "cli",
]  # fmt: skip


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("worldvaluesbench.")}
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name[:2] != "__")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    room = room_of(path)
    assert room in ORDER, f"{path.name} stands in no known room"
    later = [name for name in imports_of(path) if ORDER.index(name) > ORDER.index(room)]
    assert not later, f"{path.name} imports from {later}, which stand after {room}"


def test_scoring_never_reaches_a_model() -> None:
    for path in (PACKAGE / "scoring").rglob("*.py"):
        assert "elicitation" not in imports_of(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_on_its_page(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400
