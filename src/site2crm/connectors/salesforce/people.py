"""People into leads or contacts: look up, write, note. Several at once cost as many calls as one."""

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from site2crm.connectors.contract import EMPTY, Context, CrmError, ErrorClass, Exchange, PersonIn, Written
from site2crm.connectors.salesforce import accounts, finding, notes
from site2crm.connectors.salesforce.client import Client
from site2crm.connectors.salesforce.finding import Draft
from site2crm.connectors.salesforce.properties import COMPANY, CONTACT, LEAD, NOTE, encode_all, of_a_contact
from site2crm.connectors.salesforce.saving import Record, headers_of, path_of, save
from site2crm.connectors.singly import STOPS_THE_REST

NOT_PROVIDED = "[not provided]"
"""A lead without a company is refused; so says Salesforce's own form."""
_LONGEST_NAME = 80


_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


class People:
    """Those of one connection. `target`: Lead or Contact."""

    def __init__(self, context: Context, target: str) -> None:
        self._client = Client(context)
        self._connection_id = context.connection_id
        self._target = target

    async def upsert(self, people: Sequence[PersonIn]) -> list[Written]:
        drafts = [self._draft(person) for person in people]
        stopped: CrmError | None = None
        for wave in _waves([draft for draft in drafts if draft.record.error is None]):
            if stopped is None:
                await self._write(wave)
                errors = [draft.record.error for draft in wave]
                stopped = next((error for error in errors if error and error.kind in STOPS_THE_REST), None)
            else:
                for draft in wave:
                    draft.record.error = stopped
        return [self._written(draft) for draft in drafts]

    def preview(self, person: PersonIn) -> list[Exchange]:
        """What `upsert` sends if nobody is there yet, or if the known one still is."""
        draft, show = self._draft(person), self._client.preview
        if draft.record.error is not None:
            raise draft.record.error
        shown = [show("GET", path) for path in finding.queries(draft, self._target)]
        known = draft.known_in(LEAD) if self._target == LEAD else ""
        known = known or draft.known_in(CONTACT)
        if known:
            draft.record.id, draft.record.table = known, CONTACT if known.startswith("003") else LEAD
        self._settle(draft)
        if accounts.needs_account(draft):
            name = accounts.name_of(draft)
            path = path_of(account := Record("Account", {"Name": name}))
            shown.append(show("GET", accounts.path_for(name), note="only if the contact has no account yet"))
            shown.append(
                show(*path, account.body, headers=headers_of(account), note="only if no account has this name")
            )
            draft.record.values["AccountId"] = "(the account)"
        if draft.record.body:
            note = "" if known else "only if nobody is found; else the one that is found is updated"
            shown.append(show(*path_of(draft.record), draft.record.body, headers=headers_of(draft.record), note=note))
        if draft.note:
            shown += [show("GET", notes.path_for(known))] if known else []
            task = notes.task(draft, who=known or f"(the {self._target.lower()})")
            shown.append(show(*path_of(task), task.body, headers=headers_of(task), note="once for each submission"))
        return shown

    async def _write(self, drafts: Sequence[Draft]) -> None:
        try:
            await finding.find(self._client, drafts, self._target)
        except CrmError as error:
            for draft in drafts:
                draft.record.error = error
            return
        for draft in drafts:
            self._settle(draft)
        if any(accounts.needs_account(draft) for draft in drafts):
            async with _one_at_a_time(self._connection_id):
                await accounts.attach(self._client, drafts)
        await save(self._client, [draft.record for draft in drafts if draft.record.error is None])
        await notes.add(self._client, drafts)

    def _draft(self, person: PersonIn) -> Draft:
        values = encode_all(person.fields)
        note = str(values.pop(NOTE, ""))
        company = str(values.pop(COMPANY, "")) if self._target == CONTACT else ""
        record = Record(self._target, dict(values))
        draft = Draft(person, record, note=note, company=company, values=values)
        if not values and not note and not company and not draft.email:
            record.error = CrmError(ErrorClass.PERMANENT, "Nothing of this lead is mapped to Salesforce.", code=EMPTY)
        if person.owner and person.owner_wins:
            record.values["OwnerId"] = person.owner
        record.extra = self._for_create(draft)
        return draft

    def _for_create(self, draft: Draft) -> dict[str, object]:
        """Salesforce creates nobody without a family name, and no lead without a company."""
        person = draft.person
        name = draft.email.partition("@")[0] or person.phone or f"Website visitor {(person.lead or person.ref)[-6:]}"
        created: dict[str, object] = {"LastName": name[:_LONGEST_NAME]}
        if self._target == LEAD:
            created["Company"] = NOT_PROVIDED
        if draft.email:
            created["Email"] = draft.email
        if person.owner:
            created["OwnerId"] = person.owner
        return created

    def _settle(self, draft: Draft) -> None:
        """The values as the record that was found has them."""
        if draft.record.table != self._target:
            draft.record.values = of_a_contact(draft.record.values)

    def _written(self, draft: Draft) -> Written:
        record = draft.record
        if record.error is not None:
            return Written(draft.person.ref, error=record.error, warnings=record.warnings)
        url = self._client.record_url(str(record.id))
        return Written(draft.person.ref, record.id, record.created, url, warnings=record.warnings)


def _one_at_a_time(connection_id: str) -> asyncio.Lock:
    """Names of accounts are not unique there: two calls at once would make the same one twice."""
    return _locks.setdefault(connection_id, asyncio.Lock())


def _waves(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """So that nobody is twice in one call: who may be the same goes after the other, in order."""
    waves: list[list[Draft]] = []
    taken: dict[str, int] = {}
    for draft in drafts:
        marks = _marks(draft)
        number = max((taken[mark] + 1 for mark in marks if mark in taken), default=0)
        if number == len(waves):
            waves.append([])
        waves[number].append(draft)
        taken |= dict.fromkeys(marks, number)
    return waves


def _marks(draft: Draft) -> set[str]:
    person = draft.person
    said = {"email": draft.email.casefold(), "id": person.known_id or "", "lead": person.lead, "key": draft.key,
            "phone": person.phone or "", "name": str(draft.names or "")}  # fmt: skip
    return {f"{name}:{value}" for name, value in said.items() if value}
