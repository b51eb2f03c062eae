"""URLs as strings that can be compared: origins and hosts in one spelling."""

from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 8192


def origin(url: str) -> str | None:
    """`HTTPS://Bücher.example:443/x` -> `https://xn--bcher-kva.example`; None unless http(s) with a host."""
    parts = _split(url)
    if parts is None:
        return None
    host = _host(parts)
    if host is None:
        return None
    port = parts.port
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, _DEFAULT_PORTS[parts.scheme]) else "")


def is_http_url(url: str) -> bool:
    """Whether this is an absolute http(s) URL with a host, which a browser would open as such."""
    return origin(url) is not None


def host_of(url: str) -> str | None:
    """The host in lower case, IDNA; IPv6 without brackets."""
    parts = _split(url)
    return _host(parts) if parts else None


def _split(url: str) -> SplitResult | None:
    # Browsers drop tabs and newlines and read `\\` as `/`; what they read differently is no URL here.
    if len(url) > _LONGEST or "\\" in url or any(c <= " " or c == "\x7f" for c in url.strip(" ")):
        return None
    try:
        parts = urlsplit(url.strip(" "))
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in _DEFAULT_PORTS and parts.hostname else None


def _host(parts: SplitResult) -> str | None:
    host = (parts.hostname or "").rstrip(".")
    if not host or len(host) > 253:
        return None
    try:
        if ":" in host:
            return IPv6Address(host).compressed
        if host.isascii():
            return host if all(c.isalnum() or c in "-._" for c in host) else None
        return idna.encode(host, uts46=True).decode()
    except (ValueError, idna.IDNAError):
        return None
