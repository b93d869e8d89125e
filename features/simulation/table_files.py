"""Write the tables of a synthetic town as its office keeps them: in the contract's columns, with its delays."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.simulation.office import VISIT_COLUMNS, Office
from features.simulation.people import (
    ATTRIBUTES,
    BOOLEANS,
    CATEGORIES,
    COUPLE,
    NUCLEAR,
    OLD_COUPLE,
    THREE_GENERATIONS,
    Snapshot,
)
from features.simulation.town import Town

CHANNELS = ("电话", "上门", "微信群", "网格走访", "12345热线")
CHANNEL_SHARES = (0.34, 0.2, 0.26, 0.12, 0.08)
PHRASES = ("想问下{}怎么办理", "家里需要{}，麻烦登记一下", "请问社区有没有{}", "{}，急，请回电", "咨询{}的事")
SURNAMES = tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹")
GIVEN = tuple("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建国玉兰春梅红波宁雪琳辉鹏")
BUILDINGS = 3  # of a micro-grid
WEEKDAYS = (0.2, 0.19, 0.18, 0.17, 0.16, 0.06, 0.04)
TEXT_SHARE = 0.08
ANSWER_SHARE = 0.55


def texts_of(days: np.ndarray, seconds: bool = True) -> np.ndarray:
    """Write local times, in days since 1970, as texts to the second or to the day; None for NaN."""
    stamps = pd.Series(np.round(np.nan_to_num(days) * 86400).astype("datetime64[s]"))
    texts = stamps.dt.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d").astype(object)
    return texts.where(~np.isnan(days), None).to_numpy()


def ids(prefix: str, count: int, digits: int) -> np.ndarray:
    """Make ids numbered from 1 on, such as H000001: object str [count].

    ``digits``: to which numbers are filled up with zeros.
    """
    return np.array([f"{prefix}{number:0{digits}d}" for number in range(1, count + 1)], dtype=object)


class Names:
    """The ids of a town's households, grids and micro-grids."""

    def __init__(self, town: Town):
        self.household = ids("H", len(town.people), 6)
        self.grid = ids("G", int(town.grid_of.max()) + 1, 2)
        self.microgrid = ids("M", town.microgrids, 3)


def household_rows(town: Town, names: Names) -> pd.DataFrame:
    """Make the table ``households`` of the changes that the office heard of, with ``valid`` (days) of each row.

    The office hears of changes late, and of some never. The rows of a household are a day or more apart.
    """
    rng = np.random.default_rng([town.seed, 5])
    style, arrived = town.style, town.people.arrived
    start = town.dates(np.where(arrived >= 0, arrived, 0)) - np.where(
        arrived >= 0, rng.uniform(1, 7, len(arrived)), 3
    )
    if style.spread_arrivals:
        start = np.where(arrived >= 0, start, town.dates(arrived))
    parts = [_decoded(town, names, town.first, np.floor(start))]
    for change in town.people.changes:
        heard = rng.random(len(change.household)) >= style.unrecorded_change
        late = 7 * rng.exponential(style.change_delay_weeks, len(change.household))
        valid = np.floor(town.dates(np.array(change.week)) + rng.uniform(0, 7, len(late)) + late)
        parts.append(_decoded(town, names, change, valid)[heard])
    table = pd.concat(parts, ignore_index=True)
    turn = table.groupby("household_id").cumcount()
    table["valid"] = (table["valid"] - turn).groupby(table["household_id"]).cummax() + turn
    table = table.sort_values(["valid", "household_id"], ignore_index=True)
    table.insert(3, "valid_from", texts_of(table["valid"].to_numpy(), seconds=False))
    return table.drop(columns=list(style.hidden)).rename(columns=dict(style.renamed))


def _decoded(town: Town, names: Names, snapshot: Snapshot, valid: np.ndarray) -> pd.DataFrame:
    columns: dict[str, object] = {
        "household_id": names.household[snapshot.household],
        "grid_id": names.grid[town.grid_of[snapshot.microgrid]],
        "microgrid_id": names.microgrid[snapshot.microgrid],
    }
    for name in ATTRIBUTES:
        value = snapshot.values[name]
        if name in CATEGORIES:
            columns[name] = np.array(CATEGORIES[name], dtype=object)[value.astype(int)]
        elif name in BOOLEANS:
            columns[name] = value > 0
        else:
            columns[name] = pd.array(value, dtype="Float64").astype("Int64")
    return pd.DataFrame(columns | _doors(snapshot) | {"valid": valid})


