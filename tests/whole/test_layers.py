"""The house keeps its order: packages import downwards only, each tool has its place, rooms stay small."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

from source_tree import ORDER, ROOT, imports, modules, package, tree

# A library is imported only under these packages.
PLACES = {
    "mlflow": ("models.registry",),
    "optuna": ("models.training",),
    "lightgbm": ("models.estimators",),
    "click": ("service.cli", "service.console", "service.web.commands"),
    "fastapi": ("service.web",),
    "starlette": ("service.web",),
    "uvicorn": ("service.web",),
    "alembic": ("service.web.database", "service.web.migrations"),
    "xlsxwriter": ("service.lists",),
}
# What is read back with these can run code, end a process before it has written, or hide a module from another.
REFUSED_MODULES = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
REFUSED_NAMES = {"_exit", "read_pickle", "to_pickle"}
LONGEST_MODULE, LARGEST_FOLDER = 400, 15
LONGEST_FUNCTION, LONGEST_WITH_DOCSTRING = 50, 60

# What has a reason, or is still to be mended. A line that is no longer needed fails the test: delete it with its cause.
EXCEPTIONS: dict[str, set[str]] = {
    "refused": {
        "models.estimators.boosting: sys.modules",  # half a second and 70 MB of every process, see its docstring
        "models.scoring.executors: pickle",  # results between Spark's processes, never on a disk
    },
}


def offends(name: str, found: set[str]) -> None:
    """Compare what was found with the exceptions: neither may hold what the other does not."""
    allowed = EXCEPTIONS.get(name, set())
    assert not found - allowed, f"new: {sorted(found - allowed)}"
    assert not allowed - found, f"mended: delete from EXCEPTIONS: {sorted(allowed - found)}"


def is_long(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function is too long, by itself or with its docstring."""
    length = whole = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        first = function.body[0]
        length -= (first.end_lineno or 0) - first.lineno + 1
    return length > LONGEST_FUNCTION or whole > LONGEST_WITH_DOCSTRING


def shown(path: Path) -> str:
    """Name a file by its place in the repository."""
    return path.relative_to(ROOT).as_posix()


def test_every_package_has_its_place_in_the_order() -> None:
    found = {package(module) for module in modules()}
    assert found <= set(ORDER), "a new package needs a line in tests/fixtures/source_tree.py: ORDER"
    assert set(ORDER) <= found, "a package that is gone needs none"


def test_a_package_imports_only_lower_ones() -> None:
    place = {name: number for number, name in enumerate(ORDER)}
    offends(
        "imports upwards",
        {
            f"{one.module}: {one.target}"
            for one in imports()
            if one.target in modules() and place[package(one.target)] > place[package(one.module)]
        },
    )


def test_modules_import_each_other_in_no_circle() -> None:
    targets: dict[str, set[str]] = {module: set() for module in modules()}
    for one in imports():
        if one.target in targets and one.target != one.module:
            targets[one.module].add(one.target)
    TopologicalSorter(targets).prepare()  # raises CycleError, which names the circle


def test_each_library_has_its_place() -> None:
    found = {
        f"{one.module}: {one.target}"
        for one in imports()
        if (places := PLACES.get(one.target.split(".")[0]))
        and not f"{one.module}.".startswith(tuple(f"{place}." for place in places))
    }
    offends("out of place", found)


def refused(module: str) -> set[str]:
    """Name what a module uses of pickle, os._exit and sys.modules."""
    names = {one.target.split(".")[0] for one in imports() if one.module == module} & REFUSED_MODULES
    for node in ast.walk(tree(modules()[module])):
        if isinstance(node, ast.Attribute):
            if node.attr in REFUSED_NAMES:
                names.add(node.attr)
            if node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id == "sys":
                names.add("sys.modules")
        pickled = isinstance(node, ast.keyword) and node.arg == "allow_pickle"
        if pickled and not (isinstance(node.value, ast.Constant) and node.value.value is False):
            names.add("allow_pickle")
    return {f"{module}: {name}" for name in names}


def test_nothing_on_disk_can_run_code_and_no_trick_is_played_on_the_interpreter() -> None:
    offends("refused", set().union(*map(refused, modules())))


def test_scratch_in_a_workspace_is_made_where_it_is_locked_and_found_after_a_kill() -> None:
    made = {
        module
        for module, path in modules().items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("tempfile.")
        if any(keyword.arg == "dir" for keyword in node.keywords)
    }
    assert made == {"features.atomic"}, "use features.atomic.scratch_directory"


def test_modules_functions_and_folders_stay_small() -> None:
    tests, benchmarks = (sorted((ROOT / folder).rglob("*.py")) for folder in ("tests", "benchmarks"))
    program = [*modules().values(), *benchmarks]
    offends(
        "long modules",
        {shown(path) for path in program if len(path.read_text("utf-8").splitlines()) > LONGEST_MODULE},
    )
    offends(
        "long functions",
        {
            f"{shown(path)}: {node.name}"
            for path in [*program, *tests]
            for node in ast.walk(tree(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_long(node)
        },
    )
    rooms = Counter(package(module) for module, path in modules().items() if not path.name.startswith("__"))
    offends("large folders", {room for room, count in rooms.items() if count > LARGEST_FOLDER})
