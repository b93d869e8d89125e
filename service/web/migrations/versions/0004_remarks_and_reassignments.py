"""What residents say beside an outcome, and visits that one worker hands to another

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from service.web.migrations.columns import moments, number, texts

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a table of remarks and one of reassignments."""
    op.create_table(
        "remarks",
        number(),
        *texts(outreach_id=64, household_id=100, need=100),
        *texts(optional=True, kind=20),
        sa.Column("satisfaction", sa.Integer()),
        sa.Column("next_visit", sa.Date()),
        *texts(by=120, token=100),
        *moments("recorded_at"),
        *moments("drained_at", optional=True),
        sa.UniqueConstraint("by", "token", name="one_remark_a_token"),
    )
    for column in ("outreach_id", "household_id", "drained_at"):
        op.create_index(f"ix_remarks_{column}", "remarks", [column])
    op.create_table(
        "reassignments",
        number(),
        *texts(household_id=100),
        sa.Column("as_of", sa.Date(), nullable=False),
        *texts(worker_id=100, worker_name=100, by=120),
        *moments("at"),
    )
    op.create_index("ix_reassignments_household_id", "reassignments", ["household_id"])


def downgrade() -> None:
    """Forget what was said and who took over."""
    op.drop_table("reassignments")
    op.drop_table("remarks")
