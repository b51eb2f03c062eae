"""Clicks and leads that happened at a chosen moment, without the redirect and the intake."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from site2crm.app import Instance
from site2crm.core.eventstore import access
from site2crm.core.eventstore.contract import Event
from site2crm.core.journal.contract import Position
from site2crm.kit import clock, ids
from site2crm.leads.models import LeadClick, Submission
from tests.cast import Person
from tests.leads.posting import a_form, frame, store

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

_places = iter(range(1, 1_000_000))


def ago(**of: float) -> datetime:
    return clock.now() - timedelta(**of)


def click(person: Person, at: datetime | None = None, **known: Any) -> Event:
    """A person's click; give `bot` for a machine's."""
    said = {"kind": "click", "visitor": f"{next(_places):016x}", **known}
    return Event(id=ids.new("clk"), ts=at or ago(minutes=5), org=person.org.id, **said)


async def clicks(instance: Instance, *events: Event) -> None:
    place = Position(1, next(_places))
    await access.of(instance.machine).append("test", list(events), epoch="test", position=place)


async def a_link(person: Person, **given: Any) -> str:
    answer = await person.api.post("/api/v1/links", json={"url": "https://www.example.com/", **given})
    assert answer.status_code == 201, answer.text
    link_id: str = answer.json()["id"]
    return link_id


async def a_lead(
    instance: Instance, person: Person, at: datetime, *, form: str = "", link: str = "", **utm: str
) -> str:
    """Its form's id. With `link` the lead was brought by a click on it."""
    form_id = form or await a_form(instance, person.org.id)
    sent = frame(person.org.id, form_id, at=at.timestamp(), email=f"{ids.new('x')}@example.com", attribution=dict(utm))
    await store(instance, sent)
    if link:
        async with instance.machine.session() as session:
            lead_id = await session.scalar(select(Submission.lead_id).where(Submission.id == sent.id))
            row = {
                "lead_id": lead_id,
                "click_id": ids.new("clk"),
                "org_id": person.org.id,
                "submission_id": sent.id,
                "link_id": link,
                "at": at,
                "snapshot": {"campaign": "spring"},
            }
            await session.execute(insert(LeadClick), [row])
    return form_id


async def figures(person: Person, report: str, **query: Any) -> Any:
    """What the API answers."""
    params = {name.rstrip("_"): value for name, value in query.items()}
    answer = await person.api.get(f"/api/v1/analytics/{report}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()
