"""Submissions are kept for ever as they came; a lead is what they add up to."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core.db import Base, OrgOwned


class Lead(OrgOwned, Base):
    __tablename__ = "lead"
    __table_args__ = (
        Index("ix_lead_email", "org_id", "email_key", unique=True, sqlite_where=text("email_key IS NOT NULL")),
        # Covers the look-up of `joining`: one phone number may stand on thousands of leads (a receptionist's own).
        Index("ix_lead_phone", "org_id", "phone_key", "email_key", "id"),
        # One status at a time, merged by `queries`: every page of a list is then a walk along one of these.
        Index("ix_lead_recent", "org_id", "status", "last_at", "id"),
        Index("ix_lead_created", "org_id", "status", "created_at", "id"),
        Index("ix_lead_form", "form_id", "status"),
        # Everything that `counting` groups and filters by, so that a figure reads no lead.
        Index(
            "ix_lead_figures",
            "org_id",
            "created_at",
            "form_id",
            text("json_extract(attribution, '$.last.utm_source')"),
            text("json_extract(attribution, '$.last.referrer')"),
            "id",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    form_id: Mapped[str]
    """The form that brought the first submission."""
    status: Mapped[str] = mapped_column(default="new")
    """new | needs_review | archived"""
    email: Mapped[str | None]
    email_key: Mapped[str | None]
    phone: Mapped[str | None]
    phone_key: Mapped[str | None]
    """E.164 where the number could be read, else its digits."""
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    company: Mapped[str | None]
    message: Mapped[str | None]
    custom: Mapped[dict[str, str]]
    consent: Mapped[dict[str, str]]
    attribution: Mapped[dict[str, Any]]
    """{"first": {...}, "last": {...}}: utm_*, ad networks' click ids, page, referrer of the first and the last touch;
    `link`, `click` and `short_url` of the click on one of our links that it was."""
    submissions: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    last_at: Mapped[datetime]
    """When the last submission came."""
    updated_at: Mapped[datetime]


class Submission(OrgOwned, Base):
    __tablename__ = "submission"
    __table_args__ = (
        Index("ix_submission_lead", "lead_id", "received_at"),
        Index("ix_submission_form", "form_id", "status", "received_at"),
        Index("ix_submission_org_status", "org_id", "status", "received_at"),
        Index("ix_submission_body", "form_id", "body_hash", "received_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    form_id: Mapped[str] = mapped_column(ForeignKey("form.id", ondelete="CASCADE"))
    lead_id: Mapped[str | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    status: Mapped[str]
    """accepted | quarantined | test | duplicate"""
    reason: Mapped[str] = mapped_column(default="")
    """Why it was quarantined or needs a look, in plain words."""
    received_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    content_type: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_hash: Mapped[str]
    normalised: Mapped[dict[str, Any]]
    """A `forms.normalise.Normalised`, as builtins."""
    address: Mapped[str] = mapped_column(default="")
    """The visitor's address, shortened as [privacy] ip says."""
    user_agent: Mapped[str] = mapped_column(default="")
    origin: Mapped[str] = mapped_column(default="")


class LeadClick(OrgOwned, Base):
    """A click on one of our links that brought the lead, as its token said."""

    __tablename__ = "lead_click"
    __table_args__ = (
        Index("ix_lead_click_link", "org_id", "link_id", "lead_id"),
        Index("ix_lead_click_submission", "submission_id"),
    )

    lead_id: Mapped[str] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"), primary_key=True)
    click_id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id", ondelete="CASCADE"))
    """The first submission that carried it."""
    link_id: Mapped[str]
    at: Mapped[datetime]
    """When the link was clicked, to the second."""
    snapshot: Mapped[dict[str, Any]]
    """slug, short_url, title, url, campaign and utm of the link when the lead came."""


class LeadSearch(OrgOwned, Base):
    """The words of a lead; the index over them (made in the migration) follows by triggers on SQLite."""

    __tablename__ = "lead_search"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    lead_id: Mapped[str] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"), unique=True)
    words: Mapped[str]
    """The words of `kit.text.search_text`, each with the org's tag before it: see `search`."""
