"""Every kind of CRM that calls somebody, behind a connection of an org: its server, how it is connected, what it keeps."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from site2crm.app import Instance
from site2crm.connectors import registry, service, signing_in
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.kinds import APP_ID, APP_SECRET, Way
from site2crm.connectors.nutshell.deal_making import without_mark
from site2crm.connectors.service import ConnectionIn, ConnectionPatch
from site2crm.core.access import OrgRef, Who
from site2crm.demo import hubspot, nutshell, pipedrive, salesforce, salesforce_oauth, zoho, zoho_accounts
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from tests.cast import Person
from tests.delivery.conftest import Office, reads_no_deals_yet

Texts = Callable[[Any], Iterable[str]]
LAG_S = 3600.0
"""What CRMs find by searching is as old as this: whatever was written meanwhile has to be found in another way."""


@dataclass(frozen=True)
class Crm:
    """`mails`, `notes`, `companies`, `deals`: one text for each record that the server keeps of them, of a deal its
    title; None: it has no such.

    `ids`: of the people, in the order of `mails`. `pipeline`: where a deal is to go, if a call of its own puts it there.
    """

    server: Callable[[], Any]
    mails: Texts
    deals: Texts
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: Texts | None = None
    companies: Texts | None = None
    ids: Texts | None = None
    pipeline: str = ""


def _lagging_nutshell() -> nutshell.Nutshell:
    server = nutshell.Nutshell()
    server.records.list_lag_s = LAG_S
    return server


def _lagging_pipedrive() -> pipedrive.Pipedrive:
    server = pipedrive.Pipedrive()
    server.search_lag_s = LAG_S
    server.limits.on = False
    return server


def _lagging_zoho() -> zoho.Zoho:
    server = zoho.Zoho()
    server.search_lag_s = LAG_S
    server.credits = 10_000_000
    return server


CRMS: dict[str, Crm] = {
    "hubspot": Crm(
        hubspot.HubSpot,
        lambda server: [contact["properties"]["email"] for contact in server.contacts.values()],
        lambda server: [deal["properties"]["dealname"] for deal in server.sales.records["deals"].values()],
        {"token": hubspot.TOKEN},
    ),
    "salesforce": Crm(
        salesforce.Salesforce,
        lambda server: [person["Email"] for person in server.people],
        lambda server: [deal["Name"] for deal in server.all("Opportunity")],
        {
            "login": "production",
            "target": "contact",
            APP_ID: salesforce_oauth.CLIENT_ID,
            APP_SECRET: salesforce_oauth.CLIENT_SECRET,
        },
        notes=lambda server: [task["Description"] for task in server.all("Task")],
        companies=lambda server: [account["Name"] for account in server.all("Account")],
        ids=lambda server: [person["Id"] for person in server.people],
    ),
    "pipedrive": Crm(
        _lagging_pipedrive,
        lambda server: [entry["value"] for person in server.people for entry in person["emails"]],
        lambda server: [deal["title"] for deal in server.deals.alive_rows()],
        {"token": pipedrive.TOKEN},
        notes=lambda server: [note["content"] for note in server.notes.rows.values() if "person_id" in note],
        companies=lambda server: [each["name"] for each in server.organizations.alive_rows()],
    ),
    "zoho": Crm(
        _lagging_zoho,
        lambda server: [person["Email"] for person in server.people],
        lambda server: [deal["Deal_Name"] for deal in server.records["Deals"].values()],
        {
            "data_centre": "eu",
            "module": "Contacts",
            APP_ID: zoho_accounts.CLIENT_ID,
            APP_SECRET: zoho_accounts.CLIENT_SECRET,
        },
        notes=lambda server: [note["Note_Content"] for note in server.records["Notes"].values()],
        companies=lambda server: [each["Account_Name"] for each in server.records["Accounts"].values()],
        ids=lambda server: [person["id"] for person in server.people],
    ),
    "nutshell": Crm(
        _lagging_nutshell,
        lambda server: [entry["value"] for person in server.contacts.values() for entry in person["emails"]],
        lambda server: [without_mark(deal["description"]) for deal in server.leads.values()],
        {"email": nutshell.EMAIL, "api_key": nutshell.KEY},
        notes=lambda server: [note["body"] for note in server.notes.values()],
        companies=lambda server: [each["name"] for each in server.accounts.values()],
        pipeline="2-stagesets",
    ),
}


@asynccontextmanager
async def played(kind: str) -> AsyncIterator[Any]:
    server = CRMS[kind].server()
    await server.start()
    yield server
    await server.stop()


def flags(servers: Mapping[str, Any]) -> dict[str, str]:
    """Settings of an instance whose CRMs these are."""
    bases = {f"connectors__{kind}__base_url": server.url for kind, server in servers.items()}
    return {**bases, "outbound__allow_private": '["127.0.0.1"]', "outbound__timeout": "10s", "queue__jitter": "0"}


async def open_office(instance: Instance, owner: Person, kind: str, server: Any, **settings: str) -> Office:
    """An org with a form and a connection of this kind, mapped as it suggests. `settings`: other than the kind's."""
    org = OrgRef(id=owner.org.id, slug=owner.org.slug, name=owner.org.name)
    async with instance.machine.session() as session:
        form = await forms.create(session, org.id, FormIn(name="Contact"))
    office = Office(instance.machine, org, form.id, "", server)
    office.connection_id = await connect(office, kind, Who(user_id=owner.user_id, org=org), **settings)
    return office


async def connect(office: Office, kind: str, who: Who, **settings: str) -> str:
    settings = {**CRMS[kind].settings, **settings}
    if Way.KEY in registry.KINDS[kind].ways:
        return await office.connect(kind=kind, mapping=dict(registry.KINDS[kind].default_mapping), **settings)
    return await _signed_in(office, kind, who, settings)


async def make_deals(office: Office, kind: str, *, title: str) -> None:
    """From now on: one for each lead."""
    rule = DealRule(enabled=True, title=title, amount="constant:1500", pipeline=CRMS[kind].pipeline)
    async with office.machine.session() as session:
        await service.change(
            session,
            office.machine,
            org_id=office.org.id,
            connection_id=office.connection_id,
            patch=ConnectionPatch(deal=rule),
        )


async def _signed_in(office: Office, kind: str, who: Who, settings: dict[str, str]) -> str:
    """As a browser does it, with a person who allows everything."""
    machine = office.machine
    data = ConnectionIn(kind=kind, settings=settings, mapping=dict(registry.KINDS[kind].default_mapping))
    async with machine.session() as session:
        begun = await signing_in.begin(session, machine, who=who, data=data)
    answer = await machine.outbound.request("GET", f"{begun.authorize_url}&allow=1")
    returned = await signing_in.finish(machine, who, dict(parse_qsl(urlsplit(answer.headers["location"]).query)))
    assert returned.tone == "good", returned.text
    async with machine.session() as session:
        await reads_no_deals_yet(session)
    return returned.path.rpartition("/")[2]
