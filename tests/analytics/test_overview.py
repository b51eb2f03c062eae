"""The overview: its numbers, its filters, its first steps, for whom, live, and without the event store."""

import asyncio
import csv
import io
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from site2crm.analytics import live, remembered
from site2crm.app import Instance
from site2crm.core.eventstore import access
from site2crm.core.eventstore.errors import EventsUnavailable
from site2crm.core.live import CHANGED, PING
from tests.analytics.happening import a_lead, a_link, ago, click, clicks
from tests.cast import Person

TILE = re.compile(r'<div class="tile"><dt>(?:<a[^>]*>)?([^<]+)(?:</a>)?</dt>\s*<dd>([^<]+)</dd>(.*?)</div>', re.DOTALL)
SCRIPT = "<script>alert(1)</script>"


def tiles(page: httpx.Response) -> dict[str, str]:
    assert page.status_code == 200, page.text
    return {name: value for name, value, _ in TILE.findall(page.text)}


def notes(page: httpx.Response) -> dict[str, str]:
    return {name: " ".join(re.sub(r"<[^>]+>", "", note).split()) for name, _, note in TILE.findall(page.text)}


async def test_an_org_without_anything_is_told_its_next_step(alice: Person) -> None:
    page = await alice.web.get("/o/acme/")
    for place in ("/o/acme/forms/new", "/o/acme/links/new", "/o/acme/crms/new"):
        assert place in page.text
    assert not tiles(page)


async def test_a_step_that_is_done_has_no_button(alice: Person) -> None:
    await a_link(alice)
    page = (await alice.web.get("/o/acme/")).text
    main = page[page.index("<main") : page.index("</main")]
    assert "/o/acme/forms/new" in main and "/o/acme/links/new" not in main and ">done<" in main


async def test_the_numbers_stand_beside_those_before(instance: Instance, alice: Person) -> None:
    link = await a_link(alice, title="Spring launch")
    await clicks(instance, *(click(alice, ago(days=1), link=link) for _ in range(8)), click(alice, bot="bot"))
    await clicks(instance, *(click(alice, ago(days=31), link=link) for _ in range(4)))
    form = await a_lead(instance, alice, ago(days=1), link=link, utm_source="google")
    await a_lead(instance, alice, ago(days=2), form=form)

    page = await alice.web.get("/o/acme/")

    assert tiles(page) == {"Leads": "2", "Clicks": "8", "Conversion": "12.5 %", "Delivered to CRM": "0"}
    assert notes(page)["Clicks"] == "+100.0 % 4 before" and notes(page)["Leads"] == "0 before"
    for text in ("Spring launch", "google", "Direct or unknown", "Contact", "Latest leads"):
        assert text in page.text, text


async def test_a_lead_that_came_a_moment_ago_is_counted_whatever_was_kept(
    instance: Instance, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "DEAR_S", 0.0)
    form = await a_lead(instance, alice, ago(hours=2))
    seen = [tiles(await alice.web.get("/o/acme/"))["Leads"]]
    seen.append(tiles(await alice.web.get("/o/acme/"))["Leads"])
    await a_lead(instance, alice, ago(hours=1), form=form)
    seen.append(tiles(await alice.web.get("/o/acme/"))["Leads"])
    assert seen == ["1", "1", "2"]


async def test_a_shorter_period_and_filters_count_less(instance: Instance, alice: Person) -> None:
    one, other = await a_link(alice, title="One"), await a_link(alice, title="Other")
    await clicks(instance, click(alice, link=one), click(alice, link=other), click(alice, ago(days=10), link=one))
    await a_lead(instance, alice, ago(days=1), link=one)

    all_of_it = tiles(await alice.web.get("/o/acme/?period=90d"))
    week = tiles(await alice.web.get("/o/acme/?period=7d"))
    filtered = await alice.web.get(f"/o/acme/?period=7d&link={other}")

    assert (all_of_it["Clicks"], week["Clicks"]) == ("3", "2")
    assert tiles(filtered) == {"Leads": "0", "Clicks": "1", "Conversion": "0 %"}
    assert 'aria-label="Remove filter Link Other"' in filtered.text and "/o/acme/?period=7d" in filtered.text


async def test_what_a_filter_does_not_know_is_not_shown_as_a_number(instance: Instance, alice: Person) -> None:
    form = await a_lead(instance, alice, ago(days=1))
    await clicks(instance, click(alice, country="DE"))
    by_country = tiles(await alice.web.get("/o/acme/?country=DE"))
    by_form = tiles(await alice.web.get(f"/o/acme/?form={form}"))
    assert (by_country["Leads"], by_country["Clicks"]) == ("–", "1")
    assert (by_form["Leads"], by_form["Clicks"], by_form["Conversion"]) == ("1", "–", "–")


def rows(page: httpx.Response) -> dict[str, tuple[str, str]]:
    """Of the top lists: label -> the address of its filter, its number."""
    found = re.findall(
        r'<a class="row-link" href="([^"]+)">([^<]+)</a></span><span class="num">([^<]+)</span>', page.text
    )
    return {label: (href.replace("&amp;", "&"), number) for href, label, number in found}


