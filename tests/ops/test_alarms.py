"""Alarms as banners: who reads them, who takes them away, and what comes back."""

import html
import re

import httpx
import pytest
from sqlalchemy import update

from site2crm.accounts.models import User
from site2crm.accounts.permissions import Role
from site2crm.app import Instance
from site2crm.connectors.events import UNKNOWN_PROPERTY
from site2crm.core import alarms
from tests.cast import Cast, Person

PATH = "/srv/data/events.duckdb is damaged"
SEEN = re.compile(r'<form method="post" action="(/o/[^"]+/seen)"><input type="hidden" name="count" value="(\d+)">')


async def ring(instance: Instance, org_id: str, code: str, text: str = "It rang.", subject: str = "") -> None:
    async with instance.machine.session() as session:
        await alarms.ring(session, org_id, code=code, text=text, subject=subject)


async def banners(person: Person) -> list[str]:
    page = await person.web.get(f"/o/{person.org.slug}/leads")
    return [html.unescape(text) for text in re.findall(r'<div class="notice".*?<p>(.*?)</p>', page.text, re.DOTALL)]


async def button(person: Person) -> tuple[str, dict[str, str]]:
    """Where the page's "I have seen it" posts to, and what."""
    [(url, count)] = SEEN.findall((await person.web.get(f"/o/{person.org.slug}/leads")).text)
    return url, {"count": count}


@pytest.fixture
async def root(instance: Instance, alice: Person) -> Person:
    """Alice, who also administers the instance."""
    async with instance.machine.session() as session:
        await session.execute(update(User).where(User.id == alice.user_id).values(is_super=True))
    return alice


@pytest.mark.parametrize("code", ["events.damaged", "events.missing", "events.poison", "journal.disk_full"])
async def test_who_administers_the_instance_takes_its_alarm_away(instance: Instance, root: Person, code: str) -> None:
    await ring(instance, alarms.INSTANCE, code, PATH)
    assert await banners(root) == [PATH]
    url, posted = await button(root)

    answer = await root.web.post(url, data=posted, headers={"Referer": f"{root.web.base_url}/o/acme/leads?q=x"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/o/acme/leads?q=x")
    assert await banners(root) == []


async def test_more_than_two_are_one_line_that_opens(instance: Instance, root: Person) -> None:
    for number in range(3):
        folded = "things need attention" in (await root.web.get("/o/acme/leads")).text
        assert not folded
        await ring(instance, alarms.INSTANCE, f"events.{number}", f"It rang {number}.")
    page = (await root.web.get("/o/acme/leads")).text
    assert "<span>3 things need attention</span>" in page
    assert [text for text in await banners(root) if text.startswith("It rang")] == [f"It rang {n}." for n in range(3)]


async def test_others_read_only_what_concerns_them_and_no_path(instance: Instance, alice: Person, vera: Person) -> None:
    for code in ("events.damaged", "journal.disk_full", "mail_failed"):
        await ring(instance, alarms.INSTANCE, code, PATH)
    for person in (alice, vera):
        [told] = await banners(person)
        assert "figures begin anew" in told and "/srv" not in told


async def test_an_owner_cannot_take_the_instances_alarm_away(instance: Instance, alice: Person, people: Cast) -> None:
    await ring(instance, alarms.INSTANCE, "events.damaged")
    async with instance.machine.session() as session:
        [alarm] = await alarms.open_alarms(session, alarms.INSTANCE)
    await alice.web.post(f"/o/acme/alarms/{alarm.id}/seen", data={"count": "9"})
    assert len(await banners(alice)) == 1


async def test_an_admin_takes_the_orgs_alarm_away_and_a_member_does_not(
    instance: Instance, people: Cast, alice: Person, bob: Person, charlie: Person
) -> None:
    admin = await people.person("adam", Role.ADMIN, "acme")
    await ring(instance, alice.org.id, "mail_failed")
    url, posted = await button(admin)
    assert SEEN.findall((await bob.web.get("/o/acme/leads")).text) == []
    assert (await bob.web.post(url, data=posted)).status_code == 403
    assert (await charlie.web.post(url, data=posted)).status_code == 404
    assert (await charlie.web.post(url.replace("acme", "other"), data=posted)).status_code == 404
    assert await banners(alice) == ["It rang."]

    await admin.web.post(url, data=posted)

    assert await banners(alice) == []


async def test_one_that_rang_again_meanwhile_stays(instance: Instance, alice: Person) -> None:
    await ring(instance, alice.org.id, "mail_failed")
    url, posted = await button(alice)
    await ring(instance, alice.org.id, "mail_failed", "And again.")

    await alice.web.post(url, data=posted)

    assert await banners(alice) == ["And again. (2 times)"]


async def test_a_property_that_the_crm_does_not_take_leads_to_the_mapping(instance: Instance, alice: Person) -> None:
    made = await alice.api.post("/api/v1/connections", json={"kind": "inbox", "name": "Box"})
    connection = made.json()["id"]
    await ring(instance, alice.org.id, UNKNOWN_PROPERTY, subject=f"{connection}:shoe_size")
    page = await alice.web.get("/o/acme/leads")

    mapping = re.findall(r'href="([^"]+)">Open the mapping</a>', page.text)

    assert mapping == [f"/o/acme/crms/{connection}/mapping"] and SEEN.findall(page.text) == []
    assert (await alice.web.get(mapping[0])).status_code == 200


async def test_one_that_ends_with_its_cause_has_no_button(instance: Instance, root: Person) -> None:
    await ring(instance, alarms.INSTANCE, "events.blocked")
    assert SEEN.findall((await root.web.get("/o/acme/leads")).text) == []


@pytest.mark.parametrize("posted", [{"count": "many"}, {"count": "9" * 40}])
async def test_a_count_that_is_none_is_refused(alice: Person, posted: dict[str, str]) -> None:
    assert (await alice.web.post("/o/acme/alarms/alm_x/seen", data=posted)).status_code == 422


async def test_a_stranger_has_no_button(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.post("/o/acme/alarms/alm_x/seen", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code in {401, 404}
