"""Which record a lead is already: by its stored id, by our own key, by e-mail, else by number or name.

The stored id is followed through merging and conversion: a lead that was converted is its contact from then on, for
writing to it is refused (crm/salesforce.md 4.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from site2crm.connectors.contract import PersonIn, several
from site2crm.connectors.salesforce import soql
from site2crm.connectors.salesforce.answers import SalesforceError
from site2crm.connectors.salesforce.client import Client, Row, fits, query_path
from site2crm.connectors.salesforce.properties import CONTACT, LEAD
from site2crm.connectors.salesforce.saving import Record

KEY = "Site2CRM_Id__c"
"""A custom text field, External ID and Unique, to which the lead's id is mapped: then no match is a guess (4.3)."""
_PREFIXES = {LEAD: "00Q", CONTACT: "003"}
_PHONES = ("Phone", "MobilePhone")
_MERGES_IN_A_ROW = 3
_OPTIONAL = frozenset({KEY, *_PHONES})
"""Mapped, but perhaps not there or hidden: then nobody is found by it, and writing it says so."""


@dataclass
class Draft:
    """A person on the way into one record. `account`: the record has one already."""

    person: PersonIn
    record: Record
    note: str = ""
    company: str = ""
    has_account: bool = False
    values: dict[str, object] = field(default_factory=dict)

    @property
    def email(self) -> str:
        mapped = self.values.get("Email")
        return self.person.email or (mapped if isinstance(mapped, str) else "") or ""

    @property
    def key(self) -> str:
        return str(self.values.get(KEY) or "")

    @property
    def phones(self) -> dict[str, str]:
        """Only of one who has nothing better: the fields in which the number stands, or would stand."""
        if self.email or self.key:
            return {}
        mapped = {name: str(self.values[name]) for name in _PHONES if self.values.get(name)}
        return mapped or ({"Phone": self.person.phone} if self.person.phone else {})

    @property
    def names(self) -> dict[str, str]:
        """Of one who has neither: only records made since the form was sent are meant."""
        if self.email or self.key or self.phones or self.person.at is None:
            return {}
        values = self.record.body
        return {name: str(values[name]) for name in ("FirstName", "LastName") if values.get(name)}

    def known_in(self, table: str) -> str:
        id = self.person.known_id or ""
        return id if soql.is_id(id) and id.startswith(_PREFIXES[table]) else ""


async def find(client: Client, drafts: Sequence[Draft], target: str) -> None:
    """Each draft's record gets the id of the one that is there, if there is one. Raises CrmError."""
    met = await _known(client, drafts, target)
    others = [draft for draft in drafts if id(draft) not in met]
    if others:
        met |= await _searched(client, others, target)
    found = [(draft, met[id(draft)]) for draft in drafts if id(draft) in met]
    converted = [(draft, str(row.get("ConvertedContactId"))) for draft, row in found if row.get("IsConverted") is True]
    contacts = await alive(client, CONTACT, [contact for _, contact in converted if soql.is_id(contact)])
    for draft, row in found:
        if row.get("IsConverted") is not True:
            _is(draft, row, str(row.get("Table")))
    for draft, contact in converted:
        if contact in contacts:
            _is(draft, contacts[contact], CONTACT)


def queries(draft: Draft, target: str) -> list[str]:
    """The paths that `find` asks for one, as far as that is known before."""
    tables = (target, CONTACT) if target == LEAD else (CONTACT,)
    known = [(table, draft.known_in(table)) for table in tables if draft.known_in(table)]
    if known:
        return [query_path(_by_id(table, [id]), deleted_too=True) for table, id in known]
    query = _by_what_is_said([draft], target)
    return [query_path(query)] if query else []


def _is(draft: Draft, row: Row, table: str) -> None:
    draft.record.id, draft.record.table = str(row["Id"]), table
    draft.has_account = bool(row.get("AccountId"))


async def _known(client: Client, drafts: Sequence[Draft], target: str) -> dict[int, Row]:
    """A lead's contact is known by its id as well: it was converted."""
    met: dict[int, Row] = {}
    for table in (LEAD, CONTACT) if target == LEAD else (CONTACT,):
        rows = await alive(client, table, [known for draft in drafts if (known := draft.known_in(table))])
        met |= {id(draft): row for draft in drafts if (row := rows.get(draft.known_in(table)))}
    return met


async def alive(client: Client, table: str, ids: Sequence[str]) -> dict[str, Row]:
    """By the id that was asked for: the record, or what it was merged into. The deleted ones are left out."""
    found: dict[str, Row] = {}
    asked = {id: id for id in ids}
    for _ in range(_MERGES_IN_A_ROW):
        if not asked:
            break
        rows = {str(row.get("Id"))[:15]: row for row in await _rows(client, table, list(asked.values()))}
        merged: dict[str, str] = {}
        for first, id in asked.items():
            row = rows.get(id[:15], {})
            master = row.get("MasterRecordId")
            if row and row.get("IsDeleted") is not True:
                found[first] = {**row, "Table": table}
            elif isinstance(master, str) and soql.is_id(master):
                merged[first] = master
        asked = merged
    return found


