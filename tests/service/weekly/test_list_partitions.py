"""The week's lists of a town in several partitions: whole, within the rules, and served."""

import io
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml
from served_town import AS_OF, PROGRAMMES, copy_workspace, publish_week

from features.ingest.ingest import ingest
from features.language import LANGUAGES, UserError
from features.point_in_time.records import date_of, known_before
from features.point_in_time.schema_fit import fit_schema
from features.store.layout import lay_out
from features.store.partitions import OnDisk
from features.store.reader import read_records
from models.registry.champion import install_copy
from models.registry.tracking import registry_address
from models.scoring.executors import local
from models.scoring.untrained import untrained
from service.web.published.weeks import Shelf, Week
from service.weekly.list_week import list_week
from service.weekly.week_directory import read_table, week_directory

DATE = date_of(AS_OF)
WORKERS = (
    "worker_id,name,role,grid_id,microgrid_id,weekly_visits\na,甲,grid_worker,g0,,4\nb,乙,grid_worker,g1,,4\n"
)
COORDINATOR = "c,丙,coordinator,,,5\n"


def one_after_another(task, numbers):
    return local(task, numbers, processes=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "workspace")


def parts_of(workspace: Path) -> OnDisk:
    parts = lay_out(workspace, str(workspace / "parts"), households=30)
    assert len(parts) == 2
    return parts


def make(workspace: Path, each=one_after_another) -> list[str]:
    home = week_directory(workspace, DATE)
    return list_week(workspace, parts_of(workspace), DATE, home, lambda _: nullcontext(), each)


def served(workspace: Path) -> Week:
    shelf = Shelf(workspace)
    shelf.refresh()
    assert shelf.served.newest
    return shelf.served.newest


def files_of(workspace: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in week_directory(workspace, DATE).iterdir()}


def test_both_parts_are_listed_within_the_rules_and_served(workspace: Path) -> None:
    before = served(workspace)
    whole = {home: before.content.read(place[2], place[4], None) for home, place in before.places.items()}
    tail = make(workspace)[-2:]
    visits = read_table(week_directory(workspace, DATE) / "outreach.parquet")
    assert f"{visits['household_id'].nunique()} 户" in tail[0]
    assert set(visits["grid_id"]) == {"g0", "g1"}
    homes = visits.drop_duplicates("household_id")
    targeted = homes[homes["arm"] == "targeted"]
    assert (homes.groupby("microgrid_id").size() <= 3).all()
    assert visits.loc[visits["arm"] == "random", "propensity"].between(0, 1, inclusive="right").all()
    secret = visits[visits["need"] == "refuge"]
    assert 0 < secret["household_id"].nunique() <= 3  # one coordinator, with visits_per_worker in all
    order = secret.drop_duplicates("household_id")["visit_order"]
    assert sorted(order) == list(range(1, len(order) + 1))
    assert len(targeted) and not visits.duplicated(["household_id", "need"]).any()
    week = served(workspace)
    assert {home: week.content.read(place[2], place[4], None) for home, place in week.places.items()} == whole
    rows = {row["outreach_id"] for row in week.visits if not row.get("withdrawn")}
    assert rows == set(visits["outreach_id"])
    home = homes["household_id"].iloc[0]
    needs = visits.loc[visits["household_id"] == home, "need"]
    assert week.live and week.live.explain(home, needs.iloc[0], week.places[home][0])


def test_reasons_are_those_of_the_town_in_one_piece(workspace: Path) -> None:
    columns = ["outreach_id", "arm", "reason"]
    whole = read_table(week_directory(workspace, DATE) / "outreach.parquet")[columns]
    make(workspace)
    parts = read_table(week_directory(workspace, DATE) / "outreach.parquet")[columns]
    both = whole.merge(parts, on=["outreach_id", "arm"])
    assert (both["arm"] == "targeted").sum() > 10
    assert (both["reason_x"] == both["reason_y"]).all()


def test_files_are_the_same_again_and_what_is_missing_is_made_again(workspace: Path) -> None:
    make(workspace)
    first = files_of(workspace)
    home = week_directory(workspace, DATE)
    (home / "grid-g1.xlsx").unlink()
    make(workspace)
    assert files_of(workspace) == first
    sheet = openpyxl.load_workbook(io.BytesIO(first["grid-g0.xlsx"])).worksheets[0]
    assert sheet.max_row > 4


