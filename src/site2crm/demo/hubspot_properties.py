"""The fake portal's contact properties, and what HubSpot says about a value that does not fit."""

import re
from datetime import date
from typing import Any

_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}", re.IGNORECASE)


_KEPT = ("createdate", "hs_lastmodifieddate", "hs_object_id")
_ACTIVITIES = {
    "calls": ("hs_call_title", "hs_call_direction", "hs_call_duration", "hs_call_status"),
    "emails": ("hs_email_direction", "hs_email_status", "hs_email_subject"),
    "meetings": ("hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome"),
    "tasks": ("hs_task_status", "hs_task_subject"),
}


def standard_properties() -> dict[str, dict[str, Any]]:
    """Standard, custom, read-only, calculated, hidden and enumerated ones, as a portal has them."""
    listed = [
        _property("email", "Email"),
        _property("firstname", "First Name"),
        _property("lastname", "Last Name"),
        _property("phone", "Phone Number", field="phonenumber"),
        _property("company", "Company Name"),
        _property("jobtitle", "Job Title"),
        _property("website", "Website URL"),
        _property("message", "Message", field="textarea"),
        _property("city", "City"),
        _property("country", "Country/Region"),
        _property("annualrevenue", "Annual Revenue", type="number", field="number"),
        _property("date_of_birth", "Date of birth", type="date", field="date"),
        _property("hubspot_owner_id", "Contact owner", type="enumeration", field="select", ref="OWNER"),
        _property("lifecyclestage", "Lifecycle Stage", type="enumeration", field="radio",
                  options=("subscriber", "lead", "customer")),
        _property("industry", "Industry", type="enumeration", field="select",
                  options=("ACCOUNTING", "COMPUTER_SOFTWARE", "RETAIL")),
        _property("createdate", "Create Date", type="datetime", field="date", read_only=True),
        _property("lastmodifieddate", "Last Modified Date", type="datetime", field="date", read_only=True),
        _property("hs_object_id", "Record ID", type="number", field="number", read_only=True),
        _property("hs_additional_emails", "Additional emails", read_only=True),
        _property("hs_analytics_source", "Original Source", type="enumeration", field="select",
                  options=("ORGANIC_SEARCH", "DIRECT_TRAFFIC"), read_only=True),
        _property("hs_calculated_form_submissions", "All form submissions", hidden=True),
        _property("favourite_colour", "Favourite colour", type="enumeration", field="select",
                  options=("red", "green", "blue"), custom=True),
        _property("topics", "Topics", type="enumeration", field="checkbox", options=("seo", "ads", "crm"), custom=True),
        _property("newsletter", "Newsletter", type="enumeration", field="booleancheckbox",
                  options=("true", "false"), custom=True),
        _property("budget", "Budget", type="number", field="number", custom=True),
        _property("source_note", "Source note", custom=True),
    ]  # fmt: skip
    return {item["name"]: item for item in listed}


def deal_properties() -> dict[str, dict[str, Any]]:
    """Of a deal: standard ones, one of the portal's own, and those that HubSpot keeps itself."""
    listed = [
        _property("dealname", "Deal Name"),
        _property("amount", "Amount", type="number", field="number"),
        _property("deal_currency_code", "Currency", type="enumeration", field="select", options=("EUR", "USD", "JPY")),
        _property("description", "Deal Description", field="textarea"),
        _property("pipeline", "Pipeline"),
        _property("dealstage", "Deal Stage"),
        _property("closedate", "Close Date", type="datetime", field="date"),
        _property("hubspot_owner_id", "Deal owner", type="enumeration", field="select", ref="OWNER"),
        _property("lead_source", "Lead source", custom=True),
        *(_property(name, name, read_only=True) for name in _KEPT),
        *(_property(name, name, type="bool", read_only=True)
          for name in ("hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost")),
    ]  # fmt: skip
    return {item["name"]: item for item in listed}


def activity_properties(of: str) -> dict[str, dict[str, Any]]:
    """Of calls, emails, meetings or tasks."""
    named = ("hubspot_owner_id", *_ACTIVITIES[of])
    listed = [_property("hs_timestamp", "Activity date", type="datetime", field="date")]
    listed += [_property(name, name) for name in named]
    listed += [_property(name, name, read_only=True) for name in _KEPT]
    return {item["name"]: item for item in listed}


def problem_with(definition: dict[str, Any] | None, name: str, value: Any) -> dict[str, Any] | None:
    """HubSpot's complaint about one value, None if there is none."""
    if definition is None:
        return _problem("PROPERTY_DOESNT_EXIST", name, f'Property "{name}" does not exist')
    if definition.get("modificationMetadata", {}).get("readOnlyValue") or definition.get("calculated"):
        return _problem("READ_ONLY_VALUE", name, f'"{name}" is a read only property; its value cannot be set.')
    if value in ("", None):
        return None
    return _problem_with_value(definition, name, str(value))


def _problem_with_value(definition: dict[str, Any], name: str, value: str) -> dict[str, Any] | None:
    if name == "email" and not _EMAIL.fullmatch(value):
        return _problem("INVALID_EMAIL", name, f"Email address {value} is invalid")
    allowed = [option["value"] for option in definition["options"]]
    if allowed and not set(value.split(";")) <= set(allowed):
        return _problem("INVALID_OPTION", name, f"{value} was not one of the allowed options: {allowed}")
    if definition["type"] == "number" and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return _problem("INVALID_NUMBER", name, f"{value} was not a valid number.")
    if definition["type"] == "date" and not _is_date(value):
        return _problem("INVALID_DATE", name, f"{value} was not a valid date.")
    return None


def _problem(code: str, name: str, message: str) -> dict[str, Any]:
    return {"code": code, "name": name, "message": message}


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return value.isdigit()
    return True


def _property(
    name: str,
    label: str,
    *,
    type: str = "string",
    field: str = "text",
    options: tuple[str, ...] = (),
    read_only: bool = False,
    hidden: bool = False,
    custom: bool = False,
    ref: str | None = None,
) -> dict[str, Any]:
    listed = [{"label": text.capitalize(), "value": text, "hidden": False} for text in options]
    item = {
        "name": name, "label": label, "type": type, "fieldType": field, "groupName": "contactinformation",
        "description": "", "options": listed, "hidden": hidden, "hubspotDefined": not custom,
        "modificationMetadata": {"readOnlyValue": read_only},
    }  # fmt: skip
    return {**item, "referencedObjectType": ref} if ref else item
