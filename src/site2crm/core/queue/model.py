"""The tables of the queue."""

from functools import cache
from typing import Any

from saq.job import Status
from sqlalchemy import ColumnElement, Index, String, Table, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core import db


class JobRow(db.Base):
    """A job that is waiting, running or given up. One that succeeded has no row."""

    __tablename__ = "job"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy reads it from the class

    id: Mapped[int] = mapped_column(primary_key=True)
    """Counts up, so that jobs of one moment run in the order in which they came; never used twice."""
    name: Mapped[str]
    key: Mapped[str | None]
    kwargs: Mapped[dict[str, Any]]
    """The whole payload: as fields of their own, a payload named `key` or `status` would be taken for SAQ's."""
    status: Mapped[str] = mapped_column(String)
    scheduled: Mapped[float]
    """Unix seconds with a fraction: rounded down, a retry in half a second is a retry at once."""
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None]
    touched: Mapped[float]
    """Unix seconds of the last claim, heartbeat or outcome."""
    error: Mapped[str | None]


class CronRow(db.Base):
    """The last moment of its schedule for which a cron was enqueued: a restart does not run it twice."""

    __tablename__ = "job_cron"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_tick: Mapped[float]


jobs: Table = db.Base.metadata.tables["job"]
crons: Table = db.Base.metadata.tables["job_cron"]


@cache
def is_status(status: Status) -> ColumnElement[bool]:
    """With the value in the text of the statement: a partial index is not used for a bound one."""
    return jobs.c.status == literal_column(f"'{status.value}'")


Index("ix_job_status_scheduled", jobs.c.status, jobs.c.scheduled)
for _name, _status, _unique in (
    ("uq_job_queued_key", Status.QUEUED, True),
    ("ix_job_failed_key", Status.FAILED, False),
):
    _where = is_status(_status)
    Index(_name, jobs.c.key, unique=_unique, sqlite_where=_where)
