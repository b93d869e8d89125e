"""Every command and target is documented where a user looks for it."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from source_tree import ORDER, PAGE, PICTURE, picture

from features.contract.tables import TABLES
from service.cli.commands import commands

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def targets() -> set[str]:
    """The Makefile's targets that a user calls."""
    phony = re.search(r"^\.PHONY: (.*)$", text_of("Makefile"), re.M)
    assert phony
    return set(phony[1].split())


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_command_has_help_and_stands_in_the_readmes(name: str) -> None:
    command = commands.commands[name]
    assert command.help and len(command.help) > 5
    for readme in (*READMES, "docs/commands.md"):
        assert re.search(rf"`(xianying )?{name}\b", text_of(readme)), f"{name} is missing in {readme}"


def test_every_option_stands_in_the_commands_page() -> None:
    page = text_of("docs/commands.md")
    options = [
        opt for command in commands.commands.values() for param in command.params for opt in param.opts
    ]
    missing = [option for option in options if option.startswith("--") and f"`{option}" not in page]
    assert not missing


def test_every_target_has_a_line_in_help_and_stands_in_the_readmes() -> None:
    helped = set(re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.M))
    assert helped == targets()
    for readme in READMES:
        missing = [target for target in targets() if f"make {target}" not in text_of(readme)]
        assert not missing, readme


def test_the_data_contract_names_every_column() -> None:
    for page in ("docs/data-contract.md",):
        for table, contract in TABLES.items():
            for column in contract.columns:
                assert f"`{column}`" in text_of(page), f"{table}.{column} is missing in {page}"


def test_the_changelog_knows_this_version() -> None:
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    assert f"## {version}" in text_of("CHANGELOG.md")


@pytest.mark.parametrize("page", [*READMES, *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links_between_pages_hold(page: str) -> None:
    here = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#\s]+)", text_of(page))
    broken = [link for link in links if "://" not in link and not (here / link).exists()]
    assert not broken


@pytest.mark.parametrize("page", [*READMES, *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_files_that_a_page_names_exist(page: str) -> None:
    named = re.findall(
        r"`((?:features|models|service|tests|benchmarks|docs|notebooks)/[\w./-]*)", text_of(page)
    )
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_module_that_the_architecture_names_exists() -> None:
    examples = {"window_commands.py"}
    there = {
        path.name
        for layer in ("features", "models", "service", "tests", "docs")
        for path in (ROOT / layer).rglob("*.py")
    }
    named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", PAGE.read_text("utf-8"))}
    assert named - there == examples


def test_the_picture_of_the_packages_is_that_of_the_imports() -> None:
    found = PICTURE.search(PAGE.read_text("utf-8"))
    assert found and found[0] == picture(), "run python tests/fixtures/source_tree.py"


def test_every_package_has_a_row_that_says_what_it_takes_and_gives() -> None:
    page = PAGE.read_text("utf-8")
    packages = [name for name in ORDER if name.count(".") == 1]
    packages += [name for name in ORDER if name.startswith("service.web.") and name.count(".") == 2]
    assert not [name for name in packages if f"`{name.replace('.', '/')}`" not in page]


def test_examples_of_settings_are_valid() -> None:
    from features.contract.settings_file import parse_community

    blocks = re.findall(r"```yaml\n(.*?)```", text_of("docs/data-contract.md"), re.S)
    sections = [yaml.safe_load(block) for block in blocks]
    whole = next(section for section in sections if "needs" in section)
    for section in sections:
        parse_community(whole | section, "docs/data-contract.md")


def test_the_table_of_settings_is_that_of_the_service() -> None:
    from pydantic import SecretStr

    from service.web.base.settings import Settings

    rows = []
    for name, field in Settings.model_fields.items():
        value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = f"`{value}`" if str(value) else ""
        rows.append(f"| `XIANYING_{name.upper()}` | {shown} | {field.description} |")
    found = [row for row in text_of("docs/service.md").splitlines() if row.startswith("| `XIANYING_")]
    assert found == rows