async def test_a_line_of_a_top_list_is_a_filter_that_keeps_the_period(instance: Instance, alice: Person) -> None:
    link = await a_link(alice, title="Spring launch")
    await clicks(instance, click(alice, link=link), click(alice, link=link), click(alice, ago(hours=3)))
    await a_lead(instance, alice, ago(days=1), link=link)
    found = rows(await alice.web.get("/o/acme/?period=7d"))
    form = next(label for label, (href, _) in found.items() if "form=" in href)

    of_link = await alice.web.get(found["Spring launch"][0])
    of_form = await alice.web.get(found[form][0])

    assert found["Spring launch"][0] == f"/o/acme/?period=7d&link={link}"
    assert tiles(of_link)["Clicks"] == found["Spring launch"][1] == "2"
    assert f'href="/o/acme/links/{link}"' in of_link.text and "Remove filter Link Spring launch" in of_link.text
    assert tiles(of_form)["Leads"] == found[form][1] == "1"


@pytest.mark.parametrize(
    ("source", "touch"),
    [
        ("google", {"utm_source": "google", "referrer": "https://www.example.org/"}),
        ("example.org", {"referrer": "https://www.Example.org:8443/a?b=https://example.com/"}),
        ("example.com", {"referrer": "http://example.com?q"}),
        ("m.example.com", {"referrer": "android-app://m.example.com/"}),
        ("Direct or unknown", {}),
        ("Direct or unknown", {"referrer": "about:blank"}),
    ],
)
async def test_a_source_leads_to_as_many_leads_as_it_says(
    instance: Instance, alice: Person, source: str, touch: dict[str, str]
) -> None:
    form = await a_lead(instance, alice, ago(days=1), **touch)
    for other in ({"utm_source": "else"}, {"referrer": "https://example.org.evil.example/example.org/"}):
        await a_lead(instance, alice, ago(days=1), form=form, **other)
    href, number = rows(await alice.web.get("/o/acme/?period=7d"))[source]

    filtered = await alice.web.get(href)

    assert number == tiles(filtered)["Leads"] == "1"
    assert "Remove filter" in filtered.text and rows(filtered)[source] == (href, "1")


async def test_chosen_days_are_a_chip(instance: Instance, alice: Person) -> None:
    await a_lead(instance, alice, ago(days=1))
    page = await alice.web.get("/o/acme/?from=2026-01-01&to=2026-01-31")
    assert "2026-01-01 – 2026-01-31" in page.text and tiles(page)["Leads"] == "0"


@pytest.mark.parametrize("query", ["period=century", "from=soon", "from=2026-02-01&to=2026-01-01"])
async def test_a_period_that_is_none_is_refused(alice: Person, query: str) -> None:
    assert (await alice.web.get(f"/o/acme/?{query}")).status_code == 422


async def test_an_unknown_link_or_form_is_not_found(alice: Person, charlie: Person) -> None:
    theirs = await a_link(charlie)
    assert (await alice.web.get(f"/o/acme/?link={theirs}")).status_code == 404
    assert (await alice.web.get("/o/acme/?form=frm_nope")).status_code == 404


async def test_nobody_sees_another_orgs_numbers(
    instance: Instance, alice: Person, vera: Person, charlie: Person
) -> None:
    await clicks(instance, click(alice), click(alice))
    await a_lead(instance, alice, ago(days=1))
    await a_lead(instance, charlie, ago(days=1))
    assert tiles(await vera.web.get("/o/acme/"))["Clicks"] == "2"
    assert tiles(await charlie.web.get("/o/other/"))["Clicks"] == "0"
    for path in ("", "overview/live", "analytics/timeseries.csv", "analytics/breakdown.csv"):
        assert (await charlie.web.get(f"/o/acme/{path}")).status_code == 404


async def test_a_script_in_a_source_is_text(instance: Instance, alice: Person) -> None:
    await a_lead(instance, alice, ago(days=1), utm_source=SCRIPT)
    page = await alice.web.get("/o/acme/", params={"utm_source": SCRIPT})
    assert SCRIPT not in page.text and "&lt;script&gt;" in page.text


async def test_leads_without_an_address_and_held_submissions_are_named(instance: Instance, alice: Person) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
    await alice.api.post(f"/f/{form['key']}", json={"name": "Nameless"})
    await alice.api.post(f"/f/{form['key']}", json={"email": "bot@example.com", "_gotcha": "x"})
    async with asyncio.timeout(10):
        while instance.machine.journal.stats().submissions.lag_records:
            await asyncio.sleep(0.01)
    page = (await alice.web.get("/o/acme/")).text
    assert "1 lead without an address or number" in page and "1 submission in quarantine" in page


