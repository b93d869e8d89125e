"""No entry of the audit log takes the place of another one

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Refuse INSERT OR REPLACE, which deletes without the triggers of a deletion; PostgreSQL has nothing like it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            """CREATE TRIGGER audit_stays_first BEFORE INSERT ON audit
            WHEN EXISTS (SELECT 1 FROM audit WHERE number >= NEW.number OR id = NEW.id)
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""
        )


def downgrade() -> None:
    """Leave it as the first tables had it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_stays_first")
