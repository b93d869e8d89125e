"""The product working on its own lists in a small town that reacts."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.contract.tables import TABLES
from features.language import UserError
from features.point_in_time.records import Records, day_of, known_before
from features.simulation.table_files import contract_tables, request_table
from features.store.reader import read_records
from models.registry.registry import champion
from service.experiments.closed_loop import Run, Setting, World, live
from service.experiments.loop_policies import ORACLE, PRODUCT
from service.experiments.loop_report import write_report
from service.experiments.loop_runs import read_runs, run_all
from service.planning.planner import plan

SETTING = Setting(
    households=150,
    weeks=70,
    weeks_ahead=3,
    grids=1,
    microgrids=2,
    end=date(2025, 8, 25),
    visit_share=0.02,
    retrain_every=2,
    most_rows=4000,
    papers=True,
)
SHORT = replace(SETTING, households=80, weeks=52, weeks_ahead=2, papers=False)
POLICIES = ("frequency", "random")
LOT = (0.1, "uniform")
FIRST = SETTING.end - timedelta(weeks=SETTING.weeks_ahead)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the product lived three weeks; its workspace is still there."""
    place = tmp_path_factory.mktemp("loop")
    live(SETTING, Run(4, PRODUCT, 0.2), place)
    return place


@pytest.fixture(scope="module")
def records(product: Path) -> Records:
    return read_records(product / "workspace")


def listed(place: Path) -> pd.DataFrame:
    """The lists of all weeks but the last, whose outcomes have come back."""
    paths = sorted((place / "workspace" / "weeks").glob("*/outreach.parquet"))
    assert len(paths) == SETTING.weeks_ahead
    return pd.concat([pd.read_parquet(path) for path in paths[:-1]])


def back(records: Records) -> pd.DataFrame:
    """What the store holds of visits from the first list on."""
    rows = records.outreach
    frame = pd.DataFrame(
        {
            "outreach_id": rows.outreach_id,
            "household": rows.household,
            "need": rows.need,
            "contacted": rows.contacted,
            "arm": np.where(rows.random, "random", "targeted"),
            "found": rows.outcome == 0,
            "known": rows.outcome >= 0,
            "propensity": rows.propensity,
        }
    )
    return frame[frame["contacted"] >= day_of(FIRST)]


def test_the_real_lists_go_out_and_their_outcomes_come_back_under_their_numbers(
    product: Path, records: Records
) -> None:
    lists, visits = listed(product), back(records)
    assert list((product / "workspace" / "weeks" / FIRST.isoformat()).glob("*.xlsx"))
    assert sorted(visits["outreach_id"]) == sorted(lists["outreach_id"])
    assert visits["known"].all()


def test_visits_are_the_same_without_paper(product: Path, records: Records) -> None:
    week = product / "workspace" / "weeks" / FIRST.isoformat()
    by_turn = not champion(product / "workspace").model.modelled.any()
    scores = pd.read_parquet(week / "scores.parquet")
    planned = plan(scores, known_before(records, day_of(FIRST)), by_turn=by_turn).visits
    lists = pd.read_parquet(week / "outreach.parquet")
    same = ["household_id", "need", "arm", "worker_id"]  # on paper they stand in the order of doors
    pd.testing.assert_frame_equal(
        planned.set_index("outreach_id").sort_index()[same], lists.set_index("outreach_id").sort_index()[same]
    )


def test_targeted_visits_stay_targeted_and_those_by_lot_keep_their_propensity(
    product: Path, records: Records
) -> None:
    both = listed(product).merge(back(records), on="outreach_id", suffixes=("", "_back"))
    assert (both["arm"] == both["arm_back"]).all()
    by_lot = both["arm"] == "random"
    assert by_lot.any() and not by_lot.all()
    assert both.loc[~by_lot, "propensity_back"].isna().all()
    assert both.loc[by_lot, "propensity_back"].to_numpy() == pytest.approx(
        both.loc[by_lot, "propensity"].to_numpy()
    )


def test_a_need_that_a_visit_found_leaves_no_request(records: Records) -> None:
    found = back(records).query("found")
    assert len(found)
    requests = records.requests
    for visit in found.itertuples():
        same = (requests.household == visit.household) & (requests.need == visit.need)
        monday = visit.contacted - (visit.contacted - day_of(FIRST)) % 7
        assert not (same & (requests.requested >= monday) & (requests.requested < monday + 7)).any()


