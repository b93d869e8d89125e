"""Writes a synthetic town in the contract's files, with its truth beside it in ``truth/``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from features.contract import Community, parse_community
from features.language import UserError, say
from features.simulated_dirt import soil
from features.simulated_files import (
    Names,
    household_rows,
    opt_out_rows,
    outreach_rows,
    request_rows,
    requests_known,
    resident_rows,
    worker_rows,
)
from features.simulated_office import Office
from features.simulated_style import Style, base_style, draw_style
from features.simulated_town import Town
from features.simulated_truth import add_what_happened, episodes_table, truth_table

DEFAULT_END = date(2026, 6, 8)
OPT_OUT_SHARE = 0.01


def xishan() -> dict[str, Any]:
    """The content of Xishan's community.yaml."""
    return yaml.safe_load(files("features").joinpath("xishan.yaml").read_text("utf-8"))


def styled_community(style: Style, number: int) -> dict[str, Any]:
    """Xishan's community.yaml with windows drawn anew for styles other than 0, and attributes as this town calls them."""
    content = xishan()
    rng = np.random.default_rng([number, 104729])
    names = dict(style.renamed)
    for need in content["needs"]:
        if number:
            need["horizon_weeks"] = int(np.clip(need["horizon_weeks"] + rng.integers(-4, 5), 4, 12))
            need["lead_weeks"] = int(rng.choice([0, 0, 0, 1, 2, 4]))
        for old, new in names.items():
            if need.get("who"):
                need["who"] = need["who"].replace(old, new)
    called = content["features"]["names"]
    content["features"]["names"] = {
        names.get(one, one): name for one, name in called.items() if one not in style.hidden
    }
    return content


def make_town(
    households: int, weeks: int, seed: int, grids: int, microgrids: int, end: date, style: int
) -> tuple[Town, Community, dict[str, Any]]:
    """A town at the Monday ``end - weeks``, its community, and the content of its community.yaml."""
    kind = draw_style(base_style(parse_community(xishan(), "xishan.yaml")), style)
    content = styled_community(kind, style)
    community = parse_community(content, "community.yaml")
    plain = parse_community(xishan(), "xishan.yaml")
    eligible = [need.who.split(">")[0].strip() for need in plain.needs]
    begins = end - timedelta(weeks=weeks)
    town = Town(kind, begins, weeks, households, eligible, grids, microgrids, seed)
    return town, community, content


def simulate(
    out: Path,
    households: int = 6000,
    weeks: int = 208,
    seed: int = 0,
    grids: int = 8,
    microgrids: int = 43,
    end: date = DEFAULT_END,
    as_ofs: Sequence[date] | None = None,
    visit_share: float = 0.004,
    naive_share: float = 0.003,
    dirty: float = 0.01,
    style: int = 0,
    draws: int = 100,
) -> dict[str, int]:
    """Write a synthetic town of ``weeks`` weeks that end before the Monday ``end``; returns rows per table.

    ``visit_share`` of the households are visited at random each week, ``naive_share`` because they asked most;
    ``dirty`` is the share of rows that cannot be used or stand twice; ``style`` other than 0 draws another kind of
    town; the truth is written for the Mondays ``as_ofs`` (default: ``end``), from ``draws`` futures. The same
    arguments give the same files.

    Raises UserError where a date is not a Monday or the sizes make no town.
    """
    as_ofs = sorted(as_ofs or [end])
    _check(households, weeks, grids, microgrids, end, as_ofs)
    town, community, content = make_town(households, weeks, seed, grids, microgrids, end, style)
    names = Names(town)
    rng = np.random.default_rng([seed, 9])
    refuses = np.sort(rng.choice(households, round(OPT_OUT_SHARE * households), replace=False))
    begins, until = _opt_outs(rng, town, refuses, weeks)
    out_from, out_until = np.full(households, np.inf), np.full(households, np.inf)
    out_from[refuses], out_until[refuses] = begins, until
    office = Office(town, visit_share, naive_share, out_from, out_until)
    asked, truths = [], []
    ahead = max(round(need.lead_weeks + need.horizon_weeks) for need in community.needs)
    for week in range(weeks + ahead):
        if town.monday in as_ofs:
            truths.append((week, truth_table(town, community, names.household, names.grid, draws)))
        if week < weeks:
            household, need = office.live_a_week()
        else:
            happened = town.step()
            household, need = happened.household, happened.need
        asked.append(pd.DataFrame({"household": household, "need": need, "week": week}))
    until_day = float(town.dates(np.array(weeks)))
    requests = request_rows(town, names, community, pd.concat(asked, ignore_index=True))
    people = household_rows(town, names, until_day)
    workers = worker_rows(town, names)
    inside = begins < weeks
    tables = {
        "households": people.drop(columns="valid"),
        "requests": requests_known(requests, until_day),
        "residents": resident_rows(town, names, people).query("valid < @until_day").drop(columns="valid"),
        "outreach": outreach_rows(office.outreach(), names, community, workers, town),
        "opt_outs": opt_out_rows(names, town, refuses[inside], begins[inside], until[inside]),
        "workers": workers,
    }
    _write_contract(out, content, tables, dirty, seed)
    _write_truth(out / "truth", town, community, names, requests, truths, until_day)
    return {name: len(table) for name, table in tables.items()}


