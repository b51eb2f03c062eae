"""The demo plays the real product: what it shows has come through forms, links and the invented CRMs."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from site2crm.app import Instance
from site2crm.demo import crms, mishaps, opening
from site2crm.demo.clients import CLIENTS
from site2crm.demo.stage import Stage
from tests import cast

DAYS = 3
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Shown:
    instance: Instance
    stage: Stage
    web: httpx.AsyncClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shown]:
    """Played once: only the last test changes anything."""
    folder = tmp_path_factory.mktemp("demo")
    with crms.stage() as stage:
        flags = {f"connectors__{kind}__base_url": stage.url(kind) for kind in crms.CRMS}
        flags |= {"outbound__allow_private": '["127.0.0.1/32"]', "server__trusted_proxies": '["127.0.0.1/32"]'}
        async with cast.an_instance(folder, **flags) as instance:
            password = await opening.play(instance, stage, days=DAYS)
            async with cast.client(instance, Accept="text/html", **{"Sec-Fetch-Site": "same-origin"}) as web:
                entered = await web.post("/login", data={"email": opening.EMAIL, "password": password})
                assert entered.status_code == 303
                yield Shown(instance, stage, web)


async def test_every_client_has_clicks_leads_and_a_crm_that_has_them(shown: Shown) -> None:
    for client in CLIENTS:
        overview = await shown.web.get(f"/o/{client.slug}/")
        assert overview.status_code == 200
        assert client.campaigns[0].title in overview.text
        leads = await shown.web.get(f"/o/{client.slug}/leads")
        assert "@mail.example" in leads.text
        if client.crm in crms.CRMS:
            played = crms.CRMS[client.crm]
            room = played.room(shown.stage.servers[client.crm])
            arrived = [email for _, email in shown.stage.do(room.people)]
            assert arrived
            assert arrived[-1] in leads.text


async def test_what_the_salespeople_did_comes_back(shown: Shown) -> None:
    for client in CLIENTS:
        deals, people = [await shown.web.get(f"/o/{client.slug}/deals{page}") for page in ("", "/people")]
        assert any(f"{goods}, " in deals.text for goods in client.goods), client.slug
        assert client.salespeople[0][1] in people.text


async def test_what_went_wrong_on_the_last_afternoon_is_told_with_its_cure(shown: Shown) -> None:
    everywhere = (await shown.web.get("/agency/crms")).text
    assert "Stopped: unauthorized access" in everywhere
    assert "Leads arrive without Lead source detail" in everywhere
    waiting = await shown.web.get("/o/bloom-dental/deliveries?state=waiting")
    refused = await shown.web.get("/o/summit-coaching/deliveries?state=dead")
    assert "unauthorized access" in waiting.text
    assert "phone is missing" in refused.text


async def test_a_clients_website_has_its_form(shown: Shown) -> None:
    async with httpx.AsyncClient(base_url=shown.stage.url(crms.WEBSITE)) as site:
        page = await site.get(f"/{CLIENTS[0].slug}")
    assert CLIENTS[0].name in page.text
    assert "/embed.js" in page.text


async def test_the_new_token_mends_what_was_stopped(shown: Shown) -> None:
    [url] = set(re.findall(r"/o/bloom-dental/crms/con_\w+", (await shown.web.get("/agency/crms")).text))
    await shown.web.post(f"{url}/reconnect", data={"settings.token": mishaps.NEW_TOKEN})
    jobs = shown.instance.machine.jobs
    assert jobs is not None
    await jobs.run_due()
    waiting = await shown.web.get("/o/bloom-dental/deliveries?state=waiting")
    assert "No delivery fits" in waiting.text
