"""A second factor of people, and wrong passwords counted by where they come from

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Failures move from the person, whom anybody could lock out, to a table of their own."""
    op.create_table(
        "sign_in_failures",
        sa.Column("login_hash", sa.String(length=64), nullable=False),
        sa.Column("place_hash", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("login_hash", "place_hash"),
    )
    op.drop_column("users", "failures")
    op.drop_column("users", "locked_until")
    op.add_column("users", sa.Column("second_factor", sa.String(length=200), nullable=True))
    op.add_column("users", sa.Column("second_factor_step", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Nobody is locked out then, and second factors are gone."""
    op.drop_column("users", "second_factor_step")
    op.drop_column("users", "second_factor")
    op.add_column("users", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.drop_table("sign_in_failures")
