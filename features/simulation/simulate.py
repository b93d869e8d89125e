"""Write a synthetic town in the contract's files, with its truth beside it in ``truth/``."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

from features.atomic import open_atomically, write_atomically
from features.contract.community import Community
from features.contract.settings_file import parse_community
from features.contract.settings_text import LOADER
from features.contract.tables import TABLES
from features.language import UserError, say
from features.simulation.office import Office
from features.simulation.style import Style, base_style, draw_style
from features.simulation.table_files import Names, contract_tables, request_table
from features.simulation.town import Town
from features.simulation.truth import add_what_happened, episodes_table, truth_table, written_episodes

DEFAULT_END = date(2026, 6, 8)
STYLE_FILE = "style.json"
Truth = tuple[int, pd.DataFrame]  # week of the as-of date, and the truth then
OTHER_FORMATS = 0.1  # share of requests whose times are written in another way
TIME_FORMATS = ("%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M", "%Y-%m-%dT%H:%M:%S+08:00")
BAD_DATES = ("2025-13-45", "昨天", "0000-00-00", "31/02/2024")
SPOILS: Mapping[str, Mapping[str, Sequence[str | None]]] = {
    "households": {"valid_from": BAD_DATES, "household_id": (None,), "grid_id": (None,)},
    "requests": {
        "requested_at": BAD_DATES,
        "household_id": ("H000000", None),
        "request_id": (None,),
        "need": ("养宠物", "unknown_need"),
    },
    "outreach": {"household_id": ("H000000",), "outcome": ("maybe",), "arm": ("抽样",)},
}


def xishan() -> dict[str, Any]:
    """Read the content of Xishan's community.yaml."""
    return yaml.load(files("features").joinpath("xishan.yaml").read_text("utf-8"), LOADER)


def styled_community(style: Style, number: int) -> dict[str, Any]:
    """Adapt Xishan's community.yaml to a town: its names of attributes and, unless the style is 0, other windows."""
    content = xishan()
    rng = np.random.default_rng([number, 104729])
    for need in content["needs"]:
        if number:
            need["horizon_weeks"] = int(np.clip(need["horizon_weeks"] + rng.integers(-4, 5), 4, 12))
            need["lead_weeks"] = int(rng.choice([0, 0, 0, 1, 2, 4]))
    content["groups"] = [
        group for group in content["groups"] if not any(name in group.get("who", "") for name in style.hidden)
    ]
    for entry in [*content["needs"], *content["groups"]]:
        for old, new in style.renamed:
            if entry.get("who"):
                entry["who"] = re.sub(rf"\b{old}\b", new, entry["who"])
    called, new_names = content["features"]["names"], dict(style.renamed)
    content["features"]["names"] = {
        new_names.get(column, column): name for column, name in called.items() if column not in style.hidden
    }
    return content


def make_town(
    households: int, weeks: int, seed: int, grids: int, microgrids: int, end: date, style: int
) -> tuple[Town, Community, dict[str, Any]]:
    """Make a town as of ``weeks`` weeks before the Monday ``end``.

    ``style`` 0 is Xishan; any other number draws another kind of town. Returns the town, its settings, and the content of
    its community.yaml.
    """
    plain = parse_community(xishan(), "xishan.yaml")
    kind = draw_style(base_style(plain), style)
    content = styled_community(kind, style)
    eligible_by = [need.who.split(">")[0].strip() for need in plain.needs]
    town = Town(kind, end - timedelta(weeks=weeks), weeks, households, eligible_by, grids, microgrids, seed)
    return town, parse_community(content, "community.yaml"), content


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
    """Write a synthetic town and its truth; the same arguments give the same files.

    out: directory to write into.
    households, weeks, grids, microgrids: size of the town and of its history.
    end: Monday before which the history ends.
    as_ofs: Mondays for which the truth is written (default: ``end``).
    visit_share, naive_share: shares of households, in [0, 1], visited each week at random, and because they asked
        most.
    dirty: share of rows that cannot be used or stand twice.
    style: 0 is Xishan; any other number draws another kind of town.
    draws: futures that the truth averages over.

    Returns number of rows by table.
    Raises UserError: a date is no Monday, the sizes make no town, or ``out`` holds other data.
    """
    as_ofs = sorted(as_ofs or [end])
    _check_sizes(households, weeks, grids, microgrids)
    _check_dates(end, end - timedelta(weeks=weeks), as_ofs)
    _check_free(out)
    town, community, content = make_town(households, weeks, seed, grids, microgrids, end, style)
    names, office = Names(town), Office(town, visit_share, naive_share)
    truths = _live(office, community, names, weeks, as_ofs, draws)
    requests = request_table(town, names, community, office.requests)
    until = float(town.dates(np.array(weeks)))
    tables = contract_tables(town, names, community, office, requests, until)
    _write_contract(out, content, tables, dirty, seed)
    _write_truth(out / "truth", town, community, names, requests, truths, until)
    return {name: len(table) for name, table in tables.items()}


def _live(
    office: Office, community: Community, names: Names, weeks: int, as_ofs: Sequence[date], draws: int
) -> list[Truth]:
    """Live ``weeks`` weeks and, without visits, as many more as the windows reach; return the truth at the dates."""
    town, truths = office.town, []
    ahead = max(round(need.lead_weeks + need.horizon_weeks) for need in community.needs)
    for week in tqdm(range(weeks + ahead), desc=say("模拟", "simulate"), delay=2, leave=False):
        if town.monday in as_ofs:
            truths.append((week, truth_table(town, community, names.household, names.grid, draws)))
        office.live_a_week(visits=week < weeks)
    return truths


