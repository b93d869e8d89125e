"""Every route and page: who may call it, and from where. A new one without a row in the table fails."""

from datetime import date

import pytest
from served_town import NEWEST, As, copy_workspace, machine, served

from service.web.api import routers
from service.web.base.access import Scope
from service.web.database.tables import User
from service.web.pages import MODULES
from service.web.rights import rights

# Who asks, a letter each: coordinator, coordinator of g0, worker of g0, worker of m1 in g1, data staff, auditor, a key
# with every scope, such a key for g0, nobody.
ASKERS = "CcWwDAKk-"
PEOPLE = dict(zip("CcWwDA", ("wang", "placed", "li", "zhao", "chen", "sun"), strict=True))
HERE, ELSEWHERE = "h04", "h01"  # households of g0/m4 and of g1/m1
# What each of them gets, a letter each: y an answer, n not allowed (403), 4 not there (404), 1 no sign-in (401), s sent
# to sign in. A second column is about the household elsewhere.
TABLE = {
    "GET /v1/households/{household_id}/scores": ("yyy4nnyy1", "y44ynny41"),
    "GET /v1/households/{household_id}/explanation": ("yyy4nnyy1", "y44ynny41"),
    "POST /v1/scores/batch": ("yyyynnyy1",),
    "GET /v1/health": ("yyyyyyyyy",),
    "GET /v1/ready": ("yyyyyyyyy",),
    "GET /metrics": ("yyyyyyyyy",),
    "POST /v1/session": ("111111111",),  # with a wrong password
    "GET /v1/session": ("yyyyyyyy1",),
    "DELETE /v1/session": ("yyyyyyyy1",),
    "GET /v1/visits": ("yyyynnyy1",),
    "GET /v1/visits/export": ("yyyynnyy1",),
    "GET /v1/weeks": ("yyyyyyyy1",),
    "GET /v1/weeks/feed": ("yyyyyyyy1",),
    "GET /v1/needs": ("yyyyyyyy1",),
    "GET /v1/demand": ("yyyyyyyy1",),
    "POST /v1/outcomes": ("yyy4nnyy1", "y44ynny41"),
    "GET /v1/outcomes": ("yyyynnyy1",),
    "DELETE /v1/outcomes/{number}": ("4444nn441",),  # one that there is not; below: of another grid
    "POST /v1/requests": ("yyy4nnyy1", "y44ynny41"),
    "POST /v1/live/scores": ("yynnynyy1", "y4nnyny41"),
    "GET /v1/live/features": ("yynnynyy1",),
    "POST /v1/live/features": ("yynnynyy1",),
    "GET /v1/models": ("yynnyyyy1",),
    "GET /v1/models/{version}": ("44nn44441",),  # nothing is registered in the workspace of these tests
    "GET /v1/models/{version}/card": ("44nn44441",),
    "GET /v1/models/{version}/files/{name}": ("44nn44441",),
    "GET /v1/audit": ("nnnnnyyn1",),
    "GET /v1/residents/{household_id}/why": ("yynnnnyy1", "y4nnnny41"),
    "GET /v1/residents/{household_id}/export": ("yynnnnyy1", "y4nnnny41"),
    "POST /v1/residents/{household_id}/corrections": ("yynnnnyy1", "y4nnnny41"),
    "POST /v1/residents/{household_id}/refusal": ("yyy4nnyy1", "y44ynny41"),
    "DELETE /v1/residents/{household_id}/refusal": ("yynnnnyy1", "y4nnnny41"),
    "GET /sign-in": ("yyyyyyyyy",),
    "POST /sign-in": ("nnnnnnnnn",),  # without the form's token
    "POST /sign-out": ("sssssssss",),  # whoever has signed out, or had not signed in
    "GET /settings": ("yyyyyyyyy",),
    "GET /": ("yyyyyysss",),
    "GET /overview": ("yynnnnsss",),
    "GET /visits": ("yyyynnsss",),
    "GET /visits/{household_id:path}": ("yyy4nnsss", "y44ynnsss"),
    "POST /outcomes": ("yyy4nnsss", "y44ynnsss"),
    "POST /outcomes/undo": ("4444nnsss",),
    "POST /refusals": ("yyy4nnsss", "y44ynnsss"),
    "POST /refusals/end": ("yynnnnsss", "y4nnnnsss"),
    "GET /models": ("yynnyysss",),
    "GET /models/{version}": ("44nn44sss",),
    "GET /audit": ("nnnnnysss",),
    "GET /static/{name}": ("yyyyyyyyy",),
    "GET /service-worker.js": ("yyyyyyyyy",),
    "GET /manifest.webmanifest": ("yyyyyyyyy",),
    "DELETE /v1/residents/{household_id}": ("yynnnnyy1", "y4nnnny41"),
}


def routes() -> set[str]:
    """Every method and path, those of pages included."""
    every = [*routers(), *(module.router for module in MODULES)]
    return {
        f"{method} {route.path}" for router in every for route in router.routes for method in route.methods
    }


def test_every_route_and_page_has_its_row() -> None:
    assert routes() == set(TABLE), "a row of TABLE for each route: who gets what, a letter for each of ASKERS"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    workspace = copy_workspace(tmp_path_factory.mktemp("permissions") / "workspace")
    with served(workspace, sign_in_rate="1000000/minute", attempts=100) as client:
        with client.app.state.database.writing() as session:
            session.add(User(login="placed", role="coordinator", grid_id="g0"))
        yield client


