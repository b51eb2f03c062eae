"""Signing in at a CRM, in a browser with its own ideas of cookies, forms and other sites.

The CRM is 127.0.0.1 and we are localhost: to a browser that is another site, as it will be for customers.
"""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from site2crm.demo.hubspot_oauth import CLIENT_ID, CLIENT_SECRET
from tests import chaos
from tests.browser import steps
from tests.browser.steps import Visitor
from tests.server import Server, free_port


@pytest.fixture(scope="module")
def server(crm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    app = f'client_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
    settings = chaos.config(crm).replace("[intake]", f"{app}[intake]")
    config = f'public_url = "http://localhost:{port}"\n{settings}'
    running = Server(tmp_path_factory.mktemp("server"), config, port=port).start()
    running.setup_url = steps.setup_link(running)
    yield running
    running.stop()


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def visitor(request: pytest.FixtureRequest, browser: Browser, owner: Visitor) -> Iterator[Visitor]:
    found = steps.visit(browser, state=owner.context.storage_state(), script=request.param)
    yield found
    assert found.complaints == []
    found.context.close()


def sign_in(page: Page, answer: str) -> None:
    """At HubSpot, to which our page has led."""
    page.wait_for_url(re.compile(r"//127\.0\.0\.1:\d+/oauth/authorize\?"))
    page.get_by_role("button", name=answer).click()
    page.wait_for_url(re.compile(r"//localhost:\d+/o/acme/crms/"))


def test_two_clicks_connect_a_crm_and_one_mends_it(visitor: Visitor, server: Server, crm: str) -> None:
    page, base = visitor.page, f"http://localhost:{server.port}/o/acme/crms"
    page.goto(f"{base}/new/hubspot")
    page.get_by_role("button", name="Sign in at HubSpot").click()
    sign_in(page, "Cancel")
    expect(page.get_by_text("You did not allow it at HubSpot")).to_be_visible()

    page.get_by_role("button", name="Sign in at HubSpot").click()
    sign_in(page, "Connect app")
    expect(page.get_by_text("Connected to HubSpot account 62515")).to_be_visible()
    assert re.search(r"/crms/con_\w+$", page.url)

    httpx.post(f"{crm}/_fake/uninstall")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("Stopped: leads wait, none is lost")).to_be_visible()
    page.get_by_role("button", name="Reconnect").click()
    sign_in(page, "Connect app")
    expect(page.get_by_text("Waiting leads go out now")).to_be_visible()
    expect(page.get_by_text("Stopped: leads wait, none is lost")).to_have_count(0)
