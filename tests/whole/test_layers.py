"""Imports run service → models → features only; MLflow and click stay in their place."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "features": {"features"},
    "models": {"models", "features"},
    "service": {"service", "models", "features"},
}
ONLY_IN = {"mlflow": {"models/registry/registry.py", "models/registry/runs.py"}}
ONLY_UNDER = {"click": "service", "fastapi": "service"}


def imports() -> Iterator[tuple[str, str, int]]:
    """File, package imported and line, for every import of the three packages."""
    for layer in MAY_IMPORT:
        for path in sorted((ROOT / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    assert node.level == 0, f"{path}:{node.lineno}: write the package's name"
                    names = [node.module or ""]
                for name in names:
                    yield path.relative_to(ROOT).as_posix(), name.split(".")[0], node.lineno


def test_a_lower_layer_never_imports_a_higher_one() -> None:
    found = [
        f"{file}:{line} imports {package}"
        for file, package, line in imports()
        if package in MAY_IMPORT and package not in MAY_IMPORT[file.split("/")[0]]
    ]
    assert not found


def test_mlflow_and_the_web_framework_have_their_place() -> None:
    found = [
        f"{file}:{line} imports {package}"
        for file, package, line in imports()
        if (package in ONLY_IN and file not in ONLY_IN[package])
        or (package in ONLY_UNDER and not file.startswith(ONLY_UNDER[package]))
    ]
    assert not found


def test_no_module_of_the_packages_is_too_long() -> None:
    long = [
        path.relative_to(ROOT).as_posix()
        for layer in MAY_IMPORT
        for path in (ROOT / layer).rglob("*.py")
        if len(path.read_text("utf-8").splitlines()) > 400
    ]
    assert not long
