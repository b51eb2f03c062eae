"""A batch of people on its way into Zoho: where each one is, what is written there, and what Zoho said to each.

Look-ups go by COQL, for the search index lags behind. A person who is a contact already is updated there (a lead that
was converted is one); the lead of the same address, else a new one, is written by upsert, which is safe against races.
"""

from collections.abc import Mapping, Sequence

from site2crm.connectors.contract import CrmError, ErrorClass, PersonIn, several
from site2crm.connectors.singly import STOPS_THE_REST
from site2crm.connectors.zoho import answers
from site2crm.connectors.zoho.answers import Item, ZohoError
from site2crm.connectors.zoho.client import BATCH, Client, chunks, link_of
from site2crm.connectors.zoho.properties import (
    COMPANY,
    CONTACTS,
    LEADS,
    NOTE,
    completed,
    is_writable,
    only_on_leads,
)
from site2crm.connectors.zoho.work import Options, Work, begun, key_of, note_of, title_of, waves

TRIES = 4
"""Of one record: without a property, at another id, as a new one."""
LOCATED = "Converted_Contact,Converted__s"
_NOT_ASKED = {"INVALID_QUERY", "INVALID_MODULE", "NOT_SUPPORTED"}


class Placing:
    """One call of `upsert_people`."""

    def __init__(self, client: Client, options: Options) -> None:
        self._client = client
        self._options = options
        self._fields: dict[str, dict[str, bool]] = {}

    async def run(self, people: Sequence[PersonIn]) -> list[Work]:
        works = [begun(person, self._options) for person in people]
        stopped: CrmError | None = None
        for wave in waves(works):
            for batch in chunks(wave, BATCH):
                if stopped is None:
                    stopped = await self._place(batch)
                else:
                    _refuse(batch, stopped)
        return works

    async def _place(self, batch: Sequence[Work]) -> CrmError | None:
        """A call that is refused as a whole refuses all who are not done; returned if the rest would fare no better."""
        refused: CrmError | None = None
        try:
            await self._locate([work for work in batch if work.open and work.person.known_id])
            await self._find([work for work in batch if work.open and not work.id])
            while works := [work for work in batch if work.open]:
                await self._attach_accounts(works)
                await self._write(works)
        except CrmError as error:
            refused = error
            _refuse(batch, error)
        await self._write_notes([work for work in batch if work.done and work.note])
        return refused if refused and refused.kind in STOPS_THE_REST else None

    async def _locate(self, works: Sequence[Work]) -> None:
        """Whether a known record is still there, and whether it is still a lead."""
        first, second = (LEADS, CONTACTS) if self._options.module == LEADS else (CONTACTS, LEADS)
        for module in (first, second):
            left = [work for work in works if not work.id]
            if left:
                await self._locate_in(module, left)

    async def _locate_in(self, module: str, works: Sequence[Work]) -> None:
        ids = list(dict.fromkeys(str(work.person.known_id) for work in works))
        fields = LOCATED if module == LEADS else "Account_Name"
        refs = {work.ref: str(work.person.known_id) for work in works}
        rows = {str(row["id"]): row for row in await self._client.by_ids(module, ids, fields, refs=refs)}
        for work in works:
            row = rows.get(str(work.person.known_id))
            if row is None:
                continue
            contact = link_of(row, "Converted_Contact") if module == LEADS else None
            if contact:
                work.module, work.id, work.has_account = CONTACTS, contact, True
            elif row.get("Converted__s") is not True:
                work.point_at(module, row)

    async def _find(self, works: Sequence[Work]) -> None:
        for module in self.searched():
            for key, columns in (("Email", ("Email",)), ("Phone", ("Phone", "Mobile"))):
                left = [work for work in works if not work.id and key_of(work.person)[0] == key]
                if left := [work for work in left if key_of(work.person)[1]]:
                    await self._find_in(module, left, columns)

    async def _find_in(self, module: str, works: Sequence[Work], columns: Sequence[str]) -> None:
        refs = {work.ref: key_of(work.person)[1] for work in works}
        wanted = list(dict.fromkeys(refs.values()))
        shown = ["id", *columns, *(["Account_Name"] if module == CONTACTS else [])]
        found: dict[str, dict[str, Item]] = {}
        for column in columns:
            for row in await self._client.of_values(", ".join(shown), module, column, wanted, refs=refs):
                found.setdefault(str(row.get(column)).casefold(), {}).setdefault(str(row["id"]), row)
        for work in works:
            key, value = key_of(work.person)
            rows = list(found.get(value.casefold(), {}).values())
            if len(rows) == 1 or (rows and key == "Email"):
                work.point_at(module, rows[0])
            if len(rows) > 1 and key == "Email":
                work.warnings.append(several(len(rows), module.lower()))

    def searched(self) -> list[str]:
        """A number that several have is nobody's, so that none is overwritten by guess."""
        contacts = [CONTACTS] if self._options.asks_contacts else []
        return contacts if self._options.module == CONTACTS else [*contacts, LEADS]

    async def _attach_accounts(self, works: Sequence[Work]) -> None:
        """A contact that has an account keeps it: what somebody typed must not move a customer to another company."""
        lacking = [
            work for work in works if work.module == CONTACTS and work.company and not work.has_account
        ]  # fmt: skip
        names = {work.company.casefold(): work.company for work in lacking}
        if not names:
            return
        numbers = {name: number for number, name in enumerate(names)}
        refs = {work.ref: numbers[work.company.casefold()] for work in lacking}
        items = await self._client.write(*self.accounts(list(names.values())), refs=refs)
        told = dict(zip(names, items, strict=True))
        for work in lacking:
            item = told[work.company.casefold()]
            work.has_account = True
            if answers.is_success(item):
                work.account = answers.id_of(item)
            else:
                work.warn(COMPANY, answers.refusal(item).text)

    def accounts(self, names: Sequence[str]) -> tuple[str, str, dict[str, object]]:
        rows = [{"Account_Name": name} for name in names]
        body = {"data": rows, "duplicate_check_fields": ["Account_Name"], "trigger": self._options.trigger}
        return "POST", "Accounts/upsert", body

    async def _write(self, works: Sequence[Work]) -> None:
        for module in (LEADS, CONTACTS):
            for is_known in (True, False):
                chosen = [work for work in works if work.module == module and (work.id is not None) is is_known]
                if chosen:
                    await self._write_alike(chosen, module, is_known=is_known)

    async def _write_alike(self, works: Sequence[Work], module: str, *, is_known: bool) -> None:
        method, path, body = self.request(works, module, is_known=is_known)
        items = await self._client.write(method, path, body, refs=_numbers(works))
        for work, item in zip(works, items, strict=True):
            work.tries += 1
            try:
                if not answers.is_success(item):
                    raise answers.refusal(item)
                work.id = answers.id_of(item)
            except ZohoError as error:
                await self._mend(work, error)
            else:
                work.done = True
                work.created = not is_known and item.get("action") != "update"
                if module == CONTACTS and self._options.module == LEADS:
                    for name in only_on_leads(work.row):
                        work.warn(name, "This person is a contact in Zoho, and contacts have no such field.")

    def request(self, works: Sequence[Work], module: str, *, is_known: bool) -> tuple[str, str, dict[str, object]]:
        if is_known:
            rows = [{"id": work.id, **work.shaped(self._options.module)} for work in works]
            return "PUT", module, {"data": rows, "trigger": self._options.trigger}
        rows = [completed(work.shaped(self._options.module), work.person, module) for work in works]
        body = {"data": rows, "duplicate_check_fields": ["Email"], "trigger": self._options.trigger}
        return "POST", f"{module}/upsert", body

    async def _mend(self, work: Work, error: ZohoError) -> None:
        """Once more without what Zoho does not have, at the record that it names, or as a new one; else it is final."""
        if work.tries < TRIES:
            if error.kind is ErrorClass.NOT_FOUND and work.id:
                work.module, work.id, work.has_account, work.account = self._options.module, None, False, ""
                return
            if error.kind is ErrorClass.CONFLICT and error.other_id and error.other_id != work.id:
                work.id = error.other_id
                return
            if error.code == "INVALID_DATA" and await self._drop(work, error):
                return
        work.error = _final(error)

    async def _drop(self, work: Work, error: ZohoError) -> bool:
        """Leave out what Zoho does not know or does not let us write; a refused value stays, and is final."""
        name, row = error.field, work.shaped(self._options.module)
        if name is None or name not in row:
            return False
        if name == "Owner":  # whoever it was has left: the lead must not wait for that
            return self._leave_out(work, name, error.text)
        known = await self._known(work.module)
        unwritable = [other for other in row if not known.get(other, False)]
        if name not in unwritable or "Email" in unwritable:
            return False
        for other in unwritable:
            reason = "Zoho does not let us write this field." if other in known else "Zoho has no such field any more."
            self._leave_out(work, other, reason)
        return True

    def _leave_out(self, work: Work, name: str, reason: str) -> bool:
        work.warn(name, reason)
        work.dropped.add(name)
        return True

    async def _known(self, module: str) -> Mapping[str, bool]:
        """The module's fields, and whether we may write them."""
        if module not in self._fields:
            items = await self._client.fields(module)
            self._fields[module] = {str(item.get("api_name")): is_writable(item) for item in items}
        return self._fields[module]

    async def _write_notes(self, works: Sequence[Work]) -> None:
        """One for each submission; a lead that was there before may have got it at an earlier try."""
        if not works:
            return
        try:
            written = await self._notes_of([work for work in works if not work.created])
            left = [work for work in works if title_of(work.person) not in written]
            for batch in chunks(left, BATCH):
                body = {"data": [note_of(work) for work in batch]}
                told = await self._client.write("POST", "Notes", body, refs=_numbers(batch))
                for work, item in zip(batch, told, strict=True):
                    if not answers.is_success(item):
                        work.warn(NOTE, answers.refusal(item).text)
        except CrmError as error:
            for work in works:
                if error.kind in (ErrorClass.CONFIG, ErrorClass.PERMANENT):
                    work.warn(NOTE, error.text)
                else:
                    work.error = error

    async def _notes_of(self, works: Sequence[Work]) -> set[str]:
        refs = {work.ref: title_of(work.person) for work in works}
        titles = list(dict.fromkeys(refs.values()))
        try:
            rows = await self._client.of_values("id, Note_Title", "Notes", "Note_Title", titles, refs=refs)
        except ZohoError as error:
            if error.code not in _NOT_ASKED:
                raise
            return set()  # a note twice, after a lost answer, is better than a message that nobody reads
        return {str(row.get("Note_Title")) for row in rows}


def _numbers(works: Sequence[Work]) -> dict[str, int]:
    return {work.ref: number for number, work in enumerate(works)}


def _refuse(works: Sequence[Work], error: CrmError) -> None:
    for work in works:
        if work.open:
            work.error = error


def _final(error: ZohoError) -> CrmError:
    """After our own second try: a conflict stays for good, a record that vanished meanwhile is tried anew."""
    if error.kind is ErrorClass.CONFLICT:
        error.kind = ErrorClass.PERMANENT
    elif error.kind is ErrorClass.NOT_FOUND:
        error.kind = ErrorClass.RETRY
    return error
