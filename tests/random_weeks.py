"""Random towns with every setting of the planner, and its rules checked on a week's visits themselves."""

from datetime import timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from make_records import make_community, make_records
from scipy.optimize import linprog

from features.point_in_time.records import Known, date_of, day_of, known_before
from service.planning.options import NEEDS_PER_VISIT

AS_OF = "2025-09-01"
DAY = day_of(pd.Timestamp(AS_OF).date())
NEEDS = (
    {"id": "childcare", "severity": 2, "horizon_weeks": 8},
    {"id": "meals", "severity": 3, "horizon_weeks": 4},
    {"id": "repair", "severity": 1},
    {"id": "legal", "severity": 2},
    {"id": "mediation", "severity": 3, "sensitive": True},
)
OUTCOMES = ("needed", "needed", "not_needed", "not_reached", None)
CELL = st.integers(0, 10**6)


def scores_of(known: Known, seed: int) -> pd.DataFrame:
    """Random probabilities for every household and need."""
    draw = np.random.default_rng(seed)
    ids, needs = known.records.household_ids, [need.id for need in known.community.needs]
    pairs = [(household, need) for household in ids for need in needs]
    frame = pd.DataFrame(pairs, columns=["household_id", "need"])
    return frame.assign(p_need=draw.beta(1, 4, len(frame)).round(3), model_version="7")


@st.composite
def towns(draw: st.DrawFn) -> Known:
    """Known records of a random town: workers or none, opt-outs, contacts, open requests, programmes."""
    grids = draw(st.integers(1, 3))
    micro = draw(st.integers(1, 3))
    size = draw(st.integers(1, 60))
    seed = np.random.default_rng(draw(CELL))
    places = [(f"g{number % grids}", f"m{number % micro}") for number in seed.integers(0, 99, size)]
    households = [
        {"household_id": f"h{index:03}", "grid_id": grid, "microgrid_id": f"{grid}-{area}"}
        for index, (grid, area) in enumerate(places)
    ]
    someone = lambda: f"h{seed.integers(size):03}"  # noqa: E731
    requests = [
        {
            "household_id": someone(),
            "need": NEEDS[seed.integers(5)]["id"],
            "requested_at": DAY - seed.uniform(0.1, 600),
            **({"resolved_at": DAY - 0.05} if seed.random() < 0.5 else {}),
        }
        for _ in range(draw(st.integers(0, 40)))
    ]
    contacts = [
        {
            "household_id": someone(),
            "need": NEEDS[seed.integers(4)]["id"],
            "contacted_at": DAY - seed.uniform(0.1, 400),
            "outcome": OUTCOMES[seed.integers(5)],
        }
        for _ in range(draw(st.integers(0, 60)))
    ]
    refusals = [
        {"household_id": someone(), "from": DAY - 30.0, "until": seed.choice([DAY - 1.0, DAY + 90.0])}
        for _ in range(draw(st.integers(0, 8)))
    ]
    outreach = {
        "visits_per_worker": draw(st.integers(1, 6)),
        "explore_share": draw(st.sampled_from([0.0, 0.1, 0.35, 1.0])),
        "explore": draw(st.sampled_from(["uniform", "weighted"])),
        "cooldown_weeks": draw(st.sampled_from([0, 2, 6])),
        "visits_per_household_a_year": draw(st.sampled_from([1, 2, 12])),
    }
    records = make_records(
        households,
        requests,
        outreach=contacts,
        opt_outs=refusals,
        workers=_workers(seed, draw(st.integers(0, 8)), grids, micro),
        community=make_community(
            NEEDS, outreach=outreach, programmes=_programmes(seed, draw(st.integers(0, 4)), grids)
        ),
    )
    return known_before(records, DAY)


