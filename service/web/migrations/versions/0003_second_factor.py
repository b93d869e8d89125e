"""A second factor of people, and wrong passwords counted by where they come from

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from service.web.migrations.columns import moments, texts

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Failures move from the person, whom anybody could lock out, to a table of their own."""
    op.create_table(
        "sign_in_failures",
        *texts(login_hash=64, place_hash=64),
        sa.Column("failures", sa.Integer(), nullable=False),
        *moments("last_at"),
        *moments("locked_until", optional=True),
        sa.PrimaryKeyConstraint("login_hash", "place_hash"),
    )
    op.drop_column("users", "failures")
    op.drop_column("users", "locked_until")
    for column in (*texts(optional=True, second_factor=200), sa.Column("second_factor_step", sa.Integer())):
        op.add_column("users", column)


def downgrade() -> None:
    """Nobody is locked out then, and second factors are gone."""
    op.drop_column("users", "second_factor_step")
    op.drop_column("users", "second_factor")
    op.add_column("users", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.drop_table("sign_in_failures")
