"""Our fields to the CRM's properties: which goes where, changed how. Pure.

Names arrive split and phone numbers as E.164 where they can be read; both are the default. Sources:

    email first_name last_name name phone phone_e164 phone_as_typed company message
    custom.<label>  consent.<label>                 what else the form asked
    utm_source ... page_url  (last touch)  first.utm_source  last.utm_source
    form  submitted_at  lead_id  constant:<text>
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct

from site2crm.connectors.coercion import fit
from site2crm.connectors.contract import CompanyIn, FieldDef, PersonIn, Value
from site2crm.core.errors import FieldError, Invalid
from site2crm.kit import phone as phones
from site2crm.kit.text import fold

PERSON = {
    "email": "E-mail",
    "first_name": "First name",
    "last_name": "Last name",
    "name": "Full name",
    "phone": "Phone",
    "phone_e164": "Phone, only as +…",
    "phone_as_typed": "Phone, as typed",
    "company": "Company",
    "message": "Message",
}
TOUCH = {
    "utm_source": "UTM source",
    "utm_medium": "UTM medium",
    "utm_campaign": "UTM campaign",
    "utm_term": "UTM term",
    "utm_content": "UTM content",
    "utm_id": "UTM id",
    "gclid": "Google click id",
    "gbraid": "Google app click id (gbraid)",
    "wbraid": "Google web click id (wbraid)",
    "fbclid": "Facebook click id",
    "msclkid": "Microsoft click id",
    "ttclid": "TikTok click id",
    "li_fat_id": "LinkedIn click id",
    "twclid": "X click id",
    "page_url": "Page of the form",
    "landing_url": "Landing page",
    "referrer": "Referrer",
    "short_url": "Short link that was clicked",
}
OTHER = {"form": "Name of the form", "submitted_at": "Submitted at", "lead_id": "Lead id"}
MOST_ROWS = 200
LONGEST = 500

_NAMED = re.compile(r"(custom|consent)\.(.+)", re.DOTALL)
_TOUCHED = re.compile(r"(first|last)\.([a-z0-9_]{1,60})")
_CONSTANT = "constant:"


class Transform(StrEnum):
    NONE = "none"
    LOWER = "lower"
    E164 = "e164"
    FIRST_WORD = "first_word"
    REST_WORDS = "rest_words"
    VALUE_MAP = "value_map"


class Row(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One of our fields into one property. `default` is sent when the field is empty."""

    source: str
    property: str
    transform: Transform = Transform.NONE
    value_map: dict[str, str] = {}
    default: str = ""


class LeadValues(Struct, frozen=True, kw_only=True):
    """A lead as the mapping reads it."""

    lead_id: str = ""
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    """As typed, or E.164 already."""
    company: str | None = None
    message: str | None = None
    custom: Mapping[str, str] = {}
    consent: Mapping[str, str] = {}
    first: Mapping[str, str] = {}
    """The first touch: utm_source, gclid, page_url, ..."""
    last: Mapping[str, str] = {}
    form: str = ""
    submitted_at: datetime | None = None
    country: str = ""
    """Two letters; numbers without a country code are read as being from there."""


class Problem(Struct, frozen=True):
    """A value that the CRM may refuse."""

    property: str
    text: str


class MappedLead(Struct, frozen=True):
    fields: dict[str, Value]
    problems: list[Problem]


def apply(rows: Sequence[Row], lead: LeadValues, field_defs: Sequence[FieldDef] = ()) -> MappedLead:
    """What goes into each property; empty ones are left out, so that nothing in the CRM is erased."""
    known = {field.key: field for field in field_defs}
    fields: dict[str, Value] = {}
    problems: list[Problem] = []
    for row in rows:
        value = _transformed(row, _read(row.source, lead), lead) or row.default
        if value == "":
            continue
        fields[row.property], problem = fit(value, known.get(row.property))
        if problem:
            problems.append(Problem(row.property, problem))
    return MappedLead(fields, problems)


def person(
    rows: Sequence[Row],
    lead: LeadValues,
    fields: Mapping[str, Value],
    *,
    ref: str,
    known_id: str | None = None,
    submission: str = "",
) -> PersonIn:
    """The lead on its way. An e-mail that was edited before sending again is the one to look for."""
    email = _sent(rows, fields, ("email",)) or lead.email
    phone = _sent(rows, fields, ("phone", "phone_e164")) or _phone(lead)
    return PersonIn(
        ref=ref,
        email=email or None,
        first=lead.first_name,
        last=lead.last_name,
        phone=phone or None,
        company=CompanyIn(lead.company, None) if lead.company else None,
        fields=dict(fields),
        known_id=known_id,
        lead=lead.lead_id,
        submission=submission,
        at=lead.submitted_at,
    )


