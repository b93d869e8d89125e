"""No sequence of calls shows somebody a household or a need that is out of sight."""

import atexit
import re
import shutil
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from served_town import AS_OF, NEWEST, PEOPLE, As, copy_workspace, machine, served

from features.point_in_time.records import date_of
from service.web.base import access

HOUSEHOLDS = [f"h{number:02d}" for number in range(60)]
GRID = {household: f"g{number % 2}" for number, household in enumerate(HOUSEHOLDS)}
MICROGRID = {household: f"m{number % 6}" for number, household in enumerate(HOUSEHOLDS)}
NAMED = re.compile(rb"h[0-5]\d(?!\d)")
SENSITIVE = (b"refuge", "家暴".encode())
PLACES = {login: (role, grid, microgrid) for login, role, grid, microgrid in PEOPLE}
PLACES["key"] = ("machine", None, "m2")


def in_sight(one: str) -> set[str]:
    role, grid, microgrid = PLACES[one]
    if role not in ("grid_worker", "coordinator", "machine"):
        return set()
    return {
        household
        for household in HOUSEHOLDS
        if grid in (None, GRID[household]) and microgrid in (None, MICROGRID[household])
    }


SEES = {one: in_sight(one) for one in PLACES}
WHOLE = {one for one, (role, *_) in PLACES.items() if role == "coordinator"}
household = st.sampled_from(HOUSEHOLDS)
who = st.sampled_from(sorted(PLACES))
week = st.sampled_from(["", NEWEST, date_of(AS_OF - 7).isoformat()])
need = st.sampled_from(["childcare", "meals", "refuge"])


@cache
def running() -> tuple[TestClient, dict[str, As], dict[str, str]]:
    """One service for all sequences: what an earlier one left may be there in a later one."""
    home = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, home, True)
    stack = ExitStack()
    atexit.register(stack.close)
    client = stack.enter_context(served(copy_workspace(home / "workspace")))
    key = machine(client, "scores:read", "outcomes:write", "requests:write", microgrid_id="m2")
    return client, {login: As(client, login) for login, *_ in PEOPLE}, key


