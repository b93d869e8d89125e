"""The service's database: SQLite (WAL) by default, PostgreSQL in production; its sessions and migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from features.language import UserError
from service.web.base.settings import Settings, command_settings, has_service
from service.web.database.tables import OF_HOUSEHOLD, Deletion

PATIENCE = 15  # seconds to wait for another writer
MIGRATIONS = Path(__file__).parents[1] / "migrations"


def connect(address: str) -> Engine:
    """Make an engine for SQLAlchemy's ``address``."""
    if not address.startswith("sqlite"):
        return create_engine(
            address, pool_size=5, max_overflow=10, pool_pre_ping=True, connect_args={"connect_timeout": 10}
        )
    engine = create_engine(address, connect_args={"timeout": PATIENCE, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where _begin says
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what was deleted is overwritten
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # a transaction that begins by reading and then writes would fail where another wrote in between
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writes") else "BEGIN")

    return engine


class Database:
    """The service's database: sessions that read, and sessions that write and commit at their end."""

    def __init__(self, engine: Engine, workspace: Path) -> None:
        self.engine, self.workspace = engine, workspace
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session to read with."""
        with self._sessions() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session in one transaction, which is committed at the end of the block or rolled back on an error."""
        with self.engine.connect() as connection:
            connection.info["writes"] = True
            try:
                with self._sessions(bind=connection) as session, session.begin():
                    yield session
            finally:
                connection.info.pop("writes", None)

    def forget_deleted_rows(self) -> None:
        """Write the database anew without what was deleted, its log included; waits for those who are reading."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if connection.dialect.name == "postgresql":
                for table in (*OF_HOUSEHOLD, Deletion):
                    connection.exec_driver_sql(f"VACUUM (FULL) {table.__tablename__}")
                return
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def ready(self) -> bool:
        """Tell whether the database answers and is at the newest migration."""
        try:
            with self.engine.connect() as connection:
                version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except SQLAlchemyError:
            return False
        return version == newest()


def migrations() -> list[str]:
    """List the ids of the migrations that this program knows, the first one first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


def newest() -> str:
    """Return the id of the newest migration."""
    return migrations()[-1]


def present(engine: Engine) -> str:
    """Return the id of the migration that the database is at; empty where there are no tables yet."""
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the database up or down to a migration; ``base`` removes everything."""
    from alembic import command
    from alembic.config import Config

    configuration = Config(attributes={"engine": engine})
    configuration.set_main_option("script_location", str(MIGRATIONS))
    known = migrations()
    down = to == "base" or (to in known and present(engine) in known[known.index(to) + 1 :])
    (command.downgrade if down else command.upgrade)(configuration, to)


def open_database(settings: Settings) -> Database:
    """Open the database of the settings and bring it to the newest migration.

    Raises UserError when it cannot be reached.
    """
    if settings.database.startswith("sqlite:///"):
        Path(settings.database.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = connect(settings.database)
    try:
        _refuse_newer(engine)
        migrate(engine)
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise UserError(
            f"数据库打不开（请检查 XIANYING_DATABASE_URL 或磁盘）：{reason}",
            f"the database cannot be opened (check XIANYING_DATABASE_URL, or the disk): {reason}",
        ) from error
    return Database(engine, settings.workspace)


def _refuse_newer(engine: Engine) -> None:
    """Raise UserError where a newer version of the program has migrated the database."""
    version, known = present(engine), migrations()
    if version and version not in known:
        raise UserError(
            f"数据库已是较新的版本（{version}）：请装回较新的程序，或先用它运行 xianying migrate --to {known[-1]}",
            f"the database was migrated by a newer version of the program ({version}): install that one again, or"
            f" run its `xianying migrate --to {known[-1]}` first",
        )


@contextmanager
def database_of(workspace: Path) -> Iterator[Database | None]:
    """Open the database of a workspace's service, for what is no service and needs no secret; None without a service."""
    if not has_service(workspace):
        yield None
        return
    database = open_database(command_settings(workspace))
    try:
        yield database
    finally:
        database.engine.dispose()
