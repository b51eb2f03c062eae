"""deal counts"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ALIKE = ("connection_id", "pipeline", "stage", "owner", "status", "currency")
LOW = 10**9


def upgrade() -> None:
    op.create_table(
        "deal_count",
        *(sa.Column(name, sa.String(), nullable=False) for name in ALIKE),
        sa.Column("org_id", sa.String(), nullable=False),
        *(sa.Column(name, NUMBER, nullable=False) for name in ("deals", "high", "low")),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_deal_count_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_deal_count_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*ALIKE, name=op.f("pk_deal_count")),
    )
    op.create_index(op.f("ix_deal_count_org_id"), "deal_count", ["org_id"])
    _count()


def _count() -> None:
    deal = sa.table("deal", *(sa.column(name) for name in (*ALIKE, "org_id")), sa.column("amount_minor", NUMBER))
    kept = sa.table("deal_count", *(sa.column(name) for name in (*ALIKE, "org_id", "deals", "high", "low")))
    alike = [deal.c[name] for name in (*ALIKE, "org_id")]
    amount = deal.c.amount_minor
    figures = (
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(amount // LOW), 0),
        sa.func.coalesce(sa.func.sum(amount % LOW), 0),
    )
    columns = [*ALIKE, "org_id", "deals", "high", "low"]
    op.execute(kept.insert().from_select(columns, sa.select(*alike, *figures).group_by(*alike)))


def downgrade() -> None:
    op.drop_table("deal_count")
