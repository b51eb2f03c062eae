"""lead clicks"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lead_click",
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("click_id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("submission_id", sa.String(), nullable=False),
        sa.Column("link_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_lead_click_lead_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_lead_click_org_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_lead_click_submission_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lead_id", "click_id", name=op.f("pk_lead_click")),
    )
    with op.batch_alter_table("lead_click", schema=None) as batch_op:
        batch_op.create_index("ix_lead_click_link", ["org_id", "link_id", "lead_id"], unique=False)
        batch_op.create_index("ix_lead_click_submission", ["submission_id"], unique=False)


def downgrade() -> None:
    op.drop_table("lead_click")
