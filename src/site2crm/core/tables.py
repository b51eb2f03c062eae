"""Tables of the machine itself."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core.db import Base


class ConsumerPosition(Base):
    """How far a consumer has come in a journal; written in the transaction that applied the records."""

    __tablename__ = "consumer_position"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    instance: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[str]
    segment: Mapped[int]
    offset: Mapped[int]


class Revision(Base):
    """A counter per cache; whoever writes what is cached bumps it, every process that sees it change reloads."""

    __tablename__ = "revision"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]


class PoisonRecord(Base):
    """A journal record that could not be applied for its own data. Kept whole, so that nothing is lost."""

    __tablename__ = "poison_record"

    id: Mapped[str] = mapped_column(primary_key=True)
    consumer: Mapped[str]
    at: Mapped[datetime]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    error: Mapped[str]


class Alarm(Base):
    """Something a person must know: shown until it is cleared. `org_id` is empty for the instance's own."""

    __tablename__ = "alarm"
    __table_args__ = (Index("ix_alarm_open", "org_id", "cleared_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(default="")
    code: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")
    text: Mapped[str]
    count: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]


class IdempotentAnswer(Base):
    """What a POST with an `Idempotency-Key` was answered. No answer yet: carried out, but the process died then."""

    __tablename__ = "idempotent_answer"

    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class DeclaredRecord(Base):
    """A record that an entry of the configuration file declares. Its entry may be gone: then it is changed by hand."""

    __tablename__ = "declared_record"

    path: Mapped[str] = mapped_column(primary_key=True)
    """As the file names it: "acme", "acme/crm/hubspot"."""
    record_id: Mapped[str] = mapped_column(index=True)
    source: Mapped[str]
    """Where it stands: "site2crm.toml line 42"."""
    parts: Mapped[list[str]]
    """What only the file changes."""
    gone_at: Mapped[datetime | None]
