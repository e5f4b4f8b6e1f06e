"""A module imports only from modules of a lower layer (DESIGN: the house)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYER = {
    "files": 0, "geometry": 0, "command": 0, "compiling": 0,
    "labels": 1, "audio": 1, "arrays": 1, "run": 1, "weights": 1,
    "features": 2, "datasets": 2, "assignment": 2, "tracking": 2,
    "localizer": 3, "losses": 3, "metrics": 3, "scenes": 3, "augmentation": 3, "classical": 3, "wasserstein": 3,
    "plots": 4, "clips": 4,
    "config": 5,
    "training": 6,
}  # fmt: skip
MODULES = sorted(
    path
    for path in (ROOT / "seld").rglob("*.py")
    if path.parent.name != "pretrained" and path != ROOT / "seld" / "__init__.py"
)


def test_every_module_has_a_layer():
    names = {_part(path) for path in MODULES}
    assert names == set(LAYER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    part = _part(path)
    for imported in _imports(path):
        assert imported == part or LAYER[imported] < LAYER[part], f"{part} imports {imported}"


def _part(path: Path) -> str:
    return path.relative_to(ROOT / "seld").parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "seld" else [node.module]
    return {name.split(".")[1] for name in names if name.startswith("seld.")} - {"pretrained"}
