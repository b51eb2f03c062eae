"""The demo's Nutshell: contacts and accounts as they are written, read and patched."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from site2crm.demo.nutshell_records import Record, Records, Refused
from site2crm.kit import clock

CUSTOM = {
    "contacts": [
        {"id": "11-customFields", "name": "Lead source detail", "title": "Lead source detail", "type": "text",
         "isMultiple": False, "choices": []},
        {"id": "12-customFields", "name": "Plan", "title": "Plan", "type": "choice", "isMultiple": False,
         "choices": ["Basic", "Pro"]},
        {"id": "13-customFields", "name": "Topics", "title": "Topics", "type": "choice", "isMultiple": True,
         "choices": ["SEO", "Ads", "CRM"]},
        {"id": "14-customFields", "name": "Seats", "title": "Seats", "type": "number", "isMultiple": False,
         "choices": []},
        {"id": "15-customFields", "name": "Yes/no ~ opt-in", "title": "Yes/no ~ opt-in", "type": "boolean",
         "isMultiple": False, "choices": []},
        {"id": "16-customFields", "name": "Renewal", "title": "Renewal", "type": "date", "isMultiple": False,
         "choices": []},
    ],
    "accounts": [],
    "leads": [
        {"id": "21-customFields", "name": "Campaign", "title": "Campaign", "type": "text", "isMultiple": False,
         "choices": []},
    ],
}  # fmt: skip
WRITABLE = {
    "contacts": {"name", "description", "emails", "phones", "urls", "addresses", "customFields", "links"},
    "accounts": {"name", "description", "emails", "phones", "urls", "addresses", "customFields", "links"},
    "leads": {"description", "manualValue", "dueTime", "customFields", "links"},
}
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z]{2,}", re.IGNORECASE)


class Fields:
    """The custom fields of one account, by table and label."""

    def __init__(self) -> None:
        self.custom: dict[str, dict[str, Record]] = {
            table: {str(item["name"]): {**item} for item in items} for table, items in CUSTOM.items()
        }

    def check(self, table: str, values: Mapping[str, Any]) -> None:
        """Raise Refused for the first value that does not fit."""
        for label, value in values.items():
            field = self.custom[table].get(label)
            if field is None:
                raise Refused(f"There is no custom field named {label}", field=label)
            if field.get("isReadOnly"):
                raise Refused(f"{label} is read-only", field=label)
            choices = field["choices"]
            for one in value if isinstance(value, list) else [value]:
                if choices and one not in choices:
                    raise Refused(f"{one} is not a choice of {label}", field=label)
            if field["type"] == "number" and not re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
                raise Refused(f"{value} is not a number", field=label)


def made(table: str, given: Mapping[str, Any], fields: Fields) -> Record:
    """A contact or an account, as it is read again."""
    if unknown := set(given) - WRITABLE[table]:
        raise Refused(f"Unknown attribute {sorted(unknown)[0]}", field=sorted(unknown)[0])
    fields.check(table, given.get("customFields", {}))
    if table == "accounts" and not given.get("name"):
        raise Refused("An account needs a name", field="name")
    links = {"accounts": [], "leads": [], "tags": [], **given.get("links", {})}
    return {
        **_named(str(given.get("name", ""))),
        "description": given.get("description", ""),
        "emails": emails(given.get("emails", ())),
        "phones": phones(given.get("phones", ())),
        "urls": list(given.get("urls", ())),
        "customFields": dict(given.get("customFields", {})),
        "createdTime": int(clock.unix()),
        "deletedTime": None,
        "links": links,
    }


def patched(table: str, record: Record, operations: object, *, fields: Fields, records: Records) -> None:
    """JSON-Patch as Nutshell wants it: paths that begin with the collection and 0, custom fields by their label."""
    if not isinstance(operations, list) or not operations:
        raise Refused("The body must be a JSON-Patch document")
    changed = {**record, "links": dict(record["links"]), "customFields": dict(record["customFields"])}
    for operation in operations:
        _one(table, changed, operation, fields)
    record.update(changed)
    changes = [{"attribute": str(item["path"]).split("/")[3], "newValue": item.get("value")} for item in operations]
    records.happened("update", record, changes=changes)


def emails(given: Iterable[Mapping[str, Any]]) -> list[Record]:
    listed = [_entry(item) for item in given]
    for item in listed:
        if not _EMAIL.fullmatch(str(item["value"])):
            raise Refused(f"{item['value']} is not a valid email address", field="emails")
    return listed


def phones(given: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Written as a string, read as an object."""
    return [{**_entry(item), "value": _number(item["value"])} for item in given]


def matches(record: Record, words: str) -> bool:
    """What the fuzzy search finds: more than one wants."""
    texts = [record.get("name") or "", *(item["value"] for item in record.get("emails", ()))]
    texts += [item["value"]["number"] for item in record.get("phones", ())]
    wanted = words.lower()
    digits = re.sub(r"\D", "", words)
    return any(
        any(word in text.lower() for word in wanted.split())
        or (len(digits) > 6 and digits[-6:] in re.sub(r"\D", "", text))
        for text in texts
    )


def _one(table: str, record: Record, operation: Mapping[str, Any], fields: Fields) -> None:
    parts = [_unescaped(part) for part in str(operation.get("path", "")).split("/")]
    if len(parts) < 4 or parts[:3] != ["", table, "0"]:
        raise Refused(f"Invalid path {operation.get('path')}")
    name, rest, op = parts[3], parts[4:], operation.get("op")
    value: Any = operation.get("value")
    if name in fields.custom[table]:
        fields.check(table, {name: value})
        record["customFields"][name] = value
    elif name == "links" and rest:
        _link(record["links"], rest, value, op)
    elif name in ("emails", "phones", "urls"):
        read = _READERS[name]
        record[name] = read(value) if op == "replace" and not rest else [*record[name], *read([value])]
    elif name == "name" and op == "replace":
        record.update(_named(str(value)))
    elif name in WRITABLE[table] or name == "manualValue":
        record[name] = value
    else:
        raise Refused(f"There is no field named {name}", field=name)


def _urls(given: Iterable[Mapping[str, Any]]) -> list[Record]:
    return [_entry(item) for item in given]


_READERS: dict[str, Callable[[Iterable[Mapping[str, Any]]], list[Record]]] = {
    "emails": emails,
    "phones": phones,
    "urls": _urls,
}


def _link(links: Record, rest: list[str], value: Any, op: object) -> None:
    if rest[1:] == ["-"] and op == "add":
        links[rest[0]] = [*links.get(rest[0], []), value]
    elif len(rest) == 1 and op in ("add", "replace"):
        links[rest[0]] = value
    else:
        raise Refused(f"Invalid path links/{'/'.join(rest)}")


def _named(name: str) -> Record:
    first, _, last = name.partition(" ")
    return {"name": name, "firstName": first, "lastName": last}


def _entry(item: Mapping[str, Any]) -> Record:
    return {"isPrimary": bool(item.get("isPrimary")), "name": item.get("name", "email"), "value": item["value"]}


def _number(value: object) -> Record:
    text = str(value)
    digits = re.sub(r"\D", "", text)
    return {"countryCode": None, "number": text, "extension": None, "numberFormatted": text,
            "E164": f"+{digits}", "countryCodeAndNumber": text}  # fmt: skip


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
