"""Connections through their service: made, tested, parked, mended, removed; secrets at rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.app import Instance
from site2crm.connectors import mapping, queries, sending, service
from site2crm.connectors.contract import CrmError, ErrorClass
from site2crm.connectors.errors import ConnectionNotFound, NotConnected, StillRefused
from site2crm.connectors.events import ConnectionParked, ConnectionResumed
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.service import ConnectionIn, ConnectionPatch
from site2crm.connectors.sources import LeadValues
from site2crm.core import alarms, events
from site2crm.core.access import OrgRef
from site2crm.core.errors import Invalid
from site2crm.core.events import Event
from site2crm.core.feature import installed
from site2crm.core.machine import Machine
from site2crm.demo.server import Answer, Fault
from site2crm.kit import clock
from tests import behind
from tests.cast import Person
from tests.fakes.hubspot import READ, TOKEN, HubSpotFake
from tests.fakes.webhook import WebhookFake

SECRET = "whsec_" + "A" * 43 + "="
ADA = LeadValues(
    lead_id="led_1",
    email="ada@example.com",
    first_name="Ada",
    last_name="Lovelace",
    phone="+12025550143",
    custom={"budget": "1.500 €", "favourite_colour": "Green"},
)


def org_of(person: Person) -> OrgRef:
    return OrgRef(person.org.id, person.org.slug, person.org.name)


async def connected(machine: Machine, person: Person, **given: Any) -> Connection:
    settings = given.pop("settings", {"token": TOKEN})
    data = ConnectionIn(kind=given.pop("kind", "hubspot"), settings=settings, **given)
    async with machine.session() as session:
        return (await service.create(session, machine, org=org_of(person), data=data)).connection


async def read(machine: Machine, connection: Connection) -> Connection:
    async with machine.session() as session:
        return await service.get(session, connection.org_id, connection.id)


@asynccontextmanager
async def heard(*kinds: type[Event]) -> AsyncIterator[list[str]]:
    """The names of the events of these kinds, beside all usual listeners."""
    names: list[str] = []

    async def listen(session: AsyncSession, event: Event) -> None:
        names.append(type(event).__name__)

    usual = [pair for part in installed() for pair in part.listens]
    late = [pair for part in installed() for pair in part.late]
    events.connect([*usual, *((kind, listen) for kind in kinds)], late)
    yield names
    events.connect(usual, late)


async def test_a_new_connection_knows_its_account_and_maps_what_exists(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    connection = await connected(instance.machine, alice)
    assert (connection.state, connection.account["id"]) == ("active", "62515")
    assert Row("first_name", "firstname") in mapping.stored(connection.mapping)
    assert {field.key: field for field in sending.field_defs(connection)}["favourite_colour"].custom
    assert portal.violations == []


async def refusal(machine: Machine, person: Person, **given: Any) -> NotConnected:
    """What is said instead of a connection, of which nothing is left behind."""
    with pytest.raises(NotConnected) as refused:
        await connected(machine, person, **given)
    async with machine.session() as session:
        assert (await queries.page(session, person.org.id)).data == []
    return refused.value


async def test_a_refused_token_is_named_with_the_cure_and_nothing_is_saved(instance: Instance, alice: Person) -> None:
    refused = await refusal(instance.machine, alice, settings={"token": "pat-na1-wrong-0000"})
    assert [error.field for error in refused.errors] == ["settings.token"]
    assert "Authentication credentials" in refused.detail and "make a new one" in refused.detail
    assert "pat-na1-wrong-0000" not in repr(refused)


async def test_a_missing_right_is_named(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    portal.tokens["pat-na1-reads-only"] = {READ}
    refused = await refusal(instance.machine, alice, settings={"token": "pat-na1-reads-only"})
    assert "crm.objects.contacts.write" in refused.detail


async def test_a_portal_that_is_down_is_to_be_asked_again(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    portal.throttle(count=5)
    assert "Try again in a few minutes. Nothing was saved." in (await refusal(instance.machine, alice)).detail


@pytest.mark.parametrize(("status", "place"), [(401, "secret"), (404, "url"), (410, "url"), (500, "url")])
async def test_a_receiver_that_refuses_is_told_at_its_setting(
    instance: Instance, alice: Person, status: int, place: str
) -> None:
    receiver = WebhookFake(SECRET)
    receiver.says = Answer(status, {"message": "no"})
    await receiver.start()
    settings = {"url": f"{receiver.url}/in", "secret": SECRET}
    refused = await refusal(instance.machine, alice, kind="webhook", settings=settings)
    assert [error.field for error in refused.errors] == [f"settings.{place}"]
    await receiver.stop()


@pytest.mark.parametrize(
    ("kind", "settings", "place"),
    [
        ("hubspot", {}, "settings.token"),
        ("hubspot", {"token": "two words"}, "settings.token"),
        ("hubspot", {"token": TOKEN, "tokn": "x"}, "settings.tokn"),
        ("webhook", {}, "settings.url"),
        ("webhook", {"url": "https://example.com/", "secret": "short"}, "settings.secret"),
        ("nothing", {}, "kind"),
    ],
)
async def test_nonsense_is_refused_at_its_place(
    instance: Instance, alice: Person, kind: str, settings: dict[str, str], place: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await connected(instance.machine, alice, kind=kind, settings=settings)
    assert [error.field for error in refused.value.errors] == [place]


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://10.1.2.3/hook", 'allow_private = ["10.0.0.0/8"]'),
        ("http://169.254.169.254/", 'allow_private = ["169.254.169.254"]'),
        ("http://0x7f000002/", 'allow_private = ["127.0.0.2"]'),
        ("http://[::ffff:10.0.0.1]/", 'allow_private = ["10.0.0.0/8"]'),
    ],
)
async def test_an_address_inside_is_refused_with_the_line_that_allows_it(
    instance: Instance, alice: Person, url: str, line: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await connected(instance.machine, alice, kind="webhook", settings={"url": url})
    assert f"[outbound] {line}" in refused.value.errors[0].message


async def test_secrets_are_unreadable_in_the_database_and_open_in_their_row_only(
    instance: Instance, alice: Person
) -> None:
    machine = instance.machine
    one, two = await connected(machine, alice), await connected(machine, alice)
    assert one.secret_hints == {"token": TOKEN[-4:]}
    kept = behind.everything(machine.data_dir.parent, "connection")
    assert one.id.encode() in kept
    assert TOKEN.encode() not in kept
    assert TOKEN.encode().hex().encode() not in kept
    one.secrets = two.secrets
    with pytest.raises(CrmError) as refused:
        service.open_connector(machine, one)
    assert refused.value.kind is ErrorClass.REAUTH


async def test_the_preview_is_the_request_that_arrives(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    machine = instance.machine
    rows = {"email": "email", "first_name": "firstname", "custom.budget": "budget"}
    connection = await connected(machine, alice, mapping=rows)
    shown = service.preview(machine, connection, ADA)
    portal.requests.clear()
    prepared = service.Translation(connection).prepare(ADA, ref="dlv_1")
    (written,) = await service.open_connector(machine, connection).upsert_people([prepared.person])
    assert (written.created, written.error) == (True, None)
    arrived = [(request.method, portal.url + request.target, request.body.decode()) for request in portal.requests]
    assert arrived == [(each.method, each.url, each.request_body) for each in shown.requests]
    assert portal.by_email("ada@example.com")["properties"]["budget"] == "1500"  # type: ignore[index]


async def test_what_a_person_edited_is_sent_and_an_empty_edit_leaves_out(instance: Instance, alice: Person) -> None:
    connection = await connected(instance.machine, alice, mapping={"email": "email", "first_name": "firstname"})
    edits = {"email": "right@example.com", "firstname": "", "topics": "seo, CRM"}
    person = service.Translation(connection).prepare(ADA, ref="dlv_1", overrides=edits).person
    assert person.email == "right@example.com"
    assert person.fields == {"email": "right@example.com", "topics": ["seo", "crm"]}


async def test_a_dead_token_parks_once_mails_the_owner_and_is_on_every_page(
    instance: Instance, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = instance.machine
    connection = await connected(machine, alice, name="Main")
    async with machine.session() as session:
        assert await service.park(session, connection.id, "The token is no longer valid.")
        assert await service.park(session, connection.id, "Again.")
    assert machine.jobs is not None
    await machine.jobs.run_due()
    mail = capsys.readouterr().out
    assert mail.count("mail to alice@acme.example") == 1
    assert f"/o/acme/crms/{connection.id}" in mail
    assert "HubSpot “Main” has stopped: The token is no longer valid." in mail
    page = (await alice.web.get("/o/acme/leads")).text
    assert "HubSpot “Main” stopped: The token is no longer valid." in page


async def test_a_refusal_from_before_it_was_mended_does_not_park(instance: Instance, alice: Person) -> None:
    connection = await connected(instance.machine, alice)
    async with instance.machine.session() as session:
        before = clock.now() - timedelta(minutes=1)
        assert not await service.park(session, connection.id, "Old news.", began=before)
    assert (await read(instance.machine, connection)).state == "active"


async def test_a_test_that_works_mends_a_parked_connection(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    connection = await connected(instance.machine, alice)
    scopes = portal.tokens.pop(TOKEN)
    async with heard(ConnectionParked, ConnectionResumed) as names:
        assert not (await service.test(instance.machine, connection.org_id, connection.id)).ok
        with pytest.raises(StillRefused):
            await resumed(instance.machine, connection)
        portal.tokens[TOKEN] = scopes
        assert (await resumed(instance.machine, connection)).state == "active"
    assert names == ["ConnectionParked", "ConnectionResumed"]


async def resumed(machine: Machine, connection: Connection) -> Connection:
    async with machine.session() as session:
        return await service.resume(session, machine, org_id=connection.org_id, connection_id=connection.id)


async def test_a_new_token_is_tested_before_it_replaces_the_old(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    machine = instance.machine
    connection = await connected(machine, alice)
    with pytest.raises(Invalid, match="Nothing was changed"):
        await changed(machine, connection, ConnectionPatch(settings={"token": "pat-na1-wrong-0000"}))
    portal.tokens["pat-na1-fresh-2222"] = portal.tokens.pop(TOKEN)
    connection = await changed(machine, connection, ConnectionPatch(settings={"token": "pat-na1-fresh-2222"}))
    assert (connection.state, connection.secret_hints) == ("active", {"token": "2222"})
    assert (await service.test(machine, connection.org_id, connection.id)).ok


async def changed(machine: Machine, connection: Connection, patch: ConnectionPatch) -> Connection:
    async with machine.session() as session:
        return await service.change(
            session, machine, org_id=connection.org_id, connection_id=connection.id, patch=patch
        )


async def test_the_token_of_another_account_is_refused(instance: Instance, alice: Person, portal: HubSpotFake) -> None:
    connection = await connected(instance.machine, alice)
    portal.portal = 99
    with pytest.raises(Invalid, match="account 99, the connection to account 62515"):
        await changed(instance.machine, connection, ConnectionPatch(settings={"token": TOKEN}))


async def test_a_warning_rings_until_the_mapping_is_saved(instance: Instance, alice: Person) -> None:
    machine = instance.machine
    connection = await connected(machine, alice)
    async with machine.session() as session:
        for _ in range(2):
            await service.note_warning(session, connection.id, property="gone", text="It does not exist.")
    assert [warning["property"] for warning in (await read(machine, connection)).warnings] == ["gone"]
    async with machine.session() as session:
        assert [alarm.count for alarm in await alarms.open_alarms(session, alice.org.id)] == [2]
    await changed(machine, connection, ConnectionPatch(mapping={"email": "email"}))
    assert (await read(machine, connection)).warnings == []
    async with machine.session() as session:
        assert await alarms.open_alarms(session, alice.org.id) == []


async def test_a_reached_limit_only_ever_moves_on(instance: Instance, alice: Person) -> None:
    connection = await connected(instance.machine, alice)
    later = clock.now() + timedelta(hours=1)
    async with instance.machine.session() as session:
        await service.throttle(session, connection.id, until=later)
        await service.throttle(session, connection.id, until=later - timedelta(minutes=30))
    assert (await read(instance.machine, connection)).paused_until == later


async def test_the_page_tells_of_a_limit_for_as_long_as_it_lasts(instance: Instance, alice: Person) -> None:
    connection = await connected(instance.machine, alice)
    told = list[bool]()
    with clock.travel(clock.now()) as forward:
        async with instance.machine.session() as session:
            await service.throttle(session, connection.id, until=clock.after(60))
        for wait_s in (0, 61):
            forward(wait_s)
            told.append("asked us to wait" in (await alice.web.get(f"/o/acme/crms/{connection.id}")).text)
    assert told == [True, False]


async def test_leads_go_to_the_connections_of_their_form_parked_ones_too(instance: Instance, alice: Person) -> None:
    machine = instance.machine
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()["id"]
    everything = await connected(machine, alice, kind="inbox", settings={})
    only = await connected(machine, alice, form_ids=[form])
    async with machine.session() as session:
        await service.park(session, only.id, "The token is dead.")
    async with machine.session() as session:
        mine = await service.active_for(session, alice.org.id, form)
        others = await service.active_for(session, alice.org.id, "frm_other")
        strangers = await service.active_for(session, "org_other", form)
    assert [(ref.id, ref.state) for ref in mine] == [(everything.id, "active"), (only.id, "parked")]
    assert [ref.id for ref in others] == [everything.id]
    assert strangers == []


async def test_a_removed_connection_keeps_no_secret_and_no_record(instance: Instance, alice: Person) -> None:
    machine = instance.machine
    connection = await connected(machine, alice, kind="inbox", settings={})
    person = service.Translation(connection).prepare(ADA, ref="dlv_1").person
    (written,) = await service.open_connector(machine, connection).upsert_people([person])
    assert written.url == f"http://127.0.0.1:8080/o/acme/crms/{connection.id}/inbox/{written.id}"
    async with machine.session() as session:
        await service.remove(session, alice.org.id, connection.id)
        assert await queries.record_count(session, alice.org.id, connection.id) == 0
    with pytest.raises(ConnectionNotFound):
        await read(machine, connection)


async def test_the_test_inbox_updates_the_record_of_the_same_person(instance: Instance, alice: Person) -> None:
    machine = instance.machine
    connection = await connected(machine, alice, kind="inbox", settings={})
    connector = service.open_connector(machine, connection)
    for company in ("", "Engines"):
        lead = LeadValues(email="ada@example.com", first_name="Ada", company=company)
        await connector.upsert_people([service.Translation(connection).prepare(lead, ref="dlv_1").person])
    async with machine.session() as session:
        (record,) = (await queries.records(session, alice.org.id, connection.id)).data
    assert (record.writes, record.properties) == (
        2,
        {"email": "ada@example.com", "first_name": "Ada", "company": "Engines"},
    )


async def test_rows_of_another_form_that_are_saved_meanwhile_stay(
    instance: Instance, alice: Person, portal: HubSpotFake
) -> None:
    """While the CRM is asked about new settings, and where a page has read the connection before."""
    machine, org_id = instance.machine, alice.org.id
    forms = [(await alice.api.post("/api/v1/forms", json={"name": name})).json()["id"] for name in "ABC"]
    made = await connected(machine, alice)

    async def save(session: AsyncSession, form: str, **more: Any) -> None:
        patch = ConnectionPatch(form_mappings={form: {"company": "company"}}, **more)
        await service.change(session, machine, org_id=org_id, connection_id=made.id, patch=patch)

    async def save_with_settings(form: str) -> None:
        async with machine.session() as session:
            await save(session, form, settings={"token": TOKEN})

    portal.requests.clear()
    portal.faults.append(Fault("slow"))
    asking = asyncio.create_task(save_with_settings(forms[0]))
    while not portal.requests:
        await asyncio.sleep(0.01)
    async with machine.session() as page:
        seen = await service.get(page, org_id, made.id)
        async with machine.session() as session:
            await save(session, forms[1])
        portal.hurry.set()
        await asking
        await save(page, forms[2])
    assert set(seen.form_mappings) == set((await read(machine, made)).form_mappings) == set(forms)
