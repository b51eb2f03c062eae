"""What every CRM connector takes and gives: plain values, one error type, no vendor's words.

Ids are opaque strings, times aware UTC, dates `date`, several choices a sequence of strings. `PersonIn.fields` is keyed
by the CRM's own property names (the mapping is applied before) and is all that gets written; `email`, `phone`, `lead`
and `known_id` serve to find the record. None and "" in `fields` mean "nothing was said", never "erase it". A connector
may offer as a property what belongs to a person but is a record of its own there: the organisation by its name, a note;
it makes such a record once, however often it is sent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, TypeAlias

from site2crm.connectors.grants import Grants
from site2crm.connectors.pacing import Budget
from site2crm.core.http import Outbound


class Kind(StrEnum):
    """What a CRM keeps."""

    PERSON = "person"
    COMPANY = "company"
    DEAL = "deal"


class Act(StrEnum):
    """What salespeople do."""

    CALL = "call"
    EMAIL = "email"
    MEETING = "meeting"
    TASK = "task"


class ErrorClass(StrEnum):
    """What the worker has to do about a failure (the table of classes is delivery's to-do list)."""

    RETRY = "retry"  # a passing fault: same delivery again, on the schedule
    THROTTLE = "throttle"  # pause the connection until retry_after; attempts are not counted
    REFRESH = "refresh"  # refresh the access token under the lock, repeat once
    REAUTH = "reauth"  # the grant or key is gone: park the connection, ask the admin
    CONFIG = "config"  # rights, plan, scope or URL: park the connection with the vendor's text
    PERMANENT = "permanent"  # this record can never be accepted as it is: dead letter
    CONFLICT = "conflict"  # another record holds the key
    NOT_FOUND = "not_found"  # the known id is gone


LONGEST_TEXT = 2_000
"""Of an error: it stands on pages, in alarms and in mails. The whole answer is with the attempt."""
OWNER = "owner"
"""What a warning calls the owner, whatever the CRM calls it."""
EMPTY = "EMPTY"
"""The code of a PERMANENT error that says: nothing of this lead is mapped, so no call was made."""

Value: TypeAlias = str | bool | int | Decimal | date | datetime | Sequence[str] | None
FieldType: TypeAlias = Literal["text", "number", "money", "bool", "date", "datetime", "choice", "choices", "ref"]


class CompanyIn(NamedTuple):
    name: str
    domain: str | None


@dataclass(frozen=True)
class Caps:
    """What the pages and the scheduler may offer."""

    oauth: bool = False
    static_key: bool = False
    batch: int = 1  # people that one call may take
    hooks: Literal["api", "app", "manual", "none"] = "none"
    hook_max_age: timedelta | None = None
    deals: bool = False  # `ConnectorKind.sales` reads them
    add_deals: bool = False  # ... and makes them
    activities: frozenset[Act] = frozenset()  # that are told, by `sales` or with `pushes`
    pushes: bool = False  # it sends us its contacts, deals and activities: `ConnectorKind.reads_push` reads them
    custom_key: bool = False  # property names are free: the other side takes what it is given


@dataclass(frozen=True)
class Account:
    """Who we are there. Stored with the connection and handed back in `Context.account`."""

    id: str
    name: str
    user_id: str | None = None
    currency: str | None = None
    tz: str | None = None
    url: str | None = None
    lacks: tuple[str, ...] = ()  # rights that leads can do without, but deals, owners or activities not; never stored


@dataclass(frozen=True)
class FieldDef:
    """One property of the CRM, standard or custom."""

    key: str
    label: str
    type: FieldType
    required: bool = False
    writable: bool = True
    custom: bool = False
    choices: Sequence[tuple[str, str]] = ()  # (value, label)


@dataclass(frozen=True)
class PersonIn:
    """One lead on its way. `ref` is the delivery's id: the same at every attempt.

    `owner` is for a record that is made now; one that is there keeps its owner, unless `owner_wins`.
    """

    ref: str
    email: str | None = None
    first: str | None = None
    last: str | None = None
    phone: str | None = None
    company: CompanyIn | None = None
    owner: str | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    known_id: str | None = None
    lead: str = ""
    submission: str = ""
    at: datetime | None = None  # when the submission was made
    owner_wins: bool = False


@dataclass(frozen=True)
class Warned:
    """A property was left out; the rest was delivered. Without a name nothing was: it is only good to know."""

    property: str
    text: str


def several(count: int, records: str, *, which: str = "oldest") -> Warned:
    """More than one has the address of a lead: `which` of them was taken."""
    return Warned("", f"{count} {records} have this address: the {which} one was updated. Merge them in the CRM.")


class CrmError(Exception):
    """The one failure a connector reports. `text` is the CRM's own words, `field` the property or setting."""

    def __init__(
        self,
        kind: ErrorClass,
        text: str,
        *,
        code: str = "",
        field: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.code = code
        self.field = field
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Written:
    """What became of one person."""

    ref: str
    id: str | None = None
    created: bool = False
    url: str | None = None
    error: CrmError | None = None
    warnings: Sequence[Warned] = ()


@dataclass(frozen=True)
class Exchange:
    """One call and its answer, secrets masked and bodies capped: fit to be stored and shown.

    A preview has no answer (`status` None); `note` says when such a call is made.
    """

    method: str
    url: str
    request_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: str = ""
    status: int | None = None
    response_headers: Mapping[str, str] = field(default_factory=dict)
    response_body: str = ""
    elapsed_ms: int = 0
    error: str | None = None  # why there is no answer
    note: str = ""
    ref: str = ""  # of the person it was about; empty: of everybody in the call


class InboxStore(Protocol):
    """Where the Test inbox keeps what it was sent."""

    async def upsert(
        self, connection_id: str, records: Sequence[tuple[str, Mapping[str, str]]]
    ) -> Sequence[tuple[str, bool]]:
        """(key, properties) of each; returns its id and whether it is new, in the same order."""
        ...


def forget_exchange(exchange: Exchange) -> None:
    """The listener of a caller that keeps no record."""


@dataclass(frozen=True)
class Context:
    """One connection, as a connector sees it. `base_url` replaces the vendor's host (a proxy, a test server)."""

    connection_id: str
    http: Outbound
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    grants: Grants | None = None  # of a connection that was made by signing in; else the key is in `secrets`
    base_url: str | None = None
    account: Account | None = None
    store: InboxStore | None = None
    budget: Budget = field(default_factory=Budget)
    on_exchange: Callable[[Exchange], None] = forget_exchange


class Connector(Protocol):
    """One per connection. Every method raises CrmError; `upsert_people` puts it into the result instead."""

    caps: Caps

    async def verify(self) -> Account: ...

    async def fields(self, kind: Kind) -> Sequence[FieldDef]: ...

    async def upsert_people(self, people: Sequence[PersonIn]) -> Sequence[Written]:
        """Exactly one result each, in the same order."""
        ...

    def preview(self, person: PersonIn) -> Sequence[Exchange]:
        """The requests that would be sent, without sending them."""
        ...
