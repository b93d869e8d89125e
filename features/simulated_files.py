"""The tables of a synthetic town as the office keeps them: in the contract's columns, with its delays."""

import numpy as np
import pandas as pd

from features.contract import Community
from features.simulated_people import ATTRIBUTES, BOOLEANS, CATEGORIES, Snapshot
from features.simulated_town import Town

CHANNELS = ("电话", "上门", "微信群", "网格走访", "12345热线")
CHANNEL_SHARES = (0.34, 0.2, 0.26, 0.12, 0.08)
PHRASES = ("想问下{}怎么办理", "家里需要{}，麻烦登记一下", "请问社区有没有{}", "{}，急，请回电", "咨询{}的事")
SURNAMES = tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹")
GIVEN = tuple("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建国玉兰春梅红波宁雪琳辉鹏")
WEEKDAYS = (0.2, 0.19, 0.18, 0.17, 0.16, 0.06, 0.04)
TEXT_SHARE = 0.08


def texts_of(days: np.ndarray, seconds: bool = True) -> np.ndarray:
    """Local times in days since 1970 as texts, to the second or to the day; None where NaN."""
    stamp = np.asarray(np.round(np.nan_to_num(days) * 86400), dtype="int64").astype("datetime64[s]")
    texts = np.char.replace(
        np.datetime_as_string(stamp if seconds else stamp.astype("datetime64[D]")), "T", " "
    )
    return np.where(np.isnan(days), None, texts.astype(object))


def ids(prefix: str, count: int, digits: int) -> np.ndarray:
    """object str: H000001, H000002, ..."""
    return np.array([f"{prefix}{number:0{digits}d}" for number in range(1, count + 1)], dtype=object)


class Names:
    """Ids of households, grids and micro-grids."""

    def __init__(self, town: Town):
        self.household = ids("H", len(town.people), 6)
        self.grid = ids("G", int(town.grid_of.max()) + 1, 2)
        self.microgrid = ids("M", town.microgrids, 3)


def household_rows(town: Town, names: Names, until: float) -> pd.DataFrame:
    """The table ``households``, and ``valid`` (days) of each row: the changes that the office heard of.

    Changes are heard of late or, some, never; the rows of a household follow each other by a day or more.
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
    table = table[table["valid"] < until].sort_values(["valid", "household_id"], ignore_index=True)
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
    return pd.DataFrame(columns | {"valid": valid})


def request_rows(town: Town, names: Names, community: Community, asked: pd.DataFrame) -> pd.DataFrame:
    """The table ``requests`` of all weeks in ``asked`` (household, need, week), with ``requested``, ``recorded``,
    ``resolved`` (days) and ``week`` beside the contract's columns.
    """
    rng = np.random.default_rng([town.seed, 6])
    count = len(asked)
    day = rng.choice(7, count, p=WEEKDAYS) + np.clip(rng.normal(14, 3.2, count), 7, 22) / 24
    requested = np.round((town.dates(asked["week"]) + day) * 86400) / 86400
    delay = rng.random(count)
    late = np.select(
        [delay < 0.82, delay < 0.95],
        [rng.exponential(0.05, count), rng.uniform(0.3, 3, count)],
        np.minimum(rng.exponential(6, count) + 2, 20),
    )
    table = asked.assign(requested=requested, recorded=requested + late)
    table["resolved"] = _resolved(town, table, rng)
    quality = 4.4 - 0.06 * (table["resolved"] - requested) + rng.normal(0, 0.8, count)
    answered = rng.random(count) < 0.55
    need_ids = np.array([need.id for need in community.needs], dtype=object)[asked["need"]]
    spoken = rng.random(count) < TEXT_SHARE
    table = table.sort_values("recorded", kind="stable")
    order = table.index.to_numpy()
    return table.assign(
        request_id=ids("R", count, 7),
        household_id=names.household[table["household"]],
        requested_at=texts_of(table["requested"].to_numpy()),
        need=np.where(spoken, None, need_ids)[order],
        text=_texts(community, asked["need"].to_numpy(), spoken, rng)[order],
        recorded_at=texts_of(table["recorded"].to_numpy()),
        channel=np.array(CHANNELS, dtype=object)[rng.choice(len(CHANNELS), count, p=CHANNEL_SHARES)],
        satisfaction=np.where(answered, np.clip(np.round(quality), 1, 5), np.nan)[order],
        need_id=need_ids[order],
    ).reset_index(drop=True)


def _resolved(town: Town, asked: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    log, needs = town.episodes, town.state.shape[1]
    ended = pd.DataFrame(
        {"cell": np.concatenate(log.cell), "week": np.concatenate(log.asked), "end": np.concatenate(log.end)}
    )
    ended = ended[ended["week"] > -999].drop_duplicates(["cell", "week"])
    cell = asked["household"].astype(np.int64) * needs + asked["need"]
    pair = pd.DataFrame({"cell": cell.to_numpy(), "week": asked["week"].to_numpy()})
    end = pair.merge(ended, on=["cell", "week"], how="left")["end"].to_numpy(dtype=np.float64)
    inside = rng.uniform(0, 7, len(asked))
    return np.maximum(town.dates(end - 1) + inside, asked["recorded"] + rng.uniform(0.05, 1, len(asked)))


def _texts(
    community: Community, need: np.ndarray, spoken: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    words = [one.keywords or (one.name.zh,) for one in community.needs]
    word, phrase = rng.random(len(need)), rng.integers(0, len(PHRASES), len(need))
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
    """The contract's columns of the requests recorded before ``until`` (days), resolutions likewise."""
    known = table[table["recorded"] < until]
    done = known["resolved"].to_numpy() < until
    resolved = np.where(done, known["resolved"], np.nan)
    known = known.assign(
        resolved_at=texts_of(resolved), satisfaction=known["satisfaction"].where(done).astype("Int64")
    )
    return known[REQUEST_COLUMNS]


