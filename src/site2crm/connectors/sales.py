"""What a connector reads of salespeople's work and writes for them: owners, pipelines, deals, activities.

Kinds that can do it have `ConnectorKind.sales`. Values are plain, as in `contract.py`: amounts are `Decimal` with an
ISO 4217 code or None, times aware UTC, cursors opaque strings that belong to the connector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

from site2crm.connectors.contract import Act, Exchange, Written

T = TypeVar("T")


class Status(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    DELETED = "deleted"


class Money(NamedTuple):
    """`currency` None: the CRM does not say, and the account's is meant."""

    amount: Decimal
    currency: str | None


class Owner(NamedTuple):
    """Someone who uses the CRM."""

    id: str
    name: str
    email: str | None
    active: bool


class Stage(NamedTuple):
    """`status`: what a deal in it is; None where the stage does not decide."""

    id: str
    label: str
    order: int
    status: Status | None


class Pipeline(NamedTuple):
    id: str
    label: str
    stages: Sequence[Stage]


@dataclass(frozen=True)
class Directory:
    """What deals and leads point at. In the CRM's own order."""

    owners: Sequence[Owner] = ()
    pipelines: Sequence[Pipeline] = ()


class Known(NamedTuple):
    """A person as we know them: under an id of the CRM's, and by an e-mail address, if there is one."""

    id: str
    email: str = ""


@dataclass(frozen=True)
class DealIn:
    """A deal to be made for a lead. `ref` is the same at every try: a repeat finds what the first one made, whatever
    the lead and the rules have become since. `tried_at`: when the first one began that may have made it already.
    """

    ref: str
    title: str
    value: Money | None = None
    pipeline: str | None = None
    stage: str | None = None
    close: date | None = None
    owner: str | None = None
    tried_at: datetime | None = None


@dataclass(frozen=True)
class Deal:
    """A deal as the CRM has it. `people` are ids of the persons it is about, the most important first."""

    id: str
    title: str
    status: Status
    created_at: datetime
    updated_at: datetime
    value: Money | None = None
    pipeline: str | None = None
    stage: str | None = None
    owner: str | None = None
    people: Sequence[str] = ()
    close: date | None = None
    """When it is expected to close."""
    closed_at: datetime | None = None
    """When it was won or lost."""
    url: str | None = None


@dataclass(frozen=True)
class Activity:
    """A call, an e-mail, a meeting or a task of an owner. `at` is when it took place or is due."""

    id: str
    kind: Act
    owner: str | None
    at: datetime
    done: bool
    updated_at: datetime
    seconds: int | None = None
    people: Sequence[str] = ()
    deleted: bool = False


@dataclass(frozen=True)
class Page(Generic[T]):
    """`cursor` holds where to go on, also after the last page (`more` False): the next sync begins there."""

    items: Sequence[T]
    cursor: str | None
    more: bool
    total: int | None = None
    """How many there are in all, where the CRM says so."""


class Sales(Protocol):
    """One per connection. Every method raises CrmError; `add_deal` puts it into its result instead.

    `deals` and `activities` overlap by five minutes with what was read before and may repeat rows: callers store by
    (connection, id) and keep the newest `updated_at`. Deleted rows come where the CRM tells.
    """

    async def directory(self) -> Directory: ...

    async def add_deal(self, deal: DealIn, person_id: str) -> Written: ...

    def preview_deal(self, deal: DealIn, person_id: str) -> Sequence[Exchange]:
        """The requests that would be sent, without sending them."""
        ...

    async def deals(self, since: datetime | None, cursor: str | None) -> Page[Deal]:
        """Changed since then, oldest change first where the CRM can; `since` None: all. A `cursor` wins."""
        ...

    async def activities(self, kind: Act, since: datetime | None, cursor: str | None) -> Page[Activity]:
        """As `deals`, for a kind that is in `Caps.activities`."""
        ...

    async def whereabouts(self, people: Sequence[Known]) -> Mapping[str, str]:
        """Each known id -> the id that the person has now: another one of who was merged into another.

        Whom the CRM no longer has is left out. Where it does not tell merged from deleted, whoever has the same e-mail
        address is the one: the next delivery would take the same.
        """
        ...
