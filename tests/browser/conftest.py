"""A real server, a fake CRM beside it, and the distribution's Chromium."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests import chaos
from tests.browser import steps
from tests.browser.steps import Office, Visitor
from tests.server import Server

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FAST = (  # tests fill a form at once, and do not wait for hours
    "min_fill_seconds = 0\n[queue]\njitter = 0.0\nretry = [" + ", ".join(['"0s"', *['"1s"'] * 60]) + "]\n"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing: the Makefile says how to install it")
    expect.set_options(timeout=steps.PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def crm() -> Iterator[str]:
    with chaos.fake_hubspot() as url:
        yield url


@pytest.fixture(scope="module")
def server(crm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"), chaos.config(crm) + FAST).start()
    running.setup_url = steps.setup_link(running)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Olga, who opened the link of the first start and made her organisation."""
    visitor = steps.visit(browser)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    steps.set_up(visitor.page, server.setup_url)
    yield visitor
    visitor.context.close()
    assert visitor.complaints == []


@pytest.fixture(scope="module")
def office(owner: Visitor, server: Server, crm: str) -> Iterator[Office]:
    """Her organisation, with one form made in the editor, a Test inbox and HubSpot."""
    key = server.cli("key", "create", "--org", "acme", "--scopes", "all")["key"]
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as api:
        office = Office(server.url, crm, api)
        office.form = steps.make_form(owner.page, office)
        office.inbox = steps.connect(owner.page, office, "Test inbox")
        office.hubspot = steps.connect(owner.page, office, "HubSpot", token=chaos.TOKEN)
        yield office
