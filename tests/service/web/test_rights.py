"""Residents' rights, and what came in through the service on its way to the records."""

import json
import signal
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from killed import killed_with_records_replaced
from ready_process import run_to_end
from served_town import AS_OF, NEWEST, As, copy_workspace, publish_week, served
from service_database import database_url  # noqa: F401
from sqlalchemy import event

from features.atomic import PARTIAL
from features.contract.tables import OUTCOMES
from features.ingest.erasure import rows_of_household
from features.ingest.ingest import ingest
from features.language import UserError
from features.point_in_time.records import date_of
from features.store.reader import read_records
from service.cli.commands import commands
from service.console.operator import operator
from service.web.intake.handover import drain
from service.web.rights.rights import refuse
from service.weekly import opening
from service.weekly.monday import weekly
from service.weekly.opening import read_town


@pytest.fixture
def client(tmp_path: Path, database_url: str):  # noqa: F811
    with served(copy_workspace(tmp_path / "workspace"), database_url=database_url) as client:
        yield client


def workspace_of(client) -> Path:
    return client.app.state.settings.workspace


def drained(client) -> list[str]:
    return drain(workspace_of(client), client.app.state.database)


def outcomes_of(client, outreach_id: str) -> list[str | None]:
    rows = read_records(workspace_of(client)).outreach
    return [
        OUTCOMES[code] if code >= 0 else None
        for one, code, end in zip(rows.outreach_id, rows.outcome, rows.visible_to, strict=True)
        if one == outreach_id and end == float("inf")
    ]


def test_outcomes_reach_the_records_once_and_undone_ones_never(client):
    li = As(client, "li")
    first, second = li.get("/v1/visits").json()["visits"][:2]
    for outcome in ("not_reached", "needed"):
        li.post("/v1/outcomes", {"outreach_id": first["outreach_id"], "outcome": outcome})
    undone = li.post("/v1/outcomes", {"outreach_id": second["outreach_id"], "outcome": "needed"}).json()
    li.delete(f"/v1/outcomes/{undone['id']}")
    assert "结果 3 条" in drained(client)[0]
    assert outcomes_of(client, first["outreach_id"]) == ["needed"]
    assert outcomes_of(client, second["outreach_id"]) == []
    assert drained(client) == []
    held = next(one for one in li.get("/v1/outcomes").json() if one["outreach_id"] == first["outreach_id"])
    refused = li.delete(f"/v1/outcomes/{held['id']}")
    assert refused.status_code == 409 and refused.json()["type"] == "urn:xianying:recorded-already"
    li.post("/v1/outcomes", {"outreach_id": first["outreach_id"], "outcome": "declined"})
    drained(client)
    assert outcomes_of(client, first["outreach_id"]) == ["declined"]


