"""What another system meets: a description with keys and examples, its page, filters that must be known, and a client."""

import shlex
import subprocess
from pathlib import Path

import pytest
from running_service import service
from served_town import NEWEST, As, copy_workspace, machine, served
from small_client import small_client

from service.web.api import openapi
from service.web.auth import people
from service.web.base.settings import command_settings
from service.web.database.engine import open_database

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    with served(copy_workspace(tmp_path_factory.mktemp("systems") / "workspace")) as client:
        yield client


def test_the_description_is_put_into_json_once_as_anybody_may_ask_for_it(client, monkeypatch) -> None:
    first = client.get("/v1/openapi.json")
    monkeypatch.setattr(openapi, "orjson", None)
    again = client.get("/v1/openapi.json")
    assert again.status_code == 200 and again.content == first.content


def test_the_description_says_how_to_sign_in_and_which_routes_are_open(client) -> None:
    found = client.get("/v1/openapi.json").json()
    schemes = found["components"]["securitySchemes"]
    assert schemes["key"] | {"type": "http", "scheme": "bearer"} == schemes["key"]
    assert schemes["csrf"]["name"] == "X-CSRF-Token"
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    }
    names = [operation["operationId"] for operation in operations.values()]
    assert len(names) == len(set(names))
    open_ones = {name for name, operation in operations.items() if not operation["security"]}
    assert open_ones == {"GET /v1/health", "GET /v1/ready", "POST /v1/session"}
    for name, operation in operations.items():
        code = client.request(*name.replace("{", "").replace("}", "").split(" ")).status_code
        assert (code == 401) == bool(operation["security"]) or code == 405 or name == "POST /v1/session", name


def test_the_page_of_the_api_comes_whole_from_this_service(client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    for words in ("GET /v1/visits", "xianying keys create", "Authorization: Bearer $KEY", "h00042"):
        assert words in page.text
    sources = [
        piece.split('"')[0]
        for mark in ('src="', '<link rel="stylesheet" href="')
        for piece in page.text.split(mark)[1:]
    ]
    assert sources and all(source.startswith("/") for source in sources)


def test_a_mistyped_filter_is_refused_instead_of_widening_the_list(client) -> None:
    key = machine(client, "scores:read")
    assert client.get("/v1/visits", params={"grid_id": "g0"}, headers=key).status_code == 200
    wrong = client.get("/v1/visits", params={"grid": "g0"}, headers=key)
    assert wrong.status_code == 422 and wrong.json()["type"] == "urn:xianying:unknown-filter"
    assert wrong.json()["parameter"] == "grid" and "grid_id" in wrong.json()["detail"]
    own = "/v1/households/h00/scores"
    assert client.get(own, params={"as_of": NEWEST}, headers=key).status_code == 200
    assert client.get(own, params={"asof": NEWEST}, headers=key).status_code == 422
    assert client.get("/v1/health", params={"a": "b"}).status_code == 200, "whatever a load balancer adds"


OPEN = {
    "household_id",
    "who",
    "cursor",
    "as_of",
}  # of no list that is known; an unknown week has an answer of its own
NAMED = {"need": "meals", "grid_id": "g0", "microgrid_id": "m0"}


def test_a_value_that_does_not_exist_is_refused_by_every_route_with_what_there_is(client) -> None:
    wang, tried = As(client, "wang"), []
    for path, methods in client.get("/v1/openapi.json").json()["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            kinds = [parameter["schema"], *parameter["schema"].get("anyOf", [])]
            name = parameter["name"]
            if (
                parameter["in"] != "query"
                or name in OPEN
                or not any(k.get("type") == "string" for k in kinds)
            ):
                continue
            version = client.app.state.shelf.served.newest.said["model_version"]
            address = path.replace("{household_id}", "h04").replace("{version}", version)
            wrong = wang.get(address, params={name: "nosuch"})
            if path.endswith("/explanation"):  # the need is part of what is asked for, as the household is
                assert wrong.status_code == 404
                continue
            assert wrong.status_code == 422, (path, name)
            named = NAMED.get(name) or next(iter(kind["enum"][0] for kind in kinds if "enum" in kind), "")
            assert named in wrong.text, (path, name)
            tried.append((path, name))
            if name in NAMED:
                assert named in wrong.json()["allowed"]
                assert wang.get(address, params={name: named}).status_code == 200
    assert {("/v1/visits", "tier"), ("/v1/visits", "worker_id"), ("/v1/demand", "need")} <= {*tried}
    for page in ("/visits?grid=nosuch", "/overview?show=nosuch"):
        assert wang.get(page).status_code == 422, page


def test_what_there_is_says_no_more_than_what_is_in_sight(client) -> None:
    li = As(client, "li")
    for name, value, allowed in (
        ("need", "refuge", ["childcare", "meals"]),
        ("grid_id", "g1", ["g0"]),
        ("microgrid_id", "m1", ["m0", "m2", "m4"]),
    ):
        found = li.get("/v1/visits", params={name: value})
        assert found.status_code == 422 and found.json()["allowed"] == allowed
        assert client.get("/v1/visits", params={name: value}, headers=machine(client)).status_code == 403
    both = As(client, "wang").get("/v1/visits", params={"grid_id": "g1", "microgrid_id": "m0"})
    assert both.status_code == 422 and both.json()["allowed"] == ["m1", "m3", "m5"]


def test_the_small_client_and_curl_work_with_the_running_service(tmp_path: Path) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    with service(workspace) as (_, address):
        database = open_database(command_settings(workspace))
        key = people.make_key(database, "other", ["scores:read", "live:score", "outcomes:write"], 1)
        module = small_client()
        mine = module.Xianying(address, key, purpose="走访")
        visits = list(mine.visits(arm="targeted"))
        assert visits and {visit["as_of"] for visit in visits} == {NEWEST}
        scores = mine.scores(visits[0]["household_id"])
        assert 0 < scores["scores"][0]["p_request"] < 1
        posted = {
            "household_id": "new",
            "households": [
                {
                    "grid_id": "g0",
                    "microgrid_id": "m0",
                    "valid_from": "2020-01-01",
                    "attributes": {"children": 1},
                }
            ],
        }
        assert {score["need"] for score in mine.live_scores(posted)["scores"]} >= {"meals"}
        sent = [mine.report_outcome(visits[0]["outreach_id"], "needed", key="once") for _ in range(2)]
        assert sent[0] == sent[1]
        with pytest.raises(module.XianyingError, match="422") as caught:
            list(mine.visits(gird="g0"))
        assert caught.value.problem["parameter"] == "gird"
        with pytest.raises(module.XianyingError, match="401"):
            module.Xianying(address, "xy_wrong").scores("h00")
        shown = (ROOT / "docs" / "service.md").read_text("utf-8").splitlines()
        (line,) = [line for line in shown if line.startswith("curl") and "$KEY" in line]
        line = line.replace("https://xianying.example.org", address).replace("$KEY", key)
        told = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout
        assert '"visits"' in told and NEWEST in told


def test_scripts_of_people_keep_working(client) -> None:
    assert As(client, "li").get("/v1/visits", params={"need": "meals"}).status_code == 200
