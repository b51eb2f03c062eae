"""The invented Pipedrive account's field definitions, and what Pipedrive says about a value that does not fit."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

COLOUR = "d4de1c1518b4531717c676029a45911c340390a6"
TOPICS = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
BUDGET = "9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b"
STAFF = "1111111111222222222233333333334444444444"
BORN = "abcdefabcdefabcdefabcdefabcdefabcdefabcd"
PLACE = "5555555555666666666677777777778888888888"
CAMPAIGN = "fedcba9876543210fedcba9876543210fedcba98"
PARTNER = "0123456789abcdef0123456789abcdef01234567"
DEAL_SOURCE = "77777777777777777777aaaaaaaaaaaaaaaaaaaa"
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "SEK", "JPY")

_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}", re.IGNORECASE)
_CONTACT_SYNC = {"job_title", "notes", "im", "birthday", "postal_address"}
_EXPECTED = {"double": "number", "int": "number", "enum": "number", "set": "array", "monetary": "object",
             "address": "object", "user": "number", "org": "number", "people": "number"}  # fmt: skip


class Refused(Exception):
    """`status` and the sentence of an answer."""

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def invalid(*problems: str) -> Refused:
    return Refused(f"Validation failed: {'; '.join(problems)}")


def person_fields() -> list[dict[str, Any]]:
    standard = [
        _field("name", "Name", "varchar"),
        _field("emails", "Email", "varchar"),
        _field("phones", "Phone", "phone"),
        _field("org_id", "Organization", "org"),
        _field("owner_id", "Owner", "user"),
        _field("label_ids", "Labels", "set", options=("Hot lead", "Customer")),
        _field("visible_to", "Visible to", "visible_to"),
        _field("marketing_status", "Marketing status", "enum"),
        _field("add_time", "Person created", "date"),
        _field("update_time", "Update time", "date"),
        _field("open_deals_count", "Open deals", "int"),
    ]
    own = [
        _field(COLOUR, "Favourite colour", "enum", options=("Red", "Green", "Blue")),
        _field(TOPICS, "Topics", "set", options=("SEO", "CRM", "Ads")),
        _field(BUDGET, "Budget", "monetary"),
        _field(STAFF, "Employees", "double"),
        _field(BORN, "Date of birth", "date"),
        _field(PLACE, "Address", "address"),
        _field(CAMPAIGN, "UTM campaign", "varchar"),
        _field(PARTNER, "Partner", "user"),
    ]
    return standard + own


def organization_fields() -> list[dict[str, Any]]:
    return [_field("name", "Name", "varchar"), _field("owner_id", "Owner", "user")]


def deal_fields() -> list[dict[str, Any]]:
    listed = [
        _field("title", "Title", "varchar"),
        _field("value", "Value", "monetary"),
        _field("currency", "Currency", "varchar"),
        _field("stage_id", "Stage", "stage"),
        _field("expected_close_date", "Expected close date", "date"),
        _field("probability", "Probability", "int"),
        _field("label_ids", "Labels", "set", options=("Warm", "Cold")),
        _field(DEAL_SOURCE, "Source of the deal", "varchar"),
    ]
    return [{**item, "description": ""} for item in listed]


def new_field(code: str, name: str, type: str, *, options: Iterable[str] = ()) -> dict[str, Any]:
    return _field(code, name, type, options=tuple(options))


def check_body(body: Any, allowed: Mapping[str, type | tuple[type, ...]]) -> None:
    """The v2 rules that are the same for every record: a JSON object, known names, strict types. Raises Refused."""
    if not isinstance(body, dict):
        raise Refused("Bad request")
    if sync := sorted(body.keys() & _CONTACT_SYNC):
        raise Refused(f"Contact sync is needed to set {sync[0]}.", status=403)
    unknown = [f"{name}: Parameter '{name}' is not allowed for this request" for name in body if name not in allowed]
    if unknown:
        raise invalid(*unknown)
    for name, value in body.items():
        wanted = allowed[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise invalid(f"{name}: Parameter '{name}' has a wrong type")


def check_entries(name: str, entries: list[Any]) -> None:
    """`emails` and `phones`. Raises Refused."""
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("value"), str) or not entry["value"]:
            raise invalid(f"{name}.{number}.value: Parameter 'value' is required")
        if name == "emails" and not _EMAIL.fullmatch(entry["value"]):
            raise invalid(f"{name}.{number}.value: '{entry['value']}' is not a valid email address")


def check_custom(values: dict[str, Any], fields: list[dict[str, Any]], *, about: str) -> None:
    """Raises Refused: for a key that is no custom field of the account, and for what its type does not take."""
    known = {field["field_code"]: field for field in fields if field["is_custom_field"]}
    unknown = [f"custom_fields: Unknown key '{code}'" for code in values if code not in known]
    if unknown:
        raise invalid(*unknown)
    wrong = {
        code: text for code, value in values.items() if value is not None and (text := _misfit(known[code], value))
    }
    if wrong:
        raise invalid(*(f"custom_fields: {text} for {about} custom field '{code}'" for code, text in wrong.items()))


def _misfit(field: dict[str, Any], value: Any) -> str:
    type = field["field_type"]
    expected = _EXPECTED.get(type, "string")
    if _kind_of(value) != expected:
        return f"Expected '{expected}' as value"
    options = {option["id"] for option in field.get("options", [])}
    if type == "enum" and value not in options:
        return f"Invalid option {value}"
    if type == "set" and (not value or not options.issuperset(value)):
        return f"Invalid options {value}"
    if type == "monetary" and value.get("currency") not in CURRENCIES:
        return f"Invalid currency '{value.get('currency')}'"
    if type == "date" and not _is_date(value):
        return f"Invalid date '{value}'"
    return ""


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _field(code: str, name: str, type: str, *, options: tuple[str, ...] = ()) -> dict[str, Any]:
    item: dict[str, Any] = {
        "field_code": code, "field_name": name, "field_type": type,
        "is_custom_field": len(code) == 40, "is_optional_response_field": code.endswith("_count"),
    }  # fmt: skip
    if options:
        item["options"] = [{"id": number, "label": label} for number, label in enumerate(options, 31)]
    if type == "monetary":
        item["subfields"] = [{"field_code": "currency", "field_name": "Currency", "field_type": "varchar"}]
    return item
