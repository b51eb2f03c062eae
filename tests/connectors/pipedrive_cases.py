"""What the tests of Pipedrive share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from site2crm.connectors.contract import Account, Context, CrmError, Exchange, PersonIn, Written
from site2crm.connectors.pipedrive.connector import Pipedrive
from tests.connectors.connector_cases import ada, context
from tests.fakes.pipedrive import TOKEN, PipedriveFake

ACCOUNT = Account(
    "9", "Acme Ltd", user_id="1", currency="EUR", tz="Europe/Berlin", url="https://acme.pipedrive.com"
)  # fmt: skip
FIELDS = {"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace", "phone": "+441234567"}


@asynccontextmanager
async def opened(fake: PipedriveFake, **given: Any) -> AsyncIterator[tuple[Context, list[Exchange]]]:
    """With the token, unless something else is given."""
    settings = {"secrets": {"token": TOKEN}, "base_url": fake.url, "account": ACCOUNT, **given}
    async with context(**settings) as (found, exchanges):
        yield found, exchanges


async def upsert(
    fake: PipedriveFake, person: PersonIn, *, exchanges: list[Exchange] | None = None, **given: Any
) -> Written:
    async with opened(fake, **given) as (found, seen):
        [written] = await Pipedrive(found).upsert_people([person])
    if exchanges is not None:
        exchanges += seen
    return written


def lead(**given: Any) -> PersonIn:
    return ada(**{"fields": FIELDS, "at": datetime(2026, 11, 22, 9, 30, tzinfo=UTC), **given})


def said(**more: Any) -> PersonIn:
    """The usual lead with further fields."""
    return lead(fields={**FIELDS, **more})


def only(fake: PipedriveFake) -> dict[str, Any]:
    assert len(fake.people) == 1
    return fake.people[0]


def error_of(written: Written) -> CrmError:
    assert written.error is not None
    return written.error


def calls(fake: PipedriveFake) -> list[tuple[str, str, int | None]]:
    return [(request.method, request.path.removeprefix("/api/"), request.status) for request in fake.requests]


def emails(person: dict[str, Any]) -> list[str]:
    return [entry["value"] for entry in person["emails"]]


def entry(value: str, *, primary: bool = True) -> dict[str, Any]:
    return {"value": value, "primary": primary, "label": "work"}
