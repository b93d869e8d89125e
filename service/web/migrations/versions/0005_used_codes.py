"""Codes of second factors that were used

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from service.web.migrations.columns import NUMBER

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a table of used codes, with the last one of each person."""
    op.create_table(
        "used_codes",
        sa.Column("user_id", NUMBER, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "step"),
    )
    op.execute(
        "INSERT INTO used_codes (user_id, step) SELECT id, second_factor_step FROM users WHERE second_factor_step > 0"
    )


def downgrade() -> None:
    """Forget which codes were used."""
    op.drop_table("used_codes")