def _check_sizes(households: int, weeks: int, grids: int, microgrids: int) -> None:
    if households < 10 or weeks < 1 or not 1 <= grids <= microgrids:
        raise UserError(
            "至少要 10 户、1 周、1 个网格，微网格数不少于网格数",
            "needs at least 10 households, 1 week, 1 grid, and no fewer micro-grids than grids",
        )


def _check_dates(end: date, begins: date, as_ofs: Sequence[date]) -> None:
    for day in [end, *as_ofs]:
        if day.weekday() != 0:
            raise UserError(f"{day} 不是星期一，请改用星期一", f"{day} is not a Monday; choose a Monday")
        if not begins <= day <= end:
            raise UserError(f"{day} 不在 {begins} 到 {end} 之间", f"{day} is not between {begins} and {end}")


def _check_free(out: Path) -> None:
    """Raise UserError where a directory holds tables that no earlier synthetic town has left there."""
    held = [path for path in out.glob("*") if path.stem in {*TABLES, "community"}] if out.is_dir() else []
    if held and not (out / "truth" / STYLE_FILE).exists():
        raise UserError(
            f"{held[0]}：这里已有别的数据，请换一个目录",
            f"{held[0]}: other data are here; choose another place",
        )


def _write_contract(
    out: Path, content: dict[str, Any], tables: dict[str, pd.DataFrame], dirty: float, seed: int
) -> None:
    write_atomically(out / "truth" / STYLE_FILE, b"{}")  # first, so that a run cut short can be run again
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)
    write_atomically(out / "community.yaml", text.encode())
    for name, table in (soil(tables, dirty, seed) if dirty else tables).items():
        if name == "residents":
            write_atomically(out / f"{name}.parquet", table.to_parquet(None, index=False))
        else:
            encoding = "gb18030" if name == "workers" and dirty else "utf-8"
            with open_atomically(out / f"{name}.csv") as file:
                table.to_csv(file, index=False, encoding=encoding)


def _write_truth(
    out: Path,
    town: Town,
    community: Community,
    names: Names,
    requests: pd.DataFrame,
    truths: list[Truth],
    until: float,
) -> None:
    episodes = episodes_table(town, community, names.household)
    tables = [add_what_happened(table, week, episodes, requests, community) for week, table in truths]
    later = requests[requests["recorded"] >= until]
    columns = ["request_id", "household_id", "need_id", "requested_at", "recorded_at"]
    written = {
        "probabilities": pd.concat(tables, ignore_index=True),
        "needs": written_episodes(episodes),
        "future_requests": later[columns].rename(columns={"need_id": "need"}),
        "households": _latent(town, community, names),
    }
    for name, table in written.items():
        write_atomically(out / f"{name}.parquet", table.to_parquet(None, index=False))
    write_atomically(out / STYLE_FILE, json.dumps(asdict(town.style), ensure_ascii=False, indent=1).encode())


def _latent(town: Town, community: Community, names: Names) -> pd.DataFrame:
    """Tabulate each household's week of arrival and, for each need, frailty (log hazard) and share of needs reported."""
    reporting, columns = town.reporting(), {"arrived_week": town.people.arrived}
    for index, need in enumerate(community.needs):
        columns[f"frailty_{need.id}"] = town.frailty[:, index]
        columns[f"reporting_{need.id}"] = reporting[:, index]
    return pd.DataFrame({"household_id": names.household, **columns})


def soil(tables: Mapping[str, pd.DataFrame], share: float, seed: int) -> dict[str, pd.DataFrame]:
    """Mix the time formats of the tables, and add repeated and unusable rows.

    ``tables``: by the contract's names. ``share``: of each table's rows, in [0, 1], so many are added. ``seed``: the
    same seed gives the same rows.
    """
    rng = np.random.default_rng([seed, 10])
    soiled = {**tables, "requests": _mix_formats(tables["requests"], rng)}
    for name, spoils in SPOILS.items():
        soiled[name] = _with_bad_rows(soiled[name], share, spoils, rng)
    return soiled


def _mix_formats(requests: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Write the times of some requests in other formats; formats without seconds drop them."""
    form = rng.choice(len(TIME_FORMATS) + 1, len(requests), p=[1 - OTHER_FORMATS, *[OTHER_FORMATS / 3] * 3])
    mixed = requests.copy()
    for column in ("requested_at", "recorded_at"):
        times = pd.to_datetime(requests[column])
        for number, pattern in enumerate(TIME_FORMATS, start=1):
            mixed[column] = mixed[column].where(form != number, times.dt.strftime(pattern))
    return mixed


def _with_bad_rows(
    table: pd.DataFrame, share: float, spoils: Mapping[str, Sequence[str | None]], rng: np.random.Generator
) -> pd.DataFrame:
    """Copy some rows: every second copy is unchanged, the others get a new id and one spoiled cell."""
    place = rng.integers(0, len(table), round(share * len(table))) if len(table) else np.zeros(0, np.int64)
    copies = table.iloc[place].copy()
    spoiled = {
        spoil: copies[spoil].to_numpy(dtype=object).copy()
        for spoil in (table.columns[0], *spoils, "text")
        if spoil in table
    }
    for number in range(1, len(copies), 2):
        column = str(rng.choice(list(spoils)))
        if table.columns[0] != "household_id":
            spoiled[table.columns[0]][number] = f"X{number:06d}"
        if column == "need" and "text" in spoiled:
            spoiled["text"][number] = None
        spoiled[column][number] = spoils[column][int(rng.integers(len(spoils[column])))]
    mixed = pd.concat([table, copies.assign(**spoiled)])
    order = np.argsort(np.concatenate([np.arange(len(table)), place + 0.5]), kind="stable")
    return mixed.iloc[order]
