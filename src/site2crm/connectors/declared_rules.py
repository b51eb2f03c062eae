"""Who gets a declared connection's leads, the deal that each brings, and the rows of single forms.

[orgs.crm.owner]                     # as the API's `owner`; an e-mail or a name is taken for the CRM's id
way = "round_robin"
owners = ["mara@acme.example", "jonas@acme.example"]
[orgs.crm.deal]                      # as the API's `deal`
enabled = true
title = "{name}, {form}"
[orgs.crm.form_fields.contact]       # by the key of [[orgs.forms]]: rows beside [orgs.crm.fields]
"custom.Budget" = "budget"
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from site2crm.connectors import mapping, owners, ruling
from site2crm.connectors.dealing import DealRule
from site2crm.connectors.kinds import ConnectorKind
from site2crm.connectors.mapping import Row
from site2crm.connectors.models import Connection
from site2crm.connectors.owners import OwnerRule
from site2crm.connectors.sales import Directory
from site2crm.core.declared.contract import Difference, Entry
from site2crm.core.errors import FieldError, Invalid

S = TypeVar("S", bound=Struct)

KEYS = ("owner", "deal", "form_fields")


class Rules(NamedTuple):
    """As they are stored; None: the file leaves it to the browser."""

    owner: dict[str, Any] | None
    deal: dict[str, Any] | None
    forms: dict[str, Any] | None


def check(entry: Entry, kind: ConnectorKind) -> None:
    """Without asking the CRM: whom it does not know is told when it was asked. Raises Invalid."""
    read(entry, kind, Directory(), form_id=lambda key: key)
    known = entry.siblings.get("orgs.forms", ())
    given = entry.values.get("form_fields")
    for key in given if isinstance(given, Mapping) else ():
        if key not in known and not str(key).startswith("frm_"):
            raise Invalid.field(f"form_fields.{key}", "No [[orgs.forms]] of this org has this key.")


def read(entry: Entry, kind: ConnectorKind, directory: Directory, *, form_id: Callable[[str], str]) -> Rules:
    """Raises Invalid with what is wrong in each of the three."""
    given = entry.values
    reads: dict[str, Callable[[], dict[str, Any]]] = {
        "owner": lambda: ruling.owner(kind, _rule(OwnerRule, "owner", given), directory),
        "deal": lambda: ruling.deal(kind, _rule(DealRule, "deal", given), directory),
        "form_fields": lambda: _forms(given["form_fields"], form_id),
    }
    made: dict[str, dict[str, Any] | None] = dict.fromkeys(KEYS)
    faults: list[FieldError] = []
    for name in KEYS:
        if name in given:
            try:
                made[name] = reads[name]()
            except Invalid as invalid:
                faults += invalid.errors
    if faults:
        raise Invalid(faults[0].message, errors=faults)
    return Rules(made["owner"], made["deal"], made["form_fields"])


def of(entry: Entry, kind: ConnectorKind, connection: Connection, *, form_id: Callable[[str], str]) -> Rules:
    return read(entry, kind, owners.directory_of(connection.directory or {}), form_id=form_id)


def differences(rules: Rules, connection: Connection) -> Iterator[Difference]:
    pairs = (
        ("owner", connection.owner_rule, rules.owner),
        ("deal", connection.deal_rule, rules.deal),
        ("form_fields", connection.form_mappings, rules.forms),
    )
    for name, before, after in pairs:
        if after is not None and (before or {}) != after:
            yield Difference(name, _told(before), _told(after))


def write(rules: Rules, connection: Connection) -> None:
    if rules.owner is not None:
        connection.owner_rule = rules.owner
    if rules.deal is not None:
        connection.deal_rule = rules.deal
    if rules.forms is not None:
        connection.form_mappings = rules.forms


def rows(fields: Mapping[str, object], place: str) -> list[Row]:
    """Rows of the mapping: our field = the CRM's property, a table with `property`, or a list. Raises Invalid."""
    made: list[Row] = []
    for source, target in _each(fields):
        given = target if isinstance(target, Mapping) else {"property": target}
        try:
            made.append(msgspec.convert({"source": source, **given}, Row))
        except msgspec.ValidationError as error:
            text = f"{error}: a property in quotes, or {{ property = ... }}"
            raise Invalid.field(f"{place}.{source}", text) from error
    if not made:
        return []
    try:
        return mapping.rows_of(made)
    except Invalid as invalid:
        faults = [FieldError(_at_source(fault.field, made, place), fault.message) for fault in invalid.errors]
        raise Invalid(invalid.detail, errors=faults) from invalid


def _rule(kind: type[S], name: str, given: Mapping[str, object]) -> S:
    try:
        return msgspec.convert(given[name], kind)
    except msgspec.ValidationError as error:
        raise Invalid.field(name, str(error)) from error


def _forms(given: object, form_id: Callable[[str], str]) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(fields, Mapping) for fields in given.values()):
        raise Invalid.field("form_fields", "Write [orgs.crm.form_fields.KEY] with the key of a form, its rows below.")
    made: dict[str, list[Row]] = {}
    faults: list[FieldError] = []
    for key, fields in given.items():
        try:
            made[form_id(str(key))] = rows(fields, f"form_fields.{key}")
        except Invalid as invalid:
            faults += invalid.errors
    if faults:
        raise Invalid(faults[0].message, errors=faults)
    return {id: msgspec.to_builtins(each) for id, each in made.items() if each}


def _each(fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """One field may go to several properties."""
    for source, targets in _flat(fields):
        yield from ((source, target) for target in (targets if isinstance(targets, list) else [targets]))


def _flat(fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """TOML reads custom.Budget = "x" without quotes as a table; a row of the mapping is told by its property."""
    for name, value in fields.items():
        if isinstance(value, Mapping) and "property" not in value:
            yield from ((f"{name}.{inner}", target) for inner, target in value.items())
        else:
            yield name, value


def _at_source(field: str, made: Sequence[Row], place: str) -> str:
    number = field.partition("[")[2].partition("]")[0]
    return f"{place}.{made[int(number)].source}" if number.isdecimal() else place


def _told(rule: Mapping[str, Any] | None) -> str:
    return msgspec.json.encode(rule).decode() if rule else ""
