"""The answer to a click, as far as it can be made beforehand: bytes, once for each link, at its first click."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from site2crm.core.security import HSTS
from site2crm.kit import urls
from site2crm.links import destinations, token
from site2crm.links.destinations import UTM

Utms = tuple[str, str, str, str, str]

MOST_PASSED_ON = 2_048
"""Characters of a visitor's own query that go on to the destination."""

_SAFE = "!$&'()*+,/:;=?@[]~%"
_HEADERS = (
    (b"cache-control", b"private, no-store"),
    (b"x-robots-tag", b"noindex"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"content-length", b"0"),
)


class Way:
    """Where a link leads, with its own parameters in place."""

    __slots__ = ("headers", "names", "origin", "start", "target", "utm")

    def __init__(self, url: str, utm: Mapping[str, str], *, secure: bool) -> None:
        self.target = destinations.with_utm(url, utm)
        self.origin = urls.origin(url) or ""
        query = urlsplit(self.target).query
        self.names = frozenset([*destinations.names_in(query), token.PARAMETER])
        self.utm = _in_order(destinations.utm_of(query))
        self.headers = (*_HEADERS, HSTS) if secure else _HEADERS
        self.start = self.answer(self.target)

    def answer(self, location: str) -> dict[str, Any]:
        """The message that begins the answer."""
        return {
            "type": "http.response.start",
            "status": 302,
            "headers": [(b"location", location.encode()), *self.headers],
        }

    def with_query(self, query: str) -> tuple[str, Utms]:
        """The destination with what the visitor's address adds, and the utm_* then in effect.

        So a `gclid` that an advertisement has put behind the short link arrives; what the destination has, it keeps.
        """
        if len(query) > MOST_PASSED_ON:
            query = query[: MOST_PASSED_ON + 1].rpartition("&")[0]
        pairs = [pair for pair in query.split("&") if pair]
        added = [pair for pair in pairs if destinations.name_of(pair) not in self.names]
        if not added:
            return self.target, self.utm
        text = quote("&".join(added), safe=_SAFE, encoding="latin-1")
        utm = self.utm
        if "utm_" in text:
            theirs = _in_order(destinations.utm_of(text))
            utm = (
                utm[0] or theirs[0], utm[1] or theirs[1], utm[2] or theirs[2], utm[3] or theirs[3], utm[4] or theirs[4],
            )  # fmt: skip
        return destinations.with_query(self.target, text), utm


def _in_order(utm: Mapping[str, str]) -> Utms:
    source, medium, campaign, term, content = (utm.get(name, "") for name in UTM)
    return source, medium, campaign, term, content