def test_seats_are_promised_once_in_the_whole_town(workspace: Path) -> None:
    put(workspace, programmes=[{**PROGRAMMES[0], "seats": 1, "seats_taken": 0}])
    lines = make(workspace)
    visits = read_table(week_directory(workspace, DATE) / "outreach.parquet")
    p_need = read_table(week_directory(workspace, DATE) / "scores.parquet").set_index(
        ["household_id", "need"]
    )["p_need"]
    asked = visits[(visits["need"] == "meals") & (visits["arm"] == "targeted")]
    takers = p_need.reindex(pd.MultiIndex.from_frame(asked[["household_id", "need"]])).sum()
    assert takers <= 1 + 1e-6
    assert any("名额不多" in line and "幸福食堂" in line for line in lines)


def test_a_coordinator_of_the_whole_town_has_one_list(workspace: Path, tmp_path: Path) -> None:
    put(workspace, workers=WORKERS + COORDINATOR)
    make(workspace)
    visits = read_table(week_directory(workspace, DATE) / "outreach.parquet")
    own = visits[visits["worker_id"] == "c"].drop_duplicates("household_id")
    assert sorted(own["visit_order"]) == list(range(1, len(own) + 1)) and 0 < len(own) <= 5
    assert set(visits["worker_id"]) == {"a", "b", "c"}
    workers = {row["worker_id"]: row["visits"] for row in served(workspace).around["workers"]}
    assert workers == {"a": 4, "b": 4, "c": 5}


def test_visits_in_turn_go_to_the_part_of_the_town_that_waits_longest(workspace: Path) -> None:
    put(workspace, workers=WORKERS + COORDINATOR)
    known = known_before(read_records(workspace), AS_OF)
    made = workspace / "champion" / "no-model"
    base = untrained(known, fit_schema(known), AS_OF)
    replace(base, metadata=base.metadata | {"requests": 40}).save(made)  # too few to tell households apart
    install_copy(workspace, registry_address(workspace), 2, made)
    back = workspace.parent / "visited"
    back.mkdir()
    homes = known.household_ids[known.present & (known.grid == list(known.grid_ids).index("g0"))]
    visits = pd.DataFrame({"household_id": homes, "outreach_id": [f"v{home}" for home in homes]})
    visits = visits.assign(
        need="meals", arm="targeted", contacted_at=date_of(AS_OF - 20), outcome="not_reached"
    )
    visits.to_csv(back / "outreach.csv", index=False)
    ingest(back, workspace, everything=False)
    lines = make(workspace)
    listed = read_table(week_directory(workspace, DATE) / "outreach.parquet")
    own = listed[listed["worker_id"] == "c"].drop_duplicates("household_id")
    assert len(own) == 5 and set(own["grid_id"]) == {"g1"}
    assert not any("走访安排" in line for line in lines)


def test_groups_are_found_as_equally_as_is_asked_for(workspace: Path) -> None:
    put(workspace, outreach={"explore_share": 0.0})
    lines = make(workspace)
    assert not any("各群体均等" in line for line in lines)
    assert any("这周名单和预计需要比" in line for line in lines)
    before = recalls(workspace)
    put(workspace, outreach={"explore_share": 0.0, "parity": {"groups": ["grid"], "tolerance": 0.02}})
    lines = make(workspace)
    assert any("各群体均等" in line for line in lines)
    assert not any("还是达不到容许范围" in line for line in lines)
    after = recalls(workspace)
    assert after.min() / after["all"] > before.min() / before["all"]


def test_parity_that_cannot_be_had_is_refused_in_one_line(workspace: Path) -> None:
    put(workspace, outreach={"parity": {"groups": ["nobody"], "tolerance": 0.5}})
    with pytest.raises(UserError, match="没有这个群体"):
        make(workspace)


def recalls(workspace: Path) -> pd.Series:
    """The share of its expected need that the list meets, of all and of each grid."""
    table = pd.read_csv(week_directory(workspace, DATE) / "groups.csv").set_index("group")["recall"]
    return table[table.index.str.startswith("grid=") | (table.index == "all")]


