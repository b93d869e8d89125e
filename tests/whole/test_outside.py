"""What stands beside the packages names things that are there: benchmarks, and the notebooks' cells."""

import ast
from pathlib import Path

import nbformat
import pytest
from source_tree import ROOT, modules, tree

OUTSIDE = sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "notebooks").glob("*.ipynb")])


def sources(path: Path) -> list[ast.Module]:
    """Parse a script, the programs that it holds as texts, or a notebook's cells."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
    script = ast.parse(path.read_text("utf-8"))
    texts = [node.value for node in ast.walk(script) if isinstance(node, ast.Constant)]
    programs = [text for text in texts if isinstance(text, str) and text.startswith("\nimport ")]
    return [script, *map(ast.parse, programs)]


def defined(module: str) -> set[str]:
    """Names that a module defines or imports at its top level."""
    names = set()
    for node in ast.walk(tree(modules()[module])):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_imported_is_there(path: Path) -> None:
    missing = []
    for source in sources(path):
        for node in ast.walk(source):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in modules():
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    if whole in modules() or (
                        node.module in modules() and alias.name in defined(str(node.module))
                    ):
                        continue
                    missing.append(whole)
    assert not missing
