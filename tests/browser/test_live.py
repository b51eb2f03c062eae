"""Pages that keep themselves up to date must not take away what somebody is doing."""

import re

from playwright.sync_api import Route, expect

from tests.browser.steps import Office, Visitor
from tests.browser.test_story import open_lead


def test_a_detail_opened_while_a_refresh_is_on_its_way_stays_open(owner: Visitor, office: Office) -> None:
    office.post(email="race@example.com", first_name="Rae")
    page = owner.page
    open_lead(page, office, "race@example.com")
    expect(page.locator("#history").get_by_text("Delivered to HubSpot")).to_be_visible()
    held: list[Route] = []
    page.route(re.compile(r"/leads/led_\w+$"), lambda route: held.append(route))  # noqa: PLW0108 - the driver marks what it is given
    page.evaluate("document.querySelector('#history').dataset.refreshSeconds = '0'")
    while not held:
        page.wait_for_timeout(50)
    page.locator("#history details").first.locator("summary").first.click()
    [route.continue_() for route in held]
    page.wait_for_timeout(1500)
    assert page.evaluate("document.querySelector('#history details').open")
