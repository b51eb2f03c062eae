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


def set_owner_and_deal(page: Page) -> None:
    """As after a key was entered: from the connection's page to the mapping, and back."""
    page.get_by_role("link", name="Choose the owner").click()
    page.wait_for_url(re.compile(r"/mapping#owner$"))
    page.get_by_role("radio", name="One owner").check()
    owner = page.get_by_role("combobox", name="Owner", exact=True)
    owner.select_option(owner.locator("option", has_text="Olive Owner").last.get_attribute("value"))
    page.get_by_label("Make a deal in HubSpot").check()
    page.get_by_role("button", name="Save mapping").click()
    page.wait_for_url(re.compile(r"/crms/con_\w+$"))
    expect(page.get_by_text("Olive Owner")).to_be_visible()
    expect(page.get_by_role("link", name="Change the deal")).to_be_visible()


def test_from_a_sign_in_to_a_key_and_back(visitor: Visitor, server: Server) -> None:
    page, base = visitor.page, f"http://localhost:{server.port}/o/acme/crms"
    page.goto(f"{base}/new/hubspot")
    page.get_by_role("button", name="Sign in at HubSpot").click()
    sign_in(page, "Connect app")
    there = page.url

    page.get_by_text("Use a key in the place of the sign-in").click()
    page.get_by_label("Access token").fill(chaos.TOKEN)
    page.get_by_role("button", name="Test and use the key").click()
    expect(page.get_by_text("Waiting leads go out now")).to_be_visible()
    assert page.url == there

    page.get_by_text("Sign in at HubSpot in the place of the key").click()
    page.get_by_role("button", name="Sign in at HubSpot").click()
    sign_in(page, "Connect app")
    expect(page.get_by_text("Waiting leads go out now")).to_be_visible()
    assert page.url == there


def test_two_clicks_connect_a_crm_and_one_mends_it(visitor: Visitor, server: Server, crm: str) -> None:
    page, base = visitor.page, f"http://localhost:{server.port}/o/acme/crms"
    httpx.post(f"{crm}/_fake/owners", json={"first": "Olive", "last": "Owner"})
    page.goto(f"{base}/new/hubspot")
    page.get_by_role("button", name="Sign in at HubSpot").click()
    sign_in(page, "Cancel")
    expect(page.get_by_text("You did not allow it at HubSpot")).to_be_visible()

    page.get_by_role("button", name="Sign in at HubSpot").click()
    sign_in(page, "Connect app")
    expect(page.get_by_text("Connected to HubSpot account 62515")).to_be_visible()
    assert re.search(r"/crms/con_\w+$", page.url)
    expect(page.get_by_text("Next, look over its mapping, owners and deals below.")).to_be_visible()
    set_owner_and_deal(page)

    httpx.post(f"{crm}/_fake/uninstall")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("Stopped: leads wait, none is lost")).to_be_visible()
    page.get_by_role("button", name="Reconnect").click()
    sign_in(page, "Connect app")
    expect(page.get_by_text("Waiting leads go out now")).to_be_visible()
    expect(page.get_by_text("Stopped: leads wait, none is lost")).to_have_count(0)
