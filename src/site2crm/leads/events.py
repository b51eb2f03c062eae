"""What happens to leads."""

from datetime import datetime

from msgspec import Struct

from site2crm.core.events import Event


class AcceptedSubmission(Struct, frozen=True):
    """A submission that has become part of a lead and is to be delivered."""

    submission_id: str
    lead_id: str
    form_id: str
    received_at: datetime


class SubmissionsAccepted(Event, frozen=True, kw_only=True):
    """New submissions of one org, oldest first; one event for each org and transaction."""

    items: tuple[AcceptedSubmission, ...]


class LeadsChanged(Event, frozen=True, kw_only=True):
    """Something in the org's lists of leads or submissions is different: live pages look again."""
