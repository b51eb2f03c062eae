"""Our fields to the CRM's properties: which goes where, changed how. Pure. The fields are those of `sources`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct

from site2crm.connectors import sources
from site2crm.connectors.coercion import fit
from site2crm.connectors.contract import CompanyIn, FieldDef, PersonIn, Value
from site2crm.connectors.sources import LONGEST, TEMPLATE, LeadValues
from site2crm.core.errors import FieldError, Invalid
from site2crm.kit import phone as phones
from site2crm.kit.names import name_case
from site2crm.kit.text import fold

MOST_ROWS = 200
MOST_OTHERWISE = 3


class Transform(StrEnum):
    NONE = "none"
    LOWER = "lower"
    UPPER = "upper"
    NAME_CASE = "name_case"
    E164 = "e164"
    FIRST_WORD = "first_word"
    REST_WORDS = "rest_words"
    VALUE_MAP = "value_map"


class Row(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One of our fields into one property. `otherwise` are tried in turn while the ones before are empty; `default` is
    sent when all are."""

    source: str
    property: str
    transform: Transform = Transform.NONE
    value_map: dict[str, str] = {}
    default: str = ""
    otherwise: list[str] = []


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
        value = _transformed(row, first_of([row.source, *row.otherwise], lead), lead) or row.default
        if value == "":
            continue
        fields[row.property], problem = fit(value, known.get(row.property))
        if problem:
            problems.append(Problem(row.property, problem))
    return MappedLead(fields, problems)


def first_of(wanted: Sequence[str], lead: LeadValues) -> str | datetime:
    """Of these sources the first that has a value, "" if none has."""
    return next((value for source in wanted if (value := sources.read(source, lead)) != ""), "")


def person(
    rows: Sequence[Row],
    lead: LeadValues,
    fields: Mapping[str, Value],
    *,
    ref: str,
    known_id: str | None = None,
    submission: str = "",
    owner: str = "",
    owner_wins: bool = False,
) -> PersonIn:
    """The lead on its way. An e-mail that was edited before sending again is the one to look for."""
    email = _sent(rows, fields, ("email",)) or lead.email
    phone = _sent(rows, fields, ("phone", "phone_e164")) or sources.phone_of(lead)
    return PersonIn(
        ref=ref,
        email=email or None,
        first=lead.first_name,
        last=lead.last_name,
        phone=phone or None,
        company=CompanyIn(lead.company, None) if lead.company else None,
        owner=owner or None,
        owner_wins=owner_wins,
        fields=dict(fields),
        known_id=known_id,
        lead=lead.lead_id,
        submission=submission,
        at=lead.submitted_at,
    )


def rows_of(
    given: Sequence[Row] | Mapping[str, str], *, place: str = "mapping", may_be_empty: bool = False
) -> list[Row]:
    """Checked rows, from a list or from the short form `{"email": "email"}`. Raises Invalid naming each fault."""
    short = isinstance(given, Mapping)
    rows = [Row(source, target) for source, target in given.items()] if isinstance(given, Mapping) else list(given)
    refused: list[FieldError] = []
    if not rows and not may_be_empty:
        refused.append(FieldError(place, "Map at least one field."))
    if len(rows) > MOST_ROWS:
        refused.append(FieldError(place, f"At most {MOST_ROWS} rows."))
    seen: set[str] = set()
    for number, row in enumerate(rows):
        for part, message in _faults(row, seen):
            refused.append(FieldError(f"{place}.{row.source}" if short else f"{place}[{number}].{part}", message))
        seen.add(row.property)
    if refused:
        raise Invalid(refused[0].message, errors=refused)
    return rows


def merged(rows: Sequence[Row], own: Sequence[Row]) -> list[Row]:
    """The rows of a form: its own replace those of the connection that fill the same property, and join the others."""
    replacing = {row.property: row for row in own}
    kept = [replacing.pop(row.property, row) for row in rows]
    return [*kept, *replacing.values()]


def stored(rows: Sequence[Mapping[str, object]]) -> list[Row]:
    """The rows of a connection."""
    return msgspec.convert(rows, list[Row])


def _faults(row: Row, seen: set[str]) -> list[tuple[str, str]]:
    faults = [("source", text) for text in [sources.fault(row.source)] if text]
    faults += [
        (f"otherwise[{place}]", text) for place, each in enumerate(row.otherwise) if (text := sources.fault(each))
    ]
    if len(row.otherwise) > MOST_OTHERWISE:
        faults.append(("otherwise", f"At most {MOST_OTHERWISE} further fields; a template takes more."))
    if row.default and row.source.startswith(f"{TEMPLATE}:"):
        faults.append(("default", "A template has its defaults inside: {company|unknown}."))
    if not row.property.strip():
        faults.append(("property", "Say which property of the CRM this fills."))
    elif row.property in seen:
        faults.append(("property", f"Two rows fill {row.property}; keep one."))
    if max(map(len, [row.source, row.property, row.default, *row.otherwise])) > LONGEST:
        faults.append(("source", f"At most {LONGEST} characters."))
    if (row.transform is Transform.VALUE_MAP) != bool(row.value_map):
        faults.append(("value_map", 'A value map has its pairs in `value_map` and `transform` "value_map".'))
    return faults


def _transformed(row: Row, value: str | datetime, lead: LeadValues) -> str | datetime:
    if isinstance(value, datetime):
        return value
    match row.transform:
        case Transform.NONE:
            return value
        case Transform.LOWER:
            return value.lower()
        case Transform.UPPER:
            return value.upper()
        case Transform.NAME_CASE:
            return name_case(value)
        case Transform.E164:
            return phones.e164(value, lead.country) or value
        case Transform.FIRST_WORD:
            return value.partition(" ")[0]
        case Transform.REST_WORDS:
            return value.partition(" ")[2].strip()
        case Transform.VALUE_MAP:
            return looked_up(row.value_map, value) or value


def looked_up(pairs: Mapping[str, str], text: str) -> str:
    """Capitals and accents make no difference. "" if it is not among them."""
    if text in pairs:
        return pairs[text]
    wanted = fold(text)
    return next((theirs for ours, theirs in pairs.items() if fold(ours) == wanted), "")


def _sent(rows: Sequence[Row], fields: Mapping[str, Value], wanted: Sequence[str]) -> str:
    for row in rows:
        value = fields.get(row.property)
        if row.source in wanted and isinstance(value, str):
            return value
    return ""