def _workers(seed: np.random.Generator, count: int, grids: int, micro: int) -> list[dict[str, Any]]:
    workers = []
    for index in range(count):
        role = str(seed.choice(["grid_worker", "steward", "coordinator"]))
        grid = f"g{seed.integers(grids)}"
        area = f"{grid}-m{seed.integers(micro)}" if role == "steward" else None
        visits = int(seed.integers(1, 9)) if seed.random() < 0.7 else None
        row = {"worker_id": f"w{index}", "role": role, "grid_id": grid, "microgrid_id": area}
        workers.append({**row, "weekly_visits": visits})
    return workers


def _programmes(seed: np.random.Generator, count: int, grids: int) -> list[dict[str, Any]]:
    """Programmes with few seats that share needs, serve some grids, and may take nobody in any more."""
    programmes = []
    for index in range(count):
        one: dict[str, Any] = {"id": f"p{index}"}
        one["needs"] = [str(need) for need in seed.choice(["childcare", "meals", "repair"], 2, replace=False)]
        if seed.random() < 0.8:
            one |= {"seats": int(seed.integers(0, 7))}
        if seed.random() < 0.3:
            one |= {"seats_taken": int(seed.integers(0, 3))}
        if seed.random() < 0.3:
            one |= {"grids": [f"g{seed.integers(grids)}"]}
        if seed.random() < 0.5:
            last = date_of(DAY + int(seed.integers(-20, 21)))
            closes = last + timedelta(days=int(seed.integers(0, 60)))
            one |= {"opens": "05-01", "closes": f"{closes:%m-%d}", "enrol_until": f"{last:%m-%d}"}
        programmes.append(one)
    return programmes


def check_week(known: Known, visits: pd.DataFrame) -> None:
    """Every rule of the planner, told from the visits alone."""
    assert not visits.duplicated(["household_id", "need"]).any()
    assert visits["outreach_id"].is_unique
    assert (visits.groupby("household_id").size() <= NEEDS_PER_VISIT).all()
    # one visit a household: one worker, one place in the order, one arm
    once = visits.drop_duplicates(["household_id", "worker", "visit_order", "arm"])
    assert once["household_id"].is_unique
    random = visits[visits["arm"] == "random"]
    assert random["propensity"].between(0, 1, inclusive="right").all()
    assert visits.loc[visits["arm"] == "targeted", "propensity"].isna().all()
    sensitive = visits[visits["need"] == "mediation"]
    assert sensitive["coordinator"].all() and (sensitive["arm"] == "targeted").all()
    check_capacity(known, visits)
    check_left_out(known, visits)
    check_requests(known, visits)
    check_programmes(known, visits)


def check_capacity(known: Known, visits: pd.DataFrame) -> None:
    """Nobody has more visits than the workers table or the settings say, or visits elsewhere."""
    usual = known.community.outreach.visits_per_worker
    homes = visits.drop_duplicates("household_id")
    workers = known.records.workers
    if workers.empty:
        assert (homes.groupby(["grid_id", "microgrid_id"]).size() <= usual).all()
        assert (visits["worker_id"] == "").all()
        return
    table = workers.set_index("worker_id")
    capacity = table["weekly_visits"].astype(float).fillna(usual)
    made = homes.groupby("worker_id").size()
    assert (made <= capacity[made.index]).all()
    for row in homes.to_dict("records"):
        worker = table.loc[row["worker_id"]]
        assert worker["grid_id"] == row["grid_id"]
        assert pd.isna(worker["microgrid_id"]) or worker["microgrid_id"] == row["microgrid_id"]
        assert row["coordinator"] == (worker["role"] == "coordinator")


def check_left_out(known: Known, visits: pd.DataFrame) -> None:
    """Nobody is listed who refuses, was contacted lately, or was visited too often within a year."""
    ids, settings = known.records.household_ids, known.community.outreach
    listed = set(visits["household_id"])
    refuses = {
        ids[home]
        for home, until in zip(known.opt_outs.household, known.opt_outs.until, strict=True)
        if until > known.as_of
    }
    assert not listed & refuses
    contacts = list(zip(ids[known.outreach.household], known.outreach.contacted, strict=True))
    assert not listed & {home for home, when in contacts if known.as_of - when < 7 * settings.cooldown_weeks}
    days = {(home, int(when)) for home, when in contacts if when >= known.as_of - 365}
    for home in listed:
        assert sum(other == home for other, _ in days) < settings.visits_per_household_a_year


