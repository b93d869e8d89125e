"""Faults put into a town's exports are named within two weeks; a town that stays as it is raises no alarm."""

import shutil
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hand_made import GOOD, hand_made_model, small_community
from make_records import make_community, make_records
from small_town import AS_OF, iso, town_rows

from features.ingest.ingest import ingest
from features.point_in_time.records import day_of, known_before
from features.store.database import open_store
from features.store.export_history import new_unknown_needs, rows_set_aside
from features.store.reader import read_settings
from models.monitoring.alarms import (
    Alarm,
    as_rows,
    continued,
    drift_alarms,
    find_alarms,
    freshness_alarms,
    set_aside_alarms,
    stream_alarms,
    training_due,
    unknown_need_alarms,
    week_alarms,
)
from models.monitoring.control_chart import FALSE_ALARMS, QUARTER, signal, weeks_to_last_year
from models.monitoring.feature_drift import feature_drift
from models.monitoring.streams import streams

BEGIN, WEEKS, HOMES = date(2023, 1, 2), 70, 120
RATES = {
    ("meals", "phone"): 14.0,
    ("meals", "hall"): 9.0,
    ("repair", "phone"): 8.0,
    ("repair", "hall"): 5.0,
    ("repair", "app"): 4.0,
}
SETTINGS = {
    "community": {"name": "西山社区"},
    "needs": [
        {"id": "meals", "name": {"zh": "助餐", "en": "Meals"}, "horizon_weeks": 4},
        {"id": "repair", "name": {"zh": "维修", "en": "Repair"}, "horizon_weeks": 4},
    ],
}
Rows = dict[str, pd.DataFrame]


def rows_until(week: int) -> Rows:
    """Every row of a town in which nothing changes, up to a week."""
    rng = np.random.default_rng(5)
    asked = []
    for at in range(week + 1):
        for (need, channel), rate in RATES.items():
            for _ in range(rng.poisson(rate)):
                moment = pd.Timestamp(BEGIN + timedelta(weeks=at)) + pd.Timedelta(
                    hours=int(rng.integers(1, 165))
                )
                asked.append((f"h{rng.integers(HOMES):03d}", need, channel, f"{moment:%Y-%m-%d %H:%M}", at))
    requests = pd.DataFrame(asked, columns=["household_id", "need", "channel", "requested_at", "week"])
    homes = [f"h{at:03d}" for at in range(HOMES)]
    return {
        "requests": requests.assign(request_id=[f"r{at}" for at in range(len(requests))]),
        "households": pd.DataFrame(
            {
                "household_id": homes,
                "grid_id": "g1",
                "microgrid_id": "m1",
                "valid_from": "2022-12-01",
                "size": 2,
            }
        ),
        "residents": pd.DataFrame(
            {
                "resident_id": [f"p{home}" for home in homes],
                "household_id": homes,
                "valid_from": "2022-12-01",
                "birth_year": 1930 + np.arange(HOMES) % 60,
            }
        ),
    }


def silent(rows: Rows, week: int) -> Rows:
    asked = rows["requests"]
    return {**rows, "requests": asked[(asked["week"] <= WEEKS) | (asked["channel"] != "hall")]}


def renamed(rows: Rows, week: int) -> Rows:
    asked = rows["requests"].copy()
    asked.loc[(asked["week"] > WEEKS) & (asked["need"] == "meals"), "need"] = "dining"
    return {**rows, "requests": asked}


def flipped(rows: Rows, week: int) -> Rows:
    asked, new = rows["requests"].copy(), rows["requests"]["week"] > WEEKS
    moments = pd.to_datetime(asked.loc[new, "requested_at"])
    asked.loc[new, "requested_at"] = moments.dt.strftime("%Y-%d-%m %H:%M")
    return {**rows, "requests": asked}


def older(rows: Rows, week: int) -> Rows:
    people = rows["residents"]
    return {**rows, "residents": people.assign(birth_year=people["birth_year"] + 10)}


def grown(rows: Rows, week: int) -> Rows:
    new = (
        rows["households"]
        .iloc[[0] * 500]
        .assign(
            household_id=[f"n{at:03d}" for at in range(500)],
            valid_from=str(BEGIN + timedelta(weeks=WEEKS + 1, days=1)),
        )
    )
    return {**rows, "households": pd.concat([rows["households"], new])}


def repeated(rows: Rows, week: int) -> Rows:
    """All that one channel brought lately stands five times, each time at other households."""
    asked = rows["requests"]
    hall = asked[(asked["week"] > WEEKS) & (asked["channel"] == "hall")]
    again = [
        hall.assign(
            request_id=[f"{number}-{time}" for number in hall["request_id"]],
            household_id=np.roll(hall["household_id"].to_numpy(), time),
        )
        for time in range(1, 5)
    ]
    return {**rows, "requests": pd.concat([asked, *again])}


