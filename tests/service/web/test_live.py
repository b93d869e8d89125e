"""Posted records are scored as in the batch; explanations are those of the lists."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from served_town import NEWEST, As, copy_workspace, machine, served
from small_town import iso, town_rows

from features.contract.tables import TABLES
from service.web.database.tables import Refusal


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    home: Path = tmp_path_factory.mktemp("live")
    with served(copy_workspace(home / "workspace")) as client:
        yield client


def body_of(household: str) -> dict:
    """The household of the town as another system would post it."""
    rows = town_rows(households=60, requests=600)
    found: dict = {"household_id": household}
    for table in ("households", "residents", "requests", "outreach"):
        mine = [row for row in rows[table] if row["household_id"] == household]
        if table == "outreach":
            mine = [row for row in mine if row["contacted_at"] < iso(19968 - 100)]
        found[table] = []
        for row in mine:
            row = {"valid_from": "2020-01-01", **row} if table == "residents" else dict(row)
            known = set(TABLES[table].columns) - {"household_id"}
            plain = {name: value for name, value in row.items() if name in known}
            extra = {name: value for name, value in row.items() if name not in TABLES[table].columns}
            found[table].append(
                {**plain, **({"attributes": extra} if table in ("households", "residents") else {})}
            )
        for row in found[table]:
            for name in ("request_id", "outreach_id"):
                row.pop(name, None)
    return found


def test_records_posted_at_once_score_as_the_batch_scored_them(client):
    key = machine(client, "live:score", "sensitive:read")
    households = ["h04", "h07", "h33", "h44"]
    with ThreadPoolExecutor(len(households)) as threads:
        answers = threads.map(
            lambda body: client.post("/v1/live/scores", json=body, headers=key), map(body_of, households)
        )
    for household, answer in zip(households, answers, strict=True):
        assert answer.status_code == 200, answer.text
        found = answer.json()
        kept = As(client, "wang").get(f"/v1/households/{household}/scores").json()
        assert [one["need"] for one in found["scores"]] == [one["need"] for one in kept["scores"]]
        for name in ("p_request", "p_need"):
            assert [one[name] for one in found["scores"]] == pytest.approx(
                [one[name] for one in kept["scores"]], abs=2e-8
            )
        assert found["risk"] == pytest.approx(kept["risk"], abs=2e-8) and found["tier"] == kept["tier"]


def test_a_new_household_gets_scores_without_being_stored(client):
    body = {**body_of("h04"), "household_id": "brand-new"}
    chen = As(client, "chen")
    found = chen.post("/v1/live/scores", body).json()
    assert {one["need"] for one in found["scores"]} <= {"childcare", "meals"} and "tier" not in found
    assert As(client, "wang").get("/v1/households/brand-new/scores").status_code == 404
    assert As(client, "li").post("/v1/live/scores", body).status_code == 403
    home = {name: value for name, value in body["households"][0].items() if name != "attributes"}
    bare = chen.post("/v1/live/scores", {"household_id": "brand-new", "households": [home]})
    assert {one["need"] for one in bare.json()["scores"]} == {"meals"}, "who may need childcare is not known"
    named = [{**home, "attributes": {"孩子数": 1, "车位": 2}}]
    told = chen.post("/v1/live/scores", {"household_id": "brand-new", "households": named}).json()
    assert {one["need"] for one in told["scores"]} == {"childcare", "meals"}
    assert told["unknown_attributes"] == ["车位"]
    asked = {**body, "requests": [{"need": "nosuch", "requested_at": "2024-01-01"}]}
    wrong = chen.post("/v1/live/scores", asked)
    assert wrong.status_code == 422 and wrong.json()["allowed"] == ["childcare", "meals"]
    late = {**body, "households": [{**body["households"][0], "valid_from": "2030-01-01"}]}
    assert chen.post("/v1/live/scores", late).status_code == 422


def test_rows_of_features_score_as_the_registered_model_does(client):
    from models.served import ServedModel

    live = client.app.state.shelf.served.newest.live
    wang = As(client, "wang")
    names = wang.get("/v1/live/features").json()
    matrix = np.random.default_rng(0).random((4, len(names))).round(3)
    frame = pd.DataFrame(matrix, columns=names).assign(need=["meals", "childcare", "refuge", "meals"])
    expected = (
        ServedModel(replace(live.model, usual_shift=live.state.shift)).predict(frame)["p_request"].tolist()
    )
    split = {"columns": list(frame.columns), "data": frame.to_numpy().tolist()}
    answer = wang.post("/v1/live/features", {"dataframe_split": split})
    assert answer.json()["p_request"] == pytest.approx(expected)
    assert As(client, "chen").post("/v1/live/features", {"dataframe_split": split}).status_code == 422
    for wrong in ({}, {"dataframe_split": {"columns": ["need"], "data": [["meals"]]}}, [1], "x"):
        assert wang.post("/v1/live/features", wrong).status_code == 422


def test_an_explanation_is_that_of_the_list(client):
    wang = As(client, "wang")
    rows = [one for one in wang.get("/v1/visits?limit=500").json()["visits"] if one["arm"] == "targeted"]
    for row in rows[:6]:
        found = wang.get(f"/v1/households/{row['household_id']}/explanation?need={row['need']}").json()
        assert found["as_of"] == NEWEST and row["reason"].startswith(found["reasons"][0]["text"])
        assert all(one["text"] for one in found["reasons"])
    li = As(client, "li")
    assert li.get("/v1/households/h04/explanation?need=refuge").status_code == 404
    assert li.get("/v1/households/h01/explanation?need=meals").status_code == 404
    assert wang.get("/v1/households/h00/explanation?need=childcare").status_code == 404  # no children


def test_a_key_of_one_grid_does_not_learn_whether_a_number_is_taken_elsewhere(client):
    places = client.app.state.shelf.served.newest.places
    restrictions = client.app.state.restrictions
    key = machine(client, "live:score", grid_id="g0")
    elsewhere = [one for one, place in places.items() if place[0] != "g0"]
    refusing = [one for one in elsewhere if one in restrictions.refusing]
    assert refusing
    home = {"valid_from": "2020-01-01", "grid_id": "g0", "microgrid_id": "m0"}
    answers = []
    for household in ("nobody", refusing[0], next(one for one in elsewhere if one not in refusing)):
        body = {"household_id": household, "households": [home]}
        found = client.post("/v1/live/scores", json=body, headers=key)
        answers.append((found.status_code, {**found.json(), "household_id": ""}))
    assert answers[0][0] == 200 and answers[1:] == answers[:1] * 2


def test_a_refusing_household_that_came_since_the_newest_week_gets_no_scores(client):
    state = client.app.state
    with state.database.writing() as session:
        session.add(Refusal(household_id="late-1", begins_on=date(2024, 1, 1), by="user:wang"))
    state.restrictions.refresh()
    home = {"valid_from": "2020-01-01", "grid_id": "g0", "microgrid_id": "m0"}
    found = client.post(
        "/v1/live/scores",
        json={"household_id": "late-1", "households": [home]},
        headers=machine(client, "live:score"),
    )
    assert found.status_code == 403 and found.json()["type"].endswith("refuses-listing")
