"""What the tests of links share: a link made through the API, a click, and what the journal has of it."""

from typing import Any

import httpx

from site2crm.app import Instance
from site2crm.core.eventstore.frame import EventFrame, decode
from site2crm.core.journal.contract import EVENTS
from tests import cast
from tests.cast import Person

URL = "https://www.example.com/offer"


async def make(person: Person, url: str = URL, **given: Any) -> dict[str, Any]:
    answer = await person.api.post("/api/v1/links", json={"url": url, **given})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def change(person: Person, link: dict[str, Any], **patch: Any) -> httpx.Response:
    return await person.api.patch(f"/api/v1/links/{link['id']}", json=patch)


async def archive(person: Person, link: dict[str, Any]) -> None:
    assert (await person.api.delete(f"/api/v1/links/{link['id']}")).status_code == 200


async def click(instance: Instance, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with cast.client(instance, **headers) as visitor:
        return await visitor.request(method, path)


async def location(instance: Instance, path: str) -> str:
    """Where a visitor is sent; empty if nowhere."""
    found: str = (await click(instance, path)).headers.get("location", "")
    return found


def recorded(instance: Instance) -> list[EventFrame]:
    """Every event that the journal has, oldest first."""
    return [decode(record.data) for record in instance.machine.journal.read(EVENTS, None, limit=100_000)]


def refused(answer: httpx.Response) -> dict[str, str]:
    """Field -> the sentence with the cure."""
    assert answer.status_code in {409, 422}, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}
