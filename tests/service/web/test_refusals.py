"""A refusal holds everywhere at once, whichever way it came."""

from datetime import date

import pandas as pd
import pytest
from click.testing import CliRunner
from served_town import As, copy_workspace, machine, served

from features.point_in_time.feedback import refusing
from features.point_in_time.records import day_of, known_before
from features.store.reader import read_records
from service.cli.commands import commands
from service.web.intake.handover import drain

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
    client.app.state.restrictions._today = lambda: date(2020, 1, 1)  # the clock was set back
    client.app.state.restrictions.refresh()
    hidden(client, visit["household_id"], visit["outreach_id"])


FILES = {
    "opt_outs": {"from": "2024-09-01 10:00:00"},
    "opt_outs without a day": {"until": None},
    "feedback": {
        "feedback_id": "f1",
        "kind": "do_not_contact",
        "recorded_at": "2024-09-01T10:00:00",
        "satisfaction": 2,
    },
}


def bring(client, kind: str, household: str, place) -> None:
    """Ingest a file that says that a household refuses."""
    place.mkdir()
    (place / "households.csv").write_text("household_id,grid_id,microgrid_id,valid_from\n")
    (place / "requests.csv").write_text("request_id,household_id,requested_at,need\n")
    row = {"household_id": household, **FILES[kind]}
    pd.DataFrame([row]).to_csv(place / f"{kind.split()[0]}.csv", index=False)
    workspace = str(client.app.state.settings.workspace)
    run = CliRunner().invoke(commands, ["--workspace", workspace, "ingest", str(place)])
    assert run.exception is None or isinstance(run.exception, SystemExit), run.output
    client.app.state.restrictions.refresh()  # the service does so every second


@pytest.mark.parametrize("kind", FILES)
def test_brought_by_a_file(client, kind, tmp_path):
    visit, workspace = visit_to(client), str(client.app.state.settings.workspace)
    bring(client, kind, visit["household_id"], tmp_path / "later")
    hidden(client, visit["household_id"], visit["outreach_id"])
    why = CliRunner().invoke(commands, ["--workspace", workspace, "resident", "why", visit["household_id"]])
    assert "谢绝" in why.output and "不要再来" in why.output


@pytest.mark.parametrize("kind", FILES)
def test_one_that_a_file_brought_is_ended_by_a_coordinator(client, kind, tmp_path):
    wang, workspace = As(client, "wang"), client.app.state.settings.workspace
    home = visit_to(client)["household_id"]
    bring(client, kind, home, tmp_path / "later")
    assert wang.get(f"/v1/households/{home}/scores").status_code == 403
    form = {"household_id": home, "csrf": wang.csrf}
    assert wang.send("POST", "/refusals/end", data=form, follow_redirects=False).status_code == 303
    assert wang.get(f"/v1/households/{home}/scores").status_code == 200
    assert wang.send("POST", "/refusals/end", data=form, follow_redirects=False).status_code == 404
    drain(workspace, client.app.state.database)  # as every command does
    client.app.state.restrictions.refresh()
    assert wang.get(f"/v1/households/{home}/scores").status_code == 200
    known = known_before(read_records(workspace), day_of(date.today()) + 1)
    household = list(known.household_ids).index(home)
    assert not known.opted_out[household] and not refusing(known)[household]
    if kind == "feedback":
        assert known.objections.feedback.satisfaction.tolist()[-1] == 2


def test_one_noted_again_after_its_end_holds(client):
    wang, workspace = As(client, "wang"), client.app.state.settings.workspace
    home = visit_to(client)["household_id"]
    path = f"/v1/residents/{home}/refusal"
    assert wang.post(path, {}).status_code == 204
    drain(workspace, client.app.state.database)
    assert wang.delete(path).status_code == 204 and wang.post(path, {}).status_code == 204
    for _ in range(2):
        client.app.state.restrictions.refresh()
        assert wang.get(f"/v1/households/{home}/scores").status_code == 403
        drain(workspace, client.app.state.database)
