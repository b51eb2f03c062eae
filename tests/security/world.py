"""Two orgs with one of everything in each, and a sample of every id that a route can name."""

import asyncio
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select

from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.connectors import queries as connections
from site2crm.connectors import sales
from site2crm.connectors.contract import Act
from site2crm.core import alarms, crypto
from site2crm.core.db import Base
from site2crm.deals import feeds, service, storing
from site2crm.deals.models import Stream
from site2crm.deals.ranking import WeightsOut
from site2crm.delivery import queries as delivery
from site2crm.delivery.models import Comparison, Delivery, Missing
from site2crm.kit import clock
from tests.cast import Cast, Person

CANARY = "canary7f3"
"""Stands in everything that Acme has; no stranger may ever read it."""
PASSING = {"last_used_at"}
"""Columns that reading may change."""


@dataclass
class Holding:
    """What an org has. `ids` by the name of a route's parameter."""

    owner: Person
    ids: dict[str, str]
    form_key: str
    quarantined: str
    invite_token: str
    plain_key: str


@dataclass
class World:
    instance: Instance
    acme: Holding
    other: Holding
    bob: Person
    vera: Person

    async def fingerprint(self) -> str:
        """Of every row that Acme owns."""
        digest = hashlib.sha256()
        org_id = self.acme.owner.org.id
        async with self.instance.machine.session() as session:
            for table in Base.metadata.sorted_tables:
                column = table.c.org_id if "org_id" in table.c else table.c.id if table.name == "org" else None
                if column is None:
                    continue
                shown = [each for each in table.c if each.name not in PASSING]
                rows = (await session.execute(select(*shown).where(column == org_id))).all()
                assert rows or table.name in {"attempt", "remote_record"}, f"nothing of Acme in {table.name}"
                for row in sorted(map(repr, rows)):
                    digest.update(f"{table.name}{row}".encode())
        return digest.hexdigest()


async def build(instance: Instance, people: Cast) -> World:
    alice = await people.person("alice", Role.OWNER, "acme")
    bob = await people.person("bob", Role.MEMBER, "acme")
    vera = await people.person("vera", Role.VIEWER, "acme")
    charlie = await people.person("charlie", Role.OWNER, "other")
    dora = await people.person("dora", Role.VIEWER, "other")
    acme = await _holding(instance, alice, vera, CANARY)
    other = await _holding(instance, charlie, dora, "plain")
    return World(instance, acme, other, bob, vera)


async def settled(instance: Instance) -> None:
    """Wait until the consumer has applied everything that was accepted."""
    async with asyncio.timeout(10):
        while instance.machine.journal.stats().submissions.lag_records:
            await asyncio.sleep(0.01)


async def work(instance: Instance) -> None:
    """Everything that is due is done."""
    assert instance.machine.jobs is not None
    await instance.machine.jobs.run_due()


async def post(person: Person, path: str, body: Any, status: int = 201) -> Any:
    answer = await person.api.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def get(person: Person, path: str, **query: str) -> Any:
    answer = await person.api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _sold(instance: Instance, org_id: str, connection_id: str, lead_id: str, word: str) -> str:
    """A deal of the lead, with all that is read beside one."""
    now = clock.now()
    source = storing.Source(org_id, connection_id, "EUR")
    stage = sales.Stage("won", f"Stage {word}", 1, sales.Status.WON)
    found = sales.Directory([sales.Owner("1", f"Owner {word}", f"o@{word}.example", active=True)], [
        sales.Pipeline("p", f"Pipeline {word}", [stage])])  # fmt: skip
    async with instance.machine.session() as session:
        [(_, person)] = await delivery.records_of(session, org_id, lead_id)
        deal = sales.Deal(
            "d", f"Deal {word}", sales.Status.WON, now, now, sales.Money(Decimal(5), "EUR"), "p", "won", "1", [person],
            closed_at=now,
        )  # fmt: skip
        done = sales.Activity("a", Act.CALL, "1", now, True, now, people=[person])
        await storing.directory(session, source, found)
        await storing.deals(session, source, [deal])
        await storing.activities(session, source, [done])
        await service.save_weights(session, org_id, WeightsOut(call=2))
        await feeds.open_all(session, instance.machine.vault, await connections.of_org(session, org_id))
    async with instance.machine.session() as session:
        session.add(Stream(connection_id=connection_id, name="deal", org_id=org_id, began_at=now, error=word))
    await _miss(instance, org_id, connection_id, lead_id)
    return storing.deal_id(connection_id, "d")


