"""The one place that imports large libraries at first use: most starts need none of them."""

import importlib
from types import ModuleType


def alembic() -> ModuleType:
    """`core/alembic_runner.py`: a fifth of a second that only a database with an old schema has to pay."""
    return importlib.import_module("site2crm.core.alembic_runner")
