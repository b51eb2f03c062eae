"""Every page, in three windows: accessible, obedient to its policy, silent, as wide as the screen, with a name."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser import steps
from tests.browser.steps import Office, Visitor
from tests.server import Server

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
MANY_LEADS = 300
ALL_RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = "color-contrast"  # all that the scheme can change, most of the work, and the same on a phone
AXE = Axe().axe_script
ALL = "SITE2CRM_TEST_ALL" in os.environ
"""A release looks at all pages that are made alike, and at colours in the dark and on a phone too: they come from the same
few names, each pair of which tests/architecture/test_contrast.py knows."""
ID = re.compile(r"\b[a-z]{3}_[0-9A-Z]{26}\b")
STATES = ("state=dead", "status=needs_review", "status=archived", "archived=true", "q=zzz")


@dataclass
class Found:
    """What is wrong with pages, one line each."""

    faults: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    def look(self, page: Page, url: str, *, unique: bool = True) -> None:
        """Once loaded, in three windows: wide and light, wide and dark, a phone."""
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(url, wait_until="load")
        name = url.partition("/o/acme")[2] or url
        if page.locator("h1:visible").count() != 1:
            self.faults.append(f"{name}: {page.locator('h1:visible').count()} h1")
        title = page.title()
        shown = page.url.partition("?")[0]
        other = self.titles.setdefault(title, shown)
        if not title or (unique and other != shown):
            self.faults.append(f"{name}: titled {title!r}, as is {other}")
        page.evaluate(AXE)
        self._rules(page, f"{name} (wide, light)", ALL_RULES)
        if ALL:
            page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            self._rules(page, f"{name} (wide, dark)", [COLOURS])
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if width > 0:
            self.faults.append(f"{name} (phone): {width} px too wide")
        if page.evaluate("[...document.querySelectorAll('[data-cards]')].some(e => e.scrollWidth > e.clientWidth)"):
            self.faults.append(f"{name} (phone): a list of cards scrolls sideways")
        self._rules(page, f"{name} (phone)", ALL_RULES, colours=ALL)

    def _rules(self, page: Page, name: str, rules: list[str], *, colours: bool = True) -> None:
        options = {"resultTypes": ["violations"], "runOnly": rules, "rules": {COLOURS: {"enabled": colours}}}
        found = page.evaluate("options => axe.run(options).then(result => result.violations)", options)
        self.faults += [f"{name}: {each['id']} {[node['html'][:120] for node in each['nodes'][:3]]}" for each in found]


def links(page: Page, base: str) -> set[str]:
    """Where the page leads to inside the product, but for files and actions."""
    found: list[str] = page.evaluate("[...document.querySelectorAll('main a[href], nav a[href]')].map(a => a.href)")
    plain = {href.partition("#")[0] for href in found if href.startswith(base)}
    return {href for href in plain if not re.search(r"\.(csv|json|js)\b|/live$|cursor=", href)}


def pattern(url: str) -> str:
    """One page for each of these is looked at."""
    path, _, query = url.partition("?")
    return ID.sub("{id}", path) + (f"?{query}" if query in STATES else "")


def crawl(page: Page, starts: list[str], base: str) -> list[str]:
    """One address of each kind that is reached by links."""
    seen: dict[str, str] = {}
    waiting = list(starts)
    while waiting:
        url = waiting.pop(0)
        if pattern(url) in seen:
            continue
        seen[pattern(url)] = url
        page.goto(url, wait_until="domcontentloaded")
        waiting += sorted(links(page, base))
    return sorted(seen.values())


@pytest.fixture(scope="module")
def stranger(browser: Browser) -> Iterator[Visitor]:
    visitor = steps.visit(browser)
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def full(office: Office) -> Iterator[Office]:
    """The office after a busy day: hundreds of leads, some waiting, some refused, some held back."""
    with httpx.Client(timeout=30) as visitor:
        url = office.form_url
        for number in range(MANY_LEADS):
            visitor.post(url, data=_answers(number))
        visitor.post(url, data={"email": "bot@example.com", "_gotcha": "x"})
        visitor.post(url, content=b"what is this", headers={"Content-Type": "text/plain"})
    office.soon(f"p{MANY_LEADS - 1}@example.com")
    with office.failing():
        office.post(email="waiting@example.com")
        office.soon("waiting@example.com")
        yield office


def _answers(number: int) -> dict[str, str]:
    return {
        "email": f"p{number}@example.com",
        "first_name": "Wolfeschlegelsteinhausenbergerdorff" if number % 50 == 0 else "Ada",
        "last_name": f"Lovelace {number}",
        "company": "Donaudampfschifffahrtsgesellschaft" * 3 if number % 50 == 1 else "Sample & Sons Ltd",
        "phone": "+1 202 555 0143",
        "message": "Please call me back. " * (number % 7),
        "industry": "Farming" if number % 40 == 0 else "RETAIL",
        "utm_source": "newsletter",
    }


def check(visitor: Visitor, urls: list[str], *, unique: bool = True) -> list[str]:
    """What is wrong with these pages, the browser's own complaints included."""
    found = Found()
    visitor.complaints.clear()
    for url in urls:
        found.look(visitor.page, url, unique=unique)
    visitor.page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    faults, visitor.complaints[:] = [*found.faults, *visitor.complaints], []
    return faults


