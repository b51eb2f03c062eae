"""The message of a lead as a note at its contact: one for each submission, however often it is sent."""

from site2crm.connectors.contract import PersonIn
from site2crm.connectors.nutshell.access import Access, Query
from site2crm.connectors.nutshell.feed import MOST_EVENTS, told_of
from site2crm.connectors.nutshell.properties import NOTE, Values
from site2crm.connectors.wire import Call

_EARLIER_S = 3600  # their clock and ours


async def write(access: Access, person: PersonIn, values: Values, *, contact_id: str, fresh: bool) -> None:
    """A contact that was made just now has no note yet; at another one the feed is asked first."""
    if not fresh:
        notes = await told_of(access, _query(person, contact_id))
        if any(_mark(person) in str(note.get("body") or note.get("bodyHtml")) for note in notes):
            return
    await access.send(call(access, contact_id, body(person, values)))


def body(person: PersonIn, values: Values) -> str:
    """With the mark by which it is known again."""
    return f"{values.own[NOTE]}\n\n{_mark(person)}"


def call(access: Access, contact_id: str, text: str) -> Call:
    return access.call("POST", "/notes", {"data": {"body": text, "links": {"parent": contact_id}}})


def _mark(person: PersonIn) -> str:
    return f"[{person.submission or person.ref}]"


def _query(person: PersonIn, contact_id: str) -> Query:
    since = [("since_time", str(int(person.at.timestamp()) - _EARLIER_S))] if person.at else []
    return [("limit", str(MOST_EVENTS)), ("entity_id", contact_id), ("filters[payload][]", "notes"), *since]
