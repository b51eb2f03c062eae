"""What a setting may say. Each reader takes the written value and answers the typed one, or raises
ValueError with a sentence that says what to write instead."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from site2crm.core.addresses import parse_rules
from site2crm.core.config_types import ClickHouse, Listen, MailServer, Network, Secret, ip_address

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

KEY_BYTES = 32
SQLITE = "sqlite"
DUCKDB = "duckdb"
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d{1,12})(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_MAILBOX = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f]+@[^\s@<>,;:\"()\[\]\\\x00-\x1f]+")
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,200}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+=[\x20-\x7e]+")
_REDIS = frozenset({"redis", "rediss", "unix"})
_MAIL_PORTS = {"smtp": 587, "smtps": 465}
_CLICKHOUSE = {"http": "http", "https": "https", "clickhouse": "http", "clickhouses": "https"}
_CLICKHOUSE_PORTS = {"http": 8123, "https": 8443}
_NATIVE_PORTS = frozenset({9000, 9440})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"this is {_kind(value)}; write text in quotes")
    return value


def metrics_token(value: object) -> Secret:
    """Empty means none."""
    written = text(value).strip()
    if written and not _TOKEN.fullmatch(written):
        raise ValueError("write at least 16 letters, digits or -._~ ; make one with: openssl rand -hex 24")
    return Secret(written)


def redis_url(value: object) -> Secret:
    """Empty means none."""
    written = text(value).strip()
    parts = urlsplit(written)
    try:
        known = parts.scheme in _REDIS and bool(parts.path if parts.scheme == "unix" else parts.hostname)
        known = known and parts.port != 0
    except ValueError:
        known = False
    if written and (not known or re.search(r"[\s\x00-\x1f\x7f]", written)):
        raise ValueError('write "redis://:password@host:6379/0", "rediss://..." for TLS, or "unix:///path/redis.sock"')
    return Secret(written)


def sentry_dsn(value: object) -> Secret:
    """Empty means none."""
    written = text(value).strip()
    parts = urlsplit(written)
    known = parts.scheme in {"http", "https"} and parts.username and parts.hostname and parts.path.strip("/")
    if written and not known:
        raise ValueError('write the DSN that Sentry shows for the project, such as "https://key@host/1"')
    return Secret(written)


def collector_url(value: object) -> str:
    """Empty means none."""
    written = text(value).strip()
    parts = urlsplit(written)
    if written and (parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[\s@]", written)):
        raise ValueError('write the collector\'s address, such as "http://127.0.0.1:4318"; keys go to traces_headers')
    return written


def header_pairs(value: object) -> Secret:
    """Empty means none."""
    written = text(value).strip()
    if written and not all(_HEADER.fullmatch(pair.strip()) for pair in written.split(",")):
        raise ValueError('write "name=value", several with a comma between them, such as "authorization=Bearer abc"')
    return Secret(written)


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"this is {_kind(value)}; write true or false, without quotes")
    return value


def whole(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"write a whole number from {least} to {most}, without quotes")
        return value

    return read


def folder(value: object) -> Path:
    if not text(value).strip() or "\0" in text(value):
        raise ValueError('write a folder, such as "/var/lib/site2crm"')
    return Path(text(value))


def file(value: object) -> Path | None:
    """Empty means none."""
    if "\0" in text(value):
        raise ValueError('write a file, such as "/var/lib/geo/city.mmdb"')
    return Path(text(value)) if text(value).strip() else None


def fraction(least: float, most: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"write a number from {least:g} to {most:g}, without quotes")
        return float(value)

    return read


def duration(least: str, most: str) -> Callable[[object], float]:
    """Seconds, from `90s`, `5m`, `24h`, `14d` or `500ms`."""

    def read(value: object) -> float:
        seconds = _seconds(value)
        if not _seconds(least) <= seconds <= _seconds(most):
            raise ValueError(f"write a duration from {least} to {most}")
        return seconds

    return read


def duration_or_never(least: str, most: str) -> Callable[[object], float]:
    """As `duration`, or `0s` for "never"."""
    read_duration = duration(least, most)

    def read(value: object) -> float:
        if _seconds(value) == 0:
            return 0.0
        try:
            return read_duration(value)
        except ValueError:
            raise ValueError(f'write a duration from {least} to {most}, or "0s" for never') from None

    return read


def size(least: str, most: str) -> Callable[[object], int]:
    """Bytes, from `512KiB`, `1MiB` or `2GiB`."""

    def read(value: object) -> int:
        count = _byte_count(value)
        if not _byte_count(least) <= count <= _byte_count(most):
            raise ValueError(f"write a size from {least} to {most}")
        return count

    return read


def one_of(choices: type[E]) -> Callable[[object], E]:
    names = [choice.value for choice in choices]

    def read(value: object) -> E:
        if value not in names:
            raise ValueError("write " + " or ".join([", ".join(f'"{n}"' for n in names[:-1]), f'"{names[-1]}"']))
        return choices(str(value))

    return read


def many(read_item: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError(f'this is {_kind(value)}; write a list, such as ["...", "..."]')
        return tuple(read_item(item) for item in value)

    return read


def listen(value: object) -> Listen:
    host, colon, port = text(value).rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError('write address and port, such as "127.0.0.1:8080" or "[::1]:8080"')
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if bare != "localhost" and ip_address(bare) is None:
        raise ValueError('write an IP address or localhost, such as "127.0.0.1:8080"; "0.0.0.0:8080" is every network')
    if ":" in bare and bare == host:
        raise ValueError(f'an IPv6 address stands in brackets: "[{bare}]:{port}"')
    return Listen(bare, int(port))


def network(value: object) -> Network:
    written = text(value)
    try:
        return ipaddress.ip_network(written)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(written, strict=False)
    except ValueError:
        message = f'"{written}" is no network; write one such as "10.0.0.0/8" or "192.168.1.7"'
        raise ValueError(message) from None
    raise ValueError(f'"{written}" has bits beyond its mask; write "{loose}"')


def private_target(value: object) -> str:
    """An entry of `allow_private`, in the words of the guard that applies it."""
    written = text(value).strip().lower()
    try:
        (rule,) = parse_rules([written])
        known = rule.host is None or not rule.host.rpartition(".")[2].isdigit()
    except ValueError:
        known = False
    if not known:
        raise ValueError(f'"{written}" is neither network nor host; write one such as "10.0.0.0/8" or "crm.lan:8443"')
    return written


def web_root(value: object) -> str:
    """An address without path: what `public_url` is. Empty means not set."""
    written = text(value)
    if not written:
        return ""
    parts = _web(written)
    if parts.path not in ("", "/"):
        raise ValueError("write only scheme, host and port: the product lives at the root of its host")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def web_address(value: object) -> str:
    """A base address, path allowed, without a slash at its end. Empty means not set."""
    written = text(value)
    return _web(written).geturl().rstrip("/") if written else ""


def mailbox(value: object) -> str:
    written = text(value)
    _, address = parseaddr(written)
    if written and (re.search(r"[\x00-\x1f\x7f]", written) or not _MAILBOX.fullmatch(address)):
        raise ValueError('write an address, such as "Acme <hello@acme.example>"')
    return written.strip()


def mail_url(value: object) -> Secret:
    written = text(value)
    if written != "stdout":
        mail_server(written)
    return Secret(written)


def mail_server(url: str) -> MailServer:
    """The parts of `smtp://user:password@host:port`; smtps is TLS from the first byte."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _MAIL_PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError('write "stdout", "smtp://user:password@host:587" or "smtps://user:password@host:465"')
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or "\n" in user + password or "\r" in user + password:
        raise ValueError('write user and password, both or none: "smtp://user:password@host:587"')
    tls = parts.scheme == "smtps"
    return MailServer(parts.hostname, port or _MAIL_PORTS[parts.scheme], tls, user, Secret(password))


