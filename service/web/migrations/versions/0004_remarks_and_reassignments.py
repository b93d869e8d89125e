"""What residents say beside an outcome, and visits that one worker hands to another

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add a table of remarks and one of reassignments."""
    op.create_table(
        "remarks",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("outreach_id", sa.String(length=64), nullable=False),
        sa.Column("household_id", sa.String(length=100), nullable=False),
        sa.Column("need", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=True),
        sa.Column("satisfaction", sa.Integer(), nullable=True),
        sa.Column("next_visit", sa.Date(), nullable=True),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("token", sa.String(length=100), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drained_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("by", "token", name="one_remark_a_token"),
    )
    for column in ("outreach_id", "household_id", "drained_at"):
        op.create_index(f"ix_remarks_{column}", "remarks", [column])
    op.create_table(
        "reassignments",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("household_id", sa.String(length=100), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("worker_id", sa.String(length=100), nullable=False),
        sa.Column("worker_name", sa.String(length=100), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_reassignments_household_id", "reassignments", ["household_id"])


def downgrade() -> None:
    """Forget what was said and who took over."""
    op.drop_table("reassignments")
    op.drop_table("remarks")
