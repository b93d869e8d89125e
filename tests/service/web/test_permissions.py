"""Every route and page: who may call it, and from where. A new one without a row in the table fails."""

import uuid
from datetime import date
from functools import cache

import pytest
from served_town import NEWEST, As, copy_workspace, machine, served
from sqlalchemy import delete, select

from service.web import api, pages
from service.web.base.access import Scope
from service.web.database.tables import Base, Entry, NewRequest, Outcome, Reassignment, Refusal, Remark, User
from service.web.rights import rights

# Who asks, a letter each: coordinator, coordinator of g0, worker of g0, worker of m1 in g1, data staff, auditor, a key
# with every scope, such a key for g0, nobody.
ASKERS = "CcWwDAKk-"
PEOPLE = dict(zip("CcWwDA", ("wang", "placed", "li", "zhao", "chen", "sun"), strict=True))
HERE, ELSEWHERE = "h04", "h01"  # households of g0/m4 and of g1/m1
WORKERS = {"g0": "w0", "g1": "w1"}  # who may take over visits
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
    "POST /v1/feedback": ("yyy4nnyy1", "y44ynny41"),
    "POST /v1/reassignments": ("yyy4nnyy1", "y44ynny41"),
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
    "GET /month": ("yynnnnsss",),
    "GET /visits": ("yyyynnsss",),
    "GET /visits/{household_id:path}": ("yyy4nnsss", "y44ynnsss"),
    "POST /outcomes": ("yyy4nnsss", "y44ynnsss"),
    "POST /outcomes/nobody": ("yyy4nnsss", "y44ynnsss"),
    "POST /feedback": ("yyy4nnsss", "y44ynnsss"),
    "POST /reassignments": ("yyy4nnsss", "y44ynnsss"),
    "POST /requests": ("yyy4nnsss", "y44ynnsss"),
    "POST /outcomes/undo": ("4444nnsss",),
    "POST /refusals": ("yyy4nnsss", "y44ynnsss"),
    "POST /refusals/end": ("yynnnnsss", "y4nnnnsss"),
    "GET /models": ("yynnyysss",),
    "GET /models/{version}": ("44nn44sss",),
    "GET /audit": ("nnnnnysss",),
    "GET /docs": ("yyyyyyyyy",),
    "GET /static/{name}": ("yyyyyyyyy",),
    "GET /service-worker.js": ("yyyyyyyyy",),
    "GET /manifest.webmanifest": ("yyyyyyyyy",),
    "DELETE /v1/residents/{household_id}": ("yynnnnyy1", "y4nnnny41"),
}


def routes() -> set[str]:
    """Every method and path, those of pages included."""
    every = [module.router for module in (*api.MODULES, *pages.MODULES)]
    return {
        f"{method} {route.path}" for router in every for route in router.routes for method in route.methods
    }


def test_every_route_and_page_has_its_row() -> None:
    assert routes() == set(TABLE), "a row of TABLE for each route: who gets what, a letter for each of ASKERS"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    workspace = copy_workspace(tmp_path_factory.mktemp("permissions") / "workspace")
    settings = {"sign_in_rate": "1000000/minute", "attempts": 100}
    with served(workspace, **settings) as client, pytest.MonkeyPatch.context() as patch:
        # what an example refuses or deletes is forgotten before the next one, and not read again meanwhile
        patch.setattr("service.web.app.refresh", lambda _: None)
        with client.app.state.database.writing() as session:
            session.add(User(login="placed", role="coordinator", grid_id="g0"))
            for grid, worker in WORKERS.items():
                session.add(User(login=worker, role="grid_worker", grid_id=grid, worker_id=worker))
        yield client


@cache
def ordinary_visits(client) -> list[dict]:
    listed = As(client, "wang").get("/v1/visits?limit=500").json()["visits"]
    return [one for one in listed if one["need"] != "refuge" and one["worker_name"] != "社区统筹"]


