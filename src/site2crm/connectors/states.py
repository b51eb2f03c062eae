"""The states of a connection, as they stand in the database and the API."""

from enum import StrEnum


class State(StrEnum):
    ACTIVE = "active"
    DRAINING = "draining"
    """What waited when a person said so is still sent, later leads wait; then it is paused."""
    PAUSED = "paused"
    """By a person."""
    PARKED = "parked"
    """By a dead token or a missing right: leads wait for a person."""
    REMOVED = "removed"


SENDS = (State.ACTIVE, State.DRAINING)
"""Something may be sent there."""
