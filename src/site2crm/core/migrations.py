"""Which migrations there are, and which a database has had."""

from sqlalchemy import Connection, inspect, text

from site2crm.core import resources


class SchemaTooNew(Exception):
    """The database was written by a newer version; this one must not touch it."""


def revisions() -> list[str]:
    """Every revision there is, oldest first: the numbers that the files of `migrations/versions` begin with."""
    return sorted(path.name.partition("_")[0] for path in (resources.migrations() / "versions").glob("[0-9]*.py"))


def current_revision(connection: Connection) -> str | None:
    """The revision the database has; None if it has no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
