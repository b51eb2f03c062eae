"""Deals that a custom CRM sends are kept, counted and forgotten as those are that we read."""

import json
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from site2crm.app import Instance
from site2crm.deals import service
from site2crm.deals.errors import NothingToRead
from site2crm.kit import clock
from tests import cast
from tests.cast import Person
from tests.deals.conftest import Floor

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DIRECTORY = {
    "owners": [{"id": "sam", "name": "Sam Seller", "email": "sam@client.example"}],
    "pipelines": [{"id": "p", "label": "Sales", "stages": [{"id": "s", "label": "Proposal"}]}],
}


@pytest.fixture
async def custom(alice: Person) -> str:
    settings = {"url": "https://crm.example.com/", "secret": SECRET}
    answer = await alice.api.post("/api/v1/connections?test=false", json={"kind": "webhook", "settings": settings})
    return str(answer.json()["id"])


async def push(instance: Instance, connection_id: str, id: str = "msg_1", **message: Any) -> None:
    body, now = json.dumps(message), clock.now()
    headers = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())),
               "webhook-signature": Webhook(SECRET).sign(id, now, body)}  # fmt: skip
    async with cast.client(instance) as client:
        answer = await client.post(f"/hooks/{connection_id}/records", content=body, headers=headers)
    assert answer.status_code == 200, answer.text


def deal(**said: Any) -> dict[str, Any]:
    base = {"id": "42", "title": "Website", "amount": "1500.50", "currency": "EUR", "owner": "sam", "pipeline": "p",
            "stage": "s"}  # fmt: skip
    return {**base, **said}


async def test_a_deal_that_was_sent_is_shown_with_its_lead(
    instance: Instance, floor: Floor, custom: str, alice: Person
) -> None:
    await floor.office.submit("ada@example.com")
    lead = (await floor.office.deliveries())[0].lead
    await push(instance, custom, contacts=[{"id": "7", "lead_id": lead}], directory=DIRECTORY,
               deals=[deal(contacts=["7"])])  # fmt: skip
    [found] = await floor.deals(connection=custom)
    assert (found.title, found.lead) == ("Website", lead)
    page = (await alice.web.get("/o/acme/deals")).text
    for words in ("Website", "1,500.50 EUR", "Sam Seller"):
        assert words in page


async def test_the_newest_word_counts_and_a_deleted_deal_is_told(instance: Instance, floor: Floor, custom: str) -> None:
    await push(instance, custom, deals=[deal()])
    old = (clock.now() - timedelta(days=1)).isoformat()
    await push(instance, custom, "msg_2", deals=[deal(title="Older", updated_at=old)])
    assert (await floor.only()).title == "Website"
    await push(instance, custom, "msg_3", deals=[deal(status="deleted")])
    assert [found.status for found in await floor.deals(status="deleted")] == ["deleted"]


async def test_a_salesperson_is_ranked_by_what_was_sent(
    instance: Instance, floor: Floor, custom: str, alice: Person
) -> None:
    at = (clock.now() - timedelta(hours=2)).isoformat()
    calls = [{"id": str(n), "kind": "call", "owner": "sam", "at": at} for n in range(3)]
    await push(instance, custom, directory=DIRECTORY, activities=calls)
    answer = (await alice.api.get("/api/v1/salespeople")).json()
    assert [(one["name"], one["calls"]) for one in answer["people"]] == [("Sam Seller", 3)]


async def test_a_crm_that_sends_by_itself_is_never_asked(floor: Floor, custom: str, alice: Person) -> None:
    await floor.look()
    assert (await alice.web.get(f"/o/acme/crms/{custom}")).status_code == 200
    async with floor.machine.session() as session:
        with pytest.raises(NothingToRead):
            await service.read_now(session, floor.machine, org_id=floor.org_id, connection=custom)


async def test_what_was_sent_goes_with_its_connection(
    instance: Instance, floor: Floor, custom: str, alice: Person
) -> None:
    await push(instance, custom, directory=DIRECTORY, deals=[deal()])
    assert (await alice.api.delete(f"/api/v1/connections/{custom}")).status_code < 300
    await floor.office.work()
    assert await floor.deals() == []
