"""What the tests of Salesforce share: a server, a connection to it, people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from site2crm.connectors.contract import Account, Context, CrmError, Exchange, PersonIn, Written
from site2crm.connectors.salesforce.connector import Salesforce
from site2crm.demo.salesforce_records import Record
from tests.connectors.connector_cases import ada, context
from tests.fakes.playing import playing
from tests.fakes.salesforce import INSTANCE_URL, SalesforceFake, granted

FIELDS = {"Email": "ada@example.com", "FirstName": "Ada", "LastName": "Lovelace", "Phone": "+441234567"}
CONTACTS = {"target": "contact"}
ORG = Account("00D", "Acme GmbH", currency="EUR", tz="Europe/Berlin", url=INSTANCE_URL)


@pytest.fixture
async def fake() -> AsyncIterator[SalesforceFake]:
    async with playing(SalesforceFake()) as server:
        yield server


def person(**given: Any) -> PersonIn:
    return ada(**{"fields": FIELDS, **given})


@asynccontextmanager
async def opened(fake: SalesforceFake, **given: Any) -> AsyncIterator[tuple[Context, list[Exchange]]]:
    said = {"base_url": fake.url, "grants": granted(fake), "account": ORG, **given}
    async with context(**said) as found:
        yield found


async def upsert(fake: SalesforceFake, *people: PersonIn, **given: Any) -> list[Written]:
    async with opened(fake, **given) as (context, _):
        return list(await Salesforce(context).upsert_people(people))


async def one(fake: SalesforceFake, *people: PersonIn, **given: Any) -> Written:
    [written] = await upsert(fake, *people, **given)
    return written


def error_of(written: Written) -> CrmError:
    assert written.error is not None
    return written.error


def only(fake: SalesforceFake, table: str = "Lead") -> Record:
    [record] = fake.all(table)
    return record


def calls(fake: SalesforceFake) -> list[tuple[str, str]]:
    """Method, and the last part of the path that has a name."""
    return [(it.method, it.path.removeprefix("/services/data/v67.0/").partition("/00")[0]) for it in fake.requests]
