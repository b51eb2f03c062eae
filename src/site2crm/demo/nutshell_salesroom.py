"""The salespeople in the demo's Nutshell, whose leads are deals, and who write down no e-mails."""

from collections.abc import Sequence
from typing import Any

from site2crm.demo.nutshell import Nutshell
from site2crm.demo.nutshell_records import when
from site2crm.demo.nutshell_sales import money
from site2crm.demo.salesroom import Deed, Progress, Sale

_STAGES = {Progress.NEW: 0, Progress.OFFER: 2, Progress.WON: 2, Progress.LOST: 1}
_FIRST_STAGE = 101
_OUTCOMES = {Progress.WON: "1-outcomes", Progress.LOST: "2-outcomes"}
_TYPES = {"call": "1-activityTypes", "meeting": "2-activityTypes"}


class NutshellSalesroom:
    def __init__(self, crm: Nutshell) -> None:
        self._crm = crm

    def people(self) -> Sequence[tuple[str, str]]:
        return [(id, _email(contact)) for id, contact in self._crm.contacts.items()]

    def hire(self, first: str, last: str) -> str:
        return self._crm.add_user(f"{first} {last}", active=True)

    def sell(self, sale: Sale) -> None:
        outcome = _OUTCOMES.get(sale.progress)
        links = {
            "contacts": [sale.person],
            "owner": sale.owner,
            "outcome": outcome,
            "stageset": "1-stagesets",
            "stage": f"{_FIRST_STAGE + _STAGES[sale.progress]}-stages",
        }
        said: dict[str, Any] = {"createdTime": when(sale.opened_at.timestamp()), "links": links}
        if outcome:
            said |= {"status": sale.progress.value, "closedTime": when(sale.changed_at.timestamp())}
        self._crm.add_lead(sale.title, value=money(f"{sale.amount}.00"), **said)

    def act(self, deed: Deed) -> None:
        if deed.kind not in _TYPES:
            return
        people = {"participants": [deed.person, deed.owner], "creator": deed.owner}
        links = {**people, "activityType": _TYPES[deed.kind]}
        self._crm.add_activity(at=int(deed.at.timestamp()), links=links)


def _email(contact: dict[str, Any]) -> str:
    return next((str(entry["value"]) for entry in contact["emails"]), "")
