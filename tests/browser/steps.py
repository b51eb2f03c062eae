"""What a person does in the product, step by step, for the tests in a browser."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.server import SETUP, Server

ORG = "Acme"
PATIENCE_S = 60
"""What is not there by then does not come. A machine that is shared may take its time."""
PASSWORD = "correct horse battery"
QUESTIONS = [
    ("E-mail", "E-mail", "Yes", ""),
    ("First name", "First name", "No", ""),
    ("Last name", "Last name", "No", ""),
    ("Phone", "Phone", "No", ""),
    ("Company", "Company", "No", ""),
    ("Message", "Message", "No", ""),
    ("Industry", "Choice", "No", "RETAIL\nFarming"),
    ("Newsletter", "Consent", "No", "Send me the newsletter"),
    ("Campaign", "Hidden", "No", "spring"),
]


@dataclass
class Visitor:
    """A browser window that remembers everything it complained about."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{self.page.url}: {message.text}")


@dataclass
class Office:
    """An organisation on a running server, and the ids of what was made in it."""

    url: str
    crm: str
    api: httpx.Client
    form: str = ""
    inbox: str = ""
    hubspot: str = ""

    @property
    def base(self) -> str:
        return f"{self.url}/o/{ORG.lower()}"

    @property
    def form_url(self) -> str:
        """Where visitors post."""
        found: str = self.api.get(f"/api/v1/forms/{self.form}").json()["submit_url"]
        return found

    def post(self, **answers: str) -> None:
        """As any website does."""
        assert httpx.post(self.form_url, data=answers, timeout=30).status_code in {200, 201, 303}

    def soon(self, email: str) -> dict[str, Any]:
        """The one lead with this address, which came in a moment ago."""
        until = time.monotonic() + PATIENCE_S
        found: list[dict[str, Any]] = []
        while not found and time.monotonic() < until:
            found = self.api.get("/api/v1/leads", params={"email": email}).json()["data"]
        [lead] = found
        return lead

    def contacts(self, email: str) -> list[dict[str, str]]:
        """What HubSpot has."""
        found = httpx.get(f"{self.crm}/_fake/contacts", params={"email": email}, timeout=30).json()
        return [contact["properties"] for contact in found]

    @contextmanager
    def failing(self) -> Iterator[None]:
        """The CRM answers 500 to everything meanwhile."""
        fault = {"kind": "status", "status": 500, "count": -1}
        httpx.post(f"{self.crm}/_fake/faults", json=fault, timeout=30).raise_for_status()
        try:
            yield
        finally:
            httpx.delete(f"{self.crm}/_fake/faults", timeout=30).raise_for_status()

    def token(self, token: str, *, revoked: bool = False) -> None:
        httpx.post(f"{self.crm}/_fake/tokens", json={"token": token, "revoked": revoked}, timeout=30).raise_for_status()


def visit(
    browser: Browser, *, width: int = 1440, scheme: str = "light", state: object = None, script: bool = True
) -> Visitor:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        storage_state=state,  # type: ignore[arg-type]
        java_script_enabled=script,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    visitor = Visitor(context, page)
    page.on("console", visitor.hear)
    page.on("pageerror", lambda error: visitor.complaints.append(f"{page.url}: {error}"))
    return visitor


def setup_link(server: Server) -> str:
    """From the server's output, where it may stand a moment after the server is ready."""
    until = time.monotonic() + PATIENCE_S
    while not (found := SETUP.search(server.log())) and time.monotonic() < until:
        time.sleep(0.05)
    assert found, server.log()
    return found[0]


def set_up(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Your name").fill("Olga Owner")
    page.get_by_label("E-mail").fill("olga@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Organisation").fill(ORG)
    page.get_by_role("button", name="Set up").click()
    page.wait_for_url("**/o/acme/**")


def make_form(page: Page, office: Office) -> str:
    """In the editor, from the proposed fields. Returns the form's id."""
    page.goto(f"{office.base}/forms/new")
    page.get_by_label("Name", exact=True).first.fill("Contact us")
    rows = page.locator("#fields > fieldset")
    while rows.count():
        rows.last.get_by_role("button", name="Remove").click()
    for label, kind, required, more in QUESTIONS:
        page.get_by_role("button", name="Add field").click()
        _fill_row(rows.last, label=label, kind=kind, required=required, more=more)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile(r"/forms/frm_\w+$"))
    return page.url.rpartition("/")[2]


def _fill_row(row: Locator, *, label: str, kind: str, required: str, more: str) -> None:
    row.get_by_label("Label", exact=True).fill(label)
    row.get_by_label("Type", exact=True).select_option(label=kind)
    row.get_by_label("Required", exact=True).select_option(label=required)
    row.get_by_label("Options or text", exact=True).fill(more)


def connect(page: Page, office: Office, kind: str, *, token: str = "") -> str:
    """From the list of CRMs to the connection's own page. Returns its id."""
    page.goto(f"{office.base}/crms")
    page.get_by_role("link", name="Connect a CRM").first.click()
    page.get_by_role("link", name=f"Choose {kind}").click()
    if token:
        page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Connect and test").click()
    page.wait_for_url(re.compile(r"/crms/con_\w+$"))
    expect(page.get_by_text("active", exact=True)).to_be_visible()
    return page.url.rpartition("/")[2]


def fill(page: Page, email: str, **answers: str) -> None:
    """A hosted, embedded or plain form, by its labels."""
    page.get_by_label("E-mail").fill(email)
    for label, text in answers.items():
        page.get_by_label(label.replace("_", " ")).fill(text)
