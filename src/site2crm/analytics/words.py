"""How figures and the values of dimensions read: names for ids and codes, percents, dates below a chart."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core import formats
from site2crm.core.eventstore.contract import Interval
from site2crm.forms import queries as forms
from site2crm.kit import countries, languages
from site2crm.links import queries as links

DIMENSIONS = {
    "link": "Link",
    "domain": "Domain",
    "form": "Form",
    "campaign": "Campaign",
    "variant": "Variant",
    "country": "Country",
    "region": "Region",
    "city": "City",
    "device": "Device",
    "os": "System",
    "browser": "Browser",
    "language": "Language",
    "referrer": "Referrer",
    "path": "Path",
    "utm_source": "Source",
    "utm_medium": "Medium",
    "utm_campaign": "UTM campaign",
    "utm_term": "Term",
    "utm_content": "Content",
    "bot": "Reason",
    "qr": "QR code",
}
"""Dimension -> what it is called."""
NOTHING = {
    "referrer": "Direct or unknown",
    "campaign": "No campaign",
    "bot": "A person",
    "qr": "Not by QR code",
    "variant": "No variant",
    "domain": "Main host",
    "link": "No link",
    "utm_source": "No source",
    "utm_medium": "No medium",
    "utm_campaign": "No campaign",
    "utm_term": "No term",
    "utm_content": "No content",
}
"""What a missing value means; elsewhere it is unknown."""
_BOTS = {
    "head": "HEAD request",
    "prefetch": "Prefetch by a browser",
    "scanner": "Mail scanner",
    "preview": "Link preview in a chat",
    "bot": "Bot or tool",
}
UNKNOWN_SOURCE = NOTHING["referrer"]
_LONGEST_CHANGE = 1_000
"""Percent; above it, how many times as much."""


def label(dimension: str, key: str, names: Mapping[str, str]) -> str:
    """What a person reads. `names`: of links and forms."""
    if not key:
        return NOTHING.get(dimension, "Unknown")
    if dimension in {"link", "form"}:
        return names.get(key, "deleted")
    if dimension == "country":
        return countries.name(key)
    if dimension == "language":
        return languages.name(key)
    if dimension == "qr":
        return "By QR code"
    if dimension == "bot":
        return _BOTS.get(key, key[:1].upper() + key[1:])
    return key[:1].upper() + key[1:] if dimension == "device" else key


async def names(session: AsyncSession, org_id: str, dimension: str, keys: Iterable[str]) -> dict[str, str]:
    """Id -> name, where the dimension is one of ids."""
    if dimension == "form":
        return await forms.names(session, org_id)
    if dimension != "link":
        return {}
    found = await links.by_ids(session, org_id, [key for key in keys if key])
    return {link_id: ref.name for link_id, ref in found.items()}


def change(now: float | None, before: float | None) -> tuple[str, str]:
    """Against the previous period: `+12.4 %`, and whether that is good; nothing where nothing was before."""
    if now is None or not before:
        return "", ""
    percent = round(100 * (now - before) / before, 1)
    if not percent:
        return "±0 %", ""
    tone = "good" if percent > 0 else "bad" if percent < 0 else ""
    if percent > _LONGEST_CHANGE:
        return f"×{now / before:.0f}", tone
    return f"{percent:+.1f} %".replace("-", "−"), tone


def points(now: float | None, before: float | None) -> tuple[str, str]:
    """The same for two rates: percentage points."""
    if now is None or before is None:
        return "", ""
    moved = round(100 * (now - before), 1)
    return "±0 pt" if not moved else f"{moved:+.1f} pt".replace(
        "-", "−"
    ), "good" if moved > 0 else "bad" if moved < 0 else ""


def percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f}".removesuffix(".0") + " %"


def instant(at: datetime, interval: Interval, zone: str, *, with_day: bool = False) -> str:
    """Of an interval, below a chart: `14:00`, `21 Nov`, `Nov 2026`."""
    there = at.astimezone(ZoneInfo(zone))
    if interval is Interval.HOUR:
        return f"{there:%H:%M}" if not with_day else f"{there.day} {there:%b}, {there:%H:%M}"
    return f"{there:%b %Y}" if interval is Interval.MONTH else formats.day(at, zone)
