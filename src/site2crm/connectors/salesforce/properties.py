"""Fields of Salesforce's objects in plain terms, and values as it takes them (crm/salesforce.md 6, 7)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from site2crm.connectors.contract import FieldDef, FieldType, Value

NOTE = "site2crm_note"
COMPANY = "Company"
NOTE_FIELD = FieldDef(NOTE, "Note (a completed task in the timeline)", "text")
COMPANY_FIELD = FieldDef(COMPANY, "Company (an account, found by its name or created)", "text")
LEAD, CONTACT = "Lead", "Contact"

_TYPES: dict[str, FieldType] = {
    "boolean": "bool",
    "currency": "money",
    "date": "date",
    "datetime": "datetime",
    "double": "number",
    "int": "number",
    "long": "number",
    "multipicklist": "choices",
    "percent": "number",
    "picklist": "choice",
    "reference": "ref",
}
_OF_A_CONTACT = {
    "Street": "MailingStreet",
    "City": "MailingCity",
    "State": "MailingState",
    "PostalCode": "MailingPostalCode",
    "Country": "MailingCountry",
    "StateCode": "MailingStateCode",
    "CountryCode": "MailingCountryCode",
}
_OF_A_LEAD_ONLY = {"Company", "Status", "Rating", "Industry", "AnnualRevenue", "NumberOfEmployees", "Website"}


def encode_all(fields: Mapping[str, Value]) -> dict[str, object]:
    """An empty answer of a form never erases what the CRM knows."""
    encoded = {name: encode(value) for name, value in fields.items() if value is not None}
    return {name: value for name, value in encoded.items() if value != ""}


def encode(value: str | bool | int | Decimal | date | datetime | Sequence[str]) -> object:
    """JSON's own booleans and numbers; several choices are joined by semicolons."""
    match value:
        case str() | bool() | int() | Decimal():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
    return ";".join(value)


def of_a_contact(values: Mapping[str, object]) -> dict[str, object]:
    """What was mapped to a lead, for the contact that it has become: what only a lead has stays out."""
    return {_OF_A_CONTACT.get(name, name): value for name, value in values.items() if name not in _OF_A_LEAD_ONLY}


def field_defs(described: Mapping[str, object]) -> list[FieldDef]:
    items = described.get("fields")
    listed = [_field_def(item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return sorted((item for item in listed if item.key), key=lambda item: item.label.casefold())


def _field_def(item: Mapping[str, object]) -> FieldDef:
    name = str(item.get("name") or "")
    may_create, may_update = item.get("createable") is True, item.get("updateable") is True
    return FieldDef(
        key=name,
        label=str(item.get("label") or name),
        type=_TYPES.get(str(item.get("type")), "text"),
        required=may_create and item.get("nillable") is False and item.get("defaultedOnCreate") is not True,
        writable=may_create and may_update,
        custom=item.get("custom") is True,
        choices=_choices(item.get("picklistValues")),
    )


def _choices(values: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(values, list):
        return ()
    return tuple(
        (str(value.get("value", "")), str(value.get("label") or value.get("value", "")))
        for value in values
        if isinstance(value, dict) and value.get("active") is not False
    )
