"""The analytics API: totals, over time, by anything; for whom; and what it refuses."""

import csv
import io
from datetime import timedelta
from typing import Any

import httpx
import pytest

from site2crm.app import Instance
from site2crm.kit import clock
from tests.analytics.happening import NOON, a_lead, a_link, ago, click, clicks, figures
from tests.cast import Person

REPORTS = ("totals", "timeseries", "breakdown?dimension=country")
NOVEMBER = {"from_": "2026-11-01", "to": "2026-11-30"}


async def test_clicks_are_counted_with_their_visitors_and_the_period_before(instance: Instance, alice: Person) -> None:
    twice = click(alice, NOON, visitor="ab" * 8)
    await clicks(instance, twice, click(alice, NOON, visitor="ab" * 8), click(alice, NOON))
    await clicks(instance, click(alice, NOON - timedelta(days=30)))

    found = await figures(alice, "totals", metric="clicks", **NOVEMBER)

    assert (found["metric"], found["value"], found["visitors"]) == ("clicks", 3, 2)
    assert (found["from"], found["to"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert found["previous"]["value"] == 1
    assert (found["previous"]["from"], found["previous"]["to"]) == ("2026-10-02T00:00:00Z", "2026-11-01T00:00:00Z")


async def test_moments_are_compared_with_the_same_length_just_before(instance: Instance, alice: Person) -> None:
    await clicks(instance, click(alice, NOON), click(alice, NOON - timedelta(hours=2)))

    found = await figures(alice, "totals", from_="2026-11-21T11:00:00Z", to="2026-11-21T13:00:00Z")

    assert (found["value"], found["previous"]["value"]) == (1, 1)
    assert found["previous"]["from"] == "2026-11-21T09:00:00Z"


async def test_without_a_time_the_last_thirty_days_are_meant(instance: Instance, alice: Person) -> None:
    await clicks(instance, click(alice, ago(days=29)), click(alice, ago(days=31)))
    found = await figures(alice, "totals")
    assert (found["value"], found["previous"]["value"]) == (1, 1)


@pytest.mark.parametrize(("bots", "value"), [("exclude", 1), ("only", 2), ("all", 3)])
async def test_machines_count_apart(instance: Instance, alice: Person, bots: str, value: int) -> None:
    await clicks(instance, click(alice), click(alice, bot="head"), click(alice, bot="scanner"))
    assert (await figures(alice, "totals", bots=bots))["value"] == value


async def test_reasons_are_a_dimension(instance: Instance, alice: Person) -> None:
    await clicks(instance, click(alice), click(alice, bot="head"), click(alice, bot="head"), click(alice, bot="bot"))
    found = await figures(alice, "breakdown", dimension="bot", bots="only")
    assert [(row["key"], row["label"], row["value"]) for row in found["data"]] == [
        ("head", "HEAD request", 2),
        ("bot", "Bot or tool", 1),
    ]


@pytest.mark.parametrize(
    "dimension",
    ["country", "device", "os", "browser", "language", "referrer", "campaign", "path", "utm_source", "utm_content"],
)
async def test_anything_filters_and_groups(instance: Instance, alice: Person, dimension: str) -> None:
    values: list[dict[str, Any]] = [{dimension: "de"}, {dimension: "de"}, {dimension: "fr"}, {}]
    await clicks(instance, *(click(alice, **value) for value in values))

    found = await figures(alice, "breakdown", dimension=dimension)
    one = await figures(alice, "totals", **{dimension: "de"})
    either = await figures(alice, "totals", **{dimension: ["de", "fr"]})
    none = await figures(alice, "totals", **{dimension: ""})

    assert [(row["key"], row["value"]) for row in found["data"]] == [("de", 2), ("", 1), ("fr", 1)]
    assert [each["value"] for each in (one, either, none)] == [2, 3, 1]


async def test_names_stand_beside_keys(instance: Instance, alice: Person) -> None:
    link = await a_link(alice, title="Spring launch")
    await clicks(instance, click(alice, link=link, country="DE", language="pt-BR"))
    labels = [
        (await figures(alice, "breakdown", dimension=name))["data"][0] for name in ("link", "country", "language")
    ]
    assert [row["label"] for row in labels] == ["Spring launch", "Germany", "Portuguese (BR)"]
    assert labels[0]["key"] == link


async def test_every_interval_has_a_point(instance: Instance, alice: Person) -> None:
    await clicks(instance, click(alice, NOON), click(alice, NOON + timedelta(days=1)), click(alice, NOON))
    found = await figures(alice, "timeseries", interval="day", from_="2026-11-20", to="2026-11-22")
    assert [(row["at"], row["value"]) for row in found["data"]] == [
        ("2026-11-20T00:00:00Z", 0),
        ("2026-11-21T00:00:00Z", 2),
        ("2026-11-22T00:00:00Z", 1),
    ]
    assert len(found["previous"]["data"]) == 3


@pytest.mark.parametrize("metric", ["clicks", "leads"])
async def test_days_are_those_of_the_zone_where_clocks_change(instance: Instance, alice: Person, metric: str) -> None:
    """On 25 October 2026 a day in Berlin has 25 hours; 23:30 UTC on the 24th belongs to it, on the 25th no more."""
    late = (NOON.replace(month=10, day=24, hour=23, minute=30), NOON.replace(month=10, day=25, hour=23, minute=30))
    if metric == "clicks":
        await clicks(instance, *(click(alice, at) for at in late))
    else:
        for at in late:
            await a_lead(instance, alice, at)

    days = {"from_": "2026-10-24", "to": "2026-10-26", "tz": "Europe/Berlin"}
    daily = await figures(alice, "timeseries", metric=metric, interval="day", **days)
    hourly = await figures(alice, "timeseries", metric=metric, interval="hour", **days)

    assert [row["value"] for row in daily["data"]] == [0, 1, 1]
    assert [row["at"] for row in daily["data"]] == [
        "2026-10-23T22:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
    ]
    assert len(hourly["data"]) == 24 + 25 + 24


async def test_conversion_is_leads_with_a_click_by_clicks_of_people(instance: Instance, alice: Person) -> None:
    link, other = await a_link(alice), await a_link(alice)
    await clicks(
        instance, *(click(alice, NOON, link=link) for _ in range(4)), click(alice, NOON, link=link, bot="head")
    )
    await clicks(instance, click(alice, NOON, link=other))
    await a_lead(instance, alice, NOON, link=link)
    await a_lead(instance, alice, NOON)

    found = await figures(alice, "totals", metric="conversion", **NOVEMBER)
    of_link = await figures(alice, "totals", metric="conversion", link=link, **NOVEMBER)
    by_link = await figures(alice, "breakdown", metric="conversion", dimension="link", **NOVEMBER)

    assert (found["value"], found["leads"], found["clicks"]) == (0.2, 1, 5)
    assert of_link["value"] == 0.25
    assert [(row["key"], row["value"]) for row in by_link["data"]] == [(link, 0.25), (other, 0.0)]
    assert found["previous"]["value"] is None


async def test_leads_are_known_by_form_link_campaign_and_source(instance: Instance, alice: Person) -> None:
    link = await a_link(alice)
    form = await a_lead(instance, alice, NOON, link=link, utm_source="google")
    await a_lead(instance, alice, NOON, form=form)
    await a_lead(instance, alice, NOON, utm_source="bing")

    async def by(dimension: str, **query: str) -> list[tuple[str, int]]:
        found = await figures(alice, "breakdown", metric="leads", dimension=dimension, **NOVEMBER, **query)
        return [(row["key"], row["value"]) for row in found["data"]]

    assert (await by("form"))[0] == (form, 2)
    assert await by("link") == [(link, 1)]
    assert await by("campaign") == [("spring", 1)]
    assert await by("utm_source") == [("", 1), ("bing", 1), ("google", 1)]
    assert await by("utm_source", form=form) == [("", 1), ("google", 1)]
    assert await by("campaign", link=link) == [("spring", 1)]
    assert await by("link", campaign="") == []
    assert (await figures(alice, "totals", metric="leads", link=link, **NOVEMBER))["value"] == 1
    assert (await figures(alice, "totals", metric="leads", utm_source="", **NOVEMBER))["value"] == 1


async def test_archiving_a_lead_changes_no_figure(instance: Instance, alice: Person) -> None:
    await a_lead(instance, alice, ago(hours=1))
    [lead] = (await alice.api.get("/api/v1/leads")).json()["data"]
    await alice.web.post(f"/o/acme/leads/{lead['id']}/archive")
    assert (await figures(alice, "totals", metric="leads"))["value"] == 1


BAD: list[tuple[str, str, str]] = [
    ("totals?metric=revenue", "metric", "clicks"),
    ("totals?bots=maybe", "bots", "exclude"),
    ("totals?from=yesterday", "from", "2026-11-21"),
    ("totals?to=2026-13-01", "to", "2026-11-21"),
    ("totals?from=2026-11-02&to=2026-11-01", "to", "after"),
    ("totals?from=2026-11-02T10:00:00Z&to=2026-11-02T10:00:00Z", "to", "after"),
    ("totals?from=0001-01-01", "from", "year"),
    ("totals?to=9999-12-31T23:59:59Z", "to", "year"),
    ("totals?from=2000-01-01&to=2026-01-01", "from", "at once"),
    ("totals?tz=Mars/Olympus", "tz", "Europe/Berlin"),
    ("totals?tz=../../etc/passwd", "tz", "Europe/Berlin"),
    ("totals?tz=America", "tz", "Europe/Berlin"),
    ("totals?format=xml", "format", "csv"),
    ("totals?contry=DE", "contry", "country"),
    ("totals?form=frm_1", "form", "leads"),
    ("totals?metric=leads&country=DE", "country", "known by"),
    ("totals?country=" + "x" * 500, "country", "400"),
    ("totals?country=%00", "country", "null"),
    ("totals?" + "&".join(f"country=C{n}" for n in range(60)), "country", "50"),
    ("timeseries?interval=minute", "interval", "hour"),
    ("timeseries?interval=hour&from=2026-01-01&to=2026-11-01", "interval", "1,000"),
    ("breakdown", "dimension", "country"),
    ("breakdown?dimension=shoe_size", "dimension", "country"),
    ("breakdown?dimension=org", "dimension", "country"),
    ("breakdown?dimension=device&metric=leads", "dimension", "known by"),
    ("breakdown?dimension=form", "dimension", "leads"),
    ("breakdown?dimension=country&limit=0", "limit", "1,000"),
    ("breakdown?dimension=country&limit=1001", "limit", "1,000"),
    ("breakdown?dimension=country&limit=many", "limit", ""),
]


@pytest.mark.parametrize(("path", "field", "cure"), BAD, ids=[path[:60] for path, _, _ in BAD])
async def test_what_cannot_be_counted_is_refused_with_the_cure(alice: Person, path: str, field: str, cure: str) -> None:
    answer = await alice.api.get(f"/api/v1/analytics/{path}")
    problem = answer.json()
    assert answer.status_code == 422 and answer.headers["content-type"].startswith("application/problem+json")
    assert problem["errors"][0]["field"] == field and cure in problem["errors"][0]["message"]


@pytest.mark.parametrize("report", REPORTS)
async def test_another_orgs_link_or_form_does_not_exist(
    instance: Instance, alice: Person, charlie: Person, report: str
) -> None:
    link = await a_link(charlie)
    form = await a_lead(instance, charlie, NOON)
    join = "&" if "?" in report else "?"
    for path in (f"{report}{join}link={link}", f"{report}{join}metric=leads&form={form}"):
        answer = await alice.api.get(
            f"/api/v1/analytics/{path}".replace("dimension=country&metric=leads", "dimension=form&metric=leads")
        )
        assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("report", REPORTS)
async def test_every_role_may_look_and_nobody_else(
    instance: Instance,
    alice: Person,
    bob: Person,
    vera: Person,
    charlie: Person,
    nobody: httpx.AsyncClient,
    report: str,
) -> None:
    await clicks(instance, click(alice, country="DE"))
    path = f"/api/v1/analytics/{report}"
    mine = [(await person.api.get(path)).json() for person in (alice, bob, vera)]
    theirs = (await charlie.api.get(path)).json()
    assert mine[0] == mine[1] == mine[2] != theirs
    assert theirs.get("value", 0) == 0 and sum(row["value"] for row in theirs.get("data", [])) == 0
    assert (await nobody.get(path)).status_code == 401


async def test_a_key_without_the_right_is_refused(alice: Person, nobody: httpx.AsyncClient) -> None:
    made = await alice.api.post("/api/v1/keys", json={"name": "Leads", "scopes": ["leads:read"]})
    answer = await nobody.get("/api/v1/analytics/totals", headers={"Authorization": f"Bearer {made.json()['key']}"})
    assert answer.status_code == 403 and "analytics:read" in answer.text


async def test_every_report_is_a_table_without_formulas(instance: Instance, alice: Person) -> None:
    await clicks(instance, click(alice, NOON, referrer="=cmd|' /C calc'!A0"), click(alice, NOON, referrer="+1"))

    async def rows(path: str) -> list[list[str]]:
        answer = await alice.api.get(f"/api/v1/analytics/{path}&from=2026-11-21&to=2026-11-21&format=csv")
        assert answer.headers["content-type"].startswith("text/csv")
        assert "attachment" in answer.headers["content-disposition"]
        return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))

    by = await rows("breakdown?dimension=referrer")
    over_time = await rows("timeseries?interval=hour")
    total = await rows("totals?metric=clicks")

    assert by[0] == ["referrer", "label", "value", "visitors"]
    assert sorted(row[0] for row in by[1:]) == ["'+1", "'=cmd|' /C calc'!A0"]
    assert over_time[0] == ["at", "value", "visitors", "previous_value"] and len(over_time) == 25
    assert total == [
        ["metric", "period", "value", "visitors"],
        ["clicks", "now", "2", "2"],
        ["clicks", "previous", "0", "0"],
    ]


