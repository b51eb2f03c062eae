"""What can go wrong with leads."""

from site2crm.core.errors import Conflict, NotFound


class LeadNotFound(NotFound):
    code, title = "lead_not_found", "This lead does not exist"


class SubmissionNotFound(NotFound):
    code, title = "submission_not_found", "This submission does not exist"


class NotInQuarantine(Conflict):
    code, title = "not_in_quarantine", "This submission is not in quarantine"


class EmailTaken(Conflict):
    """`lead_id` is who has it."""

    code, title = "email_taken", "Another lead has this e-mail address"

    def __init__(self, email: str, lead_id: str) -> None:
        super().__init__(f"{email} belongs to lead {lead_id}. Edit that one, or delete it first.")
