"""Figures under a person's hands: a line of a top list as a filter, forgetting a visitor, a message taken away."""

import re

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.steps import Office, Visitor

PHONE = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
}


@pytest.fixture(scope="module")
def link(office: Office) -> str:
    """Clicked twice by one person, who then becomes a lead."""
    made = {"url": "https://www.example.com/", "slug": "spring", "title": "Spring launch", "carry_click": "always"}
    answer = office.api.post("/api/v1/links", json=made)
    assert answer.status_code == 201, answer.text
    went = [httpx.get(f"{office.url}/spring", headers=PHONE).headers["location"] for _ in range(2)]
    office.post(email="clicker@example.com", s2c_click=went[0].partition("s2c_click=")[2])
    office.soon("clicker@example.com")
    found: str = answer.json()["id"]
    return found


def test_a_line_is_a_filter_by_keyboard_that_a_chip_takes_away(owner: Visitor, office: Office, link: str) -> None:
    page = owner.page
    page.goto(f"{office.base}/?period=7d")
    page.get_by_role("list", name="Top links").get_by_role("link", name="Spring launch", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{office.base}/?period=7d&link={link}")
    page.get_by_role("link", name="Remove filter Link Spring launch").click()
    expect(page).to_have_url(f"{office.base}/?period=7d")
    page.get_by_role("link", name="Open Spring launch").click()
    expect(page).to_have_url(f"{office.base}/links/{link}")


def test_the_whole_line_is_clicked_also_without_scripts(
    browser: Browser, owner: Visitor, office: Office, link: str
) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=owner.context.storage_state())
    page = context.new_page()
    page.goto(f"{office.base}/links/{link}?period=7d")
    line = page.get_by_role("list", name="Devices").get_by_role("listitem").first
    box = line.bounding_box()
    assert box is not None
    line.click(position={"x": box["width"] - 30, "y": box["height"] / 2})
    expect(page).to_have_url(f"{office.base}/links/{link}?period=7d&device=mobile")
    expect(page.get_by_role("link", name="Remove filter Device Mobile")).to_be_visible()
    context.close()


def test_the_visitor_behind_a_click_is_forgotten(owner: Visitor, office: Office, link: str) -> None:
    page, lead = owner.page, office.soon("clicker@example.com")["id"]
    page.goto(f"{office.base}/leads/{lead}")
    page.get_by_role("link", name="Forget this visitor").click()
    expect(page.get_by_text("2 events of the visitor")).to_be_visible()
    page.get_by_role("button", name="Forget this visitor").click()
    expect(page).to_have_url(f"{office.base}/leads/{lead}")
    expect(page.get_by_text("The visitor is forgotten: 2 events erased.")).to_be_visible()
    expect(page.get_by_text("Clicked Spring launch")).to_be_visible()
    page.goto(f"{office.base}/links/{link}")
    expect(page.locator(".tile").filter(has_text=re.compile("^Clicks"))).to_contain_text("0")
