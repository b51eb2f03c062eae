"""Deliveries, their attempts, and which record of the CRM is which lead."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core.db import Base, OrgOwned


class Delivery(OrgOwned, Base):
    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("submission_id", "connection_id"),
        Index("ix_delivery_due", "state", "due_at"),
        # The last two so that the dashboard of a connection is counted without reading a row.
        Index("ix_delivery_connection", "connection_id", "state", "due_at", "created_at", "updated_at"),
        Index("ix_delivery_arrived", "connection_id", "delivered_at"),
        Index("ix_delivery_form", "form_id", "state", "created_at"),
        Index("ix_delivery_lead", "lead_id", "connection_id", "created_at"),
        Index("ix_delivery_org", "org_id", "created_at", "id"),
        Index("ix_delivery_org_state", "org_id", "state", "created_at", "id"),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id", ondelete="CASCADE"))
    lead_id: Mapped[str] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    form_id: Mapped[str]
    state: Mapped[str]
    """pending -> sending -> delivered | retrying | parked | dead | skipped"""
    attempts: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts that count against the schedule: a vendor's limit or a dead token does not."""
    due_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    node: Mapped[str | None]
    """Who claimed it last; while it is being sent, whose call that is."""
    error_code: Mapped[str] = mapped_column(default="")
    error: Mapped[str] = mapped_column(default="")
    error_field: Mapped[str] = mapped_column(default="")
    warnings: Mapped[list[dict[str, Any]]]
    overrides: Mapped[dict[str, str]]
    """CRM property -> value, as a person edited it before sending again."""
    person_at: Mapped[datetime | None]
    """When the CRM took the person, while a deal is still to be made: no later try sends the person again."""
    owner: Mapped[str] = mapped_column(default="")
    """Whose turn it was, where leads are dealt out in turn: a retry keeps it."""
    deal_id: Mapped[str | None]
    """The CRM's own id of the deal that was made for this submission."""
    deal_url: Mapped[str | None]
    remote_id: Mapped[str | None]
    remote_url: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class Attempt(OrgOwned, Base):
    """One try: written before the call (no `finished_at` yet) and after it."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_delivery", "delivery_id", "number"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    delivery_id: Mapped[str] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    number: Mapped[int]
    step: Mapped[str] = mapped_column(default="person")
    """person | deal: what was sent."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(default="")
    """delivered | an error class of `connectors.contract` | interrupted"""
    error: Mapped[str] = mapped_column(default="")
    exchanges: Mapped[list[dict[str, Any]]]
    """Each request to the CRM and its answer, secrets masked, bodies capped."""


class RemoteRecord(OrgOwned, Base):
    """The CRM's own id of a lead."""

    __tablename__ = "remote_record"
    __table_args__ = (
        UniqueConstraint("lead_id", "connection_id", "kind"),
        Index("ix_remote_record_remote", "connection_id", "kind", "remote_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    lead_id: Mapped[str] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    kind: Mapped[str]
    remote_id: Mapped[str]
    url: Mapped[str | None]
    created_at: Mapped[datetime]


class Comparison(OrgOwned, Base):
    """How far what we delivered to a connection has been compared with what the CRM has."""

    __tablename__ = "crm_comparison"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    due_at: Mapped[datetime]
    began_at: Mapped[datetime | None]
    """Of the one that is under way; None: none is."""
    place: Mapped[datetime | None]
    """Everything that arrived before this has been looked at."""
    checked: Mapped[int] = mapped_column(default=0)
    """Of the one that is under way."""
    finished_at: Mapped[datetime | None]
    compared: Mapped[int] = mapped_column(default=0)
    """How many the last finished one looked at."""
    error: Mapped[str] = mapped_column(default="")


class Missing(OrgOwned, Base):
    """A lead that we delivered and the CRM does not have."""

    __tablename__ = "crm_missing"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    lead_id: Mapped[str] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"), primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    remote_id: Mapped[str]
    delivery_id: Mapped[str] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    """The last one of the lead that arrived there."""
    delivered_at: Mapped[datetime]
    found_at: Mapped[datetime]
