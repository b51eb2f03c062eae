"""The story the product is for, as its people see it: from the first start to a contact in the CRM."""

import functools
import http.server
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests import chaos
from tests.browser import steps
from tests.browser.steps import Office, Visitor
from tests.server import Server

SNIPPETS = {
    "Copy Script: shows the form where it stands": r"<script src=.*embed\.js",
    "Copy Plain HTML: works without JavaScript, styled by your page": r"(?s)<form method=.post.*</form>",
    "Copy From anywhere: curl": r"(?s)curl http.*ada%40example\.com",
}
NEW_TOKEN = "pat-na1-new-0000-2222"
CODE = "<script>window.__xss=1</script><img src=x onerror=window.__xss=1>"


def copied(page: Page, button: str) -> str:
    page.get_by_role("button", name=button, exact=True).first.click()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def open_form(page: Page, office: Office) -> None:
    page.goto(f"{office.base}/forms/{office.form}")


def open_lead(page: Page, office: Office, email: str) -> None:
    """From the list, as soon as it is there."""
    page.goto(f"{office.base}/leads")
    page.locator("#leads tr", has_text=email).get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/leads/led_\w+$"))


@contextmanager
def website(folder: Path) -> Iterator[str]:
    """Somebody else's website: another port is another origin."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_the_setup_link_works_once_and_a_guess_does_not(owner: Visitor, server: Server) -> None:
    assert owner.page.request.get(server.setup_url).status == 404
    assert owner.page.request.get(f"{server.url}/setup/guess").status == 404
    expect(owner.page.get_by_role("button", name=steps.ORG)).to_be_visible()


def test_a_forms_page_has_every_way_to_use_it_ready_to_copy(owner: Visitor, office: Office) -> None:
    open_form(owner.page, office)
    assert copied(owner.page, "Copy") == office.form_url
    for button, looks_like in SNIPPETS.items():
        assert re.search(looks_like, copied(owner.page, button)), button


def test_a_lead_from_the_embed_is_in_the_list_without_a_reload(
    browser: Browser, owner: Visitor, office: Office
) -> None:
    owner.page.goto(f"{office.base}/leads")
    visitor = steps.visit(browser)
    visitor.page.goto(f"{office.form_url}/sample?utm_source=newsletter&gclid=abc")
    steps.fill(visitor.page, "embed@example.com", First_name="Emma", Phone="+1 202 555 0143")
    visitor.page.get_by_label("Industry").select_option("RETAIL")
    visitor.page.get_by_label("Send me the newsletter").check()
    visitor.page.get_by_role("button", name="Send").click()
    expect(visitor.page.get_by_role("status")).to_contain_text("Thank you")
    expect(owner.page.locator("#leads").get_by_text("embed@example.com")).to_be_visible()
    expect(owner.page.locator("#leads").get_by_text("newsletter").first).to_be_visible()
    assert visitor.complaints == []
    visitor.context.close()


def test_a_lead_from_the_hosted_page(browser: Browser, owner: Visitor, office: Office) -> None:
    visitor = steps.visit(browser, width=390)
    visitor.page.goto(office.form_url)
    steps.fill(visitor.page, "hosted@example.com", Message="Hello\nthere")
    visitor.page.get_by_role("button", name="Send").click()
    expect(visitor.page.get_by_role("heading")).to_have_text("Thank you")
    open_lead(owner.page, office, "hosted@example.com")
    expect(owner.page.get_by_text("Hello there").first).to_be_visible()
    assert visitor.complaints == []
    visitor.context.close()


def test_a_lead_from_plain_html_without_javascript(
    browser: Browser, owner: Visitor, office: Office, tmp_path: Path
) -> None:
    open_form(owner.page, office)
    snippet = copied(owner.page, "Copy Plain HTML: works without JavaScript, styled by your page")
    (tmp_path / "index.html").write_text(f"<!doctype html><title>A shop</title><h1>A shop</h1>{snippet}")
    visitor = steps.visit(browser, script=False)
    with website(tmp_path) as url:
        visitor.page.goto(url)
        steps.fill(visitor.page, "plain@example.com", Company="Plain & Co")
        visitor.page.get_by_role("button", name="Send").click()
        expect(visitor.page.get_by_role("heading")).to_have_text("Thank you")
    open_lead(owner.page, office, "plain@example.com")
    visitor.context.close()


def test_a_lead_from_the_curl_line(owner: Visitor, office: Office) -> None:
    open_form(owner.page, office)
    line = copied(owner.page, "Copy From anywhere: curl")
    subprocess.run(["bash", "-c", f"{line} --fail --silent --show-error"], check=True, timeout=30, capture_output=True)
    open_lead(owner.page, office, "ada@example.com")
    expect(owner.page.locator("dd", has_text="Sample & Sons Ltd")).to_be_visible()


def test_the_test_inbox_shows_what_a_crm_would_have_got(owner: Visitor, office: Office) -> None:
    office.post(email="inbox@example.com", first_name="Ina", phone="0202 555 0143", industry="RETAIL")
    open_lead(owner.page, office, "inbox@example.com")
    expect(owner.page.locator("#history").get_by_text("Delivered to Test inbox")).to_be_visible()
    owner.page.goto(f"{office.base}/crms/{office.inbox}/inbox")
    owner.page.get_by_role("link", name="inbox@example.com").click()
    expect(owner.page.get_by_text("Ina", exact=True)).to_be_visible()


def test_the_mapping_shows_the_exact_request_before_it_is_saved(owner: Visitor, office: Office) -> None:
    page = owner.page
    office.post(email="map@example.com", campaign="spring")
    office.soon("map@example.com")
    page.goto(f"{office.base}/crms/{office.hubspot}/mapping")
    empty = page.get_by_role("group", name="Mapping new").first
    empty.get_by_label("Our field").select_option(label="Campaign")
    empty.get_by_label("Property").fill("source_note")
    page.get_by_role("button", name="Preview").click()
    request = page.get_by_role("region", name=re.compile("^1. "))
    expect(request).to_contain_text("/crm/objects/2026-09/contacts")
    expect(request).to_contain_text("source_note")
    expect(request).not_to_contain_text(chaos.TOKEN)
    page.get_by_role("button", name="Save mapping").click()
    expect(page.get_by_role("region", name="Mapping")).to_contain_text("source_note")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text(re.compile("Connected to HubSpot account 62515")).first).to_be_visible()


def test_a_leads_page_is_one_timeline_with_the_contact_in_the_crm(owner: Visitor, office: Office) -> None:
    office.post(email="time@example.com", first_name="Tim", message="Call me", campaign="spring")
    open_lead(owner.page, office, "time@example.com")
    history = owner.page.locator("#history")
    expect(history.get_by_text("Delivered to HubSpot")).to_be_visible()
    expect(history.get_by_text("Sent Contact us")).to_be_visible()
    [contact] = office.contacts("time@example.com")
    link = history.get_by_role("link", name=contact["hs_object_id"]).first
    assert contact["hs_object_id"] in str(link.get_attribute("href"))
    assert contact["firstname"] == "Tim"
    history.get_by_text("As it was posted").click()
    expect(history.get_by_text("email=time%40example.com")).to_be_visible()
    history.get_by_text("As we read it").click()
    expect(history.get_by_text('"first_name": "Tim"')).to_be_visible()
    delivered = history.get_by_role("listitem").filter(has_text="Delivered to HubSpot")
    delivered.get_by_text(re.compile("^Try 1")).click()
    expect(delivered.get_by_text(re.compile(r"(PATCH|POST) http\S+/contacts")).first).to_be_visible()


def test_while_the_crm_fails_the_lead_waits_and_then_arrives_once(owner: Visitor, office: Office) -> None:
    history = owner.page.locator("#history")
    with office.failing():
        office.post(email="wait@example.com", first_name="Wanda")
        open_lead(owner.page, office, "wait@example.com")
        expect(history.get_by_text("HubSpot failed, it is tried again")).to_be_visible()
        assert office.contacts("wait@example.com") == []
    expect(history.get_by_text("Delivered to HubSpot")).to_be_visible()
    assert len(office.contacts("wait@example.com")) == 1


def test_a_refused_value_is_shown_in_the_crms_words_mended_and_sent(owner: Visitor, office: Office) -> None:
    page = owner.page
    office.post(email="dead@example.com", first_name="Dora", industry="Farming")
    open_lead(page, office, "dead@example.com")
    expect(page.locator("#history")).to_contain_text("Farming was not one of the allowed options")
    page.goto(f"{office.base}/forms")
    page.get_by_role("link", name="Look").click()
    page.locator("#deliveries").get_by_role("link", name="Dora").click()
    page.get_by_role("link", name="Edit and resend").click()
    page.get_by_label("Industry").select_option("RETAIL")
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("#state")).to_contain_text("delivered")
    assert [contact["industry"] for contact in office.contacts("dead@example.com")] == ["RETAIL"]


def test_a_dead_token_is_said_on_every_page_and_a_new_one_lets_the_leads_go(owner: Visitor, office: Office) -> None:
    page = owner.page
    office.token(chaos.TOKEN, revoked=True)
    waiting = [f"parked{number}@example.com" for number in range(3)]
    for email in waiting:
        office.post(email=email, first_name="Paul")
    open_lead(page, office, waiting[0])
    expect(page.locator("#history").get_by_text("Waiting for HubSpot")).to_be_visible()
    for place in ("leads", "forms", "crms", "deliveries", "quarantine", "settings/team"):
        page.goto(f"{office.base}/{place}")
        stopped = page.get_by_text("Stopped: Authentication credentials not found or expired.")
        expect(stopped).to_be_visible()  # once: the list of CRMs says it in its row
    office.token(NEW_TOKEN)
    page.get_by_role("link", name="Reconnect").first.click()
    page.get_by_label("Access token").fill(NEW_TOKEN)
    page.get_by_role("button", name="Reconnect").click()
    expect(page.get_by_text("active", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Reconnect")).to_have_count(0)
    for email in waiting:
        open_lead(page, office, email)
        expect(page.locator("#history").get_by_text("Delivered to HubSpot")).to_be_visible()
        assert len(office.contacts(email)) == 1


def test_script_in_every_field_is_shown_as_text(owner: Visitor, office: Office) -> None:
    page, hostile = owner.page, f"x{CODE}"
    answers = dict.fromkeys(("first_name", "last_name", "company", "message", "phone", "campaign", "other"), hostile)
    touches = dict.fromkeys(("utm_source", "utm_campaign", "referrer", "landing_url", hostile), hostile)
    office.post(email="script@example.com", **answers, **touches)
    office.post(email="bot@example.com", _gotcha=hostile, **answers, **touches)
    open_lead(page, office, "script@example.com")
    expect(page.get_by_role("heading", level=1)).to_contain_text(CODE)
    page.evaluate("document.querySelectorAll('#history details').forEach((each) => { each.open = true; })")
    lead = page.url
    places = ("leads", "quarantine", "deliveries", f"crms/{office.inbox}/inbox", f"crms/{office.hubspot}/mapping")
    for url in (lead, *(f"{office.base}/{place}" for place in places)):
        page.goto(url)
        assert page.evaluate("[typeof window.__xss, document.querySelectorAll('img[src=x]').length]") == [
            "undefined",
            0,
        ]
    assert "onerror" in page.content()
