"""The audit log keeps what happened: against lost files, corrupt lines, a shortened table; on both databases."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from served_town import PASSWORD, As, add_people, copy_workspace, machine, served, settings_for
from service_database import database_url  # noqa: F401
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from features.language import UserError
from service.cli.commands import commands
from service.web.audit import log as audit
from service.web.audit.anchor import FILE, newest_head
from service.web.audit.drain import ASIDE, Drain
from service.web.audit.journal import Journal
from service.web.auth import people
from service.web.database.engine import open_database
from service.web.database.tables import Entry
from service.web.intake.handover import audit_head
from service.web.pages import audit as pages


@pytest.fixture
def database(tmp_path, database_url):  # noqa: F811
    database = open_database(settings_for(tmp_path, database_url=database_url))
    yield database
    database.engine.dispose()


@pytest.fixture
def client(tmp_path: Path):
    with served(copy_workspace(tmp_path / "workspace")) as client:
        yield client


def entries(database) -> list[Entry]:
    with database.reading() as session:
        return list(session.scalars(select(Entry).order_by(Entry.number)))


def drained(client) -> list[Entry]:
    client.app.state.drain.everything(client.app.state.journal)
    return entries(client.app.state.database)


def written(directory: Path, *subjects: str) -> Path:
    """A journal of a process that ended."""
    journal = Journal(directory)
    for subject in subjects:
        journal.write("user:wang", "scores.read", subject)
    journal.close()
    return journal.path


def cut(database, number: int) -> None:
    """Remove the newest entries, as only somebody can who may change the database itself."""
    with database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_stays_delete"))
        else:
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_stays"))
        connection.execute(text(f"DELETE FROM audit WHERE number > {number}"))


def test_with_durability_disk_every_read_waits_for_its_entry_to_be_on_the_disk(tmp_path, monkeypatch):
    with served(copy_workspace(tmp_path / "workspace"), audit_durability="disk") as client:
        wang = As(client, "wang")
        visit = wang.get("/v1/visits").json()["visits"][0]
        assert wang.post(
            "/v1/outcomes", {"outreach_id": visit["outreach_id"], "outcome": "needed"}
        ).is_success
        home = f"/v1/households/{visit['household_id']}"
        reads = [
            (wang, path)
            for path in (
                f"{home}/scores",
                f"{home}/explanation?need={visit['need']}",
                "/v1/visits",
                "/v1/visits/export?format=csv",
                "/v1/outcomes",
                f"/v1/residents/{visit['household_id']}/why",
                f"/visits/{visit['household_id']}",
            )
        ]
        reads += [(As(client, "sun"), path) for path in ("/v1/audit", "/audit")]
        assert {who.get(path).status_code for who, path in reads} == {200}

        def broken(journal):
            raise OSError("the disk is broken")

        async def broken_too(journal):
            raise OSError("the disk is broken")

        monkeypatch.setattr(Journal, "flush", broken)
        monkeypatch.setattr(Journal, "durable", broken_too)
        shown = [path for who, path in reads if who.get(path).status_code != 503]
        assert not shown
        monkeypatch.undo()


@pytest.mark.parametrize("how", ["removed", "moved", "emptied"])
def test_a_journal_that_goes_while_the_service_runs_is_written_anew(client, how):
    wang, journal = As(client, "wang"), client.app.state.journal
    for household in ("h04", "h05"):
        assert wang.get(f"/v1/households/{household}/scores").status_code == 200
    if how == "removed":
        journal.path.unlink()
    elif how == "moved":
        journal.path.rename(journal.path.with_suffix(".elsewhere"))
    else:
        os.truncate(journal.path, 0)
    assert wang.get("/v1/households/h06/scores").status_code == 200
    found = [one.subject for one in drained(client) if one.action == "scores.read"]
    assert sorted(found) == (["h06"] if how == "emptied" else ["h04", "h05", "h06"])
    assert [one.action for one in drained(client)].count("audit.journal_lost") == 1


def test_where_entries_cannot_be_kept_nothing_is_shown(client):
    li, directory = As(client, "li"), client.app.state.journal.directory
    assert li.get("/v1/households/h04/scores").status_code == 200
    directory.rename(directory.with_name("away"))
    directory.write_text("")
    for path in ("/v1/households/h04/scores", "/v1/visits", "/visits", "/v1/visits/export"):
        answer = li.get(path)
        assert answer.status_code == 503 and "h04" not in answer.text, path
    directory.unlink()
    directory.with_name("away").rename(directory)
    assert li.get("/v1/households/h04/scores").status_code == 200


def test_a_corrupt_line_is_set_aside_by_name_and_stops_none_behind_it(database, tmp_path):
    path = written(tmp_path / "audit", *(f"h{number}" for number in range(6)))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"h1", b"h9")
    lines[3] = b"\x00\xff no json\n"
    path.write_bytes(b"".join(lines) + b'["half a line')
    Drain(database, tmp_path / "audit").everything()
    found = entries(database)
    kept = [one.subject for one in found if one.action == "scores.read"]
    assert kept == ["h0", "h2", "h4", "h5"] and audit.verify(database, tmp_path).broken is None
    named = [one.detail for one in found if one.action == "audit.set_aside"]
    assert [f"{path.stem} line {number}" for number in (2, 4, 7)] == [one.split(":")[0] for one in named]
    aside = (tmp_path / "audit" / ASIDE / f"{path.stem}.jsonl").read_text("utf-8").splitlines()
    assert len(aside) == 3 and "h9" in json.loads(aside[0])["content"]


def test_an_entry_that_the_database_refuses_stops_none_behind_it(database, tmp_path):
    odd = {"postgresql": "a\x00b", "sqlite": "plain"}[database.engine.dialect.name]
    path = written(tmp_path / "audit", "before", odd, "after")
    assert Drain(database, tmp_path / "audit").everything() == 3
    found = entries(database)
    assert [found[0].subject, found[2].subject] == ["before", "after"]
    if odd != "plain":
        assert found[1].detail == f"{path.stem} line 2: DataError"
    assert Drain(database, tmp_path / "audit").everything() == 0


def test_while_the_database_cannot_be_reached_no_entry_is_lost_or_called_changed(
    database, tmp_path, monkeypatch
):
    drain, append = Drain(database, tmp_path / "audit"), Drain._append

    def unreachable(self, entries):
        if entries:
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        return append(self, entries)

    journal = Journal(tmp_path / "audit")
    journal.write("user:wang", "scores.read", "h01")
    drain.everything(journal)
    journal.write("user:wang", "scores.read", "h02")
    with journal.path.open("ab") as file:
        file.write(b"not an entry\n")
    journal._size = journal.path.stat().st_size
    journal.write("user:wang", "scores.read", "h03")
    monkeypatch.setattr(Drain, "_append", unreachable)
    for _ in range(3):
        with pytest.raises(OperationalError):
            drain.everything(journal)
    monkeypatch.setattr(Drain, "_append", append)
    drain.everything(journal)
    found = entries(database)
    assert [one.subject for one in found if one.action == "scores.read"] == ["h01", "h02", "h03"]
    assert [one.detail for one in found if one.action == "audit.set_aside"] == [
        f"{journal.path.stem} line 3: no JSON"
    ]
    aside = (tmp_path / "audit" / ASIDE / f"{journal.path.stem}.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["content"] for line in aside] == ["not an entry"]
    journal.close()


def test_a_journal_that_went_before_it_was_read_is_named(database, tmp_path):
    live = Journal(tmp_path / "audit")
    live.write("user:wang", "scores.read", "h1")
    drain = Drain(database, tmp_path / "audit")
    drain.everything(live)
    live.write("user:wang", "scores.read", "h2")
    live.path.unlink()  # the process is killed before its next entry
    Drain(database, tmp_path / "audit").everything()
    live.close()
    assert [(one.action, one.detail) for one in entries(database)][1:] == [("audit.journal_lost", live.name)]
    Drain(database, tmp_path / "audit").everything()
    assert len(entries(database)) == 2


def test_a_log_that_was_cut_off_is_noticed_without_being_told_its_head(database, tmp_path):
    written(tmp_path / "audit", "h1", "h2", "h3")
    Drain(database, tmp_path / "audit").everything()
    assert audit.verify(database, tmp_path).lost is None
    cut(database, 1)
    found = audit.verify(database, tmp_path)
    assert found.broken is None and found.lost == 3
    written(tmp_path / "audit", "h4", "h5", "h6", "h7")  # longer again, and still not the same
    Drain(database, tmp_path / "audit").everything()
    assert audit.verify(database, tmp_path).lost == 3


def test_a_noted_head_that_goes_while_the_service_runs_is_an_entry(client):
    wang, directory = As(client, "wang"), client.app.state.journal.directory
    assert wang.get("/v1/households/h04/scores").status_code == 200
    drained(client)
    shutil.rmtree(directory)
    assert wang.get("/v1/households/h05/scores").status_code == 200
    lost = [one.detail for one in drained(client) if one.action == "audit.journal_lost"]
    assert FILE in lost and len(lost) == 2  # and the journal, of which no line was lost
    assert [one.detail for one in drained(client) if one.action == "audit.journal_lost"] == lost


def test_the_signed_line_of_a_weeks_summary_outlasts_the_file(tmp_path, monkeypatch):
    workspace = copy_workspace(tmp_path / "workspace")
    monkeypatch.delenv("XIANYING_DATABASE_URL", raising=False)
    database = open_database(settings_for(workspace))
    add_people(database)
    people.set_active(database, "li", True)
    people.set_active(database, "li", True)
    (line,) = audit_head(workspace)
    summary = next((workspace / "weeks").iterdir()) / "data-staff.html"
    forged = line[:-1] + ("0" if line[-1] != "0" else "1")
    summary.write_text(f"<li>{line}</li> 99:{'0' * 64}:{'0' * 64} {forged}", "utf-8")
    (workspace / "audit" / FILE).unlink()
    assert audit.verify(database, workspace).lost is None
    cut(database, 1)
    assert audit.verify(database, workspace).lost == 2
    with pytest.raises(UserError, match="2"):
        commands(["--workspace", str(workspace), "audit", "verify"], standalone_mode=False)
    with served(workspace) as client:
        assert "截断" in As(client, "sun").get("/audit?check=true").text


def test_no_entry_takes_the_place_of_another(database, tmp_path):
    written(tmp_path / "audit", "h1", "h2")
    Drain(database, tmp_path / "audit").everything()
    head = newest_head(database)
    if database.engine.dialect.name == "sqlite":
        for column, value in (("number", "2"), ("id", f"'{entries(database)[0].id}'")):
            other = {"number": "9", "id": "'new'", column: value}
            change = (
                "INSERT OR REPLACE INTO audit (number, id, at, who, action, subject, purpose, detail, previous, hash)"
                f" VALUES ({other['number']}, {other['id']}, '', '', '', 'h9', '', '', '', '')"
            )
            with pytest.raises(Exception, match="append-only"), database.engine.begin() as connection:
                connection.execute(text(change))
    assert newest_head(database) == head


def test_who_is_kept_out_is_in_the_log(client):
    li = As(client, "li")
    assert li.get("/v1/households/h01/scores").status_code == 404
    assert li.get("/overview").status_code == 403
    assert li.get("/visits/h01").status_code == 404
    assert li.send("POST", "/refusals", data={"csrf": "wrong", "household_id": "h04"}).status_code == 403
    key = machine(client, "models:read")
    assert client.get("/v1/visits", headers=key).status_code == 403
    found = [(one.who[:4], one.subject, one.detail) for one in drained(client) if one.action == "refused"]
    assert found == [
        ("user", "h01", "unknown-household GET /v1/households/{household_id}/scores"),
        ("user", "", "forbidden GET /overview sensitive:read"),
        ("user", "h01", "unknown-household GET /visits/{household_id:path}"),
        ("user", "", "csrf POST /refusals"),
        ("key:", "", "forbidden GET /v1/visits scores:read"),
    ]


def test_changes_of_people_and_keys_name_who_made_them(database, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "admin.li")
    monkeypatch.setenv("LOGNAME", "root")
    people.add_user(database, "wang", "grid_worker", "correct horse", grid_id="g1")
    people.set_password(database, "wang", "another password")
    people.set_active(database, "wang", False)
    people.set_active(database, "wang", True)
    people.make_key(database, "mini", ["scores:read"], 1, "g1")
    key = people.keys(database)[0].id
    people.revoke_key(database, key)
    assert [(one.who, one.action, one.detail) for one in entries(database)] == [
        ("command:admin.li>root", "users.add", "wang grid_worker g1"),
        ("command:admin.li>root", "users.password", "wang"),
        ("command:admin.li>root", "users.block", "wang"),
        ("command:admin.li>root", "users.unblock", "wang"),
        ("command:admin.li>root", "keys.create", f"{key} mini scores:read g1"),
        ("command:admin.li>root", "keys.revoke", key),
    ]


def test_signing_in_and_an_outcome_taken_back_are_in_the_log(client):
    assert client.post("/v1/session", json={"login": "li", "password": PASSWORD}).status_code == 204
    li = As(client, "li")
    visit = li.get("/v1/visits").json()["visits"][0]
    stored = li.post("/v1/outcomes", {"outreach_id": visit["outreach_id"], "outcome": "needed"}).json()
    li.delete(f"/v1/outcomes/{stored['id']}")
    found = {(one.who, one.action): (one.subject, one.detail) for one in drained(client)}
    assert found["user:li", "session.open"] == ("", "password")
    assert found["user:li", "outcome.undo"] == (visit["household_id"], visit["outreach_id"])


def test_signing_out_is_in_the_log(client):
    assert As(client, "li").delete("/v1/session").status_code == 204
    zhao = As(client, "zhao")
    assert zhao.send("POST", "/sign-out", data={"csrf": zhao.csrf}).status_code in (200, 303)
    found = [one.who for one in drained(client) if one.action == "session.close"]
    assert found == ["user:li", "user:zhao"]


def test_every_kind_of_entry_has_a_name_and_every_own_purpose_is_said_in_one_language() -> None:
    service = Path(pages.__file__).parents[2]
    sources = "\n".join(path.read_text("utf-8") for path in service.rglob("*.py"))
    scripts = "\n".join(path.read_text("utf-8") for path in service.rglob("*.js"))
    written = re.findall(r"(?:enter|note|write)\((?:[^()]|\(\))*?\"([a-z]+\.[a-z_]+)\"", sources)
    assert {"visit.read", "users.add", "outreach.trace"} <= set(written) <= set(pages.actions())
    own = {*re.findall(r'"([\u4e00-\u9fff]+ [a-z][a-z ]+)"  # why it reads', sources)}
    own |= {*re.findall(r'encodeURIComponent\("(.+?)"\)', scripts)}
    assert len(own) > 4 and own <= set(pages.OWN_PURPOSES)
