"""The service's database: migrations up and down with data in, and an audit log that stays as it is."""

import hashlib
import json
import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_town import settings_for
from service_database import database_url  # noqa: F401
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from features.language import UserError
from service.web.audit import log as audit
from service.web.audit.drain import Drain
from service.web.audit.journal import Journal
from service.web.auth import people
from service.web.database.engine import connect, migrate, migrations, newest, open_database, present
from service.web.database.tables import Base, Entry, NewRequest, Outcome, Refusal


@pytest.fixture
def database(tmp_path, database_url):  # noqa: F811
    database = open_database(settings_for(tmp_path, database_url=database_url))
    yield database
    database.engine.dispose()


def fill(database) -> None:
    """A row in every table."""
    people.add_user(database, "wang", "coordinator", "correct horse")
    people.make_key(database, "x", ["scores:read"], 1)
    moment = datetime(2025, 9, 1, 9, 30, tzinfo=timezone(timedelta(hours=8)))
    with database.writing() as session:
        session.add(
            Outcome(
                outreach_id="o1", household_id="h1", need="meals", as_of=date(2025, 9, 1), outcome="needed",
                contacted_on=date(2025, 9, 2), arm="random", propensity=0.25, by="user:wang", token="t",
            )
        )  # fmt: skip
        session.add(
            NewRequest(request_id="r1", household_id="h1", requested_at=moment, by="user:wang", token="t")
        )
        session.add(Refusal(household_id="h1", begins_on=date(2025, 9, 1), by="user:wang"))
        audit.enter(session, "user:wang", "outcome.write", "h1", "测试")


def test_migrations_go_up_and_down_with_data_in(database):
    engine = database.engine
    assert database.ready() and inspect(engine).has_table("audit")
    fill(database)
    migrate(engine)  # again: nothing changes
    with database.reading() as session:
        assert session.scalar(select(NewRequest.requested_at)) == datetime(2025, 9, 1, 1, 30, tzinfo=UTC)
        assert session.scalar(select(Outcome.propensity)) == 0.25
    migrate(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    assert not database.ready()
    migrate(engine)
    assert database.ready() and not people.users(database)
    fill(database)


def test_a_database_goes_back_to_any_migration_and_comes_up_again(database):
    fill(database)
    for revision in migrations()[-2::-1]:
        migrate(database.engine, revision)
        assert present(database.engine) == revision and not database.ready()
    migrate(database.engine)
    assert database.ready() and [user.login for user in people.users(database)]


def test_an_older_program_says_that_the_database_is_newer(tmp_path):
    settings = settings_for(tmp_path)
    with open_database(settings).writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UserError, match="9999"):
        open_database(settings)


def test_the_migrations_make_the_tables_that_the_program_expects(database):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert newest()


def test_the_audit_log_cannot_be_changed_and_a_forged_one_is_found(database, tmp_path):
    journal = Journal(tmp_path / "audit")
    for number in range(5):
        journal.write("user:wang", "scores.read", f"h{number}", "例行走访")
    drain = Drain(database, tmp_path / "audit")
    assert drain.everything(journal) == 5 and drain.everything(journal) == 0
    journal.close()
    found = audit.verify(database)
    assert found.entries == 5 and found.broken is None
    audit.check_head(database, f"5:{found.head}")
    for change in ("UPDATE audit SET subject = 'h9' WHERE number = 2", "DELETE FROM audit WHERE number = 2"):
        with pytest.raises(DBAPIError, match="append-only"), database.writing() as session:
            session.execute(text(change))
    with database.engine.begin() as connection:  # somebody who may change the database itself
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_stays_update"))
        else:
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_stays"))
        connection.execute(text("UPDATE audit SET subject = 'h9' WHERE number = 2"))
    assert audit.verify(database).broken == 2
    with pytest.raises(UserError, match="5"):
        audit.check_head(database, "5:0000")


def test_lines_of_a_process_that_ended_are_adopted_once(database, tmp_path):
    first, second = Journal(tmp_path / "audit"), Journal(tmp_path / "audit")
    first.write("user:a", "scores.read", "h1")
    second.write("user:b", "scores.read", "h2")
    drain = Drain(database, tmp_path / "audit")
    assert drain.everything() == 0  # both live
    first.close()
    assert drain.everything() == 1
    second.close()
    other = Drain(database, tmp_path / "audit")
    moved = 0
    for _ in range(100):  # a process that was begun meanwhile holds the journal for a moment
        moved += other.everything()
        if moved:
            break
        time.sleep(0.1)
    assert moved == 1 and not list((tmp_path / "audit").glob("*.journal"))
    with database.reading() as session:
        assert sorted(session.scalars(select(Entry.subject))) == ["h1", "h2"]


def test_a_database_that_is_not_there_is_named_in_one_line(tmp_path):
    with pytest.raises(UserError, match="XIANYING_DATABASE_URL"):
        open_database(settings_for(tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none"))
    engine = connect("sqlite:///:memory:")
    engine.dispose()


@given(
    st.integers(1, 2**53),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=7, max_size=7),
)
def test_hashes_of_entries_are_those_of_the_first_version(number, values):
    content = json.dumps([number, "0" * 64, *values], ensure_ascii=False, separators=(",", ":"))
    assert audit.entry_hash(number, "0" * 64, values) == hashlib.sha256(content.encode()).hexdigest()
