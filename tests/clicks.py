"""Clicks of every sort over raw sockets: what was answered, and what was under way when the server died."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

CONNECTIONS = 16
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
_BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

SORTS = {
    "person": ("GET", f"User-Agent: {_BROWSER}"),
    "head": ("HEAD", f"User-Agent: {_BROWSER}"),
    "bot": ("GET", f"User-Agent: {_BOT}"),
    "prefetch": ("GET", f"User-Agent: {_BROWSER}\r\nSec-Purpose: prefetch;prerender"),
}
TURN = ("person", "person", "person", "head", "person", "bot", "person", "person", "prefetch", "person")


@dataclass
class Tally:
    """By sort: redirects that arrived, and requests whose answer never did."""

    served: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)

    def bounds(self, *sorts: str) -> tuple[int, int]:
        """The fewest and the most that may have been counted."""
        served = sum(self.served[sort] for sort in sorts)
        return served, served + sum(self.unanswered[sort] for sort in sorts)


async def click(port: int, slug: str, tally: Tally, *, until: int) -> None:
    """Click until `until` redirects have been served in all, or the server is gone."""
    turn = itertools.cycle(TURN)
    await asyncio.gather(*(_visitor(port, slug, tally, turn, until) for _ in range(CONNECTIONS)))


async def _visitor(port: int, slug: str, tally: Tally, turn: Iterator[str], until: int) -> None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return
    try:
        while tally.served.total() < until:
            sort = next(turn)
            method, headers = SORTS[sort]
            tally.unanswered[sort] += 1
            writer.write(f"{method} /{slug} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 302 "), head
            tally.unanswered[sort] -= 1
            tally.served[sort] += 1
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()
