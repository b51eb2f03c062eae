"""How values read on a page: Jinja filters, pure functions of the value (and, for times, of a zone and a now)."""

import json
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from site2crm.kit import clock

_AGES = ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (86400 * 30, 86400, "day"))
_UNITS = ("B", "KB", "MB", "GB", "TB")


def local(at: datetime, zone: str = "UTC") -> str:
    """A moment on the clock of that zone: `21 Nov 2026, 14:03`."""
    there = at.astimezone(ZoneInfo(zone))
    return f"{there.day} {there:%b %Y, %H:%M}"


def day(at: datetime, zone: str = "UTC") -> str:
    """The date in that zone: `21 Nov`, with the year unless it is this one."""
    return _date(at.astimezone(ZoneInfo(zone)), today=clock.now().astimezone(ZoneInfo(zone)))


def date(written: str) -> str:
    """A date of no zone, as a CRM tells it (`2026-12-31`), in the words of `day`."""
    return _date(datetime.fromisoformat(written), today=clock.now())


def _date(there: datetime, *, today: datetime) -> str:
    return f"{there.day} {there:%b}" if there.year == today.year else f"{there.day} {there:%b %Y}"


def ago(at: datetime) -> str:
    """How long ago, or in how long: `just now`, `3 minutes ago`, `in a moment`; a date when it is over a month."""
    seconds = (clock.now() - at).total_seconds()
    distance = abs(seconds)
    if distance < 10:
        return "just now" if seconds >= 0 else "in a moment"
    for limit, size, name in _AGES:
        if distance < limit:
            count = int(distance // size)
            words = f"{count} {name}{'' if count == 1 else 's'}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return day(at)


def number(value: float | None, digits: int = 0) -> str:
    """Thousands apart, nothing for nothing: `12,480`."""
    return "–" if value is None else f"{value:,.{digits}f}"


def size(count: float) -> str:
    """Bytes as people say them: `1.4 MB`."""
    power = 0
    while count >= 1000 and power < len(_UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.0f} {_UNITS[power]}" if power == 0 or count >= 100 else f"{count:.1f} {_UNITS[power]}"


def plural(count: int, one: str, many: str = "") -> str:
    """A number and its noun: `1 lead`, `12 leads`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def json_pretty(value: object) -> str:
    """JSON with two spaces, for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def initials(name: str) -> str:
    """Two letters for an avatar: `Maria del Mar` -> `MM`, `ops@acme.io` -> `O`."""
    words = name.partition("@")[0].replace(".", " ").split()
    picked = words[:1] + words[1:][-1:]
    return "".join(word[0] for word in picked).upper() or "?"


def query(url: str, **values: object) -> str:
    """A URL with these parameters added; None leaves one out."""
    pairs = {key: str(value) for key, value in values.items() if value is not None}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs)}" if pairs else url


def attributes(values: dict[str, object], nonce: str = "") -> Markup:
    """HTML attributes: `aria_label` becomes `aria-label`, True a bare name, None and False nothing.

    An `hx-` attribute brings the page's nonce: without it hx-csp strips the element, so that markup an attacker gets
    into a page cannot make requests.
    """
    named = {key.rstrip("_").replace("_", "-"): value for key, value in values.items()}
    if nonce and any(key.startswith("hx-") for key in named):
        named["hx-nonce"] = nonce
    parts = [_attribute(key, value) for key, value in named.items() if value is not None and value is not False]
    return Markup("".join(parts))  # noqa: S704 - of escaped parts


def _attribute(key: str, value: object) -> str:
    # Without Markup.format, which costs ten times as much: a list has two hundred attributes.
    return f" {escape(key)}" if value is True else f' {escape(key)}="{escape(value)}"'
