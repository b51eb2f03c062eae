"""Pages that keep themselves up to date must not take away what somebody is doing."""

import re

from playwright.sync_api import Browser, Route, expect

from tests.browser import steps
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


def test_what_a_refused_filter_says_stays_until_the_filter_is_mended(owner: Visitor, office: Office) -> None:
    page = owner.page
    office.post(email="here@example.com", first_name="Hera")
    page.goto(f"{office.base}/leads")
    expect(page.get_by_text("here@example.com")).to_be_visible()
    page.evaluate("document.querySelector('[name=from]').type = 'text'")  # as a browser that knows no dates
    page.locator("[name=from]").fill("soon")
    refused = page.locator("#leads").get_by_text("A day such as")
    expect(refused).to_be_visible()
    page.evaluate("document.querySelector('#leads').dataset.refreshSeconds = '0'")
    page.wait_for_timeout(2500)
    expect(refused).to_be_visible()
    page.locator("[name=from]").fill("2020-01-01")
    expect(page.get_by_text("here@example.com")).to_be_visible()
    owner.complaints.clear()  # the browser's own, about the 422


def test_a_refresh_that_was_asked_for_before_the_filter_is_not_shown(owner: Visitor, office: Office) -> None:
    page = owner.page
    office.post(email="wanted@example.com", first_name="Wanda")
    office.post(email="other@example.com", first_name="Otto")
    office.soon("other@example.com")
    page.goto(f"{office.base}/leads")
    page.locator("#leads tr", has_text="other@example.com").get_by_role("checkbox").check()
    held: list[Route] = []
    unfiltered = re.compile(r"/leads$")
    page.route(unfiltered, lambda route: held.append(route))  # noqa: PLW0108 - the driver marks what it is given
    page.locator("#leads tr", has_text="other@example.com").get_by_role("checkbox").uncheck()
    page.locator("h1").click()
    page.evaluate("document.querySelector('#leads').dataset.refreshSeconds = '0'")
    while not held:
        page.wait_for_timeout(50)
    page.locator("#leads tr", has_text="other@example.com").get_by_role("checkbox").check()
    page.get_by_label("Search leads").fill("wanted")
    expect(page.get_by_text("other@example.com")).to_have_count(0)
    expect(page.get_by_text("wanted@example.com")).to_be_visible()
    [route.continue_() for route in held]
    page.unroute(unfiltered)
    page.wait_for_timeout(1500)
    expect(page.get_by_text("other@example.com")).to_have_count(0)


def test_a_page_is_asked_for_as_often_as_it_says(owner: Visitor, office: Office) -> None:
    page = owner.context.new_page()
    page.clock.install()
    page.goto(f"{office.base}/crms")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/crms") else None)
    page.evaluate("document.querySelector('#crms').dataset.before = 'the answer'")
    with page.expect_response(f"{office.base}/crms"):
        page.clock.run_for(15_000)
    expect(page.locator("#crms")).not_to_have_attribute("data-before", "the answer")
    page.clock.run_for(14_000)
    assert asked == [f"{office.base}/crms"]
    page.close()


def test_the_page_of_a_crm_follows_what_is_done_elsewhere(owner: Visitor, office: Office) -> None:
    page, other = owner.page, owner.context.new_page()
    page.goto(f"{office.base}/crms/{office.inbox}")
    page.get_by_label("Name", exact=True).fill("A name that is not saved yet")
    page.locator("h1").click()
    other.goto(page.url)
    other.get_by_role("button", name="Pause").click()
    expect(other.get_by_role("button", name="Resume")).to_be_visible()
    page.evaluate(
        "for (const part of document.querySelectorAll('[data-refresh-url]')) part.dataset.refreshSeconds = '1'"
    )
    expect(page.locator("h1").get_by_text("paused")).to_be_visible()
    expect(page.get_by_text("New leads wait until it is resumed.")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("A name that is not saved yet")
    other.get_by_role("button", name="Resume").click()
    expect(other.locator("h1").get_by_text("active")).to_be_visible()
    other.close()


def test_the_page_of_a_crm_counts_what_is_delivered_and_compared_meanwhile(owner: Visitor, office: Office) -> None:
    page = owner.page
    page.goto(f"{office.base}/crms/{office.hubspot}")
    assert office.api.post(f"/api/v1/connections/{office.hubspot}/compare").status_code == 202
    expect(page.locator("#compared").get_by_text("Looked up")).to_be_visible()
    delivered = page.locator("#delivered .tile", has_text="Delivered").locator("dd").first
    before = delivered.inner_text()
    office.post(email="counted@example.com")
    expect(delivered).not_to_have_text(before)


def test_parts_of_a_page_that_are_due_together_ask_once(owner: Visitor, office: Office) -> None:
    page = owner.context.new_page()
    page.clock.install()
    page.goto(f"{office.base}/crms/{office.hubspot}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url == page.url else None)
    parts = page.locator("[data-refresh-url]")
    parts.evaluate_all("(all) => all.forEach((part) => (part.dataset.refreshSeconds = part.dataset.old = '10'))")
    count = parts.count()
    page.clock.run_for(10_000)
    expect(page.locator("[data-old]")).to_have_count(0)
    assert (count > 2, asked) == (True, [page.url])
    page.close()


def test_what_a_refused_form_of_a_crm_says_is_not_asked_away(owner: Visitor, office: Office) -> None:
    page = owner.page
    page.goto(f"{office.base}/crms/{office.hubspot}")
    page.get_by_label("Access token").fill("Bearer pat-na1-wrong")
    page.get_by_role("button", name="Test and save").click()
    expect(page.get_by_role("alert")).to_contain_text("Copy it again in HubSpot.")
    assert page.locator("#state[data-refresh-url], #access[data-refresh-url]").count() == 0
    owner.complaints.clear()  # the browser's own, about the 422


def test_a_page_stays_when_the_session_ends_and_says_so_until_somebody_logs_in(
    browser: Browser, owner: Visitor, office: Office
) -> None:
    visitor = steps.visit(browser, state=owner.context.storage_state())
    page, signed_in = visitor.page, visitor.context.cookies()
    page.goto(f"{office.base}/crms")
    visitor.context.clear_cookies()
    page.evaluate("document.querySelector('#crms').dataset.refreshSeconds = '1'")
    told = page.get_by_text("You are logged out")
    expect(told).to_be_visible()
    expect(page.locator("#crms").get_by_role("link", name="HubSpot").first).to_be_visible()
    visitor.context.add_cookies(signed_in)  # type: ignore[arg-type]  # what one reads is what one writes
    expect(told).to_have_count(0)
    visitor.context.clear_cookies()
    page.get_by_role("link", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/login\?next=%2Fo%2F.*crms$"))
    visitor.context.close()


def test_what_was_entered_is_saved_after_logging_in_again(browser: Browser, owner: Visitor, office: Office) -> None:
    visitor = steps.visit(browser, state=owner.context.storage_state())
    page, signed_in = visitor.page, visitor.context.cookies()
    page.goto(f"{office.base}/crms/{office.inbox}")
    page.get_by_label("Name", exact=True).fill("Entered before the session ended")
    visitor.context.clear_cookies()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    visitor.context.add_cookies(signed_in)  # type: ignore[arg-type]
    page.reload()
    expect(page.locator("h1")).to_contain_text("Entered before the session ended")
    visitor.context.close()
