"""What can be filled in Nutshell, and how its values are written.

Custom fields go by their label (contract, 6). What is no field of a contact there, but belongs to a person, has a name
of ours: the parts of the name, which Nutshell keeps as one; the company, which is a record; the message, a note.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from site2crm.connectors.contract import FieldDef, FieldType, PersonIn
from site2crm.connectors.nutshell.answers import Record

EMAIL, FIRST, LAST, NAME, PHONE = "email", "first_name", "last_name", "name", "phone"
WEBSITE, DESCRIPTION, COMPANY, NOTE = "website", "description", "company", "note"
STANDARD = (
    FieldDef(EMAIL, "E-mail", "text"),
    FieldDef(FIRST, "First name", "text"),
    FieldDef(LAST, "Last name", "text"),
    FieldDef(NAME, "Full name", "text"),
    FieldDef(PHONE, "Phone", "text"),
    FieldDef(COMPANY, "Company", "ref"),
    FieldDef(NOTE, "Note", "text"),
    FieldDef(WEBSITE, "Website", "text"),
    FieldDef(DESCRIPTION, "Description", "text"),
)
OURS = frozenset(field.key for field in STANDARD)
"""A custom field that is labelled exactly like one of these cannot be told from it, and is not offered."""
PATHS = {"emails": EMAIL, "phones": PHONE, "urls": WEBSITE, "name": NAME, "description": DESCRIPTION}
"""Nutshell's names for what a refusal is about."""

_TYPES: dict[str, FieldType] = {
    "number": "number",
    "numeric": "number",
    "decimal": "number",
    "integer": "number",
    "currency": "money",
    "money": "money",
    "date": "date",
    "boolean": "bool",
    "bool": "bool",
    "checkbox": "bool",
}


class Values:
    """The mapped values of one lead, empty ones left out: an empty answer of a form never erases anything."""

    def __init__(self, person: PersonIn) -> None:
        plain = {name: encode(value) for name, value in person.fields.items() if value is not None}
        given = {name: value for name, value in plain.items() if value not in ("", [])}
        self.own = {name: str(value) for name, value in given.items() if name in OURS}
        self.custom = {name: value for name, value in given.items() if name not in OURS}
        self.email = person.email or self.own.get(EMAIL)
        self.phone = person.phone or self.own.get(PHONE)
        self.owner, self.owner_wins = person.owner, person.owner_wins

    @property
    def empty(self) -> bool:
        return not self.own and not self.custom and not self.email

    def without(self, names: Sequence[str]) -> None:
        for name in names:
            self.own.pop(name, None)
            self.custom.pop(name, None)


def encode(value: str | bool | int | Decimal | date | datetime | Sequence[str]) -> object:
    """As JSON: amounts as decimal strings, times in UTC."""
    match value:
        case str() | bool() | int():
            return value
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
    return list(value)


def new_contact(values: Values, *, account_id: str | None) -> Record:
    """The body of a new contact; somebody without a name is called by the address or the number."""
    own = values.own
    name = own.get(NAME) or " ".join(filter(None, (own.get(FIRST), own.get(LAST))))
    links: Record = {"accounts": [account_id]} if account_id else {}
    if values.owner:
        links["owner"] = values.owner
    contact: Record = {"name": name or values.email or values.phone or "Lead"}
    contact |= {"emails": [_entry(values.email)]} if values.email else {}
    contact |= {"phones": [_entry(own[PHONE])]} if PHONE in own else {}
    contact |= {"urls": [_entry(own[WEBSITE], name="website")]} if WEBSITE in own else {}
    contact |= {"description": own[DESCRIPTION]} if DESCRIPTION in own else {}
    contact |= {"customFields": values.custom} if values.custom else {}
    return contact | ({"links": links} if links else {})


