"""Lists that a CRM gives page by page. One that never ends must end here with a clear error, and not with our time."""

from site2crm.connectors.contract import CrmError, ErrorClass

MOST_PAGES = 200
"""No account has lists so long: 20,000 users in the smallest pages, those of HubSpot's owners."""


class Turning:
    """Of one list while it is read."""

    def __init__(self, crm: str, what: str) -> None:
        self._crm = crm
        self._what = what
        self._seen: set[str] = set()

    def to(self, place: str) -> None:
        """Before a page is asked for. Raises CrmError(RETRY)."""
        if place in self._seen:
            text = f"{self._crm} gives the same page of {self._what} again and again."
            raise CrmError(ErrorClass.RETRY, text, code="endless")
        self._seen.add(place)
        if len(self._seen) >= MOST_PAGES:
            text = f"{self._crm} says after {MOST_PAGES} pages of {self._what} that there are more: we stop there."
            raise CrmError(ErrorClass.RETRY, text, code="endless")
