"""The packages import only what stands before them, and only through their doors."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "worldvaluesbench"

ORDER = [
    "_version", "errors", "_io", "stats", "survey", "benchmark", "runs", "prompts", "parsing", "planning", "models",
    "asking", "baselines", "tables", "scoring", "reporting", "pipeline", "cli",
]  # fmt: skip
MODELS = {"models", "asking"}
"""What scoring must never reach: it works from files."""


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a file imports, as written."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.removeprefix("worldvaluesbench.") for name in names if name.startswith("worldvaluesbench.")}
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name[:2] != "__")
IDS = [str(path.relative_to(PACKAGE)) for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_package_imports_only_packages_before_it(path: Path) -> None:
    package = package_of(path)
    assert package in ORDER, f"{path.name} stands in no known package"
    later = [name for name in imports_of(path) if ORDER.index(name.split(".")[0]) > ORDER.index(package)]
    assert not later, f"{path.name} imports from {later}, which stand after {package}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_private_module_is_imported_by_its_own_package_alone(path: Path) -> None:
    here = ".".join(path.relative_to(PACKAGE).parent.parts)
    private = [name for name in imports_of(path) if "._" in name and name.rsplit("._", 1)[0] != here]
    assert not private, f"{path.name} imports {private} past the door of their package"


def test_scoring_never_reaches_a_model() -> None:
    for path in (PACKAGE / "scoring").rglob("*.py"):
        assert not MODELS & {name.split(".")[0] for name in imports_of(path)}


def test_no_folder_holds_more_than_a_dozen_modules() -> None:
    folders = {path.parent for path in MODULES}
    large = {f.name: n for f in folders if (n := len([p for p in f.glob("*.py") if p.name != "__init__.py"])) > 12}
    assert not large
