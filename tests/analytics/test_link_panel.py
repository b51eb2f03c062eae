"""What a link's page shows of its clicks."""

import re

import pytest

from site2crm.app import Instance
from tests.analytics.happening import a_lead, a_link, ago, click, clicks
from tests.analytics.test_overview import notes, tiles
from tests.cast import Person


@pytest.fixture
async def link(instance: Instance, alice: Person) -> str:
    """Five clicks of four people in this period, two in the one before; three of machines; another link's one."""
    link, other = await a_link(alice, title="Spring launch"), await a_link(alice)
    told = {
        "link": link,
        "country": "AT",
        "device": "mobile",
        "browser": "Firefox",
        "language": "de",
        "referrer": "t.co",
    }
    again = {**told, "visitor": "ab" * 8}
    await clicks(
        instance,
        *(click(alice, ago(hours=2), **again) for _ in range(2)),
        *(click(alice, ago(hours=3), **told, utm_campaign="spring") for _ in range(2)),
        click(alice, ago(hours=3), link=link, qr="qr"),
        *(click(alice, ago(days=32), link=link) for _ in range(2)),
        *(click(alice, ago(hours=4), link=link, bot=reason) for reason in ("head", "scanner", "head")),
        click(alice, ago(hours=2), link=other, country="JP"),
    )
    await a_lead(instance, alice, ago(hours=1), link=link)
    await a_lead(instance, alice, ago(hours=1), link=other)
    return link


async def test_clicks_visitors_leads_and_conversion(alice: Person, link: str) -> None:
    page = await alice.web.get(f"/o/acme/links/{link}")
    assert tiles(page) == {"Clicks": "5", "Visitors": "4", "Leads": "1", "Conversion": "20 %"}
    assert notes(page)["Clicks"] == "+150.0 % 2 before"


async def test_where_from_and_with_what(alice: Person, link: str) -> None:
    page = (await alice.web.get(f"/o/acme/links/{link}")).text
    for text in ("t.co", "Direct or unknown", "Austria", "Mobile", "Firefox", "German", "spring", "No campaign"):
        assert re.search(rf">{text}</a>", page), text
    assert "Japan" not in page


async def test_machines_and_qr_codes_stand_apart(alice: Person, link: str) -> None:
    page = (await alice.web.get(f"/o/acme/links/{link}")).text
    rows = dict(
        re.findall(r'<span class="truncate">(?:<a[^>]*>)?([^<]+)(?:</a>)?</span><span class="num">([^<]+)</span>', page)
    )
    assert rows["HEAD request"] == "2" and rows["Mail scanner"] == "1" and rows["By QR code"] == "1"


@pytest.mark.parametrize(
    ("label", "query"),
    [
        ("t.co", "referrer=t.co"),
        ("Austria", "country=AT"),
        ("Mobile", "device=mobile"),
        ("No campaign", "utm_campaign="),
    ],
)
async def test_a_line_of_a_table_is_a_filter(alice: Person, link: str, label: str, query: str) -> None:
    page = (await alice.web.get(f"/o/acme/links/{link}?period=90d")).text
    [(href, number)] = re.findall(rf'href="([^"]+)">{label}</a></span><span class="num">(\d+)', page)

    filtered = await alice.web.get(href.replace("&amp;", "&"))

    assert href.replace("&amp;", "&") == f"/o/acme/links/{link}?period=90d&{query}"
    assert tiles(filtered)["Clicks"] == number
    assert "Remove filter" in filtered.text and f'href="/o/acme/links/{link}?period=90d"' in filtered.text
    assert (tiles(filtered)["Leads"] == "–") is (query in {"country=AT", "device=mobile"})


async def test_a_link_has_no_form_to_be_filtered_by(alice: Person, link: str) -> None:
    assert (await alice.web.get(f"/o/acme/links/{link}?form=frm_x")).status_code == 422


async def test_another_period(alice: Person, link: str) -> None:
    assert tiles(await alice.web.get(f"/o/acme/links/{link}?period=90d"))["Clicks"] == "7"
    long_ago = await alice.web.get(f"/o/acme/links/{link}?from=2026-01-01&to=2026-01-31")
    assert tiles(long_ago)["Clicks"] == "0" and "No click in this time." in long_ago.text


async def test_every_table_downloads_what_it_shows(alice: Person, link: str) -> None:
    page = (await alice.web.get(f"/o/acme/links/{link}?period=90d")).text
    found = {path.replace("&amp;", "&") for path in re.findall(r'href="(/o/acme/analytics/[^"]+)"', page)}
    assert len(found) == 9
    for path in found:
        answer = await alice.web.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv"), path
        assert "Japan" not in answer.text
    countries = next(path for path in found if "dimension=country" in path)
    assert "AT,Austria,4,3" in (await alice.web.get(countries)).text
    reasons = next(path for path in found if "dimension=bot" in path)
    assert "head,HEAD request,2" in (await alice.web.get(reasons)).text


async def test_a_viewer_sees_it_and_a_stranger_does_not(vera: Person, charlie: Person, link: str) -> None:
    assert tiles(await vera.web.get(f"/o/acme/links/{link}"))["Clicks"] == "5"
    assert (await charlie.web.get(f"/o/other/links/{link}")).status_code == 404
    assert (await charlie.web.get(f"/o/other/analytics/timeseries.csv?link={link}")).status_code == 404
