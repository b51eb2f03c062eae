"""The script on somebody else's page: nothing is lost without a network, nothing is kept without consent."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import steps
from tests.browser.steps import Office

NOTHING_UNSENT = "() => !(localStorage.s2c_unsent ?? '')"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A visitor whose network is ours to break: complaints of the browser are expected."""
    visitor = steps.visit(browser)
    yield visitor.page
    visitor.context.close()


def kept(page: Page) -> list[str]:
    """The names of what is in the browser's storage."""
    names: list[str] = page.evaluate("Object.keys(localStorage).sort()")
    return names


def send(page: Page, office: Office, email: str) -> None:
    page.goto(f"{office.form_url}/sample?utm_source=ad")
    steps.fill(page, email, First_name="Olaf")
    page.get_by_role("button", name="Send").click()
    page.wait_for_function("() => localStorage.s2c_unsent")


def come_back(page: Page, office: Office) -> None:
    page.unroute_all(behavior="ignoreErrors")
    page.goto(f"{office.form_url}/sample")
    page.wait_for_function(NOTHING_UNSENT)


def test_what_was_sent_without_a_network_is_sent_on_the_next_visit_once(page: Page, office: Office) -> None:
    page.route(office.form_url, lambda route: route.abort("internetdisconnected"))
    send(page, office, "offline@example.com")
    assert kept(page) == ["s2c_unsent"]
    come_back(page, office)
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert office.soon("offline@example.com")["submissions"] == 1
    assert office.soon("offline@example.com")["attribution"]["last"]["utm_source"] == "ad"
    assert kept(page) == []


def test_when_only_the_answer_was_lost_the_second_sending_counts_once(page: Page, office: Office) -> None:
    def swallow(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    page.route(office.form_url, swallow, times=1)
    with page.expect_event("requestfailed"):
        send(page, office, "answer@example.com")
    page.wait_for_function(NOTHING_UNSENT)
    assert office.soon("answer@example.com")["submissions"] == 1


def test_nothing_is_kept_in_the_browser_before_consent(page: Page, office: Office) -> None:
    page.goto(f"{office.form_url}/sample?utm_source=first")
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert kept(page) == []
    page.evaluate("window.site2crm.consent()")
    assert kept(page) == ["s2c_touch"]
    page.goto(f"{office.form_url}/sample?utm_source=second")
    steps.fill(page, "consent@example.com")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("Thank you")
    touches = office.soon("consent@example.com")["attribution"]
    assert (touches["first"]["utm_source"], touches["last"]["utm_source"]) == ("first", "second")
    assert kept(page) == ["s2c_touch"]
    assert page.context.cookies() == []


def test_the_click_on_a_short_link_comes_with_the_form(page: Page, office: Office) -> None:
    link = a_link(office, "sample")
    page.goto(link["short_url"])
    assert "s2c_click=" in page.url
    steps.fill(page, "clicked@example.com")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("Thank you")
    last = office.soon("clicked@example.com")["attribution"]["last"]
    assert (last["link"], last["short_url"]) == (link["id"], link["short_url"])
    assert "s2c_click" not in last["page_url"] + last["landing_url"]
    assert kept(page) == []


def test_the_click_is_remembered_for_later_pages_after_consent(page: Page, office: Office) -> None:
    link = a_link(office, "later")
    page.goto(link["short_url"])
    page.evaluate("window.site2crm.consent()")
    assert "s2c_click" not in page.evaluate("JSON.parse(localStorage.s2c_touch).first.landing_url")
    page.goto(f"{office.form_url}/sample")
    steps.fill(page, "later@example.com")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("Thank you")
    touches = office.soon("later@example.com")["attribution"]
    assert touches["first"]["link"] == touches["last"]["link"] == link["id"]


def test_a_websites_own_hidden_field_is_filled(page: Page, office: Office) -> None:
    link = a_link(office, "own-form")
    own = f"""<form action="{office.form_url}" method="post"><label>E-mail <input name="email"></label>
        <input type="hidden" name="s2c_click"><button>Send</button></form>
        <script src="{office.form_url}/embed.js"></script>"""
    page.route("**/sample*", lambda route: route.fulfill(body=own, content_type="text/html"))
    page.goto(office.api.get(link["short_url"]).headers["location"])
    steps.fill(page, "own@example.com")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert office.soon("own@example.com")["attribution"]["last"]["link"] == link["id"]


def a_link(office: Office, slug: str) -> dict[str, str]:
    """A short link to the sample landing page."""
    made = office.api.post("/api/v1/links", json={"url": f"{office.form_url}/sample", "slug": slug})
    assert made.status_code == 201, made.text
    link: dict[str, str] = made.json()
    return link
