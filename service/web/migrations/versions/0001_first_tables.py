"""The first tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from service.web.migrations.columns import NUMBER, moments, noted, number, texts

revision = "0001"
down_revision = None


POSTGRESQL = (
    """CREATE FUNCTION audit_stays() RETURNS trigger AS $$
    BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$ LANGUAGE plpgsql""",
    """CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_stays()""",
    """CREATE TRIGGER audit_stays_whole BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()""",
)
SQLITE = tuple(
    f"""CREATE TRIGGER audit_stays_{change.lower()} BEFORE {change} ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""
    for change in ("UPDATE", "DELETE")
)


def upgrade() -> None:
    """Every table, and triggers that keep the audit log as it is."""
    _add_access()
    _add_intake()
    _add_rights()
    _add_audit()


def downgrade() -> None:
    """Nothing is left."""
    # sign_ins names users, and goes before them
    tables = "sign_ins users api_keys outcomes requests refusals corrections deletions audit"
    for table in tables.split():
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_stays")


def _add_access() -> None:
    """Who may use the service: people, their sessions, and keys of other systems."""
    op.create_table(
        "users",
        number(),
        *texts(login=100, name=100, role=20),
        *texts(optional=True, grid_id=100, microgrid_id=100, worker_id=100, password_hash=200),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        *moments("locked_until", optional=True),
        *moments("created_at"),
        sa.UniqueConstraint("login"),
    )
    op.create_table(
        "sign_ins",
        *texts(token_hash=64),
        sa.Column("user_id", NUMBER, nullable=False),
        *texts(csrf=64),
        *moments("created_at", "expires_at"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_sign_ins_user_id", "sign_ins", ["user_id"])
    op.create_table(
        "api_keys",
        *texts(id=16, key_hash=64, name=100),
        sa.Column("scopes", sa.JSON(), nullable=False),
        *texts(optional=True, grid_id=100, microgrid_id=100),
        *moments("created_at", "expires_at"),
        *moments("revoked_at", optional=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash"),
    )


def _add_intake() -> None:
    """What comes in about visits: outcomes and requests."""
    op.create_table(
        "outcomes",
        number(),
        *texts(outreach_id=64, household_id=100, need=100),
        sa.Column("as_of", sa.Date(), nullable=False),
        *texts(outcome=20),
        sa.Column("contacted_on", sa.Date(), nullable=False),
        *texts(arm=20),
        sa.Column("propensity", sa.Double()),
        *texts(optional=True, worker_id=100),
        *texts(note=None, by=120, token=100),
        *moments("recorded_at"),
        *moments("undone_at", "taken_at", "drained_at", optional=True),
        sa.UniqueConstraint("by", "token", name="one_outcome_a_token"),
    )
    op.create_index("ix_outcomes_household_id", "outcomes", ["household_id"])
    op.create_index("ix_outcomes_outreach_id", "outcomes", ["outreach_id"])
    op.create_index("outcomes_to_drain", "outcomes", ["drained_at", "id"])
    op.create_table(
        "requests",
        number(),
        *texts(request_id=100, household_id=100),
        *moments("requested_at"),
        *texts(optional=True, need=100, text=None, channel=50),
        *moments("resolved_at", optional=True),
        sa.Column("satisfaction", sa.Integer()),
        *texts(by=120, token=100),
        *moments("recorded_at"),
        *moments("drained_at", optional=True),
        sa.UniqueConstraint("by", "token", name="one_request_a_token"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_requests_drained_at", "requests", ["drained_at"])
    op.create_index("ix_requests_household_id", "requests", ["household_id"])


def _add_rights() -> None:
    """What residents may ask for: refusals, corrections and deletions."""
    op.create_table(
        "refusals",
        number(),
        *texts(household_id=100),
        sa.Column("begins_on", sa.Date(), nullable=False),
        sa.Column("until", sa.Date()),
        *noted(),
    )
    op.create_index("ix_refusals_household_id", "refusals", ["household_id"])
    op.create_table(
        "corrections",
        number(),
        *texts(household_id=100, attribute=100),
        *texts(optional=True, value=None),
        *noted(),
    )
    op.create_index("ix_corrections_household_id", "corrections", ["household_id"])
    op.create_table(
        "deletions",
        number(),
        *texts(household_hash=64),
        *texts(optional=True, household_id=100),
        *noted(),
    )
    op.create_index("ix_deletions_household_hash", "deletions", ["household_hash"])


def _add_audit() -> None:
    """The audit log, and triggers that keep its entries."""
    op.create_table(
        "audit",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        *texts(id=64, at=40, who=120, action=60, subject=None, purpose=None, detail=None),
        *texts(previous=64, hash=64),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_audit_who", "audit", ["who"])
    for statement in POSTGRESQL if op.get_bind().dialect.name == "postgresql" else SQLITE:
        op.execute(statement)
