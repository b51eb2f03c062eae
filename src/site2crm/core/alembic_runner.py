"""Runs Alembic on an engine of `core/migrate.py`, or on a connection to PostgreSQL. Reached through `core/heavy.py`."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from site2crm.core import resources


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing, all in one transaction."""
    command.upgrade(config(engine), "head")


def upgrade_connection(connection: Connection) -> None:
    """The same on a connection, which keeps what it holds."""
    command.upgrade(_config("connection", connection), "head")


def config(engine: Engine) -> Config:
    """For `migrations/env.py`, which takes the engine from it."""
    return _config("engine", engine)


def _config(name: str, given: object) -> Config:
    made = Config()
    made.set_main_option("script_location", str(resources.migrations()))
    made.attributes[name] = given
    return made