FAULTS = {
    "a channel comes five times": (repeated, ("channel", "hall"), "重复登记"),
    "a channel goes silent": (silent, ("channel", "hall"), "“hall”"),
    "a need is renamed": (renamed, ("need", "meals"), "改名"),
    "a date format flips": (flipped, ("requests", ""), "日期格式"),
    "birth years shift": (older, ("attribute", "residents.birth_year"), "+10.0"),
    "500 new households": (grown, ("households", ""), "500 户"),
}


def export(place: Path, workspace: Path, rows: Rows) -> None:
    place.mkdir(exist_ok=True)
    for table, frame in rows.items():
        frame.drop(columns="week", errors="ignore").to_csv(place / f"{table}.csv", index=False)
    (place / "community.yaml").write_text(yaml.safe_dump(SETTINGS, allow_unicode=True), "utf-8")
    ingest(place, workspace, accept=True)


def alarms(workspace: Path, week: int) -> list[Alarm]:
    as_of = day_of(BEGIN + timedelta(weeks=week + 1))
    found = stream_alarms(streams(workspace, as_of), read_settings(workspace), as_of)
    with open_store(workspace, read_only=True) as connection:
        kept = (
            unknown_need_alarms(new_unknown_needs(connection)),
            set_aside_alarms(rows_set_aside(connection)),
        )
        return [*found, *kept[0], *kept[1]]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that took in a town's history, and two exports after it; not to be changed."""
    home = tmp_path_factory.mktemp("quiet")
    for week in (WEEKS - 1, WEEKS):
        export(home / "export", home / "workspace", rows_until(week))
    return home / "workspace"


def test_a_town_that_stays_as_it_is_raises_none(quiet: Path) -> None:
    assert alarms(quiet, WEEKS) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_within_two_weeks(fault: str, quiet: Path, tmp_path: Path) -> None:
    break_it, named, words = FAULTS[fault]
    shutil.copytree(quiet, tmp_path / "workspace")
    for week in (WEEKS + 1, WEEKS + 2):
        export(tmp_path / "export", tmp_path / "workspace", break_it(rows_until(week), week))
        found = alarms(tmp_path / "workspace", week)
        if named in {(one.kind, one.subject) for one in found}:
            break
    else:
        raise AssertionError([one.line for one in found])
    (one,) = [one for one in found if (one.kind, one.subject) == named]
    assert words in one.line and str(BEGIN + timedelta(weeks=WEEKS)) <= one.since
    assert one.en and "\n" not in one.line


def test_a_rare_need_that_is_renamed_is_named_while_it_is_new(quiet: Path, tmp_path: Path) -> None:
    """Of a need with a request a week no count can tell that it stopped; that nobody knows the new name can."""
    shutil.copytree(quiet, tmp_path / "workspace")

    def raised(week: int, homes: list[int], name: str = "dining") -> list[tuple[str, str]]:
        rows = rows_until(week)
        extra = rows["requests"].iloc[-len(homes) :].assign(need=name, channel="phone")
        extra = extra.assign(
            request_id=[f"x{name}{at}" for at in range(len(homes))],
            household_id=[f"h{home:03d}" for home in homes],
        )
        asked = pd.concat([rows["requests"], extra])
        export(tmp_path / "export", tmp_path / "workspace", {**rows, "requests": asked})
        return [(one.kind, one.subject) for one in alarms(tmp_path / "workspace", week)]

    assert raised(WEEKS + 1, [1, 1, 2, 2]) == [], "two households could be told by their words"
    old = rows_until(WEEKS)["requests"].iloc[[100, 400, -1]]  # an error that comes now and then
    old = old.assign(need="diner", request_id=["y0", "y1", "y2"], household_id=["h001", "h002", "h003"])
    rows = rows_until(WEEKS + 1)
    asked = pd.concat([rows["requests"], old])
    export(tmp_path / "export", tmp_path / "workspace", {**rows, "requests": asked})
    assert alarms(tmp_path / "workspace", WEEKS + 1) == []
    assert raised(WEEKS + 2, [1, 2, 3]) == [("unknown_need", "dining")]
    assert raised(WEEKS + 3, [1, 2, 3, 4]) == [("unknown_need", "dining")]
    assert raised(WEEKS + 4, [1, 2, 3, 4, 5]) == [], "no longer new: ingest names its rows each time"


