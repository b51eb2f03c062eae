"""What a User-Agent header says: device, system, browser, and whether it is a machine. Called in the pump's thread."""

import re
from functools import lru_cache

from msgspec import Struct

from site2crm.core import heavy

BOT = "bot"
SCANNER = "scanner"
PREVIEW = "preview"
"""Why a request counts apart by its header: a mail gateway's scanner, a chat's preview, any other machine."""

NAME_CHARS = 40
REMEMBERED = 10_000

# Mail gateways that open each link of a message before its reader does, by the names some of them give themselves.
# Most hide behind a browser's name: those are told by what they do, not here.
_MAIL_SCANNERS = re.compile(
    r"barracuda|mimecast|proofpoint|urldefense|safelinks|safe ?links|messagelabs|symantec|fireeye|trellix|"
    r"trend ?micro|tmufe|sophos|forcepoint|websense|ironport|cisco-?(?:esa|secure)|zscaler|cloudmark|vade ?secure|"
    r"hornetsecurity|avanan|checkpoint|virustotal|phish|urlscan|fortimail|fortiguard|spamexperts|mailscanner|"
    r"bitdefender|kaspersky|mcafee|\beset\b|google-safety|microsoft defender",
    re.IGNORECASE,
)
# What the list of crawlers does not know: tools and browsers without a person before them.
_TOOLS = re.compile(
    r"headlesschrome|phantomjs|puppeteer|playwright|selenium|\bpython|curl/|wget/|libwww|httpclient|okhttp|"
    r"go-http|axios|node-fetch|\bjava/|\bruby\b|\bperl\b|\bbots?\b|crawl|spider|slurp|fetcher|monitor|https?://",
    re.IGNORECASE,
)
_PREVIEW_TAG, _SCANNER_TAG = "social-preview", "scanner"

_TV = re.compile(r"smart-?tv|appletv|apple tv|hbbtv|googletv|android tv|bravia|crkey|roku|web0s|tizen.*\btv\b", re.I)
_TABLET = re.compile(r"ipad|tablet|kindle|silk/|playbook|nexus (?:7|9|10)|sm-[tx]\d|android(?!.*mobile)", re.I)
_MOBILE = re.compile(r"mobi|iphone|ipod|android|phone|blackberry|opera mini|kaios", re.I)
_DESKTOP = re.compile(r"windows nt|macintosh|mac os x|x11|linux|cros |bsd", re.I)

_MOBILE_WORDS = re.compile(r"^Mobile | Mobile(?: iOS| WebView)?$| WKWebView$")
_ALIASES = {"Mac OS X": "macOS", "Ubuntu": "Linux", "Fedora": "Linux", "Debian": "Linux", "UI/WKWebView": "Safari"}


class Agent(Struct, frozen=True):
    """Empty where unknown. `bot`: why it counts apart, empty for a person's browser."""

    device: str
    os: str
    browser: str
    bot: str


def warm() -> None:
    """Compile the patterns: up to a second, once, away from the event loop."""
    read("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")


@lru_cache(maxsize=REMEMBERED)
def read(user_agent: str) -> Agent:
    """Everything the header says; 60 us for a new one, nothing for one that was seen."""
    patterns = heavy.agent_patterns()
    browser, system = patterns.browser_and_system(user_agent)
    bot = _bot(user_agent, patterns.crawler_tags(user_agent))
    return Agent("" if bot else _device(user_agent), _name(system), _name(browser), bot)


def _bot(user_agent: str, tags: frozenset[str] | None) -> str:
    if not user_agent.strip():
        return BOT  # every browser sends the header
    if _MAIL_SCANNERS.search(user_agent):
        return SCANNER
    if tags is not None:
        return PREVIEW if _PREVIEW_TAG in tags else SCANNER if _SCANNER_TAG in tags else BOT
    return BOT if _TOOLS.search(user_agent) else ""


def _device(user_agent: str) -> str:
    for pattern, device in ((_TV, "tv"), (_TABLET, "tablet"), (_MOBILE, "mobile"), (_DESKTOP, "desktop")):
        if pattern.search(user_agent):
            return device
    return ""


def _name(family: str) -> str:
    """One name for a browser on all devices. Some patterns take it out of the header itself: it is cut and cleaned."""
    name = _ALIASES.get(family) or _MOBILE_WORDS.sub("", family)
    return "".join(char for char in name[:NAME_CHARS] if char.isprintable())