def _check(households: int, weeks: int, grids: int, microgrids: int, end: date, as_ofs: list[date]) -> None:
    for day in [end, *as_ofs]:
        if day.weekday() != 0:
            raise UserError(say(f"{day} 不是星期一，请改用星期一", f"{day} is not a Monday; choose a Monday"))
    begins = end - timedelta(weeks=weeks)
    for day in as_ofs:
        if not begins <= day <= end:
            raise UserError(
                say(f"{day} 不在 {begins} 到 {end} 之间", f"{day} is not between {begins} and {end}")
            )
    if households < 10 or weeks < 1 or not 1 <= grids <= microgrids:
        raise UserError(
            say(
                "至少要 10 户、1 周、1 个网格，微网格数不少于网格数",
                "needs at least 10 households, 1 week, 1 grid, and no fewer micro-grids than grids",
            )
        )


def _opt_outs(
    rng: np.random.Generator, town: Town, refuses: np.ndarray, weeks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weeks from which and until which households refuse (until infinite: open)."""
    begins = np.maximum(rng.integers(0, weeks + 1, len(refuses)), town.people.arrived[refuses] + 1)
    until = np.where(rng.random(len(refuses)) < 0.3, begins + rng.integers(8, 53, len(refuses)), np.inf)
    return begins, until


def _write_contract(
    out: Path, content: dict[str, Any], tables: dict[str, pd.DataFrame], dirty: float, seed: int
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)
    (out / "community.yaml").write_text(text, "utf-8")
    if dirty:
        tables = soil(tables, dirty, seed)
    for name, table in tables.items():
        if name == "residents":
            table.to_parquet(out / f"{name}.parquet", index=False)
        else:
            encoding = "gb18030" if name == "workers" and dirty else "utf-8"
            table.to_csv(out / f"{name}.csv", index=False, encoding=encoding)


def _write_truth(
    out: Path,
    town: Town,
    community: Community,
    names: Names,
    requests: pd.DataFrame,
    truths: list[tuple[int, pd.DataFrame]],
    until: float,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    episodes = episodes_table(town, community, names.household)
    made = requests[["household_id", "need_id", "week"]].rename(columns={"need_id": "need"})
    tables = [add_what_happened(table, week, episodes, made, community) for week, table in truths]
    pd.concat(tables, ignore_index=True).to_parquet(out / "probabilities.parquet", index=False)
    episodes = episodes.drop(columns=["household", "need"]).rename(columns={"need_id": "need"})
    episodes.to_parquet(out / "needs.parquet", index=False)
    later = requests[requests["recorded"] >= until]
    later = later[["request_id", "household_id", "need_id", "requested_at", "recorded_at"]]
    later.rename(columns={"need_id": "need"}).to_parquet(out / "future_requests.parquet", index=False)
    reporting = town.reporting()
    latent = {"household_id": names.household, "arrived_week": town.people.arrived}
    for index, need in enumerate(community.needs):
        latent |= {f"frailty_{need.id}": town.frailty[:, index], f"reporting_{need.id}": reporting[:, index]}
    pd.DataFrame(latent).to_parquet(out / "households.parquet", index=False)
    (out / "style.json").write_text(json.dumps(asdict(town.style), ensure_ascii=False, indent=1), "utf-8")
