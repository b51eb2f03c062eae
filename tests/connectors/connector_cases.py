"""What the connector tests share: contexts on loopback, people, and an inbox that remembers."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from site2crm.connectors.contract import Context, CrmError, ErrorClass, Exchange, PersonIn
from site2crm.connectors.grants import Grant
from site2crm.core.http import Outbound


class MemoryInbox:
    """The store of the Test inbox, without a database."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, str]] = {}

    async def upsert(
        self, connection_id: str, records: Sequence[tuple[str, Mapping[str, str]]]
    ) -> list[tuple[str, bool]]:
        return [self._upsert((connection_id, key), properties) for key, properties in records]

    def _upsert(self, place: tuple[str, str], properties: Mapping[str, str]) -> tuple[str, bool]:
        created = place not in self.rows
        self.rows.setdefault(place, {}).update(properties)
        return f"rec_{list(self.rows).index(place) + 1}", created


class Granted:
    """Grants that are there already; each renewal takes the next one and is counted."""

    def __init__(self, *grants: Grant) -> None:
        self._grants = list(grants)
        self.renewals = 0

    async def current(self) -> Grant:
        return self._grants[0]

    async def renewed(self, stale: Grant) -> Grant:
        self.renewals += 1
        if len(self._grants) == 1:
            raise CrmError(ErrorClass.REAUTH, "The sign-in was taken back.", code="invalid_grant")
        self._grants.pop(0)
        return self._grants[0]


@asynccontextmanager
async def context(*, timeout_s: float = 5.0, **given: Any) -> AsyncIterator[tuple[Context, list[Exchange]]]:
    """A context whose calls may reach loopback only, and the list of its exchanges."""
    exchanges: list[Exchange] = []
    http = Outbound(timeout_s, allow_private=["127.0.0.0/8"], resolver=lambda host: ["127.0.0.1"])
    try:
        yield (
            Context("con_1", http, on_exchange=exchanges.append, store=MemoryInbox(), **given),
            exchanges,
        )
    finally:
        await http.aclose()


def ada(**given: Any) -> PersonIn:
    """A lead that every CRM accepts, mapped to HubSpot's names unless told otherwise."""
    fields = {"email": "ada@example.com", "firstname": "Ada", "lastname": "Lovelace", "phone": "+441234567"}
    base: dict[str, Any] = {
        "ref": "dlv_1",
        "email": "ada@example.com",
        "first": "Ada",
        "last": "Lovelace",
        "phone": "+441234567",
        "fields": fields,
        "lead": "led_1",
        "submission": "sub_1",
    }
    return PersonIn(**{**base, **given})
