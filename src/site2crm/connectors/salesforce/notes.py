"""What a lead wrote, as a completed task in the timeline: one for each submission (crm/salesforce.md 5)."""

from collections.abc import Sequence

from site2crm.connectors.contract import CrmError, Warned
from site2crm.connectors.salesforce import soql
from site2crm.connectors.salesforce.client import Client, Row, query_path
from site2crm.connectors.salesforce.finding import Draft
from site2crm.connectors.salesforce.properties import NOTE
from site2crm.connectors.salesforce.saving import PASSING, Record, save
from site2crm.kit import clock

SUBJECT = "Website form"
_LONGEST = 32_000


async def add(client: Client, drafts: Sequence[Draft]) -> None:
    """Where Salesforce does not take the task, the person arrived all the same: a warning says so."""
    wanted = [draft for draft in drafts if draft.note and draft.record.id and draft.record.error is None]
    try:
        there = await _written(client, [draft for draft in wanted if not draft.record.created])
        tasks = {id(draft): task(draft) for draft in wanted if mark(draft) not in there}
        await save(client, list(tasks.values()))
    except CrmError as error:
        for draft in wanted:
            _failed(draft, error)
        return
    for draft in wanted:
        refusal = tasks[id(draft)].error if id(draft) in tasks else None
        if refusal is not None:
            _failed(draft, refusal)


def task(draft: Draft, *, who: str = "") -> Record:
    at = draft.person.at or clock.now()
    text = f"\n\n{mark(draft)}"
    values: dict[str, object] = {
        "Subject": SUBJECT,
        "Description": draft.note[: _LONGEST - len(text)] + text,
        "WhoId": who or draft.record.id,
        "Status": "Completed",
        "ActivityDate": at.date().isoformat(),
    }
    return Record("Task", values)


def query_for(who: Sequence[str]) -> str:
    columns = ("Id", "WhoId", "Description")
    same = f"AND Subject = {soql.text(SUBJECT)} ORDER BY CreatedDate DESC LIMIT 2000"
    return soql.select(columns, "Task", "WHERE", soql.among("WhoId", who), same)


def path_for(who: str) -> str:
    return query_path(query_for([who]))


def mark(draft: Draft) -> str:
    """A text area cannot be searched: the mark is looked for among the tasks of this person."""
    return f"Site2CRM {draft.person.submission or draft.person.ref}"


async def _written(client: Client, drafts: Sequence[Draft]) -> set[str]:
    rows: list[Row] = []
    ids = [str(draft.record.id) for draft in drafts]
    for start in range(0, len(ids), 100):
        rows += await client.query(query_for(ids[start : start + 100]))
    marks = {mark(draft) for draft in drafts}
    told = [str(row.get("Description") or "").rpartition("\n")[2].strip() for row in rows]
    return marks & set(told)


def _failed(draft: Draft, error: CrmError) -> None:
    if error.kind in PASSING:
        draft.record.error = error
    else:
        draft.record.warnings.append(Warned(NOTE, f"The note was not made: {error.text}"))
