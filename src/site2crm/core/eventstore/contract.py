"""What callers of the event store see: rows, filters, answers. DuckDB and ClickHouse differ only in dialect."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from site2crm.core.journal.contract import Position


class Bots(StrEnum):
    """Which requests count: people, machines (bots, mail scanners, prefetch, HEAD), or both."""

    EXCLUDE = "exclude"
    ONLY = "only"
    ALL = "all"


class Interval(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


DIMENSIONS = (
    "link", "domain", "form", "campaign", "variant", "country", "region", "city", "device", "os", "browser", "language",
    "referrer", "path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "bot", "qr",
)  # fmt: skip
"""What can be filtered and grouped by. `bot` is why a request counts apart (""= a person); `referrer` is its host."""


class Event(Struct, kw_only=True):
    """One row. What is not known is the empty string, never null."""

    id: str
    ts: datetime
    kind: str  # click, orphan; later view, submission, conversion
    org: str
    link: str = ""
    domain: str = ""
    form: str = ""
    campaign: str = ""
    variant: str = ""
    visitor: str = ""
    country: str = ""
    region: str = ""
    city: str = ""
    device: str = ""
    os: str = ""
    browser: str = ""
    language: str = ""
    referrer: str = ""
    path: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_term: str = ""
    utm_content: str = ""
    value: int = 0
    currency: str = ""
    bot: str = ""
    qr: str = ""


class Question(Struct, frozen=True, kw_only=True):
    """Which events: of one org, a kind, a half-open span of time [start, end), and any dimensions."""

    org: str
    start: datetime
    end: datetime
    kind: str = "click"
    bots: Bots = Bots.EXCLUDE
    where: dict[str, tuple[str, ...]] = {}
    """Dimension -> values, any of which fits."""
    with_visitors: bool = True
    """Counting different visitors is what costs most; without it every answer says 0 visitors."""


class Totals(Struct, frozen=True):
    value: int
    """Events."""
    visitors: int
    """Different visitors; the salt changes daily, so somebody who comes on two days counts twice."""


class Point(Struct, frozen=True):
    at: datetime
    """The beginning of the interval, in the zone that was asked for."""
    value: int
    visitors: int


class Share(Struct, frozen=True):
    key: str
    value: int
    visitors: int


class Seen(Struct, frozen=True):
    """Whose event it was: of this visitor the org has so many; "" asked not to be followed, and has the one."""

    visitor: str
    events: int


class EventStore(Protocol):
    """Awaited from the event loop, which none blocks. Raises `Unavailable` while it is opened, mended or away."""

    batch: int
    """Rows that are best appended at once."""
    gather_s: float
    """How long to gather them where fewer wait."""
    prune_s: float
    """How often to prune."""

    @property
    def is_new(self) -> bool:
        """Whether there has never been anything in it: it is opened by the first event."""

    @property
    def is_away(self) -> bool:
        """Whether it could not be reached the last time."""

    async def load(self, consumer: str) -> tuple[str, Position] | None:
        """(journal epoch, position) behind the last row that this consumer has appended."""

    async def begun(self, consumer: str, epoch: str) -> Position | None:
        """The end of a batch that a process was appending when it died, and that may be stored without its position.

        It has to be appended again as it was: up to this position, and no further.
        """

    async def append(self, consumer: str, rows: Sequence[Event], *, epoch: str, position: Position) -> None:
        """Store the rows and the position behind them, or nothing. A position that is stored already is passed over."""

    async def totals(self, question: Question) -> Totals: ...

    async def timeseries(self, question: Question, *, interval: Interval, zone: str) -> list[Point]:
        """Every interval of the span, those without an event too, oldest first."""

    async def breakdown(self, question: Question, *, dimension: str, limit: int) -> list[Share]:
        """Largest first; events without a value have the key ""."""

    async def counts(self, question: Question, *, dimension: str, keys: Sequence[str]) -> dict[str, Totals]:
        """Totals of these keys only, for the rows of a list."""

    async def recent(self, question: Question, *, limit: int) -> list[Event]:
        """Newest first."""

    async def seen(self, *, org: str, event: str) -> Seen | None:
        """Whose event of this id it was; None if the org has none (any more, or not yet)."""

    async def erase(self, *, org: str, visitor: str = "", event: str = "", before: datetime | None = None) -> int:
        """Remove an org's events (of one visitor; of one id; older than `before`); how many there were."""

    async def prune(self, before: datetime) -> int:
        """Remove every org's events that are older; how many there were."""

    def forget_answers(self) -> None:
        """Ask the database again, whatever was asked before."""

    async def check(self) -> None:
        """Look after it; called now and then while the server runs."""

    async def close(self) -> None: ...
