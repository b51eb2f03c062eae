"""The click token in a submission: read wherever a website may have put it, and removed from what is kept.

It comes in a hidden field (our script's, the hosted page's, or one that the website fills), else in an address that the
form builder sends along. Whether it is genuine is found out when the lead is made: a forged one loses no lead.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from site2crm.links import token

LONGEST_FIELD = 1_000
LONGEST_ADDRESS = 4_000
TOUCHES = ("click", "first_click")
_PLACES = ("page_url", "landing_url")


def keep(ours: dict[str, str], attribution: Mapping[str, str]) -> None:
    """Leave in `ours` only what may be a token; without one, look for it in the addresses."""
    for name in TOUCHES:
        if found := _in_field(ours.pop(name, "")):
            ours[name] = found
    if "click" not in ours:
        found = next((found for place in _PLACES if (found := of_address(attribution.get(place, "")))), "")
        if found:
            ours["click"] = found


def of_address(url: str) -> str:
    """The token in an address, if it has one."""
    if token.PARAMETER not in url or len(url) > LONGEST_ADDRESS:
        return ""
    try:
        pairs = parse_qsl(urlsplit(url).query, max_num_fields=100)
    except ValueError:
        return ""
    return of_pairs(pairs)


def of_pairs(pairs: list[tuple[str, str]]) -> str:
    """The last one: whoever appends to an address that has one already means the newer click."""
    return next(
        (found for name, text in reversed(pairs) if name == token.PARAMETER and (found := token.shaped(text))), ""
    )


def strip(values: dict[str, str]) -> None:
    """Take the token out of every address: with it, who opens the link later would be taken for the visitor."""
    for name, text in values.items():
        if token.PARAMETER in text:
            values[name] = token.stripped(text)


def _in_field(text: str) -> str:
    """A field that stands twice on a page arrives as `a, b`."""
    if len(text) > LONGEST_FIELD:
        return ""
    return next((found for part in reversed(text.split(",")) if (found := token.shaped(part))), "")
