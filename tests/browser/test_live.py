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


def test_a_page_that_is_open_during_an_upgrade_follows_again(owner: Visitor, office: Office) -> None:
    """Whoever is about to take over answers 503, at which a browser gives its stream up."""
    refused: list[Route] = []

    def answer(route: Route) -> None:
        if len(refused) < 2:
            refused.append(route)
            route.fulfill(status=503, headers={"Retry-After": "2"})
        else:
            route.continue_()

    page = owner.page
    page.route("**/leads/live", answer)
    with page.expect_request(lambda asked: asked.url.endswith("/leads/live") and len(refused) == 2):
        page.goto(f"{office.base}/leads")
    office.post(email="afterwards@example.com", first_name="Ada")
    expect(page.get_by_text("afterwards@example.com")).to_be_visible()
    page.unroute("**/leads/live")
    owner.complaints.clear()  # the browser's own, about the 503
