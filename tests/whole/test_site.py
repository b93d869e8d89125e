"""The documentation builds as a site without a broken link, and what its pages tell people to run can be run."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from called import called

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md"))]
names = [str(path.relative_to(ROOT)) for path in PAGES]


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.M))


def blocks(page: Path, language: str) -> list[str]:
    """The code of a page that is marked as of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)


def calls(page: Path) -> Iterator[list[str]]:
    """Every command that a page tells to type, in words, up to a redirection or a second command."""
    for line in "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        ends = [place for place, word in enumerate(words) if word in ("|", "&&", "<", ">", ">>", "||")]
        yield words[: ends[0]] if ends else words


def reached(pages: set[Path]) -> set[Path]:
    """These pages and those that they link to, directly or by others."""
    found, new = set(), {page for page in pages if page.is_file()}
    while new:
        found |= new
        links = {
            (page.parent / link).resolve()
            for page in new
            for link in re.findall(r"\]\(([^)#\s]+\.md)", page.read_text("utf-8"))
        }
        new = {page for page in links if page.is_file()} - found
    return found


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_command_of_a_page_is_one_that_the_program_takes(page: Path) -> None:
    for words in filter(None, calls(page)):
        if words[:4] == ["docker", "compose", "run", "--rm"] and "command" in words:
            words = ["xianying", *words[words.index("command") + 1 :]]
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets(), words
        if words[0].rpartition("/")[2] == "xianying":
            try:
                called(words[1:])
            except click.UsageError as error:  # a file of the reader's, such as my-data, is not here
                assert "does not exist" in error.message or "不存在" in error.message, (words, error.message)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_code_block_of_a_page_can_be_read(page: Path) -> None:
    for code in blocks(page, "python"):
        ast.parse(code)
    for text in blocks(page, "yaml"):
        yaml.safe_load(text)
    for text in blocks(page, "json"):
        json.loads(text)


def test_the_site_builds_in_strict_mode_and_holds_every_page(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "check": False}
    laid = subprocess.run([sys.executable, str(ROOT / "docs" / "lay_out.py"), str(tmp_path)], **run)
    assert laid.returncode == 0, laid.stderr
    zensical = str(Path(sys.executable).with_name("zensical"))
    built = subprocess.run([zensical, "build", "--strict"], **{**run, "cwd": tmp_path})
    assert built.returncode == 0, built.stdout + built.stderr
    listed = re.findall(r'"([\w/-]+)\.md"', (ROOT / "docs" / "zensical.toml").read_text("utf-8"))
    assert not [name for name in listed if not (tmp_path / "site" / f"{name}.html").is_file()]
    own = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert own <= reached({ROOT / "docs" / f"{name}.md" for name in listed}), (
        "a page is in no menu, and none links to it"
    )
    assert tomllib.loads((tmp_path / "zensical.toml").read_text("utf-8"))["project"]["theme"]["font"] is False
    reference = (tmp_path / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert "## xianying resident refuse" in reference and "`--until`" in reference
    assert "`XIANYING_SECRET`" in (tmp_path / "docs" / "reference" / "settings.md").read_text("utf-8")
    assert "## GET /v1/health" in (tmp_path / "docs" / "reference" / "api.md").read_text("utf-8")
