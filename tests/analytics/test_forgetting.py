"""Forgetting a visitor: by whom, what goes and what stays, and what a process that dies in between leaves."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from site2crm.accounts.permissions import Role
from site2crm.analytics import forgetting
from site2crm.app import Instance
from site2crm.core.eventstore import access
from site2crm.core.eventstore.contract import Event
from site2crm.core.eventstore.errors import EventsUnavailable
from site2crm.kit import clock, ids
from site2crm.leads.models import LeadClick
from tests.analytics.happening import a_lead, a_link, ago, click, clicks, figures
from tests.cast import Cast, Person

VISITOR, OTHER = "ab" * 8, "cd" * 8
ERASE = "/api/v1/analytics/erase"


async def kept(person: Person) -> int:
    """Clicks of people and machines."""
    value: int = (await figures(person, "totals", bots="all", from_="2026-01-01"))["value"]
    return value


async def two_visitors(instance: Instance, person: Person) -> Event:
    """Three events of one visitor, one of a machine's among them, and two of another; the first of them."""
    first = click(person, ago(days=1), visitor=VISITOR)
    others = [click(person, visitor=VISITOR, **more) for more in ({"link": "lnk_x"}, {"bot": "head"})]
    await clicks(instance, first, *others, *(click(person, visitor=OTHER) for _ in range(2)))
    return first


async def a_clicked_lead(instance: Instance, person: Person) -> LeadClick:
    await a_lead(instance, person, ago(days=2), link=await a_link(person))
    async with instance.machine.session() as session:
        carried = (await session.scalars(select(LeadClick))).one()
        carried.snapshot = {"title": "x", "short_url": "http://x/y", "slug": "y", "url": "http://z/", "campaign": ""}
    return carried


async def test_every_event_of_the_visitor_goes_and_others_stay(instance: Instance, alice: Person) -> None:
    first = await two_visitors(instance, alice)
    assert await kept(alice) == 5

    answer = await alice.api.post(ERASE, json={"click": first.id})

    assert (answer.status_code, answer.json()) == (200, {"erased": 3, "visitors": 1})
    assert await kept(alice) == 2


async def test_asked_again_there_is_nothing(instance: Instance, alice: Person) -> None:
    first = await two_visitors(instance, alice)
    await alice.api.post(ERASE, json={"click": first.id})
    again = await alice.api.post(ERASE, json={"click": first.id})
    assert (again.status_code, again.json()["code"]) == (404, "click_not_kept")


async def test_of_who_asked_not_to_be_followed_only_the_click_goes(instance: Instance, alice: Person) -> None:
    mine, other = click(alice, visitor=""), click(alice, visitor="")
    await clicks(instance, mine, other)
    assert (await alice.api.post(ERASE, json={"click": mine.id})).json() == {"erased": 1, "visitors": 1}
    assert await kept(alice) == 1


async def test_a_lead_stands_for_all_of_its_clicks(instance: Instance, alice: Person) -> None:
    carried = await a_clicked_lead(instance, alice)
    event = Event(id=carried.click_id, ts=ago(days=2), kind="click", org=alice.org.id, visitor=VISITOR)
    await clicks(instance, event, click(alice, visitor=VISITOR), click(alice, visitor=OTHER))

    answer = await alice.api.post(ERASE, json={"lead": carried.lead_id})

    assert answer.json() == {"erased": 2, "visitors": 1}
    lead = (await alice.api.get(f"/api/v1/leads/{carried.lead_id}")).json()
    timeline = (await alice.api.get(f"/api/v1/leads/{carried.lead_id}/timeline")).json()["data"]
    assert lead["email"] and [each["click"] for each in timeline if each["type"] == "click"] == [carried.click_id]
    assert (await alice.api.post(ERASE, json={"lead": carried.lead_id})).json() == {"erased": 0, "visitors": 0}


async def test_nobody_forgets_another_orgs_visitor(instance: Instance, alice: Person, charlie: Person) -> None:
    first = await two_visitors(instance, alice)
    await clicks(instance, theirs := click(charlie, visitor=VISITOR))
    assert (await charlie.api.post(ERASE, json={"click": first.id})).status_code == 404
    assert (await charlie.web.get(f"/o/acme/analytics/forget?click={first.id}")).status_code == 404
    assert (await charlie.web.post("/o/acme/analytics/forget", data={"click": first.id})).status_code == 404
    assert await kept(alice) == 5

    await alice.api.post(ERASE, json={"click": first.id})

    assert await kept(charlie) == 1 and await forgetting.seen(instance.machine, charlie.org.id, theirs.id)


