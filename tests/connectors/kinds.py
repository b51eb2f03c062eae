"""One entry per kind of CRM: the server that plays it, and what a connection to it is given."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from site2crm.connectors.contract import Context, Exchange
from site2crm.connectors.grants import Grant, Grants
from site2crm.demo.hubspot import TOKEN
from site2crm.demo.nutshell import EMAIL, KEY
from tests.connectors import selling_hubspot as hubspot
from tests.connectors import selling_nutshell as nutshell
from tests.connectors import selling_pipedrive as pipedrive
from tests.connectors import selling_salesforce as salesforce
from tests.connectors import selling_zoho as zoho
from tests.connectors.connector_cases import Granted, context
from tests.connectors.selling import Selling
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.nutshell import NutshellFake
from tests.fakes.pipedrive import TOKEN as PIPEDRIVE_TOKEN
from tests.fakes.pipedrive import PipedriveFake
from tests.fakes.playing import playing
from tests.fakes.salesforce import granted as granted_by_salesforce
from tests.fakes.webhook import WebhookFake
from tests.fakes.zoho import ZohoFake

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Played:
    """`settings` may hold the server's address as `{url}`; `people` counts those that it has."""

    server: Callable[[], Any] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    grants: Callable[[Any], Grants] | None = None
    people: Callable[[Any], int] = lambda server: len(server.people)
    selling: Selling | None = None
    """Of a kind that has `sales`."""


PLAYED = {
    "inbox": Played(),
    "hubspot": Played(
        HubSpotFake, secrets={"token": TOKEN}, people=lambda server: len(server.contacts), selling=hubspot.SELLING
    ),
    "nutshell": Played(
        NutshellFake,
        settings={"email": EMAIL},
        secrets={"api_key": KEY},
        people=lambda server: len(server.contacts),
        selling=nutshell.SELLING,
    ),
    "pipedrive": Played(PipedriveFake, secrets={"token": PIPEDRIVE_TOKEN}, selling=pipedrive.SELLING),
    "salesforce": Played(salesforce.server, grants=granted_by_salesforce, selling=salesforce.SELLING),
    "zoho": Played(
        ZohoFake,
        settings={"data_centre": "eu", "module": "Contacts"},  # with leads a deal converts them: tests of its own
        grants=lambda server: Granted(Grant(server.token, refresh=server.refresh_token)),
        selling=zoho.SELLING,
    ),
    "webhook": Played(
        lambda: WebhookFake(SECRET),
        settings={"url": "{url}"},
        secrets={"secret": SECRET},
        people=lambda server: len(server.by_webhook_id),
    ),
}


class Opened(NamedTuple):
    """A connection to such a server, which a kind without one has not."""

    fake: Any
    context: Context
    exchanges: list[Exchange]
    grants: Grants | None


@asynccontextmanager
async def opened(played: Played) -> AsyncIterator[Opened]:
    if played.server is None:
        async with context() as (alone, exchanges):
            yield Opened(None, alone, exchanges, None)
        return
    async with playing(played.server()) as fake:
        grants = played.grants(fake) if played.grants else None
        settings = {name: value.format(url=fake.url) for name, value in played.settings.items()}
        given = {"settings": settings, "secrets": played.secrets, "base_url": fake.url, "grants": grants}
        async with context(**given) as (made, exchanges):
            yield Opened(fake, made, exchanges, grants)
