"""Lay out the documentation as a site's sources: the pages of docs/, and a reference made from the code.

``python docs/lay_out.py PLACE`` writes PLACE/docs and PLACE/zensical.toml, for Zensical to build from.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BESIDE = "benchmarks"  # a directory of the project that pages link to
BEFORE = {"CHANGELOG.md": "changelog.md", "README.zh-CN.md": "readme-zh.md"}  # pages that lie before docs/
SHOWN = (".md", ".png", ".csv", ".json")


def lay_out(place: Path) -> None:
    """Write the site's sources into a directory, in place of what an earlier call wrote there."""
    shutil.rmtree(place / "docs", ignore_errors=True)
    shutil.copytree(
        ROOT / "docs", place / "docs", ignore=shutil.ignore_patterns("zensical.toml", "*.py", "__pycache__")
    )
    for file in sorted((ROOT / BESIDE).rglob("*")):
        if file.name.endswith(SHOWN) and not any(
            part.startswith(".") for part in file.relative_to(ROOT).parts
        ):
            target = place / "docs" / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    for name, title in BEFORE.items():
        moved = place / "docs" / title
        shutil.copy(ROOT / name, moved)
        _replace(moved, "](docs/", "](")
        _replace(moved, 'src="docs/', 'src="')
        _replace(moved, "](README.md)", "](index.md)")
    for page in (place / "docs").glob("*.md"):
        _replace(page, f"](../{BESIDE}/", f"]({BESIDE}/")
    for page in (place / "docs" / BESIDE).rglob("*.md"):
        _replace(page, "](../docs/", "](../")
    for page in (place / "docs").glob("*/*.md"):
        _replace(page, "](../../README.zh-CN.md)", f"](../{BEFORE['README.zh-CN.md']})")
    (place / "docs" / "reference").mkdir()
    for name, write in REFERENCE.items():
        (place / "docs" / "reference" / f"{name}.md").write_text(write(), "utf-8")
    shutil.copy(ROOT / "docs" / "zensical.toml", place / "zensical.toml")


def _replace(page: Path, old: str, new: str) -> None:
    page.write_text(page.read_text("utf-8").replace(old, new), "utf-8")


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Write a table in Markdown; a bar in a cell is escaped."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def contract_page() -> str:
    """Write the tables that a community hands in."""
    from features.contract.tables import TABLES

    parts = [
        "# Tables\nColumns of the data contract, from the code that checks them. What becomes of cells, rows and files: "
        "[data contract](../data-contract.md)."
    ]
    for name, contract in TABLES.items():
        key = ", ".join(f"`{column}`" for column in contract.key)
        more = " Further columns become attributes." if contract.attributes else ""
        head = f"## `{name}`\n{'Required.' if contract.required else 'Optional.'} A record is identified by {key}.{more}"
        rows = (
            (
                f"`{column}`",
                about.kind,
                "yes" if about.required else "",
                ", ".join(f"`{value}`" for value in about.allowed) or _limits(about.low, about.high),
            )
            for column, about in contract.columns.items()
        )
        parts.append(f"{head}\n\n{table(('column', 'kind', 'required', 'values'), rows)}")
    return "\n\n".join(parts) + "\n"


def _limits(low: float | None, high: float | None) -> str:
    ends = ("from", low), ("to", high)
    return " ".join(f"{word} {end:g}" for word, end in ends if end is not None)


def community_page() -> str:
    """Write the settings of community.yaml, section by section."""
    from features.contract.community import Community

    schema = Community.model_json_schema()
    parts = [
        "# community.yaml\nSections and fields, from the code that reads them. With examples: "
        "[data contract](../data-contract.md)."
    ]
    sections = {"the whole file": schema, **schema.get("$defs", {})}
    for name, section in sections.items():
        required = section.get("required", ())
        rows = (
            (
                f"`{field}`",
                _type(about),
                "yes" if field in required else "",
                "" if about.get("default") in (None, "", [], {}) else f"`{about['default']}`",
            )
            for field, about in section.get("properties", {}).items()
        )
        parts.append(f"## {name}\n\n{table(('field', 'type', 'required', 'default'), rows)}")
    return "\n\n".join(parts) + "\n"


