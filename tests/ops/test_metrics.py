"""What a scraper is told, and who may be one."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from site2crm.app import Instance
from tests import cast
from tests.cast import Person

TOKEN = "a-token-of-thirty-two-characters"


def read(answer: httpx.Response) -> dict[str, dict[str, float]]:
    """{name: {labels: value}}, by the format's own library; a text that breaks a rule raises."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def test_requests_are_counted_by_route_and_status(nobody: httpx.AsyncClient, alice: Person) -> None:
    for path in ("/o/acme/leads", "/o/acme/leads", "/o/acme/leads/led_nowhere", "/api/v1/leads"):
        await alice.web.get(path)
    await nobody.get("/help")
    await nobody.get("/no/such/page")
    found = read(await nobody.get("/metrics"))
    routes = found["site2crm_requests_total"]
    assert routes["route=/o/{org}/leads,method=GET,status=2xx"] == 2
    assert routes["route=/help,method=GET,status=2xx"] == 1
    assert not any("led_nowhere" in labels or "no/such" in labels for labels in routes)
    assert found["site2crm_answer_seconds_count"]["kind=page"] >= 3
    assert (
        found["site2crm_answer_seconds_bucket"]["kind=page,le=+Inf"]
        == found["site2crm_answer_seconds_count"]["kind=page"]
    )


async def test_redirects_and_submissions_are_counted(nobody: httpx.AsyncClient, alice: Person) -> None:
    form = (await alice.api.post("/api/v1/forms", json={"name": "Contact"})).json()
    link = (await alice.api.post("/api/v1/links", json={"url": "https://example.com/", "slug": "go"})).json()
    await nobody.post(f"/f/{form['key']}", data={"email": "a@example.com"})
    for _ in range(3):
        assert (await nobody.get(f"/{link['slug']}")).status_code == 302
    found = read(await nobody.get("/metrics"))
    assert found["site2crm_redirects_total"][""] == 3
    assert found["site2crm_answer_seconds_count"]["kind=form"] == 1
    assert found["site2crm_requests_total"]["route=/f,method=POST,status=2xx"] == 1
    assert found["site2crm_journal_appended_total"] == {"stream=submissions": 1, "stream=events": 3}


async def test_what_waits_and_what_is_left_is_told(nobody: httpx.AsyncClient) -> None:
    found = read(await nobody.get("/metrics"))
    for name in (
        "jobs", "jobs_oldest_due_seconds", "deliveries", "breakers", "journal_lag_records", "disk_free_bytes",
        "journal_oldest_unread_seconds", "events_dropped_total", "memory_bytes", "alarms", "database_up", "open_files",
    ):  # fmt: skip
        assert f"site2crm_{name}" in found, name
    assert set(found["site2crm_deliveries"]) == {
        f"state={state}" for state in ("pending", "sending", "retrying", "parked", "dead", "skipped")
    }
    assert found["site2crm_memory_bytes"][""] > 10_000_000


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_what_a_proxy_passes_on_is_not_this_machine(nobody: httpx.AsyncClient, header: str) -> None:
    assert (await nobody.get("/metrics", headers={header: "127.0.0.1"})).status_code == 403


@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"])
async def test_a_refusal_is_for_programs_and_says_both_ways_in(nobody: httpx.AsyncClient, accept: str) -> None:
    refused = await nobody.get("/metrics", headers={"Via": "1.1 proxy", "Accept": accept})
    problem = refused.json()
    assert refused.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["code"]) == (403, "figures_withheld")
    assert "http://127.0.0.1" in problem["detail"]
    assert "metrics_token" in problem["detail"]
    assert "Bearer" in problem["detail"]


async def test_strangers_and_other_hosts_are_refused(instance: Instance) -> None:
    transport = httpx.ASGITransport(app=instance.app, client=("203.0.113.9", 50000))
    async with httpx.AsyncClient(transport=transport, base_url=cast.BASE) as stranger:
        answer = await stranger.get("/metrics")
        assert (answer.status_code, "metrics_token" in answer.text) == (403, True)
    async with cast.client(instance) as local:
        assert (await local.get("/metrics", headers={"Host": "links.example"})).status_code == 404


async def test_the_public_name_is_refused_even_from_this_machine(tmp_path_factory: pytest.TempPathFactory) -> None:
    flags = {"server__public_url": "https://leads.acme.example"}
    async with cast.an_instance(tmp_path_factory.mktemp("public"), **flags) as instance, cast.client(instance) as proxy:
        assert (await proxy.get("/metrics", headers={"Host": "leads.acme.example"})).status_code == 403


async def test_a_token_opens_it_from_everywhere_and_nothing_else_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with cast.an_instance(tmp_path_factory.mktemp("token"), server__metrics_token=TOKEN) as instance:
        transport = httpx.ASGITransport(app=instance.app, client=("203.0.113.9", 50000))
        async with httpx.AsyncClient(transport=transport, base_url=cast.BASE) as remote, cast.client(instance) as local:
            right, wrong = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {TOKEN}x"}
            assert (await remote.get("/metrics", headers=right)).status_code == 200
            assert (await remote.get("/metrics", headers=wrong)).status_code == 403
            assert (await local.get("/metrics")).status_code == 403


async def test_made_up_methods_and_paths_do_not_grow_the_list(nobody: httpx.AsyncClient) -> None:
    for number in range(30):
        await nobody.request(f"METHOD{number}", f"/deep/{number}", headers={"Sec-Fetch-Site": "none"})
    routes = read(await nobody.get("/metrics"))["site2crm_requests_total"]
    assert len(routes) == 1
    assert next(iter(routes)).startswith("route=unknown,method=other")
