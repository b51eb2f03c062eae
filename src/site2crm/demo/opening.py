"""The first day of the demo: its owner, its orgs with forms, links and connections, and then the month."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import httpx

from site2crm.accounts import orgs, passwords, users
from site2crm.app import Instance
from site2crm.connectors import service as connections
from site2crm.connectors import signing_in
from site2crm.connectors.kinds import Way
from site2crm.connectors.opening import Budgets
from site2crm.connectors.owners import OwnerRule, OwnerWay
from site2crm.connectors.pacing import Budget, Limit
from site2crm.connectors.registry import KINDS
from site2crm.connectors.service import ConnectionIn, ConnectionPatch
from site2crm.core.access import OrgRef, Who
from site2crm.core.machine import Machine
from site2crm.deals import service as deals
from site2crm.demo import mishaps, month
from site2crm.demo.clients import CLIENTS, Client
from site2crm.demo.crms import CRMS, WEBSITE
from site2crm.demo.month import Month
from site2crm.demo.own_crm import OwnCrm
from site2crm.demo.own_salesroom import OwnSalesroom
from site2crm.demo.salesroom import Salesroom
from site2crm.demo.stage import Stage
from site2crm.demo.website import Website
from site2crm.forms import fields
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from site2crm.kit import clock
from site2crm.links import service as links
from site2crm.links.shapes import LinkIn, Utm

EMAIL = "demo@site2crm.example"
DAYS = 30
AFTERNOON = timedelta(hours=7)
"""What is left of the month when something goes wrong."""
_FIELDS = ("email", "name", "phone", "company", "message")


@dataclass(frozen=True)
class Office:
    """A client at work: the key of its form, its connection, and its salespeople."""

    client: Client
    org_id: str
    form: str
    connection: str
    room: Salesroom
    owners: tuple[str, ...]


class _Hurried(Budgets):
    """A month takes a minute here: what a CRM tells of its limits counts, what is only known of its kind does not."""

    def of(self, connection_id: str, limit: Limit | None) -> Budget:
        return super().of(connection_id, None)


async def play(instance: Instance, stage: Stage, *, days: int = DAYS) -> str:
    """Make everything; the password of the demo's owner."""
    password = secrets.token_urlsafe(12)
    hashed = await passwords.hashed(password, minimum=8)
    now = clock.now()
    jobs = instance.machine.jobs
    assert jobs is not None
    usual = instance.machine.get(Budgets)
    instance.machine.parts[Budgets] = _Hurried()
    await jobs.run_due()  # what comes round every hour or night has been, and does not come in each of these nights
    with clock.travel(now - timedelta(days=days, hours=2)):
        async with instance.machine.session() as session:
            owner = await users.create(session, email=EMAIL, name="Demo", password_hash=hashed, is_super=True)
        offices = [await _office(instance, stage, client, owner.id) for client in CLIENTS]
    pages = {client.slug: f"{stage.url(WEBSITE)}/{client.slug}" for client in CLIENTS}
    keys = {office.client.slug: office.form for office in offices}
    played = Month(
        instance.machine,
        instance.app,
        clients=CLIENTS,
        forms=keys,
        pages=pages,
        until=now,
        days=days,
        rush=AFTERNOON,
    )
    await played.play(until=now - AFTERNOON)
    for office in offices:
        stage.do(partial(month.sell, office.client, office.room, office.owners, until=now - AFTERNOON, days=days))
        await _bring_back(instance, stage, office)
        await jobs.run_due()  # one after the other: of readings that begin together some would come later
    stage.do(partial(mishaps.happen, stage))
    await played.play(until=now)
    await mishaps.notice(instance.machine, [(office.org_id, office.connection) for office in offices])
    instance.machine.put(usual)
    return password


async def _office(instance: Instance, stage: Stage, client: Client, owner_id: str) -> Office:
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
    room = CRMS[client.crm].room(stage.servers[client.crm])
    owners = tuple(stage.do(lambda: [room.hire(first, last) for first, last in client.salespeople]))
    who = Who(user_id=owner_id, org=OrgRef(org.id, org.slug, org.name, org.time_zone))
    connection = await _connect(machine, stage, client, who=who)
    if CRMS[client.crm].in_turn:
        await _share_among(machine, org.id, connection, owners)
    website = stage.servers[WEBSITE]
    assert isinstance(website, Website)
    website.add(client.slug, name=client.name, pitch=client.pitch, embed=machine.url(f"/f/{form.key}/embed.js"))
    return Office(client, org.id, form.key, connection, room, owners)


async def _connect(machine: Machine, stage: Stage, client: Client, *, who: Who) -> str:
    """The id of the connection."""
    played, kind = CRMS[client.crm], KINDS[client.crm]
    settings = {name: value.replace("{url}", stage.url(client.crm)) for name, value in played.settings.items()}
    data = ConnectionIn(kind=client.crm, settings=settings, mapping={**kind.default_mapping, **played.also})
    if Way.KEY not in kind.ways or "client_id" in settings:
        return await _sign_in(machine, who, data)
    assert who.org is not None
    async with machine.session() as session:
        return (await connections.create(session, machine, org=who.org, data=data)).connection.id


async def _sign_in(machine: Machine, who: Who, data: ConnectionIn) -> str:
    """As a browser does it, with a person who allows everything."""
    async with machine.session() as session:
        begun = await signing_in.begin(session, machine, who=who, data=data)
    answer = await machine.outbound.request("GET", f"{begun.authorize_url}&allow=1")
    returned = await signing_in.finish(machine, who, dict(parse_qsl(urlsplit(answer.headers["location"]).query)))
    if returned.tone != "good":
        raise RuntimeError(returned.text)
    return returned.path.rpartition("/")[2]


async def _share_among(machine: Machine, org_id: str, connection: str, owners: Sequence[str]) -> None:
    rule = OwnerRule(way=OwnerWay.ROUND_ROBIN, owners=list(owners))
    async with machine.session() as session:
        patch = ConnectionPatch(owner=rule)
        await connections.change(session, machine, org_id=org_id, connection_id=connection, patch=patch)


async def _bring_back(instance: Instance, stage: Stage, office: Office) -> None:
    """What the salespeople did comes here: it is asked for, as every few minutes, or sent."""
    if isinstance(office.room, OwnSalesroom):
        await _push(instance, stage, office, office.room.records())
        return
    async with instance.machine.session() as session:
        await deals.read_now(session, instance.machine, org_id=office.org_id)


async def _push(instance: Instance, stage: Stage, office: Office, records: object) -> None:
    crm = stage.servers[office.client.crm]
    assert isinstance(crm, OwnCrm)
    body, headers = crm.signed(records)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=instance.app), base_url=instance.machine.settings.base_url
    ) as web:
        answer = await web.post(f"/hooks/{office.connection}/records", content=body, headers=headers)
        answer.raise_for_status()
