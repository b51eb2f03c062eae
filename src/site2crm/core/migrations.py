"""Which migrations there are, and which a database has had."""

from sqlalchemy import Connection, inspect, text

from site2crm.core import resources


class SchemaTooNew(Exception):
    """The database was written by a newer version; this one must not touch it."""


class MigrationFailed(Exception):
    """Nothing was changed; the text says how to go on."""


def failed(error: BaseException, *, before: str | None, after: str) -> MigrationFailed:
    """What a person is told of it."""
    why = str(error).partition("\n")[0][:300]
    return MigrationFailed(
        f"The change of the schema to {after} failed ({why}). Nothing was changed: the database is still at "
        f"{before or 'its beginning'}. Go on with the version that ran before."
    )


def revisions() -> list[str]:
    """Every revision there is, oldest first: the numbers that the files of `migrations/versions` begin with."""
    return sorted(path.name.partition("_")[0] for path in (resources.migrations() / "versions").glob("[0-9]*.py"))


def current_revision(connection: Connection) -> str | None:
    """The revision the database has; None if it has no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
