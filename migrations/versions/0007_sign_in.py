"""sign in"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXTS = {"way": "key", "grant": "", "refreshing_by": ""}
MOMENTS = ("grant_expires_at", "granted_at", "refreshed_at", "refreshing_until")


def upgrade() -> None:
    for name, given in TEXTS.items():
        op.add_column("connection", sa.Column(name, sa.String(), nullable=False, server_default=given))
    for name in MOMENTS:
        op.add_column("connection", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "sign_in",
        sa.Column("state_hash", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("session_hash", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("connection_id", sa.String(), nullable=True),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("draft", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_sign_in_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_sign_in")),
    )
    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_in_org_id"), ["org_id"], unique=False)


def downgrade() -> None:
    op.drop_table("sign_in")
    for name in (*TEXTS, *MOMENTS):
        op.drop_column("connection", name)
