"""The company of a contact: an account, found by its name or made. A contact that has one keeps it."""

from collections.abc import Sequence

from site2crm.connectors.contract import CrmError, Warned
from site2crm.connectors.salesforce import soql
from site2crm.connectors.salesforce.client import Client, fits, query_path
from site2crm.connectors.salesforce.finding import Draft
from site2crm.connectors.salesforce.properties import COMPANY, CONTACT
from site2crm.connectors.salesforce.saving import PASSING, Record, save

LONGEST_NAME = 255


async def attach(client: Client, drafts: Sequence[Draft]) -> None:
    """Where Salesforce does not take the account, the contact goes on without; a warning says so."""
    wanted = [draft for draft in drafts if needs_account(draft)]
    if not wanted:
        return
    names = {name_of(draft).casefold(): name_of(draft) for draft in reversed(wanted)}
    try:
        ids = await _found(client, list(names.values()))
        new = {key: Record("Account", {"Name": name}) for key, name in names.items() if key not in ids}
        await save(client, list(new.values()))
    except CrmError as error:
        for draft in wanted:
            _failed(draft, error)
        return
    for draft in wanted:
        key = name_of(draft).casefold()
        refusal = new[key].error if key in new else None
        if refusal is not None:
            _failed(draft, refusal)
        else:
            draft.record.values["AccountId"] = new[key].id if key in new else ids[key]


def needs_account(draft: Draft) -> bool:
    """What was mapped to the account itself goes first."""
    return bool(draft.company) and draft.record.table == CONTACT and not _has_account(draft)


def name_of(draft: Draft) -> str:
    return draft.company[:LONGEST_NAME]


def path_for(name: str) -> str:
    return query_path(_query([name]))


def _has_account(draft: Draft) -> bool:
    return draft.has_account or "AccountId" in draft.record.values


async def _found(client: Client, names: Sequence[str]) -> dict[str, str]:
    """The oldest of each name."""
    query = _query(names)
    if len(names) > 1 and not fits(query):
        half = len(names) // 2
        return {**await _found(client, names[:half]), **await _found(client, names[half:])}
    found: dict[str, str] = {}
    for row in await client.query(query):
        found.setdefault(str(row.get("Name")).casefold(), str(row.get("Id")))
    return found


def _query(names: Sequence[str]) -> str:
    return soql.select(("Id", "Name"), "Account", "WHERE", soql.among("Name", names), "ORDER BY CreatedDate ASC")


def _failed(draft: Draft, error: CrmError) -> None:
    if error.kind in PASSING:
        draft.record.error = error
    else:
        draft.record.warnings.append(Warned(COMPANY, f"The account was not made: {error.text}"))
