"""The command that begins a workspace: the community's name, its needs from a catalogue, its grids."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from features.language import UserError, joined_names, language, say, say_line
from service.console.terminal import show, show_line

group = click.Group()
EXAMPLE, CATALOGUE = "xishan.yaml", "needs_catalogue.yaml"
TABLES = "tables"


@group.command(
    help=say(
        "建一个空工作区：问社区名、需求、网格，也可以写在选项里",
        "begin a workspace: asks for name, needs, grids, or takes options",
    )
)
@click.option("--name", default="", help=say("社区名", "the community's name"))
@click.option(
    "--need",
    "needs",
    multiple=True,
    help=say(
        "要做的需求，目录里的名称或 id，可写多次", "a need of the catalogue, by name or id; can be repeated"
    ),
)
@click.option("--grid", "grids", multiple=True, help=say("网格名，可写多次", "a grid; can be repeated"))
@click.option(
    "--example", is_flag=True, help=say("用西山社区的示例设置", "the example settings of a made-up community")
)
@click.pass_obj
def init(workspace: Path, name: str, needs: tuple[str, ...], grids: tuple[str, ...], example: bool) -> None:
    """Begin a workspace; what is there already stays as it is."""
    from features.atomic import write_atomically

    path = workspace / "community.yaml"
    if path.exists():
        show_line(f"{path} 已经有了，没有动它", f"{path} is there already: left as it is")
        return
    if example:
        write_atomically(path, _of_package(EXAMPLE))
        show(_next_step(path))
        return
    if not (name or needs or grids) and sys.stdin.isatty():
        name, needs, grids = _ask()
    chosen = _chosen(needs)
    write_atomically(path, _settings(name, chosen).encode())
    show([*_next_step(path), *_blank_tables(workspace / TABLES, chosen, grids)])


def _of_package(name: str) -> bytes:
    from importlib.resources import files

    return files("features").joinpath(name).read_bytes()


def catalogue() -> list[dict[str, Any]]:
    """Return the needs that a community can begin with, as they stand in a community.yaml."""
    import yaml

    return [need for name in (EXAMPLE, CATALOGUE) for need in yaml.safe_load(_of_package(name))["needs"]]


def _ask() -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Ask for the community's name, numbers of needs, and grids."""
    name = click.prompt(say("社区叫什么名字", "Name of the community"))
    offered = catalogue()
    code = "zh" if language() == "zh" else "en"
    show([f"{number:>3} {need['name'][code]}" for number, need in enumerate(offered, start=1)])
    numbers = click.prompt(
        say(
            "做哪几项？写编号，用空格隔开；直接回车是前 12 项",
            "Which? Numbers with blanks between; Enter: the first twelve",
        ),
        default="",
        show_default=False,
    )
    grids = click.prompt(
        say("有哪些网格？用空格隔开；直接回车跳过", "Which grids? Blanks between; Enter to skip"),
        default="",
        show_default=False,
    )
    try:
        needs = tuple(
            offered[int(number) - 1]["id"] for number in numbers.replace("，", " ").replace("、", " ").split()
        )
    except (ValueError, IndexError) as error:
        raise UserError(
            f"“{numbers}”不是 1 到 {len(offered)} 的编号",
            f"“{numbers}” are not numbers from 1 to {len(offered)}",
        ) from error
    return name, needs, tuple(grids.replace("，", " ").replace("、", " ").split())


def _chosen(needs: Sequence[str]) -> list[dict[str, Any]]:
    """Return the needs of the catalogue with these ids or names; without any, the first twelve."""
    offered = catalogue()
    if not needs:
        return offered[:12]
    by_name = {
        word: need for need in offered for word in (need["id"], need["name"]["zh"], need["name"]["en"])
    }
    for wanted in needs:
        if wanted not in by_name:
            names = joined_names(need["name"]["zh" if language() == "zh" else "en"] for need in offered)
            raise UserError(
                f"目录里没有需求“{wanted}”，可选：{names}；别的需求请写进 community.yaml 的 needs",
                f"no need “{wanted}” in the catalogue; there are {names}; write others into needs of community.yaml",
            )
    return list({by_name[wanted]["id"]: by_name[wanted] for wanted in needs}.values())


def _settings(name: str, needs: list[dict[str, Any]]) -> str:
    """Write a community.yaml with these needs, and nothing of anybody else's."""
    import yaml

    def dumped(section: dict[str, Any]) -> str:
        return yaml.safe_dump(
            section, allow_unicode=True, sort_keys=False, default_flow_style=None, width=118
        )

    identity = {"name": name, "phone": "", "timezone": "Asia/Shanghai", "language": language_code()}
    sections: tuple[tuple[tuple[str, str], dict[str, Any]], ...] = (
        (
            ("社区的名称和电话：印在名单和开场白上。", "Name and telephone, which lists print."),
            {"community": identity},
        ),
        (
            (
                "要做的需求，不要的删掉，缺的照样子加。horizon_weeks：看今后几周；lead_weeks：隔几周才开始看；\n"
                "# severity：3 急难、2 民生、1 便民；who：哪些户才会有；sensitive：只给统筹看；\n"
                "# keywords：居民常说的词；ask：上门问什么。",
                "Needs; delete or add as you need.",
            ),
            {"needs": needs},
        ),
        (
            (
                "项目和资金，有了再填，写法见 docs/data-contract.md。",
                "Programmes and funds: docs/data-contract.md.",
            ),
            {"programmes": [], "funds": []},
        ),
        (
            ("每人每周走访几户；抽签走访占几成。", "Visits a week of each worker; the share drawn by lot."),
            {"outreach": {"visits_per_worker": 6, "explore_share": 0.1}},
        ),
    )
    return "\n".join(f"# {say(*words)}\n{dumped(section)}" for words, section in sections)


def language_code() -> str:
    """Return the language in force as community.yaml names it."""
    return {"zh": "zh-CN"}.get(language(), language())


def _next_step(path: Path) -> list[str]:
    return say_line(
        f"已生成 {path}：看看需求对不对，有项目的填上",
        f"wrote {path}: look through its needs, add programmes, then run xianying ingest DIR",
    )


def _blank_tables(place: Path, needs: list[dict[str, Any]], grids: Sequence[str]) -> list[str]:
    """Write empty workbooks to fill in, with lists of the needs and grids to choose from, and return a line."""
    from features.atomic import write_atomically
    from service.lists.blank_tables import blank_tables

    names = [need["name"]["zh"] for need in needs]
    for name, content in blank_tables(names, grids).items():
        write_atomically(place / name, content)
    return say_line(
        f"空表在 {place}：照表头填住户和诉求，填好运行 xianying ingest {place}",
        f"empty workbooks in {place}: fill in households and requests, then run xianying ingest {place}",
    )
