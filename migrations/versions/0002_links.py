"""links"""

import sqlalchemy as sa
from alembic import op

FTS = (
    """CREATE VIRTUAL TABLE link_fts USING fts5(
        words, content='link_search', content_rowid='id', tokenize="ascii tokenchars '_'",
        detail=none, columnsize=0
    )""",
    """CREATE TRIGGER link_search_insert AFTER INSERT ON link_search BEGIN
        INSERT INTO link_fts(rowid, words) VALUES (new.id, new.words);
    END""",
    """CREATE TRIGGER link_search_delete AFTER DELETE ON link_search BEGIN
        INSERT INTO link_fts(link_fts, rowid, words) VALUES ('delete', old.id, old.words);
    END""",
    """CREATE TRIGGER link_search_update AFTER UPDATE OF words ON link_search BEGIN
        INSERT INTO link_fts(link_fts, rowid, words) VALUES ('delete', old.id, old.words);
        INSERT INTO link_fts(rowid, words) VALUES (new.id, new.words);
    END""",
)

GIN = (
    "CREATE INDEX ix_link_search_words ON link_search USING gin (array_to_tsvector(string_to_array(btrim(words), ' ')))"
)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("slug_key", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("utm", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("carry_click", sa.String(), nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("created_by", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_link_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
    )
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.create_index("uq_link_slug", ["domain", "slug"], unique=True)
        batch_op.create_index("uq_link_slug_key", ["domain", "slug_key"], unique=True)
        batch_op.create_index("ix_link_revision", ["revision"], unique=False)
        for state, condition in (("live", "archived_at IS NULL"), ("archived", "archived_at IS NOT NULL")):
            for name, moment in ((f"ix_link_{state}", "created_at"), (f"ix_link_{state}_changed", "updated_at")):
                batch_op.create_index(
                    name,
                    ["org_id", moment, "id"],
                    unique=False,
                    sqlite_where=sa.text(condition),
                    postgresql_where=sa.text(condition),
                )

    op.create_table(
        "link_search",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("link_id", sa.String(), nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["link.id"], name=op.f("fk_link_search_link_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_link_search_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_search")),
        sa.UniqueConstraint("link_id", name=op.f("uq_link_search_link_id")),
    )
    with op.batch_alter_table("link_search", schema=None) as batch_op:
        by = ["org_id"] if op.get_bind().dialect.name == "sqlite" else ["org_id", "id"]
        batch_op.create_index(batch_op.f("ix_link_search_org_id"), by, unique=False)
    for statement in FTS if op.get_bind().dialect.name == "sqlite" else [GIN]:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE link_fts")
    op.drop_table("link_search")
    op.drop_table("link")
