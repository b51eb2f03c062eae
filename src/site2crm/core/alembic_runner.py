"""Runs Alembic on an engine of `core/migrate.py`. Reached through `core/heavy.py` only."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from site2crm.core import resources


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing, all in one transaction."""
    command.upgrade(config(engine), "head")


def config(engine: Engine) -> Config:
    """For `migrations/env.py`, which takes the engine from it."""
    made = Config()
    made.set_main_option("script_location", str(resources.migrations()))
    made.attributes["engine"] = engine
    return made