async def _rows(client: Client, table: str, ids: Sequence[str]) -> list[Row]:
    query = _by_id(table, ids)
    if len(ids) > 1 and not fits(query):
        half = len(ids) // 2
        return [*await _rows(client, table, ids[:half]), *await _rows(client, table, ids[half:])]
    return await client.query(query, deleted_too=True)


def _by_id(table: str, ids: Sequence[str]) -> str:
    columns = ("Id", "IsDeleted", "MasterRecordId", *_columns(table))
    return soql.select(columns, table, "WHERE", soql.among("Id", ids))


def _columns(table: str) -> tuple[str, ...]:
    return ("IsConverted", "ConvertedContactId") if table == LEAD else ("AccountId",)


async def _searched(
    client: Client, drafts: Sequence[Draft], target: str, *, without: frozenset[str] = frozenset()
) -> dict[int, Row]:
    query = _by_what_is_said(drafts, target, without=without)
    if len(drafts) > 1 and not fits(query):
        half = len(drafts) // 2
        return {
            **await _searched(client, drafts[:half], target, without=without),
            **await _searched(client, drafts[half:], target, without=without),
        }
    try:
        rows = await client.query(query) if query else []
    except SalesforceError as error:
        missing = _OPTIONAL.intersection(error.unwritable) - without
        if not missing:
            raise
        return await _searched(client, drafts, target, without=without | missing)
    matched = {id(draft): _match(draft, rows) for draft in drafts}
    return {draft: {**row, "Table": target} for draft, row in matched.items() if row is not None}


def _by_what_is_said(drafts: Sequence[Draft], target: str, *, without: frozenset[str] = frozenset()) -> str:
    """The newest first, and those that are still leads before those that were converted."""
    said = {
        "Email": [draft.email for draft in drafts],
        KEY: [draft.key for draft in drafts],
        **{name: [draft.phones.get(name, "") for draft in drafts] for name in _PHONES},
    }
    tests = {name: soql.among(name, filter(None, values)) for name, values in said.items() if name not in without}
    columns = dict.fromkeys(("Id", "CreatedDate", *_columns(target), *(name for name, test in tests.items() if test)))
    named = [_by_name(draft.names, draft.person.at) for draft in drafts if draft.names]
    if named:
        columns |= dict.fromkeys(("FirstName", "LastName", "Email"))
    where = soql.either(*tests.values(), *named)
    order = "ORDER BY IsConverted ASC, LastModifiedDate DESC" if target == LEAD else "ORDER BY LastModifiedDate DESC"
    return soql.select(list(columns), target, "WHERE", where, order) if where else ""


def _by_name(names: Mapping[str, str], at: datetime | None) -> str:
    same = [f"{name} = {soql.text(value)}" for name, value in names.items()]
    since = [f"CreatedDate >= {soql.moment(at)}"] if at else []
    return f"({' AND '.join([*same, *since])})"


def _match(draft: Draft, rows: Sequence[Row]) -> Row | None:
    if draft.key and (row := next((row for row in rows if _same(row, KEY, draft.key)), None)):
        return row
    if draft.email:
        return _newest(draft, [row for row in rows if _same(row, "Email", draft.email)])
    if phones := draft.phones:
        return _only(draft, [row for row in rows if any(_same(row, name, value) for name, value in phones.items())])
    if names := draft.names:
        alike = [row for row in rows if all(_same(row, name, value) for name, value in names.items())]
        return _only(draft, _since(draft, [row for row in alike if not row.get("Email")]))
    return None


def _newest(draft: Draft, rows: list[Row]) -> Row | None:
    """The rows are in this order. A lead that was converted is no double of its contact."""
    alike = [row for row in rows if row.get("IsConverted") is not True]
    if len(alike) > 1:
        draft.record.warnings.append(several(len(alike), f"{draft.record.table.lower()}s", which="last changed"))
    return rows[0] if rows else None


def _only(draft: Draft, rows: list[Row]) -> Row | None:
    """Several are nobody's, so that none is overwritten by guess; but one made since the form was sent is ours."""
    if len(rows) > 1:
        rows = _since(draft, rows)[:1]
    return rows[0] if rows else None


def _since(draft: Draft, rows: list[Row]) -> list[Row]:
    at = draft.person.at
    if at is None:
        return []
    whole_second = at.replace(microsecond=0)
    return [row for row in rows if datetime.fromisoformat(str(row.get("CreatedDate"))) >= whole_second]


def _same(row: Row, name: str, value: str) -> bool:
    return str(row.get(name) or "").casefold() == value.casefold()
