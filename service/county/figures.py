"""Sums of several communities for the page of their county: from each one's newest week, without names."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.contract.community import TIERS, Need
from features.language import UserError
from features.store.reader import sharing_community
from features.workspace_secret import SECRET
from models.demand.expected import TOWN, WINDOWS
from service.weekly.week_directory import DEMAND, OUTREACH, RISK, WEEKS, read_table, readable

FEWEST = 5  # households: a smaller number is not shown


@dataclass(frozen=True)
class CommunityFigures:
    """Figures of a community's newest week.

    households: int, by tier. visits: households on the lists. demand: need, expected, low_80, high_80 (households in
    the need's window); empty where ``demand`` was not run that week.
    """

    name: str
    as_of: date
    needs: tuple[Need, ...]
    households: dict[str, int]
    visits: int
    demand: pd.DataFrame


def figures_of(workspaces: Iterable[Path]) -> list[CommunityFigures]:
    """Read the newest week of each workspace once, in their order.

    Raises UserError where a community has not agreed in its settings, has no week yet, or stands there twice, or where a
    file cannot be read.
    """
    places = [*dict.fromkeys(place.resolve() for place in workspaces)]
    figures = [_figures(workspace) for workspace in places]
    _refuse_copies(places)
    return figures


def _refuse_copies(workspaces: Iterable[Path]) -> None:
    """Raise UserError where one workspace is a copy of another one: its sums would count twice."""
    seen: dict[bytes, Path] = {}
    for workspace in workspaces:
        for mark in _marks(workspace):
            if (other := seen.setdefault(mark, workspace)) != workspace:
                raise UserError(
                    f"{workspace} 是 {other} 的副本，会算两次：只写其中在用的一个",
                    f"{workspace} is a copy of {other} and would count twice: name only the one in use",
                )


def _marks(workspace: Path) -> list[bytes]:
    """Return what no two communities share: the workspace's secret, and who is in the newest week with which risk."""
    secret = workspace / SECRET
    marks = [secret.read_bytes().strip()] if secret.is_file() else []
    return [*marks, hashlib.sha256((_weeks(workspace)[-1] / RISK).read_bytes()).digest()]


def _weeks(workspace: Path) -> list[Path]:
    """List the directories of the weeks with lists, the newest last."""
    return sorted(home for home in (workspace / WEEKS).glob("????-??-??") if (home / OUTREACH).is_file())


def _figures(workspace: Path) -> CommunityFigures:
    name, community = sharing_community(workspace, "figures")
    weeks = _weeks(workspace)
    if not weeks:
        raise UserError(
            f"{name}（{workspace}）还没有名单：请先在那里运行 xianying weekly",
            f"{name} ({workspace}) has no lists yet: run xianying weekly there first",
        )
    home = weeks[-1]
    tiers = read_table(home / RISK, ["tier"])["tier"].value_counts()
    return CommunityFigures(
        name=name,
        as_of=date.fromisoformat(home.name),
        needs=community.needs,
        households={tier: int(tiers.get(tier, 0)) for tier in TIERS},
        visits=read_table(home / OUTREACH, ["household_id"])["household_id"].nunique(),
        demand=_demand(home / DEMAND),
    )


def _demand(path: Path) -> pd.DataFrame:
    columns = ["need", "expected", "low_80", "high_80"]
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    with readable(path):
        table = pd.read_csv(path, dtype={"grid_id": str}, keep_default_na=False, encoding="utf-8-sig")
        table = table.loc[(table["grid_id"] == TOWN) & (table["span"] == WINDOWS), columns]
        numbers = table[columns[1:]].astype(float).to_numpy()
        if not (np.isfinite(numbers) & (numbers >= 0)).all() or table["need"].duplicated().any():
            raise ValueError(path)  # another community's file
    return table


def needs_of(communities: Sequence[CommunityFigures]) -> list[Need]:
    """List the needs of all communities by id, each once, in the order in which they first stand."""
    return list({need.id: need for community in communities for need in community.needs}.values())


def county_demand(communities: Sequence[CommunityFigures]) -> pd.DataFrame:
    """Add up what is expected by need.

    Returns need, communities (how many of them expect FEWEST or more), expected, low_80, high_80 (households). The ends
    assume that communities miss independently: their distances from the expectation are added as squares.
    """
    every = pd.concat([community.demand for community in communities], ignore_index=True)
    numbers = every[["expected", "low_80", "high_80"]].astype(float)
    every = every.assign(
        expected=numbers["expected"],
        below=(numbers["expected"] - numbers["low_80"]) ** 2,
        above=(numbers["high_80"] - numbers["expected"]) ** 2,
        communities=(numbers["expected"] >= FEWEST).astype(int),
    )
    sums = every.groupby("need", sort=False)[["communities", "expected", "below", "above"]].sum()
    low = np.maximum(sums["expected"] - np.sqrt(sums["below"]), 0)
    high = sums["expected"] + np.sqrt(sums["above"])
    return sums.assign(low_80=low, high_80=high)[
        ["communities", "expected", "low_80", "high_80"]
    ].reset_index()
