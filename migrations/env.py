"""Alembic's entry point; the engine comes from core/migrate.py, or from `make migration` for a new revision.

On PostgreSQL it is a connection, from core/migrate_postgresql.py, which holds the lock that keeps other nodes away.
"""

from alembic import context

from site2crm.core import migrate_postgresql
from site2crm.core.db import UtcTime
from site2crm.features import tables

given = context.config.attributes


def _only_ours(name, kind, _parent) -> bool:
    return not (kind == "table" and name.startswith(("lead_fts", "link_fts", "deal_fts")))


def _plain(kind: str, item: object, _context: object) -> str | bool:
    """A migration must not import the code of a day: our column types are written as what they are underneath."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcTime) else False


def _applied(*, ctx, **_rest) -> None:
    if ctx.dialect.name == "postgresql":
        migrate_postgresql.compare_bytewise(ctx.connection)


def _migrate(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables(),
        render_as_batch=True,
        include_name=_only_ours,
        render_item=_plain,
        transaction_per_migration=False,  # all or nothing: a failure in the second must not leave the first
        on_version_apply=_applied,
    )
    with context.begin_transaction():
        context.run_migrations()


if "connection" in given:
    _migrate(given["connection"])
else:
    with given["engine"].connect() as opened:
        _migrate(opened)