def rows_of(given: Sequence[Row] | Mapping[str, str]) -> list[Row]:
    """Checked rows, from a list or from the short form `{"email": "email"}`. Raises Invalid naming each fault."""
    short = isinstance(given, Mapping)
    rows = [Row(source, target) for source, target in given.items()] if isinstance(given, Mapping) else list(given)
    refused: list[FieldError] = []
    if not rows:
        refused.append(FieldError("mapping", "Map at least one field; without `mapping` one is suggested."))
    if len(rows) > MOST_ROWS:
        refused.append(FieldError("mapping", f"At most {MOST_ROWS} rows."))
    seen: set[str] = set()
    for number, row in enumerate(rows):
        for part, message in _faults(row, seen):
            place = f"mapping.{row.source}" if short else f"mapping[{number}].{part}"
            refused.append(FieldError(place, message))
        seen.add(row.property)
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    return rows


def stored(rows: Sequence[Mapping[str, object]]) -> list[Row]:
    """The rows of a connection."""
    return msgspec.convert(rows, list[Row])


def is_source(source: str) -> bool:
    return source in PERSON | TOUCH | OTHER or bool(
        _NAMED.fullmatch(source) or _TOUCHED.fullmatch(source) or source.removeprefix(_CONSTANT) not in ("", source)
    )


def label_of(source: str) -> str:
    """What a page calls it."""
    if source.startswith(_CONSTANT):
        return f"“{source.removeprefix(_CONSTANT)}”"
    if found := _NAMED.fullmatch(source):
        return found[2]
    if found := _TOUCHED.fullmatch(source):
        return f"{TOUCH.get(found[2], found[2])} ({found[1]} touch)"
    return (PERSON | TOUCH | OTHER).get(source, source)


def compact(label: str) -> str:
    """`Favourite colour` and `favourite_colour` are the same question."""
    return "".join(c for c in fold(label) if c.isalnum())


def _faults(row: Row, seen: set[str]) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    if not is_source(row.source):
        faults.append(("source", _unknown(row.source)))
    if not row.property.strip():
        faults.append(("property", "Say which property of the CRM this fills."))
    elif row.property in seen:
        faults.append(("property", f"Two rows fill {row.property}; keep one."))
    if max(len(row.source), len(row.property), len(row.default)) > LONGEST:
        faults.append(("source", f"At most {LONGEST} characters."))
    if (row.transform is Transform.VALUE_MAP) != bool(row.value_map):
        faults.append(("value_map", 'A value map has its pairs in `value_map` and `transform` "value_map".'))
    return faults


def _unknown(source: str) -> str:
    if source in ("", _CONSTANT):
        return "Choose a field." if not source else "Say which text."
    known = ", ".join([*PERSON, "custom.<label>", "consent.<label>", "utm_source", "first.utm_source", "page_url"])
    guess = f" Perhaps custom.{source}?" if source.strip() and not source.startswith(_CONSTANT) else ""
    return f"There is no field {source[:60]!r}.{guess} Known are {known}, {', '.join(OTHER)}, constant:<text>."


def _read(source: str, lead: LeadValues) -> str | datetime:
    if source.startswith(_CONSTANT):
        return source.removeprefix(_CONSTANT)
    if found := _NAMED.fullmatch(source):
        return _named(lead.custom if found[1] == "custom" else lead.consent, found[2])
    if found := _TOUCHED.fullmatch(source):
        return (lead.first if found[1] == "first" else lead.last).get(found[2], "")
    if source in TOUCH:
        return lead.last.get(source) or lead.first.get(source, "")
    match source:
        case "name":
            return " ".join(part for part in (lead.first_name, lead.last_name) if part)
        case "phone":
            return _phone(lead)
        case "phone_e164":
            return phones.e164(lead.phone or "", lead.country) or ""
        case "phone_as_typed":
            return lead.phone or ""
        case "submitted_at":
            return lead.submitted_at or ""
    return getattr(lead, source) or ""


def _phone(lead: LeadValues) -> str:
    return phones.e164(lead.phone or "", lead.country) or lead.phone or ""


def _named(answers: Mapping[str, str], label: str) -> str:
    if label in answers:
        return answers[label]
    wanted = compact(label)
    return next((answer for name, answer in answers.items() if compact(name) == wanted), "")


def _transformed(row: Row, value: str | datetime, lead: LeadValues) -> str | datetime:
    if isinstance(value, datetime):
        return value
    text = value.strip()
    match row.transform:
        case Transform.NONE:
            return text
        case Transform.LOWER:
            return text.lower()
        case Transform.E164:
            return phones.e164(text, lead.country) or text
        case Transform.FIRST_WORD:
            return text.partition(" ")[0]
        case Transform.REST_WORDS:
            return text.partition(" ")[2].strip()
        case Transform.VALUE_MAP:
            return _looked_up(row.value_map, text)


def _looked_up(pairs: Mapping[str, str], text: str) -> str:
    if text in pairs:
        return pairs[text]
    wanted = fold(text)
    return next((theirs for ours, theirs in pairs.items() if fold(ours) == wanted), text)


def _sent(rows: Sequence[Row], fields: Mapping[str, Value], sources: Sequence[str]) -> str:
    for row in rows:
        value = fields.get(row.property)
        if row.source in sources and isinstance(value, str):
            return value
    return ""
