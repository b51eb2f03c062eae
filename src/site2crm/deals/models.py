"""What a CRM's salespeople have, as last read, and how far the reading is. Ids of the CRM's own are `remote_id`."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core.db import Base, OrgOwned

_NARROWED = ("connection_id", "pipeline", "stage", "status", "owner")


class Owner(OrgOwned, Base):
    """Someone who uses the CRM. Those who left stay, for their deals do."""

    __tablename__ = "crm_owner"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    remote_id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    active: Mapped[bool]


class Stage(OrgOwned, Base):
    """A stage and the pipeline it is in."""

    __tablename__ = "crm_stage"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    pipeline: Mapped[str] = mapped_column(primary_key=True)
    remote_id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    pipeline_label: Mapped[str]
    pipeline_place: Mapped[int]
    label: Mapped[str]
    place: Mapped[int]
    status: Mapped[str] = mapped_column(default="")
    """What a deal in it is: open | won | lost; empty where the stage does not decide."""


class Deal(OrgOwned, Base):
    __tablename__ = "deal"
    __table_args__ = (
        UniqueConstraint("connection_id", "remote_id"),
        # With all that a list is narrowed by, and the sums of a time need: no deal is read that is not shown.
        Index("ix_deal_recent", "org_id", "created_at", "id", *_NARROWED, "currency", "amount_minor"),
        Index("ix_deal_closed", "org_id", "status", "closed_at", "connection_id", "owner", "currency", "amount_minor"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """Derived from the connection and the CRM's id: the same however often it is read."""
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    remote_id: Mapped[str]
    title: Mapped[str]
    search_text: Mapped[str]
    status: Mapped[str]
    """open | won | lost | deleted"""
    amount_minor: Mapped[int | None]
    currency: Mapped[str]
    """Three letters; empty where neither the deal nor the account tells one."""
    pipeline: Mapped[str]
    stage: Mapped[str]
    owner: Mapped[str]
    close_on: Mapped[str | None]
    """The day on which it is expected to close, `2026-12-31`."""
    closed_at: Mapped[datetime | None]
    url: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    """Both by the CRM's clock."""


class DealSearch(OrgOwned, Base):
    """The words of a deal's title; the index over them (made in the migration) follows by triggers on SQLite."""

    __tablename__ = "deal_search"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    deal_id: Mapped[str] = mapped_column(ForeignKey("deal.id", ondelete="CASCADE"), unique=True)
    words: Mapped[str]
    """Of `Deal.search_text`, each with the org's tag before it: `finding`."""


class DealCount(OrgOwned, Base):
    """How many deals are alike, and what they are worth (`counting`)."""

    __tablename__ = "deal_count"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    pipeline: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    deals: Mapped[int]
    high: Mapped[int]
    low: Mapped[int]
    """Both make the amount, in minor units: `counting.whole`."""


class Activity(OrgOwned, Base):
    """A call, an e-mail, a meeting or a task. Of what was said or written nothing is kept."""

    __tablename__ = "activity"
    __table_args__ = (
        UniqueConstraint("connection_id", "kind", "remote_id"),
        Index("ix_activity_ranking", "org_id", "at", "done", "connection_id", "owner", "kind"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    kind: Mapped[str]
    remote_id: Mapped[str]
    owner: Mapped[str]
    at: Mapped[datetime]
    done: Mapped[bool]
    seconds: Mapped[int | None]
    updated_at: Mapped[datetime]


class About(OrgOwned, Base):
    """Which persons of the CRM a deal or an activity is about."""

    __tablename__ = "deal_about"
    __table_args__ = (Index("ix_deal_about_person", "connection_id", "person"),)

    subject_id: Mapped[str] = mapped_column(primary_key=True)
    """The id of a deal or of an activity."""
    person: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    place: Mapped[int]
    """0: the most important one."""


class Feed(OrgOwned, Base):
    """Reading one connection: when next, who is at it, and the hooks that say when something changed."""

    __tablename__ = "deal_feed"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    due_at: Mapped[datetime]
    lease: Mapped[str] = mapped_column(default="")
    """Of who reads now, behind the node's name; empty: nobody."""
    lease_until: Mapped[datetime | None]
    """Without a lease: nothing that is told makes it due before."""
    read_at: Mapped[datetime | None]
    """When everything had last been read."""
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")
    hook_secret: Mapped[str] = mapped_column(default="")
    """Sealed; the last part of the address that the CRM calls."""
    hook_url: Mapped[str] = mapped_column(default="")
    """What is watched there, without the secret; empty: nothing."""
    hook_until: Mapped[datetime | None]
    hook_due_at: Mapped[datetime | None]
    """When the hooks are to be made or renewed; None: never."""
    hook_error: Mapped[str] = mapped_column(default="")
    hinted_at: Mapped[datetime | None]


class Stream(OrgOwned, Base):
    """How far one kind of record has been read: committed with the rows themselves."""

    __tablename__ = "deal_stream"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    """directory | deal | call | email | meeting | task"""
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    cursor: Mapped[str | None] = mapped_column(Text)
    """The connector's own; also between two readings."""
    done: Mapped[int] = mapped_column(default=0)
    """Rows read since the first reading began."""
    total: Mapped[int | None]
    """How many the first reading has, where the CRM says so."""
    began_at: Mapped[datetime]
    full_at: Mapped[datetime | None]
    """When everything was there for the first time."""
    finished_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    """Not to be read before: the CRM refused it."""
    error: Mapped[str] = mapped_column(default="")


class Weights(OrgOwned, Base):
    """What counts how much in an org's ranking of salespeople, in hundredths of a point."""

    __tablename__ = "sales_weights"

    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), primary_key=True)
    call: Mapped[int]
    email: Mapped[int]
    meeting: Mapped[int]
    won: Mapped[int]
    amount: Mapped[int]
    """For each thousand (of major units) won in `currency`."""
    currency: Mapped[str]
    """Empty: the one in which most was won."""