async def _miss(instance: Instance, org_id: str, connection_id: str, lead_id: str) -> None:
    """The CRM has lost the lead again."""
    now = clock.now()
    async with instance.machine.session() as session:
        arrived = select(Delivery).where(Delivery.lead_id == lead_id, Delivery.connection_id == connection_id)
        sent = (await session.scalars(arrived)).first()
        assert sent is not None
        session.add(Comparison(connection_id=connection_id, org_id=org_id, due_at=now, finished_at=now, compared=1))
        session.add(
            Missing(
                connection_id=connection_id,
                lead_id=lead_id,
                org_id=org_id,
                remote_id=sent.remote_id or "1",
                delivery_id=sent.id,
                delivered_at=now,
                found_at=now,
            )
        )


async def _holding(instance: Instance, owner: Person, second: Person, word: str) -> Holding:
    form = await post(owner, "/api/v1/forms", {"name": f"Form {word}"})
    link = await post(
        owner,
        "/api/v1/links",
        {"url": f"https://{word}.example/", "slug": word, "title": f"Link {word}", "carry_click": "always"},
    )
    clicked = (await owner.web.get(f"/{word}")).headers["location"]
    crm = await post(owner, "/api/v1/connections", {"kind": "inbox", "name": f"CRM {word}"})
    app = {"client_id": f"app-{word}", "client_secret": f"secret-{word}"}
    await post(owner, "/api/v1/connections/authorize", {"kind": "hubspot", "name": f"Next {word}", "settings": app})
    bodies: list[dict[str, str]] = [
        {"email": f"ada@{word}.example", "name": f"Ada {word}", "message": word, "page_url": clicked},
        {"email": f"bot@{word}.example", "name": f"Bot {word}", "_gotcha": "x"},
    ]
    for body in bodies:
        answer = await owner.api.post(f"/f/{form['key']}", json=body)
        assert answer.status_code == 201, answer.text
    await settled(instance)
    await work(instance)
    invite = await post(owner, "/api/v1/invites", {"email": f"new@{word}.example", "role": "member"})
    key = await post(owner, "/api/v1/keys", {"name": f"Key {word}", "scopes": ["leads:read"]})
    submissions = (await get(owner, "/api/v1/submissions"))["data"]
    by_status = {row["status"]: row["id"] for row in submissions}
    members = (await get(owner, "/api/v1/members"))["data"]
    [lead] = (await get(owner, "/api/v1/leads"))["data"]
    [sent] = (await get(owner, "/api/v1/deliveries"))["data"]
    [record] = (await get(owner, f"/api/v1/connections/{crm['id']}/records"))["data"]
    deal_id = await _sold(instance, owner.org.id, crm["id"], lead["id"], word)
    async with instance.machine.session() as session:
        await alarms.ring(session, owner.org.id, code="mail_failed", text=f"A mail about {word} was not sent.")
        [alarm] = await alarms.open_alarms(session, owner.org.id)
    ids = {
        "org": owner.org.slug,
        "alarm_id": alarm.id,
        "form_id": form["id"],
        "link_id": link["id"],
        "lead_id": lead["id"],
        "submission_id": by_status["accepted"],
        "connection_id": crm["id"],
        "delivery_id": sent["id"],
        "deal_id": deal_id,
        "record_id": record["id"],
        "invite_id": invite["id"],
        "key_id": key["id"],
        "member_id": next(row["id"] for row in members if row["email"] == second.email),
        "session_id": crypto.digest(owner.web.cookies["s2c"])[:16],
    }
    token = invite["url"].rpartition("/")[2]
    return Holding(owner, ids, form["key"], by_status["quarantined"], token, key["key"])


def parsed(text: str) -> Any:
    return msgspec.json.decode(text)
