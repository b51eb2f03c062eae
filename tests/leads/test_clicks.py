"""Which click brought a lead: verified when the lead is made, kept with the link as it was, shown everywhere."""

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select

from site2crm.app import Instance
from site2crm.core import alarms
from site2crm.core.crypto import Vault
from site2crm.forms.events import SubmissionFrame
from site2crm.kit import clock, ids
from site2crm.leads.models import LeadClick
from site2crm.links import token
from tests.cast import BASE, Person
from tests.forms.test_intake import settled
from tests.leads.posting import a_form, frame, send, store

DAYS_91_S = timedelta(days=91).total_seconds()
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def form_id(instance: Instance, alice: Person) -> str:
    return await a_form(instance, alice.org.id)


async def a_link(person: Person, slug: str = "spring", **fields: object) -> str:
    made = await person.api.post(
        "/api/v1/links",
        json={"url": "https://www.example.com/offer?utm_medium=print", "slug": slug, "title": "Spring offer"} | fields,
    )
    assert made.status_code == 201, made.text
    link_id: str = made.json()["id"]
    return link_id


def a_click(instance: Instance, link_id: str, *, ago_s: float = 60, vault: Vault | None = None) -> str:
    """The token of a click on it."""
    return token.sign(vault or instance.machine.vault, ids.new("clk"), link_id, clock.unix() - ago_s)


def carrying(person: Person, form_id: str, email: str, click: str, **said: Any) -> SubmissionFrame:
    return frame(person.org.id, form_id, email=email, ours={"click": click}, **said)


async def kept(instance: Instance) -> Sequence[LeadClick]:
    async with instance.machine.session() as session:
        return (await session.scalars(select(LeadClick).order_by(LeadClick.at))).all()


async def the_lead(person: Person, email: str) -> dict[str, object]:
    [lead] = (await person.api.get("/api/v1/leads", params={"email": email})).json()["data"]
    found: dict[str, object] = (await person.api.get(f"/api/v1/leads/{lead['id']}")).json()
    return found


async def test_a_lead_knows_the_click_that_brought_it(instance: Instance, alice: Person, form_id: str) -> None:
    link_id = await a_link(alice, campaign="Spring", utm={"utm_source": "flyer", "utm_medium": "ignored"})
    said = {"utm_source": "page", "page_url": "https://www.example.com/offer"}
    await send(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, link_id), attribution=said))
    [click] = await kept(instance)
    lead = await the_lead(alice, "ada@example.com")
    assert (click.lead_id, click.link_id, click.org_id) == (lead["id"], link_id, alice.org.id)
    touch = {
        **said, "utm_medium": "print", "link": link_id, "click": click.click_id, "short_url": f"{BASE}/spring",
    }  # fmt: skip
    assert lead["attribution"] == {"first": touch, "last": touch}
    assert click.snapshot == {
        "slug": "spring",
        "short_url": f"{BASE}/spring",
        "title": "Spring offer",
        "url": "https://www.example.com/offer?utm_medium=print",
        "campaign": "Spring",
        "utm": {"utm_source": "flyer", "utm_medium": "print"},
    }


async def test_the_snapshot_stays_when_the_link_changes(instance: Instance, alice: Person, form_id: str) -> None:
    link_id = await a_link(alice)
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, link_id)))
    changed = await alice.api.patch(f"/api/v1/links/{link_id}", json={"title": "Autumn", "url": "https://b.example/"})
    assert changed.status_code == 200, changed.text
    [click] = await kept(instance)
    assert (click.snapshot["title"], click.link_id) == ("Spring offer", link_id)


async def test_an_archived_link_still_brings_its_leads(instance: Instance, alice: Person, form_id: str) -> None:
    link_id = await a_link(alice)
    await alice.api.delete(f"/api/v1/links/{link_id}")
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, link_id)))
    assert len(await kept(instance)) == 1


