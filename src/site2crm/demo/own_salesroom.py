"""The salespeople in the demo's custom CRM. What they do is gathered, and sent by `OwnCrm.signed`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from site2crm.demo.own_crm import OwnCrm
from site2crm.demo.salesroom import Deed, Progress, Sale

_STAGES = {Progress.NEW: "talk", Progress.OFFER: "offer", Progress.WON: "booked", Progress.LOST: "declined"}
_PIPELINE = {
    "id": "coaching",
    "label": "Coaching",
    "stages": [
        {"id": "talk", "label": "First talk", "status": "open"},
        {"id": "offer", "label": "Offer sent", "status": "open"},
        {"id": "booked", "label": "Booked", "status": "won"},
        {"id": "declined", "label": "Declined", "status": "lost"},
    ],
}
_CALL_S, _MEETING_S = 420, 3_600
_LASTS = {"call": _CALL_S, "meeting": _MEETING_S}


class OwnSalesroom:
    def __init__(self, crm: OwnCrm) -> None:
        self._crm = crm
        self._owners: list[dict[str, Any]] = []
        self._deals: list[dict[str, Any]] = []
        self._activities: list[dict[str, Any]] = []

    def people(self) -> Sequence[tuple[str, str]]:
        return [(id, person.get("email", "")) for id, person in self._crm.people.items()]

    def hire(self, first: str, last: str) -> str:
        id = f"U-{len(self._owners) + 1}"
        self._owners.append({"id": id, "name": f"{first} {last}", "email": f"{first}@summit.example".lower()})
        return id

    def sell(self, sale: Sale) -> None:
        is_over = sale.progress in (Progress.WON, Progress.LOST)
        status = sale.progress.value if is_over else "open"
        ended = {"closed_at": _written(sale.changed_at)} if is_over else {}
        self._deals.append(
            {
                "id": f"D-{len(self._deals) + 1}",
                "title": sale.title,
                "status": status,
                "amount": str(sale.amount),
                "currency": sale.currency,
                "pipeline": _PIPELINE["id"],
                "stage": _STAGES[sale.progress],
                "owner": sale.owner,
                "contacts": [sale.person],
                "created_at": _written(sale.opened_at),
                "updated_at": _written(sale.changed_at),
                **ended,
            }
        )

    def act(self, deed: Deed) -> None:
        lasted = {"seconds": _LASTS[deed.kind]} if deed.kind in _LASTS else {}
        self._activities.append(
            {
                "id": f"A-{len(self._activities) + 1}",
                "kind": deed.kind,
                "at": _written(deed.at),
                "owner": deed.owner,
                "contacts": [deed.person],
                **lasted,
            }
        )

    def records(self) -> dict[str, Any]:
        """As it pushes them: everything, in one message."""
        directory = {"owners": self._owners, "pipelines": [_PIPELINE]}
        return {"directory": directory, "deals": self._deals, "activities": self._activities}


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
