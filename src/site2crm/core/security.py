"""Hosts, origins, addresses, headers: what is decided about a request before any handler sees it."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from site2crm.core.asgi import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
LOOPBACK_PEERS = frozenset({"127.0.0.1", "::1"})
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OPEN_TO_OTHER_SITES = ("/f/", "/t/", "/hooks/")
"""Paths that other websites post to; they use no cookie, so there is nothing to forge."""
BROWSER_ERRORS = "/t/error"
"""Below one of them, and for our own pages only."""

BASE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
CLOSED_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
HSTS = (b"strict-transport-security", b"max-age=31536000")


def header(scope: Scope, name: bytes) -> str:
    """The first value of a header, as text; "" when absent."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def is_open_to_other_sites(path: str) -> bool:
    return path.startswith(OPEN_TO_OTHER_SITES) and path.rstrip("/") != BROWSER_ERRORS


def secured(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A cookie of an https site never travels over plain http."""
    name, value = pair
    if name.lower() == b"set-cookie" and b"; secure" not in value.lower():
        return name, value + b"; Secure"
    return pair


def names_this_machine(host: str) -> bool:
    """Whether a Host is a loopback name, with or without a port."""
    name, _, port = host.lower().rpartition(":") if not host.endswith("]") else (host.lower(), "", "")
    return (name or host) in LOOPBACK_HOSTS and (not name or not port or port.isdigit())


class Hosts:
    """Which Host a request may name: the public one, and loopback's names for health checks and first steps."""

    def __init__(self, public_url: str) -> None:
        self._public = urlsplit(public_url).netloc.lower() if public_url else ""

    def allows(self, scope: Scope) -> bool:
        named = [value for key, value in scope["headers"] if key == b"host"]
        if len(named) != 1:
            return False
        host = named[0].decode("latin-1").lower()
        return (bool(self._public) and host == self._public) or names_this_machine(host)


def same_origin(scope: Scope, own_origins: frozenset[str]) -> bool:
    """Whether an unsafe request comes from our own pages (or from no page at all).

    Browsers send Sec-Fetch-Site; older ones Origin. Neither, and a session cookie: refused, for no browser does that.
    """
    site = header(scope, b"sec-fetch-site")
    if site:
        return site in {"same-origin", "none"}
    origin = header(scope, b"origin")
    if origin:
        host = header(scope, b"host")
        return origin in own_origins or (origin == f"http://{host}" and f"https://{host}" not in own_origins)
    return not header(scope, b"cookie")


def client_address(scope: Scope, trusted: Sequence[Network]) -> str:
    """The visitor's address: the peer, or the right-most hop that is not one of our proxies."""
    client = scope.get("client")
    peer = client[0] if client else ""
    if not trusted or not _within(peer, trusted):
        return peer
    hops = [hop.strip() for hop in header(scope, b"x-forwarded-for").split(",") if hop.strip()]
    for hop in reversed(hops):
        if not _within(hop, trusted):
            return hop if _is_address(hop) else peer
    return peer


def is_edge(scope: Scope, trusted: Sequence[Network]) -> bool:
    """Whether the request comes from this machine or from one of our proxies."""
    client = scope.get("client")
    peer = client[0] if client else ""
    return peer in LOOPBACK_PEERS or _within(peer, trusted)


@lru_cache(maxsize=4096)
def shorten(address: str) -> str:
    """The last octet of an IPv4 address, the last 80 bits of an IPv6 one, set to zero."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    prefix = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network(f"{parsed}/{prefix}", strict=False).network_address)


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