async def test_a_token_that_is_not_genuine_is_ignored_and_the_lead_is_kept(
    instance: Instance, alice: Person, charlie: Person, form_id: str
) -> None:
    link_id, theirs = await a_link(alice), await a_link(charlie, "theirs")
    genuine = a_click(instance, link_id)
    tokens = {
        "forged": genuine[:-2] + ("AA" if not genuine.endswith("AA") else "BB"),
        "expired": a_click(instance, link_id, ago_s=DAYS_91_S),
        "another-org": a_click(instance, theirs),
        "another-instance": a_click(instance, link_id, vault=Vault(b"z" * 32)),
        "no-link": a_click(instance, ids.new("lnk")),
        "long": "A" * 100_000,
        "unicode": "é" * 68,
    }
    await store(instance, *(carrying(alice, form_id, f"{name}@example.com", text) for name, text in tokens.items()))
    leads = (await alice.api.get("/api/v1/leads")).json()["data"]
    assert {lead["email"] for lead in leads} == {f"{name}@example.com" for name in tokens}
    assert all(lead["attribution"] == {"first": {}, "last": {}} for lead in leads)
    assert await kept(instance) == []
    async with instance.machine.session() as session:
        assert await alarms.open_alarms(session, alarms.INSTANCE) == []


async def test_both_touches_may_be_clicks(instance: Instance, alice: Person, form_id: str) -> None:
    spring, autumn = await a_link(alice), await a_link(alice, "autumn", utm={"utm_source": "radio"})
    first, last = a_click(instance, spring, ago_s=7200), a_click(instance, autumn)
    sent = frame(
        alice.org.id, form_id, email="ada@example.com", ours={"click": last, "first_click": first},
        attribution={"first.utm_source": "flyer"},
    )  # fmt: skip
    await store(instance, sent)
    touches = (await the_lead(alice, "ada@example.com"))["attribution"]
    assert isinstance(touches, dict)
    assert (touches["first"]["link"], touches["first"]["utm_source"]) == (spring, "flyer")
    assert (touches["last"]["link"], touches["last"]["utm_source"]) == (autumn, "radio")
    assert [click.link_id for click in await kept(instance)] == [spring, autumn]


async def test_a_later_click_moves_the_last_touch_only(instance: Instance, alice: Person, form_id: str) -> None:
    spring, autumn = await a_link(alice), await a_link(alice, "autumn")
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, spring, ago_s=90)))
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, autumn), message="again"))
    touches = (await the_lead(alice, "ada@example.com"))["attribution"]
    assert isinstance(touches, dict)
    assert (touches["first"]["link"], touches["last"]["link"]) == (spring, autumn)


async def test_a_click_is_kept_once_however_often_it_is_sent(instance: Instance, alice: Person, form_id: str) -> None:
    click = a_click(instance, await a_link(alice))
    sent = carrying(alice, form_id, "ada@example.com", click, id=ids.new("sub"))
    await store(instance, sent, sent)
    await store(instance, sent)
    await store(instance, carrying(alice, form_id, "ada@example.com", click, message="once more"))
    assert [row.submission_id for row in await kept(instance)] == [sent.id]


async def test_a_released_submission_brings_its_click_even_after_90_days(
    instance: Instance, alice: Person, form_id: str
) -> None:
    link_id = await a_link(alice)
    held = carrying(
        alice, form_id, "ada@example.com", a_click(instance, link_id), status="quarantined", reason="honeypot",
        kind="spam",
    )  # fmt: skip
    await store(instance, held)
    assert await kept(instance) == []
    with clock.travel(clock.now() + timedelta(days=100)):
        released = await alice.api.post(f"/api/v1/submissions/{held.id}/release")
    assert released.json()["normalised"]["attribution"]["link"] == link_id
    assert [row.submission_id for row in await kept(instance)] == [held.id]


async def test_the_timeline_shows_each_click_before_what_it_led_to(
    instance: Instance, alice: Person, form_id: str
) -> None:
    spring, autumn = await a_link(alice), await a_link(alice, "autumn", title="")
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, spring, ago_s=0)))
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, autumn, ago_s=30), message="2"))
    lead = await the_lead(alice, "ada@example.com")
    entries = (await alice.api.get(f"/api/v1/leads/{lead['id']}/timeline")).json()["data"]
    assert [entry["type"] for entry in entries] == ["submission", "submission", "click", "click"]
    assert [entry["link"] for entry in entries[2:]] == [spring, autumn]
    assert {"at", "click", "short_url", "url", "campaign", "utm"} <= entries[2].keys()
    page = (await alice.web.get(f"/o/acme/leads/{lead['id']}")).text
    for text in ("Clicked Spring offer", "Clicked 127.0.0.1:8080/autumn", "Came by", f"/o/acme/links/{autumn}"):
        assert text in page, text


