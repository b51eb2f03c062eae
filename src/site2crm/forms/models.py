"""The form's definition. Its key is public (it stands in every snippet); its id is ours."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from site2crm.core.db import Base, OrgOwned


class Form(OrgOwned, Base):
    __tablename__ = "form"

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("org.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    fields: Mapped[list[dict[str, Any]]]
    """As `forms.fields.Field` structs: name, type, label, required, choices, placeholder, text."""
    allowed_origins: Mapped[list[str]]
    """Empty: any website may post, without credentials, and `_next` is ignored."""
    redirect_url: Mapped[str] = mapped_column(default="")
    thanks_text: Mapped[str] = mapped_column(default="")
    submit_label: Mapped[str] = mapped_column(default="")
    field_map: Mapped[dict[str, str]]
    """What a builder calls it -> our field, for bodies whose keys say nothing ("5" -> "company")."""
    country: Mapped[str] = mapped_column(default="")
    """Two letters; phone numbers without a country code are read as being from there."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