def test_capacity_and_cool_down_hold(product: Path, records: Records) -> None:
    lists = listed(product)
    homes = lists.drop_duplicates(["as_of", "household_id"])
    assert not homes.duplicated("household_id").any()
    capacity = records.workers.set_index("worker_id")["weekly_visits"]
    done = homes.groupby(["as_of", "worker_id"]).size().reset_index(name="visits")
    assert (done["visits"].to_numpy() <= capacity[done["worker_id"]].to_numpy()).all()


def test_weekly_exports_add_up_to_the_office_s_tables(tmp_path: Path) -> None:
    world = World(replace(SETTING, weeks=52), Run(4, "random", 0.2), tmp_path)
    handed, sizes = [], []
    for _ in range(3):
        sizes.append(world.exports.write(tmp_path / "export"))
        files = {size: tmp_path / "export" / f"{size}.csv" for size in sizes[-1]}
        handed.append({one: pd.read_csv(path, dtype=str) for one, path in files.items()})
        town, names = world.town, world.exports.names
        requests = request_table(town, names, world.community, world.office.requests)
        until = float(town.dates(np.array(town.week)))
        whole = contract_tables(town, names, world.community, world.office, requests, until)
        world.office.live_a_week()
    assert sizes[0]["households"] > 150 > 10 * sizes[1]["households"]
    for name, table in whole.items():
        table.to_csv(tmp_path / "whole.csv", index=False)
        expected = pd.read_csv(tmp_path / "whole.csv", dtype=str)
        keys = list(TABLES[name].key)
        every = pd.concat([week[name] for week in handed]).drop_duplicates(keys, keep="last")
        pd.testing.assert_frame_equal(
            every.sort_values(keys, ignore_index=True),
            expected.sort_values(keys, ignore_index=True),
            check_dtype=False,
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies on two towns, cut short once and taken up again."""

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    out = tmp_path_factory.mktemp("whole")
    with pytest.raises(KeyboardInterrupt):
        run_all(out, SHORT, POLICIES, [4, 5], [LOT], stop)
    kept = next((out / "runs").glob("seed-4-*.parquet"))
    when = kept.stat().st_mtime_ns
    run_all(out, SHORT, POLICIES, [4, 5], [LOT])
    assert kept.stat().st_mtime_ns == when
    return out


def test_a_run_cut_short_goes_on_where_it_was_and_gives_the_same(whole: Path, tmp_path: Path) -> None:
    run_all(tmp_path, SHORT, POLICIES[:1], [4], [LOT])
    weeks, straight = read_runs(whole).weeks, read_runs(tmp_path).weeks
    same = weeks[(weeks["seed"] == 4) & (weeks["policy"] == POLICIES[0])].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, straight)


def test_the_report_has_every_policy_with_intervals(whole: Path) -> None:
    paths = write_report(whole, read_runs(whole), LOT)
    text = (whole / "closed_loop.md").read_text("utf-8")
    assert all(path.stat().st_size for path in paths)
    assert "近一年申请次数" in text and "随机" in text and "±" in text
    weeks = pd.read_csv(whole / "closed_loop.csv")
    assert set(weeks["policy"]) == set(POLICIES)
    assert weeks.groupby(["seed", "policy"])["week"].nunique().eq(SHORT.weeks_ahead).all()


def test_another_town_is_refused(whole: Path) -> None:
    with pytest.raises(UserError, match="换一个目录"):
        run_all(whole, replace(SHORT, weeks=53), POLICIES, [4], [LOT])


def test_whoever_knows_the_truth_finds_most(tmp_path: Path) -> None:
    weeks = {
        policy: live(SHORT, Run(6, policy, 0.1), tmp_path / policy).weeks for policy in (ORACLE, "random")
    }
    expected = {
        policy: one[one["group"] == "all"][["expected", "visits"]].sum() for policy, one in weeks.items()
    }
    each = {policy: one["expected"] / one["visits"] for policy, one in expected.items()}
    assert each[ORACLE] > 1.5 * each["random"]
