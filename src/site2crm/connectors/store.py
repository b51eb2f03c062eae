"""Where the Test inbox keeps what it was sent: one row per key, later writes change it as a CRM would."""

from collections.abc import Mapping, Sequence

from site2crm.connectors.models import InboxRecord
from site2crm.core.db import Database, in_org, lock
from site2crm.kit import clock, ids


class Records:
    """An `InboxStore` with transactions of its own; the connector calls it where it would call out."""

    def __init__(self, database: Database, org_id: str) -> None:
        self._database = database
        self._org_id = org_id

    async def upsert(
        self, connection_id: str, records: Sequence[tuple[str, Mapping[str, str]]]
    ) -> list[tuple[str, bool]]:
        """The id of each, and whether it is new. All of them in one transaction."""
        if not records:
            return []
        async with self._database.session() as session:
            await lock(session)
            same = in_org(InboxRecord, self._org_id).where(
                InboxRecord.connection_id == connection_id, InboxRecord.key.in_({key for key, _ in records})
            )
            known = {record.key: record for record in await session.scalars(same)}
            told: list[tuple[str, bool]] = []
            for key, properties in records:
                is_new = key not in known
                if is_new:
                    known[key] = self._new(connection_id, key, properties)
                    session.add(known[key])
                else:
                    _change(known[key], properties)
                told.append((known[key].id, is_new))
            return told

    def _new(self, connection_id: str, key: str, properties: Mapping[str, str]) -> InboxRecord:
        now = clock.now()
        return InboxRecord(
            id=ids.new("rec"),
            org_id=self._org_id,
            connection_id=connection_id,
            key=key,
            properties=dict(properties),
            writes=1,
            created_at=now,
            updated_at=now,
        )


def _change(record: InboxRecord, properties: Mapping[str, str]) -> None:
    record.properties = {**record.properties, **properties}
    record.writes += 1
    record.updated_at = clock.now()
