"""What callers of the event store must expect."""

from site2crm.core.errors import Unavailable

RETRY_S = 5

BLOCKED = "events.blocked"
"""The alarm while events can be neither stored nor asked for."""


class EventsUnavailable(Unavailable):
    """Raised while the store is opened or mended: what happens meanwhile waits in the journal."""

    code, title = "events_unavailable", "Clicks cannot be counted up at the moment"

    def __init__(self, detail: str = "") -> None:
        text = detail or "The event store is being opened or repaired. No click is lost: ask again in a few seconds."
        super().__init__(text, headers={"Retry-After": str(RETRY_S)})
