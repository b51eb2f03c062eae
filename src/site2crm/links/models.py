"""A short link: what stands in the address, and where it leads."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core.db import Base, OrgOwned

LIVE, ARCHIVED = "archived_at IS NULL", "archived_at IS NOT NULL"


def _along(name: str, state: str, moment: str) -> Index:
    """A page of a list is a walk along one of these."""
    return Index(name, "org_id", moment, "id", sqlite_where=text(state))


class Link(OrgOwned, Base):
    __tablename__ = "link"
    __table_args__ = (
        Index("uq_link_slug", "domain", "slug", unique=True),
        Index("uq_link_slug_key", "domain", "slug_key", unique=True),
        _along("ix_link_live", LIVE, "created_at"),
        _along("ix_link_live_changed", LIVE, "updated_at"),
        _along("ix_link_archived", ARCHIVED, "created_at"),
        _along("ix_link_archived_changed", ARCHIVED, "updated_at"),
        Index("ix_link_revision", "revision"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"))
    domain: Mapped[str] = mapped_column(default="")
    """The host it answers on; empty for the instance's own."""
    slug: Mapped[str]
    slug_key: Mapped[str | None]
    """`slugs.key`, so that case does not matter. None for an imported twin of another link: found as it is spelt."""
    url: Mapped[str]
    """Where it leads, in the spelling of `kit.urls.absolute`."""
    title: Mapped[str] = mapped_column(default="")
    tags: Mapped[list[str]]
    campaign: Mapped[str] = mapped_column(default="")
    utm: Mapped[dict[str, str]]
    """utm_source and the other four; added to `url` where it has none of that name."""
    carry_click: Mapped[str] = mapped_column(default="auto")
    """auto | always | never: whether the destination is told which click brought the visitor."""
    revision: Mapped[int]
    """The number of the change that wrote this row: by it the registry reads only what it has not seen."""
    created_by: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class LinkSearch(OrgOwned, Base):
    """The words of a link; the index over them (made in the migration) follows by triggers on SQLite."""

    __tablename__ = "link_search"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    link_id: Mapped[str] = mapped_column(ForeignKey("link.id", ondelete="CASCADE"), unique=True)
    words: Mapped[str]
    """The words of `kit.text.search_text`, each with the org's tag before it: see `search`."""
