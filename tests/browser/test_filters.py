"""A filter is a step: Back leads to the one before it, and only the first Back beyond them leaves the list."""

import re

from playwright.sync_api import Page, expect

from tests.browser.steps import Office, Visitor


def test_back_undoes_one_filter_after_the_other(owner: Visitor, office: Office) -> None:
    for email in ("first@back.example", "second@back.example"):
        office.post(email=email)
        office.soon(email)
    page = owner.page
    page.goto(f"{office.base}/forms")
    page.goto(f"{office.base}/leads")
    _type(page, "back.ex")
    _type(page, "ample")
    page.get_by_label("Form", exact=True).select_option(value=office.form)
    expect(page).to_have_url(re.compile(f"form={office.form}"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"q=back\.example&form=&"))
    expect(page.get_by_label("Form", exact=True)).to_have_value("")
    expect(page.get_by_label("Search leads")).to_have_value("back.example")
    expect(page.locator("#leads tbody tr")).to_have_count(2)
    page.go_back()
    expect(page).to_have_url(re.compile("/leads$"))
    expect(page.get_by_label("Search leads")).to_have_value("")
    page.go_forward()
    expect(page.get_by_label("Search leads")).to_have_value("back.example")
    page.go_back()
    expect(page.get_by_label("Search leads")).to_have_value("")
    page.go_back()
    expect(page).to_have_url(re.compile("/forms$"))


def test_enter_after_a_filter_is_no_further_step(owner: Visitor, office: Office) -> None:
    page = owner.page
    page.goto(f"{office.base}/leads")
    _type(page, "nobody")
    steps = page.evaluate("history.length")
    with page.expect_response(re.compile("q=nobody")):
        page.keyboard.press("Enter")
    _type(page, "-at-all")
    assert page.evaluate("history.length") == steps


def test_back_shows_the_form_whose_rows_there_are(owner: Visitor, office: Office) -> None:
    page = owner.page
    page.goto(f"{office.base}/crms/{office.inbox}/mapping")
    chosen = page.get_by_label("Leads of")
    chosen.select_option(value=office.form)
    expect(page).to_have_url(re.compile(f"form={office.form}"))
    page.go_back()
    expect(page).to_have_url(re.compile("/mapping$"))
    expect(chosen).to_have_value("")


def _type(page: Page, text: str) -> None:
    """As a hand does, and waits for what is found."""
    box = page.get_by_label("Search leads")
    box.press_sequentially(text)
    expect(page).to_have_url(re.compile(f"q={re.escape(box.input_value())}(&|$)"))
