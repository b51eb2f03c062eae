"""Contacts, deals and activities that a custom CRM sends us, signed as we sign ours (help/custom-crm-records)."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from site2crm.connectors import sales
from site2crm.connectors.contract import Act
from site2crm.connectors.hints import BadProof
from site2crm.connectors.pushing import Contact, Push, Pushed
from site2crm.connectors.webhook.signing import key_of, proven
from site2crm.core.errors import BadRequest, Invalid
from site2crm.kit import clock

MOST = 1_000
"""Records of one kind in a message."""
LARGEST = Decimal(10) ** 13
"""Amounts stay below it, so that their smallest units fit into 64 bits."""
MOST_DECIMALS = 20
"""More than the sum of two binary fractions has; a number of a million digits is nobody's amount."""
LONGEST_S = 7 * 86_400
FIRST_YEAR = 1970

_Id = Annotated[str, Meta(min_length=1, max_length=200)]
_Ref = Annotated[str, Meta(max_length=200)]
_Text = Annotated[str, Meta(max_length=500)]
_Url = Annotated[str, Meta(pattern=r"^https?://[^\s\x00-\x1f]+\Z", max_length=2_000)]
_Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
_Moment = Annotated[datetime, Meta(tz=True)]
_Seconds = Annotated[int, Meta(ge=0, le=LONGEST_S)]
_Place = Annotated[int, Meta(ge=0, le=10_000)]
_People = Annotated[list[_Id], Meta(max_length=50)]


class ContactIn(Struct, forbid_unknown_fields=True):
    id: _Id
    lead_id: _Ref = ""
    email: _Text = ""
    url: _Url | None = None
    deleted: bool = False


class OwnerIn(Struct, forbid_unknown_fields=True):
    id: _Id
    name: _Text
    email: _Text | None = None
    active: bool = True


class StageIn(Struct, forbid_unknown_fields=True):
    id: _Id
    label: _Text
    order: _Place | None = None
    status: sales.Status | None = None


class PipelineIn(Struct, forbid_unknown_fields=True):
    id: _Id
    label: _Text
    stages: Annotated[list[StageIn], Meta(max_length=MOST)]


class DirectoryIn(Struct, forbid_unknown_fields=True):
    owners: Annotated[list[OwnerIn], Meta(max_length=MOST)]
    pipelines: Annotated[list[PipelineIn], Meta(max_length=100)]


class DealIn(Struct, forbid_unknown_fields=True):
    id: _Id
    title: _Text
    status: sales.Status = sales.Status.OPEN
    amount: Decimal | None = None
    currency: _Currency | None = None
    pipeline: _Ref | None = None
    stage: _Ref | None = None
    owner: _Ref | None = None
    contacts: _People = []
    close: date | None = None
    closed_at: _Moment | None = None
    created_at: _Moment | None = None
    updated_at: _Moment | None = None
    url: _Url | None = None


class ActivityIn(Struct, forbid_unknown_fields=True):
    id: _Id
    kind: Act
    at: _Moment
    owner: _Ref | None = None
    done: bool = True
    seconds: _Seconds | None = None
    contacts: _People = []
    updated_at: _Moment | None = None
    deleted: bool = False


class MessageIn(Struct, forbid_unknown_fields=True):
    """`directory` is all of it; the others are what is new or has changed."""

    contacts: Annotated[list[ContactIn], Meta(max_length=MOST)] = []
    directory: DirectoryIn | None = None
    deals: Annotated[list[DealIn], Meta(max_length=MOST)] = []
    activities: Annotated[list[ActivityIn], Meta(max_length=MOST)] = []


_CURES = {
    "amount": 'Write a decimal number below 10,000,000,000,000, such as "1500.00".',
    "currency": "Write the three capital letters of ISO 4217, such as EUR.",
    "url": "Write a whole address that begins with https://.",
    "close": "Write a day, such as 2026-12-31.",
    **dict.fromkeys(
        ("at", "closed_at", "created_at", "updated_at"),
        "Write a time with its zone, such as 2026-11-22T10:00:00Z.",
    ),
    "kind": f"Choose one of {', '.join(Act)}.",
    "status": f"Choose one of {', '.join(sales.Status)}.",
    "seconds": f"Write whole seconds from 0 to {LONGEST_S:,}.",
}
_PLACED = re.compile(r"(?P<said>.*?)(?: - at `(?:\$|key in \$)\.?(?P<where>[^`]*)`)?", re.DOTALL)
_NAMED = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL)
_LENGTH = re.compile(r"Expected `(array|str)` of length (>=|<=) (\d+)")


