"""What a mapping can take of a lead. Pure.

Names arrive split and phone numbers as E.164 where they can be read; both are the default. Sources:

    email first_name last_name name phone phone_e164 phone_as_typed company message
    custom.<label>  consent.<label>                 what else the form asked
    utm_source ... page_url  (last touch)  first.utm_source  last.utm_source
    form  submitted_at  lead_id  constant:<text>
    template:<text with {source} or {source|what else} in it>

A template is filled in, never run: there is nothing in it but names, and a name that nobody knows is refused when the
mapping is saved. Where none of its names has a value, it is empty like any other field.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

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
CONSTANT, TEMPLATE = "constant", "template"
LONGEST = 500

_CONSTANT, _TEMPLATE = f"{CONSTANT}:", f"{TEMPLATE}:"
_NAMED = re.compile(r"(custom|consent)\.(.+)", re.DOTALL)
_TOUCHED = re.compile(r"(first|last)\.([a-z0-9_]{1,60})")
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


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
    form_id: str = ""
    submitted_at: datetime | None = None
    country: str = ""
    """Two letters; numbers without a country code are read as being from there."""


def read(source: str, lead: LeadValues) -> str | datetime:
    """What the lead has there, "" if nothing. `source` has no `fault`."""
    if source.startswith(_CONSTANT):
        return source.removeprefix(_CONSTANT).strip()
    if source.startswith(_TEMPLATE):
        return _filled(source.removeprefix(_TEMPLATE), lead)
    value = _field(source, lead)
    return value if isinstance(value, datetime) else value.strip()


def fault(source: str) -> str:
    """What is wrong with it and the cure; "" if nothing is."""
    if source.startswith(_TEMPLATE):
        return _template_fault(source.removeprefix(_TEMPLATE))
    if source.startswith(_CONSTANT):
        return "" if source != _CONSTANT else "Say which text."
    return "" if _is_field(source) else _unknown(source)


def label_of(source: str) -> str:
    """What a page calls it."""
    if source.startswith((_CONSTANT, _TEMPLATE)):
        return f"“{source.partition(':')[2]}”"
    if found := _NAMED.fullmatch(source):
        return found[2]
    if found := _TOUCHED.fullmatch(source):
        return f"{TOUCH.get(found[2], found[2])} ({found[1]} touch)"
    return (PERSON | TOUCH | OTHER).get(source, source)


def compact(label: str) -> str:
    """`Favourite colour` and `favourite_colour` are the same question."""
    return "".join(c for c in fold(label) if c.isalnum())


def filled_with(text: str, template: str) -> str:
    """The template with the same text for each of its fields."""
    return _PIECE.sub(lambda piece: piece[0][0] if piece[1] is None else text, template).strip()


def phone_of(lead: LeadValues) -> str:
    """As E.164 if it can be read, else as typed."""
    return phones.e164(lead.phone or "", lead.country) or lead.phone or ""


def _is_field(source: str) -> bool:
    return source in PERSON | TOUCH | OTHER or bool(_NAMED.fullmatch(source) or _TOUCHED.fullmatch(source))


def _template_fault(text: str) -> str:
    if not text.strip():
        return "Write the text, with fields in it as {first_name}."
    for piece in _PIECE.finditer(text):
        if piece[0] in ("{", "}"):
            return f"A {piece[0]} stands alone. A field is {{first_name}}; for the sign itself write {piece[0] * 2}."
        if piece[1] is not None and not _is_field(_name(piece[1])):
            return _unknown(_name(piece[1]))
    return ""


def _filled(text: str, lead: LeadValues) -> str:
    values = [_piece(piece[1], lead) for piece in _PIECE.finditer(text) if piece[1] is not None]
    if values and not any(values):
        return ""
    left = iter(values)
    return _PIECE.sub(lambda piece: piece[0][0] if piece[1] is None else next(left), text).strip()


def _piece(inside: str, lead: LeadValues) -> str:
    value = _field(_name(inside), lead)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    return value.strip() or inside.partition("|")[2].strip()


def _name(inside: str) -> str:
    return inside.partition("|")[0].strip()


def _field(source: str, lead: LeadValues) -> str | datetime:
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
            return phone_of(lead)
        case "phone_e164":
            return phones.e164(lead.phone or "", lead.country) or ""
        case "phone_as_typed":
            return lead.phone or ""
        case "submitted_at":
            return lead.submitted_at or ""
    return getattr(lead, source) or ""


def _named(answers: Mapping[str, str], label: str) -> str:
    if label in answers:
        return answers[label]
    wanted = compact(label)
    return next((answer for name, answer in answers.items() if compact(name) == wanted), "")


def _unknown(source: str) -> str:
    if not source:
        return "Choose a field."
    known = ", ".join([*PERSON, "custom.<label>", "consent.<label>", "utm_source", "first.utm_source", "page_url"])
    near = difflib.get_close_matches(source[:60], [*PERSON, *TOUCH, *OTHER], n=1)
    guess = f" Perhaps {' or '.join([*near, f'custom.{source[:60]}'])}?" if source.strip() else ""
    more = f"{', '.join(OTHER)}, constant:<text>, template:<text with {{first_name}}>"
    return f"There is no field {source[:60]!r}.{guess} Known are {known}, {more}."
