"""A person of Pipedrive and a lead: whether they are the same one, and what the lead changes. Pure."""

from collections.abc import Iterable, Mapping

from site2crm.connectors.pipedrive.client import id_of
from site2crm.connectors.pipedrive.properties import Json, Said
from site2crm.kit import phone as phones
from site2crm.kit.text import fold

Record = Mapping[str, object]
Body = dict[str, object]


def emails_of(person: Record) -> set[str]:
    return {text.lower() for text in _values(person.get("emails"))}


def numbers_of(person: Record) -> set[str]:
    return {key for text in _values(person.get("phones")) if (key := phones.key(text))}


def the_same(found: Iterable[Record], said: Said) -> str | None:
    """The id of the one that this lead is about.

    Of several with its e-mail the oldest. A number alone may be a family's or a switchboard's: of several with it,
    the one that is called as we would call it, which is what an earlier try has made.
    """
    if said.email:
        return _oldest(person for person in found if said.email.lower() in emails_of(person))
    number = phones.key(said.number)
    alike = [person for person in found if number and number in numbers_of(person)]
    if len(alike) > 1:
        alike = [person for person in alike if fold(str(person.get("name"))) == fold(new_name(said))]
    return _oldest(alike)


def new_name(said: Said) -> str:
    """Nobody is without a name in Pipedrive: a lead that gave none is called by what it gave."""
    return said.name or f"{said.first} {said.last}".strip() or said.email or said.number or said.company or "?"


def created(said: Said, org: object) -> Body:
    """The body for a new person. `org`: the organisation's id, None for none."""
    body: Body = {"name": new_name(said)}
    if said.email:
        body["emails"] = [_entry(said.email, primary=True)]
    if said.phone:
        body["phones"] = [_entry(said.phone, primary=True)]
    if org is not None:
        body["org_id"] = org
    return {**body, **said.standard, **({"custom_fields": said.custom} if said.custom else {})}


def changed(said: Said, person: Record, org: object) -> Body:
    """Only what differs. Addresses and numbers are whole lists there: what is known stays, ours is added."""
    body: Body = {}
    if (name := _renamed(said, person)) and fold(name) != fold(str(person.get("name") or "")):
        body["name"] = name
    if said.email and said.email.lower() not in emails_of(person):
        body["emails"] = _added(person.get("emails"), said.email)
    if said.phone and phones.key(said.phone) not in numbers_of(person):
        body["phones"] = _added(person.get("phones"), said.phone)
    if org is not None:
        body["org_id"] = org
    ours = {name: value for name, value in said.standard.items() if name not in said.for_new_only}
    body |= {name: value for name, value in ours.items() if person.get(name) != value}
    if custom := _different(said.custom, person.get("custom_fields")):
        body["custom_fields"] = custom
    return body


def _renamed(said: Said, person: Record) -> str:
    """Half a name never erases the other half."""
    if said.name:
        return said.name
    if not said.first and not said.last:
        return ""
    first = said.first or str(person.get("first_name") or "")
    last = said.last or str(person.get("last_name") or "")
    return f"{first} {last}".strip()


def _different(said: Mapping[str, Json], there: object) -> dict[str, Json]:
    known = there if isinstance(there, dict) else {}
    return {key: value for key, value in said.items() if known.get(key) != value}


def _added(there: object, value: str) -> list[object]:
    known = [item for item in there if isinstance(item, dict)] if isinstance(there, list) else []
    return [*known, _entry(value, primary=not any(item.get("primary") for item in known))]


def _entry(value: str, *, primary: bool) -> dict[str, object]:
    return {"value": value, "primary": primary, "label": "work"}


def _values(entries: object) -> list[str]:
    """Records have objects with a value, hits of a search the bare texts."""
    listed = entries if isinstance(entries, list) else []
    texts = [entry.get("value") if isinstance(entry, dict) else entry for entry in listed]
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]


def _oldest(found: Iterable[Record]) -> str | None:
    ids = [int(id) for person in found if (id := id_of(person))]
    return str(min(ids)) if ids else None
