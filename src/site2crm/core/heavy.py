"""The one place that imports large libraries at first use: no start waits for what it may not need."""

import importlib
from types import ModuleType


def alembic() -> ModuleType:
    """`core/alembic_runner.py`: a fifth of a second that only a database with an old schema has to pay."""
    return importlib.import_module("site2crm.core.alembic_runner")


def http_engine() -> ModuleType:
    """`core/http_engine.py`: the HTTP client, which nothing needs before the first outgoing call."""
    return importlib.import_module("site2crm.core.http_engine")


def email_validator() -> ModuleType:
    """Its tables of characters take a fiftieth of the start, and only people who sign up need them."""
    return importlib.import_module("email_validator")


def duckdb() -> ModuleType:
    """The event store's engine: 30 MB of code that pages of other parts never need."""
    return importlib.import_module("duckdb")


def numpy() -> ModuleType:
    """Columns for the event store."""
    return importlib.import_module("numpy")


def asyncpg() -> ModuleType:
    """PostgreSQL's driver; SQLAlchemy loads its half of it with the first engine."""
    return importlib.import_module("asyncpg")


def obstore() -> ModuleType:
    """S3-compatible stores for backups: 16 MB of code that most instances never need."""
    return importlib.import_module("obstore")


def agent_patterns() -> ModuleType:
    """`core/agent_patterns.py`: thousands of patterns that take up to a second to compile."""
    return importlib.import_module("site2crm.core.agent_patterns")


def redis() -> ModuleType:
    """The client of a shared Redis: only instances of several nodes have one."""
    return importlib.import_module("redis.asyncio")


def trace_engine() -> ModuleType:
    """`core/trace_engine.py`: OpenTelemetry and protobuf, which only the first span has to wait for."""
    return importlib.import_module("site2crm.core.trace_engine")


def sentry() -> ModuleType:
    """Half a second that only the first error has to pay, in a thread of its own."""
    importlib.import_module("sentry_sdk.utils")
    return importlib.import_module("sentry_sdk")
