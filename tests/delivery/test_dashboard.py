"""How every connection is, on one page: of an org, and of all orgs of a user."""

from site2crm.accounts import members
from site2crm.accounts.permissions import Role
from site2crm.connectors import service as connections
from site2crm.connectors.service import ConnectionIn
from site2crm.core.access import OrgRef
from site2crm.demo.server import Fault
from site2crm.kit import clock
from tests.cast import BASE, Person
from tests.delivery.conftest import MAPPING, Office
from tests.fakes.hubspot import HubSpotFake

CRMS, AGENCY = "/o/acme/crms", "/agency/crms"


async def health(person: Person, office: Office) -> dict[str, object]:
    answer = await person.api.get(f"/api/v1/connections/{office.connection_id}/health")
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_what_arrived_and_what_fails_is_counted(office: Office, alice: Person, fake: HubSpotFake) -> None:
    await office.map({**MAPPING, "company": "industry"})
    await office.submit("ada@example.com")
    await office.submit("eve@example.com", company="Farming")
    await office.work()
    told = await health(alice, office)
    assert (told["delivered_hour"], told["delivered_day"], told["waiting"]) == (1, 1, 0)
    assert (told["refused"], told["failing"], told["error_rate"]) == (1, 1, 0.5)
    assert [trouble["action"] for trouble in told["troubles"]] == ["Look"]  # type: ignore[attr-defined]


async def test_what_waits_has_an_age(office: Office, alice: Person) -> None:
    await alice.api.post(f"/api/v1/connections/{office.connection_id}/pause")
    await office.submit()
    told = await health(alice, office)
    assert (told["state"], told["waiting"], told["error_rate"]) == ("paused", 1, None)
    assert isinstance(told["lag_s"], float)
    assert told["troubles"] == []  # a person stopped it


async def test_the_limit_is_what_the_crm_told(office: Office, alice: Person) -> None:
    assert (await health(alice, office))["limit_left"] != []  # connecting has asked it
    await office.submit()
    await office.work()
    told = (await health(alice, office))["limit_left"]
    assert all(0 <= left["calls"] <= left["of"] for left in told)  # type: ignore[attr-defined]


async def test_the_page_shows_each_connection_with_what_may_be_done(
    office: Office, alice: Person, vera: Person
) -> None:
    await office.submit()
    await office.work()
    page = (await alice.web.get(CRMS)).text
    assert f'href="{CRMS}/{office.connection_id}"' in page
    assert f'action="{CRMS}/{office.connection_id}/drain"' in page
    seen = (await vera.web.get(CRMS)).text
    assert f'href="{CRMS}/{office.connection_id}"' in seen and "/drain" not in seen


async def test_a_drained_connection_gets_what_waits_and_keeps_what_comes_later(office: Office, alice: Person) -> None:
    with clock.travel(clock.now()) as forward:
        await office.work()
        await office.submit("first@example.com")
        answer = await alice.web.post(f"{CRMS}/{office.connection_id}/drain", headers={"Referer": f"{BASE}{CRMS}"})
        assert answer.headers["location"] == CRMS
        forward(1)
        await office.submit("second@example.com")
        await office.work()
        assert [each.state for each in await office.deliveries()] == ["delivered", "parked"]
        assert await office.state() == "paused"
        await alice.api.post(f"/api/v1/connections/{office.connection_id}/resume")
        await office.work()
        assert [each.state for each in await office.deliveries()] == ["delivered", "delivered"]


async def test_a_connection_without_waiting_leads_is_drained_at_once(office: Office, alice: Person) -> None:
    await office.submit()
    await office.work()
    answer = await alice.api.post(f"/api/v1/connections/{office.connection_id}/drain")
    assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    await alice.api.post(f"/api/v1/connections/{office.connection_id}/resume")
    page = await alice.web.post(f"{CRMS}/{office.connection_id}/drain", follow_redirects=True)
    assert "Nothing was waiting for HubSpot: it is paused." in page.text


