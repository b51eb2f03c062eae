"""Zoho's fields and values in plain terms (crm/zoho.md 6), and what a lead's fields are called on a contact."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from site2crm.connectors.contract import FieldDef, FieldType, PersonIn, Value
from site2crm.connectors.zoho.answers import Item
from site2crm.connectors.zoho.client import written_time

LEADS, CONTACTS = "Leads", "Contacts"
NOTE = "Note"
"""No field of Zoho's: one note for each submission, so that no later one overwrites an earlier one's words."""
COMPANY = "Company"
"""A lead's own field; on a contact the account of this name, found or made."""
NO_COMPANY = "-"
"""Zoho's standard layout makes nobody a lead without a company."""

_TYPES: dict[str, FieldType] = {
    "boolean": "bool",
    "currency": "money",
    "date": "date",
    "datetime": "datetime",
    "double": "number",
    "integer": "number",
    "lookup": "ref",
    "multiselectlookup": "ref",
    "multiselectpicklist": "choices",
    "multiuserlookup": "ref",
    "ownerlookup": "ref",
    "percent": "number",
    "picklist": "choice",
}
_ON_CONTACT = {
    "Designation": "Title",
    "Street": "Mailing_Street",
    "City": "Mailing_City",
    "State": "Mailing_State",
    "Zip_Code": "Mailing_Zip",
    "Country": "Mailing_Country",
}
"""As Zoho itself maps them when a lead is converted."""
_ONLY_ON_LEADS = frozenset({"Lead_Status", "Rating", "Industry", "Annual_Revenue", "No_of_Employees", "Website"})

Row = dict[str, object]


def encode_all(fields: Mapping[str, Value]) -> Row:
    """An empty answer of a form never erases what the CRM knows."""
    return {name: _encode(name, value) for name, value in fields.items() if value not in (None, "", [], ())}


def _encode(name: str, value: Value) -> object:
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return written_time(value)
        case date():
            return value.isoformat()
        case str() if name == "Owner":
            return {"id": value}
        case str() | bool() | int() | None:
            return value
    return list(value)


def for_contact(row: Row) -> Row:
    """A lead's fields as a contact has them."""
    return {_ON_CONTACT.get(name, name): value for name, value in row.items() if name not in _ONLY_ON_LEADS}


def only_on_leads(row: Row) -> list[str]:
    """Those that a contact has no place for."""
    return [name for name in row if name in _ONLY_ON_LEADS]


def completed(row: Row, person: PersonIn, module: str) -> Row:
    """What Zoho creates nobody without: a last name, and for a lead a company."""
    made = dict(row)
    if email := email_of(person):
        made.setdefault("Email", email)
    if not made.get("Last_Name"):
        name = person.last or made.get("First_Name") or person.first
        made["Last_Name"] = name or (email or "").partition("@")[0] or phone_of(person) or "-"
    if module == LEADS and not made.get(COMPANY):
        made[COMPANY] = person.company.name if person.company else NO_COMPANY
    return made


def email_of(person: PersonIn) -> str | None:
    mapped = person.fields.get("Email")
    return person.email or (mapped if isinstance(mapped, str) and mapped else None)


def phone_of(person: PersonIn) -> str | None:
    mapped = person.fields.get("Phone") or person.fields.get("Mobile")
    return person.phone or (mapped if isinstance(mapped, str) and mapped else None)


def pseudo_fields(module: str) -> list[FieldDef]:
    """What belongs to a person and is a record of its own at Zoho."""
    note = FieldDef(NOTE, "Note (one for each submission)", "text")
    return [note] if module == LEADS else [note, FieldDef(COMPANY, "Company (the account of this name)", "text")]


def field_def(item: Item) -> FieldDef | None:
    """One field; None for those that Zoho hides."""
    name, type = item.get("api_name"), str(item.get("data_type"))
    if not isinstance(name, str) or item.get("visible") is False:
        return None
    return FieldDef(
        key=name,
        label=str(item.get("field_label") or item.get("display_label") or name),
        type=_TYPES.get(type, "text"),
        required=item.get("system_mandatory") is True,
        # Of the links only the owner's: a form has no ids of other records to give.
        writable=is_writable(item) and (_TYPES.get(type) != "ref" or name == "Owner"),
        custom=item.get("custom_field") is True,
        choices=_choices(item.get("pick_list_values")),
    )


def is_writable(item: Item) -> bool:
    allowed = item.get("operation_type")
    if not isinstance(allowed, dict):
        return item.get("read_only") is not True
    return allowed.get("api_create") is True or allowed.get("api_update") is True


def _choices(listed: object) -> Sequence[tuple[str, str]]:
    if not isinstance(listed, list):
        return ()
    return tuple(
        (str(one.get("actual_value", "")), str(one.get("display_value", ""))) for one in listed if isinstance(one, dict)
    )