class Example:
    """Requests that are right but for who sends them, about one household."""

    def __init__(self, client, household: str) -> None:
        listed = As(client, "wang").get("/v1/visits?limit=500").json()["visits"]
        ordinary = [one for one in listed if one["need"] != "refuge" and one["worker_name"] != "社区统筹"]
        at_home = ("g0", "m4") if household == HERE else ("g1", "m1")
        visit = next(one for one in ordinary if (one["grid_id"], one["microgrid_id"]) == at_home)
        self.household, self.visited, self.outreach = household, visit["household_id"], visit["outreach_id"]
        self.place = dict(zip(("grid_id", "microgrid_id"), at_home, strict=True))
        self.columns = client.app.state.shelf.served.newest.live.columns

    def path(self, path: str) -> str:
        """The path with its parts filled in."""
        known = self.visited if path.startswith("/visits") else self.household
        filled = path.replace("{household_id:path}", known).replace("{household_id}", known)
        filled = filled.replace("{version}", "1").replace("{name}", "style.css").replace("{number}", "999")
        return f"{filled}?need=meals" if path.endswith("explanation") else filled

    def body(self, label: str) -> dict | None:
        """JSON of a route that takes it."""
        rows = [{**self.place, "valid_from": "2019-03-01"}]
        asked = {"household_id": self.household, "need": "meals", "requested_at": "2024-08-30T10:00:00"}
        split = {"columns": ["need", *self.columns], "data": [["meals", *[0.5] * len(self.columns)]]}
        return {
            "POST /v1/scores/batch": {"household_ids": [self.household]},
            "POST /v1/outcomes": {"outreach_id": self.outreach, "outcome": "needed"},
            "POST /v1/requests": asked,
            "POST /v1/live/scores": {"household_id": self.household, "households": rows},
            "POST /v1/live/features": {"dataframe_split": split},
            "POST /v1/session": {"login": "nobody", "password": "wrong"},
            "POST /v1/residents/{household_id}/refusal": {},
            "POST /v1/residents/{household_id}/corrections": {"attribute": "children", "value": "2"},
        }.get(label)

    def form(self, label: str) -> dict | None:
        """Fields of a page that takes them."""
        return {
            "POST /outcomes": {
                "outreach_id": self.outreach,
                "outcome": "needed",
                "token": f"token-{self.household}",
            },
            "POST /outcomes/undo": {"number": "999", "outreach_id": self.outreach},
            "POST /refusals": {"household_id": self.household},
            "POST /refusals/end": {"household_id": self.household},
            "POST /sign-in": {},
            "POST /sign-out": {},
        }.get(label)


def sent(client, letter: str, label: str, example: Example):
    """The answer to one request of one of ``ASKERS``."""
    method, path = label.split(" ")
    body, form = example.body(label), example.form(label)
    more = {"follow_redirects": False, **({} if body is None else {"json": body})}
    if letter in PEOPLE:
        asker = As(client, PEOPLE[letter])
        if form is not None:
            more["data"] = {**form, "csrf": asker.csrf}
        return asker.send(method, example.path(path), **more)
    headers, scopes = {}, [scope.value for scope in Scope]
    if letter in "Kk":
        headers = machine(client, *scopes, **({"grid_id": "g0"} if letter == "k" else {}))
    if form is not None:
        more["data"] = form
    client.cookies.clear()
    return client.request(method, example.path(path), headers=headers, **more)


def forget_examples(client) -> None:
    """Let households be listed again that an example before refused for, or deleted."""
    client.app.state.restrictions.refusing = client.app.state.restrictions.deleted = frozenset()


def told(answer) -> str:
    """The table's letter for an answer."""
    if answer.status_code == 303 and answer.headers["location"].startswith("/sign-in"):
        return "s"
    return {401: "1", 403: "n", 404: "4"}.get(answer.status_code, "y" if answer.status_code < 400 else "?")


@pytest.mark.parametrize("label", TABLE)
def test_each_is_answered_as_the_table_says(client, label):
    for household, expected in zip((HERE, ELSEWHERE), TABLE[label], strict=False):
        forget_examples(client)
        example = Example(client, household)
        for letter, wanted in zip(ASKERS, expected, strict=True):
            forget_examples(client)
            if label == "POST /refusals/end":
                rights.refuse(client.app.state.database, "test", household, date(2024, 9, 2))
            answer = sent(client, letter, label, example)
            assert told(answer) == wanted, (household, letter, answer.status_code, answer.text[:300])


def test_a_placed_coordinator_sees_and_changes_nothing_of_another_grid(client):
    forget_examples(client)
    elsewhere = Example(client, ELSEWHERE)
    outcome = As(client, "wang").post("/v1/outcomes", elsewhere.body("POST /v1/outcomes")).json()["id"]
    placed = As(client, "placed")
    assert placed.delete(f"/v1/outcomes/{outcome}").status_code == 404
    page = placed.get(f"/overview?as_of={NEWEST}").text
    assert ">m0<" in page and ">m1<" not in page and "g1" not in page
    assert As(client, "wang").delete(f"/v1/outcomes/{outcome}").status_code == 200