def _type(about: dict[str, Any]) -> str:
    """Say what a field of a JSON schema holds."""
    if "$ref" in about:
        return str(about["$ref"]).rpartition("/")[2]
    if "anyOf" in about:
        return " or ".join(_type(choice) for choice in about["anyOf"] if choice.get("type") != "null")
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}))}"
    low, high = about.get("minimum", about.get("exclusiveMinimum")), about.get("maximum")
    bounds = f", from {low}" * (low is not None) + f" to {high}" * (high is not None)
    return str(about.get("type", "any")) + bounds


def commands_page() -> str:
    """Write every command with its options."""
    from service.cli.commands import commands

    head = "# Commands, option by option\nFrom the command line itself; what each is for: [commands](../commands.md).\n\n"
    return head + "\n\n".join(_of_group(commands, "xianying")) + "\n"


def _of_group(group: Any, name: str) -> Iterator[str]:
    for title, command in sorted(group.commands.items()):
        called = f"{name} {title}"
        if hasattr(command, "commands"):
            yield from _of_group(command, called)
            continue
        arguments = " ".join(
            parameter.human_readable_name
            for parameter in command.params
            if parameter.param_type_name == "argument"
        )
        rows = (
            (", ".join(f"`{option}`" for option in parameter.opts), parameter.help or "")
            for parameter in command.params
            if parameter.param_type_name == "option" and not parameter.hidden
        )
        listed = (
            table(("option", "does"), rows)
            if any(parameter.param_type_name == "option" for parameter in command.params)
            else ""
        )
        yield (
            f"## {called}\n`{called} {arguments}`".replace(" `", "`")
            + f"\n\n{command.help}\n\n{listed}".rstrip()
        )


def service_page() -> str:
    """Write the settings of the service."""
    from service.web.base.settings import Settings

    rows = (
        (
            f"`XIANYING_{name.upper()}`",
            f"`{field.default}`" if str(field.default).strip("*") else "",
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )
    return f"# Settings of the service\nEnvironment variables.\n\n{table(('variable', 'default', 'meaning'), rows)}\n"


def api_page() -> str:
    """Write every endpoint of the API with its parameters and answers."""
    from service.web.app import create_app
    from service.web.base.settings import Settings

    settings = Settings(environment="development")  # type: ignore[call-arg]  # the rest has defaults
    described = create_app(settings).openapi()
    parts = [
        "# API\nFrom the service's own OpenAPI, which it serves at `/v1/openapi.json`. How to get and send a key: "
        "[the service](../service.md)."
    ]
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            rows = (
                (
                    f"`{parameter['name']}`",
                    parameter["in"],
                    "yes" if parameter.get("required") else "",
                    _type(parameter.get("schema", {})),
                )
                for parameter in about.get("parameters", ())
            )
            listed = table(("parameter", "in", "required", "type"), rows) if about.get("parameters") else ""
            answers = ", ".join(
                f"{code} {answer.get('description', '')}".strip()
                for code, answer in about["responses"].items()
            )
            words = about.get("description", "").split("\n\n")[0].replace("\n", " ")
            parts.append(
                f"## {method.upper()} {path}\n{about.get('summary', '')}. {words}\n\n{listed}\n\nAnswers: {answers}."
            )
    return "\n\n".join(parts) + "\n"


REFERENCE: dict[str, Callable[[], str]] = {
    "tables": contract_page,
    "community": community_page,
    "commands": commands_page,
    "settings": service_page,
    "api": api_page,
}

if __name__ == "__main__":
    # before the commands are imported: their help is put into words then
    os.environ["XIANYING_LANGUAGE"] = "en"
    lay_out(Path(sys.argv[1]))
