"""The states of leads and submissions, as they stand in the database and the API."""

from enum import StrEnum


class LeadStatus(StrEnum):
    NEW = "new"
    NEEDS_REVIEW = "needs_review"
    ARCHIVED = "archived"


class SubmissionStatus(StrEnum):
    """What became of a submission. Received = the sum of these."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    TEST = "test"
    DUPLICATE = "duplicate"


OPEN = (LeadStatus.NEW, LeadStatus.NEEDS_REVIEW)
"""What a list shows when no status is asked for."""