def rounded(told: dict) -> dict:
    """The same with means to six places: partitions add them up in another order."""
    return json.loads(json.dumps(told, default=str), parse_float=lambda text: round(float(text), 6))


def test_feedback_of_a_household_that_moved_counts_once(workspace: Path) -> None:
    """As in the town in one piece."""
    listed = read_table(week_directory(workspace, DATE) / "listed.parquet")
    said = listed[["outreach_id", "household_id", "need"]].assign(
        feedback_id=listed["outreach_id"],
        recorded_at=f"{date_of(AS_OF - 3)}T10:00:00",
        kind=np.resize(["reason_wrong", "wrong_person", "already_helped", "satisfied"], len(listed)),
        reason_kind=listed["reason_kinds"],
        satisfaction=np.resize([1, 5, 3], len(listed)),
        next_visit=date_of(AS_OF + 2),
    )
    home, other = listed.iloc[0], listed[listed["grid_id"] != listed["grid_id"][0]].iloc[0]
    moved = {"household_id": home["household_id"], "valid_from": date_of(AS_OF - 30).isoformat()}
    moved |= {"grid_id": other["grid_id"], "microgrid_id": other["microgrid_id"]}
    back = workspace.parent / "back"
    back.mkdir()
    said.to_csv(back / "feedback.csv", index=False)
    pd.DataFrame([moved]).to_csv(back / "households.csv", index=False)
    ingest(back, workspace, everything=False)
    publish_week(workspace, AS_OF)
    whole = served(workspace).around["feedback"]
    make(workspace)
    parts = served(workspace).around["feedback"]
    assert whole["zh"]["quality"] and whole["zh"]["agreed"] and whole["zh"]["marks"]["all"] == len(listed)
    for one in LANGUAGES:
        for rows in ("said", "agreed"):
            assert sorted(map(str, parts[one].pop(rows))) == sorted(map(str, whole[one].pop(rows)))
        for told in (parts[one], whole[one]):  # who is drawn by lot, and so needs no reason, differs
            told["quality"] = {row["kind"]: row["wrong"] for row in told["quality"] if row["wrong"]}
    assert rounded(parts) == rounded(whole)


def test_outcomes_count_in_the_quality_of_reasons_also_where_nobody_gave_feedback(workspace: Path) -> None:
    """As in the town in one piece."""
    listed = read_table(week_directory(workspace, date_of(AS_OF - 7)) / "listed.parquet")
    back = workspace.parent / "back"
    back.mkdir()
    visits = listed[["outreach_id", "household_id", "need", "arm", "propensity"]]
    visits = visits.assign(contacted_at=date_of(AS_OF - 5), outcome="needed")
    visits.to_csv(back / "outreach.csv", index=False)
    said = (
        listed[listed["grid_id"] == "g0"]
        .iloc[:1][["outreach_id", "household_id"]]
        .assign(feedback_id="f1", recorded_at=f"{date_of(AS_OF - 3)}T10:00:00", kind="satisfied")
    )
    said.to_csv(back / "feedback.csv", index=False)
    ingest(back, workspace, everything=False)
    publish_week(workspace, AS_OF)
    whole = served(workspace).around["feedback"]["zh"]["quality"]
    make(workspace)
    assert sum(row["listed"] for row in whole) > 5
    assert served(workspace).around["feedback"]["zh"]["quality"] == whole


def put(workspace: Path, workers: str = "", **settings) -> None:
    """Other settings, and a workers table."""
    town = workspace.parent / "more"
    town.mkdir(exist_ok=True)
    said = yaml.safe_load((workspace / "community.yaml").read_text("utf-8"))
    for key, value in settings.items():
        said[key] = {**said[key], **value} if isinstance(value, dict) else value
    (town / "community.yaml").write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
    if workers:
        (town / "workers.csv").write_text(workers, "utf-8")
    records = read_records(workspace)
    known = known_before(records, AS_OF)
    home = records.household_ids[known.present][0]
    (town / "opt_outs.csv").write_text(f"household_id,from\n{home},2024-01-01\n", "utf-8")
    ingest(town, workspace, everything=False)
