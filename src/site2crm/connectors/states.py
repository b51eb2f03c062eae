"""The states of a connection, as they stand in the database and the API."""

from enum import StrEnum


class State(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    """By a person."""
    PARKED = "parked"
    """By a dead token or a missing right: leads wait for a person."""
    REMOVED = "removed"