class Anybody(RuleBasedStateMachine):
    """People and a key of one micro-grid call whatever they like, with whatever ids they know."""

    def __init__(self) -> None:
        super().__init__()
        self.client, self.people, self.key = running()
        self.outreach_ids = ["nothing"]
        self.numbers = [1]
        self.cursors = [""]

    @initialize()
    def everybody_knows_every_id(self) -> None:
        """Ids leak: they must be worth nothing."""
        rows = self.people["wang"].get("/v1/visits?limit=500").json()["visits"]
        self.outreach_ids += [row["outreach_id"] for row in rows]

    def call(self, one: str, method: str, path: str, json=None, sent: bytes = b""):
        """A call, and the check: nobody is named who is out of sight, but in what the caller sent."""
        if one == "key":
            answer = self.client.request(method, path, json=json, headers=self.key)
        else:
            answer = self.people[one].send(method, path, json=json)
        assert answer.status_code < 500
        token = b"" if one == "key" else self.people[one].csrf.encode()
        content = (
            answer.content.replace(token, b"") if token else answer.content
        )  # random letters name nobody
        shown = {name.decode() for name in NAMED.findall(content)}
        asked = {name.decode() for name in NAMED.findall(sent)}
        assert shown - asked <= SEES[one], (one, path, shown)
        if answer.status_code < 300:
            assert shown <= SEES[one] | (asked if path.endswith("/batch") else set())
        if one not in WHOLE:
            assert not any(word in answer.content for word in SENSITIVE) or path.startswith("/v1/audit")
        return answer

    @rule(one=who, household=household, week=week)
    def scores(self, one, household, week):
        path = f"/v1/households/{household}/scores" + (f"?as_of={week}" if week else "")
        answer = self.call(one, "GET", path)
        refuses = household in self.client.app.state.restrictions.refusing
        assert (answer.status_code == 200) <= (household in SEES[one] and not refuses)

    @rule(one=who, households=st.lists(household, min_size=1, max_size=6), week=week)
    def batch(self, one, households, week):
        body = {"household_ids": households, **({"as_of": week} if week else {})}
        answer = self.call(one, "POST", "/v1/scores/batch", body, sent=" ".join(households).encode())
        if answer.status_code == 200:
            found = {row["household_id"] for row in answer.json()["households"]}
            assert found <= SEES[one]

    @rule(one=who, household=household, need=need)
    def explanation(self, one, household, need):
        answer = self.call(one, "GET", f"/v1/households/{household}/explanation?need={need}")
        assert answer.status_code != 200 or household in SEES[one]

    @rule(
        one=who,
        week=week,
        filters=st.fixed_dictionaries(
            {},
            optional={
                "household_id": household,
                "grid_id": st.sampled_from(["g0", "g1"]),
                "microgrid_id": st.sampled_from([f"m{one}" for one in range(6)]),
                "need": need,
                "tier": st.sampled_from(["red", "yellow"]),
            },
        ),
        data=st.data(),
    )
    def visits(self, one, week, filters, data):
        query = {**filters, **({"as_of": week} if week else {}), "limit": "2"}
        cursor = data.draw(st.sampled_from(self.cursors))
        if cursor:
            query["cursor"] = cursor
        path = "/v1/visits?" + "&".join(f"{name}={value}" for name, value in query.items())
        answer = self.call(one, "GET", path)
        if answer.status_code == 200 and answer.json()["next"]:
            self.cursors.append(answer.json()["next"])

    @rule(one=who, kind=st.sampled_from(["csv"]), household=household, given=st.booleans(), week=week)
    def export(self, one, kind, household, given, week):
        query = {"format": kind, **({"household_id": household} if given else {})}
        query |= {"as_of": week} if week else {}
        self.call(
            one, "GET", "/v1/visits/export?" + "&".join(f"{name}={value}" for name, value in query.items())
        )

    @rule(one=who, data=st.data(), outcome=st.sampled_from(["needed", "declined"]))
    def outcome(self, one, data, outcome):
        body = {"outreach_id": data.draw(st.sampled_from(self.outreach_ids)), "outcome": outcome}
        answer = self.call(one, "POST", "/v1/outcomes", body)
        if answer.status_code == 201:
            assert answer.json()["household_id"] in SEES[one]
            self.numbers.append(answer.json()["id"])

    @rule(one=who, data=st.data())
    def undo(self, one, data):
        self.call(one, "DELETE", f"/v1/outcomes/{data.draw(st.sampled_from(self.numbers))}")

    @rule(one=who, week=week)
    def outcomes(self, one, week):
        self.call(one, "GET", "/v1/outcomes" + (f"?as_of={week}" if week else ""))

    @rule(one=who, household=household)
    def request(self, one, household):
        asked = {"household_id": household, "need": "meals", "requested_at": "2024-08-30T10:00:00"}
        answer = self.call(one, "POST", "/v1/requests", asked, sent=household.encode())
        assert (answer.status_code == 201) <= (household in SEES[one])

    @rule(one=who, household=household, act=st.sampled_from(["why", "export", "refusal"]))
    def rights(self, one, household, act):
        method = "POST" if act == "refusal" else "GET"
        answer = self.call(one, method, f"/v1/residents/{household}/{act}", {} if act == "refusal" else None)
        visits = PLACES[one][0] in ("grid_worker", "coordinator") and household in SEES[one]
        assert answer.status_code >= 400 or one in WHOLE or (act == "refusal" and visits)

    @rule(one=who, path=st.sampled_from(["needs", "demand", "weeks", "models", "weeks/feed", "session"]))
    def others(self, one, path):
        self.call(one, "GET", f"/v1/{path}")


Anybody.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)
TestAnybody = Anybody.TestCase


def test_a_worker_without_a_place_sees_nobody():
    nobody = access.Identity("user:x", access.Role.GRID_WORKER, access.SCOPES[access.Role.GRID_WORKER])
    assert not access.sees_place(nobody, "g0", "m0") and not nobody.everywhere
    machine_of_all = access.Identity("key:x", access.Role.MACHINE, frozenset({access.Scope.SCORES}))
    assert access.sees_place(machine_of_all, "g0", "m0")


def test_only_coordinators_and_keys_that_say_so_see_what_is_sensitive():
    for role, scopes in access.SCOPES.items():
        identity = access.Identity("user:x", role, scopes, grid_id="g0")
        assert access.sees_need(identity, True) == (role == access.Role.COORDINATOR)
    with pytest.raises(access.Forbidden):
        access.permit(access.Identity("key:x", access.Role.MACHINE, frozenset()), access.Scope.SCORES)
