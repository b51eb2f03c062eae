"""Notes, once each: what a lead wrote, at the person; which lead a deal was made for, at the deal.

Pipedrive has no key against doing a thing twice, so each note ends with a mark by which it is found again
(crm/pipedrive.md 5). Its HTML is sanitised there; a mark in plain words outlives that.
"""

import html
from collections.abc import Mapping
from datetime import UTC, datetime

from site2crm.connectors.pipedrive.client import Ask, Client

LOOKED_AT = 100
"""The newest notes of a record. More than so many in the time between two tries of a lead are not to be expected."""
_MARK = "Site2CRM"


def mark_of(ref: str) -> str:
    return f"{_MARK} {ref}"


def list_ask(about: Mapping[str, int]) -> Ask:
    query = {**{name: str(id) for name, id in about.items()}, "limit": str(LOOKED_AT), "sort": "id DESC"}
    return Ask("GET", "notes", query=query)


def write_ask(about: Mapping[str, object], text: str, *, mark: str, at: datetime | None = None) -> Ask:
    lines = html.escape(text, quote=False).replace("\n", "<br>")
    body: dict[str, object] = {**about, "content": f"<p>{lines}</p><p><small>{html.escape(mark)}</small></p>"}
    if at is not None:
        body["add_time"] = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Ask("POST", "notes", body)


async def marks(client: Client, about: Mapping[str, int]) -> list[str]:
    """The contents of our own notes at this record."""
    found = await client.records(list_ask(about))
    contents = [str(note.get("content") or "") for note in found]
    return [content for content in contents if _MARK in content]