def test_a_kill_between_the_records_and_the_mark_counts_nothing_twice(client, monkeypatch):
    li = As(client, "li")
    visit = li.get("/v1/visits").json()["visits"][0]
    li.post("/v1/outcomes", {"outreach_id": visit["outreach_id"], "outcome": "needed"})
    asked = {"household_id": "h04", "need": "meals", "requested_at": "2024-08-30T10:00:00+08:00"}
    number = li.post("/v1/requests", asked).json()["request_id"]
    before = len(read_records(workspace_of(client)).requests)
    with monkeypatch.context() as patch:
        patch.setattr(
            "service.web.intake.handover._mark_drained", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            drained(client)
    held = next(iter(li.get("/v1/outcomes").json()))
    assert li.delete(f"/v1/outcomes/{held['id']}").status_code == 409  # it is on its way
    drained(client)
    records = read_records(workspace_of(client))
    assert len(records.requests) == before + 1 and number in records.requests.request_id
    assert outcomes_of(client, visit["outreach_id"]) == ["needed"]
    assert drained(client) == []


def test_a_refusal_takes_a_household_off_every_list_at_once_and_out_of_the_next(client):
    wang = As(client, "wang")
    visit = wang.get("/v1/visits").json()["visits"][0]
    household = visit["household_id"]
    tag = wang.get("/v1/visits?limit=500").headers["etag"]
    assert wang.post(f"/v1/residents/{household}/refusal", {}).status_code == 204
    after = wang.get("/v1/visits?limit=500", headers={"If-None-Match": tag})
    assert after.status_code == 200
    assert household not in {one["household_id"] for one in after.json()["visits"]}
    assert household.encode() not in wang.get("/v1/visits/export?format=csv").content
    refused = wang.get(f"/v1/households/{household}/scores")
    assert refused.status_code == 403 and refused.json()["type"] == "urn:xianying:refuses-listing"
    assert wang.get(f"/v1/households/{household}/explanation?need={visit['need']}").status_code == 403
    batch = wang.post("/v1/scores/batch", {"household_ids": [household]}).json()
    assert batch == {"households": [], "unknown": [household]}
    assert any("谢绝" in line for line in wang.get(f"/v1/residents/{household}/why").json()["lines"])
    drained(client)
    publish_week(workspace_of(client), AS_OF + 7)
    client.app.state.shelf.refresh()
    listed = client.app.state.shelf.served.newest.visits
    assert listed and household not in {row["household_id"] for row in listed}
    assert wang.delete(f"/v1/residents/{household}/refusal").status_code == 204
    assert wang.get(f"/v1/households/{household}/scores").status_code == 200


def test_a_refusal_is_out_of_the_lists_that_monday_makes(client, tmp_path, monkeypatch):
    if address := client.app.state.settings.database_url:
        monkeypatch.setenv("XIANYING_DATABASE_URL", address)
    wang, workspace, town = As(client, "wang"), workspace_of(client), tmp_path / "export"
    visit = wang.get("/v1/visits").json()["visits"][0]
    assert wang.post(f"/v1/residents/{visit['household_id']}/refusal", {}).status_code == 204
    town.mkdir()
    (town / "households.csv").write_text(
        "household_id,grid_id,microgrid_id,valid_from\nh90,g0,m0,2024-01-01\n", "utf-8"
    )
    (town / "requests.csv").write_text("request_id,household_id,requested_at,need\n", "utf-8")
    # one household of many: an export that shrinks so much stops weekly until it is accepted
    weekly(workspace, town, date_of(AS_OF), lambda _: nullcontext(), lambda _: None, accept=True)
    home = workspace / "weeks" / NEWEST
    assert visit["household_id"] not in set(pd.read_parquet(home / "outreach.parquet")["household_id"])
    assert "谢绝 1 条" in (home / "data-staff.html").read_text("utf-8")


@pytest.fixture(
    params=["Etc/GMT+12", "Pacific/Kiritimati"]
)  # one of them is always on another day than Shanghai
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_refusal_ends_at_once_on_a_machine_with_another_date(elsewhere, client):
    wang = As(client, "wang")
    household = wang.get("/v1/visits").json()["visits"][0]["household_id"]
    scores = f"/v1/households/{household}/scores"
    assert wang.post(f"/v1/residents/{household}/refusal", {}).status_code == 204
    assert wang.get(scores).status_code == 403
    assert wang.delete(f"/v1/residents/{household}/refusal").status_code == 204
    assert wang.get(scores).status_code == 200


def test_a_slow_look_at_refusals_brings_back_nobody_who_refused_meanwhile(client):
    database, restrictions = client.app.state.database, client.app.state.restrictions
    has_read, may_go_on = threading.Event(), threading.Event()

    def hold(_connection, _cursor, statement: str, *_more) -> None:
        if "refusal" in statement.lower() and threading.current_thread() is slow:
            has_read.set()
            may_go_on.wait(30)

    slow, fast = (threading.Thread(target=restrictions.refresh) for _ in range(2))
    event.listen(database.engine, "after_cursor_execute", hold)
    slow.start()
    assert has_read.wait(30)
    refuse(database, "user:wang", "h04", date_of(AS_OF))
    fast.start()
    fast.join(0.5)
    may_go_on.set()
    slow.join()
    fast.join()
    event.remove(database.engine, "after_cursor_execute", hold)
    assert "h04" in restrictions.refusing


def test_why_a_household_is_listed_is_told_in_words(client):
    wang = As(client, "wang")
    rows = wang.get("/v1/visits?limit=500").json()["visits"]
    told = next(one for one in rows if one["arm"] == "targeted")
    lines = wang.get(f"/v1/residents/{told['household_id']}/why").json()["lines"]
    assert any(NEWEST in line and told["reason"].split("，")[0] in line for line in lines)
    assert any("谢绝" in line and "更正" in line and "删除" in line for line in lines)
    drawn = next(one for one in rows if one["arm"] == "random")
    assert any(
        "抽签" in line for line in wang.get(f"/v1/residents/{drawn['household_id']}/why").json()["lines"]
    )
    assert As(client, "li").get("/v1/residents/h04/why").status_code == 403


def test_an_export_holds_all_that_is_held_and_who_looked(client):
    wang = As(client, "wang")
    wang.get("/v1/households/h04/scores", headers={"X-Purpose": "visit"})
    wang.get("/v1/visits?limit=500")
    client.app.state.drain.everything(client.app.state.journal)
    found = wang.get("/v1/residents/h04/export").json()
    held = rows_of_household(workspace_of(client), "h04")
    assert {table: len(rows) for table, rows in found["records"].items()} == {
        table: len(rows) for table, rows in held.items()
    }
    assert found["weeks"][NEWEST]["scores"]["household_id"] == "h04"
    assert {"user:wang"} == {one["who"] for one in found["looked_at"]}
    assert "visit" in {one["purpose"] for one in found["looked_at"]}
    text = json.dumps(found)
    assert '"h05"' not in text and '"h14"' not in text


def test_a_correction_reaches_the_records(client):
    wang = As(client, "wang")
    assert (
        wang.post("/v1/residents/h04/corrections", {"attribute": "nothing", "value": "1"}).status_code == 409
    )
    assert (
        wang.post("/v1/residents/h04/corrections", {"attribute": "income", "value": "low"}).status_code == 202
    )
    drained(client)
    rows = rows_of_household(workspace_of(client), "h04")["households"]
    now = [row for row in rows if row["superseded_at"] is None]
    assert [row["income"] for row in now] == ["low"] and len(rows) == 2
    assert now[0]["children"] == rows[0]["children"] and now[0]["address"]


def test_a_correction_that_cannot_be_read_is_refused_by_field_and_form(client):
    wang, path = As(client, "wang"), "/v1/residents/h04/corrections"
    refused = wang.post(path, {"attribute": "children", "value": "很多"})
    assert refused.status_code == 409 and "children：应是一个数，如 3，不能是“很多”" in refused.text
    for value in ("2", "-", None):
        assert wang.post(path, {"attribute": "children", "value": value}).status_code == 202


def test_a_deleted_household_disappears_from_everything(client):
    wang = As(client, "wang")
    visit = wang.get("/v1/visits").json()["visits"][0]
    household, workspace = visit["household_id"], workspace_of(client)
    wang.post("/v1/outcomes", {"outreach_id": visit["outreach_id"], "outcome": "needed"})
    assert wang.delete(f"/v1/residents/{household}").status_code == 202
    assert wang.get(f"/v1/households/{household}/scores").status_code == 404  # at once
    assert household not in {one["household_id"] for one in wang.get("/v1/visits?limit=500").json()["visits"]}
    assert any("已删除一户" in line for line in drained(client))
    client.app.state.shelf.refresh()
    client.app.state.restrictions.refresh()
    assert not any(rows_of_household(workspace, household).values())
    for path in workspace.rglob("*"):
        if path.is_file() and path.suffix not in (".db", ".db-wal", ".journal", ".txt"):
            content = path.read_bytes()
            assert f'"{household}"'.encode() not in content, path
            if path.suffix in (".parquet", ".duckdb", ".html", ".npz", ".bin"):
                assert household.encode() not in content, path
    for as_of in (NEWEST, date_of(AS_OF - 7).isoformat()):
        others = wang.get(f"/v1/visits?as_of={as_of}&limit=500").json()["visits"]
        assert others and household not in {one["household_id"] for one in others}
    other = wang.get("/v1/visits").json()["visits"][0]["household_id"]
    assert wang.get(f"/v1/households/{other}/scores").json()["household_id"] == other
    assert wang.get(f"/v1/households/{other}/explanation?need=meals").status_code == 200
    assert wang.get(f"/v1/households/{household}/scores").status_code == 404


def test_a_deleted_household_is_not_among_the_dropped_ones_either(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    tables = list((workspace / "weeks").glob("*/dropped.csv"))
    dropped = pd.concat([pd.read_csv(path) for path in tables])
    household = dropped["household_id"].iloc[0]
    tables[0].with_name("~$grid-g0.xlsx").write_bytes(b"somebody has it open")
    damaged = {"filled-1-grid-g0.xlsx": b"PK\x03\x04 half of it", "table.csv": "户号\n".encode("gb18030")}
    for name, content in damaged.items():
        tables[0].with_name(name).write_bytes(content)
    found = CliRunner().invoke(
        commands, ["--workspace", str(workspace), "resident", "delete", household, "--yes"]
    )
    assert found.exit_code == 0, found.output
    named = [line for line in found.output.splitlines() if "读不了" in line]
    assert len(named) == 2 and all(name in found.output for name in damaged)
    left = pd.concat([pd.read_csv(path) for path in tables])
    assert len(left) == (dropped["household_id"] != household).sum() and household not in set(
        left["household_id"]
    )


def test_nothing_stays_of_a_household_that_came_after_the_week_began(tmp_path):
    workspace, late = copy_workspace(tmp_path / "workspace"), tmp_path / "late"
    late.mkdir()
    row = {"household_id": "late00", "grid_id": "g0", "microgrid_id": "m0", "valid_from": date_of(AS_OF + 2)}
    pd.DataFrame([row]).to_csv(late / "households.csv", index=False)
    ingest(late, workspace, everything=False)
    publish_week(workspace, AS_OF)
    assert any(b"late00" in path.read_bytes() for path in (workspace / "served").rglob("*.npz"))
    found = CliRunner().invoke(
        commands, ["--workspace", str(workspace), "resident", "delete", "late00", "--yes"]
    )
    assert found.exit_code == 0
    assert not any(
        b"late00" in path.read_bytes()
        for path in workspace.rglob("*")
        if path.is_file() and "service" not in path.name
    )


def test_scores_that_records_have_overtaken_are_not_taken_for_new_because_a_household_left_them(tmp_path):
    workspace, later = copy_workspace(tmp_path / "workspace"), tmp_path / "later"
    scores = sorted((workspace / "weeks").glob("*/scores.parquet"))[-1]
    before, held = scores.stat().st_mtime_ns, pd.read_parquet(scores)
    household = held["household_id"].iloc[0]
    later.mkdir()
    row = {"household_id": "late00", "grid_id": "g0", "microgrid_id": "m0", "valid_from": date_of(AS_OF - 2)}
    pd.DataFrame([row]).to_csv(later / "households.csv", index=False)
    ingest(later, workspace, everything=False)
    found = CliRunner().invoke(
        commands, ["--workspace", str(workspace), "resident", "delete", household, "--yes"]
    )
    assert found.exit_code == 0
    pd.testing.assert_frame_equal(
        pd.read_parquet(scores), held[held["household_id"] != household].reset_index(drop=True)
    )
    assert scores.stat().st_mtime_ns == before < (workspace / "records.duckdb").stat().st_mtime_ns


def test_the_same_by_command(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")

    def xianying(*args: str) -> str:
        found = CliRunner().invoke(commands, ["--workspace", str(workspace), *args], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    assert "这一户" in xianying("resident", "why", "h04") or "一周" in xianying("resident", "why", "h04")
    xianying("resident", "refuse", "h04")
    assert "谢绝" in xianying("resident", "why", "h04")
    assert "谢绝 1 条" in xianying("drain")
    assert "收回 1 条" in xianying("resident", "accept", "h04")
    assert json.loads(xianying("resident", "export", "h04"))["records"]["opt_outs"]
    assert "来源系统" in xianying("resident", "correct", "h04", "income", "high")
    assert "已删除一户" in xianying("resident", "delete", "h04", "--yes")
    assert "h04" not in read_records(workspace).household_ids


def test_a_deletion_killed_in_between_is_completed_by_running_it_again(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    scores = workspace / "weeks" / NEWEST / "scores.parquet"
    command = ["--workspace", str(workspace), "resident", "delete", "h04", "--yes"]
    code = killed_with_records_replaced(
        "from service.cli.commands import commands; commands(sys.argv[1:], standalone_mode=False)", *command
    )
    assert code == 9 and "h04" in set(pd.read_parquet(scores)["household_id"])
    again = CliRunner().invoke(commands, command)
    assert again.exit_code == 0 and "已删除一户" in again.output
    assert "h04" not in set(pd.read_parquet(scores)["household_id"])
    assert isinstance(CliRunner().invoke(commands, command).exception, UserError)


@pytest.mark.parametrize("command", ["score", "outreach"])
def test_a_household_deleted_while_a_command_goes_on_is_in_nothing_that_it_writes(
    tmp_path, monkeypatch, command
):
    workspace = copy_workspace(tmp_path / "workspace")
    listed = pd.read_parquet(workspace / "weeks" / NEWEST / "outreach.parquet")["household_id"]
    household = listed.iloc[0]

    def read_and_delete(*given):
        town = read_town(*given)
        deletion = ["--workspace", str(workspace), "resident", "delete", household, "--yes"]
        assert CliRunner().invoke(commands, deletion).exit_code == 0
        return town

    monkeypatch.setattr(opening, "read_town", read_and_delete)
    found = CliRunner().invoke(commands, ["--workspace", str(workspace), command, "--as-of", NEWEST])
    assert found.exit_code == 0, found.output
    for path in [*workspace.glob("*.parquet"), *(workspace / "weeks").glob("*/*.parquet")]:
        assert household not in set(pd.read_parquet(path)["household_id"]), path
    assert not any(household.encode() in path.read_bytes() for path in (workspace / "served").rglob("*.json"))


KILLED_SCORE = """
import os, signal, sys
from service.cli.commands import commands
from service.weekly import score_cache
score_cache.scored_week = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
commands(sys.argv[1:], standalone_mode=False)
"""


def test_scores_of_a_killed_command_go_with_a_deletion(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    begun = run_to_end(KILLED_SCORE, "--workspace", workspace, "score", "--as-of", NEWEST)
    assert begun[0] == -signal.SIGKILL
    (left,) = workspace.rglob(f".*{PARTIAL}")
    assert {path.name for path in left.iterdir()} == {"scores.parquet", "risk.parquet"}
    deleted = CliRunner().invoke(
        commands, ["--workspace", str(workspace), "resident", "delete", "h04", "--yes"]
    )
    assert deleted.exit_code == 0 and not left.exists()


def test_who_asked_by_command_why_a_household_is_listed_is_in_the_audit_log(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    CliRunner().invoke(commands, ["--workspace", str(workspace), "resident", "why", "h04"])
    exported = CliRunner().invoke(commands, ["--workspace", str(workspace), "resident", "export", "h04"])
    looked = [(one["who"], one["action"]) for one in json.loads(exported.output)["looked_at"]]
    assert (operator(), "resident.why") in looked
