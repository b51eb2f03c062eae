"""mapping rules"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OBJECTS = ("form_mappings", "owner_rule", "deal_rule", "directory")


def upgrade() -> None:
    for name in OBJECTS:
        op.add_column("connection", _json(name, "{}"))
    op.add_column("connection", _json("drift", "[]"))
    op.add_column("connection", sa.Column("directory_error", sa.String(), nullable=False, server_default=""))
    op.add_column("connection", sa.Column("owner_turn", COUNT, nullable=False, server_default="0"))
    op.add_column("delivery", sa.Column("person_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("owner", sa.String(), nullable=False, server_default=""))
    op.add_column("delivery", sa.Column("deal_id", sa.String(), nullable=True))
    op.add_column("delivery", sa.Column("deal_url", sa.String(), nullable=True))
    op.add_column("attempt", sa.Column("step", sa.String(), nullable=False, server_default="person"))


def downgrade() -> None:
    op.drop_column("attempt", "step")
    for name in ("person_at", "owner", "deal_id", "deal_url"):
        op.drop_column("delivery", name)
    for name in (*OBJECTS, "drift", "directory_error", "owner_turn"):
        op.drop_column("connection", name)


def _json(name: str, empty: str) -> sa.Column[sa.JSON]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=False, server_default=empty)