def database_url(value: object) -> Secret:
    written = text(value)
    try:
        parts = urlsplit(written)
        known = parts.scheme in {"postgresql", "postgres"} and len(parts.path) > 1 and parts.port != 0
    except ValueError:
        known = False
    if written != SQLITE and (not known or re.search(r"[\s\x00-\x1f\x7f]", written)):
        raise ValueError('write "sqlite" or "postgresql://user:password@host:5432/database"')
    return Secret(written)


def events_url(value: object) -> Secret:
    written = text(value).strip()
    if written != DUCKDB:
        clickhouse(written)
    return Secret(written)


def clickhouse(url: str) -> ClickHouse:
    """The parts of `http://user:password@host:8123/database`; https is TLS, `clickhouse` another word for http."""
    try:
        parts = urlsplit(url)
        scheme, port = _CLICKHOUSE.get(parts.scheme), parts.port
        host, database = parts.hostname or "", parts.path.strip("/") or "default"
    except ValueError:
        parts, scheme, port, host, database = urlsplit(""), None, None, "", ""
    if not scheme or not host or port == 0 or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError('write "duckdb" or "http://user:password@host:8123/database" (https for TLS)')
    if port in _NATIVE_PORTS:
        raise ValueError(f"{port} is the port of ClickHouse's own protocol; its HTTP interface is at 8123, or 8443")
    if not _IDENTIFIER.fullmatch(database):
        raise ValueError("the name of the database is letters, digits, _ and -, such as http://host:8123/site2crm")
    user, password = unquote(parts.username or "default"), unquote(parts.password or "")
    if re.search(r"[\x00-\x1f\x7f:]", user) or re.search(r"[\x00-\x1f\x7f]", password):
        raise ValueError("user and password have no control characters, and the user no colon")
    return ClickHouse(scheme, host, port or _CLICKHOUSE_PORTS[scheme], database, user, Secret(password))


def key_bytes(value: object) -> bytes:
    """The 32 bytes of a key written in base64, either alphabet."""
    try:
        key = base64.b64decode(text(value).strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("a key is 32 bytes in base64; make one with: openssl rand -base64 32")
    return key


def secret_key(value: object) -> Secret:
    key_bytes(value)
    return Secret(text(value).strip())


def secret_key_or_none(value: object) -> Secret:
    """Empty means none."""
    return secret_key(value) if text(value).strip() else Secret("")


def secret_text(value: object) -> Secret:
    return Secret(text(value).strip())


def key_or_file(value: object) -> Secret | Path:
    """A path is a key file that the first start makes."""
    return value if isinstance(value, Path) else secret_key(value)


def _web(written: str) -> SplitResult:
    try:
        parts = urlsplit(written)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or re.search(r"[\s\x00-\x1f\x7f\\]", written):
        raise ValueError('write a web address, such as "https://leads.acme.example"')
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("write the address without user, password, ? and #")
    return parts


def _seconds(value: object) -> float:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('write a duration with its unit in quotes, such as "90s", "5m", "24h" or "14d"')
    return float(match.group(1)) * _SECONDS[match.group(2)]


def _byte_count(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('write a size with its unit in quotes, such as "512KiB", "1MiB" or "2GiB"')
    return int(match.group(1)) * _BYTES[match.group(2)]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date")
