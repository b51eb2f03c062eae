"""Alembic's entry point; the engine comes from core/migrate.py, or from `make migration` for a new revision."""

from alembic import context

from site2crm.core.db import UtcTime
from site2crm.features import tables

engine = context.config.attributes["engine"]


def _only_ours(name, kind, _parent) -> bool:
    return not (kind == "table" and name.startswith(("lead_fts", "link_fts")))


def _plain(kind: str, item: object, _context: object) -> str | bool:
    """A migration must not import the code of a day: our column types are written as what they are underneath."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcTime) else False


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=tables(),
        render_as_batch=True,
        include_name=_only_ours,
        render_item=_plain,
        transaction_per_migration=False,  # all or nothing: a failure in the second must not leave the first
    )
    with context.begin_transaction():
        context.run_migrations()
