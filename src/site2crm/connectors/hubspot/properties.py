"""HubSpot's property values and definitions in plain terms (crm/hubspot.md 4.3 and 6)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from site2crm.connectors.contract import FieldDef, FieldType, Value
from site2crm.kit import clock

_TYPES: dict[str, FieldType] = {
    "bool": "bool",
    "date": "date",
    "datetime": "datetime",
    "number": "number",
    "string": "text",
    "phone_number": "text",
}


def encode_all(fields: Mapping[str, Value]) -> dict[str, str]:
    """What goes into `properties`: an empty answer of a form never erases what the CRM knows."""
    encoded = {name: encode(value) for name, value in fields.items() if value is not None}
    return {name: text for name, text in encoded.items() if text}


def encode(value: str | bool | int | Decimal | date | datetime | Sequence[str]) -> str:
    """HubSpot keeps strings: booleans as words, times in UTC, several choices joined by semicolons."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
    return ";".join(value)


def moment(value: object) -> datetime | None:
    """A time as HubSpot writes it: ISO 8601, or milliseconds."""
    text = str(value or "")
    try:
        if text.lstrip("-").isdecimal():
            return clock.as_utc(datetime.fromtimestamp(int(text) / 1000, UTC))
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return clock.as_utc(found if found.tzinfo else found.replace(tzinfo=UTC))


def field_def(item: Mapping[str, object]) -> FieldDef | None:
    """One property definition; None for those that HubSpot hides from its own pages."""
    name = item.get("name")
    if not isinstance(name, str) or item.get("hidden") is True:
        return None
    return FieldDef(
        key=name,
        label=str(item.get("label") or name),
        type=_type(item),
        writable=_writable(item),
        custom=item.get("hubspotDefined") is not True,
        choices=_choices(item.get("options")),
    )


def _type(item: Mapping[str, object]) -> FieldType:
    if item.get("referencedObjectType"):
        return "ref"
    if item.get("type") != "enumeration":
        return _TYPES.get(str(item.get("type")), "text")
    match item.get("fieldType"):
        case "checkbox":
            return "choices"
        case "booleancheckbox":
            return "bool"
    return "choice"


def _writable(item: Mapping[str, object]) -> bool:
    rules = item.get("modificationMetadata")
    read_only = isinstance(rules, dict) and rules.get("readOnlyValue") is True
    return not read_only and item.get("calculated") is not True


def _choices(options: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(options, list):
        return ()
    return tuple(
        (str(option.get("value", "")), str(option.get("label", "")))
        for option in options
        if isinstance(option, dict) and option.get("hidden") is not True
    )