def check_requests(known: Known, visits: pd.DataFrame) -> None:
    """No need is asked about for which a request of the past four weeks is open."""
    rows, needs = known.requests, [need["id"] for need in NEEDS]
    handled = np.isnan(rows.resolved) & (rows.requested >= known.as_of - 28)
    pairs = zip(known.records.household_ids[rows.household[handled]], rows.need[handled], strict=True)
    listed = set(zip(visits["household_id"], visits["need"], strict=True))
    assert not listed & {(home, needs[need]) for home, need in pairs}


def check_programmes(known: Known, visits: pd.DataFrame) -> None:
    """Expected takers find a seat in a programme that serves them, and nobody is asked about closed ones."""
    takers: dict[tuple[str, ...], dict[str, float]] = {}
    for row in visits.to_dict("records"):
        serving = _serving(known, row["need"], row["grid_id"])
        there = [one for one in serving if not _is_over(one, known)]
        assert there or not serving
        if there and all(one.seats is not None for one in there):
            by_arm = takers.setdefault(tuple(one.id for one in there), {"targeted": 0.0, "random": 0.0})
            by_arm[row["arm"]] += row["p_need"]
    seats = {one.id: _seats(known, one) for one in known.community.programmes}
    for size in range(1, len(seats) + 1):
        for some in combinations(seats, size):
            inside = [one for key, one in takers.items() if {*key} <= {*some}]
            drawn, targeted = (sum(one[arm] for one in inside) for arm in ("random", "targeted"))
            assert targeted <= max(0.0, sum(seats[one] for one in some) - drawn) + 1e-4
    if takers and not any(one["random"] for one in takers.values()):
        _check_everyone_finds_a_seat({key: one["targeted"] for key, one in takers.items()}, seats)


def _check_everyone_finds_a_seat(takers: dict[tuple[str, ...], float], seats: dict[str, int]) -> None:
    places = [(key, one) for key in takers for one in key]
    taken = np.array([[one == other for _, other in places] for one in seats], dtype=float)
    given = np.array([[key == other for other, _ in places] for key in takers], dtype=float)
    room = np.array(list(seats.values())) + 1e-4
    assert linprog(np.zeros(len(places)), taken, room, given, list(takers.values())).status == 0


def _serving(known: Known, need: str, grid: str) -> list[Any]:
    """Programmes that run within the need's window and serve the grid."""
    weeks = {one["id"]: one.get("horizon_weeks", 8) for one in NEEDS}[need]
    days = {f"{date_of(day):%m-%d}" for day in range(known.as_of, known.as_of + 7 * weeks)}
    return [
        one
        for one in known.community.programmes
        if need in one.needs
        and (not one.grids or grid in one.grids)
        and any((one.opens or "01-01") <= day <= (one.closes or "12-31") for day in days)
    ]


def _is_over(programme: Any, known: Known) -> bool:
    """Nobody can join any more: as programmes here open in May, the last day lies within this year."""
    return bool(programme.enrol_until) and programme.enrol_until < f"{date_of(known.as_of):%m-%d}"


def _seats(known: Known, programme: Any) -> int:
    if programme.seats is None:
        return 10**6
    if programme.seats_taken is not None:
        return max(0, programme.seats - programme.seats_taken)
    since = day_of(pd.Timestamp(f"2025-{programme.opens or '01-01'}").date())
    if programme.closes and programme.closes < f"{date_of(known.as_of):%m-%d}":
        return programme.seats
    rows, needs = known.outreach, [need["id"] for need in NEEDS]
    homes = {
        int(home)
        for home, need, when, outcome in zip(
            rows.household, rows.need, rows.contacted, rows.outcome, strict=True
        )
        if outcome == 0 and when >= since and needs[need] in programme.needs
    }
    return max(0, programme.seats - len(homes))
