"""HubSpot's owners, pipelines, deals and activities in plain terms (crm/hubspot.md 6 and 7)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from site2crm.connectors.contract import Act
from site2crm.connectors.hubspot.changes import MODIFIED, Record
from site2crm.connectors.hubspot.portal import Object, id_of, text
from site2crm.connectors.hubspot.properties import encode, moment
from site2crm.connectors.sales import Activity, Deal, DealIn, Money, Owner, Pipeline, Stage, Status
from site2crm.connectors.wire import whole

MERGED = "hs_merged_object_ids"
CURRENCY = "deal_currency_code"
DEAL_PROPERTIES = (
    "dealname", "amount", CURRENCY, "pipeline", "dealstage", "closedate", "createdate", "hubspot_owner_id",
    "hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost", MERGED, MODIFIED,
)  # fmt: skip
ACTS: dict[Act, Object] = {Act.CALL: "calls", Act.EMAIL: "emails", Act.MEETING: "meetings", Act.TASK: "tasks"}
_COMMON = ("hs_timestamp", "hubspot_owner_id", MODIFIED)
ACT_PROPERTIES: dict[Act, Sequence[str]] = {
    Act.CALL: (*_COMMON, "hs_call_duration", "hs_call_status"),
    Act.EMAIL: (*_COMMON, "hs_email_direction", "hs_email_status"),
    Act.MEETING: (*_COMMON, "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome"),
    Act.TASK: (*_COMMON, "hs_task_status"),
}
_UNDONE = {
    Act.CALL: {"NO_ANSWER", "BUSY", "FAILED", "CANCELED", "QUEUED", "RINGING", "CONNECTING", "CALLING_CRM_USER"},
    Act.EMAIL: {"BOUNCED", "FAILED", "SCHEDULED", "SENDING"},
    Act.MEETING: {"SCHEDULED", "RESCHEDULED", "NO_SHOW", "CANCELED"},
    Act.TASK: {"NOT_STARTED", "IN_PROGRESS", "WAITING", "DEFERRED"},
}
_STATE = {Act.CALL: "hs_call_status", Act.EMAIL: "hs_email_status", Act.MEETING: "hs_meeting_outcome",
          Act.TASK: "hs_task_status"}  # fmt: skip

_MOST_DIGITS = 30
"""HubSpot keeps texts: one that reads 1E+999999999 would take a gigabyte as a whole number."""


def owner(item: Mapping[str, object]) -> Owner:
    """`id` is what records name; `userId` is another number."""
    names = [str(item[key]) for key in ("firstName", "lastName") if item.get(key)]
    email = text(item.get("email"))
    return Owner(str(item["id"]), " ".join(names) or email or str(item["id"]), email, item.get("archived") is not True)


def pipeline(item: Mapping[str, object]) -> Pipeline:
    listed = item.get("stages")
    stages = [_stage(one) for one in listed if isinstance(one, dict) and id_of(one)] if isinstance(listed, list) else []
    return Pipeline(str(item["id"]), str(item.get("label", "")), sorted(stages, key=lambda stage: stage.order))


def _stage(item: Mapping[str, object]) -> Stage:
    told = item.get("metadata")
    metadata = told if isinstance(told, dict) else {}
    # Its values are strings; the probability is what tells won from lost.
    closed = str(metadata.get("isClosed", "")).lower() == "true"
    won = _number(metadata.get("probability")) == 1
    status = (Status.WON if won else Status.LOST) if closed else Status.OPEN
    return Stage(str(item["id"]), str(item.get("label", "")), whole(item.get("displayOrder")) or 0, status)


def deal(record: Record, *, url: str | None, tz: str | None) -> Deal:
    said = record.properties
    closes = moment(said.get("closedate"))
    status = _status(said)
    return Deal(
        id=record.id,
        title=text(said.get("dealname")) or "",
        status=Status.DELETED if record.archived else status,
        created_at=moment(said.get("createdate")) or record.created_at,
        updated_at=record.updated_at,
        value=_money(said),
        pipeline=text(said.get("pipeline")),
        stage=text(said.get("dealstage")),
        owner=text(said.get("hubspot_owner_id")),
        people=record.people,
        close=closes.astimezone(_zone(tz)).date() if closes else None,
        closed_at=closes if status is not Status.OPEN else None,
        url=url,
    )


def merged_into(record: Record) -> list[Deal]:
    """Deals that went into this one: HubSpot shows them nowhere any more, not even among the archived."""
    listed = text(record.properties.get(MERGED)) or ""
    ids = [id for id in listed.split(";") if id.isdecimal() and id != record.id]
    at = record.updated_at
    return [Deal(id, "", Status.DELETED, created_at=at, updated_at=at) for id in dict.fromkeys(ids)]


def _status(said: Mapping[str, object]) -> Status:
    if said.get("hs_is_closed_won") == "true":
        return Status.WON
    return Status.LOST if "true" in (said.get("hs_is_closed_lost"), said.get("hs_is_closed")) else Status.OPEN


def _money(said: Mapping[str, object]) -> Money | None:
    amount = _number(said.get("amount"))
    return Money(amount, text(said.get(CURRENCY))) if amount is not None else None


def activity(record: Record, kind: Act) -> Activity | None:
    """None for an e-mail that came in: nobody's work."""
    said = record.properties
    if said.get("hs_email_direction") == "INCOMING_EMAIL":
        return None
    return Activity(
        id=record.id,
        kind=kind,
        owner=text(said.get("hubspot_owner_id")),
        at=moment(said.get("hs_timestamp")) or record.created_at,
        done=str(said.get(_STATE[kind]) or "").upper() not in _UNDONE[kind],
        updated_at=record.updated_at,
        seconds=_seconds(said),
        people=record.people,
        deleted=record.archived,
    )


def _seconds(said: Mapping[str, object]) -> int | None:
    """A call's length is told in milliseconds, a meeting's by its ends."""
    if (length := _number(said.get("hs_call_duration"))) is not None:
        return round(length / 1000)
    start, end = moment(said.get("hs_meeting_start_time")), moment(said.get("hs_meeting_end_time"))
    return round((end - start).total_seconds()) if start and end and end >= start else None


def encoded(deal: DealIn, *, currency: str | None, tz: str | None) -> dict[str, str]:
    """What is written of a deal. `currency`: the account's; an account with one only knows no other."""
    said = {"dealname": deal.title}
    if deal.value:
        said["amount"] = encode(deal.value.amount)
        if deal.value.currency and deal.value.currency != currency:
            said[CURRENCY] = deal.value.currency
    if deal.close:
        said["closedate"] = encode(datetime.combine(deal.close, time(), _zone(tz)))
    given = {"pipeline": deal.pipeline, "dealstage": deal.stage, "hubspot_owner_id": deal.owner}
    return {**said, **{name: value for name, value in given.items() if value}}


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() <= _MOST_DIGITS else None


def _zone(tz: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(tz or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
