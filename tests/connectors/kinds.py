"""One entry per kind of CRM: the server that plays it, and what a connection to it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from site2crm.connectors.grants import Grant, Grants
from site2crm.demo.hubspot import TOKEN
from site2crm.demo.nutshell import EMAIL, KEY
from tests.connectors import selling_hubspot as hubspot
from tests.connectors import selling_nutshell as nutshell
from tests.connectors import selling_pipedrive as pipedrive
from tests.connectors import selling_salesforce as salesforce
from tests.connectors import selling_zoho as zoho
from tests.connectors.connector_cases import Granted
from tests.connectors.selling import Selling
from tests.fakes.hubspot import HubSpotFake
from tests.fakes.nutshell import NutshellFake
from tests.fakes.pipedrive import TOKEN as PIPEDRIVE_TOKEN
from tests.fakes.pipedrive import PipedriveFake
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