def _doors(snapshot: Snapshot) -> dict[str, object]:
    """Where each household lives and how to call it: an address, a surname and a telephone, all made up."""
    number = snapshot.household.astype(np.int64)
    mixed = (number * 2654435761) % 2**32
    building = snapshot.microgrid.astype(np.int64) * BUILDINGS + mixed % BUILDINGS + 1
    unit, floor, door = mixed // 7 % 3 + 1, mixed // 31 % 6 + 1, mixed // 211 % 4 + 1
    rooms = zip(building.tolist(), unit.tolist(), floor.tolist(), door.tolist(), strict=True)
    return {
        "address": [f"{at}栋{stairs}单元{storey}0{room}" for at, stairs, storey, room in rooms],
        "surname": np.array(SURNAMES, dtype=object)[mixed // 1009 % len(SURNAMES)],
        "telephone": [f"1990{door:07d}" for door in number.tolist()],
    }


def request_table(
    town: Town, names: Names, community: Community, asked: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Write down all requests as the office does.

    ``asked``: a frame a week with household, need and week. Beside the contract's columns the table has ``requested``,
    ``recorded``, ``resolved`` (days), ``need_id`` and ``week``. A week's rows do not change when later weeks are added,
    except that requests still open get resolved.
    """
    return written_requests(town, names, community, [week_of_requests(town, request) for request in asked])


def written_requests(
    town: Town, names: Names, community: Community, weeks: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Make ``request_table`` from weeks whose random parts are drawn already (``week_of_requests``)."""
    table = pd.concat(weeks, ignore_index=True)
    open_since = _weeks_until_closed(town, table)
    closed = town.dates(open_since - 1) + table.pop("inside").to_numpy()
    table["resolved"] = np.maximum(closed, table["recorded"] + 0.05 + table.pop("handling"))
    grade = 4.4 - 0.06 * (table["resolved"] - table["requested"]) + table.pop("mood")
    table["satisfaction"] = grade.round().clip(1, 5).where(table.pop("answers"))
    need = table.pop("need").to_numpy()
    table["need_id"] = np.array([need.id for need in community.needs], dtype=object)[need]
    spoken = table.pop("spoken").to_numpy()
    table["need"] = table["need_id"].astype(object).where(~spoken, None)
    table["text"] = _texts(
        community, need, spoken, table.pop("word").to_numpy(), table.pop("phrase").to_numpy()
    )
    table["household_id"] = names.household[table.pop("household")]
    table["request_id"] = ids("R", len(table), 7)
    table["requested_at"] = texts_of(table["requested"].to_numpy())
    table["recorded_at"] = texts_of(table["recorded"].to_numpy())
    return table


def week_of_requests(town: Town, asked: pd.DataFrame) -> pd.DataFrame:
    """Draw the time, the delay of recording and all other random parts of one week's requests."""
    count = len(asked)
    week = int(asked["week"].iloc[0]) if count else 0
    rng = np.random.default_rng([town.seed, 6, week])
    day = rng.choice(7, count, p=WEEKDAYS) + np.clip(rng.normal(14, 3.2, count), 7, 22) / 24
    requested = np.round((town.dates(asked["week"].to_numpy()) + day) * 86400) / 86400
    speed, minutes, days, weeks = rng.random(count), *rng.exponential(1, (3, count))
    late = np.select(
        [speed < 0.82, speed < 0.95], [0.05 * minutes, 0.3 + days], 2 + np.minimum(6 * weeks, 18)
    )
    return asked.assign(
        requested=requested,
        recorded=np.ceil((requested + late) * 86400) / 86400,
        inside=rng.uniform(0, 7, count),
        handling=rng.random(count),
        mood=rng.normal(0, 0.8, count),
        answers=rng.random(count) < ANSWER_SHARE,
        spoken=rng.random(count) < TEXT_SHARE,
        word=rng.random(count),
        phrase=rng.integers(0, len(PHRASES), count),
        channel=np.array(CHANNELS, dtype=object)[rng.choice(len(CHANNELS), count, p=CHANNEL_SHARES)],
    ).sort_values("requested", kind="stable")


def _weeks_until_closed(town: Town, asked: pd.DataFrame) -> np.ndarray:
    """Find the first week in which each request's need is over: float64 [requests]; NaN while it lasts."""
    log = town.episodes
    ended = pd.DataFrame(
        {
            "cell": np.concatenate(log.cell),
            "week": np.concatenate(log.asked),
            "end": np.concatenate(log.end),
        }
    )
    ends = ended[ended["week"] >= 0].set_index(["cell", "week"])["end"]
    cell = asked["household"].astype(np.int64) * town.state.shape[1] + asked["need"]
    pairs = pd.MultiIndex.from_arrays([cell, asked["week"]])
    return ends.reindex(pairs).to_numpy(dtype=np.float64)


def _texts(
    community: Community, need: np.ndarray, spoken: np.ndarray, word: np.ndarray, phrase: np.ndarray
) -> np.ndarray:
    words = [need.keywords or (need.name.zh,) for need in community.needs]
    texts = np.full(len(need), None, dtype=object)
    for row in np.flatnonzero(spoken):
        options = words[need[row]]
        texts[row] = PHRASES[phrase[row]].format(options[int(word[row] * len(options))])
    return texts


REQUEST_COLUMNS = [
    "request_id", "household_id", "requested_at", "need", "text", "recorded_at", "channel", "resolved_at",
    "satisfaction",
]  # fmt: skip


def requests_known(table: pd.DataFrame, until: float) -> pd.DataFrame:
    """Select the requests recorded before day ``until``, in the contract's columns; later resolutions are blank."""
    known = table[table["recorded"] < until]
    done = known["resolved"].to_numpy() < until
    resolved = np.where(done, known["resolved"], np.nan)
    known = known.assign(
        resolved_at=texts_of(resolved), satisfaction=known["satisfaction"].where(done).astype("Int64")
    )
    return known[REQUEST_COLUMNS]


def worker_rows(town: Town, names: Names) -> pd.DataFrame:
    """Make the table ``workers``: a steward a micro-grid, a grid worker a grid and two coordinators."""
    rng = np.random.default_rng([town.seed, 7])
    grids, microgrids = len(names.grid), len(names.microgrid)
    count = grids + microgrids + 2
    full_names = [
        f"{rng.choice(SURNAMES)}{''.join(rng.choice(GIVEN, rng.integers(1, 3)))}" for _ in range(count)
    ]
    return pd.DataFrame(
        {
            "worker_id": ids("W", count, 3),
            "name": full_names,
            "role": ["grid_worker"] * grids + ["steward"] * microgrids + ["coordinator"] * 2,
            "grid_id": [*names.grid, *names.grid[town.grid_of], None, None],
            "microgrid_id": [*[None] * grids, *names.microgrid, None, None],
            "weekly_visits": [*rng.integers(8, 13, grids), *rng.integers(3, 7, microgrids), 6, 6],
        }
    )


def outreach_rows(
    town: Town, names: Names, community: Community, office: Office, workers: pd.DataFrame
) -> pd.DataFrame:
    """Make the table ``outreach``: what the office noted about its visits; ``workers`` is ``worker_rows``."""
    visits = pd.concat(
        [pd.DataFrame(columns=VISIT_COLUMNS), *(visit for visit in office.visits if len(visit))]
    )
    visits = visits.sort_values(["contacted", "household", "need"], ignore_index=True)
    household, need = (visits[name].to_numpy(dtype=np.int64) for name in ("household", "need"))
    steward = workers.loc[workers["role"] == "steward", "worker_id"].to_numpy()
    propensity = visits["propensity"].astype(np.float64)
    given = visits["outreach_id"].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "outreach_id": np.where(given == "", ids("V", len(visits), 6), given),
            "household_id": names.household[household],
            "need": np.array([need.id for need in community.needs], dtype=object)[need],
            "contacted_at": texts_of(visits["contacted"].to_numpy(dtype=np.float64)),
            "arm": np.where(propensity.isna(), "targeted", "random"),
            "outcome": visits["outcome"],
            "propensity": propensity,
            "worker_id": steward[town.people.microgrid[household]],
        }
    )


