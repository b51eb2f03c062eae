"""What the API answers."""

from datetime import datetime

from msgspec import Struct

from site2crm.analytics.queries import Moment, Portion


class Previous(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"since": "from", "until": "to"}):
    """The same length of time just before."""

    since: datetime
    until: datetime
    value: float | int | None
    visitors: int | None = None
    clicks: int | None = None
    leads: int | None = None


class EraseIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of the two: the id of a click, or of a lead for all clicks that brought it."""

    click: str = ""
    lead: str = ""


class TotalsOut(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"since": "from", "until": "to"}):
    """`visitors` with clicks, `clicks` and `leads` with a conversion; `value` is null where nothing can be divided."""

    metric: str
    value: float | int | None
    visitors: int | None = None
    clicks: int | None = None
    leads: int | None = None
    since: datetime
    until: datetime
    tz: str
    bots: str
    previous: Previous


class PreviousMoments(Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    since: datetime
    until: datetime
    data: list[Moment]


class TimeseriesOut(Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """One entry for each interval, those without anything too, oldest first."""

    metric: str
    interval: str
    since: datetime
    until: datetime
    tz: str
    bots: str
    data: list[Moment]
    previous: PreviousMoments


class Named(Portion, frozen=True, kw_only=True):
    label: str
    """What a person reads: a link's title, a country's name."""


class BreakdownOut(Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Largest first."""

    metric: str
    dimension: str
    since: datetime
    until: datetime
    tz: str
    bots: str
    data: list[Named]
