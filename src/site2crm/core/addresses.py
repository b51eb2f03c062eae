"""Which addresses an outgoing call may reach: the public internet, and what `[outbound] allow_private` opens.

The list follows IANA's special-purpose registries. Addresses that carry an IPv4 address inside (mapped, NAT64, 6to4)
are judged by that one. The machine's own addresses are refused too: on a droplet they are public, yet they
reach services that trust local callers.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# fmt: off
_DENIED_TEXT = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
    "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)
# fmt: on
_DENIED: tuple[Network, ...] = tuple(ip_network(text) for text in _DENIED_TEXT)
# What an operator runs services in: here the whole network is the useful line, elsewhere the one address is.
_SITE = tuple(ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
_GLOBAL_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAMES = ("local", "internal", "localhost", "localdomain")
LONGEST_NAME, LONGEST_LABEL = 253, 63
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


class Refusal(NamedTuple):
    """Why a target is refused, and the entry of `allow_private` that would open it; "" where none would."""

    reason: str
    entry: str


class Rule(NamedTuple):
    """One entry of `allow_private`: a network or a name, perhaps for one port only."""

    network: Network | None
    host: str | None
    port: int | None

    def permits(self, host: str, port: int, address: Address | None) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is None:
            return self.host == host
        return address is not None and address in self.network


@dataclass(frozen=True)
class Policy:
    """The deny list with this installation's exceptions."""

    rules: Sequence[Rule]
    own: frozenset[Address]

    def refuse_name(self, host: str, port: int) -> Refusal | None:
        """Judge a host as it is written, before anything is looked up."""
        name = host.removesuffix(".")
        number = number_form(name)
        if self._permitted(name, port, number) or literal(host) is not None:
            return None
        if number is not None:
            return Refusal(f"{host!r} is an address in disguise; write it as {number}", str(number))
        if not _is_host(name):
            return Refusal(f"{host!r} is not a host name", "")
        reason = _odd_name(host)
        return Refusal(f"{host!r} {reason}", name) if reason else None

    def refuse_address(self, host: str, port: int, address: Address) -> Refusal | None:
        """Judge one answer of the name service (or an address written in the URL)."""
        target = unwrap(address)
        if self._permitted(host.removesuffix("."), port, target):
            return None
        if target in self.own:
            return Refusal(f"{host} is this machine ({target})", str(target))
        if is_public(target):
            return None
        site = next((str(network) for network in _SITE if target in network), str(target))
        return Refusal(f"{host} is at {target}, which is not a public address", site)

    def _permitted(self, host: str, port: int, address: Address | None) -> bool:
        return any(rule.permits(host, port, address) for rule in self.rules)


def _is_host(name: str) -> bool:
    """Whether it can be asked for: RFC 1035 gives a name 253 characters, and each part of it 63."""
    parts = name.split(".")
    fits = len(name) <= LONGEST_NAME and all(0 < len(part) <= LONGEST_LABEL for part in parts)
    return fits and _HOST.fullmatch(name) is not None and not _NUMBER.fullmatch(parts[-1])


def _odd_name(host: str) -> str | None:
    name = host.removesuffix(".")
    last = name.rsplit(".", 1)[-1]
    if host != name:
        return "ends in a dot"
    return "is a name of the local network" if last in _LOCAL_NAMES else None


def is_public(address: Address) -> bool:
    """Whether an (unwrapped) address belongs to the public internet."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _DENIED)


def unwrap(address: Address) -> Address:
    """The IPv4 address inside a mapped, NAT64 or 6to4 address; anything else as it is."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def literal(host: str) -> Address | None:
    """The address, if the host is one in its usual form."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def number_form(host: str) -> Address | None:
    """The address that the C library would read: also 127.1, 2130706433, 0x7f.1 and 0177.0.0.1."""
    if (address := literal(host)) is not None:
        return address
    if not all(_NUMBER.fullmatch(part) for part in host.split(".")):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def parse_rules(entries: Iterable[str]) -> tuple[Rule, ...]:
    """Read `allow_private`: networks, addresses, names, each perhaps with a port. Raises ValueError."""
    return tuple(_parse_rule(entry.strip().lower()) for entry in entries)


def _parse_rule(entry: str) -> Rule:
    try:
        return Rule(ip_network(entry, strict=False), None, None)
    except ValueError:
        pass
    host, colon, port = entry.rpartition(":")
    if not colon:
        host, port = entry, ""
    elif not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _not_a_rule(entry)
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port else None
    if (address := literal(host)) is not None:
        return Rule(ip_network(address), None, number)
    if not _HOST.fullmatch(host):
        raise _not_a_rule(entry)
    return Rule(None, host, number)


def _not_a_rule(entry: str) -> ValueError:
    return ValueError(f"allow_private: {entry!r} is not a network, an address, a host or a host:port")


def own_addresses() -> frozenset[Address]:
    """Every address of this machine's interfaces (Linux), loopback included."""
    net = Path("/proc/self/net")  # /proc/net is hidden from a service that systemd shows its own process only
    return frozenset((*_own_v4(net / "fib_trie"), *_own_v6(net / "if_inet6")))


def _own_v4(table: Path) -> list[Address]:
    lines = table.read_text().splitlines() if table.exists() else []
    return [
        IPv4Address(line.split()[-1]) for line, following in pairwise(lines) if following.strip() == "/32 host LOCAL"
    ]


def _own_v6(table: Path) -> list[Address]:
    lines = table.read_text().splitlines() if table.exists() else []
    return [IPv6Address(int(line.split()[0], 16)) for line in lines if line.strip()]