def worker_rows(town: Town, names: Names) -> pd.DataFrame:
    """The table ``workers``: a steward a micro-grid, a grid worker a grid and two coordinators."""
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
            "weekly_visits": [*rng.integers(8, 13, grids), *rng.integers(3, 7, microgrids), 0, 0],
        }
    )


def outreach_rows(
    visits: pd.DataFrame, names: Names, community: Community, workers: pd.DataFrame, town: Town
) -> pd.DataFrame:
    """The table ``outreach`` of visits as the office noted them (``simulated_office.Office.outreach``)."""
    steward = workers.loc[workers["role"] == "steward", "worker_id"].to_numpy()
    order = visits.sort_values(["contacted", "household", "need"], ignore_index=True)
    household = order["household"].to_numpy(dtype=np.int64)
    return pd.DataFrame(
        {
            "outreach_id": ids("V", len(order), 6),
            "household_id": names.household[household],
            "need": np.array([need.id for need in community.needs], dtype=object)[
                order["need"].to_numpy(dtype=np.int64)
            ],
            "contacted_at": texts_of(order["contacted"].to_numpy(dtype=np.float64)),
            "arm": order["arm"],
            "outcome": order["outcome"],
            "propensity": order["propensity"],
            "worker_id": steward[town.people.microgrid[household]],
        }
    )


def resident_rows(town: Town, names: Names, households: pd.DataFrame) -> pd.DataFrame:
    """The table ``residents``: head, partner, children and elders of each household, and children born since.

    ``households`` is ``household_rows`` before hiding and renaming would matter: only ids and first dates are read.
    """
    rng = np.random.default_rng([town.seed, 8])
    start = households.groupby("household_id")["valid"].min().reindex(names.household).to_numpy()
    values = town.first.values
    count, kind = len(start), values["household_type"].astype(int)
    partner = np.isin(kind, (1, 2, 4, 5))
    gap = np.round(rng.normal(1.5, 2.5, count))
    born = {"户主": (np.ones(count, bool), values["head_birth_year"], np.zeros(count))}
    born["配偶"] = (partner, values["head_birth_year"] + gap, np.zeros(count))
    for number in range(3):
        older = 3.0 * number
        born[f"子女{number + 1}"] = (
            values["children"] > number,
            values["youngest_child_birth_year"] - older,
            np.zeros(count),
        )
    parent = (kind == 4) & (values["elders"] > 0)
    born["老人1"] = (parent, values["head_birth_year"] - 27, np.zeros(count))
    born["老人2"] = (parent & (values["elders"] > 1), values["head_birth_year"] - 25, np.zeros(count))
    parts = [
        _members(names, relation, np.flatnonzero(mask), year, start)
        for relation, (mask, year, _) in born.items()
    ]
    for change in town.people.changes:
        new = change.values["youngest_child_birth_year"] == town.calendar_date(change.week).year
        new &= change.values["household_type"] == 2
        who = change.household[new]
        year = np.full(count, town.calendar_date(change.week).year, dtype=np.float64)
        parts.append(
            _members(names, "新生儿", who, year, np.full(count, float(town.dates(np.array(change.week))) + 6))
        )
    table = pd.concat(parts, ignore_index=True)
    table = table[table["valid"].notna()].drop_duplicates(["household_id", "relation", "birth_year"])
    table = table.sort_values(["valid", "household_id"], kind="stable", ignore_index=True)
    table["gender"] = np.where(rng.random(len(table)) < 0.5, "女", "男")
    table.insert(0, "resident_id", ids("P", len(table), 6))
    table.insert(2, "valid_from", texts_of(table["valid"].to_numpy(), seconds=False))
    return table


def _members(
    names: Names, relation: str, who: np.ndarray, year: np.ndarray, start: np.ndarray
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "household_id": names.household[who],
            "relation": relation.rstrip("123"),
            "birth_year": year[who].astype(int),
            "valid": start[who],
        }
    )


def opt_out_rows(
    names: Names, town: Town, refuses: np.ndarray, begins: np.ndarray, until: np.ndarray
) -> pd.DataFrame:
    """The table ``opt_outs`` of the households ``refuses``, from and until weeks (until infinite: open)."""
    ends = np.where(np.isinf(until), np.nan, town.dates(np.nan_to_num(until, posinf=0)))
    return pd.DataFrame(
        {
            "household_id": names.household[refuses],
            "from": texts_of(town.dates(begins), seconds=False),
            "until": texts_of(ends, seconds=False),
        }
    )