async def test_members_and_viewers_may_not(instance: Instance, people: Cast, bob: Person, vera: Person) -> None:
    admin = await people.person("adam", Role.ADMIN, "acme")
    first = await two_visitors(instance, admin)
    for person in (bob, vera):
        assert (await person.api.post(ERASE, json={"click": first.id})).status_code == 403
        assert (await person.web.get(f"/o/acme/analytics/forget?click={first.id}")).status_code == 403
    assert (await admin.api.post(ERASE, json={"click": first.id})).json()["erased"] == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"click": "clk_x", "lead": "led_x"}, 422),
        ({"click": 7}, 422),
        ({"visitor": VISITOR}, 422),
        ({"click": "\ud800"}, 400),
        ({"click": "x\x00" * 9}, 404),
        ({"lead": "led_nobody"}, 404),
    ],
)
async def test_what_is_no_click_is_refused(alice: Person, body: dict[str, object], status: int) -> None:
    answer = await alice.api.post(ERASE, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


async def test_the_page_says_what_goes_and_leads_back(instance: Instance, alice: Person) -> None:
    first, lead = await two_visitors(instance, alice), ids.new("led")
    page = await alice.web.get(f"/o/acme/analytics/forget?click={first.id}&lead={lead}")
    assert "3 events of the visitor" in page.text and f'href="/o/acme/leads/{lead}"' in page.text

    done = await alice.web.post("/o/acme/analytics/forget", data={"click": first.id, "lead": lead})

    assert (done.status_code, done.headers["location"]) == (303, f"/o/acme/leads/{lead}")
    assert await kept(alice) == 2
    after = await alice.web.get(f"/o/acme/analytics/forget?click={first.id}&lead=//evil.example")
    assert "forgotten already" in after.text and "evil" not in re.sub(r'value="[^"]*"', "", after.text)


async def test_a_page_forgets_all_clicks_of_a_lead(instance: Instance, alice: Person, charlie: Person) -> None:
    carried = await a_clicked_lead(instance, alice)
    event = Event(id=carried.click_id, ts=ago(days=2), kind="click", org=alice.org.id, visitor=VISITOR)
    await clicks(instance, event, click(alice, visitor=VISITOR), click(alice, visitor=OTHER))
    path = f"/o/acme/analytics/forget?lead={carried.lead_id}"
    assert path in (await alice.web.get(f"/o/acme/leads/{carried.lead_id}")).text
    assert "2 events of 1 visitor" in (await alice.web.get(path)).text

    done = await alice.web.post("/o/acme/analytics/forget", data={"lead": carried.lead_id})

    assert done.headers["location"] == f"/o/acme/leads/{carried.lead_id}"
    assert await kept(alice) == 1
    assert "forgotten already" in (await alice.web.get(path)).text
    assert (await charlie.web.get(path.replace("acme", "other"))).status_code == 404


async def test_the_leads_page_leads_there_for_those_who_may(instance: Instance, alice: Person, bob: Person) -> None:
    carried = await a_clicked_lead(instance, alice)
    path = f"/o/acme/leads/{carried.lead_id}"
    href = f'href="/o/acme/analytics/forget?click={carried.click_id}&amp;lead={carried.lead_id}"'
    assert href in (await alice.web.get(path)).text
    assert "forget?" not in (await bob.web.get(path)).text


async def test_what_a_dead_process_only_wrote_down_is_done_by_the_next_one(
    instance: Instance, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store refuses just after the wish was committed: as good as a kill between the two."""
    first = await two_visitors(instance, alice)
    with monkeypatch.context() as broken:
        broken.setattr(access.of(instance.machine), "erase", _refuse)
        answer = await alice.api.post(ERASE, json={"click": first.id})
        assert answer.status_code == 503 and "noted" in answer.json()["detail"]
    assert await kept(alice) == 5

    await later(instance)

    assert await kept(alice) == 2


async def test_clicks_that_waited_in_the_journal_go_too_and_later_ones_stay(instance: Instance, alice: Person) -> None:
    first = await two_visitors(instance, alice)
    before = clock.unix()
    await alice.api.post(ERASE, json={"click": first.id})
    late = click(alice, clock.now() - timedelta(seconds=clock.unix() - before + 1), visitor=VISITOR)
    await clicks(instance, late, click(alice, clock.now() + timedelta(seconds=1), visitor=VISITOR))
    assert await kept(alice) == 4

    await later(instance)

    assert await kept(alice) == 3


async def _refuse(**_: object) -> int:
    raise EventsUnavailable


async def later(instance: Instance) -> None:
    """Half a minute on, with whatever is due then."""
    with clock.travel(clock.after(30)):
        await instance.machine.jobs.run_due()