def resident_rows(town: Town, names: Names, start: np.ndarray) -> pd.DataFrame:
    """Make the table ``residents``, with ``valid`` (days): those who moved in, and children born since.

    ``start`` (days) is when the office first knew each household.
    """
    rng = np.random.default_rng([town.seed, 8])
    values = town.first.values
    head, kind = values["head_birth_year"], values["household_type"].astype(int)
    parents_live_in = kind == THREE_GENERATIONS
    members = [("户主", np.ones(len(kind), bool), head)]
    has_partner = np.isin(kind, (COUPLE, NUCLEAR, THREE_GENERATIONS, OLD_COUPLE))
    members.append(("配偶", has_partner, head + np.round(rng.normal(1.5, 2.5, len(kind)))))
    for older in range(3):
        members.append(("子女", values["children"] > older, values["youngest_child_birth_year"] - 3 * older))
    for older in range(2):
        members.append(("老人", parents_live_in & (values["elders"] > older), head - 25 - 2 * older))
    parts = [
        _members(names, relation, np.flatnonzero(present), year[present], start[present])
        for relation, present, year in members
    ]
    for change in town.people.changes:
        year = town.calendar_date(change.week).year
        born = (change.values["youngest_child_birth_year"] == year) & (
            change.values["household_type"] == NUCLEAR
        )
        when = float(town.dates(np.array(change.week))) + 6
        parts.append(_members(names, "子女", change.household[born], year, when))
    table = pd.concat(parts, ignore_index=True)
    table = table.drop_duplicates(["household_id", "relation", "birth_year"], ignore_index=True)
    table["gender"] = np.where(rng.random(len(table)) < 0.5, "女", "男")
    table = table.sort_values(["valid", "household_id"], kind="stable", ignore_index=True)
    table.insert(0, "resident_id", ids("P", len(table), 6))
    table.insert(2, "valid_from", texts_of(table["valid"].to_numpy(), seconds=False))
    return table