@pytest.mark.parametrize("table", ["requests", "outreach"])
def test_rows_set_aside_are_judged_by_the_export_that_had_them(table: str, tmp_path: Path) -> None:
    requests = pd.DataFrame({"household_id": ["h0"] * 980, "requested_at": "2024-05-06", "need": "meals"})
    visits = pd.DataFrame({"household_id": ["h0"] * 980, "contacted_at": "2024-05-06", "need": "meals"})
    rows: Rows = {
        "households": pd.DataFrame(
            [{"household_id": "h0", "grid_id": "g", "microgrid_id": "m", "valid_from": "2022-12-01"}]
        ),
        "requests": requests.assign(request_id=[f"r{at}" for at in range(980)]),
        "outreach": visits.assign(
            outreach_id=[f"v{at}" for at in range(980)], arm="random", outcome="needed"
        ),
    }

    key = {"requests": "request_id", "outreach": "outreach_id"}[table]

    def raised(bad: int) -> list[Alarm]:
        unknown = rows[table][:bad].assign(household_id="h9", **{key: [f"x{at}" for at in range(bad)]})
        export(
            tmp_path / "export", tmp_path / "workspace", {**rows, table: pd.concat([rows[table], unknown])}
        )
        with open_store(tmp_path / "workspace", read_only=True) as connection:
            return set_aside_alarms(rows_set_aside(connection))

    assert raised(20) == [] == raised(20), "a fiftieth, and the same export once more"
    (alarm,) = raised(21)
    assert alarm.subject == table and "2.1%" in alarm.line
    assert raised(0) == []


def test_limits_hold_for_scattered_counts_and_seasons() -> None:
    rng = np.random.default_rng(1)
    kinds = 40
    season = 20 * (1 + 0.6 * np.sin(2 * np.pi * np.arange(170) / 52))
    scattered = [rng.negative_binomial(6, 6 / (6 + season)) for _ in range(kinds)]
    raised = 0
    for counts in scattered:
        left = [signal(counts[week : week + 112], kinds) is not None for week in range(QUARTER + 1)]
        raised += sum(now and not before for now, before in pairwise(left))
    assert raised <= 2 + FALSE_ALARMS, "in a quarter of forty streams"
    counts = scattered[0][:112].copy()
    counts[0] = 0
    counts[1] = 0
    assert signal(counts, kinds).up is False
    counts[:2] = 400
    assert signal(counts, kinds).up is True
    assert signal(counts[:10], kinds) is None, "too short to tell"


def test_a_stream_that_grew_since_last_year_is_compared_with_its_own_level() -> None:
    """Six a week fall silent, of which three a week came last year; a season that comes again is none."""
    grown = np.concatenate([np.tile([6, 7, 5], 20)[:52], np.tile([3, 4, 2], 20)])
    silenced = grown.copy()
    silenced[:2] = 0
    assert signal(grown, 29) is None and signal(silenced, 29).up is False
    ended = np.where(np.arange(112) % 52 < 2, 0, 8)  # each year, nobody asks in these weeks and those around
    for week in (50, 51, 52, 53, 54, 55, 102, 103, 104, 105, 106, 107):
        ended[week] = 0
    assert signal(ended, 29) is None


@pytest.mark.parametrize(("a_week", "named_after"), [(4, 4), (2, 8)])
def test_a_rare_stream_that_falls_silent_is_named_after_weeks(a_week: int, named_after: int) -> None:
    counts = np.tile([a_week - 1, a_week + 1, a_week, a_week], 40)
    silenced = {
        weeks: np.concatenate([np.zeros(weeks, dtype=int), counts]) for weeks in range(1, named_after + 1)
    }
    assert next(weeks for weeks, series in silenced.items() if signal(series, 20)) == named_after
    left = signal(silenced[named_after], 20)
    assert (left.weeks, left.count, left.up) == (named_after, 0, False)
    silenced[named_after][named_after - 1] = 1
    assert signal(silenced[named_after], 20) is None, "one came"


def test_a_rise_that_follows_spring_festival_is_no_alarm() -> None:
    """People ask when they come back: three weeks later in the year than the year before."""
    week = day_of(date(2026, 3, 16))
    weeks_after = (week - 7 * np.arange(112) - day_of(date(2026, 2, 17))) // 7
    weeks_after = np.where(
        np.arange(112) > 40, (week - 7 * np.arange(112) - day_of(date(2025, 1, 29))) // 7, weeks_after
    )
    counts = np.where((weeks_after >= 2) & (weeks_after <= 5), 20, 5)
    assert signal(counts, 20) is not None, "by the calendar it is a rise"
    assert signal(counts, 20, weeks_to_last_year(week)) is None
    counts[0] = 80
    assert signal(counts, 20, weeks_to_last_year(week)).up is True


