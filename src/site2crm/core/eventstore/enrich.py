"""From what a request copied to a row: what its headers and its query mean. In the pump's thread, 15 us a row."""

from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from site2crm.core import agents
from site2crm.core.eventstore.contract import Event
from site2crm.core.eventstore.frame import NO_UTM, EventFrame
from site2crm.kit import urls

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
UTM_CHARS = 150
PATH_CHARS = 200
HOST_CHARS = 120
REMEMBERED = 4_096
_MOST_FIELDS = 50
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp(), datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def event(frame: EventFrame) -> Event:
    """Raises ValueError for a frame that cannot be a row."""
    agent = agents.read(frame.user_agent)
    utm = frame.utm if frame.utm != NO_UTM else _utm(frame.query)
    return Event(
        id=frame.id,
        ts=_moment(frame.ts),
        kind=frame.kind,
        org=frame.org,
        link=frame.link,
        domain=frame.domain,
        form=frame.form,
        campaign=frame.campaign,
        variant=frame.variant,
        visitor=frame.visitor,
        country=frame.country,
        region=frame.region,
        city=frame.city,
        device=agent.device,
        os=agent.os,
        browser=agent.browser,
        language=_language(frame.language),
        referrer=_host(frame.referrer),
        path=clean(frame.path)[:PATH_CHARS],
        utm_source=utm[0],
        utm_medium=utm[1],
        utm_campaign=utm[2],
        utm_term=utm[3],
        utm_content=utm[4],
        bot=agent.bot or frame.flags,
        qr=frame.qr,
    )


def clean(text: str) -> str:
    """Without what does not print: it would be shown in lists and exports."""
    return text.strip() if text.isprintable() else "".join(char for char in text if char.isprintable()).strip()


def _moment(ts: float) -> datetime:
    if not _EARLIEST <= ts < _LATEST:
        raise ValueError(f"an event of the moment {ts}")
    return datetime.fromtimestamp(ts, UTC)


def _utm(query: str) -> tuple[str, str, str, str, str]:
    if "utm_" not in query:
        return NO_UTM
    return _utm_of(query)


@lru_cache(maxsize=REMEMBERED)
def _utm_of(query: str) -> tuple[str, str, str, str, str]:
    try:
        pairs = parse_qsl(query, max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:  # more fields than anybody types
        return NO_UTM
    found = dict(reversed(pairs))  # the first of a name counts
    source, medium, campaign, term, content = (clean(found.get(name, ""))[:UTM_CHARS] for name in UTM)
    return source, medium, campaign, term, content


@lru_cache(maxsize=REMEMBERED)
def _host(referrer: str) -> str:
    """`https://www.google.com/search?q=x` -> `google.com`; an app's referrer is its package."""
    if not referrer:
        return ""
    if referrer.startswith("android-app://"):
        try:
            host = urlsplit(referrer).hostname or ""
        except ValueError:
            host = ""
    else:
        host = urls.host_of(referrer) or ""
    return clean(host).removeprefix("www.")[:HOST_CHARS]


@lru_cache(maxsize=REMEMBERED)
def _language(header: str) -> str:
    """The primary language of the first choice: `de-CH,de;q=0.9` -> `de`."""
    code = header.partition(",")[0].partition(";")[0].partition("-")[0].strip().lower()
    return code if 2 <= len(code) <= 3 and code.isascii() and code.isalpha() else ""
