"""Alembic's entry point; the engine comes from core/migrate.py, or from `make migration` for a new revision."""

from alembic import context
from sqlalchemy import Connection, event

from site2crm.features import tables

engine = context.config.attributes["engine"]


@event.listens_for(engine, "connect")
def _autocommit(connection, _record):
    """The driver must not commit by itself before DDL: a failed migration has to be undone whole."""
    connection.isolation_level = None


@event.listens_for(engine, "begin")
def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _only_ours(name, kind, _parent) -> bool:
    return not (kind == "table" and name.startswith("lead_fts"))


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=tables(),
        render_as_batch=True,
        include_name=_only_ours,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
