"""The states of a delivery, and how one try can end."""

from enum import StrEnum


class State(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    """The CRM failed; the next try has its time."""
    PARKED = "parked"
    """The connection waits for a person, and this lead with it."""
    DELIVERED = "delivered"
    DEAD = "dead"
    """The CRM refused it, or failed until the schedule was used up: a person decides."""
    SKIPPED = "skipped"
    """It is not sent: a person decided so, nothing of it is mapped, its connection was removed, or something newer was
    sent there already."""


SHOWN = {State.PARKED: "waiting", State.DEAD: "refused"}
"""On pages, where a connection has “stopped” and the tab is called “Refused”; the others are called as they are."""

WAITING = (State.PENDING, State.SENDING, State.RETRYING, State.PARKED)
"""Created = delivered + waiting + dead + skipped."""
STARTABLE = (State.PENDING, State.RETRYING)


def shown(state: str) -> str:
    """As pages call it."""
    return SHOWN.get(State(state), state)


DELIVERED = "delivered"
INTERRUPTED = "interrupted"
"""Outcomes of an attempt beside the error classes: it arrived; the process ended during the call."""
PERSON, DEAL = "person", "deal"
"""The kinds of `RemoteRecord` that a lead becomes, and the steps of a delivery: the person first, then its deal."""