def test_an_alarm_keeps_the_day_since_when() -> None:
    one = Alarm("channel", "hall", "2024-05-06", "x", "x")
    before: list[dict[str, Any]] = [
        {"kind": "channel", "subject": "hall", "since": "2024-04-29", "raised": "2024-05-06"}
    ]
    (kept,), (new,) = continued([one], before, date(2024, 5, 13)), continued([one], [], date(2024, 5, 13))
    assert (kept.since, kept.raised) == ("2024-04-29", "2024-05-06")
    assert (new.since, new.raised) == ("2024-05-06", "2024-05-13")


def test_only_an_alarm_that_training_cures_asks_for_it_once_and_never_beside_a_fault_of_the_data() -> None:
    worse = Alarm("precision", "meals", "2024-04-29", "x", "x", raised="2024-05-06")
    group = Alarm("group", "renters", "2024-04-29", "x", "x", raised="2024-05-06")
    fault = Alarm("channel", "hall", "2024-05-06", "x", "x", raised="2024-05-06")
    assert training_due(as_rows([worse, group]), "2024-04-01")
    assert not training_due(as_rows([worse]), "2024-05-06"), "a version was trained since"
    assert not training_due(as_rows([worse, fault]), "2024-04-01")
    assert not training_due(as_rows([group]), "2024-04-01") and not training_due([], "2024-04-01")


def test_a_feature_that_moved_further_than_usual_drifts() -> None:
    """Requests become ten times as many in the last half year."""
    rows = {**town_rows(households=80, requests=900), "outreach": []}
    rows["households"] = [{**row, "valid_from": iso(AS_OF - 1500)} for row in rows["households"]]
    for number in range(700):
        home, day = f"h{number % 80:02d}", AS_OF - 150 + 140 * number / 700
        rows["requests"].append(
            {"request_id": f"x{number}", "household_id": home, "need": "meals", "requested_at": iso(day)}
        )
    records = make_records(**rows, community=small_community())
    schema = hand_made_model(known_before(records, AS_OF), GOOD).schema
    drifted = feature_drift(records, schema, AS_OF - 154, AS_OF)
    assert any("申请" in one.zh for one in drifted) and drifted[0].index > 0.25
    (alarm,) = drift_alarms(drifted, date(2024, 1, 1))
    assert "PSI" in alarm.zh and "retrain" in alarm.en
    assert feature_drift(records, schema, AS_OF - 308, AS_OF - 154) == [], "before it"
    assert feature_drift(records, schema, AS_OF - 14, AS_OF) == [], "too soon"


def past(observed: list[float], top_asked: list[float]) -> pd.DataFrame:
    """Weeks four weeks apart, of which 100 were predicted; the newest last."""
    days = [date(2024, 1, 1) + timedelta(weeks=4 * at) for at in range(len(observed))]
    return pd.DataFrame(
        {
            "need": "meals",
            "as_of": days,
            "hindsight": False,
            "predicted": 100.0,
            "observed": observed,
            "top": 60,
            "top_asked": top_asked,
        }
    )


def test_level_and_order_of_weeks_that_have_passed() -> None:
    community = make_community([{"id": "meals", "name": {"zh": "助餐"}, "horizon_weeks": 4}])
    kinds = [
        [one.kind for one in week_alarms(past(*given), community)]
        for given in (
            ([104, 97, 103], [30, 31, 29]),
            ([55, 52, 50], [30, 31, 29]),
            ([104, 97, 103], [30, 31, 6]),
        )
    ]
    assert kinds == [[], ["calibration"], ["precision"]]
    assert week_alarms(past([50, 50, 50], [30, 30, 30]).assign(hindsight=True), community) == []


def test_what_visits_find_and_how_old_requests_are() -> None:
    day = np.concatenate([np.full(80, 990.0), np.full(200, 800.0)])
    poor = np.concatenate([np.arange(80) < 8, np.arange(200) < 80])
    assert [one.kind for one in find_alarms(day, poor, 1000)] == ["finds"]
    later = np.full(300, 1000.0)  # on the as-of day and after it, as where a past week is looked back on
    assert [one.kind for one in find_alarms(np.append(day, later), np.append(poor, later > 0), 1000)] == [
        "finds"
    ]
    assert find_alarms(day, np.concatenate([np.arange(80) < 30, np.arange(200) < 80]), 1000) == []
    table = pd.DataFrame({"table": ["requests"], "last": [980.0], "age": [20.0]})
    assert [one.subject for one in freshness_alarms(table)] == ["requests"]
    assert freshness_alarms(table.assign(age=14.0)) == []
