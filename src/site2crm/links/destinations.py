"""Where a link may lead, and what its address looks like once the link's own parameters are in it."""

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from site2crm.core.errors import Invalid
from site2crm.core.reserved import SEGMENTS
from site2crm.core.security import LOOPBACK_HOSTS
from site2crm.kit import urls
from site2crm.kit.urls import NotAUrl

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


def checked(text: str, *, base_url: str) -> str:
    """The address in the spelling that visitors are sent to. Raises Invalid, naming the field and the cure.

    `base_url` is this instance's own: a link to one of its short links would go round in a circle.
    """
    try:
        url = urls.absolute(text)
    except NotAUrl as refused:
        raise Invalid.field("url", str(refused)) from refused
    if _is_ours(url, base_url) and not _is_a_page(urlsplit(url).path):
        raise Invalid.field(
            "url", "This is a short link of this server itself, so visitors would go round in a circle: "
            "enter the page that it leads to. Forms (/f/...) are fine."
        )  # fmt: skip
    return url


def names_in(query: str) -> list[str]:
    """The names of the parameters of a query, in order."""
    return [name_of(pair) for pair in query.split("&") if pair]


def with_utm(url: str, utm: Mapping[str, str]) -> str:
    """The address with those utm_* that it has not itself."""
    if not utm:
        return url
    taken = set(names_in(urlsplit(url).query))
    pairs = "&".join(f"{name}={quote(utm[name], safe='')}" for name in UTM if utm.get(name) and name not in taken)
    return with_query(url, pairs)


def with_query(url: str, pairs: str) -> str:
    """The address with `a=1&b=2` added to its query, before its fragment."""
    if not pairs:
        return url
    before, hash_, fragment = url.partition("#")
    joiner = "" if before[-1:] in {"?", "&"} else "&" if "?" in before else "?"
    return f"{before}{joiner}{pairs}{hash_}{fragment}"


def utm_of(query: str) -> dict[str, str]:
    """The utm_* of a query; the first of each name counts."""
    found: dict[str, str] = {}
    if "utm_" in query or "%" in query:
        for pair in query.split("&"):
            name = name_of(pair)
            if name in UTM:
                found.setdefault(name, unquote(pair.partition("=")[2].replace("+", " "))[:200])
    return found


def name_of(pair: str) -> str:
    """Of `name=value`, decoded."""
    name = pair.partition("=")[0]
    return unquote(name.replace("+", " ")) if "%" in name or "+" in name else name


def _is_ours(url: str, base_url: str) -> bool:
    mine, theirs = urlsplit(base_url), urlsplit(url)
    if (theirs.hostname, _port(url)) == (mine.hostname, _port(base_url)):
        return True
    loopback = {host.strip("[]") for host in LOOPBACK_HOSTS}
    return mine.hostname in loopback and theirs.hostname in loopback and _port(url) == _port(base_url)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _is_a_page(path: str) -> bool:
    """Whether one of our own pages answers there: its first part is reserved, and nothing in it leads out again."""
    segments = unquote(path).replace("\\", "/").split("/")[1:]
    if not any(segments):
        return True
    return segments[0] in SEGMENTS and not {".", ".."} & set(segments)
