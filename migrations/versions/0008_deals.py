"""deals"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sales_weights",
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("call", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("meeting", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("won", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_sales_weights_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_sales_weights")),
    )
    op.create_table(
        "activity",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_activity_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_activity_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
        sa.UniqueConstraint(
            "connection_id", "kind", "remote_id", name=op.f("uq_activity_connection_id_kind_remote_id")
        ),
    )
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.create_index(
            "ix_activity_ranking", ["org_id", "at", "done", "connection_id", "owner", "kind"], unique=False
        )

    op.create_table(
        "crm_owner",
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_crm_owner_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_crm_owner_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("connection_id", "remote_id", name=op.f("pk_crm_owner")),
    )
    with op.batch_alter_table("crm_owner", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_crm_owner_org_id"), ["org_id"], unique=False)

    op.create_table(
        "crm_stage",
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("pipeline_label", sa.String(), nullable=False),
        sa.Column("pipeline_place", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_crm_stage_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_crm_stage_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("connection_id", "pipeline", "remote_id", name=op.f("pk_crm_stage")),
    )
    with op.batch_alter_table("crm_stage", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_crm_stage_org_id"), ["org_id"], unique=False)

    op.create_table(
        "deal",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("search_text", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("close_on", sa.String(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_deal_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_deal_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deal")),
        sa.UniqueConstraint("connection_id", "remote_id", name=op.f("uq_deal_connection_id_remote_id")),
    )
    with op.batch_alter_table("deal", schema=None) as batch_op:
        batch_op.create_index(
            "ix_deal_board",
            ["org_id", "connection_id", "pipeline", "stage", "status", "currency", "amount_minor"],
            unique=False,
        )
        batch_op.create_index(
            "ix_deal_closed",
            ["org_id", "status", "closed_at", "connection_id", "owner", "currency", "amount_minor"],
            unique=False,
        )
        batch_op.create_index("ix_deal_recent", ["org_id", "created_at", "id"], unique=False)

    op.create_table(
        "deal_about",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_deal_about_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_deal_about_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("subject_id", "person", name=op.f("pk_deal_about")),
    )
    with op.batch_alter_table("deal_about", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deal_about_org_id"), ["org_id"], unique=False)
        batch_op.create_index("ix_deal_about_person", ["connection_id", "person"], unique=False)

    op.create_table(
        "deal_feed",
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.String(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("hook_secret", sa.String(), nullable=False),
        sa.Column("hook_url", sa.String(), nullable=False),
        sa.Column("hook_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hook_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hook_error", sa.String(), nullable=False),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_deal_feed_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_deal_feed_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_deal_feed")),
    )
    with op.batch_alter_table("deal_feed", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deal_feed_org_id"), ["org_id"], unique=False)

    op.create_table(
        "deal_stream",
        sa.Column("connection_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("done", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("total", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_deal_stream_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_deal_stream_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("connection_id", "name", name=op.f("pk_deal_stream")),
    )
    with op.batch_alter_table("deal_stream", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deal_stream_org_id"), ["org_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("deal_stream", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deal_stream_org_id"))

    op.drop_table("deal_stream")
    with op.batch_alter_table("deal_feed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deal_feed_org_id"))

    op.drop_table("deal_feed")
    with op.batch_alter_table("deal_about", schema=None) as batch_op:
        batch_op.drop_index("ix_deal_about_person")
        batch_op.drop_index(batch_op.f("ix_deal_about_org_id"))

    op.drop_table("deal_about")
    with op.batch_alter_table("deal", schema=None) as batch_op:
        batch_op.drop_index("ix_deal_recent")
        batch_op.drop_index("ix_deal_closed")
        batch_op.drop_index("ix_deal_board")

    op.drop_table("deal")
    with op.batch_alter_table("crm_stage", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_crm_stage_org_id"))

    op.drop_table("crm_stage")
    with op.batch_alter_table("crm_owner", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_crm_owner_org_id"))

    op.drop_table("crm_owner")
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.drop_index("ix_activity_ranking")

    op.drop_table("activity")
    op.drop_table("sales_weights")
