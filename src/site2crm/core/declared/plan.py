"""From the entries to the records: what differs, and making it so. Nothing leaves the process here."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.access import OrgRef
from site2crm.core.config_sources import ORGS, Problem
from site2crm.core.crypto import Vault
from site2crm.core.declared import books
from site2crm.core.declared.contract import Declares, Difference, Entry, Row, Work
from site2crm.core.errors import Invalid
from site2crm.core.tables import DeclaredRecord
from site2crm.kit import clock


class Action(StrEnum):
    CREATE = "create"
    TAKE_OVER = "take over"
    """A record that was made by hand belongs to the file from now on."""
    CHANGE = "change"
    KEEP = "keep"
    RELEASE = "release"
    """The entry is gone: a CRM is paused, and all can be changed by hand again."""


class Step(Struct, frozen=True, kw_only=True):
    action: Action
    path: str
    source: str
    differences: Sequence[Difference] = ()


class NotApplied(Exception):
    """An entry does not fit the records; the text begins with file and line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Planner:
    """One walk over the entries in one transaction. `orgs` reads the org of an id, as pages show it."""

    def __init__(
        self,
        session: AsyncSession,
        vault: Vault,
        *,
        kinds: Mapping[str, Declares],
        known: Mapping[str, DeclaredRecord],
        orgs: Mapping[str, OrgRef],
    ) -> None:
        self._session = session
        self._vault = vault
        self._kinds = kinds
        self._known = known
        self._orgs = dict(orgs)
        self._ids = {path: row.record_id for path, row in known.items()}
        self._claimed: dict[str, str] = {}
        """Records of the entries so far, with their paths."""

    async def plan(self, entries: Sequence[Entry]) -> list[Step]:
        """What `apply` would do."""
        steps = [(await self._compared(entry))[0] for entry in entries]
        return [*steps, *(self._released(row) for row in self._gone(entries))]

    async def apply(self, entries: Sequence[Entry]) -> list[Step]:
        """Do it, one entry after the other. Raises NotApplied; the caller's transaction is to be rolled back then."""
        steps: list[Step] = []
        for entry in entries:
            step, row = await self._compared(entry)
            await self._write(entry, step, row)
            steps.append(step)
        for gone in self._gone(entries):
            steps.append(self._released(gone))
            kind = self._kinds.get(_table_of(gone.path))
            if kind is not None and gone.record_id not in self._claimed:  # it may have another key now
                await kind.release(self.work(gone.path), gone.record_id, source=gone.source)
            gone.gone_at = clock.now()
        await self._session.flush()
        return steps

    async def _compared(self, entry: Entry) -> tuple[Step, Row | None]:
        kind, work = self._kinds[entry.table], self.work(entry.path)
        try:
            row = await self.row(entry)
            if row is not None:
                self._claimed[row.id] = entry.path
            if row is None:
                return Step(action=Action.CREATE, path=entry.path, source=entry.source), None
            found = await kind.differences(work, entry, row=row)
            if found is None:
                return Step(action=Action.CREATE, path=entry.path, source=entry.source), None
        except Invalid as invalid:
            raise NotApplied([entry.problem(fault) for fault in invalid.errors]) from invalid
        known = self._known.get(entry.path)
        action = Action.CHANGE if found else Action.KEEP
        if known is None or known.gone_at is not None:
            action = Action.TAKE_OVER
        return Step(action=action, path=entry.path, source=entry.source, differences=found), row

    async def row(self, entry: Entry) -> Row | None:
        """The record that this entry is about; None: it will be made. Raises Invalid."""
        known = self._known.get(entry.path)
        if known is not None:
            return Row(id=known.record_id, was_gone=known.gone_at is not None)
        if entry.table != ORGS and self.work(entry.path).org is None:
            return None
        found = await self._kinds[entry.table].find(self.work(entry.path), entry)
        if found and (other := self._claimed.get(found)) is not None:
            text = f"{other} has this record already; one entry for each"
            raise Invalid.field("id" if "id" in entry.values else "key", text)
        if found is None:
            return None
        self._ids[entry.path] = found
        return Row(id=found)

    async def _write(self, entry: Entry, step: Step, row: Row | None) -> None:
        kind, work = self._kinds[entry.table], self.work(entry.path)
        try:
            if row is None:
                record_id = await kind.create(work, entry)
            else:
                record_id = row.id
                if step.action is not Action.KEEP:
                    await kind.change(work, entry, row=row)
        except Invalid as invalid:
            raise NotApplied([entry.problem(fault) for fault in invalid.errors]) from invalid
        self._ids[entry.path] = record_id
        self._claimed[record_id] = entry.path
        if entry.table == ORGS:
            self._orgs[record_id] = OrgRef(record_id, str(entry.values.get("slug") or entry.key), entry.name)
        await self._note(entry, record_id)

    async def _note(self, entry: Entry, record_id: str) -> None:
        row = self._known.get(entry.path)
        if row is None:
            row = DeclaredRecord(path=entry.path, record_id=record_id)
            self._session.add(row)
        row.source, row.gone_at = entry.source, None
        row.parts = sorted(self._kinds[entry.table].locks(entry))
        await self._session.flush()

    def work(self, path: str) -> Work:
        """What comparing the entry of this path needs."""
        org_id = self._ids.get(path.partition("/")[0], "")
        return Work(session=self._session, vault=self._vault, org=self._orgs.get(org_id), ids=self._ids)

    def _gone(self, entries: Sequence[Entry]) -> list[DeclaredRecord]:
        """What hangs on an org before the org."""
        there = {entry.path for entry in entries}
        gone = [row for path, row in self._known.items() if path not in there and row.gone_at is None]
        return sorted(gone, key=lambda row: row.path.count("/"), reverse=True)

    def _released(self, row: DeclaredRecord) -> Step:
        return Step(action=Action.RELEASE, path=row.path, source=row.source)


async def planner(
    session: AsyncSession, vault: Vault, *, kinds: Mapping[str, Declares], orgs: Mapping[str, OrgRef]
) -> Planner:
    return Planner(session, vault, kinds=kinds, known=await books.all_of(session), orgs=orgs)


def _table_of(path: str) -> str:
    """`acme/crm/hubspot` is of "orgs.crm"."""
    parts = path.split("/")
    return ORGS if len(parts) == 1 else f"{ORGS}.{parts[1]}"
