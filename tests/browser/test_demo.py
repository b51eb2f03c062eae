"""The pages of CRMs and deals, as `site2crm demo` fills them: one client for each kind of CRM, and one without any."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from site2crm.connectors.registry import KINDS
from site2crm.demo.clients import CLIENTS, Client
from site2crm.demo.opening import EMAIL
from tests.browser import steps
from tests.browser.steps import Visitor
from tests.browser.test_pages import ALL, check, links, pattern
from tests.server import COLD, environment, free_port

DAYS = 2
SEEN = CLIENTS if ALL else [client for client in CLIENTS if client.crm in ("salesforce", "webhook")]
"""Whose pages are looked at; a release looks at all."""
PLAYED_S = 300
LOG_IN = re.compile(r"log in at  (?P<url>\S+)/login   \S+   (?P<password>\S+)")


@dataclass
class Demo:
    """It runs; `visitor` is logged in as its owner."""

    url: str
    visitor: Visitor

    @property
    def page(self) -> Page:
        return self.visitor.page

    def org(self, slug: str) -> str:
        return f"{self.url}/o/{slug}"


@pytest.fixture(scope="module")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    said = folder / "said"
    words = [*COLD, "demo", "--dir", str(folder / "demo"), "--listen", f"127.0.0.1:{free_port()}", "--days", str(DAYS)]
    with said.open("w") as out, Path(os.devnull).open() as nothing:
        process = subprocess.Popen(words, cwd=folder, env=environment(), stdin=nothing, stdout=out, stderr=out)
    visitor = steps.visit(browser)
    try:
        url, password = _ready(process, said)
        page = visitor.page
        page.goto(f"{url}/login")
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/o/**")
        yield Demo(url, visitor)
    finally:
        visitor.context.close()
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False


def _ready(process: "subprocess.Popen[bytes]", said: Path) -> tuple[str, str]:
    until = time.monotonic() + PLAYED_S
    while time.monotonic() < until and process.poll() is None:
        if found := LOG_IN.search(said.read_text()):
            if _answers(found["url"]):
                return found["url"], found["password"]
        time.sleep(0.2)
    raise AssertionError(said.read_text())


def kinds_of_pages(demo: Demo, start: str, *parts: str) -> list[str]:
    """One address for each kind of page that is reached from there, below these parts of the organisation."""
    base = start.rsplit("/", 1)[0]
    seen, waiting = dict[str, str](), [start]
    while waiting:
        url = waiting.pop(0)
        if pattern(url) not in seen:
            seen[pattern(url)] = url
            demo.page.goto(url, wait_until="domcontentloaded")
            waiting += sorted(it for it in links(demo.page, base) if it[len(base) + 1 :].partition("/")[0] in parts)
    return sorted(seen.values())


@pytest.mark.parametrize("client", SEEN, ids=lambda client: client.crm)
def test_the_pages_of_a_crm(demo: Demo, client: Client) -> None:
    urls = kinds_of_pages(demo, f"{demo.org(client.slug)}/crms", "crms")
    urls = [url for url in urls if "/crms/new" not in url]
    assert len(urls) >= 4
    assert check(demo.visitor, urls, unique=False) == []


def test_the_ways_to_connect_each_crm(demo: Demo) -> None:
    base = f"{demo.org(CLIENTS[0].slug)}/crms/new"
    urls = [f"{base}/{kind.name}?way={way}" for kind in KINDS.values() for way in kind.ways]
    assert check(demo.visitor, [base, *urls], unique=False) == []


def test_deals_and_deliveries_where_things_go_wrong(demo: Demo) -> None:
    base = demo.org("summit-coaching")
    urls = {url for part in ("deals", "deliveries") for url in kinds_of_pages(demo, f"{base}/{part}", part)}
    urls |= {f"{base}/deliveries?state={state}" for state in ("dead", "delivered")}
    urls |= {f"{demo.org('bloom-dental')}/deliveries?state=parked", f"{demo.url}/agency/crms"}
    assert len(urls) > 8
    assert check(demo.visitor, sorted(urls), unique=False) == []


# By its place and not by a mark: what refreshes by itself is morphed into its new self, and loses marks
PLACE = """
  const place = e => e === document.body ? "" : place(e.parentElement) + "/" + [...e.parentElement.children].indexOf(e);
  const told = e => place(e) + " " + e.tagName + " " + (e.getAttribute("aria-label") || e.name || e.textContent.trim());
"""
STOPS = (
    "() => {"
    + PLACE
    + """
  const rest = e => e.type === "radio" && !e.checked && document.querySelector(`[name="${e.name}"]:checked`);
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
    .filter(e => !e.disabled && e.tabIndex >= 0 && e.checkVisibility({visibilityProperty: true}) && !rest(e)).map(told);
}"""
)
REACHED = (
    "() => {" + PLACE + "window.reached = []; addEventListener('focusin', e => window.reached.push(told(e.target))) }"
)
OF_A_DATE = 4
"""Stops inside one: day, month, year, calendar."""


def test_tab_reaches_every_control_of_the_pages_of_crms(demo: Demo) -> None:
    page, base = demo.page, demo.org("summit-coaching")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{base}/crms")
    crm = page.locator("tbody a").first.get_attribute("href")
    for url in (f"{demo.url}/agency/crms", f"{demo.url}{crm}", f"{demo.url}{crm}/mapping", f"{base}/deliveries/again"):
        page.goto(url)
        stops: list[str] = page.evaluate(STOPS)
        page.evaluate(REACHED)
        for _ in range(len(stops) + (OF_A_DATE - 1) * page.locator("[type=date]").count()):
            page.keyboard.press("Tab")
        reached: list[str] = page.evaluate("window.reached")
        assert [stop for stop in stops if stop not in reached] == [], url
        assert len(stops) > 10


def test_a_filter_that_is_refused_is_told_in_the_list_and_mended_there(demo: Demo) -> None:
    page, base = demo.page, demo.org("summit-coaching")
    page.goto(f"{base}/deals/people")
    page.get_by_label("From").fill("2026-11-22")
    page.get_by_label("To", exact=True).fill("2026-11-01")
    expect(page.get_by_text("The last day is before the first one.")).to_be_visible()
    page.get_by_label("To", exact=True).fill("2026-11-22")
    expect(page.get_by_text("The last day is before the first one.")).to_have_count(0)
    page.goto(f"{base}/deliveries")
    page.evaluate("document.querySelector('[name=from]').type = 'text'")  # as a browser that knows no dates
    page.locator("[name=from]").fill("soon")
    expect(page.locator("#deliveries").get_by_text("A day such as 2026-11-21.")).to_be_visible()
    page.locator("[name=from]").fill("2020-01-01")
    expect(page.locator("#deliveries tbody tr").first).to_be_visible()
    demo.visitor.complaints.clear()  # of the refusals


def test_an_organisation_with_nothing_in_it(demo: Demo) -> None:
    page = demo.page
    page.goto(f"{demo.url}/orgs/new")
    page.get_by_label("Name", exact=True).fill("Nothing Yet")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/o/**")
    base = page.url.rstrip("/")
    urls = [f"{base}/{part}" for part in ("crms", "deals", "deals/people", "deliveries", "deliveries/again")]
    assert check(demo.visitor, urls, unique=False) == []
    for url in urls[:4]:
        page.goto(url)
        assert page.locator(".empty a.btn").count() >= 1, f"{url} does not say what to do next"
