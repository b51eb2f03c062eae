"""A connection: one CRM account of one org, with its secrets sealed and its mapping."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core.db import Base, OrgOwned


class Connection(OrgOwned, Base):
    __tablename__ = "connection"

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    name: Mapped[str]
    state: Mapped[str]
    """active | paused (by a person) | parked (by a dead token or missing rights) | removed"""
    state_reason: Mapped[str] = mapped_column(default="")
    state_at: Mapped[datetime]
    settings: Mapped[dict[str, str]]
    secrets: Mapped[str]
    """Sealed JSON object; opened only to make a call."""
    way: Mapped[str] = mapped_column(default="key")
    """key | oauth: what lets us in, a secret that was entered or somebody who signed in."""
    grant: Mapped[str] = mapped_column(default="")
    """Sealed: what signing in gave, access and refresh token. Empty: nobody has signed in."""
    grant_expires_at: Mapped[datetime | None]
    """When its access token ends; None: the vendor does not tell. It is refreshed before."""
    granted_at: Mapped[datetime | None]
    """When somebody signed in, last."""
    refreshed_at: Mapped[datetime | None]
    """When the vendor last gave an access token."""
    refreshing_by: Mapped[str] = mapped_column(default="")
    """Who asks the vendor for the next one at this moment, so that nobody else does."""
    refreshing_until: Mapped[datetime | None]
    """Who has not answered by then has died."""
    secret_hints: Mapped[dict[str, str]]
    """The last four characters of each secret, so that a person can tell two tokens apart."""
    mapping: Mapped[list[dict[str, Any]]]
    """As `connectors.mapping.Row` structs: our source -> the CRM's property."""
    form_mappings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Form id -> rows of its own, which replace or join those of `mapping`."""
    owner_rule: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """As `connectors.owners.OwnerRule`: who gets the record there."""
    owner_turn: Mapped[int] = mapped_column(default=0)
    """How many leads have been dealt out in turn."""
    deal_rule: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """As `connectors.dealing.DealRule`: the deal that a lead brings."""
    form_ids: Mapped[list[str]]
    """Empty: the leads of every form."""
    account: Mapped[dict[str, str]]
    """Who we are there: id, name, url, as the last successful test said."""
    fields: Mapped[list[dict[str, Any]]]
    """The CRM's own fields as last discovered."""
    fields_at: Mapped[datetime | None]
    directory: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """As `connectors.sales.Directory`: owners and pipelines as last discovered."""
    directory_error: Mapped[str] = mapped_column(default="")
    """Why they could not be read the last time, in the CRM's words."""
    drift: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    """As `connectors.drift.Drift`: what the mapping has and the CRM has no longer."""
    warnings: Mapped[list[dict[str, Any]]]
    """Properties the CRM did not know: {"property", "text", "at"}; cleared when the mapping is saved."""
    paused_until: Mapped[datetime | None]
    """The vendor's limit is reached: nothing is sent before."""
    checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SignIn(OrgOwned, Base):
    """Somebody is on the way to a vendor's sign-in page, and comes back once with what stands here as a digest."""

    __tablename__ = "sign_in"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str | None]
    """None: a program began it, and whoever may connect CRMs in the org may finish it."""
    session_hash: Mapped[str | None]
    """Of the browser that must come back."""
    kind: Mapped[str]
    connection_id: Mapped[str | None]
    """The one that gets new access; None: a new connection is made."""
    sealed: Mapped[str]
    """PKCE's verifier, and the secrets that were entered."""
    draft: Mapped[dict[str, Any]]
    """Name, settings, mapping, owner, deal and forms of the new connection."""
    redirect_uri: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class InboxRecord(OrgOwned, Base):
    """What the built-in test inbox received."""

    __tablename__ = "inbox_record"
    __table_args__ = (UniqueConstraint("connection_id", "key"), Index("ix_inbox_recent", "connection_id", "updated_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    key: Mapped[str]
    properties: Mapped[dict[str, Any]]
    writes: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