async def test_the_list_is_filtered_by_link(instance: Instance, alice: Person, charlie: Person, form_id: str) -> None:
    spring, autumn = await a_link(alice), await a_link(alice, "autumn")
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, spring)))
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, autumn), message="again"))
    await store(instance, carrying(alice, form_id, "bob@example.com", a_click(instance, autumn)))
    await store(instance, frame(alice.org.id, form_id, email="eve@example.com", attribution={"link": "none"}))
    await alice.api.patch(f"/api/v1/leads/{(await the_lead(alice, 'ada@example.com'))['id']}", json={"company": "Acme"})

    async def found(person: Person, **query: str) -> list[str]:
        answer = await person.api.get("/api/v1/leads", params=query)
        return sorted(lead["email"] for lead in answer.json()["data"])

    assert await found(alice, link=spring) == ["ada@example.com"]
    assert await found(alice, link=autumn) == ["ada@example.com", "bob@example.com"]
    assert await found(alice, link=autumn, q="bob", form=form_id) == ["bob@example.com"]
    assert await found(alice, link=autumn, email="bob@example.com") == ["bob@example.com"]
    assert await found(charlie, link=autumn) == await found(alice, link='" OR "') == []
    page = (await alice.web.get("/o/acme/leads", params={"link": spring})).text
    assert "Remove filter Link Spring offer" in page and "bob@example.com" not in page


async def test_the_export_names_the_short_link(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, await a_link(alice))))
    await store(instance, frame(alice.org.id, form_id, email="bob@example.com"))
    text = (await alice.web.get("/o/acme/leads.csv")).text.removeprefix("\ufeff")
    assert {row["email"]: row["link"] for row in csv.DictReader(io.StringIO(text))} == {
        "ada@example.com": f"{BASE}/spring",
        "bob@example.com": "",
    }


async def test_a_deleted_lead_takes_its_clicks_along(instance: Instance, alice: Person, form_id: str) -> None:
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, await a_link(alice))))
    lead = await the_lead(alice, "ada@example.com")
    assert (await alice.api.delete(f"/api/v1/leads/{lead['id']}")).status_code == 204
    assert await kept(instance) == []


async def test_a_script_in_a_link_is_text(instance: Instance, alice: Person, form_id: str) -> None:
    link_id = await a_link(alice, title=SCRIPT, campaign=SCRIPT)
    await store(instance, carrying(alice, form_id, "ada@example.com", a_click(instance, link_id)))
    lead = await the_lead(alice, "ada@example.com")
    for path in (f"/o/acme/leads/{lead['id']}", f"/o/acme/leads?link={link_id}"):
        page = await alice.web.get(path)
        assert page.status_code == 200 and SCRIPT not in page.text, path


async def test_a_batch_without_a_token_asks_nothing_more_and_one_with_tokens_asks_once(
    instance: Instance, alice: Person, form_id: str
) -> None:
    link_id = await a_link(alice)
    asked: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM link" in statement or "lead_click" in statement:
            asked.append(statement.split(maxsplit=1)[0])

    engine = instance.machine.database.writer.sync_engine
    event.listen(engine, "before_cursor_execute", listen)
    await store(instance, *(frame(alice.org.id, form_id, email=f"{n}@example.com") for n in range(20)))
    assert asked == []
    await store(
        instance, *(carrying(alice, form_id, f"{n}@example.org", a_click(instance, link_id)) for n in range(20))
    )
    event.remove(engine, "before_cursor_execute", listen)
    assert asked == ["SELECT", "INSERT"]


async def test_from_click_to_lead_without_script_or_cookie(
    instance: Instance, alice: Person, nobody: httpx.AsyncClient
) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
    link_id = await a_link(alice, url=form["hosted_url"], utm={"utm_source": "flyer"})
    went = await nobody.get("/spring")
    assert went.status_code == 302, went.text
    page = await nobody.get(went.headers["location"])
    assert "set-cookie" not in page.headers
    hidden = dict(part.split('" value="') for part in page.text.split('type="hidden" name="')[1:])
    fields = {name: value.partition('"')[0] for name, value in hidden.items()}
    await nobody.post(f"/f/{form['key']}", data={**fields, "email": "ada@example.com", "s2c_at": "0"})
    await settled(instance)
    touches = (await the_lead(alice, "ada@example.com"))["attribution"]
    assert isinstance(touches, dict)
    assert (touches["last"]["link"], touches["last"]["utm_source"]) == (link_id, "flyer")
    assert token.PARAMETER not in str(touches)
