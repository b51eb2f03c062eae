"""What happens to forms, and the bytes of a submission between its acceptance and its lead."""

from msgspec import Struct

from site2crm.core.events import Event
from site2crm.forms.normalise import Normalised

__all__ = ["FRAME_VERSION", "FormArchived", "FormCreated", "Normalised", "SubmissionFrame"]

FRAME_VERSION = 1


class FormCreated(Event, frozen=True, kw_only=True):
    form_id: str


class FormArchived(Event, frozen=True, kw_only=True):
    form_id: str


class SubmissionFrame(Struct, array_like=True):
    """A record of the journal's `submissions` stream, as msgpack. New fields go to the end, with a default."""

    version: int
    id: str
    org_id: str
    form_id: str
    received_at: float
    """Unix seconds."""
    status: str
    """accepted | quarantined | test"""
    reason: str
    content_type: str
    body: bytes
    body_hash: str
    address: str
    """Shortened already, as [privacy] ip says."""
    user_agent: str
    origin: str
    normalised: Normalised
    country: str = ""
    """Where phone numbers without a country code are from."""
    request_id: str = ""
    """The request that brought it, for the log."""