class Example:
    """Requests that are right but for who sends them, about one household."""

    def __init__(self, client, household: str) -> None:
        at_home = ("g0", "m4") if household == HERE else ("g1", "m1")
        visit = next(
            one for one in ordinary_visits(client) if (one["grid_id"], one["microgrid_id"]) == at_home
        )
        self.household, self.visited, self.outreach = household, visit["household_id"], visit["outreach_id"]
        self.worker = WORKERS[at_home[0]]
        self.place = dict(zip(("grid_id", "microgrid_id"), at_home, strict=True))
        self.columns = client.app.state.shelf.served.newest.live.columns
        self.token = (
            uuid.uuid4().hex
        )  # what was sent once under a token changes nothing when it is sent again

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
            "POST /v1/feedback": {"outreach_id": self.outreach, "kind": "wrong_person"},
            "POST /v1/reassignments": {
                "household_id": self.visited,
                "as_of": NEWEST,
                "worker_id": self.worker,
            },
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
                "token": self.token,
            },
            "POST /outcomes/nobody": {
                "household_id": self.visited,
                "as_of": NEWEST,
                "token": self.token,
            },
            "POST /feedback": {
                "outreach_id": self.outreach,
                "satisfaction": "4",
                "token": self.token,
            },
            "POST /reassignments": {
                "household_id": self.visited,
                "as_of": NEWEST,
                "worker_id": self.worker,
            },
            "POST /requests": {
                "household_id": self.household,
                "text": "楼道灯坏了",
                "token": self.token,
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


UNSAFE = [
    label
    for label in TABLE
    if not label.startswith("GET") and label not in ("POST /v1/session", "POST /sign-in")
]


@pytest.mark.parametrize("label", UNSAFE)
def test_a_browsers_change_needs_the_token_of_its_session(client, label):
    example = Example(client, HERE)
    for token in ("", "wrong", As(client, "li").csrf):
        forget_examples(client)
        wang, before = As(client, "wang"), rows_of_everything(client)
        wang.csrf = token
        method, path = label.split(" ")
        body, form = example.body(label), example.form(label)
        more = {} if body is None else {"json": body}
        if form is not None:
            more["data"] = {**form, "csrf": token}
        answer = wang.send(method, example.path(path), follow_redirects=False, **more)
        assert answer.status_code == 403, (token, answer.text[:300])
        assert rows_of_everything(client) == before
        assert wang.get("/v1/session").status_code == 200  # still signed in


def rows_of_everything(client) -> dict[str, int]:
    """Number of rows in each table but the audit log's and that of sign-ins, which tests add to."""
    with client.app.state.database.reading() as session:
        return {
            table.name: len(session.execute(select(table)).all())
            for table in Base.metadata.sorted_tables
            if table.name not in ("audit", "sign_ins")
        }


# What each request of somebody who may leaves in the audit log; the others leave nothing.
ENTRIES = {
    "GET /v1/households/{household_id}/scores": "scores.read",
    "GET /v1/households/{household_id}/explanation": "explanation.read",
    "POST /v1/scores/batch": "scores.read",
    "POST /v1/session": "session.failed",
    "DELETE /v1/session": "session.close",
    "GET /v1/visits": "visits.read",
    "GET /v1/visits/export": "visits.export",
    "POST /v1/outcomes": "outcome.write",
    "GET /v1/outcomes": "outcomes.read",
    "DELETE /v1/outcomes/{number}": "refused",
    "POST /v1/feedback": "feedback.write",
    "POST /v1/reassignments": "visit.reassign",
    "POST /v1/requests": "request.write",
    "POST /v1/live/scores": "live.score",
    "GET /v1/audit": "audit.read",
    "GET /v1/residents/{household_id}/why": "resident.why",
    "GET /v1/residents/{household_id}/export": "resident.export",
    "POST /v1/residents/{household_id}/corrections": "resident.correct",
    "POST /v1/residents/{household_id}/refusal": "resident.refuse",
    "DELETE /v1/residents/{household_id}/refusal": "resident.accept",
    "DELETE /v1/residents/{household_id}": "resident.ask_deletion",
    "POST /sign-out": "session.close",
    "GET /visits": "visits.read",
    "GET /visits/{household_id:path}": "visit.read",
    "POST /outcomes": "outcome.write",
    "POST /outcomes/nobody": "outcome.write",  # one for each need on the list
    "POST /feedback": "feedback.write",
    "POST /reassignments": "visit.reassign",
    "POST /requests": "request.write",
    "POST /outcomes/undo": "refused",
    "POST /refusals": "resident.refuse",
    "POST /refusals/end": "resident.accept",
    "GET /audit": "audit.read",
}


@pytest.mark.parametrize("label", TABLE)
def test_what_is_read_or_changed_is_in_the_audit_log(client, label):
    forget_examples(client)
    with client.app.state.database.writing() as session:
        for table in (
            Remark,
            NewRequest,
            Refusal,
            Outcome,
            Reassignment,
        ):  # of a visited household nobody need be reported absent
            session.execute(delete(table))
    example = Example(client, HERE)
    if label in ("POST /refusals/end", "DELETE /v1/residents/{household_id}/refusal"):
        rights.refuse(client.app.state.database, "test", HERE, date(2024, 9, 2))
        forget_examples(client)
    if label == "GET /v1/outcomes":
        As(client, "wang").post("/v1/outcomes", example.body("POST /v1/outcomes"))
    asker = "A" if "audit" in label else "W" if label.startswith("GET /visits") else "C"
    actions_of(client)
    sent(client, asker, label, example)
    found = actions_of(client)
    assert list(dict.fromkeys(found)) == ([ENTRIES[label]] if label in ENTRIES else [])
    assert len(found) < 2 or label == "POST /outcomes/nobody"


def actions_of(client) -> list[str]:
    """Actions of the entries since this was asked last."""
    client.app.state.drain.everything(client.app.state.journal)
    seen = getattr(actions_of, "seen", 0)
    with client.app.state.database.reading() as session:
        rows = session.execute(
            select(Entry.number, Entry.action).where(Entry.number > seen).order_by(Entry.number)
        ).all()
    actions_of.seen = rows[-1].number if rows else seen
    return [row.action for row in rows]
