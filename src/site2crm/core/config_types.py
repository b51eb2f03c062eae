"""The types that settings have beyond numbers and text."""

import ipaddress
from enum import StrEnum

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class IpPrivacy(StrEnum):
    TRUNCATE = "truncate"
    HASH = "hash"
    NONE = "none"
    KEEP = "keep"


class LogFormat(StrEnum):
    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Secret:
    """Text that shows itself only when asked: logs, reprs and errors see `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("secret", self._value))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not pickled")


class Listen(msgspec.Struct, frozen=True):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def reached_at(self) -> str:
        """The host under which this machine itself reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104


class MailServer(msgspec.Struct, frozen=True):
    host: str
    port: int
    tls: bool
    user: str
    password: Secret


class ClickHouse(msgspec.Struct, frozen=True):
    """A database on a ClickHouse server, reached by its HTTP interface."""

    scheme: str
    host: str
    port: int
    database: str
    user: str
    password: Secret

    @property
    def root(self) -> str:
        return f"{self.scheme}://{self}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    address = ip_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