def test_an_empty_organisation(owner: Visitor, server: Server) -> None:
    base = f"{server.url}/o/acme"
    places = ("", "leads", "quarantine", "forms", "crms", "crms/new", "deliveries", "settings/keys")
    assert check(owner, [f"{base}/{place}" for place in places]) == []


def test_a_new_organisation_is_proposed_the_browsers_time_zone(owner: Visitor, server: Server) -> None:
    browser = owner.context.browser
    assert browser is not None
    with browser.new_context(timezone_id="Asia/Tokyo", storage_state=owner.context.storage_state()) as context:
        page = context.new_page()
        page.goto(f"{server.url}/orgs/new")
        assert page.get_by_label("Time zone").input_value() == "Asia/Tokyo"
        page.get_by_label("Time zone").select_option("Europe/Vienna")
        page.get_by_label("Name", exact=True).fill("A name")
        page.get_by_label("Address").fill("no address!")
        page.get_by_role("button", name="Create").click()
        assert page.get_by_label("Time zone").input_value() == "Europe/Vienna"


def test_the_pages_for_strangers(stranger: Visitor, owner: Visitor, server: Server) -> None:
    page = owner.page
    page.goto(f"{server.url}/o/acme/settings/team")
    page.get_by_label("E-mail").fill("new@acme.example")
    page.get_by_role("button", name="Invite").click()
    invitation = page.get_by_label("Invitation link", exact=True).input_value()
    help_pages = crawl(stranger.page, [f"{server.url}/help"], f"{server.url}/help")
    articles = help_pages if ALL else help_pages[::3]  # they are made alike
    urls = [*articles, invitation, *(f"{server.url}{path}" for path in ("/", "/login", "/reset", "/docs"))]
    assert len(help_pages) > 10
    assert check(stranger, urls) == []


def test_pages_that_are_not_there(stranger: Visitor, owner: Visitor, server: Server) -> None:
    gone = [server.setup_url, f"{server.url}/invite/guess", f"{server.url}/reset/guess", f"{server.url}/nothing"]
    faults = check(stranger, gone, unique=False)
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []


def test_the_forms_own_pages(stranger: Visitor, office: Office) -> None:
    urls = [f"{office.form_url}{part}" for part in ("", "/frame", "/sample", "/thanks")]
    faults = check(stranger, urls, unique=False)
    # a frame is clear, so axe takes white for what the browser paints dark behind it
    assert [fault for fault in faults if "/frame (wide, dark): color-contrast" not in fault] == []


def test_every_page_of_a_busy_organisation(owner: Visitor, full: Office) -> None:
    starts = [
        f"{full.base}/",
        f"{full.base}/leads",
        f"{full.base}/deliveries?state=dead",
        f"{full.url}/profile",
        f"{full.url}/orgs/new",
    ]
    dead = full.api.get("/api/v1/deliveries", params={"state": "dead"}).json()["data"][0]
    starts += [f"{full.base}/deliveries/{dead['id']}/edit", f"{full.base}/leads/{dead['lead']}"]
    urls = crawl(owner.page, starts, full.base)
    assert len(urls) > 20
    assert check(owner, urls) == []