async def test_what_is_sent_again_while_a_connection_is_drained_does_not_keep_the_drain_from_ending(
    office: Office, alice: Person, fake: HubSpotFake
) -> None:
    refusal = {"status": "error", "category": "VALIDATION_ERROR", "message": "no"}
    with clock.travel(clock.now()) as forward:
        for fault in (Fault("status", status=400, body=refusal, count=-1), Fault("status", status=503)):
            fake.faults[:] = [fault]
            forward(10)
            await office.submit()
            await office.work()
        older, newer = await office.deliveries()
        assert (older.state, newer.state) == ("dead", "retrying")
        await alice.api.post(f"/api/v1/connections/{office.connection_id}/drain")
        assert (await alice.api.post(f"/api/v1/deliveries/{older.id}/replay")).status_code == 200
        await office.work()
        forward(86_400)
        await office.work()
    assert [each.state for each in await office.deliveries()] == ["delivered", "delivered"]
    assert await office.state() == "paused"


async def test_a_stopped_connection_cannot_be_drained(office: Office, alice: Person) -> None:
    await alice.api.post(f"/api/v1/connections/{office.connection_id}/pause")
    answer = await alice.api.post(f"/api/v1/connections/{office.connection_id}/drain")
    assert (answer.status_code, answer.json()["code"]) == (409, "connection_not_sending")
    stale = await alice.web.post(f"{CRMS}/{office.connection_id}/drain", follow_redirects=True)
    assert (stale.status_code, "Resume it to send what waits." in stale.text) == (200, True)


async def test_a_dead_token_parks_a_draining_connection_too(office: Office, alice: Person, fake: HubSpotFake) -> None:
    await office.submit()
    await alice.api.post(f"/api/v1/connections/{office.connection_id}/drain")
    fake.tokens.clear()
    await office.work()
    assert await office.state() == "parked"


async def test_a_user_sees_the_connections_of_all_their_orgs_and_of_no_other(
    office: Office, alice: Person, charlie: Person
) -> None:
    page = (await charlie.web.get(AGENCY)).text
    assert "No CRM yet" in page and office.connection_id not in page
    async with office.machine.session() as session:
        other = OrgRef(id=charlie.org.id, slug=charlie.org.slug, name=charlie.org.name)
        made = await connections.create(session, office.machine, org=other, data=ConnectionIn(kind="inbox"))
    assert made.connection.id not in (await alice.web.get(AGENCY)).text
    async with office.machine.session() as session:
        await members.add(session, charlie.org.id, user_id=alice.user_id, role=Role.VIEWER)
    both = (await alice.web.get(AGENCY)).text
    assert made.connection.id in both and office.connection_id in both
    assert f"/o/{charlie.org.slug}/crms/{made.connection.id}/pause" not in both  # she may only look there
    assert f"/o/acme/crms/{office.connection_id}/pause" in both


async def test_the_worst_come_first_and_a_search_narrows(office: Office, alice: Person, fake: HubSpotFake) -> None:
    calm = await office.connect(kind="inbox", mapping={"email": "email"})
    fake.tokens.clear()
    await office.submit()
    await office.work()
    page = (await alice.web.get(AGENCY)).text
    assert page.index(f"row-{office.connection_id}") < page.index(f"row-{calm}")
    found = (await alice.web.get(f"{AGENCY}?state=trouble&q=acme")).text
    assert f"row-{office.connection_id}" in found and f"row-{calm}" not in found
    assert "No CRM fits" in (await alice.web.get(f"{AGENCY}?q=nothing-like-it")).text


async def test_the_health_of_another_org_s_connection_is_not_there(office: Office, charlie: Person) -> None:
    answer = await charlie.api.get(f"/api/v1/connections/{office.connection_id}/health")
    assert (answer.status_code, answer.json()["code"]) == (404, "connection_not_found")


async def test_a_banner_on_a_page_without_an_org_says_of_which_it_is(
    office: Office, alice: Person, charlie: Person
) -> None:
    await office.map({**MAPPING, "company": "industry"})
    await office.submit(company="Farming")
    await office.work()
    told = "1 lead was refused by HubSpot."
    assert told in (alone := (await alice.web.get("/profile")).text) and f"Acme: {told}" not in alone
    async with office.machine.session() as session:
        await members.add(session, charlie.org.id, user_id=alice.user_id, role=Role.VIEWER)
    assert f": {told}" in (await alice.web.get("/profile")).text
    for board in (AGENCY, CRMS):  # they say it of each connection
        assert told not in (await alice.web.get(board)).text