async def test_the_zone_of_the_org_is_the_default(alice: Person) -> None:
    await alice.api.patch("/api/v1/org", json={"time_zone": "Asia/Kathmandu"})
    found = await figures(alice, "totals", from_="2026-11-21", to="2026-11-21")
    assert (found["tz"], found["from"]) == ("Asia/Kathmandu", "2026-11-20T18:15:00Z")


async def test_a_plus_that_became_a_blank_is_understood(alice: Person) -> None:
    answer = await alice.api.get("/api/v1/analytics/totals?from=2026-11-21T00:00:00+01:00&to=2026-11-22T00:00:00+01:00")
    assert answer.json()["from"] == "2026-11-20T23:00:00Z"


async def test_today_is_compared_with_the_same_part_of_yesterday(instance: Instance, alice: Person) -> None:
    with clock.travel(NOON.replace(minute=20)):
        await clicks(instance, click(alice, NOON), click(alice, NOON - timedelta(days=1)))
        await clicks(instance, click(alice, NOON - timedelta(hours=20)))
        found = await figures(alice, "totals", from_="2026-11-21")
    assert found["to"] == "2026-11-21T13:00:00Z" and found["previous"]["to"] == "2026-11-20T13:00:00Z"
    assert (found["value"], found["previous"]["value"]) == (1, 1)
