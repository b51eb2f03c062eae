"""What the preview and the dry run show of a lead is what the CRM then gets: every kind, every sort of row and rule."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from site2crm.accounts.permissions import Role
from site2crm.connectors.registry import KINDS
from site2crm.core.access import OrgRef
from site2crm.delivery import queries
from site2crm.delivery.queries import DeliveryItem
from site2crm.forms import service as forms
from site2crm.forms.service import FormIn
from tests import cast
from tests.cast import Cast, Person
from tests.connectors.kinds import PLAYED, SECRET
from tests.delivery import crms
from tests.delivery.conftest import Office
from tests.fakes.playing import playing
from tests.fakes.webhook import WebhookFake

_UNTOLD = re.compile(r"\(.*\)|the [a-z]+'s id|THE-PERSON-ABOVE")
"""What only the CRM's answers before will tell."""
_MAYBE = "if there is one)"
_WRITES = ("POST", "PATCH", "PUT")
LEAD: dict[str, Any] = {
    "first_name": "ada maria",
    "last_name": "LOVELACE",
    "phone": "020 7946 0958",
    "company": "Engines",
    "message": "Hello <b>",
    "custom": {"plan": "GOLD", "budget": "1.234,56", "mobile": "+44 20 7946 0000"},
}


@dataclass(frozen=True)
class Told:
    """Properties of a kind that take a text, a choice with its value, and a number; and what is chosen there."""

    text: str
    choice: str
    value: str
    number: str
    other: str
    settings: tuple[tuple[str, str], ...] = ()
    has_deals: bool = True


TOLD = {
    "hubspot": Told("source_note", "favourite_colour", "green", "budget", "city"),
    "salesforce": Told("Title", "Favourite_colour__c", "Green", "Budget__c", "MobilePhone", (("target", "contact"),)),
    "salesforce leads": Told(
        "Title", "Favourite_colour__c", "Green", "Budget__c", "MobilePhone", (("target", "lead"),), has_deals=False
    ),
    "pipedrive": Told(
        "fedcba9876543210fedcba9876543210fedcba98",
        "d4de1c1518b4531717c676029a45911c340390a6_enum",
        "32",
        "9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b_monetary",
        "5555555555666666666677777777778888888888_address",
    ),
    "nutshell": Told("Lead source detail", "Plan", "Pro", "Seats", "description"),
    "zoho": Told("Title", "Lead_Source", "Advertisement", "Budget", "Mobile", (("module", "Contacts"),)),
    "zoho leads": Told("Street", "Lead_Source", "Advertisement", "Budget", "Mobile", (("module", "Leads"),)),
    "webhook": Told("text", "choice", "chosen", "number", "other", has_deals=False),
}


def rows(kind: str, told: Told) -> list[dict[str, Any]]:
    """Plain ones, split and changed names, a number, a template, a list of values, a fixed text, the first of two."""
    usual = KINDS[kind].default_mapping
    return [
        {"source": "email", "property": usual["email"]},
        {"source": "first_name", "property": usual["first_name"], "transform": "first_word"},
        {"source": "last_name", "property": usual["last_name"], "transform": "name_case"},
        {"source": "phone_as_typed", "property": usual["phone"], "transform": "e164"},
        {"source": "constant:Fixed Ltd", "property": usual["company"]},
        {"source": "message", "property": usual["message"]},
        {"source": "template:{first_name|Somebody} from {utm_source|web}, {form}", "property": told.text},
        {"source": "custom.plan", "property": told.choice, "transform": "value_map", "value_map": {"Gold": told.value}},
        {"source": "custom.budget", "property": told.number},
        {"source": "custom.work", "otherwise": ["custom.mobile"], "property": told.other},
    ]


@dataclass
class Shop:
    office: Office
    alice: Person
    owners: list[str]

    @property
    def url(self) -> str:
        return f"/api/v1/connections/{self.office.connection_id}"

    async def change(self, **patch: Any) -> None:
        answer = await self.alice.api.patch(self.url, json=patch)
        assert answer.status_code == 200, answer.text

    async def compared(self, email: str) -> DeliveryItem:
        """Once shown, in two ways, and then sent."""
        await self.office.submit(email, **LEAD)
        lead = (await self.office.deliveries())[-1].lead
        shown = (await self.alice.api.post(f"{self.url}/preview", json={"lead": lead})).json()
        [rehearsed] = (await self.alice.api.post(f"{self.url}/dry-run", json={"lead": lead})).json()["data"]
        await self.office.work()
        delivery = (await self.office.deliveries())[-1]
        assert (delivery.state, delivery.warnings, shown["problems"]) == ("delivered", [], [])
        timed = ("webhook-timestamp", "webhook-signature")
        for request in (*shown["requests"], *rehearsed["requests"]):
            request["headers"] = {name: value for name, value in request["headers"].items() if name not in timed}
        assert _without_time(rehearsed) == _without_time(shown)
        assert await self._unlike(delivery, shown["requests"]) == ([], [])
        return delivery

    async def _unlike(self, delivery: DeliveryItem, shown: list[dict[str, str]]) -> tuple[list[Any], list[Any]]:
        """What was shown and never sent, unless it says when; and what was written and never shown."""
        async with self.office.machine.session() as session:
            tries = (await queries.attempts(session, self.office.org.id, [delivery.id]))[delivery.id]
        sent = [each for one in tries for each in one.exchanges]
        calls = [(each["method"], each["url"], _told(each["request_body"], delivery)) for each in sent]
        hits = [[place for place, call in enumerate(calls) if _fits(one, call)] for one in shown]
        writes = {place for place, call in enumerate(calls) if call[0] in _WRITES and "coql" not in call[1]}
        missed = [calls[place] for place in sorted(writes - {place for found in hits for place in found})]
        return [one for one, found in zip(shown, hits, strict=True) if not found and not one["note"]], missed


