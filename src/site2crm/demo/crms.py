"""The CRMs of the demo: for each kind its server, its salespeople, and how a connection to it is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from site2crm.demo import hubspot, nutshell, own_crm, pipedrive, salesforce_oauth, zoho_accounts
from site2crm.demo.hubspot_salesroom import HubSpotSalesroom
from site2crm.demo.nutshell_salesroom import NutshellSalesroom
from site2crm.demo.own_salesroom import OwnSalesroom
from site2crm.demo.pipedrive_salesroom import PipedriveSalesroom, unhurried
from site2crm.demo.salesforce import Salesforce
from site2crm.demo.salesforce_salesroom import SalesforceSalesroom
from site2crm.demo.salesroom import Salesroom
from site2crm.demo.server import FakeServer
from site2crm.demo.stage import Stage
from site2crm.demo.website import Website
from site2crm.demo.zoho_salesroom import ZohoSalesroom, in_london

WEBSITE = "website"


@dataclass(frozen=True)
class Played:
    """`settings` may hold the server's address as `{url}`; `also`: what is mapped besides the proposed properties;
    `in_turn`: our leads are shared among the salespeople."""

    server: Callable[[], FakeServer]
    room: Callable[..., Salesroom]
    settings: Mapping[str, str]
    also: Mapping[str, str] = field(default_factory=dict)
    in_turn: bool = False


CRMS: dict[str, Played] = {
    "hubspot": Played(
        hubspot.HubSpot,
        HubSpotSalesroom,
        {"token": hubspot.TOKEN},
        also={"utm_campaign": "source_note"},
        in_turn=True,
    ),
    "salesforce": Played(
        Salesforce,
        SalesforceSalesroom,
        {
            "login": "production",
            "target": "lead",
            "client_id": salesforce_oauth.CLIENT_ID,
            "client_secret": salesforce_oauth.CLIENT_SECRET,
        },
        in_turn=True,
    ),
    "pipedrive": Played(unhurried, PipedriveSalesroom, {"token": pipedrive.TOKEN}),
    "zoho": Played(
        in_london,
        ZohoSalesroom,
        {"data_centre": "eu", "client_id": zoho_accounts.CLIENT_ID, "client_secret": zoho_accounts.CLIENT_SECRET},
    ),
    "nutshell": Played(
        nutshell.Nutshell,
        NutshellSalesroom,
        {"email": nutshell.EMAIL, "api_key": nutshell.KEY},
        also={"utm_campaign": "Lead source detail"},
    ),
    "webhook": Played(
        own_crm.OwnCrm,
        OwnSalesroom,
        {"url": "{url}", "secret": own_crm.SECRET},
        also={"utm_source": "utm_source", "utm_campaign": "utm_campaign"},
    ),
}


def stage() -> Stage:
    """With every CRM, and the clients' websites."""
    return Stage({kind: played.server() for kind, played in CRMS.items()} | {WEBSITE: Website()})
