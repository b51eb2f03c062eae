"""URLs as strings that can be compared: origins and hosts in one spelling."""

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, urlsplit

import idna

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 8192
# Separators, what is not shown, and what turns the text around it: none of it belongs into an address.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"})
_AS_IS = "!#$%&'()*+,/:;=?@[]~"
_NUMBER_AT_END = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$")


class NotAUrl(ValueError):
    """Why a browser would not open this as somebody wrote it, and what to write instead."""


def absolute(text: str) -> str:
    """An http(s) URL as it goes into a `Location` header: ASCII, the host in lower case and punycode.

    Raises NotAUrl for everything that two programs could read differently, and for what hides where it leads.
    """
    url = text.strip(" ")
    if not url:
        raise NotAUrl("Give a whole address, such as https://www.example.com/offer.")
    if len(url) > _LONGEST:
        raise NotAUrl(f"At most {_LONGEST:,} characters; this one has {len(url):,}. Shorten its query.")
    _refuse_signs(url)
    parts = _parts(url)
    if "@" in parts.netloc:
        raise NotAUrl("Remove what stands before the @: an address of a link has no user name and no password.")
    host = _host(parts)
    if host is None or not _is_open(host):
        raise NotAUrl("This host name does not exist like that. Write it like https://www.example.com/offer.")
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    shown = f"[{host}]" if ":" in host else host
    rest = url.partition("//")[2][len(parts.netloc) :]
    made = f"{parts.scheme}://{shown}{port}{quote(rest, safe=_AS_IS)}"
    if len(made) > _LONGEST:
        raise NotAUrl(f"At most {_LONGEST:,} characters once it is encoded; this one has {len(made):,}.")
    return made


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


def _refuse_signs(url: str) -> None:
    if "\\" in url:
        raise NotAUrl("Write / instead of \\: browsers read a backslash in more than one way.")
    if " " in url:
        raise NotAUrl("Write spaces inside an address as %20.")
    if not url.isascii() or not url.isprintable():
        unseen = next((sign for sign in url if unicodedata.category(sign) in _UNSEEN), None)
        if unseen is not None:
            raise NotAUrl(f"Remove the invisible character U+{ord(unseen):04X}: a tab, a line break or the like.")


def _parts(url: str) -> SplitResult:
    if url.startswith("/"):
        raise NotAUrl("Begin with https:// and the host: an address without them leads nowhere.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise NotAUrl("The host or its port is broken. Write it like https://www.example.com:8443/offer.") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise NotAUrl("Only websites: begin with https:// (or http://).")
    if not url[len(parts.scheme) :].startswith("://") or not parts.hostname:
        raise NotAUrl(f"The host is missing: write {parts.scheme}:// and then, such as www.example.com/offer.")
    return parts


def _is_open(host: str) -> bool:
    """No empty or endless label, and no number that only some read as an address (`127.1`, `0x7f000001`)."""
    if ":" in host:
        return True
    if any(not 0 < len(label) <= 63 for label in host.split(".")):
        return False
    if not _NUMBER_AT_END.search(host):
        return True
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


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