def changes(values: Values, contact: Record, *, account_id: str | None) -> list[Record]:
    """The JSON-Patch from what Nutshell has to what the lead says; nothing that is there is taken away."""
    own, links = values.own, contact.get("links")
    operations: list[Record] = []
    if (name := _name(values, contact)) and name != contact.get("name"):
        operations.append(_operation("replace", "name", name))
    if DESCRIPTION in own and own[DESCRIPTION] != contact.get("description"):
        operations.append(_operation("replace", "description", own[DESCRIPTION]))
    operations += _added("emails", values.email, emails_of(contact), contact)
    if PHONE in own and not any(same_number(own[PHONE], number) for number in numbers_of(contact)):
        operations += _added("phones", own[PHONE], [], contact)
    operations += _added("urls", own.get(WEBSITE), _plain(contact.get("urls")), contact, name="website")
    operations += [_operation("replace", _escaped(label), value) for label, value in values.custom.items()]
    linked = ids_in(links, "accounts")
    if account_id and account_id not in linked:
        operations.append(_operation("add", "links/accounts/-", account_id))
    if values.owner and (values.owner_wins or not ids_in(links, "owner")):
        operations.append(_operation("replace", "links/owner", values.owner))
    return operations


def custom_field(item: Record) -> FieldDef | None:
    """One attribute as Nutshell lists it; None for what cannot be addressed."""
    key = item.get("name") or item.get("title")
    if not isinstance(key, str) or key in OURS:
        return None
    listed = item.get("choices")
    choices = [str(choice) for choice in listed] if isinstance(listed, list) else []
    kind: FieldType = _TYPES.get(str(item.get("type")).lower(), "text")
    if choices:
        kind = "choices" if item.get("isMultiple") is True else "choice"
    return FieldDef(
        key=key,
        label=str(item.get("title") or key),
        type=kind,
        custom=True,
        choices=tuple((choice, choice) for choice in choices),
    )


def emails_of(contact: Record) -> list[str]:
    return [email.lower() for email in _plain(contact.get("emails"))]


def numbers_of(contact: Record) -> list[str]:
    """A phone is an object when it is read (contract, 4)."""
    listed = contact.get("phones")
    found: list[str] = []
    for item in listed if isinstance(listed, list) else ():
        value = item.get("value") if isinstance(item, dict) else item
        parts = [value.get(name) for name in ("E164", "number")] if isinstance(value, dict) else [value]
        found += [str(part) for part in parts if part]
    return found


def same_number(ours: str, theirs: str) -> bool:
    return _digits(ours) == _digits(theirs) != ""


def ids_in(links: object, name: str) -> list[str]:
    """The ids that a record links to under a name: one, several, or records of their own."""
    linked = links.get(name) if isinstance(links, dict) else None
    listed = linked if isinstance(linked, list) else [linked]
    found = [item.get("id") if isinstance(item, dict) else item for item in listed]
    return [id for id in found if isinstance(id, str) and id]


def _name(values: Values, contact: Record) -> str:
    """Of a name that is given in part the other part stays."""
    own = values.own
    if NAME in own:
        return own[NAME]
    if FIRST not in own and LAST not in own:
        return ""
    parts = (own.get(FIRST) or contact.get("firstName"), own.get(LAST) or contact.get("lastName"))
    return " ".join(str(part) for part in parts if part)


def _added(table: str, value: str | None, known: Sequence[str], contact: Record, *, name: str = "work") -> list[Record]:
    if not value or value.lower() in (other.lower() for other in known):
        return []
    entry = {**_entry(value, name=name), "isPrimary": not contact.get(table)}
    return [_operation("add", f"{table}/-", entry)]


def _operation(op: str, path: str, value: object) -> Record:
    return {"op": op, "path": f"/contacts/0/{path}", "value": value}


def _entry(value: str, *, name: str = "work") -> Record:
    return {"isPrimary": True, "name": name, "value": value}


def _plain(listed: object) -> list[str]:
    items = listed if isinstance(listed, list) else []
    return [str(item.get("value") if isinstance(item, dict) else item) for item in items]


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _escaped(label: str) -> str:
    return label.replace("~", "~0").replace("/", "~1")
