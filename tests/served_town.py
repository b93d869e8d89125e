"""A small town whose weeks are published, and a service on it, for tests of the service."""

import atexit
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import yaml
from fastapi.testclient import TestClient
from hand_made import GOOD, hand_made_model
from small_town import AS_OF, NEEDS, iso, town_rows
from sqlalchemy import select

from features.ingest.ingest import ingest
from features.point_in_time.records import date_of, known_before
from features.store.reader import read_records
from models.registry.champion import install_copy
from models.registry.tracking import registry_address
from service.web.app import create_app
from service.web.auth import people
from service.web.auth.identities import open_session
from service.web.auth.tokens import hash_password
from service.web.base.settings import Settings
from service.web.database.engine import Database
from service.web.database.tables import User
from service.weekly.list_week import list_week, week_directory

PASSWORD = "correct horse"
WEEKS = (AS_OF - 7, AS_OF)
NEWEST = date_of(AS_OF).isoformat()
PEOPLE = (
    ("wang", "coordinator", None, None),
    ("li", "grid_worker", "g0", None),
    ("zhao", "grid_worker", "g1", "m1"),
    ("chen", "data_staff", None, None),
    ("sun", "auditor", None, None),
    ("qian", "data_staff", None, None),
    ("zhou", "auditor", None, None),
)
PROGRAMMES = [{"id": "canteen", "name": {"zh": "幸福食堂"}, "needs": ["meals"], "seats": 40}]


def make_workspace(home: Path) -> Path:
    """A workspace of 60 households with a champion and the lists of two weeks. Household ids: h00 to h59, of
    grids g0 and g1 and micro-grids m0 to m5."""
    town = home / "town"
    town.mkdir(parents=True)
    rows = town_rows(households=60, requests=600)
    rows["residents"] = [{**row, "valid_from": "2020-01-01"} for row in rows["residents"]]
    rows["households"] = [
        {**row, "address": f"西山路{index}号"} for index, row in enumerate(rows["households"])
    ]
    rows["outreach"] = [row for row in rows["outreach"] if row["contacted_at"] < iso(AS_OF - 100)]
    for table, content in rows.items():
        pd.DataFrame(content).to_csv(town / f"{table}.csv", index=False)
    settings = {
        "community": {"name": "西山社区"},
        "needs": [dict(need) for need in NEEDS],
        "programmes": PROGRAMMES,
        "outreach": {"visits_per_worker": 3, "explore_share": 0.3, "cooldown_weeks": 1},
    }
    (town / "community.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    workspace = home / "workspace"
    ingest(town, workspace)
    put_champion(workspace)
    for day in WEEKS:
        publish_week(workspace, day)
    return workspace


def put_champion(workspace: Path) -> None:
    """A hand-made model as version 1."""
    records = read_records(workspace)
    model = hand_made_model(known_before(records, AS_OF), GOOD, trees=True)
    place = workspace / "champion"
    place.mkdir(parents=True, exist_ok=True)
    model.save(place / "made")
    install_copy(workspace, registry_address(workspace), 1, place / "made")


def publish_week(workspace: Path, day: int) -> None:
    """Score a week and make its lists."""
    as_of = date_of(day)
    list_week(
        workspace, read_records(workspace), as_of, week_directory(workspace, as_of), lambda _: nullcontext()
    )


@cache
def _made() -> Path:
    home = Path(f"/tmp/xianying-served-{uuid4().hex[:8]}")
    atexit.register(shutil.rmtree, home, True)
    return make_workspace(home)


def copy_workspace(place: Path) -> Path:
    """A workspace of one's own."""
    shutil.copytree(_made(), place, dirs_exist_ok=True)
    pointer = place / "champion" / "current.json"
    said = json.loads(pointer.read_text("utf-8"))
    said["registry"] = hashlib.sha256(registry_address(place).encode()).hexdigest()[:16]
    pointer.write_text(json.dumps(said), "utf-8")
    return place


def settings_for(workspace: Path, **given: Any) -> Settings:
    """Settings for tests: nothing is remembered longer than a request."""
    fixed = {
        "environment": "development",
        "identity_seconds": 0,
        "rate": "1000000/minute",
        "refresh_seconds": 60,
    }
    return Settings(workspace=workspace, **{**fixed, **given})


@cache
def _hash() -> str:
    return hash_password(PASSWORD)


@contextmanager
def served(workspace: Path, **given: Any) -> Iterator[TestClient]:
    """The service on a workspace, with people: wang (coordinator), li (grid g0), zhao (micro-grid m1 of g1),
    chen and qian (data staff), sun and zhou (auditors)."""
    with TestClient(create_app(settings_for(workspace, **given)), raise_server_exceptions=False) as client:
        add_people(client.app.state.database)
        yield client


def add_people(database: Database) -> None:
    """The people of ``served``, with PASSWORD, unless there are some already."""
    if not people.users(database):
        with database.writing() as session:
            session.add_all(
                User(login=login, role=role, grid_id=grid, microgrid_id=microgrid, password_hash=_hash())
                for login, role, grid, microgrid in PEOPLE
            )


class As:
    """The service as somebody uses it: ``As(client, "li").get("/v1/visits")``."""

    def __init__(self, client: TestClient, login: str) -> None:
        self.client, self.login = client, login
        with client.app.state.database.writing() as session:
            user = session.scalar(select(User).where(User.login == login))
            self.token = open_session(session, user, hours=12)
        identity = client.app.state.identities.find(self.token)
        assert identity
        self.csrf = identity.csrf

    def send(self, method: str, path: str, **more: Any):
        """A request in this session, with the page's CSRF token."""
        headers = {
            "Cookie": f"xianying_session={self.token}",
            "X-CSRF-Token": self.csrf,
            **more.pop("headers", {}),
        }
        self.client.cookies.clear()
        return self.client.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any):
        """GET."""
        return self.send("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any):
        """POST."""
        return self.send("POST", path, json=json, **more)

    def delete(self, path: str, **more: Any):
        """DELETE."""
        return self.send("DELETE", path, **more)


def machine(client: TestClient, *scopes: str, **place: Any) -> dict[str, str]:
    """Headers of a new API key."""
    key = people.make_key(client.app.state.database, "test", scopes, 1, **place)
    return {"Authorization": f"Bearer {key}"}
