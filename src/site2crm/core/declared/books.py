"""Which record belongs to which entry of the configuration file, and which of its parts only the file changes."""

from collections.abc import Collection, Mapping

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from site2crm.core.errors import Conflict
from site2crm.core.tables import DeclaredRecord


class DeclaredInFile(Conflict):
    code, title = "declared_in_file", "This stands in the configuration file"


class Lock(Struct, frozen=True):
    """`source`: such as "site2crm.toml line 42"."""

    source: str
    parts: frozenset[str]


async def lock_of(session: AsyncSession, record_id: str) -> Lock | None:
    """What only the file may change of this record; None: all of it may be changed here."""
    found = await session.execute(
        select(DeclaredRecord.source, DeclaredRecord.parts).where(
            DeclaredRecord.record_id == record_id, DeclaredRecord.gone_at.is_(None)
        )
    )
    row = found.first()
    return Lock(row.source, frozenset(row.parts)) if row else None


async def expect_free(session: AsyncSession, record_id: str, parts: Collection[str]) -> None:
    """Raises DeclaredInFile if the file has the say about one of these parts."""
    lock = await lock_of(session, record_id)
    if lock is not None and (taken := sorted(lock.parts & set(parts))):
        what = ", ".join(taken)
        raise DeclaredInFile(f"{what}: declared in {lock.source}. Change it there; `site2crm plan` shows what follows.")


async def all_of(session: AsyncSession) -> Mapping[str, DeclaredRecord]:
    """By path, those whose entry is gone too."""
    return {row.path: row for row in await session.scalars(select(DeclaredRecord))}
