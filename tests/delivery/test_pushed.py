"""A custom CRM tells which of its persons our leads are."""

import pytest
from sqlalchemy import select

from site2crm.connectors.events import SalesPushed
from site2crm.connectors.pushing import Contact
from site2crm.core.events import emit
from site2crm.delivery.models import RemoteRecord
from site2crm.delivery.queries import DeliveryItem
from tests.cast import Person
from tests.delivery.conftest import Office


async def tell(office: Office, *people: Contact, org_id: str = "", connection_id: str = "") -> None:
    event = SalesPushed(
        org_id=org_id or office.org.id,
        connection_id=connection_id or office.connection_id,
        people=people,
        directory=None,
        deals=(),
        activities=(),
    )
    async with office.machine.session() as session:
        await emit(session, event)


async def delivered(office: Office, email: str = "ada@example.com") -> DeliveryItem:
    await office.submit(email)
    await office.work()
    return (await office.deliveries())[-1]


@pytest.mark.parametrize("by", ["lead", "email"])
async def test_a_person_who_moved_there_is_updated_under_the_new_id(office: Office, by: str) -> None:
    first = await delivered(office)
    office.fake.reset()
    other = office.fake.add_contact(lastname="Ada")
    told = Contact(other, lead=first.lead) if by == "lead" else Contact(other, email=" ADA@example.com")
    await tell(office, Contact("8", email="stranger@example.com"), told)
    assert (await delivered(office)).remote_id == other


async def test_a_person_who_was_deleted_there_is_forgotten(office: Office) -> None:
    first = await delivered(office)
    await tell(office, Contact(str(first.remote_id), deleted=True))
    office.fake.requests.clear()
    await delivered(office)
    assert office.fake.requests[0].query == {"idProperty": "email"}


async def test_the_same_person_twice_in_a_message_is_no_trouble(office: Office) -> None:
    first = await delivered(office)
    other = office.fake.add_contact(lastname="Ada")
    await tell(office, Contact("1", lead=first.lead), Contact(other, lead=first.lead), Contact(other))
    office.fake.requests.clear()
    await delivered(office)
    assert office.fake.requests[0].path.endswith(other)


async def test_a_lead_of_another_org_is_nobodys(office: Office, charlie: Person) -> None:
    first = await delivered(office)
    made = await charlie.api.post("/api/v1/connections", json={"kind": "inbox"})
    theirs = made.json()["id"]
    told = Contact("666", lead=first.lead, email="ada@example.com")
    await tell(office, told, org_id=charlie.org.id, connection_id=theirs)
    await tell(office, Contact(str(first.remote_id), deleted=True), org_id=charlie.org.id, connection_id=theirs)
    async with office.machine.session() as session:
        records = (await session.execute(select(RemoteRecord.connection_id, RemoteRecord.remote_id))).all()
    assert [tuple(record) for record in records] == [(office.connection_id, first.remote_id)]