async def test_charts_are_readable_without_seeing_them(instance: Instance, alice: Person) -> None:
    await clicks(instance, *(click(alice, ago(hours=1)) for _ in range(3)))
    page = (await alice.web.get("/o/acme/?period=7d")).text
    assert re.search(r'<svg[^>]*role="img" aria-label="Clicks" aria-describedby="over-2-text"', page)
    assert "Clicks from" in page and "3 in all, 0 in the period before" in page
    assert "<caption>Clicks</caption>" in page and page.count('<th scope="row">') == 14


async def test_every_table_downloads(instance: Instance, alice: Person) -> None:
    link = await a_link(alice, title="=1+1")
    await clicks(instance, click(alice, link=link))
    page = (await alice.web.get("/o/acme/?period=7d")).text
    found = sorted(set(re.findall(r'href="(/o/acme/analytics/[^"]+)"', page)))
    assert len(found) == 3
    for path in found:
        answer = await alice.web.get(path.replace("&amp;", "&"))
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
    by_link = await alice.web.get("/o/acme/analytics/breakdown.csv?dimension=link&metric=clicks&period=7d")
    rows = list(csv.reader(io.StringIO(by_link.text.removeprefix("\ufeff"))))
    assert rows == [["link", "label", "value", "visitors"], [link, "'=1+1", "1", "1"]]


async def test_the_sources_download_as_they_are_shown(instance: Instance, alice: Person) -> None:
    form = await a_lead(instance, alice, ago(days=1), utm_source="google")
    await a_lead(instance, alice, ago(days=1), form=form, referrer="https://www.example.org/a?b=c")
    await a_lead(instance, alice, ago(days=1), form=form)
    page = (await alice.web.get("/o/acme/?period=7d")).text
    [path] = re.findall(r'href="(/o/acme/analytics/sources.csv[^"]*)"', page)
    answer = await alice.web.get(path.replace("&amp;", "&"))
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0] == ["source", "label", "value"]
    assert sorted(row[1:] for row in rows[1:]) == [["Direct or unknown", "1"], ["example.org", "1"], ["google", "1"]]


@pytest.mark.parametrize("query", ["dimension=shoes", "metric=money", "dimension=form", "period=x", "bots=some"])
async def test_a_table_that_is_none_is_refused(alice: Person, query: str) -> None:
    assert (await alice.web.get(f"/o/acme/analytics/breakdown.csv?{query}")).status_code == 422


async def test_open_pages_are_woken_by_leads_and_clicks(instance: Instance, alice: Person, charlie: Person) -> None:
    mine, theirs = live.stream(alice.org.id), live.stream(charlie.org.id)
    assert [await anext(mine), await anext(theirs)] == [PING, PING]
    waiting = asyncio.create_task(anext(mine)), asyncio.create_task(anext(theirs))
    await asyncio.sleep(0)

    await a_lead(instance, alice, ago(minutes=1))
    assert await asyncio.wait_for(waiting[0], 5) == CHANGED
    again = asyncio.create_task(anext(mine))
    await asyncio.sleep(0)
    live.wake([alice.org.id])

    assert await asyncio.wait_for(again, 5) == CHANGED
    assert not waiting[1].done()
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    await mine.aclose()
    await theirs.aclose()


async def test_the_page_has_one_stream(instance: Instance, alice: Person) -> None:
    await a_lead(instance, alice, ago(days=1))
    page = (await alice.web.get("/o/acme/?period=7d")).text
    assert re.findall(r'data-refresh-events="([^"]+)"', page) == ["/o/acme/overview/live"]
    assert 'data-refresh-url="/o/acme/?period=7d"' in page


async def test_without_the_event_store_the_rest_is_shown(
    instance: Instance, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while a damaged file is put aside and a new one made."""
    link = await a_link(alice)
    await a_lead(instance, alice, ago(days=1))
    store: Any = access.of(instance.machine)

    async def down(*_: object, **__: object) -> Sequence[object]:
        raise EventsUnavailable

    monkeypatch.setattr(store.engine, "read" if hasattr(store.engine, "read") else "ask", down)
    page = await alice.web.get("/o/acme/?period=7d&utm_medium=")
    of_link = await alice.web.get(f"/o/acme/links/{link}?period=7d")
    answer = await alice.api.get("/api/v1/analytics/totals?from=2026-01-01&to=2026-01-02")

    assert tiles(page)["Leads"] == "1" and tiles(page)["Clicks"] == "–"
    assert "Clicks cannot be counted" in page.text and "Clicks cannot be counted" in of_link.text
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"] == "events_unavailable"
    assert (await alice.api.get("/api/v1/analytics/totals?metric=leads")).json()["value"] == 1


async def test_hours_of_today(instance: Instance, alice: Person) -> None:
    await clicks(instance, click(alice, ago(seconds=1)), click(alice, ago(seconds=1) - timedelta(days=1)))
    await a_lead(instance, alice, ago(days=3))
    page = await alice.web.get("/o/acme/?period=today")
    assert tiles(page)["Clicks"] == "1" and notes(page)["Clicks"] == "±0 % 1 before"
