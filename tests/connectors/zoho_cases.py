"""What the tests of Zoho CRM share: an organisation with leads, a connection to it, and shorthands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from site2crm.connectors.contract import Account, Context, CrmError, Exchange, PersonIn, Written
from site2crm.connectors.grants import Grant
from site2crm.connectors.zoho.connector import Zoho
from tests.connectors.connector_cases import Granted, ada, context
from tests.fakes.zoho import ZohoFake

ACCOUNT = Account("5550000000000", "Zylker", currency="EUR", tz="Europe/Berlin",
                  url="https://crm.zoho.eu/crm/org20061234/tab")  # fmt: skip
FIELDS = {"Email": "ada@example.com", "First_Name": "Ada", "Last_Name": "Lovelace", "Phone": "+441234567"}


def granted(fake: ZohoFake) -> Granted:
    return Granted(Grant(fake.token, refresh=fake.refresh_token))


@asynccontextmanager
async def connection(fake: ZohoFake, **given: Any) -> AsyncIterator[tuple[Context, list[Exchange]]]:
    known = {"base_url": fake.url, "account": ACCOUNT, "settings": {"data_centre": "eu"}, "grants": granted(fake)}
    async with context(**{**known, **given}) as opened:
        yield opened


def person(email: str | None = "ada@example.com", **given: Any) -> PersonIn:
    """Ada, mapped to Zoho's names; `more` are fields beside the usual."""
    fields = {**FIELDS, **given.pop("more", {})}
    if email is None:
        del fields["Email"]
    else:
        fields["Email"] = email
    return ada(**{"email": email, "fields": fields, **given})


async def upsert(fake: ZohoFake, *people: PersonIn, **given: Any) -> list[Written]:
    async with connection(fake, **given) as (opened, _):
        return list(await Zoho(opened).upsert_people(people))


async def one(fake: ZohoFake, who: PersonIn, **given: Any) -> Written:
    [written] = await upsert(fake, who, **given)
    return written


def error_of(written: Written) -> CrmError:
    assert written.error is not None
    return written.error


def calls(fake: ZohoFake) -> list[tuple[str, str]]:
    """Method and path below the version."""
    return [(request.method, request.path.removeprefix("/crm/v8/")) for request in fake.requests]


def only(fake: ZohoFake, module: str = "Leads") -> dict[str, Any]:
    [record] = fake.records[module].values()
    return record


def converted(fake: ZohoFake, **lead: Any) -> tuple[str, str]:
    """The ids of a lead that became a contact, and of the contact."""
    contact = fake.add("Contacts", Last_Name="Lovelace", Email="ada@example.com")
    said = {"Last_Name": "Lovelace", "Company": "B", "Email": "ada@example.com", **lead}
    return fake.add("Leads", Converted__s=True, Converted_Contact={"id": contact, "name": "L"}, **said), contact
