"""What a User-Agent says, and which of them are no people."""

import crawleruseragents  # type: ignore[import-untyped]
import pytest

from site2crm.core import agents
from site2crm.core.agents import Agent

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

PEOPLE = {
    CHROME: ("desktop", "Windows", "Chrome"),
    CHROME + " Edg/140.0.0.0": ("desktop", "Windows", "Edge"),
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.0 Safari/605.1.15": ("desktop", "macOS", "Safari"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0": ("desktop", "Linux", "Firefox"),
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0": ("desktop", "Linux", "Firefox"),
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) {WEBKIT} Version/17.1 Mobile/15E148 Safari/604.1": (
        "mobile", "iOS", "Safari",
    ),
    f"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {WEBKIT} Version/16.6 Mobile/15E148 Safari/604.1": (
        "tablet", "iOS", "Safari",
    ),
    "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile Safari/537.36": (
        "mobile", "Android", "Chrome",
    ),
    "Mozilla/5.0 (Linux; Android 12; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Safari/537.36": (
        "tablet", "Android", "Chrome",
    ),
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/538.1 (KHTML, like Gecko) Version/5.0 TV Safari/538.1": (
        "tv", "Tizen", "Safari",
    ),
}  # fmt: skip


@pytest.mark.parametrize("header", PEOPLE)
def test_a_browser_is_a_person_on_a_device(header: str) -> None:
    assert agents.read(header) == Agent(*PEOPLE[header], "")


MACHINES = {
    "": agents.BOT,
    "   ": agents.BOT,
    "curl/8.5.0": agents.BOT,
    "python-requests/2.32.0": agents.BOT,
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": agents.BOT,
    CHROME.replace("Chrome/", "HeadlessChrome/"): agents.BOT,
    "Mozilla/5.0 (compatible; UnheardOfBot/1.0; +https://unheard.example/bot)": agents.BOT,
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": agents.PREVIEW,
    "WhatsApp/2.23.20.0": agents.PREVIEW,
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": agents.PREVIEW,
    "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))": agents.SCANNER,
    "Mozilla/5.0 (Windows NT 6.1) Mimecast URL Protect": agents.SCANNER,
    "Mozilla/5.0 zgrab/0.x": agents.SCANNER,
}


@pytest.mark.parametrize("header", MACHINES)
def test_a_machine_counts_apart_with_the_reason(header: str) -> None:
    found = agents.read(header)
    assert (found.bot, found.device) == (MACHINES[header], "")


def test_every_example_of_the_list_of_crawlers_is_a_machine() -> None:
    examples = [text for each in crawleruseragents.CRAWLER_USER_AGENTS_DATA for text in each["instances"]]
    assert len(examples) > 1_000
    assert [text for text in examples if not agents.read(text).bot] == []


HOSTILE = [
    "\x00" * 400,
    "(" * 400,
    "Mozilla/" + "9" * 390,
    "\x1b[31mEvil/1.0",
    "<script>alert(1)</script>/1.0",
    "𝒳" * 200,
]


@pytest.mark.parametrize("header", HOSTILE)
def test_a_hostile_header_is_short_printable_text(header: str) -> None:
    found = agents.read(header)
    assert all(len(name) <= agents.NAME_CHARS and name.isprintable() for name in (found.browser, found.os))