def read(push: Push) -> Pushed:
    """Raises BadProof, BadRequest for what is no JSON, Invalid with the field and what to write instead."""
    key = key_of(push.secrets.get("secret", "").strip())
    if key is None:
        raise BadProof("This connection has no signing secret. Enter one under Access.")
    proof = proven(key, push.headers, push.body)
    message = _message(push.body)
    try:
        return Pushed(
            id=proof.id,
            at=proof.at,
            people=[Contact(c.id, c.lead_id, c.email, c.url, c.deleted) for c in message.contacts],
            directory=_directory(message.directory),
            deals=[_deal(deal, index, proof.at) for index, deal in enumerate(message.deals)],
            activities=[_activity(activity, proof.at) for activity in message.activities],
        )
    except OverflowError as error:
        text = f"A time in it is outside the calendar. Write years from {FIRST_YEAR} to 9998."
        raise Invalid.field("body", text) from error


def _message(body: bytes) -> MessageIn:
    if b"\\u0000" in body or b"\x00" in body:
        raise Invalid.field("body", "A text in it has a null character. Remove it.")
    try:
        return msgspec.json.decode(body, type=MessageIn)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise BadRequest("The JSON is nested too deeply.") from error


def _invalid(text: str) -> Invalid:
    found = _PLACED.fullmatch(text)
    said, where = (found["said"], found["where"] or "") if found else (text, "")
    if named := _NAMED.fullmatch(said):
        where = f"{where}.{named[1]}" if where else named[1]
        cure = "This is needed." if "missing" in said else "There is no such field; check the spelling."
        return Invalid.field(where, cure)
    return Invalid.field(where or "body", _cure(where, said))


def _cure(where: str, said: str) -> str:
    if length := _LENGTH.fullmatch(said):
        what, sign, size = length[1], length[2], int(length[3])
        if what == "array":
            return f"At most {size:,} in one message: send the others in another."
        return f"At most {size:,} characters." if sign == "<=" else "This is needed."
    return _CURES.get(where.rpartition(".")[2], f"{said}.")


def _directory(given: DirectoryIn | None) -> sales.Directory | None:
    if given is None:
        return None
    owners = [sales.Owner(owner.id, owner.name, owner.email, owner.active) for owner in given.owners]
    pipelines = [sales.Pipeline(pipeline.id, pipeline.label, _stages(pipeline.stages)) for pipeline in given.pipelines]
    return sales.Directory(owners, pipelines)


def _stages(given: Sequence[StageIn]) -> list[sales.Stage]:
    """In the order in which they came, unless they tell another."""
    return [
        sales.Stage(stage.id, stage.label, index if stage.order is None else stage.order, stage.status)
        for index, stage in enumerate(given)
    ]


def _deal(given: DealIn, index: int, at: datetime) -> sales.Deal:
    if given.amount is not None and not _is_amount(given.amount):
        raise Invalid.field(f"deals[{index}].amount", _CURES["amount"])
    updated = _utc(given.updated_at) or at
    return sales.Deal(
        id=given.id,
        title=given.title,
        status=given.status,
        created_at=_utc(given.created_at) or updated,
        updated_at=updated,
        value=None if given.amount is None else sales.Money(given.amount, given.currency),
        pipeline=given.pipeline or None,
        stage=given.stage or None,
        owner=given.owner or None,
        people=given.contacts,
        close=given.close,
        closed_at=_utc(given.closed_at),
        url=given.url,
    )


def _is_amount(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    # Without arithmetic, of which 1e999999999 takes none.
    return isinstance(exponent, int) and exponent >= -MOST_DECIMALS and amount.copy_abs() < LARGEST


def _activity(given: ActivityIn, at: datetime) -> sales.Activity:
    return sales.Activity(
        id=given.id,
        kind=given.kind,
        owner=given.owner or None,
        at=_in_calendar(given.at),
        done=given.done,
        updated_at=_utc(given.updated_at) or at,
        seconds=given.seconds,
        people=given.contacts,
        deleted=given.deleted,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return _in_calendar(moment) if moment else None


def _in_calendar(moment: datetime) -> datetime:
    found = clock.as_utc(moment)
    if found is None or found.year < FIRST_YEAR:
        raise OverflowError
    return found
