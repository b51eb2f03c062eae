"""The salespeople in the demo's Pipedrive."""

from collections.abc import Sequence
from datetime import datetime

from site2crm.demo.pipedrive import Pipedrive
from site2crm.demo.salesroom import Deed, Progress, Sale
from site2crm.kit import clock

_STAGES = {Progress.NEW: 1, Progress.OFFER: 3, Progress.WON: 3, Progress.LOST: 2}
_TIMES = {Progress.WON: "won_time", Progress.LOST: "lost_time"}
_AMPLE = 100_000


def unhurried() -> Pipedrive:
    """A month of leads in a minute is more than any plan allows."""
    crm = Pipedrive()
    crm.limits.most, crm.limits.seats = _AMPLE, _AMPLE
    return crm


class PipedriveSalesroom:
    def __init__(self, crm: Pipedrive) -> None:
        self._crm = crm

    def people(self) -> Sequence[tuple[str, str]]:
        return [(str(person["id"]), _email(person)) for person in self._crm.people]

    def hire(self, first: str, last: str) -> str:
        return str(self._crm.add_user(f"{first} {last}"))

    def sell(self, sale: Sale) -> None:
        """Won and lost are states, not stages."""
        changed = _written(sale.changed_at)
        is_over = sale.progress in _TIMES
        ended = {"status": sale.progress.value, _TIMES[sale.progress]: changed} if is_over else {}
        self._crm.add_deal(
            title=sale.title,
            value=sale.amount,
            currency=sale.currency,
            person_id=int(sale.person),
            owner_id=int(sale.owner),
            stage_id=_STAGES[sale.progress],
            add_time=_written(sale.opened_at),
            update_time=_written(clock.now()),
            **ended,
        )

    def act(self, deed: Deed) -> None:
        at = _written(deed.at)
        self._crm.add_activity(
            type=deed.kind,
            subject=deed.kind.capitalize(),
            owner_id=int(deed.owner),
            participants=[{"person_id": int(deed.person), "primary": True}],
            due_date=at[:10],
            due_time=at[11:16],
            add_time=at,
            update_time=_written(clock.now()),
            marked_as_done_time=at,
        )


def _email(person: dict[str, list[dict[str, str]]]) -> str:
    return next((entry["value"] for entry in person["emails"]), "")


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
