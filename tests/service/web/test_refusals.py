"""A refusal holds everywhere at once, whichever way it came."""

import pandas as pd
import pytest
from click.testing import CliRunner
from served_town import As, copy_workspace, machine, served

from service.cli.commands import commands

LIVE = {
    "household_id": "h04",
    "households": [{"grid_id": "g0", "microgrid_id": "m4", "valid_from": "2019-03-01"}],
}


@pytest.fixture
def client(tmp_path):
    with served(copy_workspace(tmp_path / "workspace")) as client:
        yield client


def visit_to(client) -> dict:
    listed = As(client, "li").get("/v1/visits?limit=500").json()["visits"]
    return next(one for one in listed if one["arm"] == "targeted")


def hidden(client, household: str, outreach_id: str) -> None:
    """Nothing scores, lists or takes outcomes of a household."""
    key = machine(client, "live:score", "scores:read")
    live = {**LIVE, "household_id": household}
    assert client.post("/v1/live/scores", json=live, headers=key).status_code == 403
    wang = As(client, "wang")
    assert wang.get(f"/v1/households/{household}/scores").status_code == 403
    assert household not in {one["household_id"] for one in wang.get("/v1/visits?limit=500").json()["visits"]}
    outcome = {"outreach_id": outreach_id, "outcome": "needed"}
    assert wang.post("/v1/outcomes", outcome).status_code == 403
    form = {**outcome, "token": "token", "csrf": wang.csrf}
    assert wang.send("POST", "/outcomes", data=form, follow_redirects=False).status_code == 403


def test_noted_in_the_service(client):
    visit = visit_to(client)
    assert As(client, "li").post(f"/v1/residents/{visit['household_id']}/refusal", {}).status_code == 204
    hidden(client, visit["household_id"], visit["outreach_id"])


@pytest.mark.parametrize("table", ["opt_outs", "feedback"])
def test_brought_by_a_file(client, table, tmp_path):
    visit, workspace = visit_to(client), str(client.app.state.settings.workspace)
    row = {
        "opt_outs": {"household_id": visit["household_id"], "from": "2024-09-01"},
        "feedback": {
            "feedback_id": "f1",
            "household_id": visit["household_id"],
            "kind": "do_not_contact",
            "recorded_at": "2024-09-01T10:00:00",
        },
    }[table]
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "households.csv").write_text("household_id,grid_id,microgrid_id,valid_from\n")
    (tmp_path / "later" / "requests.csv").write_text("request_id,household_id,requested_at,need\n")
    pd.DataFrame([row]).to_csv(tmp_path / "later" / f"{table}.csv", index=False)
    run = CliRunner().invoke(commands, ["--workspace", workspace, "ingest", str(tmp_path / "later")])
    assert run.exception is None or isinstance(run.exception, SystemExit), run.output
    client.app.state.restrictions.refresh()  # the service does so every second
    hidden(client, visit["household_id"], visit["outreach_id"])
    why = CliRunner().invoke(commands, ["--workspace", workspace, "resident", "why", visit["household_id"]])
    assert "谢绝" in why.output and "已谢绝自动列名" in why.output
    # it ends where it came from, and who asks for its end elsewhere is told so
    gone = As(client, "li").send("DELETE", f"/v1/residents/{visit['household_id']}/refusal")
    assert (gone.status_code, gone.json()["type"].rsplit("/", 1)[-1]) == (409, "refused-in-records")
    command = ["--workspace", workspace, "resident", "accept", visit["household_id"]]
    assert "opt_outs" in str(CliRunner().invoke(commands, command).exception)
