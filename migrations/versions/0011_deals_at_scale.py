"""deals at scale"""

import sqlalchemy as sa
from alembic import op

FTS = (
    """CREATE VIRTUAL TABLE deal_fts USING fts5(
        words, content='deal_search', content_rowid='id', tokenize="ascii tokenchars '_'",
        detail=none, columnsize=0
    )""",
    """CREATE TRIGGER deal_search_insert AFTER INSERT ON deal_search BEGIN
        INSERT INTO deal_fts(rowid, words) VALUES (new.id, new.words);
    END""",
    """CREATE TRIGGER deal_search_delete AFTER DELETE ON deal_search BEGIN
        INSERT INTO deal_fts(deal_fts, rowid, words) VALUES ('delete', old.id, old.words);
    END""",
    """CREATE TRIGGER deal_search_update AFTER UPDATE OF words ON deal_search BEGIN
        INSERT INTO deal_fts(deal_fts, rowid, words) VALUES ('delete', old.id, old.words);
        INSERT INTO deal_fts(rowid, words) VALUES (new.id, new.words);
    END""",
)
GIN = (
    "CREATE INDEX ix_deal_search_words ON deal_search USING gin (array_to_tsvector(string_to_array(btrim(words), ' ')))"
)
WORDS = """
INSERT INTO deal_search (org_id, deal_id, words)
SELECT org_id, id, ' ' || {tag} || replace(search_text, ' ', ' ' || {tag}) || ' ' FROM deal
"""
TAGS = {"sqlite": "lower(substr(org_id, -6))", "postgresql": "lower(right(org_id, 6))"}

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ALIKE = ("connection_id", "pipeline", "stage", "owner", "status", "currency")
LOW = 10**9
PLACE = ("org_id", "created_at", "id")
BOARD = ("org_id", "connection_id", "pipeline", "stage", "status", "currency", "amount_minor")
NARROWED = ("connection_id", "pipeline", "stage", "status", "owner")


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
    op.create_table(
        "deal_search",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("org_id", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name=op.f("fk_deal_search_deal_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id"], ["org.id"], name=op.f("fk_deal_search_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deal_search")),
        sa.UniqueConstraint("deal_id", name=op.f("uq_deal_search_deal_id")),
    )
    op.create_index(op.f("ix_deal_search_org_id"), "deal_search", ["org_id"])
    dialect = op.get_bind().dialect.name
    for statement in FTS if dialect == "sqlite" else [GIN]:
        op.execute(statement)
    op.execute(WORDS.format(tag=TAGS[dialect]))
    op.drop_index("ix_deal_board", table_name="deal")
    op.drop_index("ix_deal_recent", table_name="deal")
    op.create_index("ix_deal_recent", "deal", [*PLACE, *NARROWED, "currency", "amount_minor"])


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
    op.drop_index("ix_deal_recent", table_name="deal")
    op.create_index("ix_deal_recent", "deal", [*PLACE])
    op.create_index("ix_deal_board", "deal", [*BOARD])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE deal_fts")
    op.drop_table("deal_search")
    op.drop_table("deal_count")
