"""crm dashboard"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PLACES = ["connection_id", "state", "due_at"]


def upgrade() -> None:
    op.drop_index("ix_delivery_connection", table_name="delivery")
    op.create_index("ix_delivery_connection", "delivery", [*PLACES, "created_at", "updated_at"])
    op.create_index("ix_delivery_arrived", "delivery", ["connection_id", "delivered_at"])
    op.create_table(
        "crm_comparison",
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked", COUNT, nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("compared", COUNT, nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_crm_comparison_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_crm_comparison_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_crm_comparison")),
    )
    op.create_index(op.f("ix_crm_comparison_org_id"), "crm_comparison", ["org_id"])
    op.create_table(
        "crm_missing",
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_crm_missing_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_crm_missing_lead_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_crm_missing_org_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_crm_missing_delivery_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("connection_id", "lead_id", name=op.f("pk_crm_missing")),
    )
    op.create_index(op.f("ix_crm_missing_org_id"), "crm_missing", ["org_id"])


def downgrade() -> None:
    op.drop_table("crm_missing")
    op.drop_table("crm_comparison")
    op.drop_index("ix_delivery_arrived", table_name="delivery")
    op.drop_index("ix_delivery_connection", table_name="delivery")
    op.create_index("ix_delivery_connection", "delivery", PLACES)
