"""The first day of the demo: its owner, its orgs with forms, links and connections, and then the month."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from site2crm.accounts import orgs, passwords, users
from site2crm.accounts import queries as accounts
from site2crm.accounts.queries import OrgOut
from site2crm.app import Instance
from site2crm.connectors import service as connections
from site2crm.connectors import signing_in
from site2crm.connectors.kinds import Way
from site2crm.connectors.registry import KINDS
from site2crm.connectors.service import ConnectionIn
from site2crm.core.access import OrgRef, Who
from site2crm.core.machine import Machine
from site2crm.deals import service as deals
from site2crm.demo import hubspot, month, pipedrive, zoho_accounts
from site2crm.demo.clients import CLIENTS, Client
from site2crm.demo.hubspot_salesroom import HubSpotSalesroom
from site2crm.demo.pipedrive_salesroom import PipedriveSalesroom, unhurried
from site2crm.demo.salesroom import Salesroom
from site2crm.demo.server import FakeServer
from site2crm.demo.stage import Stage
from site2crm.demo.website import Website
from site2crm.demo.zoho_salesroom import ZohoSalesroom, in_london
from site2crm.forms import fields
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from site2crm.kit import clock
from site2crm.links import service as links
from site2crm.links.shapes import LinkIn, Utm

WEBSITE = "website"
EMAIL = "demo@site2crm.example"
DAYS = 30
_FIELDS = ("email", "name", "phone", "company", "message")


@dataclass(frozen=True)
class Played:
    """One CRM of the demo: its server, its salespeople, and the key with which a connection to it is made."""

    server: Callable[[], FakeServer]
    room: Callable[..., Salesroom]
    settings: Mapping[str, str]


CRMS: dict[str, Played] = {
    "hubspot": Played(hubspot.HubSpot, HubSpotSalesroom, {"token": hubspot.TOKEN}),
    "zoho": Played(
        in_london,
        ZohoSalesroom,
        {"data_centre": "eu", "client_id": zoho_accounts.CLIENT_ID, "client_secret": zoho_accounts.CLIENT_SECRET},
    ),
    "pipedrive": Played(unhurried, PipedriveSalesroom, {"token": pipedrive.TOKEN}),
}


def stage() -> Stage:
    """With every CRM that the demo has, and the clients' websites."""
    return Stage({kind: played.server() for kind, played in CRMS.items()} | {WEBSITE: Website()})


async def play(instance: Instance, stage: Stage, *, days: int = DAYS) -> str:
    """Make everything; the password of the demo's owner."""
    password = secrets.token_urlsafe(12)
    hashed = await passwords.hashed(password, minimum=8)
    now = clock.now()
    made: dict[str, str] = {}
    with clock.travel(now - timedelta(days=days, hours=2)):
        async with instance.machine.session() as session:
            owner = await users.create(session, email=EMAIL, name="Demo", password_hash=hashed, is_super=True)
        for client in CLIENTS:
            made[client.slug] = await _client(instance, stage, client, owner.id)
    pages = {client.slug: f"{stage.url(WEBSITE)}/{client.slug}" for client in CLIENTS}
    played = month.Month(instance.machine, instance.app, clients=CLIENTS, forms=made, pages=pages)
    await played.play(until=now, days=days)
    for client in CLIENTS:
        _sell(stage, client, now, days)
    await _read_back(instance)
    return password


async def _client(instance: Instance, stage: Stage, client: Client, owner_id: str) -> str:
    """The key of its form."""
    machine, site = instance.machine, stage.url(WEBSITE)
    asked = [field for field in fields.STARTER if field.name in _FIELDS]
    async with machine.session() as session:
        org = await orgs.create(
            session,
            owner_id,
            name=client.name,
            slug=client.slug,
            time_zone=client.time_zone,
            country=client.country,
        )
        form = await forms.create(session, org.id, FormIn(name="Contact", fields=asked, allowed_origins=[site]))
        for each in client.campaigns:
            utm = Utm(utm_source=each.source, utm_medium=each.medium, utm_campaign=each.campaign)
            link = LinkIn(
                url=f"{site}/{client.slug}",
                slug=each.slug,
                title=each.title,
                tags=list(each.tags),
                campaign=each.campaign,
                utm=utm,
            )
            await links.create(session, org.id, link, base_url=machine.settings.base_url, actor=owner_id)
    await _connect(instance, client, org, owner_id)
    embed = machine.url(f"/f/{form.key}/embed.js")
    website = stage.servers[WEBSITE]
    assert isinstance(website, Website)
    website.add(client.slug, name=client.name, pitch=client.pitch, embed=embed)
    return form.key


async def _connect(instance: Instance, client: Client, org: OrgOut, owner_id: str) -> None:
    kind, given = (client.crm, CRMS[client.crm].settings) if client.crm in CRMS else ("inbox", {})
    data = ConnectionIn(kind=kind, settings=dict(given))
    ref = OrgRef(org.id, org.slug, org.name, org.time_zone)
    if Way.KEY not in KINDS[kind].ways:
        await _sign_in(instance.machine, Who(user_id=owner_id, org=ref), data)
        return
    async with instance.machine.session() as session:
        await connections.create(session, instance.machine, org=ref, data=data)


async def _sign_in(machine: Machine, who: Who, data: ConnectionIn) -> None:
    """As a browser does it, with a person who allows everything."""
    async with machine.session() as session:
        begun = await signing_in.begin(session, machine, who=who, data=data)
    answer = await machine.outbound.request("GET", f"{begun.authorize_url}&allow=1")
    returned = await signing_in.finish(machine, who, dict(parse_qsl(urlsplit(answer.headers["location"]).query)))
    if returned.tone != "good":
        raise RuntimeError(returned.text)


async def _read_back(instance: Instance) -> None:
    """What the salespeople did comes here, as it does every few minutes."""
    machine = instance.machine
    async with machine.session() as session:
        for client in CLIENTS:
            org = await accounts.org_of_slug(session, client.slug)
            await deals.read_now(session, machine, org_id=org.id)
    assert machine.jobs is not None
    await machine.jobs.run_due()


def _sell(stage: Stage, client: Client, now: datetime, days: int) -> None:
    if client.crm in CRMS:
        room = CRMS[client.crm].room(stage.servers[client.crm])
        stage.do(lambda: month.sell(client, room, until=now, days=days))
