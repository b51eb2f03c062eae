"""Writing records: one by its own call, several in a collection, each with a result of its own (crm/salesforce.md 8).

A field that cannot be written is left out, with a warning, and the rest is written; a record that another one holds the
key of is updated instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from site2crm.connectors.contract import CrmError, ErrorClass, Warned
from site2crm.connectors.salesforce import answers
from site2crm.connectors.salesforce.answers import SalesforceError
from site2crm.connectors.salesforce.client import DATA, Client
from site2crm.connectors.salesforce.properties import CONTACT, LEAD

MOST = 200
COLLECTION = f"{DATA}/composite/sobjects"
CREATING = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
"""Rules that only warn do not stop a lead; those that block do (crm/salesforce.md 4.4)."""

_KEPT = {"LastName", "Email", "StageName", "CloseDate", "Name", "WhoId", "OpportunityId", "ContactId"}
"""Without these a record is refused, or not found again: a missing right on them is for the admin to settle."""
_KEPT_OF = {
    (LEAD, "Company"),
    ("Opportunity", "Description"),  # it carries our mark
    ("Task", "Description"),
}
PASSING = (ErrorClass.RETRY, ErrorClass.THROTTLE, ErrorClass.REAUTH, ErrorClass.REFRESH)
_BAD_OWNER = {
    "INACTIVE_OWNER_OR_USER",
    "INVALID_CROSS_REFERENCE_KEY",
    "MALFORMED_ID",
    "OP_WITH_INVALID_USER_TYPE_EXCEPTION",
}
_PREFIXES = {LEAD: "00Q", CONTACT: "003"}


@dataclass
class Record:
    """What is to be written, and what became of it. `id` None: it is created."""

    table: str
    values: dict[str, object]
    id: str | None = None
    extra: dict[str, object] = field(default_factory=dict)
    """Written only if it is created."""
    created: bool = False
    linked: bool = False
    """A duplicate rule says that it is another kind of record, which is left as it is."""
    alone: bool = False
    met: bool = False
    """Another record held the key, once."""
    error: CrmError | None = None
    warnings: list[Warned] = field(default_factory=list)

    @property
    def body(self) -> dict[str, object]:
        return dict(self.values) if self.id else {**self.extra, **self.values}


async def save(client: Client, records: Sequence[Record]) -> None:
    """Each record gets its id or its error."""
    pending = list(records)
    while pending:
        for group in _groups(pending):
            await _write(client, group)
        pending = [record for record in pending if record.error is not None and mend(record)]
    for record in records:
        record.error = _final(record)


def path_of(record: Record) -> tuple[str, str]:
    """Method and path of a single one."""
    path = f"{DATA}/sobjects/{record.table}"
    return ("PATCH", f"{path}/{record.id}") if record.id else ("POST", path)


def headers_of(record: Record) -> dict[str, str]:
    return {} if record.id else dict(CREATING)


def _groups(records: Iterable[Record]) -> list[list[Record]]:
    """Updates and creations of one kind of record together; what has nothing to say is not sent.

    Two people may have become one record: it is not twice in a call.
    """
    found: list[list[Record]] = []
    writable = [record for record in records if not record.linked and record.body]
    ordered = sorted(writable, key=lambda record: (record.table, bool(record.id)))
    for _, group in groupby(ordered, key=lambda record: (record.table, bool(record.id))):
        listed = list(group)
        found += [[record] for record in listed if record.alone]
        for together in _apart([record for record in listed if not record.alone]):
            found += [together[at : at + MOST] for at in range(0, len(together), MOST)]
    return found


def _apart(records: Sequence[Record]) -> list[list[Record]]:
    """In lists in which each id is once."""
    lists: list[list[Record]] = []
    seen: dict[str | None, int] = {}
    for record in records:
        number = seen[record.id] + 1 if record.id in seen and record.id is not None else 0
        seen[record.id] = number
        if number == len(lists):
            lists.append([])
        lists[number].append(record)
    return lists


async def _write(client: Client, group: Sequence[Record]) -> None:
    if len(group) == 1:
        await _write_one(client, group[0])
        return
    try:
        results = await _collected(client, group)
    except SalesforceError as error:
        if error.kind not in PASSING:
            await _write_parted(client, group, error)
            return
        _failed(group, error)
    except CrmError as error:
        _failed(group, error)
    else:
        for record, result in zip(group, results, strict=True):
            _take(record, result)


async def _write_one(client: Client, record: Record) -> None:
    method, path = path_of(record)
    try:
        said = await client.send(method, path, record.body, headers=headers_of(record))
        id = record.id or answers.result(said)
    except CrmError as error:
        record.error = error
        return
    record.created, record.id, record.error = record.created or record.id is None, id, None


async def _collected(client: Client, group: Sequence[Record]) -> list[object]:
    method, headers = ("PATCH", {}) if group[0].id else ("POST", CREATING)
    records = [_item(record) for record in group]
    said = await client.send(method, COLLECTION, {"allOrNone": False, "records": records}, headers=headers)
    if not isinstance(said, list) or len(said) != len(group):
        raise answers.not_answered()
    return said


def _item(record: Record) -> dict[str, object]:
    id = {"id": record.id} if record.id else {}
    return {"attributes": {"type": record.table}, **id, **record.body}


async def _write_parted(client: Client, group: Sequence[Record], error: SalesforceError) -> None:
    """One record made the whole call unreadable: without the unknown field, or else each alone."""
    dropped = [record for record in group if _drop(record, error)]
    if dropped:
        await _write(client, group)
        return
    for record in group:
        await _write_one(client, record)


def _take(record: Record, result: object) -> None:
    try:
        id = answers.result(result)
    except SalesforceError as error:
        record.error = error
        return
    record.created, record.id, record.error = record.created or record.id is None, record.id or id, None


def _failed(group: Iterable[Record], error: CrmError) -> None:
    for record in group:
        record.error = error


def mend(record: Record) -> bool:
    """Whether it is worth another try, with something changed."""
    error = record.error
    if not isinstance(error, SalesforceError):
        return False
    if _drop(record, error) or _disown(record, error):
        record.error = None
        return True
    return error.kind is ErrorClass.CONFLICT and _yield_to_holder(record, error)


def _drop(record: Record, error: SalesforceError) -> bool:
    said = [name for name in error.unwritable if name in record.body and name not in _KEPT]
    names = [name for name in said if (record.table, name) not in _KEPT_OF or (record.table == LEAD and record.id)]
    for name in names:
        record.warnings.append(Warned(name, _why_dropped(name, error)))
        record.values.pop(name, None)
        record.extra.pop(name, None)
    return bool(names)


def _why_dropped(name: str, error: SalesforceError) -> str:
    if error.code == "INVALID_FIELD":
        return (
            f"{error.text.split(' If you are')[0]} It was removed or renamed, or the connected user may not see {name}."
        )
    return error.text


def _disown(record: Record, error: SalesforceError) -> bool:
    """Someone who left, or a wrong id: the record goes to whom Salesforce gives it by itself."""
    owned = record.body.get("OwnerId")
    if owned is None or error.code not in _BAD_OWNER or error.field not in (None, "OwnerId"):
        return False
    record.warnings.append(Warned("OwnerId", error.text))
    record.values.pop("OwnerId", None)
    record.extra.pop("OwnerId", None)
    return True


def _yield_to_holder(record: Record, error: SalesforceError) -> bool:
    """The one that is there already is updated; one of another kind is taken as it is."""
    if not error.holders:
        told_before, record.alone = record.alone, True  # a collection does not say who it is
        return not told_before
    if record.met:
        return False
    record.met = True
    mine = _PREFIXES.get(record.table, record.id or "")
    same = [id for id in error.holders if not mine or id.startswith(mine)]
    record.id, record.error = (same or error.holders)[0], None
    if not same:
        record.linked = True
        record.table = CONTACT if record.id.startswith(_PREFIXES[CONTACT]) else record.table
    return not record.linked


def _final(record: Record) -> CrmError | None:
    """After our own tries. What vanished or was converted since it was looked up is found out at the next attempt."""
    error = record.error
    if not isinstance(error, SalesforceError):
        return error
    if error.code == "CANNOT_UPDATE_CONVERTED_LEAD" or (error.kind is ErrorClass.NOT_FOUND and _is_gone(record, error)):
        error.kind = ErrorClass.RETRY
    elif error.kind is ErrorClass.NOT_FOUND:
        error.kind = ErrorClass.CONFIG if error.code == "NOT_FOUND" else ErrorClass.PERMANENT
    elif error.kind is ErrorClass.CONFLICT:
        error.kind = ErrorClass.PERMANENT
    if error.unreadable and error.field is None:
        same = [name for name, value in record.body.items() if str(value) == error.unreadable]
        error.field = next(iter(same), None)
    return error


def _is_gone(record: Record, error: SalesforceError) -> bool:
    return record.id is not None and error.field is None
