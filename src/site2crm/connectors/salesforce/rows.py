"""Rows of Salesforce's tables in plain terms (crm/salesforce.md 6, 7)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from site2crm.connectors.contract import Act
from site2crm.connectors.sales import Activity, Deal, Money, Owner, Stage, Status
from site2crm.connectors.salesforce import soql
from site2crm.connectors.salesforce.changes import day, midnight, moment
from site2crm.connectors.salesforce.client import Row
from site2crm.connectors.wire import whole
from site2crm.kit import clock

LONGEST_TITLE = 120
STAGE_COLUMNS = ("Id", "ApiName", "MasterLabel", "SortOrder", "IsActive", "IsClosed", "IsWon")
_PEOPLE = "(SELECT ContactId, IsPrimary FROM OpportunityContactRoles ORDER BY IsPrimary DESC, CreatedDate ASC)"
DEAL_COLUMNS = ("Id", "Name", "Amount", "CurrencyIsoCode", "StageName", "IsClosed", "IsWon", "CloseDate",
                "LastStageChangeDate", "OwnerId", "CreatedDate", "SystemModstamp", "IsDeleted", _PEOPLE)  # fmt: skip
DEAL_OPTIONAL = ("CurrencyIsoCode", "LastStageChangeDate", "Amount")
"""Only orgs with several currencies have the first; the others may be hidden from the user."""
_TASK = ("Id", "OwnerId", "WhoId", "ActivityDate", "IsClosed", "CompletedDateTime", "CallDurationInSeconds",
         "CreatedDate", "SystemModstamp", "IsDeleted")  # fmt: skip
_EVENT = ("Id", "OwnerId", "WhoId", "StartDateTime", "EndDateTime", "ActivityDate", "CreatedDate", "SystemModstamp",
          "IsDeleted")  # fmt: skip
ACTIVITY_OPTIONAL = ("CallDurationInSeconds", "CompletedDateTime")
"""The call fields belong to the call centre, and may be hidden."""


class Source(NamedTuple):
    table: str
    only: str
    columns: Sequence[str]


SOURCES = {
    # Many dialers leave the subtype alone and fill the type.
    Act.CALL: Source("Task", "(TaskSubtype = 'Call' OR Type = 'Call')", _TASK),
    # Not from EmailMessage: with Enhanced Email each one is there as well, and would be counted twice.
    Act.EMAIL: Source("Task", "TaskSubtype = 'Email'", _TASK),
    Act.MEETING: Source("Event", "", _EVENT),
}


def owner(row: Row) -> Owner:
    return Owner(str(row.get("Id")), str(row.get("Name") or ""), _text(row.get("Email")), row.get("IsActive") is True)


def stage(row: Row) -> Stage:
    label = str(row.get("MasterLabel") or row.get("ApiName"))
    return Stage(
        id=str(row.get("ApiName")),
        label=label if row.get("IsActive") is not False else f"{label} (inactive)",
        order=whole(row.get("SortOrder")) or 0,
        status=_status(row),
    )


def deal(row: Row, *, pipeline: str, leads: Sequence[str], url: str | None) -> Deal:
    """`leads`: those that were converted into it."""
    id, status, close = str(row.get("Id")), _status(row), day(row.get("CloseDate"))
    return Deal(
        id=id,
        title=str(row.get("Name") or ""),
        status=Status.DELETED if row.get("IsDeleted") is True else status,
        created_at=_at(row, "CreatedDate"),
        updated_at=_at(row, "SystemModstamp"),
        value=_money(row),
        pipeline=pipeline,
        stage=_text(row.get("StageName")),
        owner=_text(row.get("OwnerId")),
        people=[*_contacts(row), *leads],
        close=close,
        closed_at=None if status is Status.OPEN else _closed_at(row),
        url=url,
    )


def activity(row: Row, kind: Act) -> Activity:
    start, end = moment(row.get("StartDateTime")), moment(row.get("EndDateTime"))
    planned = start or midnight(day(row.get("ActivityDate")))
    seconds = row.get("CallDurationInSeconds")
    if start and end:
        seconds = max(0, round((end - start).total_seconds()))
    who = _text(row.get("WhoId"))
    return Activity(
        id=str(row.get("Id")),
        kind=kind,
        owner=_text(row.get("OwnerId")),
        at=(moment(row.get("CompletedDateTime")) or planned or _at(row, "CreatedDate")).astimezone(UTC),
        done=(end or start or clock.now()) <= clock.now() if kind is Act.MEETING else row.get("IsClosed") is True,
        updated_at=_at(row, "SystemModstamp"),
        seconds=int(seconds) if isinstance(seconds, int | Decimal) else None,
        people=[who] if who else [],
        deleted=row.get("IsDeleted") is True,
    )


def stamp(row: Row) -> str:
    return soql.moment(_at(row, "SystemModstamp"))


def _status(row: Row) -> Status:
    if row.get("IsWon") is True:
        return Status.WON
    return Status.LOST if row.get("IsClosed") is True else Status.OPEN


def _closed_at(row: Row) -> datetime | None:
    """`CloseDate` is what the salespeople say; the moment of the last change of stage, if it was on that day."""
    closed, changed = day(row.get("CloseDate")), moment(row.get("LastStageChangeDate"))
    if changed is not None and closed in (None, changed.date()):
        return changed.astimezone(UTC)
    return midnight(closed) or _at(row, "SystemModstamp")


def _money(row: Row) -> Money | None:
    amount = row.get("Amount")
    if not isinstance(amount, int | Decimal) or isinstance(amount, bool):
        return None
    return Money(Decimal(amount), _text(row.get("CurrencyIsoCode")))


def _contacts(row: Row) -> list[str]:
    """The primary one first."""
    told = row.get("OpportunityContactRoles")
    records = told.get("records") if isinstance(told, Mapping) else None
    return [
        str(role["ContactId"])
        for role in (records if isinstance(records, list) else [])
        if isinstance(role, Mapping) and role.get("ContactId")
    ]


def _at(row: Row, name: str) -> datetime:
    found = moment(row.get(name))
    return found.astimezone(UTC) if found else clock.now()


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None