def _without_time(shown: dict[str, Any]) -> str:
    return re.sub(r'\\"timestamp\\":\s*\\"[^"]+\\"', "", json.dumps(shown["requests"]))


def _told(body: str, delivery: DeliveryItem) -> Any:
    text = body.replace(delivery.id, "dlv_PREVIEW").replace(delivery.submission, "sub_PREVIEW")
    return json.loads(text) if text else None


def _fits(shown: dict[str, str], sent: tuple[str, str, Any]) -> bool:
    parts, others = unquote(shown["url"]).split("/"), unquote(sent[1]).split("/")
    if shown["method"] != sent[0] or len(parts) != len(others):
        return False
    if not all(one == other or _UNTOLD.fullmatch(one) for one, other in zip(parts, others, strict=True)):
        return False
    return _same(json.loads(shown["body"]) if shown["body"] else None, sent[2])


def _same(shown: Any, sent: Any) -> bool:
    if isinstance(shown, dict) and isinstance(sent, dict):
        wanted = {name: value for name, value in shown.items() if name in sent or _MAYBE not in str(value)}
        return set(wanted) == set(sent) and all(_same(value, sent[name]) for name, value in wanted.items())
    if isinstance(shown, list) and isinstance(sent, list):
        return len(shown) == len(sent) and all(map(_same, shown, sent))
    return shown == sent or (isinstance(shown, str) and bool(_UNTOLD.fullmatch(shown) or _is_moment(shown, sent)))


def _is_moment(shown: str, sent: Any) -> bool:
    """Of the request itself."""
    moment = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
    return bool(moment.fullmatch(shown) and isinstance(sent, str) and moment.fullmatch(sent))


@asynccontextmanager
async def shop(name: str, folder: Path) -> AsyncIterator[Shop]:
    kind, told = name.partition(" ")[0], TOLD[name]
    async with AsyncExitStack() as stack:
        if kind == "webhook":
            server: Any = await stack.enter_async_context(playing(WebhookFake(SECRET)))
            flags = {"outbound__allow_private": '["127.0.0.1"]', "queue__jitter": "0"}
        else:
            server = await stack.enter_async_context(crms.played(kind))
            flags = crms.flags({kind: server})
        selling = PLAYED[kind].selling
        owners = (
            [selling.add_owner(server, *each.split(), active=True) for each in ("Anna Ark", "Bert Bow")]
            if selling
            else []
        )
        instance = await stack.enter_async_context(cast.an_instance(folder, **flags))
        alice = await Cast(instance, stack).person("alice", Role.OWNER, "acme")
        if kind != "webhook":
            yield Shop(await crms.open_office(instance, alice, kind, server, **dict(told.settings)), alice, owners)
            return
        org = OrgRef(id=alice.org.id, slug=alice.org.slug, name=alice.org.name)
        async with instance.machine.session() as session:
            form = await forms.create(session, org.id, FormIn(name="Contact"))
        office = Office(instance.machine, org, form.id, "", server)
        office.connection_id = await office.connect(
            kind=kind, mapping={"email": "email"}, url=server.url, secret=SECRET
        )
        yield Shop(office, alice, owners)


@pytest.mark.parametrize("name", TOLD)
async def test_what_is_shown_is_what_is_sent(name: str, tmp_path: Path) -> None:
    kind, told = name.partition(" ")[0], TOLD[name]
    async with shop(name, tmp_path) as shown:
        await shown.change(mapping=rows(kind, told))
        await shown.compared("plain@example.com")
        own = [{"source": "constant:Of this form", "property": told.text}]
        await shown.change(form_mappings={shown.office.form_id: own})
        if told.has_deals:
            place = {"pipeline": crms.CRMS[kind].pipeline}
            amount = {"amount": "custom.budget", "close_days": 10}
            await shown.change(deal={"enabled": True, "title": "{name}, {custom.plan}", **amount, **place})
        delivery = await shown.compared("deal@example.com")
        assert bool(delivery.deal_id) == told.has_deals
        if name.endswith("leads"):  # what is required there and nobody has given is no problem: a stand-in is sent
            await shown.change(mapping=rows(kind, told)[:1], form_mappings={shown.office.form_id: None})
            await shown.compared("alone@example.com")
        if not shown.owners:
            return
        anna, bert = shown.owners
        for number, rule in enumerate(
            [
                {"way": "one", "owner": "Bert Bow"},
                {"way": "by_value", "source": "custom.plan", "value_map": {"gold": anna}, "owner": bert},
                {"way": "round_robin", "owners": [bert, anna]},
            ]
        ):
            await shown.change(owner=rule)
            await shown.compared(f"owned{number}@example.com")
