"""In which districts an offer is given.

Revision: 0012
Follows: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import Json

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One column. Not as a batch: that would make the table anew, to which other rows refer."""
    op.add_column(
        "offers",
        sa.Column(
            "districts",
            Json,
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="where it is given; none: all over",
        ),
    )


def downgrade() -> None:
    op.drop_column("offers", "districts")