def _members(
    names: Names, relation: str, household: np.ndarray, year: np.ndarray | int, valid: np.ndarray | float
) -> pd.DataFrame:
    rows = pd.DataFrame({"household_id": names.household[household], "relation": relation})
    return rows.assign(birth_year=year, valid=valid).astype({"birth_year": int, "valid": float})


def opt_out_rows(town: Town, names: Names, office: Office, until: float) -> pd.DataFrame:
    """Make the table ``opt_outs`` of the households that refused before day ``until``."""
    refuses = np.flatnonzero(town.dates(office.out_from) < until)
    ends = town.dates(office.out_until[refuses])
    return pd.DataFrame(
        {
            "household_id": names.household[refuses],
            "from": texts_of(town.dates(office.out_from[refuses]), seconds=False),
            "until": texts_of(np.where(np.isinf(ends), np.nan, ends), seconds=False),
        }
    )


def contract_tables(
    town: Town, names: Names, community: Community, office: Office, requests: pd.DataFrame, until: float
) -> dict[str, pd.DataFrame]:
    """Make every table of the contract as it stands at day ``until``; ``requests`` is ``request_table``."""
    people = people_tables(town, names)
    people = {name: rows[rows["valid"] < until].drop(columns="valid") for name, rows in people.items()}
    return people | other_tables(town, names, community, office, requests, until)


def people_tables(town: Town, names: Names) -> dict[str, pd.DataFrame]:
    """Make the tables ``households`` and ``residents``, each with ``valid`` (days).

    They do not depend on visits, and rows of earlier weeks do not change as the town lives on.
    """
    households = household_rows(town, names)
    start = households.groupby("household_id")["valid"].min().reindex(names.household).to_numpy()
    return {"households": households, "residents": resident_rows(town, names, start)}


def other_tables(
    town: Town, names: Names, community: Community, office: Office, requests: pd.DataFrame, until: float
) -> dict[str, pd.DataFrame]:
    """Make the other tables as they stand at day ``until``; ``requests`` is ``request_table``."""
    workers = worker_rows(town, names)
    return {
        "requests": requests_known(requests, until),
        "outreach": outreach_rows(town, names, community, office, workers),
        "opt_outs": opt_out_rows(town, names, office, until),
        "workers": workers,
    }
