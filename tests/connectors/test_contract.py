"""What every kind of CRM in the registry must hold to, whichever it is."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from site2crm.connectors import registry
from site2crm.connectors.contract import Connector, Context, CrmError, ErrorClass, Exchange, Kind, PersonIn
from site2crm.connectors.grants import App, AuthContext, Grants
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.registry import KINDS
from site2crm.connectors.wire import is_host_of
from site2crm.demo.server import Fault
from tests.connectors.connector_cases import MemoryInbox, ada, context
from tests.connectors.kinds import PLAYED, Played, opened

LEAD = {"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace", "phone": "+441234567",
        "company": "Engines", "message": "Hello"}  # fmt: skip


@dataclass
class Case:
    kind: ConnectorKind
    connector: Connector
    exchanges: list[Exchange]
    fake: Any
    played: Played
    store: MemoryInbox
    grants: Grants | None
    context: Context

    def person(self, **given: Any) -> PersonIn:
        return ada(fields={self.kind.default_mapping[name]: value for name, value in LEAD.items()}, **given)

    def count(self) -> int:
        return self.played.people(self.fake) if self.fake else len(self.store.rows)

    async def secrets(self) -> list[str]:
        granted = [(await self.grants.current()).access] if self.grants else []
        return [*self.played.secrets.values(), *granted]


@pytest.fixture(params=list(KINDS))
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    kind, played = KINDS[request.param], PLAYED[request.param]
    async with opened(played) as (fake, given, exchanges, grants):
        assert isinstance(given.store, MemoryInbox)
        yield Case(kind, registry.connect(kind.name, given), exchanges, fake, played, given.store, grants, given)


def test_the_registry_knows_its_kinds_by_name() -> None:
    assert all(registry.get(name) is kind and kind.name == name for name, kind in KINDS.items())
    assert registry.get("nothing") is None


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_tells_the_form_all_it_needs(kind: ConnectorKind) -> None:
    assert kind.label
    assert kind.help_slug
    assert set(kind.default_mapping) == set(LEAD)
    assert all(field.label and field.name.isidentifier() for field in kind.settings)


@pytest.mark.parametrize("sign", ["\\", "%2f", "%5c", " ", ";", "&", "_"])
def test_a_host_that_others_may_read_otherwise_is_no_vendors(sign: str) -> None:
    """A browser takes a backslash for a slash, and has a code sent to the first of two names."""
    assert is_host_of("https://a-b.my.salesforce.com/x", (".salesforce.com",))
    assert not is_host_of(f"https://evil.example{sign}.salesforce.com/x", (".salesforce.com",))


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.auth], ids=lambda kind: kind.name)
async def test_the_browser_is_sent_to_a_host_of_the_vendor_only(kind: ConnectorKind) -> None:
    """With the choices that come first. A vendor without PKCE leaves the challenge out, none leaves the state out."""
    assert kind.auth is not None
    chosen = {field.name: field.choices[0][0] for field in kind.settings if field.choices}
    async with context() as (opened, _):
        auth = kind.auth(AuthContext(http=opened.http, app=App("an-id", "a-secret"), settings=chosen))
        url = auth.authorize_url(state="st+ate", redirect_uri="https://x.example/oauth/callback", challenge="c")
    asked = dict(parse_qsl(urlsplit(url).query))
    assert is_host_of(url, kind.hosts)
    assert (asked["state"], asked["redirect_uri"]) == ("st+ate", "https://x.example/oauth/callback")
    assert (asked["client_id"], "a-secret" in url) == ("an-id", False)


async def test_the_connector_says_who_it_is(case: Case) -> None:
    account = await case.connector.verify()
    assert account.id
    assert account.name


async def test_the_default_mapping_points_at_writable_properties(case: Case) -> None:
    writable = {field.key for field in await case.connector.fields(Kind.PERSON) if field.writable}
    assert set(case.kind.default_mapping.values()) <= writable


async def test_a_lead_arrives_once_however_often_it_is_sent(case: Case) -> None:
    [first] = await case.connector.upsert_people([case.person()])
    [second] = await case.connector.upsert_people([case.person(known_id=first.id)])
    [third] = await case.connector.upsert_people([case.person()])
    assert (first.error, second.error, third.error) == (None, None, None)
    assert first.id == second.id == third.id
    assert (first.created, second.created) == (True, False)
    assert case.count() == 1


async def test_who_is_there_keeps_the_owner_unless_the_new_one_is_to_win(case: Case) -> None:
    if case.kind.sales is None:
        pytest.skip("has no owners")
    known = [owner.id for owner in (await case.kind.sales(case.context).directory()).owners if owner.active]
    first, other = [*known[:2], *["11", "22"][len(known[:2]) :]]

    async def told(**given: Any) -> set[str]:
        """Which of the owners stood as owner in what was written."""
        case.exchanges.clear()
        [written] = await case.connector.upsert_people([case.person(**given)])
        assert written.error is None, written.error
        bodies = " ".join(each.request_body for each in case.exchanges)
        return {owner for owner in (first, other) if re.search(rf'(?i)owner\w*"\W*(\w+"\W*)?{owner}\b', bodies)}

    assert await told(owner=first) == {first}
    assert await told(owner=other) == set()
    assert await told(owner=other, owner_wins=True) == {other}


async def test_each_person_has_one_result_in_order(case: Case) -> None:
    people = [case.person(ref=f"dlv_{n}", known_id=None) for n in range(3)]
    assert [written.ref for written in await case.connector.upsert_people(people)] == ["dlv_0", "dlv_1", "dlv_2"]


async def test_the_preview_sends_nothing_and_shows_what_is_sent(case: Case) -> None:
    shown = case.connector.preview(case.person())
    assert (case.exchanges, case.count()) == ([], 0)
    await case.connector.upsert_people([case.person()])
    assert [(e.method, e.url) for e in shown] == [(e.method, e.url) for e in case.exchanges]
    assert any("Engines" in e.request_body for e in shown)
    assert all(e.status is None for e in shown)


async def test_every_exchange_is_reported_without_secrets(case: Case) -> None:
    await case.connector.upsert_people([case.person()])
    assert case.exchanges
    assert all(e.status is not None for e in case.exchanges)
    assert not any(secret in repr(case.exchanges) for secret in await case.secrets())


async def test_an_empty_lead_raises_nothing(case: Case) -> None:
    [written] = await case.connector.upsert_people([PersonIn("dlv_9")])
    assert written.ref == "dlv_9"
    assert written.error is None or written.error.kind is ErrorClass.PERMANENT


async def test_a_failing_server_is_a_result_and_not_a_crash(case: Case) -> None:
    if case.fake is None:
        pytest.skip("the Test inbox calls nobody")
    case.fake.faults.append(Fault("status", status=503, count=-1))
    [written] = await case.connector.upsert_people([case.person()])
    assert written.error is not None
    assert written.error.kind in (ErrorClass.RETRY, ErrorClass.THROTTLE)
    with pytest.raises(CrmError):
        await case.connector.verify()


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"email": "not an address"}, "INVALID_EMAIL", "email"),
        ({"first_name": "Ada", "interest": "everything"}, "INVALID_OPTION", "interest"),
    ],
)
async def test_the_inbox_refuses_like_a_crm(fields: dict[str, str], code: str, field: str) -> None:
    async with context() as (opened, exchanges):
        [written] = await registry.connect("inbox", opened).upsert_people([ada(email=None, fields=fields)])
    assert written.error is not None
    assert (written.error.kind, written.error.code, written.error.field) == (ErrorClass.PERMANENT, code, field)
    assert exchanges[0].status == 400


async def test_the_inbox_leaves_out_what_it_does_not_know() -> None:
    fields = {"first_name": "Ada", "shoe_size": "38", "received_at": "now"}
    async with context(base_url="https://app.example.com/o/acme/inbox") as (opened, _):
        [written] = await registry.connect("inbox", opened).upsert_people([ada(fields=fields)])
    assert [warned.property for warned in written.warnings] == ["shoe_size", "received_at"]
    assert written.url == f"https://app.example.com/o/acme/inbox/{written.id}"
