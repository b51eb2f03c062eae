"""The demo's Nutshell: leads (which are deals), pipelines, outcomes, activities, and users."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from site2crm.demo.nutshell_people import WRITABLE, Fields
from site2crm.demo.nutshell_records import Record, Records, Refused, number, when
from site2crm.kit import clock

CURRENCY = "EUR"
ACTIVITY_TYPES = [
    {"id": "1-activityTypes", "type": "activityTypes", "name": "Phone Call", "modifiedTime": 1_750_000_000},
    {"id": "2-activityTypes", "type": "activityTypes", "name": "Meeting", "modifiedTime": 1_750_000_000},
    {"id": "3-activityTypes", "type": "activityTypes", "name": "Trade show", "modifiedTime": 1_750_000_000},
]


def furnish(records: Records, *, email: str) -> None:
    """Users, pipelines and outcomes, as a new account has them."""
    for id, name, address, enabled in (
        ("1-users", "Olive Owner", email, True),
        ("2-users", "Sam Seller", "sam@client.example", True),
        ("9-users", "Gone Gail", "gail@client.example", False),
    ):
        records.tables["users"][id] = user(id, name, address, active=enabled)
    for id, name, first in (("1-stagesets", "Sales", 101), ("2-stagesets", "Renewals", 201)):
        records.tables["stagesets"][id] = {"id": id, "type": "stagesets", "name": name, "default": first == 101,
                                           "status": 1, "canAccess": True}  # fmt: skip
        for position, label in enumerate(("Qualify", "Propose", "Negotiate")):
            stage = f"{first + position}-stages"
            records.tables["stages"][stage] = {"id": stage, "type": "stages", "name": label, "description": "",
                                               "position": position, "links": [{"stageset": id}]}  # fmt: skip
    for id, name, kind in (("1-outcomes", "Won", "won"), ("2-outcomes", "Too expensive", "lost"),
                           ("3-outcomes", "Cancelled", "cancelled")):  # fmt: skip
        records.tables["outcomes"][id] = {"id": id, "name": name, "status": "active", "type": kind}


def user(id: str, name: str, email: str, *, active: bool) -> Record:
    return {"id": id, "type": "users", "name": name, "firstName": name.split(maxsplit=1)[0], "emails": [email],
            "isEnabled": active, "isAdministrator": id == "1-users", "modifiedTime": 1_750_000_000}  # fmt: skip


def made_lead(records: Records, given: Mapping[str, Any], fields: Fields) -> Record:
    """A lead from what was posted: the description becomes its name, the amount a string in the account's currency."""
    if unknown := set(given) - WRITABLE["leads"]:
        raise Refused(f"Unknown attribute {sorted(unknown)[0]}", field=sorted(unknown)[0])
    fields.check("leads", given.get("customFields", {}))
    links = given.get("links", {})
    for id in links.get("contacts", ()):
        if records.get("contacts", id) is None:
            raise Refused(f"There is no contact {id}", field="links")
    amount = given.get("manualValue", "0.00")
    if not isinstance(amount, str):
        raise Refused("manualValue must be a string", field="manualValue")
    return {
        "name": given.get("description") or "Lead", "description": given.get("description", ""), "status": "open",
        "value": money(amount), "confidence": 50, "isOverdue": False, "createdTime": when(clock.unix()),
        "closedTime": None, "dueTime": given.get("dueTime"), "anticipatedClosedTime": given.get("dueTime"),
        "customFields": dict(given.get("customFields", {})),
        "links": {"owner": None, "accounts": [], "contacts": [], "sources": [], "tags": [], "outcome": None,
                  "stageset": "1-stagesets", "stage": "101-stages", **links},
    }  # fmt: skip


def close_lead(records: Records, lead: Record, outcome_id: str) -> None:
    outcome = records.get("outcomes", outcome_id)
    if outcome is None:
        raise Refused(f"There is no outcome {outcome_id}", field="outcomeId")
    lead.update(status=outcome["type"], closedTime=when(clock.unix()))
    lead["links"]["outcome"] = outcome_id
    records.happened("statuschange", lead)


def move_lead(records: Records, lead: Record, stageset_id: str) -> None:
    if records.get("stagesets", stageset_id) is None:
        raise Refused(f"There is no pipeline {stageset_id}", field="stageset")
    stages = [s for s in records.tables["stages"].values() if s["links"][0]["stageset"] == stageset_id]
    lead["links"].update(stageset=stageset_id, stage=stages[0]["id"])
    records.happened("stagechange", lead)


def reopen_lead(records: Records, lead: Record) -> None:
    lead.update(status="open", closedTime=None)
    lead["links"]["outcome"] = None
    records.happened("reopen", lead)


def sorted_leads(leads: list[Record], sort: str) -> list[Record]:
    keys = {"createdTime": lambda lead: lead["createdTime"]["timestamp"], "name": lambda lead: lead["name"]}
    key = keys.get(sort.removeprefix("-"), number)
    return sorted(leads, key=key, reverse=sort.startswith("-"))


def made_activity(given: Mapping[str, Any]) -> Record:
    now = int(clock.unix())
    return {
        "name": given.get("name", ""), "agenda": given.get("description", ""), "startTime": given.get("startTime", now),
        "endTime": given.get("endTime"), "createdTime": now, "modifiedTime": now, "isAllDay": False,
        "isLogged": bool(given.get("isLogged")), "loggedTime": now if given.get("isLogged") else None,
        "isCancelled": False, "deletedTime": None,
        "links": {"activityType": given.get("activityType", "1-activityTypes"), "creator": "1-users",
                  **given.get("links", {})},
    }  # fmt: skip


def activities(listed: list[Record], query: list[tuple[str, str]]) -> list[Record]:
    """Those of the asked days (in UTC) and states."""
    told = dict(query)
    states = {value for name, value in query if name == "filter[status][]"}
    first, last = told.get("filter[dateMin]", "0001-01-01"), told.get("filter[dateMax]", "9999-12-31")
    return [
        activity
        for activity in listed
        if first <= datetime.fromtimestamp(activity["startTime"], UTC).date().isoformat() <= last
        and (not states or _state(activity) in states)
    ]


def money(amount: str) -> Record:
    return {"amount": amount, "currency": CURRENCY, "formatted": f"€{amount}"}


def _state(activity: Record) -> str:
    if activity["isCancelled"]:
        return "cancelled"
    return "logged" if activity["isLogged"] else "scheduled"
