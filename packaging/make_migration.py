"""Write a migration for what the models have and the last migration has not. `make migration m="add tags"`."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from site2crm.core import alembic_runner, migrate


def main(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = migrate.open_engine(Path(folder) / "empty.db")
        config = alembic_runner.config(engine)
        number = len(migrate.revisions()) + 1
        command.upgrade(config, "head")
        command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04d}")


if __name__ == "__main__":
    main(sys.argv[1])
