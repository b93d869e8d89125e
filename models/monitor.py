"""How fresh the data are, and how past weeks' scores and lists did once their windows had passed."""

import numpy as np
import pandas as pd

from features.contract import OUTCOMES
from features.labels import labels, usable, usual_recording_delay
from features.records import Known, Rows, day_of
from models.demand import TOWN
from models.demand_cells import came
from models.demand_spread import LEVELS

MONTH = 28  # days


def freshness(known: Known) -> pd.DataFrame:
    """When each table had its last row, and how many came lately; tables without rows are left out.

    Returns table, last (days), age (days before the as-of date), rows (of the newest four weeks) and
    usual_rows (mean of four weeks over the year before).
    """
    tables = {
        "households": known.households.valid_from,
        "residents": known.residents.valid_from,
        "requests": known.requests.requested,
        "outreach": known.outreach.contacted,
    }
    rows = []
    for table, times in tables.items():
        if not len(times):
            continue
        age = known.as_of - times
        usual = ((age > MONTH) & (age <= 14 * MONTH)).sum() / 13
        rows.append((table, float(times.max()), float(age.min()), int((age <= MONTH).sum()), float(usual)))
    return pd.DataFrame(rows, columns=["table", "last", "age", "rows", "usual_rows"])


def past_week(known: Known, scores: pd.DataFrame, listed: pd.DataFrame | None) -> pd.DataFrame:
    """One past week's scores against what happened, for each need whose window and usual delay have passed.

    ``scores``: that week's scores.parquet; ``listed``: its outreach.parquet, None where no lists were made.
    Returns as_of, need, households, predicted and observed number that asked, top and top_asked (size and
    hits of the top 2% by p_request), listed and listed_asked (targeted pairs, and those that asked).
    """
    as_of = day_of(pd.Timestamp(scores["as_of"].iloc[0]).date())
    household = pd.Index(known.records.household_ids).get_indexer(pd.Index(scores["household_id"]))
    need = pd.Index([one.id for one in known.community.needs]).get_indexer(pd.Index(scores["need"]))
    keep = (household >= 0) & (need >= 0)
    keep[keep] = usable(known, as_of)[need[keep]]
    frame = scores.loc[keep, ["household_id", "need", "p_request"]]
    frame["asked"] = labels(known, Rows(household[keep], need[keep]), as_of)
    frame["targeted"] = _targeted(frame, listed)
    order = frame.groupby("need")["p_request"].rank(ascending=False, method="first")
    frame["top"] = order <= np.ceil(0.02 * frame.groupby("need")["need"].transform("size"))
    frame["top_asked"] = frame["top"] & (frame["asked"] == 1)
    frame["listed_asked"] = frame["targeted"] & (frame["asked"] == 1)
    table = frame.groupby("need", as_index=False).agg(
        households=("asked", "size"),
        predicted=("p_request", "sum"),
        observed=("asked", "sum"),
        top=("top", "sum"),
        top_asked=("top_asked", "sum"),
        listed=("targeted", "sum"),
        listed_asked=("listed_asked", "sum"),
    )
    table.insert(0, "as_of", scores["as_of"].iloc[0])
    return table


def _targeted(frame: pd.DataFrame, listed: pd.DataFrame | None) -> np.ndarray:
    if listed is None or not len(listed):
        return np.zeros(len(frame), dtype=bool)
    pairs = listed.loc[listed["arm"] == "targeted", ["household_id", "need"]]
    return pd.MultiIndex.from_frame(frame[["household_id", "need"]]).isin(pd.MultiIndex.from_frame(pairs))


def outcomes(known: Known) -> pd.DataFrame:
    """Per arm: contacts with an outcome, and how many had each of the contract's outcomes."""
    rows = known.outreach
    told = rows.outcome >= 0
    frame = pd.DataFrame(
        {"arm": np.where(rows.random[told], "random", "targeted"), "outcome": rows.outcome[told]}
    )
    table = pd.crosstab(frame["arm"], frame["outcome"]).reindex(columns=range(len(OUTCOMES)), fill_value=0)
    table.columns = pd.Index(OUTCOMES)
    return table.reset_index()


def past_demand(known: Known, demand: pd.DataFrame) -> pd.DataFrame:
    """One past week's demand against the households that came, for spans that have passed, delay included.

    ``demand``: that week's demand.csv. Households are counted in the grid where they live now. Adds observed,
    within_80 and within_90 (bool).
    """
    days = {
        name: np.array([day_of(one) for one in pd.to_datetime(demand[name]).dt.date])
        for name in ("begins", "ends")
    }
    index = known.community.need_index()
    over = (days["ends"] + usual_recording_delay(known) <= known.as_of) & demand["need"].isin(
        index
    ).to_numpy()
    table = demand[over].reset_index(drop=True)
    begins, ends = days["begins"][over], days["ends"][over]
    grids = {name: place for place, name in enumerate(known.records.grid_ids)}
    counts: dict[tuple[int, int], np.ndarray] = {}
    observed = np.zeros(len(table), dtype=int)
    for row, (need, grid) in enumerate(zip(table["need"], table["grid_id"].fillna(TOWN), strict=True)):
        span = (begins[row], ends[row])
        if span not in counts:
            counts[span] = _came_by_grid(known, *span)
        mine = counts[span][:, index[need]]
        observed[row] = mine.sum() if grid == TOWN else mine[grids[str(grid)]] if str(grid) in grids else 0
    table = table.assign(observed=observed)
    for name in LEVELS:
        inside = (table["observed"] >= table[f"low_{name}"]) & (table["observed"] <= table[f"high_{name}"])
        table[f"within_{name}"] = inside
    return table


def _came_by_grid(known: Known, begin: float, end: float) -> np.ndarray:
    """int64 [grids, needs]: households that came in [begin, end)."""
    needs = len(known.community.needs)
    found = came(known, np.full(needs, begin), np.full(needs, end)) & (known.grid >= 0)[:, None]
    household, need = np.nonzero(found)
    counts = np.zeros((len(known.records.grid_ids), needs), dtype=np.int64)
    np.add.at(counts, (known.grid[household], need), 1)
    return counts
